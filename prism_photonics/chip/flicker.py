"""Drift with a 1/f spectrum added: every ring's resonance flickers by itself."""

import math
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.drift.process import Drift

TIMES_S = tuple(10.0 ** np.arange(-3.0, 4.5, 0.75))
"""Correlation times of a flicker's equally strong parts, evenly apart on a logarithmic scale.

The sum of their spectra goes as 1/f between the longest and the shortest. Source: A. L. McWhorter, in Semiconductor
Surface Physics (1957), p. 207.
"""


@final
class FlickeringDrift:
    """A `Drift` whose shifts flicker too; the interface of `Drift`, as far as a virtual chip uses it."""

    def __init__(self, drift: Drift, shape: tuple[int, int], rms_pm: float, rng: np.random.Generator) -> None:
        """Flicker that has gone on for long, of so many pm rms.

        Args:
            drift: What moves besides.
            shape: Rows, and rings of a row.
            rms_pm: Of all parts together.
            rng: Draws it.
        """
        self._drift, self._rng = drift, rng
        self._part_pm = rms_pm / math.sqrt(len(TIMES_S))
        self._parts = rng.standard_normal((len(TIMES_S), *shape))

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
        return self._drift.shift_pm() + self._part_pm * self._parts.sum(0)
