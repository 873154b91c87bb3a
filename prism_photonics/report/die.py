"""What a laboratory reads of a die: its test structures in four panels, and a page."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prism_photonics.files import write_bytes, write_text
from prism_photonics.laboratory.die import Part
from prism_photonics.laboratory.die_series import DieSeries
from prism_photonics.plotting import BLUE, GREY, RED, STYLE
from prism_photonics.report.laboratory import CARET, LOOKS, picture, table, with_error
from prism_photonics.report.svg import svg_bytes
from prism_photonics.units import counted

SAID = (
    ("loss_dB_cm", "Loss, rings and cutback together", "dB/cm"),
    ("loss_rings_dB_cm", "Loss by turns of rings", "dB/cm"),
    ("loss_cutback_dB_cm", "Loss by cutback", "dB/cm"),
    ("n_g", "Group index", ""),
    ("n_eff", "Effective index by the length sweep", ""),
    ("coupler_dB", "Loss of one coupler, by the loopback", "dB"),
)


def write_die(path: Path, series: DieSeries) -> None:
    """Draw what a die's structures tell: losses over lengths, resonances over lengths, loss and splitting by ring."""
    with mpl.rc_context(rc=STYLE):
        figure = Figure(figsize=(9.6, 6.8), layout="constrained")
        panels = figure.subplots(2, 2).ravel()
        _cutback(panels[0], series)
        _length_sweep(panels[1], series)
        _by_gap(panels[2], series, "loss_dB_turn", "loss of a turn (dB)")
        _by_gap(panels[3], series, "splitting_pm", "splitting, or below ▽ (pm)")
        write_bytes(path, svg_bytes(figure))


def write_die_page(
    path: Path, numbers: dict[str, Any], parts: Sequence[Part], told: Sequence[str], *, folder: Path
) -> None:
    """Write one page that opens offline: what the die tells, each structure, and what was left out."""
    die = numbers["die"]
    all_of_it = f"{counted(len(numbers['rings']), 'resonance')} in {counted(len(parts), 'structure')}"
    body = [f"<h1>A measured die</h1><p>{all_of_it}.</p>"]
    rows = []
    for key, title, unit in SAID:
        if die[key] is not None and die[key]["value"] is not None:
            rows.append(f"<tr><td>{title}</td><td>{with_error(die[key]['value'], die[key]['std'])} {unit}</td></tr>")
    law = numbers["gap_law"]
    if law:
        rows.append(
            f"<tr><td>κ² falls by e over</td><td>{law['decay_nm']:.1f} ± {law['decay_nm_std']:.1f} nm of gap, scatter "
            f"{100 * law['scatter']:.1f} %</td></tr>"
        )
    body.append(f"<div class='wide'><table>{''.join(rows)}</table></div>")
    body += [picture(folder / name) for name in ("die.svg", "gap_law.svg", "trends.svg") if (folder / name).is_file()]
    if told:
        body.append("<h2>Missing or left out</h2><ul>" + "".join(f"<li>{html.escape(t)}</li>" for t in told) + "</ul>")
    for part in parts:
        body.append(f"<h2>{html.escape(part.structure)}</h2><p>{html.escape(part.file)}")
        body.append(f". {html.escape('; '.join(part.notes))}</p>" if part.notes else "</p>")
        drawn = folder / f"{Path(part.file).stem}.svg"
        if part.guide is not None:
            received = "" if part.guide.relative else "m received"
            body.append(
                f"<p>{part.guide.transmission_dB:.2f} dB{received}, ripple {part.guide.ripple_dB:.2f} dB rms.</p>"
            )
        elif drawn.is_file():
            body.append(picture(drawn))
        found = [row for row in numbers["rings"] if row["file"] == part.file]
        if found:
            body.append(f"<details><summary>{counted(len(found), 'resonance')}</summary>{table(found)}</details>")
    head = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>A measured die</title>{LOOKS}</head><body>"
    )
    write_text(path, head + "".join(body) + "</body></html>\n")


def _cutback(axes: Axes, series: DieSeries) -> None:
    if len(series.cutback) < 2 or series.loss_cutback_dB_cm is None:
        _nothing(axes, "no guides of two lengths")
        return
    length_mm = np.array([1e-3 * x for x, _ in series.cutback])
    loss_dB = np.array([-y for _, y in series.cutback])
    slope = 0.1 * series.loss_cutback_dB_cm[0]
    axes.plot(length_mm, loss_dB, "o", color=BLUE)
    line = np.linspace(0.0, 1.05 * length_mm.max(), 2)
    axes.plot(line, loss_dB.mean() + slope * (line - length_mm.mean()), color=RED, lw=1.0)
    axes.set(
        xlabel="guide between couplers (mm)",
        ylabel="loss with couplers (dB)",
        title=f"cutback: {series.loss_cutback_dB_cm[0]:.2g} ± {series.loss_cutback_dB_cm[1]:.1g} dB/cm",
    )


def _length_sweep(axes: Axes, series: DieSeries) -> None:
    if len(series.length_sweep) < 2 or series.n_eff is None:
        _nothing(axes, "no rings of three lengths")
        return
    length_um, wl_nm = (np.array(column) for column in zip(*series.length_sweep, strict=True))
    axes.plot(1e3 * (length_um - length_um.mean()), wl_nm, "o", color=BLUE)
    slope, start = np.polyfit(length_um - length_um.mean(), wl_nm, 1)
    axes.plot(1e3 * (length_um - length_um.mean()), start + slope * (length_um - length_um.mean()), color=RED, lw=1.0)
    axes.set(
        xlabel="circumference from the middle (nm)",
        ylabel="resonance of one order (nm)",
        title=f"length sweep: n_eff = {series.n_eff[0]:.3g} ± {series.n_eff[1]:.1g}",
    )
    axes.ticklabel_format(useOffset=False)


def _by_gap(axes: Axes, series: DieSeries, name: str, said: str) -> None:
    for rows, colour, what in ((False, BLUE, "test rings"), (True, GREY, "rings of rows, moved left")):
        rings = [ring for ring in series.rings if ("/" in ring.name) == rows]
        # Side by side where many have one gap.
        apart = np.array([0.7 * (n - (len(rings) - 1) / 2.0) for n in range(len(rings))]) if rows else 0.0
        gap = np.array([ring.gap_nm for ring in rings]) + (0.12 * apart - 8.0 if rows else 0.0)
        values, errors = (np.array([getattr(ring, n) for ring in rings]) for n in (name, f"{name}_std"))
        there = np.isfinite(values)
        if there.any():
            axes.errorbar(gap[there], values[there], errors[there], fmt="o", ms=3, lw=0.7, color=colour, label=what)
        if name == "splitting_pm":
            below = np.array([ring.splitting_limit_pm for ring in rings])
            kept = ~there & np.isfinite(below)
            label = "_nolegend_" if there.any() else what
            axes.plot(gap[kept], below[kept], CARET, ms=4, mfc="none", color=colour, label=label)
    axes.set(xlabel="gap (nm)", ylabel=said)
    if name == "loss_dB_turn" and series.loss_dB_turn is not None:
        axes.axhline(series.loss_dB_turn.value, color=RED, lw=1.0)
        axes.set(title=f"{series.loss_dB_turn.value:.2g} ± {series.loss_dB_turn.std:.1g} dB a turn")
    if series.rings:
        axes.legend(fontsize=7)


def _nothing(axes: Axes, why: str) -> None:
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color=GREY)
    axes.set(xticks=[], yticks=[])
