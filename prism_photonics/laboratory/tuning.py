"""What moves a resonance: a bias, against volts and against the power that it dissipates, and the laser's own light."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prism_photonics.laboratory.series import followed_nm, polynomial

LEAST_STD_NM = 1e-4
"""No resonance is known better; design choice."""
LEAST_SETTINGS = 3
"""From which a line and a parabola are told; design choice."""
ALSO_nm = 1e-3
"""Error of a resonance between two sweeps, design choice: a laser's zero moves by about a picometre."""


@dataclass(frozen=True)
class Tuning:
    """Shift of one resonance under bias, from rest; numbers against volts and against milliwatts.

    A set of three settings leaves nothing to tell which law holds; ``rms_…`` says it for more.
    """

    wl_nm: float
    pm_per_V: float
    pm_per_V_std: float
    pm_per_V2: float
    pm_per_V2_std: float
    rms_V_pm: float
    pm_per_mW: float
    pm_per_mW_std: float
    pm_per_mW2: float
    pm_per_mW2_std: float
    rms_mW_pm: float
    bias_V: tuple[float, ...]
    power_mW: tuple[float, ...]
    place_nm: tuple[float, ...]

    @property
    def by_power(self) -> bool:
        """Whether power explains the shifts better than volts: a heater's ring, and no electro-optic one."""
        return bool(np.isfinite(self.rms_mW_pm) and self.rms_mW_pm < self.rms_V_pm)


def tuning_of(
    conditions: Sequence[Mapping[str, float]],
    found: Sequence[Sequence[tuple[float, float]]],
    *,
    fsr_nm: float | None,
) -> Tuning:
    """Fit the tuning of one resonance.

    Args:
        conditions: Of each sweep: ``bias_V``, and ``bias_power_W`` or ``current_A`` where they were recorded.
        found: Of each sweep its resonances and their standard errors, in nm.
        fsr_nm: Free spectral range, where it is known.

    Raises:
        InputError: A resonance moves too far to be followed.
    """
    volts = np.array([each["bias_V"] for each in conditions])
    watts = np.array([_power_W(each) for each in conditions])
    place, error_pm = _followed(volts, found, fsr_nm)
    rest = int(np.argmin(np.abs(volts)))
    shift_pm = 1e3 * (place - place[rest])
    by_volts = polynomial(volts, shift_pm, error_pm, 2)
    powered = bool(np.isfinite(watts).all() and np.ptp(watts) > 0.0)
    by_power = polynomial(1e3 * watts, shift_pm, error_pm, 2) if powered else None
    none = (float("nan"),) * 3
    numbers, errors = (by_power.numbers, by_power.std) if by_power else (none, none)
    return Tuning(
        wl_nm=float(place[rest]),
        pm_per_V=by_volts.numbers[1],
        pm_per_V_std=by_volts.std[1],
        pm_per_V2=by_volts.numbers[2],
        pm_per_V2_std=by_volts.std[2],
        rms_V_pm=by_volts.rms,
        pm_per_mW=numbers[1],
        pm_per_mW_std=errors[1],
        pm_per_mW2=numbers[2],
        pm_per_mW2_std=errors[2],
        rms_mW_pm=by_power.rms if by_power else float("nan"),
        bias_V=tuple(map(float, volts)),
        power_mW=tuple(map(float, 1e3 * watts)),
        place_nm=tuple(map(float, place)),
    )


@dataclass(frozen=True)
class Thermal:
    """Shift of one resonance by the light that the laser sends, from the weakest; the chip's own heat.

    Attributes:
        wl_nm: The resonance at the least power.
        pm_per_mW: Shift by the laser's power (not by what arrives in the guide, which no sweep tells).
        pm_per_mW2: Its quadratic part; 0 in sets of three.
        rms_pm: What the law leaves.
        laser_power_mW: Of each sweep.
        place_nm: The resonance in each.
    """

    wl_nm: float
    pm_per_mW: float
    pm_per_mW_std: float
    pm_per_mW2: float
    pm_per_mW2_std: float
    rms_pm: float
    laser_power_mW: tuple[float, ...]
    place_nm: tuple[float, ...]


def thermal_of(
    laser_power_mW: Sequence[float], found: Sequence[Sequence[tuple[float, float]]], *, fsr_nm: float | None
) -> Thermal:
    """Fit how the laser's power shifts one resonance.

    Args:
        laser_power_mW: Of each sweep; three or more of them differ.
        found: Of each sweep its resonances and their standard errors, in nm.
        fsr_nm: Free spectral range, where it is known.

    Raises:
        InputError: A resonance moves too far to be followed.
    """
    power = np.asarray(laser_power_mW, float)
    place, error_pm = _followed(power, found, fsr_nm)
    rest = int(np.argmin(power))
    # Three settings leave a parabola nothing to be judged by.
    degree = 2 if len(np.unique(power)) > LEAST_SETTINGS else 1
    line = polynomial(power, 1e3 * (place - place[rest]), error_pm, degree)
    bend, bend_std = (line.numbers[2], line.std[2]) if degree == 2 else (0.0, 0.0)
    return Thermal(
        wl_nm=float(place[rest]),
        pm_per_mW=line.numbers[1],
        pm_per_mW_std=line.std[1],
        pm_per_mW2=bend,
        pm_per_mW2_std=bend_std,
        rms_pm=line.rms,
        laser_power_mW=tuple(map(float, power)),
        place_nm=tuple(map(float, place)),
    )


def _followed(
    settings: np.ndarray, found: Sequence[Sequence[tuple[float, float]]], fsr_nm: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """One resonance through the settings, in nm, and its errors in pm."""
    place = np.array(followed_nm(settings, [[wl for wl, _ in one] for one in found], fsr_nm))
    std = [min(one, key=lambda each: abs(each[0] - wl))[1] for one, wl in zip(found, place, strict=True)]
    return place, 1e3 * np.hypot(np.maximum(std, LEAST_STD_NM), ALSO_nm)


def _power_W(conditions: Mapping[str, float]) -> float:
    if "bias_power_W" in conditions:
        return conditions["bias_power_W"]
    return conditions["bias_V"] * conditions["current_A"] if "current_A" in conditions else float("nan")
