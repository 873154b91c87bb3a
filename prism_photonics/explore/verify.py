"""Stand-ins held against whole calibrations: some dies of a study go through the real procedure, by photocurrents."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from prism_photonics.budget.crossings import RARE, crossings
from prism_photonics.calibration.calibration import calibrate
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.reading import line_currents
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.explore.beyond import drawn_beyond, truth_of, weights_of
from prism_photonics.explore.die import asked_of, judged, out_of_reach, read, rms, weight_error
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.surrogate import known_calibration
from prism_photonics.explore.tm_crossings import placed_tm
from prism_photonics.explore.trimming import trimming_of
from prism_photonics.programming.solve import program
from prism_photonics.seeds import calibration_keys, die_key
from prism_photonics.threefry import key_words, split

MOST_RATIO, MOST_LOST_dB = 1.5, 1.0
"""Calibrated over stood-in weight error, both rms over the verified dies, and mean SNR lost, from which these speak
against the stand-in (design choices)."""


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
        unreached_share: Rings off crossings of TE and TM that miss the weight limit by the stand-in.
        calibrated_unreached_share: By the calibration.
    """

    die: int
    weight_error_rms: float
    calibrated_weight_error_rms: float
    recall: float
    calibrated_recall: float
    snr_dB: float
    calibrated_snr_dB: float
    unreached_share: float
    calibrated_unreached_share: float

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
    stood_in, calibrated = (
        rms(np.array([getattr(one, name) for one in verified]))
        for name in ("weight_error_rms", "calibrated_weight_error_rms")
    )
    lost_dB = float(np.mean([one.snr_dB - one.calibrated_snr_dB for one in verified]))
    if calibrated <= MOST_RATIO * stood_in and lost_dB <= MOST_LOST_dB:
        return []
    worst = max(verified, key=lambda one: one.calibrated_weight_error_rms)
    told = (
        f"whole calibrations of {len(verified)} dies leave a weight error of {calibrated:.2g} rms in place of the "
        f"stand-in's {stood_in:.2g} and cost {lost_dB:.1f} dB, worst die {worst.die} with "
        f"{worst.calibrated_weight_error_rms:.2g}, {worst.calibrated_snr_dB:.1f} dB in place of {worst.snr_dB:.1f} dB"
    )
    if lost_dB <= MOST_LOST_dB:
        return [f"{told}; scores are hardly noisier, so the limits hardly feel it"]
    raised_pm = plan.offset_error_pm * calibrated / stood_in
    return [f"{told}: the yield is optimistic; an --offset-error of {raised_pm:.2g} is as wrong in weights"]


def not_drawn(plan: YieldPlan) -> list[str]:
    """What is known to cost rings and is not drawn by a study, a line each."""
    expected = crossings(plan.spec)
    if plan.te_tm or expected is None or expected.rings < RARE * expected.of:
        return []
    return [
        f"crossings of TE and TM are not drawn, and {expected.rings:.1f} of {expected.of} rings of a die are expected "
        "on one in the mean; give --te-tm 1"
    ]


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
    key, place = die_key(seed), plan.place(number)
    of_die, shift = key_words(split(key)[0]), plan.shift(place)
    if plan.te_tm > 0.0:
        trimming = trimming_of(spec, of_die, shift)
        shift = placed_tm(spec, of_die, shift, trimming, of_lot=plan.tm_of_lot(place.lot))
    truth = truth_of(plan.splitting_pm, plan.te_tm)
    drawn = drawn_beyond(spec, draw_die(spec, of_die, shift=shift), truth=truth, seed=seed, shift=shift)
    chip = VirtualChip.fabricate(spec, key, shift=shift, truth=truth)
    survey_key, _ = calibration_keys(seed)
    found = {}
    known = known_calibration(spec, drawn.fitted)
    for name in ("", "calibrated_"):
        # The same queries and the same noise of both.
        asked = asked_of(plan, seed, usual=True)
        believed = (
            calibrate(chip, spec, key=survey_key)
            if name
            else known_calibration(spec, drawn.fitted, asked.offset_error_pm)
        )
        programmed = program(believed, asked.targets)
        volts = programmed.volts[0]
        lines = line_currents(drawn.die, volts, asked.drift_pm)
        answer = judged(plan, asked, read(plan, drawn.die.inl_phase_rad, asked, lines=lines, calibration=believed))
        found |= {
            f"{name}weight_error_rms": weight_error(programmed.predicted[0], weights_of(drawn.die, volts, known)),
            f"{name}recall": answer.recall,
            f"{name}snr_dB": answer.snr_dB,
            f"{name}unreached_share": float((out_of_reach(spec, believed) & ~drawn.on_crossing).mean()),
        }
    return Verified(number, **found)
