"""``python -m prism_photonics.process.solver.parts NAME``: simulate a film's parts and write their table."""

import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from prism_photonics.process.materials import crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.__main__ import lines
from prism_photonics.process.solver.matching import TEMPERATURE_K
from prism_photonics.process.solver.plans import PLANS
from prism_photonics.process.solver.splitter import GRID, MODES, TAPER_SLICES, Sizes, splitter_table
from prism_photonics.process.solver.tables import WL0_UM, stack_of

FOLDER = Path(__file__).resolve().parent.parent / "part_tables"
WL_UM = (1.50, 1.55, 1.60)
# Design choices: short enough for tapers beside it, the outputs far enough apart for the etch; images of a section W
# wide lie W/2 apart, a little more as the light reaches beyond the walls.
MMI_WIDTH_UM, TAPER_WIDTH_UM, PORT_PITCH_UM, TOTAL_UM = 8.0, 2.8, 4.16, 84.0


def main(name: str) -> None:
    """Simulate the parts of the film ``name`` and write their table."""
    profile = load_profile(name)
    crystal, stack = crystal_named(profile.crystal), stack_of(profile)
    sizes = Sizes(MMI_WIDTH_UM, TAPER_WIDTH_UM, PORT_PITCH_UM, stack.width_um, TOTAL_UM)
    table = {
        "film": name,
        "provenance": {
            "solver": "mode matching on vectorial finite elements (prism_photonics.process.solver.matching)",
            "versions": {package: version(package) for package in ("scikit-fem", "scipy", "numpy")},
            "date": datetime.now(UTC).date().isoformat(),
            "script": "python -m prism_photonics.process.solver.parts",
            "grid": {"near_um": GRID.near, "growth": GRID.growth, "far_um": GRID.far, "side_um": GRID.side},
            "modes": MODES,
            "taper_slices": TAPER_SLICES,
            "stack": {
                "thickness_um": stack.thickness_um,
                "etch_um": stack.etch_um,
                "width_um": stack.width_um,
                "wall_deg": stack.wall_deg,
            },
            "crystal": crystal.name,
            "temperature_K": TEMPERATURE_K,
        },
        "splitter": splitter_table(stack, crystal, sizes, wl0=WL0_UM, wls=WL_UM),
    }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(lines(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PLANS:
        sys.exit(f"give one film: {', '.join(PLANS)}")
    main(sys.argv[1])
