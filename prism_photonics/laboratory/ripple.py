"""Ripple: the periods that stand out of what a fit leaves."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.signal import lombscargle

SHORTEST_STEPS = 8.0
LEAST_GAIN = 0.15
"""Share of the variance that a sinusoid must explain to be taken in."""


def strongest_period_nm(
    wl_nm: Float[ndarray, " wl"], relative: Float[ndarray, " wl"], *, step_nm: float, longest_nm: float
) -> float | None:
    """Period of the sinusoid that explains most of a residual, in nm; None where none explains enough of it."""
    if len(wl_nm) < 40:
        return None
    shortest_nm = SHORTEST_STEPS * step_nm
    span = wl_nm[-1] - wl_nm[0]
    frequencies = np.arange(1.0 / longest_nm, 1.0 / shortest_nm, 0.2 / span)
    values = relative - np.mean(relative)
    values = np.clip(values, *(np.array([-4.0, 4.0]) * (1.4826 * np.median(np.abs(values)) + 1e-12)))
    power = lombscargle(wl_nm - wl_nm.mean(), values, 2.0 * np.pi * frequencies, normalize=True)
    best = int(np.argmax(power))
    return float(1.0 / frequencies[best]) if power[best] > LEAST_GAIN else None
