"""Parts of chips of two films against wavelength and errors of the making, each by the solver that its sizes come from.

    python benchmarks/parts.py [circles_8x8] [film400_8x8] [uturn] [coupler] [edge] [metal] [--missing]

One row for each of `cases_of`: the U-turn as drawn by mode matching through slices of its curvature
(`process.solver.curve`), a ring's coupler by local supermodes (`process.solver.ring_bus`), the tip at the facet
(`process.solver.edge`), the rib under second metal (`metal_over_rib`). The splitter's is `process/part_tables`. Named
parts are solved anew and the others kept; with ``--missing`` only rows that are not kept. Every row is written as it
comes. `parts_by_meow` has a second solver's word on the first case of each, and `metal_over_rib` the slab's exact
equation. Light along layout x, under the metal along layout y. Some ten minutes a chip.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from metal_over_rib import under_metal

from prism_photonics.files import write_text
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.materials import Crystal, crystal_named
from prism_photonics.process.solver.curve import light_behind
from prism_photonics.process.solver.edge import facet
from prism_photonics.process.solver.mesh import Grid, Stack
from prism_photonics.process.solver.ring_bus import GRID as COUPLER_GRID
from prism_photonics.process.solver.ring_bus import point_coupler
from prism_photonics.process.solver.tables import WL0_UM, stack_of
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.geometry import uturn_design

RESULTS = Path(__file__).parent / "results" / "parts.json"
CURVED = Grid(near=0.1, growth=0.3, far=0.35, side=2.0, below=1.3, above=1.1)
FINER = Grid(near=0.07, growth=0.25, far=0.3, side=2.4, below=1.5, above=1.3)
SLICES, NODES = 160, 5
SPOTS_UM = (2.0, 2.5, 4.0)


class Part(NamedTuple):
    """A chip, and what the numerics of its parts need.

    Attributes:
        spec: The chip.
        modes: Of its guide that take part in a curve: TE0, TM0, TE1, and TM1 where the film holds it in bends.
        coupler_slices: Before the middle of a ring's coupler; more where it opens slowly.
    """

    spec: ChipSpec
    modes: int
    coupler_slices: int

    @property
    def stack(self) -> Stack:
        """Its film and rib."""
        return stack_of(self.spec.profile)

    @property
    def crystal(self) -> Crystal:
        """Its crystal."""
        return crystal_named(self.spec.profile.crystal)

    @property
    def quarter(self) -> QuarterTurn:
        """Each half of the U-turn that the chip draws."""
        return uturn_design(self.spec).quarter


def part(chip: str) -> Part:
    """One of `CHIPS`."""
    return Part(load_spec(chip), *CHIPS[chip])


CHIPS = {"circles_8x8": (4, 6), "film400_8x8": (3, 10)}
Solved = dict[str, Any]
Solver = Callable[[Part, float, Stack], Solved]


def cases_of(drawn: Stack) -> dict[str, tuple[float, Stack]]:
    """Wavelength and film of each case."""
    cases = {"as drawn": (WL0_UM, drawn), "at 1.50 µm": (1.50, drawn), "at 1.60 µm": (1.60, drawn)}
    off: dict[str, tuple[str, float, float, str]] = {
        "ribs": ("width_um", 0.02, 1e3, " nm"),
        "etch": ("etch_um", 0.01, 1e3, " nm"),
        "film": ("thickness_um", 0.01, 1e3, " nm"),
        "walls": ("wall_deg", 1.0, 1.0, "°"),
    }
    for what, (field, step, scale, unit) in off.items():
        for by in (-step, step):
            cases[f"{what} {scale * by:+.0f}{unit}"] = (WL0_UM, replace(drawn, **{field: getattr(drawn, field) + by}))
    return cases


def turned(
    of: Part, wl: float, stack: Stack, *, slices: int = SLICES, nodes: int = NODES, grid: Grid = CURVED
) -> Solved:
    """The U-turn: two quarter turns, one behind the other."""
    once = of.quarter.curvature_1_um(slices)
    light = light_behind(
        stack,
        of.crystal,
        wl,
        curvature_1_um=np.concatenate([once, once]),
        length_um=2.0 * of.quarter.length_um,
        modes=of.modes,
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


def coupled(
    of: Part, wl: float, stack: Stack, *, nearer_um: float = 0.0, times: float = 1.0, grid: Grid = COUPLER_GRID
) -> Solved:
    """A ring's through coupler; ribs that are wider leave less gap."""
    ring = of.spec.ring_designs[0]
    gap_um = ring.gap_through_um - nearer_um - (stack.width_um - of.stack.width_um)
    found = point_coupler(
        stack,
        of.crystal,
        wl,
        gap_um=gap_um,
        radius_um=ring.quarter.least_radius_um,
        straight_um=ring.straight_um,
        ramp_um=ring.quarter.ramp_um,
        cosine=bool(ring.cosine),
        decay_um=of.spec.profile.gap_law.decay_um,
        slices=round(times * of.coupler_slices),
        grid=grid,
    )
    return {
        "gap_um": round(gap_um, 4),
        "through": [round(found.through.real, 6), round(found.through.imag, 6)],
        "cross": [round(found.cross.real, 6), round(found.cross.imag, 6)],
        "kappa2": round(found.kappa2, 6),
    }


def at_the_facet(of: Part, wl: float, stack: Stack) -> Solved:
    """The tip, narrower or wider as the ribs are."""
    tip_um = of.spec.coupler_design.tip_um + stack.width_um - of.stack.width_um
    found = facet(stack, of.crystal, wl, tip_um)
    return {
        "tip_um": round(tip_um, 4),
        "n_eff": round(found.n_eff, 5),
        "loss_dB": {f"{spot_um:g}": _dB(found.shared(spot_um)) for spot_um in SPOTS_UM},
    }


def metal(of: Part, wl: float, stack: Stack) -> Solved:
    """A rib under second metal, gold's permittivity at 1.55 µm."""
    return {"loss_dB_cm": float(f"{under_metal(of.spec.process, wl=wl, made=stack)['loss_dB_cm']:.4g}")}


PARTS: dict[str, tuple[Solver, dict[str, Solver]]] = {
    "uturn": (
        turned,
        {
            "twice the slices": partial(turned, slices=2 * SLICES),
            "more curvatures solved": partial(turned, nodes=NODES + 3),
            "finer elements, a wider window": partial(turned, grid=FINER),
        },
    ),
    "coupler": (
        coupled,
        {
            "gap -10 nm": partial(coupled, nearer_um=0.01),
            "gap +10 nm": partial(coupled, nearer_um=-0.01),
            "more slices": partial(coupled, times=1.5),
            "finer elements": partial(coupled, grid=replace(COUPLER_GRID, near=0.06, growth=0.25, far=0.25)),
        },
    ),
    "edge": (at_the_facet, {}),
    "metal": (metal, {}),
}
"""Who solves a part in every case, and what it has more."""


def rows(of: Part, name: str, kept: list[Solved]) -> Iterator[list[Solved]]:
    """All rows of a part so far, with each one that comes."""
    solve, more = PARTS[name]
    cases = cases_of(of.stack)
    asked: dict[str, Callable[[], Solved]] = {case: partial(solve, of, *at) for case, at in cases.items()}
    asked |= {case: partial(other, of, *cases["as drawn"]) for case, other in more.items()}
    have = {row["case"]: row for row in kept}
    for case, ask in asked.items():
        if case not in have:
            have[case] = {"case": case} | ask()
            print(of.spec.name, name, have[case], file=sys.stderr, flush=True)
            yield [have[case] for case in asked if case in have]


def _dB(power: float) -> float:
    return round(float(-10.0 * np.log10(power)), 4)


def main() -> None:
    """Solve what is asked for, and write."""
    chips = [name for name in sys.argv[1:] if name in CHIPS] or list(CHIPS)
    asked = [name for name in sys.argv[1:] if name in PARTS] or list(PARTS)
    found = json.loads(RESULTS.read_text(encoding="utf-8"))["chips"] if RESULTS.exists() else {}
    for chip in chips:
        for name in asked:
            parts = found.setdefault(chip, {})
            for got in rows(part(chip), name, parts.get(name, []) if "--missing" in sys.argv else []):
                parts[name] = got
                write(found)


def write(found: dict[str, dict[str, list[Solved]]]) -> None:
    """Keep what is there."""
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/parts.py",
        "chips": {
            chip: {part: found[chip][part] for part in PARTS if part in found[chip]} for chip in CHIPS if chip in found
        },
    }
    write_text(RESULTS, json.dumps(result, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
