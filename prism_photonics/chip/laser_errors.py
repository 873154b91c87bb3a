"""What a simulated tunable laser does wrong: where it truly is when it says where it is, and how its power ripples."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray


@final
@dataclass(frozen=True)
class LaserErrors:
    """Errors of one laser and its fibres that hold for all of its points; what jitters comes to each point besides.

    Attributes:
        offset_nm: Error of the wavelength that all points share, in nm.
        scale: Relative error of a distance in wavelength.
        middle_nm: Wavelength about which the scale is wrong, in nm.
        ripple_dB: Ripple of the power from peak to peak, in dB.
        period_nm: Period of each of its cosines, in nm.
        phase_rad: Their phases.
    """

    offset_nm: float
    scale: float
    middle_nm: float
    ripple_dB: float
    period_nm: Float[ndarray, " ripples"]
    phase_rad: Float[ndarray, " ripples"]

    @classmethod
    def drawn(
        cls,
        rng: np.random.Generator,
        *,
        offset_pm: float,
        scale: float,
        ripple_dB: float,
        ripple_nm: tuple[float, float],
        ripples: int,
        middle_nm: float,
    ) -> "LaserErrors":
        """Draw a laser from standard deviations of its offset and scale, and the shortest and longest period."""
        offset_nm, wrong = 1e-3 * offset_pm * rng.standard_normal(), scale * rng.standard_normal()
        period_nm, phase_rad = rng.uniform(*ripple_nm, ripples), rng.uniform(0.0, 2.0 * np.pi, ripples)
        return cls(offset_nm, wrong, middle_nm, ripple_dB, period_nm, phase_rad)

    def true_nm(
        self, said_nm: Float[ndarray, " points"], *, jitter_nm: Float[ndarray, " points"]
    ) -> Float[ndarray, " points"]:
        """Where the laser was at each point, in nm."""
        return said_nm + self.offset_nm + self.scale * (said_nm - self.middle_nm) + jitter_nm

    def power_dB(self, true_nm: Float[ndarray, " points"]) -> Float[ndarray, " points"]:
        """Power over the nominal one, in dB: ripples of the laser and of the facets."""
        turns = np.cos(2.0 * np.pi * true_nm[:, None] / self.period_nm + self.phase_rad).sum(1)
        return 0.5 * self.ripple_dB / len(self.period_nm) * turns
