"""The chip whose rings let go of every mode but the first, beside circles on the wide rib: figures, and the main job.

    python benchmarks/single_mode_chip.py [SEEDS] [--json]

Figures follow from specs and film tables; every die of the main job is calibrated, programmed, drawn, compared as
drawn, and ranked as `prism run` does it.
"""

import json
import os
import platform
import sys
import time
from typing import Any

import numpy as np
from kit_chip import one_die

from prism_photonics.budget.crossings import crossings
from prism_photonics.budget.feasibility import check
from prism_photonics.budget.headroom import least_headroom
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.second_mode import straights_turned
from prism_photonics.lightpath.ring.place import coupling_angles
from prism_photonics.process.bends import load_bends
from prism_photonics.process.trench import foot_um
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.channels import ring_fF

CHIPS = ("circles_8x8", "single_mode_8x8")


def figures(spec: ChipSpec) -> dict[str, Any]:
    """What specs and tables say of a chip."""
    ring, report, found = ring_figures(spec), check(spec), crossings(spec)
    straights = [design.straight_um for design in spec.ring_designs]
    turned = straights_turned(spec)
    taken = sum(float(np.sin(angle)) ** 2 for angle in coupling_angles(spec.profile, spec.ring_designs[0]))
    headroom, rule = least_headroom(spec, report.findings)
    assert found is not None
    return {
        "chip": spec.name,
        "film": spec.process,
        "feasible": report.feasible,
        "least_headroom": round(headroom, 3),
        "binding_rule": rule,
        "radius_um": spec.ring.radius_um,
        "straights_um": [min(straights), max(straights)],
        "fsr_nm": round(ring.fsr_nm, 3),
        "fwhm_pm": round(ring.fwhm_pm, 2),
        "q_loaded": round(ring.q_loaded),
        "gap_um": spec.ring.gap_through_um,
        "foot_nm": round(1e3 * foot_um(spec.profile, spec.ring.gap_through_um)),
        "couplers_take": round(taken, 5),
        "turned_at_a_straight": [round(min(turned), 6), round(max(turned), 6)],
        "junction_dB": round(load_bends(spec.process).junction_dB(spec.ring.radius_um), 4),
        "turned_to_TM_half_turn": round(found.converted, 4),
        "rings_on_a_crossing": round(found.rings, 2),
        "loss_dB_cm": spec.waveguide.loss_dB_cm,
        "tuning_pm_V": round(float(ring.tuning_pm_V), 3),
        "max_voltage_V": spec.drive.max_voltage_V,
        "settle_us": spec.drive.settle_us,
        "channel_fF": round(ring_fF(spec), 1),
        "remarks": list(report.warnings),
    }


def main() -> None:
    """Measure and print."""
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    chips = []
    for name in CHIPS:
        spec = load_spec(name)
        chips.append(figures(spec) | {"dies": [one_die(spec, seed) for seed in range(numbers[0] if numbers else 2)]})
        print(chips[-1], file=sys.stderr, flush=True)
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": " ".join(["python benchmarks/single_mode_chip.py", *sys.argv[1:]]),
        "chips": chips,
    }
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
