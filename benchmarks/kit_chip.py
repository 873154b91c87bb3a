"""The chip of a foundry's kit: the main job over several virtual dies, and what wider rings would cost.

    python benchmarks/kit_chip.py [SEEDS] [--json]

Every die is calibrated, programmed, drawn, compared as drawn, and ranked as `prism run` does it. Rings of public kits
have radii up to 200 µm; ours have the least that the mode table's bend loss bears.
"""

import json
import math
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from prism_photonics.budget.ring import ring_figures
from prism_photonics.process.modes import load_modes
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.workflow.job import run

SPEC = Path(__file__).parents[1] / "layouts" / "lnoi400_8x8" / "spec.toml"
RADII_UM = (61.6, 100.0, 150.0, 200.0)
TABLE_RADII_UM = (40.0, 50.0, 60.0, 80.0)  # of the table's bend loss


def one_die(spec: ChipSpec, seed: int) -> dict[str, Any]:
    """The main job's figures."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(spec, folder, seed=seed)
    return {
        "seed": seed,
        "accuracy_bits": round(found["accuracy_bits"], 2),
        "readings_per_ring": found["readings_per_ring"],
        "excluded_rings": len(found["calibration"]["excluded_rings"]),
        "readings_clipped": found["readings_clipped"],
        "drawn_vs_designed_fields": found["layout_vs_design_max_error"],
        "needle_hit": found["needle_hit"],
        "recall_vs_ideal_chip": found["recall_vs_ideal"]["chip"],
    }


def at_radius(spec: ChipSpec, radius_um: float) -> dict[str, float]:
    """Free spectral range, channels and area of rows with rings of a radius, all else as on the chip."""
    ring = spec.ring
    wider = 2.0 * (radius_um - ring.radius_um)
    changed = spec.model_dump() | {
        "ring": ring.model_dump() | {"radius_um": radius_um, "pitch_um": ring.pitch_um + wider},
        "chip": spec.chip.model_dump() | {"channels": 1},
    }
    other = ChipSpec.model_validate(changed)
    fsr_nm = ring_figures(other).fsr_nm
    channels = math.floor(fsr_nm / spec.comb.spacing_nm) if spec.comb.spacing_nm else 0
    return {
        "radius_um": radius_um,
        "fsr_nm": round(fsr_nm, 3),
        "channels": channels,
        "area_mm2_ring": round(other.ring.pitch_um * other.row_pitch_um * 1e-6, 4),
    }


def main() -> None:
    """Measure and print."""
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    spec, table = load_spec(SPEC), load_modes("lnoi400")
    dies = []
    for seed in range(numbers[0] if numbers else 3):
        dies.append(one_die(spec, seed))
        print(dies[-1], file=sys.stderr)
    result = {
        "bend_loss_dB_cm": {f"{radius:g}": table.bend_loss_dB_cm(radius) for radius in TABLE_RADII_UM},
        "radii": [at_radius(spec, radius) for radius in RADII_UM],
        "dies": dies,
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
    }
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
