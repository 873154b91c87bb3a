"""What the walls' angle makes of the light that bends turn to TM, on the films of our chips.

    python benchmarks/tm_walls.py [tfln600] [tfln400] [--json]

By the mode solver as in `tm_films.py`: the rib's top keeps its width and the etch its depth, so that flatter walls
make a wider foot. Of each angle: indices of TE and TM along layout y (0°) and x (90°), g·R of bends of 20 and 40 µm
there, by the share of the bent mode's field that stands upright; at 70° and 90° also by first order. Then χ of half a
turn of a ring, at no arm, the most at any arm, and on the arm that undoes it at 70°, as chips are drawn. One angle is
solved again on finer elements. What is in ``results/tm_walls.json`` is not solved again.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tm_films
from tm_films import ANGLES_DEG, CRYSTAL, RADII_UM, RINGS_UM, WL0_UM, by_share, half_difference, quarter

from prism_photonics.files import write_text
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.mesh import Grid, Stack, rib
from prism_photonics.process.solver.mixing import first_order_mixing
from prism_photonics.process.solver.tables import solve_rib, stack_of

RESULTS = Path(__file__).parent / "results" / "tm_walls.json"
FILMS = ("tfln600", "tfln400")
WALLS_DEG = (60.0, 65.0, 70.0, 75.0, 80.0, 85.0, 90.0)
SECOND_ROAD_DEG = (70.0, 90.0)
FINER_DEG, FINER = 80.0, Grid(near=0.055, growth=0.22, far=0.25, side=3.0)


def solved(stack: Stack) -> dict[str, Any]:
    """Indices and bends of a stack."""
    here = {angle: solve_rib(rib(stack, tm_films.GRID), CRYSTAL, WL0_UM, angle, with_tm=True) for angle in ANGLES_DEG}
    return {
        "wall_deg": stack.wall_deg,
        "n_eff": {mode: [here[angle][mode]["n_eff"] for angle in ANGLES_DEG] for mode in ("TE", "TM")},
        "n_g_apart": [here[angle]["TE"]["n_g"] - here[angle]["TM"]["n_g"] for angle in ANGLES_DEG],
        "apart_per_nm": [0.0, 0.0],  # no film off
        "bend": {
            f"{angle:g}": {f"{radius:g}": by_share(stack, angle, radius) for radius in RADII_UM}
            for angle in (0.0, 90.0)
        },
    }


def chi_mrad(found: dict[str, Any], radius_um: float, arm_um: float) -> float:
    """χ of half a turn in mrad."""
    te, tm = quarter(found, QuarterTurn(radius_um, 1.0, True))
    along = np.exp(1j * half_difference(found, 0.0) * arm_um)
    return 1e3 * float(np.arcsin(np.clip(2.0 * (te * tm * along).imag, -1.0, 1.0)))


def ring(found: dict[str, Any], drawn: dict[str, Any], radius_um: float) -> dict[str, float]:
    """χ of a ring on these walls, drawn for the profile's."""
    te, tm = quarter(found, QuarterTurn(radius_um, 1.0, True))
    te_drawn, tm_drawn = quarter(drawn, QuarterTurn(radius_um, 1.0, True))
    half = float(half_difference(drawn, 0.0))
    arm_um = float(-np.angle(te_drawn * tm_drawn) * np.sign(half) % np.pi / abs(half))
    return {
        "radius_um": radius_um,
        "most_mrad": 1e3 * float(np.arcsin(min(2.0 * abs(te * tm), 1.0))),
        "no_arm_mrad": chi_mrad(found, radius_um, 0.0),
        "arm_um": arm_um,
        "drawn_arm_mrad": chi_mrad(found, radius_um, arm_um),
    }


def main() -> None:
    """Solve, write and print."""
    films: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))["films"] if RESULTS.exists() else {}
    for name in [word for word in sys.argv[1:] if word in FILMS] or FILMS:
        drawn = stack_of(load_profile(name))
        film = films.setdefault(name, {"thickness_um": drawn.thickness_um, "etch_um": drawn.etch_um, "walls": []})
        film["width_um"] = drawn.width_um

        def kept() -> None:
            told = {
                "date": time.strftime("%Y-%m-%d"),
                "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
                "command": "python benchmarks/tm_walls.py",
                "angles_deg": ANGLES_DEG,
                "films": films,
            }
            write_text(RESULTS, json.dumps(told, indent=2) + "\n")

        for wall_deg in WALLS_DEG:
            if any(one["wall_deg"] == wall_deg for one in film["walls"]):
                continue
            stack = Stack(drawn.thickness_um, drawn.etch_um, drawn.width_um, wall_deg)
            start = time.process_time()
            found = solved(stack)
            if wall_deg in SECOND_ROAD_DEG:
                found["first_order_g_R"] = [
                    first_order_mixing(stack, CRYSTAL, WL0_UM, angle, grid=tm_films.GRID) for angle in (0.0, 90.0)
                ]
            film["walls"] = sorted([*film["walls"], found], key=lambda one: one["wall_deg"])
            kept()
            print(name, wall_deg, found["bend"], f"{time.process_time() - start:.0f} s", file=sys.stderr, flush=True)
        as_drawn = next(one for one in film["walls"] if one["wall_deg"] == drawn.wall_deg)
        for one in film["walls"]:
            one["rings"] = [ring(one, as_drawn, radius_um) for radius_um in RINGS_UM]
        kept()
        if "finer" not in film:
            with mock.patch.object(tm_films, "GRID", FINER):
                film["finer"] = solved(Stack(drawn.thickness_um, drawn.etch_um, drawn.width_um, FINER_DEG))
        film["finer"]["rings"] = [ring(film["finer"], as_drawn, radius_um) for radius_um in RINGS_UM]
        kept()
    if "--json" in sys.argv:
        print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
