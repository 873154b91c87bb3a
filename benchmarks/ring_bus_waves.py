"""The coupler of two modes against waves: a ring's near side and its bus in two dimensions, by finite differences.

    python benchmarks/ring_bus_waves.py [--json]

Helmholtz's equation in a plane of two indices that hold two modes as `tfln600` does, absorbing layers all round, light
sent into the bus's first or second mode; behind the coupler the bus is projected on its modes, the ring on those of its
bend. Beside it `lightpath.ring.two_modes` with a table of that plane's own modes: nothing of the one is in the other
but the modes. Ten seconds a ring, 1 GB.
"""

import json
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from scipy.interpolate import RegularGridInterpolator

from prism_photonics.files import write_text
from prism_photonics.lightpath.ring.two_modes import lean_rad, mode_coupler
from prism_photonics.process.coupling import GapLaw
from prism_photonics.process.second_mode import BentModes, SecondModeTable

RESULTS = Path(__file__).parent / "results" / "ring_bus_waves.json"
WL_UM, CORE, OUTSIDE, WIDTH_UM = 1.55, 2.06, 1.55, 1.5
K = 2.0 * np.pi / WL_UM
FINE_UM, STEP_UM = 0.02, 0.05
REACH_UM, LAYER_UM, ABSORBS = 9.0, 1.6, 6.0
GAPS_UM = (0.40, 0.45, 0.50, 0.55, 0.60)
RINGS = ((20.0, 0.0, 0.40), (20.0, 2.8, 0.40), (19.0, 7.3, 0.45), (15.0, 13.9, 0.40), (40.0, 0.0, 0.40))


def index2(x: Any, centres: tuple[float, ...], step_um: float) -> Any:
    """n² across guides, smoothed over a step."""
    inside = sum(np.clip((0.5 * WIDTH_UM - np.abs(x - c)) / step_um + 0.5, 0.0, 1.0) for c in centres)
    return OUTSIDE**2 + (CORE**2 - OUTSIDE**2) * inside


def guided(eps: Any, step_um: float, count: int) -> tuple[Any, Any]:
    """Indices and fields of the first modes of a profile, each of unit sum of squares."""
    off = np.ones(len(eps) - 1) / step_um**2
    values, fields = scipy.linalg.eigh_tridiagonal(
        K**2 * eps - 2.0 / step_um**2, off, select="i", select_range=(len(eps) - count, len(eps) - 1)
    )
    return np.sqrt(values[::-1]) / K, fields.T[::-1]


@dataclass(frozen=True)
class Plane(SecondModeTable):
    """The plane's own modes in place of a film's."""

    indices2: tuple[float, float]
    law: GapLaw
    bent: BentModes

    @property
    def beta_1_um(self) -> Any:
        """Of the straight guide."""
        return K * np.array(self.indices2)

    @property
    def second(self) -> GapLaw:
        """Second with second."""
        return self.law

    def decay_1_um(self, beta_1_um: Any) -> Any:
        """Outside both guides."""
        return np.sqrt(np.maximum(beta_1_um**2 - (K * OUTSIDE) ** 2, 1e-6))

    def bend(self, radius_um: Any, outside_um: Any) -> BentModes:
        """Of the one radius."""
        return self.bent


def laws() -> tuple[GapLaw, GapLaw]:
    """Couplings of like to like from the plane's supermodes."""
    x = np.arange(-5.0, 8.0, FINE_UM)
    rows = []
    for gap_um in GAPS_UM:
        apart = WIDTH_UM + gap_um
        alone = [guided(index2(x, (c,), FINE_UM), FINE_UM, 2)[1] for c in (0.0, apart)]
        n, both = guided(index2(x, (0.0, apart), FINE_UM), FINE_UM, 4)
        u, _, v = np.linalg.svd(np.concatenate(alone) @ both.T)
        h = K * ((u @ v * n) @ (u @ v).T)
        rows.append([abs(h[0, 2]), abs(h[1, 3])])
    found = []
    for column in np.array(rows).T:
        slope, offset = np.polyfit(np.array(GAPS_UM) - 0.6, np.log(column), 1, w=np.sqrt(column))
        found.append(GapLaw(float(np.exp(offset)), 0.6, float(-1.0 / slope)))
    return found[0], found[1]


def bend(radius_um: float, at_um: float) -> tuple[BentModes, float, Any, Any]:
    """Modes of a bend: constants and tails, its lean, its fields, and the radii that they stand at."""
    across = np.arange(-2.2, 2.2, FINE_UM)
    eps, r = index2(across, (0.0,), FINE_UM), radius_um + across
    # r·d/dr(r·dψ/dr) + k²n²r²·ψ = ν²·ψ, symmetric with the weight 1/r.
    up, down = (r + 0.5 * FINE_UM) / FINE_UM**2, (r - 0.5 * FINE_UM) / FINE_UM**2
    left = np.diag(K**2 * eps * r - up - down) + np.diag(up[:-1], 1) + np.diag(up[:-1], -1)
    values, fields = scipy.linalg.eigh(left, np.diag(1.0 / r), subset_by_index=(len(r) - 2, len(r) - 1))
    nu, fields = np.sqrt(values[::-1]), fields.T[::-1]
    fields = fields / np.sqrt((fields**2 / r).sum(axis=1) * radius_um)[:, None]
    _, straight = guided(eps, FINE_UM, 2)
    edge = int(np.argmin(np.abs(across - 0.5 * WIDTH_UM)))
    fields, straight = (f * np.sign(f[:, edge])[:, None] for f in (fields, straight))
    here = int(np.argmin(np.abs(across - 0.5 * WIDTH_UM - at_um)))
    lean = abs(straight[1] @ fields[0]) / np.hypot(straight[0] @ fields[0], straight[1] @ fields[0])
    return BentModes(nu / radius_um, fields[:, here] / straight[:, here]), radius_um * float(lean), fields, r


def solved(
    x: Any, y: Any, ends_um: tuple[float, float], reach_um: float, planes: tuple[Any, Any], modes: Any
) -> tuple[list[Any], list[Any]]:
    """Fields of each plane of n² for light sent into each mode of the bus.

    Args:
        x: Places along the bus; beyond ± reach_um and outside of ``ends_um`` light is absorbed.
        y: Places across it.
        ends_um: Where the plane ends across.
        reach_um: Where it ends along.
        planes: Two planes of n².
        modes: The bus's, across y.
    """

    def second(z: Any, ends: tuple[float, float]) -> Any:
        def stretch(at: Any) -> Any:
            return 1.0 + 1j * ABSORBS * (np.maximum(np.maximum(ends[0] - at, at - ends[1]), 0.0) / LAYER_UM) ** 2

        s, up, down = stretch(z), stretch(z + 0.5 * STEP_UM), stretch(z - 0.5 * STEP_UM)
        bands = [1.0 / (s[1:] * down[1:]), -1.0 / (s * up) - 1.0 / (s * down), 1.0 / (s[:-1] * up[:-1])]
        return sp.diags([band / STEP_UM**2 for band in bands], [-1, 0, 1])

    def light_in(eps: Any) -> list[Any]:
        operator = sp.kron(second(x, (-reach_um, reach_um)), sp.eye(len(y)))
        operator += sp.kron(sp.eye(len(x)), second(y, ends_um))
        lu = spl.splu((operator + sp.diags(K**2 * eps.ravel())).tocsc())
        fields = []
        for mode in modes:
            light = np.zeros((len(x), len(y)), complex)
            light[int(np.argmin(np.abs(x + reach_um - 0.3)))] = mode
            fields.append(lu.solve(light.ravel()).reshape(light.shape))
        return fields

    one, other = (light_in(eps) for eps in planes)
    return one, other


def by_waves(radius_um: float, straight_um: float, gap_um: float) -> dict[str, Any]:
    """Powers behind the coupler: from the bus's modes (columns) to its own and to the ring's (rows)."""
    x = np.arange(-REACH_UM - LAYER_UM, REACH_UM + LAYER_UM, STEP_UM)
    low, high = -2.8, WIDTH_UM + gap_um + 5.7
    y = np.arange(low - LAYER_UM, high + LAYER_UM, STEP_UM)
    centre = WIDTH_UM + gap_um + radius_um
    at_x, at_y = np.meshgrid(x, y, indexing="ij")

    def eps(ring: bool) -> Any:
        parts, total = (np.arange(5) + 0.5) / 5 - 0.5, np.zeros_like(at_x)
        for dx in parts:
            for dy in parts:
                xx, yy = at_x + dx * STEP_UM, at_y + dy * STEP_UM
                inside = np.abs(yy) < 0.5 * WIDTH_UM
                if ring:
                    from_middle = np.hypot(np.maximum(np.abs(xx) - 0.5 * straight_um, 0.0), centre - yy)
                    inside |= (np.abs(from_middle - radius_um) < 0.5 * WIDTH_UM) & (yy < centre)
                total += inside
        return OUTSIDE**2 + (CORE**2 - OUTSIDE**2) * total / 25.0

    alone, both = eps(False), eps(True)
    n, modes = guided(alone[len(x) // 2], STEP_UM, 2)
    fields = solved(x, y, (low, high), REACH_UM, (alone, both), modes)
    seen = int(np.argmin(np.abs(x - REACH_UM + 0.6)))
    phi = np.arcsin((x[seen] - 0.5 * straight_um) / radius_um)
    of_bend, _, bent, r = bend(radius_um, 0.5 * gap_um)
    where = np.stack([0.5 * straight_um + r * np.sin(phi), centre - r * np.cos(phi)], axis=-1)
    bus, over = np.zeros((2, 2)), np.zeros((2, 2))
    for m, (lonely, pair) in enumerate(zip(*fields, strict=True)):
        sent = abs(lonely[seen] @ modes[m]) ** 2 * n[m] * K * STEP_UM
        on_ring = sum(
            unit * RegularGridInterpolator((x, y), part, method="cubic")(where)
            for unit, part in ((1.0, pair.real), (1j, pair.imag))
        )
        for k in range(2):
            bus[k, m] = abs(pair[seen] @ modes[k]) ** 2 * n[k] * K * STEP_UM / sent
            amplitude = abs((on_ring * bent[k] / r).sum() * radius_um) ** 2
            over[k, m] = amplitude * of_bend.beta_1_um[k] * FINE_UM / sent
    return {"bus": bus.tolist(), "over": over.tolist()}


def by_modes(radius_um: float, straight_um: float, gap_um: float) -> dict[str, Any]:
    """The same by coupled local modes."""
    first, other = laws()
    x = np.arange(-5.0, 8.0, FINE_UM)
    n, _ = guided(index2(x, (0.0,), FINE_UM), FINE_UM, 2)
    of_bend, lean_um, _, _ = bend(radius_um, 0.5 * gap_um)
    empty: Any = None
    plane = Plane(empty, lean_um, (float(n[0]), float(n[1])), other, of_bend)
    found = mode_coupler(plane, first, gap_um=gap_um, radius_um=radius_um, straight_um=straight_um, width_um=WIDTH_UM)
    theta, ahead = float(lean_rad(plane, radius_um)), (plane.beta_1_um[0] - plane.beta_1_um[1]) * 0.5 * straight_um
    into = np.array([[np.cos(theta), np.sin(theta)], [-np.sin(theta), np.cos(theta)]])
    over = into @ np.diag([1.0, np.exp(-1j * ahead)]) @ found.over
    return {"bus": (np.abs(found.bus) ** 2).tolist(), "over": (np.abs(over) ** 2).tolist()}


def main() -> None:
    """Solve, write and print."""
    rows = []
    for radius_um, straight_um, gap_um in RINGS:
        ring = (radius_um, straight_um, gap_um)
        first, _ = laws()
        plain = first.at(gap_um) * (straight_um + np.sqrt(2.0 * np.pi * radius_um * first.decay_um))
        rows.append(
            {"radius_um": radius_um, "straight_um": straight_um, "gap_um": gap_um, "law": float(np.sin(plain) ** 2)}
            | {"waves": by_waves(*ring), "modes": by_modes(*ring)}
        )
        print(rows[-1], file=sys.stderr, flush=True)
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/ring_bus_waves.py",
        "rings": rows,
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
