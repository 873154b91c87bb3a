"""Trade-off about a designed chip: reach and headroom against the drive voltage, all else sized anew each time."""

from dataclasses import dataclass

import numpy as np

from prism_photonics.budget.light_sizing import with_keys
from prism_photonics.budget.ring_sizing import RingChoice, size_rings
from prism_photonics.budget.rules_ring import COERCIVE_SHARE
from prism_photonics.spec import ChipSpec

VOLTS = (3.0, 5.0, 7.5, 10.0, 12.5, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
REACHES, HALVINGS = np.arange(0.98, 0.0, -0.05), 3
"""Reaches that are tried from the largest down, and halvings of the step above the first that is kept. A smaller reach
is not always easier: scores of small weights bear smaller errors, and drift forbids the lines that would do."""


@dataclass(frozen=True)
class TradePoint:
    """One drive voltage of the trade-off.

    Attributes:
        max_voltage_V: Drive limit.
        headroom: Smallest headroom of the rules on rings at the wished reach; negative: not possible.
        rule: The rule that has it.
        fwhm_pm: Linewidth of those rings.
        reach: The largest weight that all rings reach with no rule on rings broken; 0 if none.
    """

    max_voltage_V: float
    headroom: float
    rule: str
    fwhm_pm: float
    reach: float


def tradeoff(spec: ChipSpec) -> tuple[TradePoint, ...]:
    """Reach and headroom against the drive, with the spec's radius and arms and the gap and bias sized at each.

    Args:
        spec: A designed spec.
    """
    eo = spec.profile.electrooptics
    most_V = COERCIVE_SHARE * eo.coercive_field_V_um.value * eo.electrode_gap_um.value
    own = spec.drive.max_voltage_V
    return tuple(_point(spec, volts) for volts in sorted({*VOLTS, own, most_V}) if volts <= most_V)


def _point(spec: ChipSpec, volts: float) -> TradePoint:
    def headroom_at(reach: float) -> float:
        return _sized(with_keys(spec, {"ranking.weight_limit": reach}), volts).headroom

    low = next((float(reach) for reach in REACHES if headroom_at(float(reach)) >= 0.0), 0.0)
    high = low + float(REACHES[0] - REACHES[1])
    for _ in range(HALVINGS if 0.0 < low < REACHES[0] else 0):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if headroom_at(middle) >= 0.0 else (low, middle)
    found = _sized(spec, volts)
    return TradePoint(volts, found.headroom, found.rule, found.fwhm_pm, low)


def _sized(spec: ChipSpec, volts: float) -> RingChoice:
    return size_rings(
        spec,
        voltages_V=[volts],
        arms_um=[spec.ring.arm_um],
        radii_um=[spec.ring.radius_um],
        straights=(0.0, spec.ring.straight_um, 10.0, 20.0),
    )
