"""Physical constants, the few unit conversions, and the one error that bad input raises.

Lengths are in µm, powers in W, currents in A, voltages in V. Decibels and picometres appear only in names that
end in ``_dB``, ``_dBm``, ``_pm``. Source of the constants: CODATA 2018 (exact by the SI definition).
"""

import difflib
import math
from collections.abc import Iterable

ELEMENTARY_CHARGE_C = 1.602176634e-19
BOLTZMANN_J_K = 1.380649e-23
SPEED_OF_LIGHT_UM_S = 299_792_458e6
PLANCK_J_S = 6.626_070_15e-34
PM_PER_UM = 1e6
PM_PER_NM = 1e3
NM_PER_UM = 1e3
UM_PER_CM = 1e4


class InputError(ValueError):
    """Input that a user can mend: the message says where, what was found, what is allowed, and the cure."""


def ratio_from_dB(loss_dB: float) -> float:
    """Power ratio of a gain in dB (a loss is negative): ``10^(dB/10)``."""
    return 10.0 ** (loss_dB / 10.0)


def dB_from_ratio(ratio: float) -> float:
    """Gain in dB of a power ratio: ``10·log10(ratio)``."""
    return 10.0 * math.log10(ratio)


def watt_from_dBm(power_dBm: float) -> float:
    """Power in W of a level in dBm: ``1 mW · 10^(dBm/10)``."""
    return 1e-3 * 10.0 ** (power_dBm / 10.0)


def dBm_from_watt(power_W: float) -> float:
    """Level in dBm of a power in W."""
    return 10.0 * math.log10(power_W / 1e-3)


def attenuation_per_um(loss_dB_cm: float) -> float:
    """Power attenuation coefficient α in 1/µm of a loss in dB/cm, so that P(L) = P(0)·exp(-αL)."""
    return loss_dB_cm * math.log(10.0) / 10.0 / 1e4


def counted(count: int, one: str) -> str:
    """So many of something, as ``1 ring`` or ``2 rings``."""
    return f"{count} {one}{'' if count == 1 else 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that names the known key nearest to a misspelled one, for error messages."""
    known = sorted(known)
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{match[0]}'?" if match else f"known keys: {', '.join(known)}"
