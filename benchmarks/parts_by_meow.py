"""U-turn, ring's coupler and tip of chips of two films by another solver: finite differences of `meow-sim`.

    python benchmarks/parts_by_meow.py [circles_8x8] [film400_8x8] [uturn] [coupler] [edge]

Wants `meow-sim` (0.15.0) and `scikit-fem` in an environment of their own, with this folder's package on the path; see
`splitter_by_meow`. All modes are meow's, on its own grid, in bends by its own change of coordinates; how light goes on
from slice to slice is `process.solver`'s. The first case of `parts` each.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import meow
import numpy as np
from bends_by_meow import HALF_UM
from bends_by_meow import STEP_UM as BEND_STEP_UM
from meow.fde.tidy3d import compute_modes_tidy3d
from meow.mode import inner_product, normalize
from splitter_by_meow import WL_UM, Uniaxial, cross_section

from prism_photonics.process.solver.curve import along_curve
from prism_photonics.process.solver.ring_bus import carried, sliced
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.geometry import uturn_design

RESULTS = Path(__file__).parent / "results" / "parts_by_meow.json"
CHIPS = {"circles_8x8": (4, 6), "film400_8x8": (3, 10)}  # modes in a curve, slices of a coupler: as `parts` has them
SLICES, NODES = 160, 5
COUPLER_STEP_UM, BESIDE_UM = 0.04, 2.0
FACET_UM, FACET_STEP_UM, SPOTS_UM = 6.0, 0.07, (2.0, 2.5, 4.0)


def solved(section: Uniaxial, count: int) -> list[Any]:
    """Modes of unit power, the largest index first."""
    return compute_modes_tidy3d(
        section, num_modes=count, post_process=lambda found: [normalize(mode, inner_product) for mode in found]
    )


def overlaps(a: list[Any], b: list[Any]) -> np.ndarray:
    """Of modes whose fields are real but for a common phase, which is taken out of either."""
    found = np.array([[0.5 * (inner_product(x, y) + inner_product(y, x)) for y in b] for x in a])
    return np.real(found)


def indices(modes: list[Any]) -> np.ndarray:
    """Effective indices."""
    return np.array([float(np.real(mode.neff)) for mode in modes])


def uturn(spec: ChipSpec) -> dict[str, Any]:
    """Two quarter turns."""
    quarter, (modes, _) = uturn_design(spec).quarter, CHIPS[spec.name]
    curvature = np.tile(quarter.curvature_1_um(SLICES), 2)
    at = np.linspace(0.0, float(curvature.max()), NODES)
    section = cross_section(spec.process, [(0.0, spec.width_um)], HALF_UM, BEND_STEP_UM)

    def bent(one: float) -> list[Any]:
        if one == 0.0:
            return solved(section, modes)
        mesh = section.mesh.model_copy(update={"bend_radius": 1.0 / one, "bend_axis": 1})
        return solved(Uniaxial(structures=section.structures, along=section.along, mesh=mesh, env=section.env), modes)

    sides = [bent(float(one)) for one in at]
    light = along_curve(
        WL_UM,
        at,
        np.array([indices(side) for side in sides]),
        [overlaps(here, there) for here, there in pairwise(sides)],
        curvature_1_um=curvature,
        length_um=2.0 * quarter.length_um,
    )
    shares = np.abs(light) ** 2
    return {
        "loss_dB": round(float(-10.0 * np.log10(shares[0])), 4),
        "to_TM0": float(f"{shares[1]:.3g}"),
        "to_second_modes": float(f"{shares[2:].sum():.3g}"),
    }


def coupler(spec: ChipSpec) -> dict[str, Any]:
    """The through coupler of the first ring."""
    ring, width_um, (_, slices) = spec.ring_designs[0], spec.width_um, CHIPS[spec.name]
    gaps_um, lengths_um = sliced(
        width_um=width_um,
        gap_um=ring.gap_through_um,
        radius_um=ring.quarter.least_radius_um,
        decay_um=spec.profile.gap_law.decay_um,
        straight_um=ring.straight_um,
        ramp_um=ring.quarter.ramp_um,
        cosine=bool(ring.cosine),
        slices=slices,
    )
    aside_um = 0.5 * (width_um + float(gaps_um[0]))
    half_um = aside_um + 0.5 * width_um + BESIDE_UM
    bus = (-aside_um, width_um)
    rings = [(-aside_um + width_um + float(gap), width_um) for gap in gaps_um]

    def in_plane(ribs: list[tuple[float, float]], count: int) -> list[Any]:
        found = solved(cross_section(spec.process, ribs, half_um, COUPLER_STEP_UM), 2 * count)
        return [mode for mode in found if mode.te_fraction > 0.5][:count]

    bus_alone, ring_alone, *pairs = (
        in_plane(*each) for each in (([bus], 1), ([rings[0]], 1), *(([bus, ring], 2) for ring in rings))
    )
    found = carried(
        WL_UM,
        np.concatenate([overlaps(guide, pairs[0]) for guide in (bus_alone, ring_alone)]),
        [indices(pair) for pair in pairs],
        [overlaps(here, there) for here, there in pairwise(pairs)],
        lengths_um=lengths_um,
    )
    return {"kappa2": round(found.kappa2, 6)}


def edge(spec: ChipSpec) -> dict[str, Any]:
    """The tip at the facet against spots."""
    section = cross_section(spec.process, [(0.0, spec.coupler_design.tip_um)], FACET_UM, FACET_STEP_UM)
    rib = np.asarray(section.mesh.y)
    rib = rib[(rib > -0.2) & (rib < 0.9)]  # fine about the film, as coarse as across beyond it
    below, above = np.arange(rib[0], -FACET_UM, -FACET_STEP_UM)[:0:-1], np.arange(rib[-1], FACET_UM, FACET_STEP_UM)[1:]
    mesh = meow.Mesh2D(x=section.mesh.x, y=np.concatenate([below, rib, above]))
    wide = Uniaxial(structures=section.structures, along=section.along, mesh=mesh, env=section.env)
    mode = next(mode for mode in solved(wide, 4) if mode.te_fraction > 0.5)
    field = np.real(mode.Ex * np.conj(mode.Ex.flat[np.argmax(np.abs(mode.Ex))]))
    x, y = np.meshgrid(np.asarray(mode.mesh.x_), np.asarray(mode.mesh.y_), indexing="ij")
    area = np.outer(np.gradient(np.asarray(mode.mesh.x_)), np.gradient(np.asarray(mode.mesh.y_)))

    def shared(spot_um: float) -> float:
        best = 0.0
        for height_um in np.arange(-1.0, 1.01, 0.05):
            spot = np.exp(-4.0 * (x**2 + (y - height_um) ** 2) / spot_um**2)
            product = (field * spot * area).sum() ** 2
            best = max(best, product / ((field**2 * area).sum() * (spot**2 * area).sum()))
        return best

    return {"loss_dB": {f"{spot:g}": round(float(-10.0 * np.log10(shared(spot))), 4) for spot in SPOTS_UM}}


PARTS: dict[str, Callable[[ChipSpec], dict[str, Any]]] = {"uturn": uturn, "coupler": coupler, "edge": edge}


def main() -> None:
    """Solve what is asked for, and write as it comes."""
    chips = [name for name in sys.argv[1:] if name in CHIPS] or list(CHIPS)
    asked = [name for name in sys.argv[1:] if name in PARTS] or list(PARTS)
    found = json.loads(RESULTS.read_text(encoding="utf-8"))["chips"] if RESULTS.exists() else {}
    for chip in chips:
        for name in asked:
            found.setdefault(chip, {})[name] = PARTS[name](load_spec(chip))
            print(chip, name, found[chip][name], file=sys.stderr, flush=True)
            write(found)


def write(found: dict[str, dict[str, Any]]) -> None:
    """Keep what is there."""
    chips = {
        chip: {name: found[chip][name] for name in PARTS if name in found[chip]} for chip in CHIPS if chip in found
    }
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/parts_by_meow.py",
        "chips": chips,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
