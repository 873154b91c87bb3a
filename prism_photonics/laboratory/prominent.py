"""Peaks that stand out by so much of all that parts them from higher ones."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


def prominent(values: Float[ndarray, " any"], least: float) -> Int[ndarray, " peaks"]:
    """Places of the peaks whose prominence is at least so much, ascending; the middle of those that are flat.

    From a peak the values fall by that much on both sides before they rise above it, or end: the same peaks as those of
    ``scipy.signal.find_peaks``, in one pass, and without that module, which takes as long to import as all else that a
    fit needs.

    Args:
        values: The values; finite.
        least: The least prominence, over 0.
    """
    if len(values) < 3:
        return np.zeros(0, int)
    steps = np.diff(values)
    moved = np.flatnonzero(steps)
    up = steps[moved] > 0.0
    turns = np.flatnonzero(up[1:] != up[:-1])
    places = (moved[turns] + 1 + moved[turns + 1]) // 2
    found: list[int] = []
    highest: list[int] = []
    top, low, climbing = -np.inf, float(values[0]), False
    for place, value in [*zip(places.tolist(), values[places].tolist(), strict=True), (-1, float(values[-1]))]:
        if climbing:
            if value > top:
                top, highest = value, [place]
            elif value == top:
                highest.append(place)
            elif top - value >= least:
                found += highest
                low, climbing = value, False
        elif value < low:
            low = value
        elif value - low >= least:
            top, highest, climbing = value, [place], True
    return np.array(found, int)
