"""The front of a search in pictures: each pair of objectives, every feasible trial, the designs that none beats."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from prism_photonics.explore.objectives import Objective
from prism_photonics.explore.search import Front
from prism_photonics.files import write_bytes
from prism_photonics.plotting import BLUE, GREY, RED, STYLE
from prism_photonics.report.svg import svg_bytes


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
    figure = Figure(figsize=(4.2 * len(pairs), 3.4))
    for axes, (x, y) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        if len(feasible):
            axes.plot(feasible[:, y], feasible[:, x], ".", ms=3, color=GREY, alpha=0.5, label="feasible trials")
        for points, colour, size, label in ((found, BLUE, 5, "front"), (designs, RED, 4, "polished")):
            values = np.array([design.values for design in points]).reshape(-1, len(objectives))
            axes.plot(values[:, y], values[:, x], "o", ms=size, color=colour, label=label)
        if reference is not None:
            axes.plot(reference[y], reference[x], "*", ms=10, color="black", label="to beat")
        for name, one in (("xlabel", objectives[y]), ("ylabel", objectives[x])):
            axes.set(**{name: f"{one.name}{f' ({one.unit})' if one.unit else ''}"})
        for scale, one in ((axes.set_xscale, objectives[y]), (axes.set_yscale, objectives[x])):
            if one.direction == "minimize" and len(feasible):  # an empty axis has no logarithm
                scale("log")
    figure.axes[0].legend()
    return figure


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
