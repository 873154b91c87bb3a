"""``python -m prism_photonics.process.solver.facets NAME``: modes at a coupler's tip, into the table of its facet."""

import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.files import write_text
from prism_photonics.process.materials import SILICA, crystal_named, sellmeier
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.__main__ import lines
from prism_photonics.process.solver.edge import GRID, SLICES, facet, slab_strip
from prism_photonics.process.solver.matching import TEMPERATURE_K
from prism_photonics.process.solver.mesh import Stack
from prism_photonics.process.solver.splitter import taper
from prism_photonics.process.solver.tables import WL0_UM, stack_of

FOLDER = Path(__file__).resolve().parent.parent / "facet_tables"
TIP_UM, LENGTH_UM = 0.30, 200.0  # of the drawn taper
RIBS_UM = (0.20, 0.25, 0.30, 0.35, 0.40, 0.50)
STRIPS_UM = (0.20, 0.25, 0.30, 0.50, 1.00, 1.50)
HELD = 1e-3
"""Index over the oxide's from which a strip of slab holds its mode: one less is the window's, not the strip's."""


def main(name: str) -> None:
    """Solve the tips of the film ``name`` and write their table."""
    profile = load_profile(name)
    crystal, stack = crystal_named(profile.crystal), stack_of(profile)
    n_silica = float(sellmeier(WL0_UM, SILICA))

    def index(of: Stack, tip_um: float, **grid: Any) -> float:
        return round(facet(of, crystal, WL0_UM, tip_um, **grid).n_eff, 5)

    def loss_dB(slices: int) -> float:
        sizes: dict[str, float] = {"start_um": TIP_UM, "end_um": stack.width_um, "length_um": LENGTH_UM}
        return round(-20.0 * float(np.log10(abs(taper(stack, crystal, WL0_UM, slices=slices, **sizes)))), 4)  # pyright: ignore[reportArgumentType]

    strips = {width: index(slab_strip(stack), width) for width in STRIPS_UM}
    strips = {width: n for width, n in strips.items() if n > n_silica + HELD}
    finer, wide = replace(GRID, near=0.05, growth=0.2), replace(GRID, side=12.0, below=9.0, above=9.0)
    found = {
        "film": name,
        "provenance": {
            "solver": "vectorial finite elements (prism_photonics.process.solver.edge)",
            "versions": {package: version(package) for package in ("scikit-fem", "scipy", "numpy")},
            "date": datetime.now(UTC).date().isoformat(),
            "script": "python -m prism_photonics.process.solver.facets",
            "grid": asdict(GRID),
            "stack": asdict(stack),
            "crystal": crystal.name,
            "temperature_K": TEMPERATURE_K,
        },
        "wl_um": WL0_UM,
        "n_silica": round(n_silica, 5),
        "rib": {"width_um": RIBS_UM, "n_eff": [index(stack, width) for width in RIBS_UM]},
        "slab": {"width_um": list(strips), "n_eff": list(strips.values())},
        "taper": {"tip_um": TIP_UM, "length_um": LENGTH_UM, "loss_dB": loss_dB(SLICES)},
        "convergence": [
            {"varied": "elements of two thirds the size", "n_eff": index(stack, TIP_UM, grid=finer)},
            {"varied": "a window half again as wide", "n_eff": index(stack, TIP_UM, grid=wide)},
            {"varied": "taper of half as many slices", "loss_dB": loss_dB(SLICES // 2)},
        ],
    }
    FOLDER.mkdir(exist_ok=True)
    write_text(FOLDER / f"{name}.json", lines(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
