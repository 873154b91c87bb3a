"""The HTML report: one self-contained page that opens offline."""

import base64
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
from matplotlib.figure import Figure

from prism_photonics.budget.link import link_budget
from prism_photonics.budget.ring import ring_figures
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.files import write_bytes, write_text
from prism_photonics.ranking.evaluate import Evaluation
from prism_photonics.report import figures
from prism_photonics.report.svg import svg_bytes
from prism_photonics.spec import ChipSpec


def write_report(
    path: Path,
    *,
    spec: ChipSpec,
    summary: dict[str, Any],
    calibration: Calibration,
    validation: Validation,
    picture: Path,
) -> None:
    """Write the report of a run.

    Args:
        path: The HTML file.
        spec: The chip.
        summary: Content of ``summary.json``.
        calibration: The fitted chip.
        validation: Its held-out measurements.
        picture: PNG of the layout.

    Raises:
        InputError: The file cannot be written.
    """
    with mpl.rc_context(rc=figures.STYLE):
        images = {
            "spectrum": _svg(figures.spectrum(spec)),
            "tuning": _svg(figures.tuning(calibration, spec)),
            "accuracy": _svg(figures.accuracy(validation)),
            "ranking": _svg(figures.ranking([Evaluation(**line) for line in summary["by_kv_head"]])),
        }
    images["layout"] = _data_url(picture.read_bytes(), "png")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((resources.files(__package__) / "page.html.jinja").read_text(encoding="utf-8"))
    page = template.render(
        spec=spec,
        summary=summary,
        images=images,
        link=link_budget(spec),
        ring=ring_figures(spec),
        lines=summary["by_kv_head"],
    )
    write_text(path, page)


def write_spectrum(path: Path, spec: ChipSpec) -> Path:
    """Write the designed row's spectrum as an SVG file."""
    with mpl.rc_context(rc=figures.STYLE):
        write_bytes(path, svg_bytes(figures.spectrum(spec)))
    return path


def _svg(figure: Figure) -> str:
    return _data_url(svg_bytes(figure), "svg+xml")


def _data_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
