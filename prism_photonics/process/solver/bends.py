"""``python -m prism_photonics.process.solver.bends NAME``: what bends turn of a film's light, into its table."""

import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize

from prism_photonics.process.materials import SILICA, Crystal, crystal_named, sellmeier
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.__main__ import lines
from prism_photonics.process.solver.junction import GRID, Junction, junction
from prism_photonics.process.solver.matching import TEMPERATURE_K
from prism_photonics.process.solver.mesh import Stack
from prism_photonics.process.solver.plans import PLANS
from prism_photonics.process.solver.tables import WL0_UM, stack_of

FOLDER = Path(__file__).resolve().parent.parent / "bend_tables"
RADII = (1.0, 2.0, 4.0)  # over the film's least; of the middle one the lines are taken
FINER = replace(GRID, near=0.045, growth=0.2, far=0.22)
WIDER = replace(GRID, side=4.0, below=2.2, above=2.0)


def main(name: str) -> None:
    """Solve the junctions of the film ``name`` and write their table."""
    profile = load_profile(name)
    crystal, stack = crystal_named(profile.crystal), stack_of(profile)
    radii = [times * profile.film.min_bend_radius_um.value for times in RADII]
    middle = radii[len(radii) // 2]

    def solved(radius_um: float, angle_deg: float, **grid: Any) -> Junction:
        return junction(stack, crystal, WL0_UM, radius_um=radius_um, angle_deg=angle_deg, **grid)

    found = {angle: {radius: solved(radius, angle) for radius in radii} for angle in (0.0, 90.0)}
    table = {
        "film": name,
        "provenance": {
            "solver": "overlaps on vectorial finite elements (prism_photonics.process.solver.junction)",
            "versions": {package: version(package) for package in ("scikit-fem", "scipy", "numpy")},
            "date": datetime.now(UTC).date().isoformat(),
            "script": "python -m prism_photonics.process.solver.bends",
            "grid": asdict(GRID),
            "stack": asdict(stack),
            "crystal": crystal.name,
            "temperature_K": TEMPERATURE_K,
        },
        "wl_um": WL0_UM,
        "radius_um": middle,
        "angle_deg": {
            f"{angle:g}": direction(by[middle]) | {"slab_n_eff": round(slab_index(stack, crystal, angle), 6)}
            for angle, by in found.items()
        },
        "junction_dB": {
            f"{angle:g}": {f"{radius:g}": lost_dB(one) for radius, one in by.items()} for angle, by in found.items()
        },
        "convergence_dB": {
            title: lost_dB(solved(middle, 90.0, grid=grid))
            for title, grid in (("as told", GRID), ("finer", FINER), ("wider", WIDER))
        },
    }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(lines(table) + "\n", encoding="utf-8")


def direction(found: Junction) -> dict[str, Any]:
    """Lines of one direction: the other modes' indices, and how much a curvature leans the light to each, in µm."""
    return {
        "n_eff": round(found.straight_n_eff, 6),
        "line_n_eff": [round(n_eff, 6) for n_eff, _ in found.lines],
        "line_um": [round(found.radius_um * share**0.5, 5) for _, share in found.lines],
    }


def lost_dB(found: Junction) -> float:
    """Loss of one junction in dB, what it turns to the film's TM left out."""
    return round(float(-10.0 * np.log10(1.0 - sum(share for _, share in found.lines))), 5)


def slab_index(stack: Stack, crystal: Crystal, angle_deg: float) -> float:
    """Index of what runs in the film beside the rib, its field in the plane: below it no mode is held."""
    material = crystal.ordinary if angle_deg else crystal.extraordinary
    n, oxide, k = float(sellmeier(WL0_UM, material)), float(sellmeier(WL0_UM, SILICA)), 2.0 * np.pi / WL0_UM

    def turn(b: float) -> float:
        return k * np.sqrt(n**2 - b**2) * stack.slab_um - 2.0 * np.arctan(np.sqrt((b**2 - oxide**2) / (n**2 - b**2)))

    return float(scipy.optimize.root_scalar(turn, bracket=(oxide + 1e-9, n - 1e-9)).root)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PLANS:
        sys.exit(f"give one film: {', '.join(PLANS)}")
    main(sys.argv[1])
