"""What a laboratory reads of its rings: fits over the data and what they leave, trends, the gap law, a page."""

import base64
import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prism_photonics.files import write_bytes, write_text
from prism_photonics.laboratory.extract import Record
from prism_photonics.laboratory.fit import WindowFit
from prism_photonics.laboratory.resonance import Resonance
from prism_photonics.laboratory.rings import SweepFit
from prism_photonics.laboratory.series import GapLaw
from prism_photonics.plotting import BLUE, GREEN, GREY, RED, STYLE
from prism_photonics.report.panels import panels
from prism_photonics.report.svg import svg_bytes
from prism_photonics.units import counted

MOST_WINDOWS = 3
WIDTHS_SHOWN, LEAST_SHOWN_PM = 5.0, 60.0
PANEL_IN = 3.6
"""Width of a window's picture."""
CARET = "v"
"""Mark of a value that is below its place."""
COLOURS = (BLUE, RED, GREEN, GREY)


def write_sweep(path: Path, record: Record, fit: SweepFit) -> None:
    """Draw fits over the data of one sweep: a window at each end of the light, one in the middle, what is left."""
    with mpl.rc_context(rc=STYLE):
        bright = [fit.rings[0].fits[n] for n in record.rings[0].bright] or list(fit.rings[0].fits)
        chosen = [bright[n] for n in sorted({0, len(bright) // 2, len(bright) - 1})][:MOST_WINDOWS]
        wide = {"top_in": 0.56, "between_in": (0.5, 0.1), "sharex": "col", "height_ratios": (3.0, 1.0)}
        figure, grid = panels(PANEL_IN * len(chosen) + 0.6, 4.6, 2, len(chosen), **wide)
        for column, (window, k) in enumerate(chosen):
            _window(window, k, grid[0, column], grid[1, column], first=column == 0)
        found = counted(sum(len(r.resonances) for r in record.rings), "resonance")
        figure.suptitle(f"{record.file}: {found}", fontsize=10)
        write_bytes(path, svg_bytes(figure))


def write_overview(folder: Path, records: Sequence[Record], law: GapLaw | None) -> None:
    """Draw trends over wavelength of all files, and the gap law if there is one."""
    with mpl.rc_context(rc=STYLE):
        figure = Figure(figsize=(9.6, 6.4))
        panels = figure.subplots(2, 2, sharex=True).ravel()
        wanted = (
            ("q_loaded", "loaded Q", True),
            ("kappa2_through", "κ² of the coupler", True),
            ("loss_dB_turn", "loss of a turn (dB)", False),
            ("splitting_pm", "splitting, or below ▽ (pm)", False),
        )
        for axes, (name, label, log) in zip(panels, wanted, strict=True):
            _trend(axes, records, name, log=log)
            axes.set(ylabel=label)
        for axes in panels[2:]:
            axes.set(xlabel="wavelength (nm)")
        if 1 < len(records) <= 12:
            panels[0].legend(fontsize=7, ncols=2)
        write_bytes(folder / "trends.svg", svg_bytes(figure))
        if law is not None:
            figure = Figure(figsize=(6.0, 5.2))
            above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.0, 1.0))
            _gap_law(law, above, below)
            write_bytes(folder / "gap_law.svg", svg_bytes(figure))


def write_page(
    path: Path, numbers: dict[str, Any], records: Sequence[Record], refused: Sequence[str], *, folder: Path
) -> None:
    """Write one page that opens offline: what was found, each file's fit, and what was left out."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Measured rings</title>",
        LOOKS,
        "</head><body>",
    ]
    found = f"{counted(len(numbers['rings']), 'resonance')} in {counted(len(records), 'sweep')}"
    parts.append(f"<h1>Measured rings</h1><p>{found}.</p>")
    for title, key in (("Gap law", "gap_law"), ("Comb", "comb"), ("Tuning", "tuning")):
        if numbers[key]:
            told = {k: v for k, v in numbers[key].items() if v is not None}
            cells = "".join(f"<tr><td>{html.escape(k)}</td><td>{cell(v)}</td></tr>" for k, v in told.items())
            parts.append(f"<h2>{title}</h2><table>{cells}</table>")
    parts += [picture(folder / name) for name in ("gap_law.svg", "trends.svg") if (folder / name).is_file()]
    for record in records:
        parts.append(
            f"<h2>{html.escape(record.file)}</h2>"
            f"<p>{html.escape(record.format)}. {html.escape('; '.join(record.notes))}</p>"
        )
        drawn = folder / f"{record.file}.svg"
        if drawn.is_file():
            parts.append(picture(drawn))
        rows = [row for row in numbers["rings"] if row["file"] == record.file]
        parts.append(table(rows))
    if refused:
        parts.append("<h2>Left out</h2><ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in refused) + "</ul>")
    write_text(path, "".join(parts) + "</body></html>\n")


def _window(fit: WindowFit, k: int, above: Axes, below: Axes, *, first: bool) -> None:
    model, p = fit.model, fit.p
    window = model.window
    centre_nm = float(p[6 * k])
    wide_pm = max(WIDTHS_SHOWN * _fwhm_pm(fit, k), LEAST_SHOWN_PM)
    at = np.abs(window.wl_nm - centre_nm) * 1e3 < wide_pm
    fine_nm = np.linspace(window.wl_nm[at][0], window.wl_nm[at][-1], 600)
    smooth, _, _ = model.evaluate(p, fine_nm)
    names = [*(["through"] if len(window.through) else []), *(f"drop {n + 1}" for n in range(len(window.drops)))]
    for port, name in enumerate(names):
        colour = COLOURS[port % len(COLOURS)]
        above.plot(1e3 * (window.wl_nm[at] - centre_nm), window.traces[port][at], ".", ms=3, color=colour)
        above.plot(1e3 * (fine_nm - centre_nm), smooth[port], color=colour, lw=0.9, label=name)
        below.plot(1e3 * (window.wl_nm[at] - centre_nm), 100.0 * fit.residuals[port][at], color=colour, lw=0.8)
    above.set(title=f"{centre_nm:.3f} nm")
    below.set(xlabel="from resonance (pm)")
    if first:
        above.set(ylabel="of baseline, of peak")
        below.set(ylabel="left (%)")
        above.legend(fontsize=7)


def _fwhm_pm(fit: WindowFit, k: int) -> float:
    numbers = fit.p[6 * k : 6 * k + 6]
    fsr_nm = fit.model.window.fsr_nm[k]
    decay = math.exp(numbers[1]) * (2.0 if fit.model.window.dropped else 1.0) + max(numbers[3], 0.0)
    return 1e3 * fsr_nm * decay / (2.0 * math.pi) + math.sqrt(max(numbers[4], 0.0))


def _trend(axes: Axes, records: Sequence[Record], name: str, *, log: bool) -> None:
    for n, record in enumerate(records):
        for ring in record.rings:
            kept = [ring.resonances[k] for k in ring.bright]
            values = np.array([getattr(one, name) for one in kept], float)
            errors = np.array([getattr(one, f"{name}_std") for one in kept], float)
            there = np.isfinite(values) & (values > 0.0 if log else np.isfinite(errors))
            colour = mpl.colormaps["viridis"](n / max(len(records) - 1, 1) * 0.9)
            if there.any():
                wl = np.array([one.wl_nm for one in kept])[there]
                label = (record.name or record.file) if ring is record.rings[0] else None
                axes.errorbar(wl, values[there], errors[there], fmt="o-", ms=2.5, lw=0.7, color=colour, label=label)
            if name == "splitting_pm":
                _limits_below(axes, [one for one in kept if not math.isfinite(one.splitting_pm)], colour)
    if log:
        axes.set_yscale("log")
    # Error bars of rings that hardly show would flatten all others.
    axes.set_ylim(*_limits(axes, log=log))


def _limits_below(axes: Axes, resonances: Sequence[Resonance], colour: Any) -> None:
    """Resonances that are not told to split: a mark that points down from what they are below."""
    known = [(one.wl_nm, one.splitting_limit_pm) for one in resonances if math.isfinite(one.splitting_limit_pm)]
    if known:
        axes.plot(*zip(*known, strict=True), marker=CARET, ls="", ms=4, mfc="none", color=colour)


def _limits(axes: Axes, *, log: bool) -> tuple[float, float]:
    """Limits that hold every drawn value, and of the error bars what lies a third of the values' range beyond."""
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines] or [np.ones(1)])
    scale = np.log if log else np.asarray
    low, high = scale(drawn.min()), scale(drawn.max())
    margin = max((high - low) / 3.0, 1e-3 * max(abs(low), abs(high)), 1e-9)
    # What is never negative is not drawn as if it might be.
    low, high = low - margin if log or low < 0.0 else max(low - margin, 0.0), high + margin
    return (float(np.exp(low)), float(np.exp(high))) if log else (float(low), float(high))


def _gap_law(law: GapLaw, above: Axes, below: Axes) -> None:
    gaps = np.asarray(law.gap_nm)
    line = np.linspace(gaps.min(), gaps.max(), 50)
    above.errorbar(gaps, law.kappa2, law.kappa2_std, fmt="o", ms=4, color=BLUE)
    above.plot(line, law.kappa2_0 * np.exp(-line / law.decay_nm), color=RED, lw=1.0)
    title = f"κ² falls by e over {law.decay_nm:.1f} ± {law.decay_nm_std:.1f} nm, scatter {100 * law.scatter:.1f} %"
    above.set(yscale="log", ylabel=f"κ² at {law.wl_nm:.0f} nm", title=title)
    below.plot(gaps, law.loss_dB_turn, "o", ms=4, color=BLUE)
    below.axhline(law.loss_dB_turn_median, color=RED, lw=1.0)
    below.set(
        xlabel="gap (nm)",
        ylabel="loss of a turn (dB)",
        ylim=(min(0.0, min(law.loss_dB_turn)), 1.15 * max(law.loss_dB_turn)),
    )


def picture(path: Path) -> str:
    """An SVG file in the page itself, as an image: nothing in it is run."""
    content = base64.b64encode(path.read_bytes()).decode()
    return f"<p><img src='data:image/svg+xml;base64,{content}' alt='{html.escape(path.name)}'></p>"


_COLUMNS = ("wl_nm", "fsr_nm", "n_g", "q_loaded", "q_intrinsic", "kappa2_through", "loss_dB_turn", "splitting_pm")
LOOKS = (
    "<meta name='viewport' content='width=device-width,initial-scale=1'>"
    "<style>.wide{overflow-x:auto}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem}"
    "img{max-width:100%}table{border-collapse:collapse;font-size:.85rem}"
    "td,th{padding:.2rem .6rem;border-bottom:1px solid #e2e8f0;text-align:right}"
    "p{overflow-wrap:anywhere}</style>"
)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Resonances as a table of a page."""
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = "".join("<tr>" + "".join(f"<td>{_in_table(row, name)}</td>" for name in _COLUMNS) + "</tr>" for row in rows)
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _in_table(row: dict[str, Any], name: str) -> str:
    """A number with its error, or of a splitting that is not told what it is below."""
    if name == "splitting_pm" and row[name] is None and row["splitting_limit_pm"] is not None:
        return f"&lt; {cell(row['splitting_limit_pm'], 2)}"
    return "–" if row[name] is None else with_error(row[name], row[f"{name}_std"])


def with_error(value: float, std: float | None) -> str:
    """A number to the second digit of its error."""
    if std is None or not std > 0.0:
        return f"{value:.5g}"
    digits = max(0, 1 - math.floor(math.log10(std)))
    return f"{value:.{digits}f} ± {std:.{digits}f}"


def cell(value: Any, digits: int = 6) -> str:
    """A value in a cell of a page's table."""
    return "–" if value is None else f"{value:.{digits}g}" if isinstance(value, float) else html.escape(str(value))
