"""Settle sized rings on the grid of the drawing: what is a nanometre in the mask is 20 pm of a small ring's resonance.

The closed forms know no grid. The bias and the gap are therefore moved a little, by the rules themselves, to where the
rows' rings, as they will be drawn, have most headroom.
"""

from collections.abc import Iterable

from prism_photonics.budget.finding import Judge
from prism_photonics.budget.headroom import least_headroom
from prism_photonics.budget.light_sizing import Changes, with_keys
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

ON_RINGS = frozenset(
    {
        "fsr_aliasing",
        "band",
        "spacing_linewidths",
        "coherence",
        "tuning_range",
        "row_reach",
        "drift",
        "drift_common",
        "electrode_lobe",
        "driver_step",
    }
)
BIAS_STEPS_PM = (-12.0, -9.0, -6.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 6.0, 9.0, 12.0)
GAP_STEPS_UM = (-0.006, -0.003, 0.0, 0.003, 0.006)


def settle(spec: ChipSpec, judge: Judge, *, keys: Iterable[str]) -> Changes:
    """Bias and gaps near a spec's own with which the rules on rings have the most headroom.

    Args:
        spec: The spec, its rings sized.
        judge: Rules' findings on a spec.
        keys: Keys that may be moved; of those that are moved here are ``ring.bias_pm`` and both gaps.
    """
    best: Changes = {}
    free = set(keys)
    if "ring.bias_pm" in free:
        at_pm = spec.ring.bias_pm
        biases: list[Changes] = [{"ring.bias_pm": round(at_pm + step, 1) + 0.0} for step in BIAS_STEPS_PM]
        best |= _best(spec, judge, biases)
    if {"ring.gap_through_um", "ring.gap_drop_um"} <= free:
        gaps_um = (round(spec.ring.gap_through_um + step, 3) for step in GAP_STEPS_UM)
        gaps: list[Changes] = [{"ring.gap_through_um": gap, "ring.gap_drop_um": gap} for gap in gaps_um]
        best |= _best(with_keys(spec, best), judge, gaps)
    return best


def _best(spec: ChipSpec, judge: Judge, tries: list[Changes]) -> Changes:
    found = []
    for changes in tries:
        try:
            changed = with_keys(spec, changes)
            found.append((least_headroom(changed, judge(changed, ON_RINGS))[0], changes))
        except (ValueError, InputError):
            continue
    return max(found, key=lambda pair: pair[0])[1] if found else {}
