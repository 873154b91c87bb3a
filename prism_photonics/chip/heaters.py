"""Power limits of a chip's heaters, and their thermal crosstalk."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.circuit.params import designed_bank
from prism_photonics.lightpath.ring.heating import crosstalk_shift_pm
from prism_photonics.lightpath.ring.model import fsr_um
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.neighbours import heater_share
from prism_photonics.units import InputError

# Design choice: a heater is made for a little more than one FSR, so that it reaches every channel.
HEATER_FSRS = 1.1


def has_heaters(spec: ChipSpec) -> bool:
    """Whether the rings of a chip are held at their channels by heat."""
    return spec.trim.method == "heater" and spec.trim.heater_mW_nm > 0.0


def heater_limit_mW(spec: ChipSpec) -> float:
    """Largest power of one ring's heater in mW; 0 for a chip without heaters."""
    if not has_heaters(spec):
        return 0.0
    return HEATER_FSRS * float(fsr_um(designed_bank(spec, xp=np).rings).max()) * 1e3 * spec.trim.heater_mW_nm


def require_heaters(spec: ChipSpec) -> None:
    """Check that a chip's rings can be brought to their channels by heat.

    Raises:
        InputError: They cannot.
    """
    if not has_heaters(spec):
        raise InputError(
            f"untrimmed: {spec.name} has no heaters to bring its rings to channels (trim.method = "
            f"'{spec.trim.method}', {spec.trim.heater_mW_nm:g} mW/nm); want 'heater' and a power above 0"
        )


def require_both(spec: ChipSpec, bench: BenchFile) -> None:
    """Check that chip and bench both have heaters, or neither.

    Raises:
        InputError: Only one of them has.
    """
    if has_heaters(spec) and not bench.heater_source:
        raise InputError(
            f"bench {bench.name}: no [[heater_source]], but the rings of {spec.name} are held by heaters (trim.method "
            "= 'heater'); add their source to the bench file"
        )
    if bench.heater_source and not has_heaters(spec):
        raise InputError(
            f"bench {bench.name}: has a [[heater_source]], but {spec.name} has no heaters (trim.method = "
            f"'{spec.trim.method}', {spec.trim.heater_mW_nm:g} mW/nm); take it out, or give the spec of the chip that "
            "is on the bench"
        )


def shift_by_others_pm(spec: ChipSpec, given_pm: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows rings"]:
    """Shift of every ring in pm by the heaters of all others.

    Args:
        spec: The chip; rings count as evenly spaced, the buses of a row side by side.
        given_pm: Shift of each heater's own ring in pm, times the share of it that a ring one pitch away sees.

    Returns:
        Shifts in pm.
    """
    return crosstalk_shift_pm(given_pm, pitch_um=spec.ring.pitch_um, row_pitch_um=spec.row_pitch_um)


def own_shift_pm(spec: ChipSpec, wanted_pm: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows rings"]:
    """Own shift of each heater that gives every ring its wanted shift: the thermal crosstalk, inverted.

    Args:
        spec: The chip; its ``trim.heater_crosstalk``, or that of the drawing, is believed.
        wanted_pm: Shifts in pm.

    Returns:
        Shifts in pm, negative where the others do too much already.
    """
    shape, share = wanted_pm.shape, heater_share(spec)
    if not share:
        return wanted_pm

    def with_crosstalk(own_pm: Float[ndarray, " all"]) -> Float[ndarray, " all"]:
        return own_pm + share * shift_by_others_pm(spec, own_pm.reshape(shape)).ravel()

    # Here: importing SciPy takes as long as calibrating a small chip, and few chips have heaters.
    from scipy.sparse.linalg import LinearOperator, gmres

    matrix = LinearOperator((wanted_pm.size,) * 2, matvec=with_crosstalk, dtype=float)  # type: ignore[call-issue]
    return gmres(matrix, wanted_pm.ravel(), rtol=1e-9)[0].reshape(shape)
