"""Dies through the whole chain, many at once: fabricated, trimmed, calibrated, programmed, and asked.

A die is drawn as a virtual chip is, with what its lot, wafer and place add. Trimming brings its rings to channels. Its
calibration is a stand-in (`surrogate`), which knows of no backscatter and no TM (`beyond`). Signatures,
Gaussian and clipped at three standard deviations, are programmed through its coherent rows within the drive's limit;
then the resonances move as far as the spec's drift does from one refresh to the next, and queries are read with all
noise, one converter sample a shot.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.budget.rules_drift import movement_pm
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.chip.fabricate import draw_dies
from prism_photonics.chip.reading import LineCurrents, Receiver, line_currents
from prism_photonics.codec.encoding import RAILS, decode, encode, rails
from prism_photonics.explore.beyond import drawn_beyond, truth_of, weights_of, weights_of_lines
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.surrogate import Units, dies_side_by_side, side_by_side
from prism_photonics.explore.tm_crossings import placed_tm
from prism_photonics.explore.trimming import trimmings_of
from prism_photonics.programming.solve import TOLERANCE, program, rings_short_of
from prism_photonics.ranking.recall import recall_at_k
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import seed_words, splits

CLIP_SIGMAS = 3.0
"""Signatures' largest value, in standard deviations: what the weight limit stands for, as in the bank's recall."""
LEAST_ASKED, LEAST_QUERIES = 256, 16
"""Blocks that are looked for in all, and queries, at least: a small chip is asked more often (design choices)."""
LEAST_ERROR = 1e-12
"""Weight error that counts as none (design choice): two weights, or resonances that are known, leave rounding alone."""

COLUMNS = (
    "die_seed", "lot", "wafer", "site", "x_mm", "y_mm", "thickness_nm", "width_nm", "gap_nm", "loss_log",
    "trim_largest_nm", "trim_rms_nm", "heater_W", "crossing_rings", "unreached_share", "residual_rms",
    "weight_error_rms", "splitting_bits", "clipped_share", "snr_dB", "recall", "left_out_snr_dB", "left_out_recall",
)  # fmt: skip
"""What is kept of a die; one number each."""
TWINNED = ("trim_rms_nm", "heater_W", "crossing_rings", "weight_error_rms", "snr_dB", "recall")
"""Of these the variance is split by cause."""


@dataclass(frozen=True)
class Asked:
    """What one die is asked.

    Attributes:
        signatures: One of each row.
        queries: Queries.
        targets: The weights that stand for the signatures.
        offset_error_pm: What its calibration does not know of its resonances.
        drift_pm: How far they move afterwards.
        noise: The rest of its random numbers.
    """

    signatures: Float[ndarray, "rows dims"]
    queries: Float[ndarray, "queries dims"]
    targets: Float[ndarray, "rows rings"]
    offset_error_pm: Float[ndarray, "rows rings"]
    drift_pm: Float[ndarray, "rows rings"]
    noise: np.random.Generator


def asked_of(plan: YieldPlan, seed: int, *, usual: bool = False) -> Asked:
    """The signatures, queries and errors of a die by its seed.

    One calibration leaves more than another: of 14 dies of `circles_8x8`, whole calibrations left weight errors of
    3.3e-3 rms, between 0.1 and 2 times the mean, as Rayleigh's distribution has them (`prism yield --verify 14`).

    Args:
        plan: The study.
        seed: The die's.
        usual: Know the resonances as well as all dies do in the rms.
    """
    spec, rng = plan.spec, np.random.default_rng((seed, 1))
    rows, rings, scheme = spec.chip.rows, spec.chip.rings, spec.modulator.encoding
    dims, moved = rings // RAILS[scheme], movement_pm(spec)
    # Rms of one; a stream of its own.
    known_as_well = 1.0 if usual else np.random.default_rng((seed, 2)).rayleigh(math.sqrt(0.5))
    signatures = rng.standard_normal((rows, dims))
    queries = rng.standard_normal((max(LEAST_QUERIES, -(-LEAST_ASKED // plan.k)), dims))
    written = rails(np.clip(signatures / CLIP_SIGMAS, -1.0, 1.0), scheme)
    return Asked(
        signatures,
        queries,
        spec.ranking.weight_limit * written,
        known_as_well * plan.offset_error_pm * rng.standard_normal((rows, rings)),
        moved.own * rng.standard_normal((rows, rings)) + moved.common * rng.standard_normal(),
        rng,
    )


def simulate(plan: YieldPlan, dies: Sequence[int], *, twin: bool = False) -> Float[ndarray, "dies columns"]:
    """The `COLUMNS` of dies; of a die the same numbers beside whatever others of its batch.

    Args:
        plan: The study.
        dies: Their numbers, those of one batch.
        twin: Draw other rings at the same places.
    """
    spec, rows = plan.spec, plan.spec.chip.rows
    places = [plan.place(die) for die in dies]
    seeds = [plan.die_seed(die, twin=twin) for die in dies]
    shifts = [plan.shift(place) for place in places]
    # The virtual chip draws its die from the first half of its key.
    keys = splits(seed_words(seeds))[:, 0]
    trimmings = trimmings_of(spec, keys, shifts)
    if plan.te_tm > 0.0:
        shifts = [
            placed_tm(spec, key, shift, trimming, of_lot=plan.tm_of_lot(place.lot))
            for key, shift, trimming, place in zip(keys, shifts, trimmings, places, strict=True)
        ]
    drawn = draw_dies(spec, keys, shifts)
    truth = truth_of(plan.splitting_pm, plan.te_tm)
    full = [
        drawn_beyond(spec, drawn.one(n), truth=truth, seed=seed, shift=shift)
        for n, (seed, shift) in enumerate(zip(seeds, shifts, strict=True) if truth is not None else ())
    ]
    fitted = dies_side_by_side([one.fitted for one in full]) if full else drawn.together
    asked = [asked_of(plan, seed) for seed in seeds]
    together, units = side_by_side(spec, fitted, _stacked(one.offset_error_pm for one in asked))
    programmed = program(together, _stacked(one.targets for one in asked))
    missed = out_of_reach(spec, together).reshape(len(dies), rows, -1)
    volts, nowhere = programmed.volts[0], np.zeros((rows, spec.chip.rings), dtype=bool)
    still = line_currents(fitted, volts, np.zeros(volts.shape))
    drifted = still if full else line_currents(fitted, volts, _stacked(one.drift_pm for one in asked))
    found = []
    for n, (place, shift) in enumerate(zip(places, shifts, strict=True)):
        mine, believed = slice(n * rows, (n + 1) * rows), units.one(n)
        weights, bits = weights_of_lines(LineCurrents(*(part[mine] for part in still)), believed), 0.0
        wanted, lines = programmed.predicted[0, mine], LineCurrents(*(part[mine] for part in drifted))
        error, on_crossing = weight_error(wanted, weights), nowhere
        if full:
            die, on_crossing = full[n].die, full[n].on_crossing
            weights = weights_of(die, volts[mine], believed)
            without, error = error, weight_error(wanted, weights)
            bits = math.log2(max(error, LEAST_ERROR) / max(without, LEAST_ERROR))
            lines = line_currents(die, volts[mine], asked[n].drift_pm)
        reading = read(plan, drawn.inl_phase_rad[n], asked[n], lines=lines, calibration=believed)
        answer = judged(plan, asked[n], reading)
        # What a ring on a crossing holds is measured, and taken off.
        held = np.where(on_crossing, weights, 0.0)
        without_them = judged(plan, asked[n], reading, held=held) if on_crossing.any() else answer
        common = (shift.thickness_nm, shift.width_nm, shift.gap_nm, shift.loss_log)
        found.append(
            [
                float(seeds[n]),
                *map(float, place),
                *(float(np.mean(part)) for part in common),
                1e-3 * float(np.abs(trimmings[n].shift_pm).max()),
                1e-3 * rms(trimmings[n].shift_pm),
                trimmings[n].heater_W,
                float(on_crossing.sum()),
                float((missed[n] & ~on_crossing).mean()),
                rms(programmed.residual[0, mine]),
                error,
                bits,
                reading.clipped,
                *answer,
                *without_them,
            ]
        )
    return np.array(found)


def out_of_reach(spec: ChipSpec, calibration: Calibration) -> Bool[ndarray, "rows rings"]:
    """Rings that miss the weight limit, as far as a calibration of the chip, or of many, knows."""
    return rings_short_of(calibration, spec.ranking.weight_limit - TOLERANCE)


def weight_error(believed: Float[ndarray, "rows rings"], true: Float[ndarray, "rows rings"]) -> float:
    """Rms difference of believed and true weights, apart from what changes no order: a factor and a shift of all.

    A shift common to all weights adds as much to every row's score.
    """
    apart_b, apart_t = believed - believed.mean(), true - true.mean()
    return rms(apart_b / ((apart_b * apart_t).sum() / (apart_t * apart_t).sum()) - apart_t)


class Reading(NamedTuple):
    """What a die reads of its queries, in weight units.

    Attributes:
        lights: Light of every channel, shot by shot, (shots, queries, channels).
        y: Readings of every row.
        leak: Dark transmission in units of the swing.
        clipped: Share of readings at the converter's rails.
    """

    lights: Float[ndarray, "shots queries rings"]
    y: Float[ndarray, "shots queries rows"]
    leak: float
    clipped: float


class Answer(NamedTuple):
    """SNR of a score in dB, and recall."""

    snr_dB: float
    recall: float


def read(
    plan: YieldPlan,
    inl_phase_rad: Float[ndarray, " rings"],
    asked: Asked,
    *,
    lines: LineCurrents,
    calibration: Calibration | Units,
) -> Reading:
    """What a programmed die reads of its queries, with all noise; the phases are those of its drivers' nonlinearity."""
    spec = plan.spec
    rail_A = spec.detector_design.adc_full_scale_A
    lights = encode(_shares(asked), spec.modulator.encoding)
    evened = (lights * np.asarray(calibration.light_scale)).reshape(-1, lights.shape[-1])
    current_A = Receiver(spec, inl_phase_rad, asked.noise).read_each(lines, evened)
    y = calibration.weight_of_current(current_A).reshape(*lights.shape[:2], -1)
    return Reading(lights, y, float(calibration.weight_leak), float((np.abs(current_A) >= rail_A).mean()))


def judged(
    plan: YieldPlan, asked: Asked, reading: Reading, *, held: Float[ndarray, "rows rings"] | None = None
) -> Answer:
    """How good the scores are that a reading gives.

    What shifts all scores of a query alike is no noise: it changes no order.

    Args:
        plan: The study.
        asked: What the die was asked.
        reading: What it read.
        held: Weights of rings that are left out, 0 of all others: what they add to a reading is taken off it.
    """
    scheme, y, used = plan.spec.modulator.encoding, reading.y, asked.targets
    if held is not None:
        y = y - (reading.lights + reading.leak) @ held.T
        used = np.where(held == 0.0, used, 0.0)
    scores = decode(y, used.sum(-1), scheme, leak=reading.leak)
    ideal = encode(_shares(asked), scheme) @ asked.targets.T
    wanted = decode(ideal, asked.targets.sum(-1), scheme)
    noise, signal = (part - part.mean(-1, keepdims=True) for part in (scores - wanted, wanted))
    snr_dB = 20.0 * math.log10(rms(signal) / max(rms(noise), 1e-12 * rms(signal)))
    return Answer(snr_dB, float(recall_at_k(scores, asked.queries @ asked.signatures.T, k=plan.k).mean()))


def _shares(asked: Asked) -> Float[ndarray, "queries dims"]:
    """Queries as shares of their largest magnitude."""
    return asked.queries / np.abs(asked.queries).max(-1, keepdims=True)


def _stacked(parts: Iterable[Float[ndarray, "rows rings"]]) -> Float[ndarray, "rows rings"]:
    return np.concatenate(list(parts))


def rms(values: Float[ndarray, "..."]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))
