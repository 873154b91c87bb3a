"""Figures of panels side by side whose margins are known: to find them for each figure takes longer than to draw it."""

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from numpy import ndarray


def panels(
    width_in: float,
    height_in: float,
    rows: int,
    columns: int,
    *,
    left_in: float = 0.72,
    bottom_in: float = 0.46,
    top_in: float = 0.3,
    between_in: tuple[float, float] = (0.76, 0.72),
    **options: Any,
) -> tuple[Figure, ndarray]:
    """A figure and its axes, (rows, columns), with room for a label and numbers of six places beside each.

    Args:
        width_in: Width of the figure in inches.
        height_in: Its height.
        rows: Panels above each other.
        columns: Panels side by side.
        left_in: Room for labels at the left.
        bottom_in: Below.
        top_in: For titles.
        between_in: From panel to panel, across and down.
        **options: Of matplotlib's ``Figure.subplots``.
    """
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        figure = Figure(figsize=(width_in, height_in))
    right_in = 0.12
    across_in, down_in = between_in
    panel_in = (width_in - left_in - right_in - (columns - 1) * across_in) / columns
    tall_in = (height_in - bottom_in - top_in - (rows - 1) * down_in) / rows
    figure.subplots_adjust(
        left=left_in / width_in,
        right=1.0 - right_in / width_in,
        bottom=bottom_in / height_in,
        top=1.0 - top_in / height_in,
        wspace=across_in / panel_in,
        hspace=down_in / tall_in,
    )
    return figure, figure.subplots(rows, columns, squeeze=False, **options)
