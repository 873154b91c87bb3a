"""Trimming of one die's rings: how far each has to be moved as fabricated, and what heaters take to hold it there."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.assign import assign
from prism_photonics.calibration.resonance_search import assign_warm
from prism_photonics.chip.fabricate import DieShift, resonance_errors_pm, resonance_key, untrimmed
from prism_photonics.chip.heaters import has_heaters
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.lightpath.ring.model import fsr_um
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import Words
from prism_photonics.units import PM_PER_UM


@dataclass(frozen=True)
class Trimming:
    """What brings one die's rings to channels.

    Attributes:
        shift_pm: Shift of each ring, red positive; of heaters each heater's own.
        heater_W: Power of all heaters together.
    """

    shift_pm: Float[ndarray, "rows rings"]
    heater_W: float


def trimming_of(spec: ChipSpec, key: PRNGKeyArray | Words, shift: DieShift) -> Trimming:
    """Bring the rings of a die to the channels at the least total shift: any order of a ring, any ring of a bus.

    Args:
        spec: The chip.
        key: The die's, as `draw_die` takes it.
        shift: The die's.
    """
    shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    if spec.trim.method == "none":
        return Trimming(np.zeros((shape[0], spec.chip.rings)), 0.0)
    bank = designed_bank(spec, xp=np)
    offset_pm = resonance_errors_pm(untrimmed(spec), resonance_key(key), shift=shift).reshape(shape)
    fsr_pm = fsr_um(bank.rings)[0, 0] * PM_PER_UM
    crossing_pm = designed_crossings_pm(bank)[0, 0]
    # As far from its line as each was designed to rest from its own.
    target_pm = crossing_pm - np.diagonal(crossing_pm)[:, None]
    if has_heaters(spec):
        alive = np.ones(shape, dtype=bool)
        found = assign_warm(spec, offset_pm, target_pm=target_pm, fsr_pm=fsr_pm, alive=alive)
    else:
        found = assign(offset_pm, target_pm, fsr_pm=fsr_pm, direction="either")
    shift_pm = found.tuning_pm.reshape(shape[0], -1)
    power_W = 1e-6 * float(shift_pm.sum()) * spec.trim.heater_mW_nm if has_heaters(spec) else 0.0
    return Trimming(shift_pm, power_W)
