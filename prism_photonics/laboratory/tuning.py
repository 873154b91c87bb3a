"""How a bias moves a resonance: against volts, and against the power that it dissipates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prism_photonics.laboratory.series import followed_nm, polynomial

LEAST_STD_NM = 1e-4
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
    place = np.array(followed_nm(volts, [[wl for wl, _ in one] for one in found], fsr_nm))
    std = [min(one, key=lambda each: abs(each[0] - wl))[1] for one, wl in zip(found, place, strict=True)]
    error_pm = 1e3 * np.hypot(np.maximum(std, LEAST_STD_NM), ALSO_nm)
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


def _power_W(conditions: Mapping[str, float]) -> float:
    if "bias_power_W" in conditions:
        return conditions["bias_power_W"]
    return conditions["bias_V"] * conditions["current_A"] if "current_A" in conditions else float("nan")
