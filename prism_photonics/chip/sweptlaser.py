"""Simulated tunable laser, fibres and power meters that sweep a structure of a virtual die as a laboratory would."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.laser_errors import LaserErrors
from prism_photonics.units import InputError

LOGGED_NM, LOGGED_dB = 1e-4, 1e-3
"""Last digits that a laser and a meter log, design choice."""
RIPPLES = 2


@final
@dataclass(frozen=True)
class SweptLaser:
    """What the simulated instruments do wrong.

    Source of jitter, ripple and imbalance: silicon and silicon nitride rings measured in public (SiEPIC/openEBL-2024-10
    and openEBL-2024-10-SiN): wavelengths jitter by 0.8 to 2 pm rms, levels ripple by 0.3 to 0.7 dB from peak to peak
    with periods of 0.2 to 2 nm, ports differ by 0.9 dB rms with a trend. The rest are design choices.

    Attributes:
        power_dBm: Power in the fibre to the chip.
        jitter_pm: Rms error of each wavelength.
        jitter_memory: Correlation of one step's error with the next one's.
        zero_pm: Rms error of the wavelength that all points of a sweep share.
        scale: Rms relative error of a distance in wavelength: of a laser that a gas cell watches.
        ripple_dB: Ripple of laser and fibres from peak to peak, facets apart.
        ripple_nm: Its shortest and longest period.
        imbalance_dB: Rms difference of the ports' gains.
        trend_dB_nm: Rms slope of each port's gain.
        noise: Relative noise of a reading.
        floor_dBm: Rms noise of a meter in the dark.
    """

    power_dBm: float = 0.0
    jitter_pm: float = 1.0
    jitter_memory: float = 0.4
    zero_pm: float = 1.0
    scale: float = 1e-5
    ripple_dB: float = 0.2
    ripple_nm: tuple[float, float] = (0.7, 2.0)
    imbalance_dB: float = 0.9
    trend_dB_nm: float = 0.02
    noise: float = 5e-4
    floor_dBm: float = -70.0

    def __post_init__(self) -> None:
        """Refuse what no laser does.

        Raises:
            InputError: A number is not finite, or a standard deviation negative.
        """
        for field in fields(self):
            value = np.asarray(getattr(self, field.name))
            least = -np.inf if field.name in ("power_dBm", "floor_dBm") else 0.0
            if not (np.isfinite(value).all() and (value >= least).all()):
                raise InputError(f"laser: {field.name} = {value}, want a finite number of 0 or more; mend the option")

    def on(
        self, powers: Callable[[ndarray], ndarray], *, middle_nm: float, rng: np.random.Generator
    ) -> "StructureSweep":
        """The fibres moved to a structure: what its whole sweep shares is drawn.

        Args:
            powers: Transmission of the structure, ports by wavelengths, at wavelengths in nm.
            middle_nm: Where trends and the scale turn.
            rng: Of this structure.
        """
        return StructureSweep(self, powers, middle_nm, rng)


@final
class StructureSweep:
    """A structure under the fibres."""

    def __init__(
        self, laser: SweptLaser, powers: Callable[[ndarray], ndarray], middle_nm: float, rng: np.random.Generator
    ) -> None:
        self._laser, self._powers = laser, powers
        self._errors = LaserErrors.drawn(
            rng,
            offset_pm=laser.zero_pm,
            scale=laser.scale,
            ripple_dB=laser.ripple_dB,
            ripple_nm=laser.ripple_nm,
            ripples=RIPPLES,
            middle_nm=middle_nm,
        )
        # What is measured of ports is their difference.
        self._gain_dB = np.array([0.0, laser.imbalance_dB * rng.standard_normal()])
        self._trend_dB_nm = laser.trend_dB_nm * rng.standard_normal(2)

    def read(
        self, wl_nm: Float[ndarray, " wl"], rng: np.random.Generator
    ) -> tuple[Float[ndarray, " wl"], Float[ndarray, "ports wl"]]:
        """Sweep over wavelengths in nm: what laser and meters log, in nm and dBm.

        Args:
            wl_nm: Ascending wavelengths.
            rng: Of this stretch.
        """
        laser = self._laser
        true_nm = self._errors.true_nm(wl_nm, jitter_nm=self._jitter_nm(len(wl_nm), rng))
        transmission = self._powers(true_nm)
        away_nm = wl_nm - self._errors.middle_nm
        level_dB = laser.power_dBm + self._errors.power_dB(true_nm)
        ports = len(transmission)
        gain_dB = level_dB + self._gain_dB[:ports, None] + self._trend_dB_nm[:ports, None] * away_nm
        power_mW = transmission * 10.0 ** (0.1 * gain_dB)
        power_mW = power_mW * (1.0 + laser.noise * rng.standard_normal(power_mW.shape))
        power_mW = power_mW + 10.0 ** (0.1 * laser.floor_dBm) * rng.standard_normal(power_mW.shape)
        # A meter that answers in dBm shows no power below zero.
        dBm = 10.0 * np.log10(np.maximum(np.abs(power_mW), 1e-12))
        return np.round(wl_nm / LOGGED_NM) * LOGGED_NM, np.round(dBm / LOGGED_dB) * LOGGED_dB

    def _jitter_nm(self, count: int, rng: np.random.Generator) -> Float[ndarray, " wl"]:
        from scipy.signal import lfilter

        memory = self._laser.jitter_memory
        white = rng.standard_normal(count)
        start = white[:1] if count else white
        rest = np.sqrt(1.0 - memory**2) * white[1:]
        errors, _ = lfilter([1.0], [1.0, -memory], np.concatenate([start, rest]), zi=np.zeros(1))
        return 1e-3 * self._laser.jitter_pm * errors
