"""A chip on its bench again, with the record of its calibration: same spec, same die, its drift since estimated."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.faults import Fault
from prism_photonics.calibration.record import (
    heat_as_recorded,
    read_record,
    recorded_faults,
    recorded_survey,
    require_same_light,
)
from prism_photonics.characterize.weights import measure_weights, rms
from prism_photonics.chip.abstract import LONGEST_WAIT_S, AbstractChip
from prism_photonics.drift.tracker import Tracker
from prism_photonics.files.datasets import Dataset
from prism_photonics.programming.reach import without_far_rings
from prism_photonics.programming.solve import common_range, program
from prism_photonics.seeds import require_seed
from prism_photonics.units import InputError
from prism_photonics.workflow.accuracy import CALIBRATION_FILE
from prism_photonics.workflow.bench import may_be_same_chip

# Rms error of weights; design choice. On a virtual chip that has drifted for a day it is 0.003,
# on other dies of its spec 0.5.
LARGEST_ERROR = 0.05


@final
@dataclass(frozen=True)
class OpenedRecord:
    """Contents of a record whose chip is on its bench again.

    Attributes:
        calibration: The chip as it was calibrated.
        survey: The readings that the calibration was fitted to.
        faults: Faults of the chip, as survey and fit show.
        seed: Seed of survey and fit.
        tracker: Sets the chip's voltages, and has estimated its drift since the survey.
    """

    calibration: Calibration
    survey: Dataset
    faults: tuple[Fault, ...]
    seed: int
    tracker: Tracker


def open_record(record: Path, chip: AbstractChip, *, since_s: float) -> OpenedRecord:
    """Read a record, check that it is the chip's own, and estimate how the chip has drifted since.

    Args:
        record: Folder that ``prism calibrate``, or a session's ``save``, wrote.
        chip: The chip; it is opened, heated as recorded, and read.
        since_s: Time since the survey, in s.

    Returns:
        Contents of the record, and a tracker.

    Raises:
        InputError: A damaged record, a chip of another spec, another die, or a time that is negative or no number.
    """
    if not 0.0 <= since_s <= LONGEST_WAIT_S:
        raise InputError(
            f"since_s = {since_s:g} s, want 0 to {LONGEST_WAIT_S:g}; give the time since the chip was calibrated"
        )
    path = record / CALIBRATION_FILE
    calibration, spec, extra = read_record(path)
    if spec.hash != chip.spec.hash:
        raise InputError(
            f"{path}: calibrated was {spec.name} (spec {spec.hash[:12]}), the chip is {chip.spec.name} (spec "
            f"{chip.spec.hash[:12]}); take that chip's record, or calibrate this one"
        )
    was = str(extra.get("bench", ""))
    if not may_be_same_chip(was, chip.label):
        raise InputError(
            f"{path}: calibrated was the chip on {was}, this is the one on {chip.label}; take that chip's record, or "
            "calibrate this one"
        )
    seed = require_seed(extra.get("seed", 0), where=str(path))
    survey = recorded_survey(path)
    calibration, faults = without_far_rings(calibration, spec, recorded_faults(path))
    chip.open()
    require_same_light(chip, path)
    heat_as_recorded(chip, path)
    tracker = Tracker.after_pause(chip, calibration, spec, survey, since_s=since_s)
    tracker.catch_up_after_pause()
    if not (error := _weight_error(chip, tracker)) <= LARGEST_ERROR:
        # The chip stays open, and its film would go on charging under the check's voltages.
        chip.set(np.zeros(calibration.shape))
        raise InputError(
            f"{path}: weights programmed from it are off by {error:.2g} (rms) on this chip, want at most "
            f"{LARGEST_ERROR:g}: another die, or one that was driven until now or has changed; leave it without "
            "voltage for some minutes, or calibrate it again"
        )
    return OpenedRecord(calibration, survey, faults, seed, tracker)


def _weight_error(chip: AbstractChip, tracker: Tracker) -> float:
    """Rms of measured minus wanted weights at a setting that the drift was not estimated from; 0 without a ring in use.

    The shifts of another die's rings can be estimated too, but its tuning and couplings are others.
    """
    calibration = tracker.calibration
    low, high = common_range(calibration)
    wanted = np.random.default_rng(0).uniform(low, high, calibration.shape)
    tracker.hold(program(calibration, wanted).volts[0])
    with np.errstate(invalid="ignore"):
        measured = measure_weights(chip, calibration, chip.spec).weights
    used = ~np.asarray(calibration.excluded)
    return float(rms((measured - wanted)[used])) if used.any() else 0.0
