"""Parts of `circles_8x8` against wavelength and errors of the making, each by the solver that its sizes come from.

    python benchmarks/parts.py [uturn] [coupler] [edge] [metal]

One row for each of `CASES`: the U-turn as drawn by mode matching through slices of its curvature
(`process.solver.curve`), a ring's coupler by local supermodes (`process.solver.ring_bus`), the tip at the facet
(`process.solver.edge`), the rib under second metal (`metal_over_rib`). The splitter's is `process/part_tables`. Named
parts are solved anew and the others kept; `parts_by_meow` has a second solver's word on the first case of each, and
`metal_over_rib` the slab's exact equation. Light along layout x, under the metal along layout y. Some twenty minutes.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from metal_over_rib import under_metal

from prism_photonics.files import write_text
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.solver.curve import light_behind
from prism_photonics.process.solver.edge import facet
from prism_photonics.process.solver.mesh import Grid, Stack
from prism_photonics.process.solver.ring_bus import point_coupler
from prism_photonics.process.solver.tables import WL0_UM, stack_of
from prism_photonics.spec import load_spec
from prism_photonics.spec.geometry import uturn_design

RESULTS = Path(__file__).parent / "results" / "parts.json"
SPEC = load_spec("circles_8x8")
FILM, CRYSTAL = SPEC.process, crystal_named(SPEC.profile.crystal)
STACK = stack_of(SPEC.profile)
CURVED = Grid(near=0.1, growth=0.3, far=0.35, side=2.0, below=1.3, above=1.1)
FINER = Grid(near=0.07, growth=0.25, far=0.3, side=2.4, below=1.5, above=1.3)
SLICES, MODES, NODES = 160, 4, 5  # TE0, TM0, TE1, TM1
COUPLER_SLICES = 6
SPOTS_UM = (2.0, 2.5, 4.0)


def wider(by_um: float) -> Stack:
    """All walls further out by half of it."""
    return replace(STACK, width_um=STACK.width_um + by_um)


CASES: dict[str, tuple[float, Stack]] = {
    "as drawn": (WL0_UM, STACK),
    "at 1.50 µm": (1.50, STACK),
    "at 1.60 µm": (1.60, STACK),
    **{f"ribs {1e3 * by:+.0f} nm": (WL0_UM, wider(by)) for by in (-0.02, 0.02)},
    **{f"etch {1e3 * by:+.0f} nm": (WL0_UM, replace(STACK, etch_um=STACK.etch_um + by)) for by in (-0.01, 0.01)},
    **{
        f"film {1e3 * by:+.0f} nm": (WL0_UM, replace(STACK, thickness_um=STACK.thickness_um + by))
        for by in (-0.01, 0.01)
    },
    **{f"walls {by:+.0f}°": (WL0_UM, replace(STACK, wall_deg=STACK.wall_deg + by)) for by in (-1.0, 1.0)},
}


def turned(wl: float, stack: Stack, *, slices: int = SLICES, nodes: int = NODES, grid: Grid = CURVED) -> dict[str, Any]:
    """The U-turn: two quarter turns, one behind the other."""
    quarter = quarter_of_uturn()
    once = quarter.curvature_1_um(slices)
    light = light_behind(
        stack,
        CRYSTAL,
        wl,
        curvature_1_um=np.concatenate([once, once]),
        length_um=2.0 * quarter.length_um,
        modes=MODES,
        nodes=nodes,
        grid=grid,
    )
    shares = np.abs(light) ** 2
    return {
        "s21": [round(float(light[0].real), 6), round(float(light[0].imag), 6)],
        "loss_dB": _dB(shares[0]),
        "to_TM0": float(f"{shares[1]:.3g}"),
        "to_second_modes": float(f"{shares[2:].sum():.3g}"),
    }


def quarter_of_uturn() -> QuarterTurn:
    """Each half of the U-turn that the chip draws."""
    return uturn_design(SPEC).quarter


def coupled(wl: float, stack: Stack, *, gap_um: float | None = None, slices: int = COUPLER_SLICES) -> dict[str, Any]:
    """A ring's through coupler; ribs that are wider leave less gap."""
    ring = SPEC.ring_designs[0]
    gap_um = ring.gap_through_um - (stack.width_um - STACK.width_um) if gap_um is None else gap_um
    found = point_coupler(
        stack,
        CRYSTAL,
        wl,
        gap_um=gap_um,
        radius_um=ring.radius_um,
        straight_um=ring.straight_um,
        decay_um=SPEC.profile.gap_law.decay_um,
        slices=slices,
    )
    return {
        "gap_um": round(gap_um, 4),
        "through": [round(found.through.real, 6), round(found.through.imag, 6)],
        "cross": [round(found.cross.real, 6), round(found.cross.imag, 6)],
        "kappa2": round(found.kappa2, 6),
    }


def at_the_facet(wl: float, stack: Stack) -> dict[str, Any]:
    """The tip, narrower or wider as the ribs are."""
    tip_um = SPEC.coupler_design.tip_um + stack.width_um - STACK.width_um
    found = facet(stack, CRYSTAL, wl, tip_um)
    return {
        "tip_um": round(tip_um, 4),
        "n_eff": round(found.n_eff, 5),
        "loss_dB": {f"{spot_um:g}": _dB(found.shared(spot_um)) for spot_um in SPOTS_UM},
    }


def metal(wl: float, stack: Stack) -> dict[str, Any]:
    """A rib under second metal, gold's permittivity at 1.55 µm."""
    return {"loss_dB_cm": float(f"{under_metal(FILM, wl=wl, made=stack)['loss_dB_cm']:.4g}")}


def cases(solve: Callable[[float, Stack], dict[str, Any]], more: dict[str, Callable[[], Any]]) -> list[dict[str, Any]]:
    """A row for each case, and for what a part has more."""
    each = {name: lambda case=case: solve(*case) for name, case in CASES.items()} | more
    rows = []
    for name, ask in each.items():
        rows.append({"case": name} | ask())
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


PARTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "uturn": lambda: cases(
        turned,
        {
            "twice the slices": lambda: turned(WL0_UM, STACK, slices=2 * SLICES),
            "more curvatures solved": lambda: turned(WL0_UM, STACK, nodes=NODES + 3),
            "finer elements, a wider window": lambda: turned(WL0_UM, STACK, grid=FINER),
        },
    ),
    "coupler": lambda: cases(
        coupled,
        {
            **{
                f"gap {1e3 * by:+.0f} nm": lambda by=by: coupled(WL0_UM, STACK, gap_um=0.4 + by) for by in (-0.01, 0.01)
            },
            "more slices": lambda: coupled(WL0_UM, STACK, slices=2 * COUPLER_SLICES),
        },
    ),
    "edge": lambda: cases(at_the_facet, {}),
    "metal": lambda: cases(metal, {}),
}


def _dB(power: float) -> float:
    return round(float(-10.0 * np.log10(power)), 4)


def main() -> None:
    """Solve what is asked for, write and print."""
    asked = [name for name in sys.argv[1:] if name in PARTS] or list(PARTS)
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    parts = kept.get("parts", {}) | {name: PARTS[name]() for name in asked}
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/parts.py",
        "chip": SPEC.name,
        "parts": {name: parts[name] for name in PARTS if name in parts},
    }
    write_text(RESULTS, json.dumps(found, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
