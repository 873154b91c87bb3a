"""Headroom of every rule on a spec: how far it is from being broken, in one measure for all."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from prism_photonics.budget.finding import Finding
from prism_photonics.budget.ring import row_figures
from prism_photonics.budget.ring_margins import MOST_HEADROOM, reach_headroom, ring_demand, row_headroom, row_numbers
from prism_photonics.spec import ChipSpec

CERTAIN = frozenset(
    {
        "band",
        "comb_range",
        "coercive_field",
        "electrode_gap",
        "electrode_lobe",
        "driver_step",
        "bend_radius",
        "trimming_power",
        "connections",
        "die_area",
    }
)
"""Rules on what a designer sets and fabrication does not scatter: kept is kept, more room makes no die better."""
REACHES = {"tuning_range": reach_headroom, "row_reach": row_headroom}
"""Rules on how far rings are carried: their closed forms."""


def headrooms(spec: ChipSpec, findings: Iterable[Finding]) -> dict[str, float]:
    """Headroom of every rule: the share by which its value could grow towards the limit; negative where it is broken.

    Of the drive's reach it is the share by which fabrication could scatter more; of a rule in dB the power ratio; of a
    rule of `CERTAIN` that is kept it is the most.
    """
    return {found.rule: _headroom(spec, found) for found in findings}


def least_headroom(spec: ChipSpec, findings: Iterable[Finding]) -> tuple[float, str]:
    """The smallest headroom of a spec's rules, and the rule that has it: the larger, the more dies keep all rules."""
    by_rule = headrooms(spec, findings)
    rule = min(by_rule, key=lambda name: by_rule[name])
    return by_rule[rule], rule


def _headroom(spec: ChipSpec, found: Finding) -> float:
    if found.rule in CERTAIN and found.passed:
        return MOST_HEADROOM
    if found.rule in REACHES:
        exact = _reach_headroom(spec, REACHES[found.rule])
        # The grid of the drawing and the rule's own bounds have the last word on which side of the limit it is.
        return max(exact, 0.0) if found.passed else min(exact, found.margin)
    if found.unit in ("dB", "dBm"):
        share = 10.0 ** (max(min(found.margin, 30.0), -60.0) / 10.0) - 1.0
    elif found.value > 0.0 and found.limit > 0.0:
        larger_is_better = (found.value >= found.limit) == found.passed and found.value != found.limit
        share = (found.value / found.limit if larger_is_better else found.limit / found.value) - 1.0
    else:
        share = MOST_HEADROOM if found.passed else -1.0
    return min(share, MOST_HEADROOM)


def _reach_headroom(spec: ChipSpec, headroom: Callable[..., Any]) -> float:
    """The least of all channels' rings, as drawn on the grid."""
    rings, numbers = row_figures(spec), row_numbers(spec)
    bias_pm = np.array([ring.bias_pm for ring in rings])
    return float(np.min(headroom(ring_demand(spec), numbers, bias_pm=bias_pm, voltage_V=spec.drive.max_voltage_V)))
