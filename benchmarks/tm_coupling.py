"""Coupling of two ribs' TM modes against their gap, beside TE's, and how a film's thickness moves both.

    python benchmarks/tm_coupling.py [FILM] [--json]

Supermodes of two equal ribs along layout x at 1.55 µm, of a film that guides TM: an electric wall between them gives
the even supermode of TE and the odd one of TM. Minutes on one core; the answers are ``results/tm_coupling.json``
(`tfln600`) and ``results/tm_coupling_FILM.json``, and the laws fitted to them stand in
`process.polarization.TM_GAP_LAWS`, the shifts of circles' TM beside them.
"""

import json
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.files import write_text
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.mesh import Grid, half_pair, rib
from prism_photonics.process.solver.optics import permittivity
from prism_photonics.process.solver.tables import TEMPERATURE_K, WL0_UM, solve_rib, stack_of

RESULTS = Path(__file__).parent / "results"
GAPS_UM = (0.4, 0.5, 0.6, 0.7, 0.8)
GRID = Grid(near=0.06, growth=0.25, side=2.5)
RIB_GRID, THICKNESS_STEP_UM = Grid(near=0.05, growth=0.2, side=3.0), 0.01
# Between the two modes that are asked for: of the first film they lie at 1.99 and 1.91, of the last at 1.86 and 1.71.
NEAR = {"tfln600": 1.915, "tfln600_narrow": 1.89, "tfln400": 1.79}


def couplings_per_um(film: str, gap_um: float) -> tuple[float, float]:
    """C = π·|n_even − n_odd|/λ of TE and of TM in rad/µm."""
    profile = load_profile(film)
    section = half_pair(stack_of(profile), GRID, gap_um)
    eps = permittivity(section, crystal_named(profile.crystal), WL0_UM, angle_deg=90.0, temperature_K=TEMPERATURE_K)
    index = []
    for mirror in ("", "left"):
        problem = Problem(section.mesh, mirror)
        modes = [
            (mode.n_eff.real, problem.te_fraction(mode))
            for mode in problem.solve(eps, WL0_UM, near=NEAR[film], count=6)
        ]
        index.append([next(n for n, share in modes if (share > 0.5) == te) for te in (True, False)])
    te, tm = (abs(float(np.pi * (one - other) / WL0_UM)) for one, other in zip(*index, strict=True))
    return te, tm


def by_thickness(film: str) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Of TE and TM, shifts of a circle's resonances in pm per nm of film at a kept etch, and slopes of the index.

    The shift is the mean of both directions; slopes are per nm, along layout y and along layout x.
    """
    profile = load_profile(film)
    stack, crystal = stack_of(profile), crystal_named(profile.crystal)
    found: dict[str, list[float]] = {"TE": [], "TM": []}
    index: dict[str, list[float]] = {"TE": [], "TM": []}
    for angle_deg in (0.0, 90.0):
        thin, thick = (
            solve_rib(
                rib(replace(stack, thickness_um=stack.thickness_um + step_um), RIB_GRID),
                crystal, WL0_UM, angle_deg, with_tm=True,
            )
            for step_um in (-THICKNESS_STEP_UM, THICKNESS_STEP_UM)
        )  # fmt: skip
        for mode, slopes in found.items():
            n_g = 0.5 * (thin[mode]["n_g"] + thick[mode]["n_g"])
            by_um = (thick[mode]["n_eff"] - thin[mode]["n_eff"]) / (2.0 * THICKNESS_STEP_UM)
            slopes.append(1e3 * WL0_UM * by_um / n_g)
            index[mode].append(1e-3 * by_um)
    return {mode: float(np.mean(slopes)) for mode, slopes in found.items()}, index


def main() -> None:
    """Solve, write and print."""
    film = next((name for name in sys.argv[1:] if name in NEAR), "tfln600")
    rows: list[dict[str, Any]] = []
    for gap_um in GAPS_UM:
        te, tm = couplings_per_um(film, gap_um)
        rows.append({"gap_um": gap_um, "te_per_um": te, "tm_per_um": tm})
        print(rows[-1], file=sys.stderr, flush=True)
    slope, offset = np.polyfit([row["gap_um"] - 0.6 for row in rows], [np.log(row["tm_per_um"]) for row in rows], 1)
    shifts, index = by_thickness(film)
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/tm_coupling.py" + (f" {film}" if film != "tfln600" else ""),
        "film": film,
        "gaps": rows,
        "thickness_pm_nm": shifts,
        "index_per_nm": index,
        "law": {"coupling_per_um": float(np.exp(offset)), "gap_um": 0.6, "decay_um": float(-1.0 / slope)},
    }
    name = "tm_coupling.json" if film == "tfln600" else f"tm_coupling_{film}.json"
    write_text(RESULTS / name, json.dumps(found, indent=2) + "\n")
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
