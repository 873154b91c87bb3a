"""Drift with a flicker added, a spectrum of 1/f or a power near it: every ring's resonance flickers by itself.

Rings of lithium niobate and lithium tantalate flicker as 1/f^1.2, by charges whose field tunes them (arXiv 2308.15404).
What no ring stays below is the thermal noise of the charge on its own electrodes, √(kT/C) of voltage whatever
resistance it flows through (J. B. Johnson and H. Nyquist, Physical Review 32, 97 and 110 (1928)).
"""

import math
from typing import Any, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.drift.process import Drift
from prism_photonics.units import BOLTZMANN_J_K

TIMES_S = tuple(10.0 ** np.arange(-3.0, 4.5, 0.75))
"""Correlation times of a flicker's equally strong parts, evenly apart on a logarithmic scale.

The sum of their spectra goes as 1/f between the longest and the shortest, and as 1/f^α where their variances grow as
τ^(α − 1). Source: A. L. McWhorter, in Semiconductor Surface Physics (1957), p. 207.
"""


def charge_noise_pm(slope_pm_V: Float[ndarray, "..."], *, capacitance_fF: float, temperature_K: float) -> Any:
    """Rms shift in pm of rings by the thermal noise of the charge on their electrodes, ``slope·√(kT/C)``."""
    return abs(slope_pm_V) * math.sqrt(BOLTZMANN_J_K * temperature_K / (capacitance_fF * 1e-15))


@final
class FlickeringDrift:
    """A `Drift` whose shifts flicker too; the interface of `Drift`, as far as a virtual chip uses it."""

    def __init__(
        self, drift: Drift, rms_pm: Float[ndarray, "rows rings"], rng: np.random.Generator, *, exponent: float = 1.0
    ) -> None:
        """Flicker that has gone on for long.

        Args:
            drift: What moves besides.
            rms_pm: Of each ring, all parts together.
            rng: Draws it.
            exponent: α of the spectrum 1/f^α.
        """
        self._drift, self._rng = drift, rng
        variance = np.array(TIMES_S) ** (exponent - 1.0)
        self._part_pm = np.sqrt(variance / variance.sum())[:, None, None] * rms_pm
        self._parts = rng.standard_normal((len(TIMES_S), *rms_pm.shape))

    def advance(self, seconds: float, volts: Float[ndarray, "rows rings"]) -> None:
        """Let time pass; Ornstein–Uhlenbeck processes, exact over any step."""
        self._drift.advance(seconds, volts)
        kept = np.exp(-seconds / np.array(TIMES_S))[:, None, None]
        fresh = self._rng.standard_normal(self._parts.shape)
        self._parts = kept * self._parts + np.sqrt(1.0 - kept**2) * fresh

    def acting_V(self, volts: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows rings"]:
        """As of `Drift`."""
        return self._drift.acting_V(volts)

    def shift_pm(self) -> Float[ndarray, "rows rings"]:
        """As of `Drift`, with the flicker."""
        return self._drift.shift_pm() + (self._part_pm * self._parts).sum(0)
