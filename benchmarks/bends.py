"""What bends turn of a guide's light to other modes, by the mode solver: junctions, clothoids, rings, film by film.

    python benchmarks/bends.py [--json]

``films``: tables that `process.solver.junction` wrote, overlaps of both guides' own modes. ``clothoids``: the law of
`process.bends`, a quarter turn without and with the clothoids that are drawn. ``slices``: the same by mode matching
through slices of constant curvature. ``rings``: what the straights between the arcs of a chip's rings turn, and what of
the second mode a coupler takes, by its supermodes. ``second_road``: the rib of the flagships as a slab of effective
indices by finite differences, the bend as an index that rises outwards; what is left where the straight lies aside by
the best offset; and what a beam loses that is carried through the whole turn.
"""

import json
import os
import platform
import sys
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize

from prism_photonics.budget.second_mode import straights_turned
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.place import coupling_angles
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.lightpath.waveguide.turned import best_euler_p, quarter_turned
from prism_photonics.process.bends import load_bends
from prism_photonics.process.coupling import effective_length_um
from prism_photonics.process.materials import SILICA, crystal_named, sellmeier
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.process.solver.curve import through_curve
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.matching import TEMPERATURE_K
from prism_photonics.process.solver.mesh import Grid, half_pair
from prism_photonics.process.solver.optics import permittivity
from prism_photonics.process.solver.tables import stack_of
from prism_photonics.spec import load_spec
from prism_photonics.spec.examples import example_names

WL_UM = 1.55
RADIUS_UM = {"tfln600": (20.0, 30.0, 60.0), "lnoi400": (60.0, 100.0), "ltoi300": (50.0, 100.0)}
PAIR = Grid(near=0.08, growth=0.3, far=0.3, side=1.8, below=1.2, above=1.0)
SLICED = Grid(near=0.1, growth=0.3, far=0.35, side=2.0, below=1.3, above=1.1)


def film(name: str) -> dict[str, Any]:
    """A film's table: junctions in the worse direction, the beat with what takes most, the solver's convergence."""
    table = load_bends(name)
    way = table.file.angle_deg["90"]
    return {
        "film": name,
        "radius_um": list(RADIUS_UM[name]),
        "junction_dB": [round(table.junction_dB(radius), 4) for radius in RADIUS_UM[name]],
        "beat_um": round(table.beat_um, 2),
        "second_n_eff_over_slabs": round(way.line_n_eff[0] - way.slab_n_eff, 4),
        "convergence_dB": dict(table.file.convergence_dB),
    }


def slab_dB(radius_um: float, indices: tuple[float, float], *, width_um: float, nodes: int = 3000) -> float:
    """Loss of a junction of a slab guide: an index inside, another beside it."""
    x = np.linspace(-3.5, 2.3, nodes)
    step = x[1] - x[0]
    n = np.where(np.abs(x) < width_um / 2.0, *indices)
    k = 2.0 * np.pi / WL_UM

    def first(bend: np.ndarray | float) -> np.ndarray:
        diagonal = (k * n * bend) ** 2 - 2.0 / step**2
        last = (nodes - 1, nodes - 1)
        return scipy.linalg.eigh_tridiagonal(diagonal, np.full(nodes - 1, step**-2), select="i", select_range=last)[1][
            :, 0
        ]

    return float(-20.0 * np.log10(abs(first(1.0) @ first(1.0 + x / radius_um))))


def slab_index(n: float, height_um: float) -> float:
    """Effective index of a film between oxides, its field in the plane."""
    k, oxide = 2.0 * np.pi / WL_UM, float(sellmeier(WL_UM, SILICA))

    def turn(b: float) -> float:
        return k * np.sqrt(n**2 - b**2) * height_um - 2.0 * np.arctan(np.sqrt((b**2 - oxide**2) / (n**2 - b**2)))

    return scipy.optimize.root_scalar(turn, bracket=(oxide + 1e-9, n - 1e-9)).root


def slab_modes(radius_um: float, indices: tuple[float, float], *, width_um: float, nodes: int) -> tuple[Any, ...]:
    """Places, and squared propagation constants and fields of a slab guide in a window, the largest first."""
    x = np.linspace(-4.0, 4.0, nodes)
    step = x[1] - x[0]
    n = np.where(np.abs(x) < width_um / 2.0, *indices) * (1.0 + x / radius_um)
    off = np.full(nodes - 1, step**-2)
    beta2, fields = scipy.linalg.eigh_tridiagonal((2.0 * np.pi / WL_UM * n) ** 2 - 2.0 / step**2, off)
    return x, beta2[::-1], fields[:, ::-1]


def offset_dB(radius_um: float, indices: tuple[float, float], *, width_um: float) -> tuple[float, float]:
    """Best offset of the straight at a junction in µm, outwards, and the loss that it leaves in dB."""
    x, _, straight = slab_modes(1e9, indices, width_um=width_um, nodes=1600)
    _, _, bent = slab_modes(radius_um, indices, width_um=width_um, nodes=1600)

    def loss(aside_um: float) -> float:
        moved = np.interp(x - aside_um, x, straight[:, 0])
        return float(-20.0 * np.log10(abs(moved @ bent[:, 0]) / np.linalg.norm(moved)))

    best = scipy.optimize.minimize_scalar(loss, bounds=(0.0, 0.5), method="bounded")
    return round(float(best.x), 4), round(float(best.fun), 4)


def carried_dB(turn: QuarterTurn, indices: tuple[float, float], *, width_um: float, steps: int = 400) -> float:
    """Loss of a slab guide's first mode through a turn, all its modes and the window's carried along, in dB.

    In the straight guide's modes: β² of a curvature κ is that of the straight guide and 2κ·⟨a|k²n²x|b⟩ (κ² left out).
    """
    x, beta2, fields = slab_modes(1e9, indices, width_um=width_um, nodes=500)
    kept = beta2 > (2.0 * np.pi / WL_UM * 1.2) ** 2
    beta2, fields = beta2[kept], fields[:, kept]
    n2 = (2.0 * np.pi / WL_UM * np.where(np.abs(x) < width_um / 2.0, *indices)) ** 2
    lean = fields.T @ ((2.0 * n2 * x)[:, None] * fields)
    light = np.eye(len(beta2))[0].astype(complex)
    for curvature in turn.curvature_1_um(steps):
        values, basis = np.linalg.eigh(np.diag(beta2) + curvature * lean)
        light = basis @ (np.exp(1j * np.sqrt(np.maximum(values, 0.0)) * turn.length_um / steps) * (basis.T @ light))
    return round(float(-20.0 * np.log10(abs(light[0]))), 4)


def second_road() -> dict[str, Any]:
    """Loss of a junction by effective indices, with the best offset, and of quarter turns as a beam goes through."""
    stack = stack_of(load_profile("tfln600"))
    n = float(sellmeier(WL_UM, crystal_named("LiNbO3").ordinary))
    indices = slab_index(n, stack.thickness_um), slab_index(n, stack.slab_um)
    width_um = stack.width_um + stack.wall_um  # at half the etch
    return {
        "radius_um": list(RADIUS_UM["tfln600"]),
        "effective_index_dB": [round(slab_dB(r, indices, width_um=width_um), 4) for r in RADIUS_UM["tfln600"]],
        "best_offset_um_dB": [offset_dB(r, indices, width_um=width_um) for r in RADIUS_UM["tfln600"]],
        "carried_dB": {
            f"R {radius:g}, p {p:g}": carried_dB(QuarterTurn(radius, p), indices, width_um=width_um)
            for radius in (20.0, 30.0)
            for p in (0.0, 0.3, 0.6)
        },
    }


def clothoids(name: str) -> list[dict[str, Any]]:
    """Quarter turns of a film: an arc, and the clothoids that turn least, at their mean and their worst phase."""
    profile = load_profile(name)
    found = []
    for times in (1.0, 1.5, 2.0, 3.0):
        radius = times * profile.film.min_bend_radius_um.value
        p = best_euler_p(profile, radius)
        arc, best = (quarter_turned(profile, QuarterTurn(radius, share)) for share in (0.0, p))
        found.append(
            {
                "film": name,
                "radius_um": radius,
                "arc_dB": [_dB(arc.mean), _dB(arc.most)],
                "euler_p": p,
                "least_radius_um": round(QuarterTurn(radius, p).least_radius_um, 2),
                "clothoid_dB": [_dB(best.mean), _dB(best.most)],
            }
        )
    return found


def slices(radius_um: float, p: float) -> dict[str, Any]:
    """A quarter turn by mode matching, light along layout x at its beginning, beside the law."""
    profile = load_profile("tfln600")
    turn = QuarterTurn(radius_um, p)
    passed = {
        count: through_curve(
            stack_of(profile),
            crystal_named(profile.crystal),
            WL_UM,
            curvature_1_um=turn.curvature_1_um(count),
            length_um=turn.length_um,
            modes=4,
            grid=SLICED,
        )
        for count in (100, 200)
    }
    law = quarter_turned(profile, turn)
    return {
        "radius_um": radius_um,
        "euler_p": p,
        "matched_dB": _dB(float(passed[200][2:].sum())),
        "half_the_slices_dB": _dB(float(passed[100][2:].sum())),
        "law_dB": {"mean": _dB(law.mean), "most": _dB(law.most)},
    }


def ring_straights(name: str) -> dict[str, Any]:
    """What one straight between a ring's arcs turns of its light, over the chip's channels."""
    spec = load_spec(name)
    shares = straights_turned(spec)
    angles = [[float(angle) for angle in coupling_angles(spec.profile, design)] for design in spec.ring_designs]
    return {
        "chip": name,
        "radius_um": spec.ring.radius_um,
        "straight_um": _span([design.straight_um for design in spec.ring_designs], 2),
        "share_a_straight": _span(shares, 5),
        "coupling_kappa2": round(float(np.sin(angles[0][0]) ** 2), 4),
        **({"second_kappa2": second_kappa2(spec.process, spec.ring_designs[0])} if spec.process == "tfln600" else {}),
    }


def second_kappa2(process: str, ring: RingDesign) -> float:
    """Share of a ring's second mode that its through coupler takes, by the supermodes of two straight ribs."""
    profile = load_profile(process)
    stack, crystal = stack_of(profile), crystal_named(profile.crystal)

    def coupling_per_um(gap_um: float) -> float:
        section, second = half_pair(stack, PAIR, gap_um), []
        eps = permittivity(section, crystal, WL_UM, angle_deg=90.0, temperature_K=TEMPERATURE_K)
        for mirror in ("", "left"):
            problem = Problem(section.mesh, mirror)
            modes = problem.solve(eps, WL_UM, near=float(np.sqrt(eps[1, 1].max())), count=6)
            second.append([mode.n_eff.real for mode in modes if problem.te_fraction(mode) > 0.5][1])
        return np.pi / WL_UM * abs(second[0] - second[1])

    near, far = (coupling_per_um(ring.gap_through_um + aside) for aside in (0.0, 0.2))
    length_um = effective_length_um(
        radius_um=ring.radius_um, straight_um=ring.straight_um, decay_um=0.2 / float(np.log(near / far))
    )
    return round(float(np.sin(near * length_um) ** 2), 3)


def _span(values: list[float], digits: int) -> list[float]:
    return [round(min(values), digits), round(max(values), digits)]


def _dB(share: float) -> float:
    return round(float(-10.0 * np.log10(1.0 - share)), 5)


def main() -> None:
    """Solve and print."""
    result = {
        "films": [film(name) for name in profile_names()],
        "clothoids": [one for name in profile_names() for one in clothoids(name)],
        "slices": [slices(*at) for at in ((30.0, 0.0), (30.0, 0.3), (20.0, 0.3))],
        "rings": [ring_straights(name) for name in example_names()],
        "second_road": second_road(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
    }
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


if __name__ == "__main__":
    main()
