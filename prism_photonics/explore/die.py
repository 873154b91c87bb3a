"""Dies through the whole chain, many at once: fabricated, trimmed, calibrated, programmed, and asked.

A die is drawn as a virtual chip is, with what its lot, wafer and place add. Trimming brings its rings to channels. Its
calibration is a stand-in (`surrogate`), which knows of no backscatter where rings split (`splitting`). Signatures,
Gaussian and clipped at three standard deviations, are programmed through its coherent rows within the drive's limit;
then the resonances move as far as the spec's drift does from one refresh to the next, and queries are read with all
noise, one converter sample a shot.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.budget.rules_drift import movement_pm
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.chip.fabricate import Die, draw_die
from prism_photonics.chip.reading import LineCurrents, Receiver, line_currents
from prism_photonics.codec.encoding import RAILS, decode, encode, rails
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.splitting import split_die, weights_of_split, without_backscatter
from prism_photonics.explore.surrogate import known_calibration, side_by_side
from prism_photonics.explore.trimming import trimming_of
from prism_photonics.programming.bus import bus_of, weights_at
from prism_photonics.programming.solve import TOLERANCE, program, reachable_weights
from prism_photonics.ranking.recall import recall_at_k
from prism_photonics.seeds import die_key
from prism_photonics.threefry import key_words, split

CLIP_SIGMAS = 3.0
"""Signatures' largest value, in standard deviations: what the weight limit stands for, as in the bank's recall."""
LEAST_ASKED, LEAST_QUERIES = 256, 16
"""Blocks that are looked for in all, and queries, at least: a small chip is asked more often (design choices)."""

COLUMNS = (
    "die_seed", "lot", "wafer", "site", "x_mm", "y_mm", "thickness_nm", "width_nm", "gap_nm", "loss_log",
    "trim_largest_nm", "trim_rms_nm", "heater_W", "unreached_share", "residual_rms", "weight_error_rms",
    "splitting_bits", "snr_dB", "clipped_share", "recall",
)  # fmt: skip
"""What is kept of a die; one number each."""
TWINNED = ("trim_rms_nm", "heater_W", "weight_error_rms", "snr_dB", "recall")
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

    One calibration leaves more than another: of 14 dies of the demonstrator, whole calibrations left weight errors of
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
    spec = plan.spec
    places = [plan.place(die) for die in dies]
    seeds = [plan.die_seed(die, twin=twin) for die in dies]
    shifts = [plan.shift(place) for place in places]
    # The virtual chip draws its die from the first half of its key.
    keys = [split(key_words(die_key(seed)))[0] for seed in seeds]
    drawn = [draw_die(spec, key, shift=shift) for key, shift in zip(keys, shifts, strict=True)]
    split_dies = []
    if plan.splitting_pm > 0.0:
        split_dies = [split_die(spec, die, seed, plan.splitting_pm) for die, seed in zip(drawn, seeds, strict=True)]
        # Events' loss is the ring's own, which a fit finds; backscatter it does not know.
        drawn = [without_backscatter(die) for die in split_dies]
    trimmings = [trimming_of(spec, key, shift) for key, shift in zip(keys, shifts, strict=True)]
    asked = [asked_of(plan, seed) for seed in seeds]
    believed = [known_calibration(spec, die, one.offset_error_pm) for die, one in zip(drawn, asked, strict=True)]
    together = side_by_side(believed)
    programmed = program(together, np.concatenate([one.targets for one in asked]))
    low, high = reachable_weights(together)
    limit = spec.ranking.weight_limit - TOLERANCE
    missed = ((low > -limit) | (high < limit)).reshape(len(dies), -1).mean(-1)
    volts = programmed.volts[0]
    known = [known_calibration(spec, die) for die in drawn]
    true = true_weights(side_by_side(known), volts)
    rows, found = spec.chip.rows, []
    for n, (place, shift) in enumerate(zip(places, shifts, strict=True)):
        mine = slice(n * rows, (n + 1) * rows)
        asked_die, error, bits = drawn[n], weight_error(programmed.predicted[0, mine], true[mine]), 0.0
        if plan.splitting_pm > 0.0:
            asked_die = split_dies[n]
            weights = weights_of_split(asked_die, volts[mine], known[n])
            without, error = error, weight_error(programmed.predicted[0, mine], weights)
            bits = math.log2(error / without)
        lines = line_currents(asked_die, volts[mine], asked[n].drift_pm)
        common = (shift.thickness_nm, shift.width_nm, shift.gap_nm, shift.loss_log)
        found.append(
            [
                float(seeds[n]),
                *map(float, place),
                *(float(np.mean(part)) for part in common),
                1e-3 * float(np.abs(trimmings[n].shift_pm).max()),
                1e-3 * rms(trimmings[n].shift_pm),
                trimmings[n].heater_W,
                float(missed[n]),
                rms(programmed.residual[0, mine]),
                error,
                bits,
                *answered(plan, asked_die, asked[n], lines=lines, calibration=believed[n]),
            ]
        )
    return np.array(found)


def true_weights(calibration: Calibration, volts: Float[ndarray, "rows rings"]) -> Float[ndarray, "rows rings"]:
    """Weights of the dies as they are, at voltages; by NumPy alone."""
    buses = np.arange(calibration.rows.drop_ratio.size)
    return weights_at(bus_of(calibration, buses), volts.reshape(len(buses), -1)).reshape(volts.shape)


def weight_error(believed: Float[ndarray, "rows rings"], true: Float[ndarray, "rows rings"]) -> float:
    """Rms difference of believed and true weights, apart from what changes no order: a factor and a shift of all.

    A shift common to all weights adds as much to every row's score.
    """
    apart_b, apart_t = believed - believed.mean(), true - true.mean()
    return rms(apart_b / ((apart_b * apart_t).sum() / (apart_t * apart_t).sum()) - apart_t)


def answered(
    plan: YieldPlan, die: Die, asked: Asked, *, lines: LineCurrents, calibration: Calibration
) -> tuple[float, float, float]:
    """How a programmed die answers its queries: SNR of a score in dB, share of clipped readings, recall.

    What shifts all scores of a query alike is no noise: it changes no order.
    """
    spec = plan.spec
    scheme, rail_A = spec.modulator.encoding, spec.detector_design.adc_full_scale_A
    shares = asked.queries / np.abs(asked.queries).max(-1, keepdims=True)
    lights = encode(shares, scheme) * np.asarray(calibration.light_scale)
    receiver = Receiver(spec, die, asked.noise)
    current_A = receiver.read_each(lines, lights.reshape(-1, lights.shape[-1]))
    clipped = float((np.abs(current_A) >= rail_A).mean())
    y = calibration.weight_of_current(current_A).reshape(*lights.shape[:2], -1)
    scores = decode(y, asked.targets.sum(-1), scheme, leak=calibration.weight_leak)
    ideal = encode(shares, scheme) @ asked.targets.T
    wanted = decode(ideal, asked.targets.sum(-1), scheme)
    noise, signal = (part - part.mean(-1, keepdims=True) for part in (scores - wanted, wanted))
    snr_dB = 20.0 * math.log10(rms(signal) / max(rms(noise), 1e-12 * rms(signal)))
    recall = float(recall_at_k(scores, asked.queries @ asked.signatures.T, k=plan.k).mean())
    return snr_dB, clipped, recall


def rms(values: Float[ndarray, "..."]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))
