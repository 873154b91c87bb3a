"""Dies of which the rings split: walls and single defects scatter light back, and each resonance becomes two.

A calibration fits rings with one resonance each. What backscatter does to a weight is no part of what it knows, and no
voltage takes it back. The statistics are those of a full virtual die: `chip.truth.FullTruth`, whose other effects are
off here.
"""

import dataclasses

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.chip.fabricate import Die, full_die
from prism_photonics.chip.reading import line_currents
from prism_photonics.chip.truth import FullTruth
from prism_photonics.seeds import die_key
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import generator, key_words, split


def truth_of(splitting_pm: float) -> FullTruth:
    """Rings that split by so much in the median, events of loss included, and nothing else beyond the model."""
    usual = FullTruth()
    return dataclasses.replace(FullTruth.none(), splitting_pm=splitting_pm, loss_events=usual.loss_events)


def split_die(spec: ChipSpec, die: Die, seed: int, splitting_pm: float) -> Die:
    """A die with backscatter: that of the virtual chip of the same seed and truth.

    Args:
        spec: The chip.
        die: The die without.
        seed: Its own.
        splitting_pm: Median distance of a ring's two resonances in pm.
    """
    _, _, of_truth = generator(split(key_words(die_key(seed)))[1]).spawn(3)
    return full_die(spec, die, truth_of(splitting_pm), of_truth)


def without_backscatter(die: Die) -> Die:
    """The same rings, with the loss of their defects, as a calibration's model has them."""
    bank = dataclasses.replace(die.bank, reflections=None)
    return Die(bank, die.full_A, die.line_W, die.crosstalk, die.inl_phase_rad, die.heater_share)


def weights_of_split(die: Die, volts: Float[ndarray, "rows rings"], known: Calibration) -> Float[ndarray, "rows rings"]:
    """Weights of a die with backscatter at voltages in V, in the units of its calibration without."""
    lines = line_currents(die, volts, np.zeros(volts.shape))
    swing = 1.0 + float(known.leak)
    return (lines.through_A - lines.drop_A) / swing * np.asarray(known.light_scale) / np.asarray(known.unit_A)[:, None]
