"""Least drive voltage at which rings of each film keep every rule on rings, against trimming and reach.

    python benchmarks/least_voltage.py [--json] [--no-chips]

One channel a bus, so that neither neighbours nor the free spectral range forbid anything, every radius from the film's
least to four times it, circles and racetracks, straights, gaps and biases: the closed forms of `budget.ring_sizing`
over their whole grid, resonances exactly where they are wanted. Below it stands the bound by laws of
`explore.least_voltage`, of equal gaps and else whatever the geometry. Where the voltage is at most 5 V, a whole chip is
designed at 5 V and checked, unless ``--no-chips``.
"""

import json
import sys
from typing import Any

from prism_photonics.budget.feasibility import check
from prism_photonics.budget.ring_sizing import RingChoice, size_rings
from prism_photonics.explore.candidates import candidates
from prism_photonics.explore.design import design
from prism_photonics.explore.least_voltage import least_voltage
from prism_photonics.explore.wishes import Wishes
from prism_photonics.process.profile import profile_names
from prism_photonics.spec import ChipSpec

RESIDUALS_PM = (14.0, 7.0, 3.0, 1.0)
REACHES = (0.75, 0.5)
VOLTS = tuple(round(0.05 * step, 2) for step in range(20, 401))
ARMS_UM = (0.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 800.0, 1100.0, 1500.0, 2000.0, 2600.0, 3200.0)
"""From circles to where one free spectral range is too short for a single line."""


def asked(process: str, residual_pm: float, reach: float) -> ChipSpec:
    """An unsized spec of one channel a bus."""
    wishes = Wishes.of(
        {
            "dims": 1,
            "rows": 8,
            "process": process,
            "residual_pm": residual_pm,
            "weight_limit": reach,
            "encoding": "two_shot",
            "spacing_nm": 0.4,
        }
    )
    return next(candidates(wishes))


def found_voltage(spec: ChipSpec) -> tuple[float | None, str, float]:
    """Least voltage in V, the rule that forbids 5 V, and its headroom there."""
    least_um = spec.ring.radius_um  # with ramps larger than the sharpest bend
    radii_um = [least_um * factor for factor in (1.0, 1.3, 1.7, 2.2, 3.0, 4.0)]

    def at(volts: float) -> RingChoice:
        return size_rings(spec, voltages_V=[volts], arms_um=ARMS_UM, radii_um=radii_um, on_grid=False)

    five = at(5.0)
    low, high = 0, len(VOLTS) - 1
    if at(VOLTS[high]).headroom < 0.0:
        return None, five.rule, five.headroom
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if at(VOLTS[middle]).headroom >= 0.0 else (middle + 1, high)
    return VOLTS[low], five.rule, five.headroom


def chip_at_5V(process: str, residual_pm: float, reach: float) -> dict[str, Any] | None:
    """A 4 × 4 chip of 5 V that keeps every rule, if there is one."""
    found = design(dims=4, rows=4, process=process, max_voltage_V=5.0, residual_pm=residual_pm, weight_limit=reach)
    if not found.feasible:
        return None
    assert check(found.spec).feasible
    ring, chip = found.spec.ring, found.spec.chip
    return {
        "channels": chip.channels,
        "buses": chip.buses,
        "radius_um": ring.radius_um,
        "arm_um": ring.arm_um,
        "gap_um": ring.gap_through_um,
        "bias_pm": ring.bias_pm,
    }


def main() -> None:
    """Print the table."""
    rows = []
    for process in profile_names():
        for reach in REACHES:
            for residual_pm in RESIDUALS_PM:
                spec = asked(process, residual_pm, reach)
                volts, rule, headroom = found_voltage(spec)
                possible = volts is not None and volts <= 5.0 and "--no-chips" not in sys.argv
                chip = chip_at_5V(process, residual_pm, reach) if possible else None
                rows.append(
                    {
                        "film": process,
                        "reach": reach,
                        "residual_pm": residual_pm,
                        "bound_V": round(least_voltage(spec).least_V, 2),
                        "least_voltage_V": volts,
                        "forbids_5V": None if headroom >= 0.0 else rule,
                        "headroom_at_5V": round(headroom, 3),
                        **({} if "--no-chips" in sys.argv else {"chip_4x4_at_5V": chip}),
                    }
                )
                print(rows[-1], file=sys.stderr)
    if "--json" in sys.argv:
        print(json.dumps({"rows": rows}, indent=2))


if __name__ == "__main__":
    main()
