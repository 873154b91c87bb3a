"""Edge couplers of chips of two films by the mode solver: what tips share with a fibre's spot, what tapers pass.

    python benchmarks/edge_coupler.py [demo_8x8] [film400_8x8]

Compared with ``coupler.loss_dB`` of the spec; and what strips of slab, the film etched away beside them, would share:
no such tip is drawn, for the rules want 3 µm of slab beside a rib. Named chips are solved anew and the others kept.
Needs the extra ``modes``.
"""

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from prism_photonics.process.materials import crystal_named
from prism_photonics.process.solver.edge import edge_table
from prism_photonics.process.solver.tables import WL0_UM, stack_of
from prism_photonics.spec import load_spec

RESULTS = Path(__file__).parent / "results" / "edge_coupler.json"
CHIPS = ("demo_8x8", "film400_8x8")
STRIPS_UM = (1.0, 1.5)


def edge_of(chip: str) -> dict[str, Any]:
    """A chip's coupler."""
    spec = load_spec(chip)
    design, stack = spec.coupler_design, stack_of(spec.profile)
    found = edge_table(
        stack,
        crystal_named(spec.profile.crystal),
        wl=WL0_UM,
        tip_um=design.tip_um,
        length_um=design.length_um,
        strips_um=STRIPS_UM,
    )
    return {"chip": spec.name, "film": spec.process, **found, "spec_loss_dB": spec.coupler.loss_dB}


def main() -> None:
    """Solve what is asked for, and write as it comes."""
    found = {one["chip"]: one for one in json.loads(RESULTS.read_text(encoding="utf-8"))["couplers"]}
    for chip in [name for name in sys.argv[1:] if name in CHIPS] or CHIPS:
        found[chip] = edge_of(chip)
        print(found[chip], file=sys.stderr, flush=True)
        result = {
            "command": "python benchmarks/edge_coupler.py",
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
            "couplers": [found[name] for name in CHIPS if name in found],
        }
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
