"""Stand-ins held against whole calibrations: some dies of a study go through the real procedure, by photocurrents."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from prism_photonics.calibration.calibration import calibrate
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.reading import line_currents
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.explore.die import answered, asked_of, true_weights, weight_error
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.surrogate import known_calibration, side_by_side
from prism_photonics.programming.solve import program
from prism_photonics.seeds import calibration_keys, die_key
from prism_photonics.threefry import split

MOST_RATIO, MOST_LOST_dB = 1.5, 1.0
"""Calibrated over stood-in weight error, and SNR lost, from which a verified die speaks against its stand-in (design
choices)."""


@dataclass(frozen=True)
class Verified:
    """One die by its stand-in and by its whole calibration, asked the same.

    Attributes:
        die: Its number.
        weight_error_rms: Rms weight error of the stand-in.
        calibrated_weight_error_rms: Of the calibration.
        recall: Recall with the stand-in.
        calibrated_recall: With the calibration.
        snr_dB: A score's SNR with the stand-in.
        calibrated_snr_dB: With the calibration.
    """

    die: int
    weight_error_rms: float
    calibrated_weight_error_rms: float
    recall: float
    calibrated_recall: float
    snr_dB: float
    calibrated_snr_dB: float

    def to_json(self) -> dict[str, float]:
        """The same as plain data."""
        return asdict(self)


def doubts(plan: YieldPlan, verified: Sequence[Verified]) -> list[str]:
    """What the verified dies of a study say against its stand-in, a line each; empty where nothing.

    Args:
        plan: The study.
        verified: Its dies that were calibrated in full.
    """
    if not verified:
        return [
            "no die was verified: whole calibrations may leave more weight error than the stand-in; give --verify 2"
        ]
    worse = [one for one in verified if one.calibrated_weight_error_rms > MOST_RATIO * one.weight_error_rms]
    noisier = [one for one in verified if one.calibrated_snr_dB < one.snr_dB - MOST_LOST_dB]
    if not worse and not noisier:
        return []
    worst = max(noisier or worse, key=lambda one: one.calibrated_weight_error_rms / one.weight_error_rms)
    count = len({one.die for one in (*worse, *noisier)})
    told = (
        f"a whole calibration leaves {count} of {len(verified)} verified dies worse than the stand-in does: die "
        f"{worst.die} with a weight error of {worst.calibrated_weight_error_rms:.2g} in place of "
        f"{worst.weight_error_rms:.2g}, {worst.calibrated_snr_dB:.1f} dB in place of {worst.snr_dB:.1f} dB, recall "
        f"{worst.calibrated_recall:.3f} in place of {worst.recall:.3f}"
    )
    if not noisier:
        return [f"{told}; no die's scores are more than {MOST_LOST_dB:g} dB noisier, so its limits hardly feel it"]
    raised_pm = plan.offset_error_pm * worst.calibrated_weight_error_rms / worst.weight_error_rms
    return [f"{told}: the yield is optimistic; an --offset-error of {raised_pm:.2g} is as wrong in weights"]


def chosen_dies(plan: YieldPlan, count: int) -> list[int]:
    """Dies of a study to be verified, spread evenly over it."""
    return sorted({int(die) for die in np.linspace(0, plan.dies - 1, min(count, plan.dies))})


def verify_die(plan: YieldPlan, number: int) -> Verified:
    """Take one die of a study through survey, fit and programming, and through its stand-in.

    Args:
        plan: The study.
        number: The die.

    Raises:
        InputError: The die cannot be calibrated.
    """
    spec, seed = plan.spec, plan.die_seed(number)
    key, shift = die_key(seed), plan.shift(plan.place(number))
    die = draw_die(spec, split(key)[0], shift=shift)
    chip = VirtualChip.fabricate(spec, key, shift=shift)
    survey_key, _ = calibration_keys(seed)
    found = {}
    known = side_by_side([known_calibration(spec, die)])
    for name in ("", "calibrated_"):
        # The same queries and the same noise of both.
        asked = asked_of(plan, seed)
        believed = (
            calibrate(chip, spec, key=survey_key) if name else known_calibration(spec, die, asked.offset_error_pm)
        )
        programmed = program(believed, asked.targets)
        volts = programmed.volts[0]
        lines = line_currents(die, volts, asked.drift_pm)
        snr_dB, _, recall = answered(plan, die, asked, lines=lines, calibration=believed)
        found |= {
            f"{name}weight_error_rms": weight_error(programmed.predicted[0], true_weights(known, volts)),
            f"{name}recall": recall,
            f"{name}snr_dB": snr_dB,
        }
    return Verified(number, **found)
