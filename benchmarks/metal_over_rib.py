"""Loss of a rib under second metal, by the mode solver with gold in place of oxide above it.

    python benchmarks/metal_over_rib.py [--json]

A plane of gold as wide as the window, 0.25 µm of it (its skin depth is 0.02 µm), at the height where a film's deck has
second metal. Beside it elements of other sizes, and a slab of the film's thickness by the exact equation of its layers.

Source of gold's permittivity at 1.55 µm: P. B. Johnson, R. W. Christy, Phys. Rev. B 6, 4370 (1972).
"""

import json
import os
import platform
import sys
from typing import Any

import numpy as np
import scipy.optimize

from prism_photonics.process.layers import load_deck
from prism_photonics.process.materials import CRYSTALS, SILICA, sellmeier
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.process.solver.bend import loss_dB_cm
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.mesh import Grid, Stack, rib
from prism_photonics.process.solver.optics import permittivity
from prism_photonics.process.solver.tables import stack_of

GOLD = -115.0 + 11.3j
METAL_UM = 0.25
WL_UM = 1.55
UNDER_UM = 266.0  # of row 0's bus of the 8×8: its tape-out sheet


def under_metal(
    film: str, *, near_um: float = 0.04, far_um: float = 0.08, wl: float = WL_UM, made: Stack | None = None
) -> dict[str, Any]:
    """Index and loss of the TE mode of light along layout y, of the film as it was made."""
    profile, deck = load_profile(film), load_deck(film)
    stack = stack_of(profile) if made is None else made
    height_um = deck.stack["metal2"].bottom_um - profile.film.thickness_um.value  # of oxide, deposited after the etch
    grid = Grid(near=near_um, far=far_um, growth=0.3, side=2.0, above=height_um + METAL_UM)
    section = rib(stack, grid)
    eps = permittivity(section, CRYSTALS[profile.crystal], wl, angle_deg=0.0, temperature_K=300.0).astype(complex)
    middle_um = section.mesh.p[1][section.mesh.t].mean(axis=0)
    eps[:, :, middle_um > stack.thickness_um + height_um] = GOLD * np.eye(3)[:, :, None]
    problem = Problem(section.mesh)
    modes = problem.solve(eps, wl, near=profile.optics.n_eff_along_y.value + 0j, count=4)
    mode = max((mode for mode in modes if problem.te_fraction(mode) > 0.5), key=lambda mode: mode.n_eff.real)
    loss = loss_dB_cm(mode, wl)
    return {
        "film": film,
        "metal_above_rib_um": round(height_um, 3),
        "n_eff": round(mode.n_eff.real, 6),
        "loss_dB_cm": loss,
        "loss_of_a_row_dB": loss * UNDER_UM * 1e-4,
    }


def slab_loss_dB_cm(film: str) -> float:
    """A second road: the film as a slab as thick as the rib, its exact layers, the gold infinitely thick."""
    profile, deck = load_profile(film), load_deck(film)
    height_um = profile.film.thickness_um.value
    above_um = deck.stack["metal2"].bottom_um - height_um
    k, crystal = 2.0 * np.pi / WL_UM, CRYSTALS[profile.crystal]
    n, oxide = (complex(sellmeier(WL_UM, terms)) for terms in (crystal.extraordinary, SILICA))

    def turn(b: complex) -> complex:
        inside, beside = (np.sqrt(x + 0j) * k for x in (n**2 - b**2, b**2 - oxide**2))
        gold = np.sqrt(b**2 - GOLD) * k
        far = np.tanh(beside * above_um)
        above = beside * (gold + beside * far) / (beside + gold * far)
        return inside * height_um - np.arctan(beside / inside) - np.arctan(above / inside)

    index = scipy.optimize.newton(turn, complex(profile.optics.n_eff_along_y.value), tol=1e-15, maxiter=200)
    return float(20.0 / np.log(10.0) * k * index.imag * 1e4)


def main() -> None:
    """Solve and print."""
    films = profile_names()
    result = {
        "films": [under_metal(film) | {"slab_loss_dB_cm": slab_loss_dB_cm(film)} for film in films],
        "loss_dB_cm_by_elements": {
            "half_again_as_large": [under_metal(film, near_um=0.06, far_um=0.12)["loss_dB_cm"] for film in films],
            "three_quarters": [under_metal(film, near_um=0.03, far_um=0.06)["loss_dB_cm"] for film in films],
        },
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
    }
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
