"""What a search wants of a chip: recall by a behavioral model in closed form, energy and area by the ledger, yield.

The behavioral model of a chip that nobody has calibrated follows from its spec: weights end where the drive carries
each fabricated ring, and are off by what a calibration leaves, by the driver's step, by drift along the single-ring
line and by the neighbours' coherent light; a reading has the ledger's noise, and ends at the converter's full scale.
Signatures, queries and all errors are drawn once, so that two specs meet the same numbers and differ by themselves.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import ndtr

from prism_photonics.budget.carry import reached_pm
from prism_photonics.budget.coherence import coherence
from prism_photonics.budget.energy import energy_entries
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.rules_chip import die_area
from prism_photonics.budget.snr import evened_line_current_A, score_noise_A2
from prism_photonics.budget.trimming import heater_power_W
from prism_photonics.codec.encoding import RAILS
from prism_photonics.codec.modulation import modulate
from prism_photonics.codec.topk import top_k
from prism_photonics.explore.die import CLIP_SIGMAS, simulate
from prism_photonics.explore.plan import OFFSET_ERROR_WIDTHS, YieldPlan
from prism_photonics.explore.verdict import broken, limits_of
from prism_photonics.ranking.recall import recall_at_k
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError, nearest

OWN_PM, COMMON_PM = 1.0, 20.0
"""Drift under which recall is asked for: every ring by itself, all together; as the banks of `bank_recall` meet it."""
BANKS, QUERIES = 6, 24
"""Of the closed form, and queries of each (design choices)."""
DIES = 12
"""Of the share of good dies (design choice)."""


class Objective(NamedTuple):
    """One thing that is wanted.

    Attributes:
        name: Its name.
        unit: Its unit.
        direction: Whether more or less of it is wanted.
        of: Its value, from a spec and the number of blocks to be found.
    """

    name: str
    unit: str
    direction: Literal["maximize", "minimize"]
    of: Callable[[ChipSpec, int], float]

    @property
    def worst(self) -> float:
        """What a choice that is no chip gets."""
        return 0.0 if self.direction == "maximize" else 1e12


def expected_recall(spec: ChipSpec, k: int, *, smooth: bool = False) -> float:
    """Recall@k of a bank of Gaussian signatures on a chip of this spec, after drift.

    Args:
        spec: The chip.
        k: Blocks to be found among its rows.
        smooth: Count each block by the probability with which noise leaves it among the chosen: without steps.
    """
    draws = _draws(spec.chip.rows, spec.chip.rings, RAILS[spec.modulator.encoding])
    ring, limit = ring_figures(spec), spec.ranking.weight_limit
    targets = limit * np.clip(draws.signatures / CLIP_SIGMAS, -1.0, 1.0)
    rails = RAILS[spec.modulator.encoding]
    written = np.concatenate([targets, -targets], -1) if rails == 2 else targets
    # Along the ring's own line: from where a weight is set to where drift takes it.
    moved_pm = COMMON_PM * draws.common + OWN_PM * draws.own + OFFSET_ERROR_WIDTHS * ring.fwhm_pm * draws.unknown
    moved_pm = moved_pm + abs(ring.tuning_pm_V) * spec.voltage_step_V * draws.codes
    # Rings at the edge of the scatter miss the ends of the range.
    v, volts = spec.variation, spec.drive.max_voltage_V
    swing_pm = volts * abs(ring.tuning_pm_V) * np.maximum(1.0 + v.slope_relative * draws.slope, 0.0)
    rest_pm = ring.bias_pm + spec.resonance_pm * draws.rest
    resting_pm = np.clip(
        ring.detunings_pm(written), *reached_pm(rest_pm, swing_pm, v.curvature_pm_V2 * volts**2 * draws.curvature)
    )
    u = 2.0 * (resting_pm + moved_pm) / ring.fwhm_pm
    weights = 1.0 - (1.0 - ring.through_min + ring.drop_max) / (1.0 + u * u)
    weights = weights + coherence(spec).per_pm * np.abs(moved_pm) * draws.neighbours
    shares = draws.queries / np.abs(draws.queries).max(-1, keepdims=True)
    lit = modulate(np.abs(shares), spec.modulator.dac_bits)
    above, below = np.where(shares > 0.0, lit, 0.0), np.where(shares < 0.0, lit, 0.0)
    line_A = evened_line_current_A(spec)
    noise, full = math.sqrt(sum(score_noise_A2(spec).values())) / line_A, spec.detector_design.adc_full_scale_A / line_A

    def read(light: Float[ndarray, "banks queries rings"]) -> Float[ndarray, "banks queries rows"]:
        return np.clip(light @ weights.transpose(0, 2, 1), -full, full)

    if rails == 2:
        scores = read(np.concatenate([above, below], -1))
    elif spec.modulator.encoding == "offset":
        # Σ w is subtracted as calibrated: what drift does to it stays.
        light = modulate(0.5 * (1.0 + shares), spec.modulator.dac_bits)
        scores = 2.0 * read(light) - written.sum(-1)[:, None, :]
    else:
        scores = read(above) - read(below)
    if not smooth:
        scores = scores + noise * draws.readings
    ideal = draws.queries @ draws.signatures.transpose(0, 2, 1)
    if not smooth:
        return float(recall_at_k(scores, ideal, k=k).mean())
    ranked = np.sort(scores, axis=-1)
    threshold = 0.5 * (ranked[..., -k] + ranked[..., -k - 1])
    above = np.take_along_axis(scores, top_k(ideal, k), axis=-1) - threshold[..., None]
    return float(ndtr(above / noise).mean())


def energy_uJ(spec: ChipSpec, k: int = 1) -> float:
    """Energy of one query in µJ, heaters included; whatever k."""
    del k
    return 1e-6 * next(entry.derived for entry in energy_entries(spec, heater_power_W) if entry.name == "total")


def area_mm2(spec: ChipSpec, k: int = 1) -> float:
    """Area of the die in mm²; whatever k."""
    del k
    return die_area(spec).value


def good_share(spec: ChipSpec, k: int) -> float:
    """Share of some dies that are good, of the usual line, each of another wafer."""
    plan = YieldPlan.make(spec, dies=DIES, wafers=DIES, k=k)
    good = [~broken(limits_of(plan), simulate(plan, list(plan.dies_of(n)))).any(0) for n in range(plan.batches)]
    return float(np.concatenate(good).mean())


OBJECTIVES = {
    one.name: one
    for one in (
        Objective("recall", "", "maximize", expected_recall),
        Objective("energy", "µJ", "minimize", energy_uJ),
        Objective("area", "mm²", "minimize", area_mm2),
        Objective("yield", "", "maximize", good_share),
    )
}
"""All there are, by name."""


def objectives_of(names: str) -> tuple[Objective, ...]:
    """The objectives of a list of names, separated by commas.

    Raises:
        InputError: One does not exist or is named twice, or none is.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in OBJECTIVES:
            raise InputError(
                f"--objectives: '{name}' does not exist, want some of {', '.join(OBJECTIVES)}; "
                f"{nearest(name[:50], OBJECTIVES)}"
            )
    if not wanted or len(set(wanted)) < len(wanted):
        raise InputError(f"--objectives {names}: want each of {', '.join(OBJECTIVES)} at most once, and one at least")
    return tuple(OBJECTIVES[name] for name in wanted)


def blocks_of(spec: ChipSpec, k: int | None) -> int:
    """Blocks to be found among a chip's rows: an eighth of them where nobody says.

    Raises:
        InputError: None, or no fewer than there are rows.
    """
    rows = spec.chip.rows
    k = max(1, rows // 8) if k is None else k
    if not 1 <= k < rows:
        raise InputError(f"--k {k}: want 1 to {rows - 1}, less than the {rows} rows of {spec.name}; choose another")
    return k


class _Draws(NamedTuple):
    """Random numbers that all specs of one size meet."""

    signatures: Float[ndarray, "banks rows dims"]
    queries: Float[ndarray, "banks queries dims"]
    common: Float[ndarray, "banks 1 1"]
    own: Float[ndarray, "banks rows rings"]
    unknown: Float[ndarray, "banks rows rings"]
    neighbours: Float[ndarray, "banks rows rings"]
    readings: Float[ndarray, "banks queries rows"]
    codes: Float[ndarray, "banks rows rings"]
    rest: Float[ndarray, "banks rows rings"]
    slope: Float[ndarray, "banks rows rings"]
    curvature: Float[ndarray, "banks rows rings"]


@lru_cache(maxsize=4)
def _draws(rows: int, rings: int, rails: int) -> _Draws:
    rng = np.random.default_rng(0)
    dims = rings // rails
    # Common drift at even places of its distribution: few banks, and all of its range.
    common = np.sqrt(3.0) * np.linspace(-1.0, 1.0, BANKS)[:, None, None]
    signatures, queries = rng.standard_normal((BANKS, rows, dims)), rng.standard_normal((BANKS, QUERIES, dims))
    own, unknown, neighbours = rng.standard_normal((3, BANKS, rows, rings))
    readings = rng.standard_normal((BANKS, QUERIES, rows))
    # From the wanted voltage to the nearest code of a driver, in steps.
    codes = rng.uniform(-0.5, 0.5, (BANKS, rows, rings))
    rest, slope, curvature = rng.standard_normal((3, BANKS, rows, rings))
    return _Draws(
        signatures,
        queries,
        common,
        own,
        unknown,
        neighbours,
        readings,
        codes,
        rest=rest,
        slope=slope,
        curvature=curvature,
    )
