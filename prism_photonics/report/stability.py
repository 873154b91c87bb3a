"""The stability test as a figure: bits against time, tracked and not."""

import io
from collections.abc import Mapping
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

from prism_photonics.characterize.stability import StabilityTest
from prism_photonics.files import write_bytes
from prism_photonics.plotting import STYLE

COLORS = {"none": "#718096", "common": "#2b6cb0", "full": "#c53030"}
LABELS = {"none": "not tracked", "common": "common-mode", "full": "each ring"}
GOAL_BITS = 8.0


def stability_figure(panels: Mapping[str, Mapping[str, StabilityTest]]) -> Figure:
    """One panel per chip; held weights as lines, fresh weights as circles.

    Args:
        panels: Tests by mode, by the chip's title.
    """
    figure = Figure(figsize=(4.6 * len(panels) + 0.6, 3.6))
    for axes, (title, by_mode) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
    ):
        for mode, test in by_mode.items():
            # The first check comes at the moment of loading, which a logarithm cannot show.
            minutes = [max(t, 0.5) / 60.0 for t in test.time_s]
            duty = f", {test.figures['duty_laboratory']:.2%} duty" if mode != "none" else ""
            axes.plot(minutes, test.held_bits, "-", color=COLORS[mode], label=LABELS[mode] + duty)
            axes.plot(minutes, test.fresh_bits, "o", ms=3, mfc="none", color=COLORS[mode])
        axes.axhline(GOAL_BITS, color="black", lw=0.8, ls=":")
        axes.set(xscale="log", xlabel="minutes since the weights were loaded", title=title)
        axes.set_ylim(bottom=0.0)
        axes.legend(loc="lower left")
    figure.axes[0].set_ylabel("accuracy in bits (lines: held, circles: fresh)")
    return figure


def write_stability(path: Path, panels: Mapping[str, Mapping[str, StabilityTest]]) -> None:
    """Write the figure as PNG."""
    stream = io.BytesIO()
    with style.context(["default", STYLE]):
        stability_figure(panels).savefig(stream, format="png", dpi=150)
    write_bytes(path, stream.getvalue())
