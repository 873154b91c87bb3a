"""Noise that is not white: 1/f below a corner, and an amplifier's that rises as f²; in closed form, and drawn.

A density ``S(f) = S·[1 + f_c/f + (f/f_r)²]`` is averaged over a window of T seconds, N = T·B samples of a receiver of
bandwidth B. Of the three parts the first leaves S·B/N, the last, whose samples are unlike their neighbours,
``S·B·(B/f_r)²/3N²``, and the middle one is the sum of parts that forget exponentially: of equal variance S·f_c·ln ρ
each, their times τ a ratio ρ apart, as in `chip.flicker`. The mean of such a part over a window has the variance

    v·2·(τ/T)²·(T/τ − 1 + e^{−T/τ}).

The longest τ is `LONGEST_S`: slower noise is drift.

Source: A. L. McWhorter, in Semiconductor Surface Physics (1957), p. 207, for the sum; the mean of an Ornstein–Uhlenbeck
process: D. T. Gillespie, Physical Review E 54, 2084 (1996), 10.1103/PhysRevE.54.2084. Corners differ from one device to
the next by orders of magnitude: what a spec says is its device's.
"""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

LONGEST_S = 3600.0
"""Longest memory of 1/f noise in s; design choice: a calibration's."""
STEP = 10.0**0.5
"""Ratio of the times of neighbouring parts; at this one the sum of their spectra is 1/f within 2 %."""
SHORT = 1e-3
"""Windows shorter than this share of a part's memory are computed by their series, where differences would round."""


def flicker_variance(corner_Hz: float, *, bandwidth_Hz: float, window_s: float) -> float:
    """Variance of the mean over a window of noise that is 1/f below a corner, over its white density in 1/Hz.

    Args:
        corner_Hz: Frequency at which it is as strong as the white noise; 0 for none.
        bandwidth_Hz: The receiver's.
        window_s: Time over which is averaged.
    """
    if corner_Hz <= 0.0:
        return 0.0
    ratio = window_s / part_times_s(bandwidth_Hz)
    return float(corner_Hz * math.log(STEP) * _mean_variance(ratio).sum())


def rising_variance(rise_Hz: float, *, bandwidth_Hz: float, samples: int = 1) -> float:
    """Variance of the mean of samples of noise that rises as f², over its white density in 1/Hz.

    Args:
        rise_Hz: Frequency at which it is as strong as the white noise; infinite for none.
        bandwidth_Hz: The receiver's.
        samples: How many are averaged.
    """
    return bandwidth_Hz * (bandwidth_Hz / rise_Hz) ** 2 / 3.0 / samples**2


def part_times_s(bandwidth_Hz: float) -> Float[ndarray, " parts"]:
    """Memories of the parts of 1/f noise in s, from the longest down to the receiver's own."""
    shortest_s = 1.0 / (2.0 * math.pi * bandwidth_Hz)
    count = max(1, round(math.log(LONGEST_S / shortest_s) / math.log(STEP)))
    return LONGEST_S * STEP ** -(np.arange(count) + 0.5)


class Flicker:
    """Noise that is 1/f below a corner, of many channels, in time."""

    def __init__(self, sizes: Float[ndarray, " channels"], *, bandwidth_Hz: float, rng: np.random.Generator) -> None:
        """Noise that has gone on for long.

        Args:
            sizes: Of each channel the root of white density times corner.
            bandwidth_Hz: The receiver's.
            rng: Draws it.
        """
        self._rng, self._times_s = rng, part_times_s(bandwidth_Hz)
        self._part = math.sqrt(math.log(STEP)) * sizes
        self._parts = rng.standard_normal((len(self._times_s), len(sizes)))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        kept = np.exp(-seconds / self._times_s)[:, None]
        self._parts = kept * self._parts + np.sqrt(1.0 - kept**2) * self._rng.standard_normal(self._parts.shape)

    def mean_over(self, seconds: float) -> Float[ndarray, " channels"]:
        """The mean over the next so many seconds, which pass; exact for any window."""
        ratio = seconds / self._times_s
        kept = np.exp(-ratio)
        # What is remembered of the part now, and what is new: the mean's, and what the part ends at given that.
        over = -np.expm1(-ratio) / ratio
        own = np.maximum(_mean_variance(ratio) - over**2, 0.0)
        shared = ratio * over**2
        new, other = self._rng.standard_normal((2, *self._parts.shape))
        along = np.where(own > 0.0, shared / np.sqrt(np.where(own > 0.0, own, 1.0)), 0.0)
        left = np.sqrt(np.maximum(1.0 - kept**2 - along**2, 0.0))
        mean = over[:, None] * self._parts + np.sqrt(own)[:, None] * new
        self._parts = kept[:, None] * self._parts + along[:, None] * new + left[:, None] * other
        return self._part * mean.sum(0)


def _mean_variance(ratio: Float[ndarray, " parts"]) -> Float[ndarray, " parts"]:
    """Variance of the mean of an Ornstein–Uhlenbeck process of variance one over T/τ."""
    short = ratio < SHORT
    r = np.where(short, 1.0, ratio)
    return np.where(short, 1.0 - ratio / 3.0 + ratio**2 / 12.0, 2.0 * (r - 1.0 + np.exp(-r)) / r**2)
