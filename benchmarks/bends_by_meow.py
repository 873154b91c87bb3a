"""What a junction of a straight guide and a bend loses, by another solver: finite differences of `meow-sim`.

    python benchmarks/bends_by_meow.py [FILM...]

Wants `meow-sim` (0.15.0) and `scikit-fem` in an environment of their own, with this folder's package on the path; see
`splitter_by_meow`. Its solver (that of tidy3d) bends the grid by a change of coordinates of its own, in a window with
closed walls. Compared with `process.bends`: the loss of a junction, light along layout x, and where its light goes.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from meow.fde.tidy3d import compute_modes_tidy3d
from meow.mode import inner_product, normalize
from splitter_by_meow import cross_section

from prism_photonics.process.bends import load_bends
from prism_photonics.process.profile import load_profile

RESULTS = Path(__file__).parent / "results" / "bends_by_meow.json"
HALF_UM, STEP_UM = 3.2, 0.05
RADII_UM = {
    "tfln600": (20.0, 30.0, 60.0),
    "tfln400": (20.0, 40.0, 80.0),
    "ltoi300": (50.0, 100.0),
    "lnoi400": (60.0, 100.0),
}
MODES = 8


def modes(film: str, radius_um: float | None) -> list[Any]:
    """Modes of a film's guide in meow's order, the largest index first."""
    width_um = load_profile(film).film.rib_width_um.value
    section = cross_section(film, [(0.0, width_um)], HALF_UM, STEP_UM)
    if radius_um is not None:
        mesh = section.mesh.model_copy(update={"bend_radius": radius_um, "bend_axis": 1})
        section = type(section)(structures=section.structures, along=section.along, mesh=mesh, env=section.env)
    return compute_modes_tidy3d(
        section, num_modes=MODES, post_process=lambda found: [normalize(mode, inner_product) for mode in found]
    )


def compared(film: str) -> dict[str, Any]:
    """Junctions of a film by both solvers."""
    table, straight = load_bends(film), modes(film, None)
    way = table.file.angle_deg["90"]
    by_meow, second = [], []
    for radius_um in RADII_UM[film]:
        bent = modes(film, radius_um)
        shares = np.abs([[0.5 * (inner_product(a, b) + inner_product(b, a)) for b in bent] for a in straight]) ** 2
        one = int(np.argmax(shares[0]))
        by_meow.append(round(float(-10.0 * np.log10(shares[0, one])), 4))
        rest = shares[1:, one]
        second.append(round(float(np.real(straight[1 + int(np.argmax(rest))].neff)), 4))
    return {
        "film": film,
        "radius_um": list(RADII_UM[film]),
        "elements_dB": [
            round(float(-10.0 * np.log10(1.0 - sum((a / radius) ** 2 for a in way.line_um))), 4)
            for radius in RADII_UM[film]
        ],
        "meow_dB": by_meow,
        "second_n_eff": {"elements": way.line_n_eff[0], "meow": second},
    }


def main() -> None:
    """Solve the films that are named, keep the others, and write as it comes."""
    found = {one["film"]: one for one in json.loads(RESULTS.read_text(encoding="utf-8"))["found"]}
    for film in [name for name in sys.argv[1:] if name in RADII_UM] or RADII_UM:
        found[film] = compared(film)
        print(found[film], file=sys.stderr, flush=True)
        result = {
            "date": time.strftime("%Y-%m-%d"),
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only, shared with other work",
            "command": "python benchmarks/bends_by_meow.py",
            "found": [found[name] for name in RADII_UM if name in found],
        }
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
