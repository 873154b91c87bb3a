"""The tracked hour as a figure: bits against time, tracked and not."""

import io
from collections.abc import Mapping
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

from prism_photonics.characterize.stability import Hour
from prism_photonics.files import write_bytes
from prism_photonics.plotting import STYLE

COLORS = {"none": "#718096", "common": "#2b6cb0", "full": "#c53030"}
LABELS = {"none": "not tracked", "common": "common-mode", "full": "each ring"}
GOAL_BITS = 8.0


def hours(panels: Mapping[str, Mapping[str, Hour]]) -> Figure:
    """One panel per chip; held weights as lines, fresh weights as circles.

    Args:
        panels: Hours by mode, by the chip's title.
    """
    figure = Figure(figsize=(4.6 * len(panels) + 0.6, 3.6))
    for axes, (title, by_mode) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
    ):
        for mode, hour in by_mode.items():
            # The first check comes at the moment of loading, which a logarithm cannot show.
            minutes = [max(t, 0.5) / 60.0 for t in hour.time_s]
            duty = f", {hour.told['duty_laboratory']:.2%} duty" if mode != "none" else ""
            axes.plot(minutes, hour.held_bits, "-", color=COLORS[mode], label=LABELS[mode] + duty)
            axes.plot(minutes, hour.fresh_bits, "o", ms=3, mfc="none", color=COLORS[mode])
        axes.axhline(GOAL_BITS, color="black", lw=0.8, ls=":")
        axes.set(xscale="log", xlabel="minutes since the weights were loaded", title=title)
        axes.set_ylim(bottom=0.0)
        axes.legend(loc="lower left")
    figure.axes[0].set_ylabel("accuracy in bits (lines: held, circles: fresh)")
    return figure


def write_hours(path: Path, panels: Mapping[str, Mapping[str, Hour]]) -> None:
    """Write the figure as PNG."""
    stream = io.BytesIO()
    with style.context(["default", STYLE]):
        hours(panels).savefig(stream, format="png", dpi=150)
    write_bytes(path, stream.getvalue())
