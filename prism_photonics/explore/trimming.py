"""Trimming of one die's rings: how far each has to be moved as fabricated, and what heaters take to hold it there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpy import ndarray

from prism_photonics.calibration.assign import assign
from prism_photonics.calibration.resonance_search import assign_warm
from prism_photonics.chip.fabricate import DieShift, untrimmed_errors_pm
from prism_photonics.chip.heaters import has_heaters
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.lightpath.ring.model import fsr_um
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import Words, key_words
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
    return trimmings_of(spec, key_words(key)[None], [shift])[0]


def trimmings_of(spec: ChipSpec, keys: Shaped[ndarray, "dies 2"], shifts: Sequence[DieShift]) -> list[Trimming]:
    """The same of several dies; their keys as words."""
    count, shape = len(keys), (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    if spec.trim.method == "none":
        return [Trimming(np.zeros((shape[0], spec.chip.rings)), 0.0)] * count
    bank = designed_bank(spec, xp=np)
    offset_pm = untrimmed_errors_pm(spec, keys, shifts).reshape(count, *shape)
    fsr_pm = fsr_um(bank.rings)[0, 0] * PM_PER_UM
    crossing_pm = designed_crossings_pm(bank)[0, 0]
    # As far from its line as each was designed to rest from its own.
    target_pm = crossing_pm - np.diagonal(crossing_pm)[:, None]
    if not has_heaters(spec):
        # Buses do not see each other: those of all dies are one die's with many rows.
        found = assign(offset_pm.reshape(-1, *shape[1:]), target_pm, fsr_pm=fsr_pm, direction="either")
        return [Trimming(each, 0.0) for each in found.tuning_pm.reshape(count, shape[0], -1)]
    alive, trimmings = np.ones(shape, dtype=bool), []
    for each_pm in offset_pm:
        found = assign_warm(spec, each_pm, target_pm=target_pm, fsr_pm=fsr_pm, alive=alive)
        shift_pm = found.tuning_pm.reshape(shape[0], -1)
        trimmings.append(Trimming(shift_pm, 1e-6 * float(shift_pm.sum()) * spec.trim.heater_mW_nm))
    return trimmings
