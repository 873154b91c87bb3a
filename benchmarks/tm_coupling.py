"""Coupling of two ribs' TM modes against their gap, beside TE's: what a ring's TM exchanges with its buses.

    python benchmarks/tm_coupling.py [--json]

Supermodes of two equal ribs of `tfln600` along layout x at 1.55 µm: an electric wall between them gives the even
supermode of TE and the odd one of TM. Minutes on one core; the answer is ``results/tm_coupling.json``, and the law
fitted to it stands in `process.polarization.TM_GAP_LAWS`.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.files import write_text
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.mesh import Grid, half_pair
from prism_photonics.process.solver.optics import permittivity
from prism_photonics.process.solver.tables import TEMPERATURE_K, WL0_UM, stack_of

RESULTS = Path(__file__).parent / "results" / "tm_coupling.json"
FILM = "tfln600"
GAPS_UM = (0.4, 0.5, 0.6, 0.7, 0.8)
GRID = Grid(near=0.06, growth=0.25, side=2.5)
# Between the two modes that are asked for: TE lies at 1.99 there, TM at 1.91.
NEAR = 1.915


def couplings_per_um(gap_um: float) -> tuple[float, float]:
    """C = π·|n_even − n_odd|/λ of TE and of TM in rad/µm."""
    profile = load_profile(FILM)
    section = half_pair(stack_of(profile), GRID, gap_um)
    eps = permittivity(section, crystal_named(profile.crystal), WL0_UM, angle_deg=90.0, temperature_K=TEMPERATURE_K)
    index = []
    for mirror in ("", "left"):
        problem = Problem(section.mesh, mirror)
        modes = [
            (mode.n_eff.real, problem.te_fraction(mode)) for mode in problem.solve(eps, WL0_UM, near=NEAR, count=6)
        ]
        index.append([next(n for n, share in modes if (share > 0.5) == te) for te in (True, False)])
    te, tm = (abs(float(np.pi * (one - other) / WL0_UM)) for one, other in zip(*index, strict=True))
    return te, tm


def main() -> None:
    """Solve, write and print."""
    rows: list[dict[str, Any]] = []
    for gap_um in GAPS_UM:
        te, tm = couplings_per_um(gap_um)
        rows.append({"gap_um": gap_um, "te_per_um": te, "tm_per_um": tm})
        print(rows[-1], file=sys.stderr, flush=True)
    slope, offset = np.polyfit([row["gap_um"] - 0.6 for row in rows], [np.log(row["tm_per_um"]) for row in rows], 1)
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/tm_coupling.py",
        "film": FILM,
        "gaps": rows,
        "law": {"coupling_per_um": float(np.exp(offset)), "gap_um": 0.6, "decay_um": float(-1.0 / slope)},
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
