"""Dies with what no calibration knows: rings that scatter light back, and bends that turn TE into TM.

A calibration fits rings with one resonance of one polarisation each. What backscatter and TM do to a weight is no part
of what it knows, and no voltage takes it back. The statistics are those of a full virtual die: `chip.truth.FullTruth`,
whose other effects are off here.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.chip.fabricate import NO_SHIFT, Die, DieShift, full_die
from prism_photonics.chip.reading import LineCurrents, line_currents
from prism_photonics.chip.truth import FullTruth
from prism_photonics.explore.row_fit import fitted_in_row
from prism_photonics.explore.surrogate import Units
from prism_photonics.explore.tm_crossings import seen_rings
from prism_photonics.seeds import die_key
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import generator, key_words, split


class Drawn(NamedTuple):
    """A die beside what a calibration takes it for.

    Attributes:
        die: The die.
        fitted: Its rings as a calibration's model has them, with the loss of their defects.
        on_crossing: Rings on a crossing of TE and TM.
    """

    die: Die
    fitted: Die
    on_crossing: Bool[ndarray, "rows rings"]


def truth_of(splitting_pm: float, te_tm: float = 0.0) -> FullTruth | None:
    """Rings that split by so much in the median, events of loss included, and mix TE and TM so far; nothing else.

    None where they do neither.
    """
    if not (splitting_pm or te_tm):
        return None
    events = FullTruth().loss_events if splitting_pm else 0.0
    return dataclasses.replace(FullTruth.none(), splitting_pm=splitting_pm, loss_events=events, te_tm=te_tm)


def drawn_beyond(spec: ChipSpec, die: Die, *, truth: FullTruth | None, seed: int, shift: DieShift = NO_SHIFT) -> Drawn:
    """A die with what its calibration does not know: that of the virtual chip of the same seed, shift and truth.

    Args:
        spec: The chip.
        die: The die without.
        truth: As of `truth_of`; None adds nothing.
        seed: The die's own.
        shift: As of `draw_die`, with where TM lies (`tm_crossings.placed_tm`).
    """
    nowhere = np.zeros((spec.chip.rows, spec.chip.rings), dtype=bool)
    if truth is None:
        return Drawn(die, die, nowhere)
    of_die, of_noise = split(key_words(die_key(seed)))
    _, _, of_truth = generator(of_noise).spawn(3)
    full = full_die(spec, die, truth, of_truth, shift=shift, key=of_die)
    fitted = dataclasses.replace(full, bank=dataclasses.replace(full.bank, reflections=None), beyond=None)
    if not truth.te_tm:
        return Drawn(full, fitted, nowhere)
    seen = seen_rings(die, full)
    alone = dataclasses.replace(fitted, bank=dataclasses.replace(fitted.bank, rings=seen.rings))
    rng = np.random.default_rng((seed, 3))
    in_row = fitted_in_row(spec, full, alone, left_out=seen.on_crossing, rng=rng)
    return Drawn(full, in_row, seen.on_crossing.reshape(nowhere.shape))


def weights_of(
    die: Die, volts: Float[ndarray, "rows rings"], known: Calibration | Units
) -> Float[ndarray, "rows rings"]:
    """Weights of a die with all that it has, at voltages in V, in the units of its calibration without."""
    return weights_of_lines(line_currents(die, volts, np.zeros(volts.shape)), known)


def weights_of_lines(lines: LineCurrents, known: Calibration | Units) -> Float[ndarray, "rows rings"]:
    """Weights that photocurrents of fully lit lines stand for, in the units of a calibration."""
    swing = 1.0 + float(known.leak)
    return (lines.through_A - lines.drop_A) / swing * np.asarray(known.light_scale) / np.asarray(known.unit_A)[:, None]
