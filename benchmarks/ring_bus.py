"""The coupler of a ring and its bus by local supermodes, beside the gap law that the models use.

    python benchmarks/ring_bus.py [CASE...]

`process.solver.ring_bus` for rings of three films, light along layout x: circles against the gap, and the first rings
of chips whose curvature grows, as drawn; with other slices and elements. The law: `process.coupling`, from the mode
tables. Named cases are solved anew and the others kept.
"""

import json
import math
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from prism_photonics.files import write_text
from prism_photonics.lightpath.ring.place import coupler_um
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.ring_bus import GRID, SLICES, point_coupler
from prism_photonics.process.solver.tables import stack_of
from prism_photonics.spec import load_spec

RESULTS = Path(__file__).parent / "results" / "ring_bus.json"
WL_UM = 1.55
FINER = replace(GRID, near=0.06, growth=0.25, far=0.25)


class Case(NamedTuple):
    """A ring beside a bus; of a chip its first one."""

    film: str
    turn: QuarterTurn
    gap_um: float
    straight_um: float = 0.0
    tries: Mapping[str, Mapping[str, Any]] = {}


def of_chip(chip: str) -> Case:
    """The through coupler of a chip's first ring; thinner slices, as it is long."""
    spec = load_spec(chip)
    ring = spec.ring_designs[0]
    tries = {"more_slices": {"slices": SLICES * 3 // 2}, "finer_elements": {"grid": FINER}}
    return Case(spec.process, ring.quarter, ring.gap_through_um, ring.straight_um, tries)


TRIES = {"fewer_slices": {"slices": SLICES * 3 // 5}, "finer_elements": {"grid": FINER}}
CASES = {
    "tfln600, 0.40 µm": Case("tfln600", QuarterTurn(20.0), 0.40, tries=TRIES),
    "tfln600, 0.45 µm": Case("tfln600", QuarterTurn(20.0), 0.45),
    "lnoi400, 0.732 µm": Case("lnoi400", QuarterTurn(61.6), 0.732),
    "demo_8x8": of_chip("demo_8x8"),
    "film400_8x8": of_chip("film400_8x8"),
}


def solved(name: str) -> dict[str, Any]:
    """κ² of a case, and by the law."""
    case = CASES[name]
    profile = load_profile(case.film)
    law = profile.gap_law
    found = {
        what: point_coupler(
            stack_of(profile),
            crystal_named(profile.crystal),
            WL_UM,
            gap_um=case.gap_um,
            radius_um=case.turn.least_radius_um,
            straight_um=case.straight_um,
            ramp_um=case.turn.ramp_um,
            cosine=bool(case.turn.cosine),
            decay_um=law.decay_um,
            **changed,
        ).kappa2
        for what, changed in ({"kappa2": {}} | dict(case.tries)).items()
    }
    by_law = math.sin(law.at(case.gap_um) * coupler_um(case.turn, case.straight_um, law.decay_um)) ** 2
    return {
        "case": name,
        "film": case.film,
        "sharpest_radius_um": round(case.turn.least_radius_um, 2),
        "ramp_um": round(case.turn.ramp_um, 2),
        "straight_um": case.straight_um,
        "gap_um": case.gap_um,
        **{what: round(value, 6) for what, value in found.items()},
        "law": round(by_law, 6),
        "over_law": round(found["kappa2"] / by_law, 4),
    }


def main() -> None:
    """Solve what is asked for, and write as it comes."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["rings"] if RESULTS.exists() else []
    found = {row["case"]: row for row in kept}
    for name in [case for case in sys.argv[1:] if case in CASES] or CASES:
        found[name] = solved(name)
        print(found[name], file=sys.stderr, flush=True)
        result = {
            "date": time.strftime("%Y-%m-%d"),
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only, shared with other work",
            "command": "python benchmarks/ring_bus.py",
            "rings": [found[case] for case in CASES if case in found],
        }
        write_text(RESULTS, json.dumps(result, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
