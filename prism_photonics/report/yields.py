"""A yield study in pictures: the wafer, what kills dies, what trimming takes, where the scatter comes from, a tornado;
and one page that opens offline.
"""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from prism_photonics.budget.rules_chip import die_um
from prism_photonics.explore.sensitivity import Sensitivity
from prism_photonics.explore.summary import Yield
from prism_photonics.explore.variance import PARTS
from prism_photonics.files import write_bytes, write_text
from prism_photonics.plotting import BLUE, GREEN, GREY, RED, STYLE
from prism_photonics.report.svg import svg_bytes

COLOURS = dict(zip(PARTS, (BLUE, GREEN, "#d69e2e", GREY), strict=True))
NAMES = {
    "trim_rms_nm": "trimming (rms)", "heater_W": "heater power", "weight_error_rms": "weight error",
    "crossing_rings": "rings on TM crossings", "snr_dB": "score SNR", "recall": "recall", "good": "good or not",
}  # fmt: skip
LEAST_VARIANCE = 1e-15


def figures(found: Yield, recall: float, answers: Sequence[Sensitivity]) -> dict[str, Figure]:
    """All figures by the name of their file."""
    return {
        "wafer": wafer_map(found),
        "killers": killers(found),
        "trimming": trimming(found),
        "recall": recalls(found),
        "variance": variance(found),
        "tornado": tornado(recall, answers),
    }


def wafer_map(found: Yield) -> Figure:
    """Share of good dies at each place, and the film's mean thickness there."""
    figure = Figure(figsize=(9.0, 4.2))
    left, right = figure.subplots(1, 2)
    dies, good, _, thickness = found.sites.T
    with np.errstate(invalid="ignore"):
        share, film_nm = good / dies, thickness / dies
    _map(found, left, share, title="share of good dies", colours="RdYlGn", limits=(0.0, 1.0))
    widest = max(float(np.nanmax(np.abs(film_nm))), 1e-9)
    _map(found, right, film_nm, title="film minus design (nm)", colours="coolwarm", limits=(-widest, widest))
    return figure


def killers(found: Yield) -> Figure:
    """Dies lost to each cause, alone and together with others."""
    figure = Figure(figsize=(6.4, 2.9))
    axes = figure.subplots()
    names = [killer.limit.cause for killer in found.killers][::-1]
    percent = 100.0 / found.plan.dies
    axes.barh(names, [k.dies * percent for k in found.killers][::-1], color=RED, alpha=0.35, label="with others")
    axes.barh(names, [k.alone * percent for k in found.killers][::-1], color=RED, label="alone")
    axes.set(
        xlabel="of all dies (%)", title=f"What kills dies: {found.plan.dies - found.good:,} of {found.plan.dies:,}"
    )
    axes.set_xlim(left=0.0)
    if found.good == found.plan.dies:
        axes.set_xlim(0.0, 1.0)
    axes.legend(loc="lower right")
    return figure


def trimming(found: Yield) -> Figure:
    """What trimming takes of each die: power where heaters hold the rings, else the largest shift."""
    figure = Figure(figsize=(6.4, 2.9))
    axes = figure.subplots()
    heated = found.plan.spec.trim.method == "heater"
    name, label = ("heater_W", "heaters of a die (W)") if heated else ("trim_largest_nm", "largest shift of a die (nm)")
    _histogram(found, axes, name, label=label)
    axes.set_title("Trimming power" if heated else "Trimming, once and for all")
    return figure


def recalls(found: Yield) -> Figure:
    """Recall and score SNR of the dies, with their limits."""
    figure = Figure(figsize=(9.0, 2.9))
    left, right = figure.subplots(1, 2)
    blocks = found.plan.spec.chip.rows
    _histogram(found, left, "recall", label=f"recall@{found.plan.k} of {blocks}")
    _histogram(found, right, "snr_dB", label="SNR of a score (dB)")
    return figure


def variance(found: Yield) -> Figure:
    """Share of each cause in the variance of a die's numbers."""
    figure = Figure(figsize=(7.4, 2.9))
    axes = figure.subplots()
    names = [name for name, parts in found.variance.items() if sum(parts.values()) > LEAST_VARIANCE][::-1]
    left = np.zeros(len(names))
    for part in PARTS:
        width = np.array([100.0 * found.variance[n][part] / sum(found.variance[n].values()) for n in names])
        axes.barh([NAMES[n] for n in names], width, left=left, color=COLOURS[part], label=part)
        left += width
    axes.set(xlabel="of the variance (%)", xlim=(0.0, 100.0), title="Where the scatter comes from")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def tornado(recall: float, answers: Sequence[Sensitivity]) -> Figure:
    """What one sigma below and above costs of the design's smooth recall, voltages held."""
    figure = Figure(figsize=(7.4, 4.2))
    axes = figure.subplots()
    lowest_first = list(reversed(answers))
    at = np.arange(len(lowest_first))
    for side, colour, label in ((0.2, BLUE, "1 σ below"), (-0.2, RED, "1 σ above")):
        lost = [recall - (one.below if side > 0.0 else one.above) for one in lowest_first]
        axes.barh(at + side, lost, height=0.36, color=colour, label=label)
    names = [f"{one.name} (σ {one.sigma:.3g}{' ' + one.unit if one.unit else ''})" for one in lowest_first]
    axes.set_yticks(at, names)
    # What must be corrected costs all, what need not a thousandth: both are to be read.
    axes.set_xscale("symlog", linthresh=1e-3)
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set(xlabel=f"lost of the design's smooth recall, {recall:.3f}", title="Voltages held, all rings changed alike")
    axes.legend(loc="lower right")
    return figure


def write_pictures(folder: Path, drawn: dict[str, Figure]) -> dict[str, Path]:
    """Write figures as SVG files.

    Raises:
        InputError: The folder cannot be written.
    """
    paths = {}
    for name, figure in drawn.items():
        paths[name] = folder / f"{name}.svg"
        write_bytes(paths[name], svg_bytes(figure))
    return paths


def write_yield(folder: Path, found: Yield, *, recall: float, answers: Sequence[Sensitivity], numbers: Any) -> None:
    """Write the pictures and the page of a study.

    Args:
        folder: Where ``yield.html`` and the SVG files go.
        found: The study.
        recall: Smooth recall of the design.
        answers: Its sensitivities.
        numbers: What the page's tables are made of, as the command prints it.

    Raises:
        InputError: The folder cannot be written.
    """
    with mpl.rc_context(rc=STYLE):
        paths = write_pictures(folder, figures(found, recall, answers))
    write_text(folder / "yield.html", _page(found, answers, numbers, paths))


def _page(found: Yield, answers: Sequence[Sensitivity], numbers: dict[str, Any], paths: dict[str, Path]) -> str:
    plan, low, high = found.plan, *found.interval
    costs = found.costs_usd()
    lines = [
        ("dies", f"{plan.dies:,} of {plan.wafers} wafers and {found.lots} lots"),
        ("good", f"{found.good:,}: {100 * found.share:.1f} % ({100 * low:.1f} to {100 * high:.1f} %, 95 %)"),
        ("interval counts as", f"{found.independent:,.0f} independent dies: those of one lot are alike"),
        *_crossings(numbers["crossings"]),
        ("whole dies on a wafer", str(len(plan.sites_mm))),
        ("a good, packaged chip", f"{costs['good_chip']:,.0f} USD, of which the package {costs['package']:,.0f}"),
        ("study", plan.hash[:12]),
    ]
    quantiles = [
        (name, *(f"{one[key]:.4g}" for key in ("mean", "std", "p05", "p50", "p95")))
        for name, one in numbers["distributions"].items()
    ]
    slopes = [
        (s.name, f"{s.sigma:.3g} {s.unit}", f"{s.by_recall:.3g}", f"{s.by_weight_rms:.3g}", f"{s.ring_by_ring:.3g}")
        for s in answers
    ]
    verified = [(one["die"], *(f"{one[key]:.4g}" for key in list(one)[1:])) for one in numbers["verified"]]
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<title>Yield of {html.escape(plan.spec.name)}</title>{_LOOKS}</head><body>",
        f"<h1>Yield of {html.escape(plan.spec.name)}</h1>",
        _table(("", ""), lines),
        *(f"<p><b>Warning:</b> {html.escape(line)}</p>" for line in numbers["warnings"]),
        _picture(paths["wafer"]),
        _picture(paths["killers"]),
        _table(
            ("limit", "on", "dies", "alone"),
            [(k.limit.cause, f"{k.limit.column} at {k.limit.side} {k.limit.limit:g}", k.dies, k.alone)
             for k in found.killers],
        ),
        _picture(paths["recall"]),
        _picture(paths["trimming"]),
        "<h2>Where the scatter comes from</h2>",
        _picture(paths["variance"]),
        "<h2>Sensitivities</h2><p>Voltages held, nothing corrected; the parameter changes for all rings together, or "
        "(last column) for each by itself by one σ.</p>",
        _picture(paths["tornado"]),
        _table(("parameter", "σ", "recall per unit", "weights per unit, rms", "ring by ring"), slopes),
        "<h2>Numbers of a die</h2>",
        _table(("number", "mean", "std", "5 %", "median", "95 %"), quantiles),
    ]  # fmt: skip
    if verified:
        parts += [
            "<h2>Stand-ins against whole calibrations</h2>",
            _table([key.replace("_", " ") for key in numbers["verified"][0]], verified),
        ]
    return "\n".join(parts) + "\n</body></html>\n"


def _crossings(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What rings on crossings of TE and TM cost, where they are drawn."""
    if found is None or not found["te_tm"]:
        return []
    out = found["left_out"]
    return [
        ("rings on TM crossings", f"{found['drawn_a_die']:.1f} of {found['rings']} a die in the mean, on "
         f"{found['dies_with']:,} dies"),
        ("good with those left out", f"{out['good']:,}: {100 * out['yield']:.1f} % ({100 * out['yield_low']:.1f} to "
         f"{100 * out['yield_high']:.1f} %, 95 %)"),
    ]  # fmt: skip


def _map(
    found: Yield, axes: Axes, values: np.ndarray, *, title: str, colours: str, limits: tuple[float, float]
) -> None:
    width_mm, height_mm = (1e-3 * side for side in die_um(found.plan.spec))
    # Places stand in a grid: one pixel each, in both layers.
    pitch_mm = np.array([width_mm, height_mm])
    at = np.rint(found.plan.sites_mm / pitch_mm).astype(int)
    half = np.abs(at).max(0)
    places, painted = np.full((2, *(2 * half[::-1] + 1)), np.nan)
    places[at[:, 1] + half[1], at[:, 0] + half[0]] = 0.15
    painted[at[:, 1] + half[1], at[:, 0] + half[0]] = values
    reach_mm = (half + 0.5) * pitch_mm
    within = (-reach_mm[0], reach_mm[0], -reach_mm[1], reach_mm[1])
    axes.imshow(places, cmap="Greys", vmin=0.0, vmax=1.0, extent=within, origin="lower", interpolation="nearest")
    shown = axes.imshow(
        painted, cmap=colours, vmin=limits[0], vmax=limits[1], extent=within, origin="lower", interpolation="nearest"
    )
    radius_mm = 0.5 * found.plan.fab.wafer.diameter_mm
    axes.add_patch(Circle((0.0, 0.0), radius_mm, fill=False, color=GREY))
    axes.set(xlim=(-1.04 * radius_mm, 1.04 * radius_mm), ylim=(-1.04 * radius_mm, 1.04 * radius_mm), aspect="equal")
    axes.set(title=title, xlabel="x (mm)", ylabel="y (mm)")
    axes.grid(visible=False)
    axes.figure.colorbar(shown, ax=axes, shrink=0.85)


def _histogram(found: Yield, axes: Axes, name: str, *, label: str) -> None:
    """A column of all dies, and the limit that dies are judged by where it has one."""
    one = found.distributions[name]
    # Several fine bins to a bar.
    bars = 40
    counts = one.counts.reshape(bars, -1).sum(1)
    edges = one.edges[:: len(one.counts) // bars]
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BLUE)
    for limit in [killer.limit.limit for killer in found.killers if killer.limit.column == name]:
        axes.axvline(limit, color=RED, lw=1.2, ls="--", label=f"limit {limit:g}")
        axes.legend()
    axes.set(xlabel=label, ylabel="dies")


def _picture(path: Path) -> str:
    """An SVG file in the page itself, as an image: nothing in it is run."""
    content = base64.b64encode(path.read_bytes()).decode()
    return f"<p><img src='data:image/svg+xml;base64,{content}' alt='{html.escape(path.stem)}'></p>"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    first = "".join(f"<th>{html.escape(str(name))}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{first}</tr>{body}</table>"


_LOOKS = (
    "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem}"
    "img{max-width:100%}table{border-collapse:collapse;font-size:.85rem}"
    "td,th{padding:.2rem .6rem;border-bottom:1px solid #e2e8f0;text-align:left}</style>"
)
