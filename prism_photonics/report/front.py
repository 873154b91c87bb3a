"""The front of a search in pictures: each pair of objectives, every feasible trial, the designs that none beats."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy import ndarray

from prism_photonics.explore.objectives import Objective
from prism_photonics.explore.search import Front
from prism_photonics.files import write_bytes
from prism_photonics.plotting import BLUE, GREY, RED, STYLE
from prism_photonics.report.svg import svg_bytes

PER_ROW = 3
"""Pictures beside each other: as many as three objectives have pairs."""
LEAST_FOLD, MOST_FOLD = 4.0, 200.0
"""Largest over least cost from which an axis is logarithmic, and up to which it bears three numbers a decade (design
choices)."""


def pareto(
    objectives: Sequence[Objective],
    feasible: Float[ndarray, "trials objectives"],
    designs: Sequence[Front],
    found: Sequence[Front],
    *,
    reference: tuple[float, ...] | None = None,
) -> Figure:
    """Objectives against each other.

    Args:
        objectives: What was wanted.
        feasible: Values of every feasible trial.
        designs: The designs that are written, polished.
        found: The front as the search found it.
        reference: Objectives of the chip that is to be beaten, if there is one.
    """
    pairs = list(combinations(range(len(objectives)), 2)) or [(0, 0)]
    rows, columns = -(-len(pairs) // PER_ROW), min(len(pairs), PER_ROW)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows + 0.4), layout="constrained")
    for axes, (x, y) in zip(figure.subplots(rows, columns, squeeze=False).flat, pairs, strict=True):
        if len(feasible):
            axes.plot(feasible[:, y], feasible[:, x], ".", ms=3, color=GREY, alpha=0.5, label="feasible trials")
        for points, colour, size, label in ((found, BLUE, 5, "front"), (designs, RED, 4, "polished")):
            values = np.array([design.values for design in points]).reshape(-1, len(objectives))
            axes.plot(values[:, y], values[:, x], "o", ms=size, color=colour, label=label)
        if reference is not None:
            axes.plot(reference[y], reference[x], "*", ms=10, color="black", label="to beat")
        for name, one in (("xlabel", objectives[y]), ("ylabel", objectives[x])):
            axes.set(**{name: f"{one.name}{f' ({one.unit})' if one.unit else ''}"})
        sides = (
            (axes.xaxis, axes.set_xscale, objectives[y], axes.dataLim.intervalx),
            (axes.yaxis, axes.set_yscale, objectives[x], axes.dataLim.intervaly),
        )
        for axis, scale, one, drawn in sides:
            # An axis on which nothing is drawn spans from +∞ to −∞.
            if one.direction == "minimize" and 0.0 < drawn[0] <= drawn[1]:
                _spread(axis, scale, drawn[1] / drawn[0])
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _spread(axis: Axis, scale: Callable[[str], None], fold: float) -> None:
    """A cost's axis, logarithmic where costs differ manyfold, with numbers that have room beside each other.

    Matplotlib's own writes all of 4·10¹, 5·10¹, … within one power of ten, one over the next.
    """
    if fold < LEAST_FOLD:
        axis.set_major_locator(MaxNLocator(5))
        return
    scale("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if fold < MOST_FOLD else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def write_front(
    path: Path,
    objectives: Sequence[Objective],
    *,
    feasible: Float[ndarray, "trials objectives"],
    designs: Sequence[Front],
    found: Sequence[Front],
    reference: tuple[float, ...] | None = None,
) -> None:
    """Write the picture as an SVG file; the arguments are those of `pareto`.

    Raises:
        InputError: The file cannot be written.
    """
    with mpl.rc_context(rc=STYLE):
        write_bytes(path, svg_bytes(pareto(objectives, feasible, designs, found, reference=reference)))
