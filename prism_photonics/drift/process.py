"""How a chip moves with time: temperature, electro-optic relaxation, charge memory, and each ring's own wander.

Every process is integrated exactly over a time step, so a step may be a microsecond or a day.
"""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.lightpath.ring.relaxation import HOUR_S, FilmCharge
from prism_photonics.spec import ChipSpec


class Drift:
    """State of a chip's drift, advanced step by step. Seeded; the truth of a virtual chip, never of a fit."""

    def __init__(self, spec: ChipSpec, rng: np.random.Generator) -> None:
        rows, rings = spec.chip.rows, spec.chip.rings
        drift = spec.drift
        self._rng = rng
        self._time_s = drift.thermal_time_s
        self._rms_K = np.array([drift.temperature_K, drift.gradient_K, drift.gradient_K])
        # The common temperature, and the gradients along x and y over the whole die.
        self._kelvin = self._rms_K * rng.standard_normal(3)
        self._pattern = np.stack([np.ones((rows, rings)), *np.meshgrid(_across(rings), _across(rows))])
        self._pm_K = spec.profile.optics.thermal_pm_K.value
        self._wander_pm = drift.wander_pm_rthour
        self._wandered_pm = np.zeros((rows, rings))
        self._film = FilmCharge(spec.profile, (rows, rings))

    def advance(self, seconds: float, volts: Float[ndarray, "rows rings"]) -> None:
        """Let time pass under steady voltages.

        Source: Ornstein–Uhlenbeck temperature, exponential relaxation, Gaussian random walk.
        """
        kept = math.exp(-seconds / self._time_s)
        self._kelvin = kept * self._kelvin + self._rms_K * math.sqrt(1.0 - kept**2) * self._rng.standard_normal(3)
        self._film.advance(seconds, volts)
        step_pm = self._wander_pm * math.sqrt(seconds / HOUR_S)
        if step_pm > 0.0:
            self._wandered_pm = self._wandered_pm + step_pm * self._rng.standard_normal(self._wandered_pm.shape)

    def acting_V(self, volts: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows rings"]:
        """The voltages that tune, after what the film has relaxed."""
        return volts - self._film.lost_V

    @property
    def kelvin(self) -> float:
        """The die's common temperature above its mean, in K."""
        return float(self._kelvin[0])

    def shift_pm(self) -> Float[ndarray, "rows rings"]:
        """Every ring's shift by temperature and its own wander, in pm."""
        return self._pm_K * np.tensordot(self._kelvin, self._pattern, 1) + self._wandered_pm


def _across(count: int) -> Float[ndarray, " count"]:
    """Places from −1/2 to 1/2."""
    return np.linspace(-0.5, 0.5, count) if count > 1 else np.zeros(1)
