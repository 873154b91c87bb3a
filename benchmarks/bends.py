"""What a junction of a straight guide and a bend loses, against the radius, by the mode solver, film by film.

    python benchmarks/bends.py [--json]

`process.solver.junction`: the overlap of both guides' own modes. Beside it a second road for the film of the flagships:
the rib as a slab of effective indices by finite differences, the bend as an index that rises outwards.
"""

import json
import os
import platform
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize

from prism_photonics.process.materials import SILICA, crystal_named, sellmeier
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.process.solver.junction import GRID, junction
from prism_photonics.process.solver.tables import stack_of

WL_UM = 1.55
RADIUS_UM = {"tfln600": (20.0, 30.0, 60.0), "lnoi400": (60.0, 100.0), "ltoi300": (50.0, 100.0)}
FINER = replace(GRID, near=0.04, growth=0.18, far=0.2)


def film(name: str) -> dict[str, Any]:
    """Junctions of a film, light along layout x at the junction."""
    profile = load_profile(name)
    stack, crystal = stack_of(profile), crystal_named(profile.crystal)
    found = [junction(stack, crystal, WL_UM, radius_um=radius) for radius in RADIUS_UM[name]]
    finer = junction(stack, crystal, WL_UM, radius_um=RADIUS_UM[name][0], grid=FINER)
    return {
        "film": name,
        "radius_um": list(RADIUS_UM[name]),
        "junction_dB": [round(one.loss_dB, 4) for one in found],
        "bend_n_eff": [round(one.n_eff, 5) for one in found],
        "finer_mesh_dB": round(finer.loss_dB, 4),
    }


def slab_dB(radius_um: float, indices: tuple[float, float], *, width_um: float, nodes: int = 3000) -> float:
    """Loss of a junction of a slab guide: an index inside, another beside it."""
    x = np.linspace(-3.5, 2.3, nodes)
    step = x[1] - x[0]
    n = np.where(np.abs(x) < width_um / 2.0, *indices)
    k = 2.0 * np.pi / WL_UM

    def first(bend: np.ndarray | float) -> np.ndarray:
        diagonal = (k * n * bend) ** 2 - 2.0 / step**2
        last = (nodes - 1, nodes - 1)
        return scipy.linalg.eigh_tridiagonal(diagonal, np.full(nodes - 1, step**-2), select="i", select_range=last)[1][
            :, 0
        ]

    return float(-20.0 * np.log10(abs(first(1.0) @ first(1.0 + x / radius_um))))


def slab_index(n: float, height_um: float) -> float:
    """Effective index of a film between oxides, its field in the plane."""
    k, oxide = 2.0 * np.pi / WL_UM, float(sellmeier(WL_UM, SILICA))

    def turn(b: float) -> float:
        return k * np.sqrt(n**2 - b**2) * height_um - 2.0 * np.arctan(np.sqrt((b**2 - oxide**2) / (n**2 - b**2)))

    return scipy.optimize.root_scalar(turn, bracket=(oxide + 1e-9, n - 1e-9)).root


def second_road() -> dict[str, Any]:
    """Loss of a junction by effective indices."""
    stack = stack_of(load_profile("tfln600"))
    n = float(sellmeier(WL_UM, crystal_named("LiNbO3").ordinary))
    indices = slab_index(n, stack.thickness_um), slab_index(n, stack.slab_um)
    width_um = stack.width_um + stack.wall_um  # at half the etch
    return {
        "radius_um": list(RADIUS_UM["tfln600"]),
        "effective_index_dB": [round(slab_dB(r, indices, width_um=width_um), 4) for r in RADIUS_UM["tfln600"]],
    }


def main() -> None:
    """Solve and print."""
    result = {
        "films": [film(name) for name in profile_names()],
        "second_road": second_road(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
    }
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
