"""The coupler of a ring and its bus by local supermodes, beside the gap law that the models use.

    python benchmarks/ring_bus.py [--json]

`process.solver.ring_bus` for rings of two films, light along layout x, against the gap, and with other slices and
elements. The law: `process.coupling`, from the mode tables.
"""

import json
import os
import platform
import sys
from dataclasses import replace
from typing import Any

from prism_photonics.process.coupling import kappa
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.ring_bus import GRID, SLICES, point_coupler
from prism_photonics.process.solver.tables import stack_of

WL_UM = 1.55
RINGS = {"tfln600": (20.0, (0.40, 0.45)), "lnoi400": (61.6, (0.732,))}
FINER = replace(GRID, near=0.06, growth=0.25, far=0.25)


def film(name: str) -> list[dict[str, Any]]:
    """κ² of a film's ring, gap by gap."""
    profile = load_profile(name)
    law, (radius_um, gaps_um) = profile.gap_law, RINGS[name]
    rows = []
    for gap_um in gaps_um:
        tries: dict[str, dict[str, Any]] = {"kappa2": {}}
        if gap_um == RINGS["tfln600"][1][0]:
            tries |= {
                "fewer_slices": {"slices": SLICES * 3 // 5},
                "finer_elements": {"grid": FINER},
            }
        found = {
            what: point_coupler(
                stack_of(profile),
                crystal_named(profile.crystal),
                WL_UM,
                gap_um=gap_um,
                radius_um=radius_um,
                decay_um=law.decay_um,
                **changed,
            ).kappa2
            for what, changed in tries.items()
        }
        by_law = float(kappa(gap_um, law, radius_um=radius_um)) ** 2
        rows.append(
            {
                "film": name,
                "radius_um": radius_um,
                "gap_um": gap_um,
                **{what: round(value, 6) for what, value in found.items()},
                "law": round(by_law, 6),
                "over_law": round(found["kappa2"] / by_law, 4),
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Solve and print."""
    result = {
        "rings": [row for name in RINGS for row in film(name)],
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
    }
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
