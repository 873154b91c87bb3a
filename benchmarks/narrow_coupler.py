"""What a coupler of `tfln600_narrow` takes of a ring's light to the bus's first and second mode, against the radius.

    python benchmarks/narrow_coupler.py [--json]

The straight buses of `single_mode_8x8` hold TE1, which no model of the chip has. In first order a coupler takes
|∫C·ds|² of the ring's TE0 to either mode of the bus, C as `lightpath.ring.two_modes` has it between an arc and a
straight guide: couplings of like to like from supermodes, unlike ones by their tails, the bend's own index and tail
from the mode solver, wave fronts held against each other in the middle of the gap. What goes to TE1 is lost; from both
follow line, dip and drop of a ring alone. A minute on one core.
"""

import json
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.files import write_text
from prism_photonics.lightpath.ring.place import coupling_angles, optical_lengths_um
from prism_photonics.process.coupling import GapLaw
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.solver.junction import BENT, GRID, Guide
from prism_photonics.process.solver.second_mode import couplings, in_strip
from prism_photonics.process.solver.tables import WL0_UM, stack_of
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.units import PM_PER_UM, attenuation_per_um

RESULTS = Path(__file__).parent / "results" / "narrow_coupler.json"
CHIP, RADII_UM = "single_mode_8x8", (20.0, 26.09, 35.0)
GAPS_UM = (0.50, 0.55, 0.60)
STRAIGHT_MODES = 6
REACH_UM, STEPS = 14.0, 8001
K = 2.0 * np.pi / WL0_UM


def laws(spec: ChipSpec) -> tuple[GapLaw, GapLaw]:
    """Of TE0 with TE0, as all models of the chip have it, and of TE1 with TE1."""
    stack, crystal = stack_of(spec.profile), crystal_named(spec.profile.crystal)
    found = [couplings(stack, crystal, gap_um)["second"] for gap_um in GAPS_UM]
    slope, offset = np.polyfit(np.array(GAPS_UM) - 0.55, np.log(found), 1)
    return spec.profile.gap_law, GapLaw(float(np.exp(offset)), 0.55, float(-1.0 / slope))


def bend(guide: Guide, width_um: float, radius_um: float, at_um: float) -> tuple[list[float], float, float]:
    """Indices of TE0 and TE1 of the straight guide, of TE0 of the bend, and its tail outside over the straight's."""
    straight, bent = guide.straight(STRAIGHT_MODES), guide.bent(1.0 / radius_um, BENT)
    in_plane = np.flatnonzero([guide.problem.te_fraction(mode) > 0.5 for mode in straight.modes])[:2]
    first = int(in_plane[0])
    mine = int(np.argmax(np.abs(straight.overlap(bent)[first])))
    # On the outer side, where the bend's tail is the longer one.
    tail = max(
        abs(in_strip(guide, (straight, first), (bent, mine), at_um=side * (0.5 * width_um + at_um)))
        for side in (1.0, -1.0)
    )
    return [float(straight.modes[n].n_eff.real) for n in in_plane], float(bent.modes[mine].n_eff.real), tail


def crossed(
    like_1_um: tuple[float, float],
    decays_1_um: tuple[float, float],
    betas_1_um: tuple[float, float],
    *,
    bend_1_um: float,
    tail: float,
    falls_1_um: float,
    radius_um: float,
    out_um: float,
) -> list[float]:
    """Share of the ring's TE0 that one crossing of the gap turns to either mode of the bus.

    Args:
        like_1_um: Couplings of straight guides' like modes at the gap.
        decays_1_um: How fast the tails of the bus's modes fall beside it.
        betas_1_um: Their propagation constants.
        bend_1_um: That of the ring's TE0, along its middle.
        tail: Its field in the middle of the gap over the straight guide's.
        falls_1_um: How fast it falls there.
        radius_um: Of the ring's middle.
        out_um: From the ring's centre to the middle of the gap.
    """
    x, of_first = np.linspace(-REACH_UM, REACH_UM, STEPS), decays_1_um[0]
    taken = []
    for like, decay, beta in zip(like_1_um, decays_1_um, betas_1_um, strict=True):
        met = np.sqrt(like_1_um[0] * like) * (of_first + decay) / (2.0 * np.sqrt(of_first * decay))
        phase = bend_1_um * radius_um * np.arctan(x / out_um) - beta * x
        front = (falls_1_um + 1j * bend_1_um * radius_um / out_um**2 * x + decay) / (of_first + decay)
        along = met * tail * front * np.exp(-0.5 * falls_1_um * x**2 / out_um + 1j * phase)
        taken.append(float(abs(np.trapezoid(along, x)) ** 2))
    return taken


def ring(spec: ChipSpec, guide: Guide, both: tuple[GapLaw, GapLaw], radius_um: float) -> dict[str, Any]:
    """A circle of one radius with the chip's gap."""
    gap_um, width_um = spec.ring.gap_through_um, spec.width_um
    indices, n_bend, tail = bend(guide, width_um, radius_um, 0.5 * gap_um)
    out_um = radius_um + 0.5 * (width_um + gap_um)
    # What the tails are in, by how fast TE0's falls.
    n_out2 = indices[0] ** 2 - 1.0 / (K * both[0].decay_um) ** 2
    first, second, falls = (float(K * np.sqrt(n**2 - n_out2)) for n in (*indices, n_bend * radius_um / out_um))
    taken = crossed(
        (both[0].at(gap_um), both[1].at(gap_um)),
        (first, second),
        (K * indices[0], K * indices[1]),
        bend_1_um=K * n_bend,
        tail=tail,
        falls_1_um=falls,
        radius_um=radius_um,
        out_um=out_um,
    )
    design = replace(spec.ring_designs[0], radius_um=radius_um, straight_um=0.0)
    law = float(np.sin(coupling_angles(spec.profile, design)[0]) ** 2)
    a = float(np.exp(-0.5 * attenuation_per_um(spec.waveguide.loss_dB_cm) * design.length_um))
    group_um = float(optical_lengths_um(spec.profile, design.lengths)[1])

    def alone(first: float, second: float) -> dict[str, float]:
        # What stays in the ring behind a coupler, and what a round trip leaves of the field.
        stays = np.sqrt(1.0 - first - second)
        x = stays**2 * a
        through, drop = (np.sqrt(1.0 - first) - first * stays * a / (1.0 - x)) ** 2, first**2 * a / (1.0 - x) ** 2
        return {
            "linewidth_pm": float(PM_PER_UM * 2.0 * (1.0 - x) / np.sqrt(x) * WL0_UM**2 / (2.0 * np.pi * group_um)),
            "through": float(through),
            "drop": float(drop),
            "weight": float(through - drop),
        }

    return {
        "radius_um": radius_um,
        "gap_um": gap_um,
        "bend_n_eff": n_bend,
        "bend_tail": tail,
        "law": law,
        "to_TE0": taken[0],
        "to_TE1": taken[1],
        "designed": alone(law, 0.0),
        "with_TE1": alone(*taken),
    }


def main() -> None:
    """Solve, write and print."""
    spec = load_spec(CHIP)
    guide = Guide(stack_of(spec.profile), crystal_named(spec.profile.crystal), WL0_UM, angle_deg=90.0, grid=GRID)
    both, rows = laws(spec), []
    for radius_um in RADII_UM:
        rows.append(ring(spec, guide, both, radius_um))
        print(rows[-1], file=sys.stderr, flush=True)
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/narrow_coupler.py",
        "rings": rows,
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
