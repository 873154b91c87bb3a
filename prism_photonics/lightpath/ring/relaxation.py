"""Electro-optic relaxation of the film: what a held voltage loses of its effect, and what it leaves behind.

A voltage V acts as ``V − Σ share·x``, where each x relaxes towards V with a time of its own. The sources of shares and
times are in the film's profile.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.process.profile import Profile

HOUR_S = 3600.0


class FilmCharge:
    """Charge state of the film under every electrode, integrated exactly over steps of steady voltage."""

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
