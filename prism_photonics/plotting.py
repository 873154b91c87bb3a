"""Style of the figures, independent of the user's matplotlib settings."""

from typing import TYPE_CHECKING, Any

from prism_photonics.extras import load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, RED, GREEN, GREY = "#2b6cb0", "#c53030", "#2f855a", "#718096"
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e2e8f0",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    # Element ids are random without it: equal runs would give different files.
    "svg.hashsalt": "prism_photonics",
}


def drawn(name: str, *subject: Any, ax: "Axes | None", **options: Any) -> "Axes":
    """Draw something by the function of `report.axes` that has this name, and return its axes.

    What can be plotted stands in rooms far below the report, and none of them may import it: they name the figure.

    Args:
        name: The function.
        subject: The objects to be drawn.
        ax: Matplotlib axes to draw into, which keep their own looks; new ones in ours by default.
        options: Keywords of that function.

    Returns:
        The axes.
    """
    draw = getattr(load("prism_photonics.report.axes", what="a plot"), name)
    if ax is not None:
        draw(*subject, ax, **options)
        return ax
    from matplotlib import pyplot, style

    with style.context(["default", STYLE]):
        _, ax = pyplot.subplots()
        draw(*subject, ax, **options)
    return ax
