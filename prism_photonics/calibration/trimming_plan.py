"""What has to be trimmed of a die whose rings rest anywhere, and how far voltages alone would come.

All rows share each line, so a channel needs a ring of every row within reach of one wavelength. Its electrode moves a
ring by some tens of picometres, fabrication by hundreds; `most_on_shared_lines` says how many rings a die's best lines
would meet, wherever they are put, and `plan_trimming` how far each ring has to be moved once and for all.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibration.assign import assign
from prism_photonics.calibration.dip_search import find_by_laser
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.chip.trimming import Trimming
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.lightpath.ring.model import RingParams, fsr_um, fwhm_pm
from prism_photonics.spec import ChipSpec
from prism_photonics.units import NM_PER_UM, PM_PER_NM, PM_PER_UM

GRID_PM = 2.0
"""Places of lines that are tried; design choice: far finer than a linewidth."""


class TrimmingPlan(NamedTuple):
    """A trimming, and what was found on the way.

    Attributes:
        trimming: What is to be done.
        shared: Rings that lines of this die's own would meet by voltages alone, at most.
        plan: What the search cost.
    """

    trimming: Trimming
    shared: int
    plan: MeasurementPlan


def plan_trimming(
    chip: AbstractChip, spec: ChipSpec, *, tell: Callable[[str], None] = lambda line: None
) -> TrimmingPlan:
    """Find every ring of an untrimmed die by one laser and voltages, and say how far each has to be moved.

    Args:
        chip: The chip, on a bench with a laser.
        spec: Its spec.
        tell: Told what was found.

    Returns:
        The plan: every channel of a bus gets one ring, at the least way altogether, to the red or to the blue.

    Raises:
        InputError: No laser, one that does not reach over an FSR, or a drive that does not tell rings apart.
    """
    found, plan = find_by_laser(chip, spec)
    alive = found.dips > 0
    tell(f"search: {alive.sum()} of {alive.size} rings found by {plan.sweeps} sweeps and voltages alone")
    rings: RingParams = jax.tree.map(lambda leaf: leaf[0, 0], designed_bank(spec, xp=np).rings)
    fsr_pm = np.asarray(fsr_um(rings)) * PM_PER_UM
    crossing_pm = designed_crossings_pm(designed_bank(spec, xp=np))[0, 0]
    own_pm = np.diagonal(crossing_pm)
    # As far from its line as each was designed to rest from its own.
    assignment = assign(found.offset_pm, crossing_pm - own_pm[:, None], fsr_pm=fsr_pm, direction="either")
    shift_pm = np.where(alive, assignment.tuning_pm, 0.0)
    line_nm = np.asarray(spec.comb_design.wl_um)[assignment.channel_of_ring] * NM_PER_UM
    from_first_pm = (found.offset_pm - crossing_pm[:, 0]) % fsr_pm
    shared = most_on_shared_lines(
        np.where(alive, from_first_pm, np.nan),
        fsr_pm=float(fsr_pm.mean()),
        reach_pm=float(np.abs(rings.slope_pm_V).mean()) * spec.drive.max_voltage_V,
        apart_pm=spec.ranking.spacing_linewidths * float(np.asarray(fwhm_pm(rings)).mean()),
    )
    trimming = Trimming(
        bench=chip.label,
        spec_hash=spec.hash,
        channel_of_ring=assignment.channel_of_ring,
        found_nm=line_nm - (own_pm + assignment.tuning_pm) / PM_PER_NM,
        std_pm=found.std_pm,
        dips=found.dips,
        shift_pm=shift_pm,
        other_way_pm=np.where(alive, shift_pm - np.copysign(fsr_pm, shift_pm), 0.0),
    )
    tell(
        f"by voltages alone lines of this die's own would meet {shared} of {alive.size} rings at most; trimming moves "
        f"them by {np.median(np.abs(shift_pm)):.3g} pm in the median, {np.abs(shift_pm).max():.4g} pm at most"
    )
    return TrimmingPlan(trimming, shared, plan)


def most_on_shared_lines(
    place_pm: Float[ndarray, "rows buses channels"], *, fsr_pm: float, reach_pm: float, apart_pm: float
) -> int:
    """Rings that the best lines of a die meet by voltages alone, if lines may be anywhere: no lines meet more.

    A line is served once in a row. By dynamic programming over the places of lines. A ring that two lines reach counts
    for either, which it cannot serve both: where lines may lie closer than twice the reach it may be too many.

    Args:
        place_pm: Where rings rest within their free spectral range; NaN of those that were not found.
        fsr_pm: Free spectral range.
        reach_pm: How far the drive limit moves a ring, either way.
        apart_pm: Least distance of two lines.
    """
    grid_pm = np.arange(0.0, fsr_pm, GRID_PM)
    apart = int(np.ceil(apart_pm / GRID_PM))
    total = 0
    for bus in range(place_pm.shape[1]):
        away_pm = np.abs((grid_pm[:, None, None] - place_pm[:, bus] + 0.5 * fsr_pm) % fsr_pm - 0.5 * fsr_pm)
        met = (np.nan_to_num(away_pm, nan=np.inf) <= reach_pm).any(2).sum(1)
        # The first line may be anywhere: the others lie on what is left of the circle.
        found = []
        for first in range(grid_pm.size):
            others = np.roll(met, -first)[apart : grid_pm.size - apart + 1]
            found.append(int(met[first]) + _best(others, apart, place_pm.shape[2] - 1))
        total += min(max(found), int(np.isfinite(place_pm[:, bus]).sum()))
    return total


def _best(served: Int[ndarray, " places"], apart: int, lines: int) -> int:
    """The most that so many lines meet that lie apart."""
    best = np.zeros(served.size + 1, dtype=int)
    for _ in range(lines):
        before = np.concatenate([np.zeros(apart, dtype=int), best])[: served.size]
        best = np.concatenate([[0], np.maximum.accumulate(np.maximum(best[1:], served + before))])
    return int(best[-1])
