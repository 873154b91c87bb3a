"""Drift processes of a chip: temperature, electro-optic relaxation, charge memory, and each ring's random walk.

Every process is integrated exactly over a time step, so a step may be a microsecond or a day.
"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.drift.state import HOUR_S, DriftState, thermal_patterns_pm
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec


class FilmCharge:
    """Charge state of the film under every electrode, integrated exactly over steps of steady voltage.

    A held voltage loses part of its effect, and leaves a remnant: V acts as ``V − Σ share·x``, where each x relaxes
    towards V with its own time constant. The sources of shares and times are in the film's profile.
    """

    def __init__(self, profile: Profile, shape: tuple[int, ...]) -> None:
        """A film that has long been without voltage.

        Args:
            profile: The film.
            shape: Of the voltages.
        """
        film = profile.relaxation
        self._shares = np.array([film.fast_share.value, film.slow_share.value, film.memory_share.value])
        self._times_s = np.array([film.fast_s.value, film.slow_h.value * HOUR_S, film.memory_h.value * HOUR_S])
        self._charges_V = np.zeros((3, *shape))

    def advance(self, seconds: float, volts: Float[ndarray, "..."]) -> None:
        """Let time pass under steady voltages in V."""
        held = np.exp(-seconds / self._times_s).reshape(3, *(1 for _ in volts.shape))
        self._charges_V = volts + (self._charges_V - volts) * held

    @property
    def lost_V(self) -> Float[ndarray, "..."]:
        """Voltage that does not act any more, ``Σ share·x``, in V."""
        return np.tensordot(self._shares, self._charges_V, 1)


class Drift:
    """Random drift of a virtual chip, drawn step by step from a seed; never used by a fit."""

    def __init__(self, spec: ChipSpec, rng: np.random.Generator, *, film: Profile | None = None) -> None:
        """A chip whose temperatures are anywhere, and whose rings and film are as calibrated.

        Args:
            spec: How much it drifts.
            rng: Draws it.
            film: The film that relaxes; the spec's by default.
        """
        shape = (spec.chip.rows, spec.chip.rings)
        self._rng = rng
        self._time_s = spec.drift.thermal_time_s
        self._temperature_K = spec.drift.temperature_K
        self._patterns_pm = thermal_patterns_pm(spec)
        self._wander_pm = spec.drift.wander_pm_rthour
        self._film = FilmCharge(film or spec.profile, shape)
        self._temperatures, self._own_pm = rng.standard_normal(3), np.zeros(shape)

    @property
    def state(self) -> DriftState:
        """The true drift state, without a covariance."""
        drifted = {"temperatures": self._temperatures, "own_pm": self._own_pm, "lost_V": self._film.lost_V}
        rest = DriftState.rest(self._own_pm.shape)
        return dataclasses.replace(rest, **{name: jnp.asarray(value) for name, value in drifted.items()})

    def advance(self, seconds: float, volts: Float[ndarray, "rows rings"]) -> None:
        """Let time pass under steady voltages.

        Source: Ornstein–Uhlenbeck temperature, exponential relaxation, Gaussian random walk.
        """
        kept = math.exp(-seconds / self._time_s)
        self._temperatures = kept * self._temperatures + math.sqrt(1.0 - kept**2) * self._rng.standard_normal(3)
        self._film.advance(seconds, volts)
        step_pm = self._wander_pm * math.sqrt(seconds / HOUR_S)
        if step_pm > 0.0:
            self._own_pm = self._own_pm + step_pm * self._rng.standard_normal(self._own_pm.shape)

    def acting_V(self, volts: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows rings"]:
        """The voltages that tune, after what the film has relaxed."""
        return volts - self._film.lost_V

    @property
    def kelvin(self) -> float:
        """The die's common temperature above its mean, in K."""
        return float(self._temperature_K * self._temperatures[0])

    def shift_pm(self) -> Float[ndarray, "rows rings"]:
        """Every ring's shift by temperature and its own wander, in pm."""
        return np.tensordot(self._temperatures, self._patterns_pm, 1) + self._own_pm
