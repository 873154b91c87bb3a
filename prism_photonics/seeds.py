"""One convention of randomness: a whole number at the public face, JAX keys inside.

Every job draws from a stream of its own, so that one and the same seed may be given to all of them: the die, its
survey, its validation, its trim and its drift study then share no random number. Design choice: the streams' numbers.
"""

import numbers
from typing import TYPE_CHECKING

from prism_photonics.units import InputError

if TYPE_CHECKING:
    from jaxtyping import PRNGKeyArray

LARGEST_SEED = 2**31 - 1
_CALIBRATION, _TRIM, _DRIFT, _STRUCTURES = 0x5EED, 0x7215, 0xD21F7, 0x57A9


def require_seed(seed: object, *, where: str) -> int:
    """A seed as a plain whole number.

    Raises:
        InputError: It is no whole number of 0 to `LARGEST_SEED`.
    """
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= int(seed) <= LARGEST_SEED:
        raise InputError(f"{where}: seed = {seed!r}, want a whole number of 0 to {LARGEST_SEED}; choose another seed")
    return int(seed)


def die_key(seed: int) -> "PRNGKeyArray":
    """The stream of a virtual die: its fabrication, drift and noise."""
    return _key(seed, 0, where="VirtualChip")


def structures_keys(seed: int) -> "tuple[PRNGKeyArray, PRNGKeyArray]":
    """The streams of a virtual die's test structures and of the errors of those who measure them."""
    from prism_photonics.threefry import split

    made, measured = split(_key(seed, _STRUCTURES, where="measure"), 2)
    return made, measured


def calibration_keys(seed: int) -> "tuple[PRNGKeyArray, PRNGKeyArray]":
    """The streams of a survey's voltages and of the fit's starts."""
    survey, fit, _ = _calibration_keys(seed, where="calibrate_chip")
    return survey, fit


def validation_key(seed: int) -> "PRNGKeyArray":
    """The stream of held-out targets and queries."""
    return _calibration_keys(seed, where="validate")[2]


def trim_key(seed: int) -> "PRNGKeyArray":
    """The stream of the closed-loop trim's targets."""
    return _key(seed, _TRIM, where="trim")


def drift_key(seed: int) -> "PRNGKeyArray":
    """The stream of the drift study's targets."""
    return _key(seed, _DRIFT, where="study_drift")


def _calibration_keys(seed: int, *, where: str) -> "tuple[PRNGKeyArray, PRNGKeyArray, PRNGKeyArray]":
    from prism_photonics.threefry import split

    survey, fit, validation = split(_key(seed, _CALIBRATION, where=where), 3)
    return survey, fit, validation


def _key(seed: int, stream: int, *, where: str) -> "PRNGKeyArray":
    # Here: every command knows the range of seeds, and NumPy takes most of the start of one that draws nothing.
    from prism_photonics.threefry import make_key

    return make_key(require_seed(seed, where=where) ^ stream)
