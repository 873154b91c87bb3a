"""Stretches that are no measurement of light: a meter that had not begun, one that is full, one that hears itself."""

import numpy as np
from jaxtyping import Bool, Float, Int

LEAST_STUCK = 4
LEAST_SATURATED = 8
STANDS_OUT = 8
"""How many times longer than any other run of equal readings one must be: readings rounded to few digits repeat too."""
FLOOR_SCATTER_dB = 1.0
"""Neighbours of a measured spectrum differ by hundredths of a dB, those of a meter's noise by several."""
FLOOR_WINDOW = 25


def runs(values: Float[np.ndarray, " samples"]) -> tuple[Int[np.ndarray, " runs"], Int[np.ndarray, " runs"]]:
    """Where runs of equal values begin, and how long they are; a NaN is equal to none."""
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return starts, np.diff(np.r_[starts, len(values)])


def stuck_at_start(values: Float[np.ndarray, " samples"]) -> int:
    """How many first samples repeat one reading, in the order of the sweep; 0 where readings repeat everywhere."""
    starts, lengths = runs(values)
    if len(starts) < 2 or lengths[0] < LEAST_STUCK:
        return 0
    ends = np.isin(values[starts], [np.nanmin(values), np.nanmax(values)])
    others = lengths[1:][~ends[1:]]
    return int(lengths[0]) if lengths[0] >= 2 * max(others, default=1) else 0


def saturated(values: Float[np.ndarray, " samples"]) -> Bool[np.ndarray, " samples"]:
    """Samples of runs that stand at the very largest reading, far longer than readings repeat elsewhere."""
    starts, lengths = runs(values)
    top = values[starts] == np.nanmax(values) if np.isfinite(values).any() else np.zeros(len(starts), bool)
    bottom = values[starts] == np.nanmin(values) if np.isfinite(values).any() else np.zeros(len(starts), bool)
    usual = max(lengths[~top & ~bottom], default=1)
    full = top & (lengths >= max(LEAST_SATURATED, STANDS_OUT * usual))
    if len(starts) < 3 or not full.any():
        return np.zeros(len(values), bool)
    # Once a plateau is found, shorter visits to the same reading are of the same kind.
    return np.repeat(top & (lengths > usual), lengths)


def one_reading(values: Float[np.ndarray, " samples"]) -> bool:
    """Whether all readings of a trace are the same, to their last digit."""
    there = values[np.isfinite(values)]
    return len(there) >= LEAST_SATURATED and bool(np.all(there == there[0]))


def in_floor(level_dB: Float[np.ndarray, " samples"]) -> Bool[np.ndarray, " samples"]:
    """Samples that are a meter's noise: neighbours differ by more than a spectrum does, or nothing was heard at all.

    Args:
        level_dB: The trace in dB or dBm; NaN where nothing is recorded, −inf where the power was none or negative.
    """
    floor = np.zeros(len(level_dB), bool)
    heard = np.flatnonzero(~np.isnan(level_dB))
    if len(heard) < 3:
        return floor
    level = np.maximum(level_dB[heard], -300.0)
    # A ring's flank is steep but smooth: noise is what is left when the slope is taken off.
    bend = np.abs(level[1:-1] - (level[:-2] + level[2:]) / 2)
    width = min(FLOOR_WINDOW, len(bend))
    noisy = np.convolve(bend > FLOOR_SCATTER_dB, np.ones(width) / width, mode="same") > 0.4
    floor[heard[1:-1]] = noisy
    floor[heard[0]], floor[heard[-1]] = noisy[0], noisy[-1]
    return floor | np.isneginf(level_dB)
