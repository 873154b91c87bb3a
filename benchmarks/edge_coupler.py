"""The drawn edge coupler by the mode solver: what its tip shares with a fibre's spot, and what its taper passes.

    python benchmarks/edge_coupler.py [--json]

Compared with ``coupler.loss_dB`` of the spec; and what strips of slab, the film etched away beside them, would share:
no such tip is drawn, for the rules want 3 µm of slab beside a rib. Needs the extra ``modes``.
"""

import json
import os
import platform
import sys

from prism_photonics.process.materials import crystal_named
from prism_photonics.process.solver.edge import edge_table
from prism_photonics.process.solver.tables import WL0_UM, stack_of
from prism_photonics.spec import load_spec

STRIPS_UM = (1.0, 1.5)


def main() -> None:
    """Solve and print."""
    spec = load_spec("demo_8x8")
    design, stack = spec.coupler_design, stack_of(spec.profile)
    found = edge_table(
        stack,
        crystal_named(spec.profile.crystal),
        wl=WL0_UM,
        tip_um=design.tip_um,
        length_um=design.length_um,
        strips_um=STRIPS_UM,
    )
    result = {
        "chip": spec.name,
        **found,
        "spec_loss_dB": spec.coupler.loss_dB,
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
    }
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
