"""The coupler of a ring whose curvature grows along ramps, against waves in a plane, as `ring_bus_waves.py` does.

    python benchmarks/ramp_bus_waves.py [--json]

Beside the finite differences `lightpath.ring.two_modes.ramp_coupler` with that plane's own modes, and the law of one
mode that the designs take. A minute a ring on one core, 2 GB.
"""

import json
import os
import platform
import sys
import time
from typing import Any, NamedTuple

import numpy as np
import ring_bus_waves as plane
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import cKDTree

from prism_photonics.files import write_text
from prism_photonics.lightpath.ring.two_modes import ramp_coupler
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.coupling import effective_length_um
from prism_photonics.process.second_mode import BentModes

RESULTS = plane.RESULTS.with_name("ramp_bus_waves.json")
BEND_UM = 30.0  # radius of the one bend that the plane's table is made from
PARTS = 5  # of a step, over which the edge is smoothed


class Case(NamedTuple):
    """A ring: its turn, and the gap to its bus; it has no straight."""

    turn: QuarterTurn
    gap_um: float
    reach_um: float


RINGS = (
    Case(QuarterTurn(40.4, 1.0, True), 0.40, 22.0),
    Case(QuarterTurn(27.5, 1.0, True), 0.40, 18.0),
    Case(QuarterTurn(30.3, 0.8, False), 0.40, 17.0),
)


class Ramped(plane.Plane):
    """The plane's modes at any curvature: of the one bend, its index by 1/R² and its tails by 1/R."""

    def bend(self, radius_um: Any, outside_um: Any) -> BentModes:
        """As of `SecondModeTable`."""
        part = (BEND_UM / np.asarray(radius_um))[..., None]
        return BentModes(
            self.beta_1_um + (self.bent.beta_1_um - self.beta_1_um) * part**2, np.exp(np.log(self.bent.tail) * part)
        )


def modes(gap_um: float) -> tuple[Ramped, Any]:
    """The plane's table, and its law of like to like of the first mode."""
    first, other = plane.laws()
    n, _ = plane.guided(plane.index2(np.arange(-5.0, 8.0, plane.FINE_UM), (0.0,), plane.FINE_UM), plane.FINE_UM, 2)
    of_bend, lean_um, _, _ = plane.bend(BEND_UM, 0.5 * gap_um)
    empty: Any = None
    return Ramped(empty, lean_um, (float(n[0]), float(n[1])), other, of_bend), first


def by_modes(case: Case) -> dict[str, Any]:
    """Powers behind the coupler by coupled local modes; what the ramp itself turns is not among them."""
    table, first = modes(case.gap_um)
    found = ramp_coupler(
        table, first, gap_um=np.asarray(case.gap_um), turn=case.turn, straight_um=0.0, width_um=plane.WIDTH_UM
    )
    return {"bus": (np.abs(found.bus) ** 2).tolist(), "over": (np.abs(found.over) ** 2).tolist()}


def by_waves(case: Case) -> dict[str, Any]:
    """The same by finite differences."""
    step, layer = plane.STEP_UM, plane.LAYER_UM
    x = np.arange(-case.reach_um - layer, case.reach_um + layer, step)
    points, _ = case.turn.points_um(20_000)
    beyond = points[points[:, 0] < case.reach_um + layer + 3.0]
    middle_um = plane.WIDTH_UM + case.gap_um
    low, high = -2.8, middle_um + float(beyond[beyond[:, 0] < case.reach_um, 1].max()) + 3.5
    y = np.arange(low - layer, high + layer, step)
    up = np.array([0.0, middle_um])
    tree = cKDTree(up + np.concatenate([beyond, beyond * [-1.0, 1.0]]))

    def eps(ring: bool) -> Any:
        at_x, at_y = np.meshgrid(x, y, indexing="ij")
        total = np.zeros_like(at_x)
        parts = (np.arange(PARTS) + 0.5) / PARTS - 0.5
        for dx in parts:
            for dy in parts:
                xx, yy = at_x + dx * step, at_y + dy * step
                inside = np.abs(yy) < 0.5 * plane.WIDTH_UM
                if ring:
                    away, _ = tree.query(np.stack([xx.ravel(), yy.ravel()], axis=-1), distance_upper_bound=1.0)
                    inside |= away.reshape(xx.shape) < 0.5 * plane.WIDTH_UM
                total += inside
        return plane.OUTSIDE**2 + (plane.CORE**2 - plane.OUTSIDE**2) * total / PARTS**2

    alone, both = eps(False), eps(True)
    n, guided = plane.guided(alone[len(x) // 2], step, 2)
    fields = plane.solved(x, y, (low, high), case.reach_um, (alone, both), guided)
    seen = int(np.argmin(np.abs(x - case.reach_um + 0.6)))
    foot, heading, radius_um = _seen(case)
    of_bend, _, bent, r = plane.bend(radius_um, 0.5 * case.gap_um)
    # Outwards, away from the turn's centre, is towards the bus.
    across = (r - radius_um)[:, None] * np.array([np.sin(heading), -np.cos(heading)])
    where = up + across + foot
    bus, over = np.zeros((2, 2)), np.zeros((2, 2))
    for m in range(2):
        sent = abs(fields[0][m][seen] @ guided[m]) ** 2 * n[m] * plane.K * step
        pair = fields[1][m]
        on_ring = sum(
            unit * RegularGridInterpolator((x, y), part, method="cubic")(where)
            for unit, part in ((1.0, pair.real), (1j, pair.imag))
        )
        for k in range(2):
            bus[k, m] = abs(pair[seen] @ guided[k]) ** 2 * n[k] * plane.K * step / sent
            amplitude = abs((on_ring * bent[k] / r).sum() * radius_um) ** 2
            over[k, m] = amplitude * of_bend.beta_1_um[k] * plane.FINE_UM / sent
    return {"bus": bus.tolist(), "over": over.tolist()}


def _seen(case: Case) -> tuple[Any, float, float]:
    """Where the ring is looked at: the place on its middle, its heading in rad, and its radius there."""
    points, angle = case.turn.points_um(20_000)
    at = int(np.argmin(np.abs(points[:, 0] - case.reach_um + 1.2)))
    steps = 20_000
    return points[at], float(angle[at]), 1.0 / float(case.turn.curvature_1_um(steps)[at])


def main() -> None:
    """Solve, write and print."""
    rows = []
    for case in RINGS:
        _, first = modes(case.gap_um)
        length_um = effective_length_um(
            radius_um=case.turn.least_radius_um,
            straight_um=0.0,
            decay_um=first.decay_um,
            ramp_um=case.turn.ramp_um,
            cosine=case.turn.cosine,
        )
        turn = {"radius_um": case.turn.radius_um, "euler_p": case.turn.euler_p, "cosine": case.turn.cosine}
        rows.append(
            turn
            | {"gap_um": case.gap_um, "law": float(np.sin(first.at(case.gap_um) * length_um) ** 2)}
            | {"waves": by_waves(case), "modes": by_modes(case)}
        )
        print(rows[-1], file=sys.stderr, flush=True)
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/ramp_bus_waves.py",
        "rings": rows,
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
