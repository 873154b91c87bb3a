"""Loss of a rib under second metal, by the mode solver with gold in place of oxide above it.

    python benchmarks/metal_over_rib.py [--json]

A plane of gold as wide as the window, 0.25 µm of it (its skin depth is 0.02 µm), at the height where a film's deck has
second metal. Minutes for each film.

Source of gold's permittivity at 1.55 µm: P. B. Johnson, R. W. Christy, Phys. Rev. B 6, 4370 (1972).
"""

import json
import os
import platform
import sys
from typing import Any

import numpy as np

from prism_photonics.process.layers import load_deck
from prism_photonics.process.materials import CRYSTALS
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.process.solver.bend import loss_dB_cm
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.mesh import Grid, Stack, rib
from prism_photonics.process.solver.optics import permittivity

GOLD = -115.0 + 11.3j
METAL_UM = 0.25
WL_UM = 1.55
UNDER_UM = 266.0  # of row 0's bus of the 8×8: its tape-out sheet


def under_metal(film: str) -> dict[str, Any]:
    """Index and loss of the TE mode of light along layout y."""
    profile, deck = load_profile(film), load_deck(film)
    f = profile.film
    stack = Stack(f.thickness_um.value, f.etch_um.value, f.rib_width_um.value, f.wall_deg.value)
    height_um = deck.stack["metal2"].bottom_um - stack.thickness_um
    grid = Grid(near=0.04, far=0.08, growth=0.3, side=2.0, above=height_um + METAL_UM)
    section = rib(stack, grid)
    eps = permittivity(section, CRYSTALS[profile.crystal], WL_UM, angle_deg=0.0, temperature_K=300.0).astype(complex)
    middle_um = section.mesh.p[1][section.mesh.t].mean(axis=0)
    eps[:, :, middle_um > stack.thickness_um + height_um] = GOLD * np.eye(3)[:, :, None]
    problem = Problem(section.mesh)
    modes = problem.solve(eps, WL_UM, near=profile.optics.n_eff_along_y.value + 0j, count=4)
    mode = max((mode for mode in modes if problem.te_fraction(mode) > 0.5), key=lambda mode: mode.n_eff.real)
    loss = loss_dB_cm(mode, WL_UM)
    return {
        "film": film,
        "metal_above_rib_um": round(height_um, 3),
        "n_eff": round(mode.n_eff.real, 6),
        "loss_dB_cm": loss,
        "loss_of_a_row_dB": loss * UNDER_UM * 1e-4,
    }


def main() -> None:
    """Solve and print."""
    found = [under_metal(film) for film in profile_names()]
    result = {"films": found, "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only"}
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
