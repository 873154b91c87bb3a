"""Score SNR that a wished recall, or wished bits, need."""

import math
from statistics import NormalDist

import numpy as np

from prism_photonics.units import InputError

SHARED_dB = 3.0
"""Half of the error is the receiver's noise, half that of the weights (the rules' own split)."""
LARGEST_dB = 60.0
POINTS = 2001


def recall_of_noisy_scores(snr_dB: float, *, k: int, rows: int) -> float:
    """Expected share of the true best k of many Gaussian scores that is still chosen with Gaussian noise on them.

    With x the score and y = x + σ·z, both of unit variance, thresholds t at the quantile 1 − k/rows:
    ``recall = ∫_t^∞ φ(x)·Φ((x − t·√(1 + σ²))/σ) dx/(k/rows)``; exact for many rows.

    Args:
        snr_dB: Spread of the scores over the noise, 10·log10 of the power ratio.
        k: How many are chosen.
        rows: Out of how many.
    """
    share, sigma = k / rows, 10.0 ** (-snr_dB / 20.0)
    t = NormalDist().inv_cdf(1.0 - share)
    x = np.linspace(t, max(t, 0.0) + 9.0, POINTS)
    argument = (x - t * math.hypot(1.0, sigma)) / sigma
    chosen = np.array([0.5 * (1.0 + math.erf(a / math.sqrt(2.0))) for a in argument])
    density = np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)
    return float(np.trapezoid(density * chosen, x) / share)


def snr_for_recall_dB(recall: float, *, k: int, rows: int) -> float:
    """Least required SNR for a recall, the share of the weights' errors included, in tenths of a dB.

    Raises:
        InputError: No SNR below 60 dB gives it.
    """
    low, high = -20.0, LARGEST_dB
    if recall_of_noisy_scores(high, k=k, rows=rows) < recall:
        raise InputError(f"recall = {recall:g} of k = {k} of {rows} rows: needs more than {LARGEST_dB:g} dB; wish less")
    while high - low > 0.01:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if recall_of_noisy_scores(middle, k=k, rows=rows) >= recall else (middle, high)
    return max(math.ceil((high + SHARED_dB) * 10.0) / 10.0, 0.0)


def snr_for_bits_dB(bits: float) -> float:
    """SNR of a converter of so many bits, ``6.02·bits + 1.76`` dB, in tenths of a dB (W. R. Bennett, 1948)."""
    return math.ceil((6.02 * bits + 1.76) * 10.0) / 10.0
