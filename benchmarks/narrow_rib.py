"""Which rib of the 600 nm film holds one mode round a ring: the mode solver against the rib's width.

    python benchmarks/narrow_rib.py [--json]

Etch, walls and cladding as of `tfln600`, light of 1.55 µm. Of each width: indices of TE, of TM and of the second TE
mode above that of the slab beside the rib; what a bend makes the second mode radiate; what a junction of a straight and
a bend turns; how much of TE half a turn of a circle turns to TM; how the index moves with the width, to which loss by
rough walls is proportional; what couples.

The half turn: at seven directions the two modes of the bend are solved. With their indices' half difference h, in
rad/µm, and the share of their fields in the plane, cos 2α apart, δ = h·cos 2α and g = h·sin 2α are TE and TM's own
difference and coupling in that bend, and d/ds (TE, TM) = j·((δ, g), (g, −δ))·(TE, TM) is integrated from bus to bus.
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
from jaxtyping import Float

from prism_photonics.files import write_text
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.bend import LAYER_UM, loss_dB_cm, straightened
from prism_photonics.process.solver.bends import lost_dB, slab_index
from prism_photonics.process.solver.fem import Mode, Problem
from prism_photonics.process.solver.junction import GUIDED, junction
from prism_photonics.process.solver.mesh import CrossSection, Grid, Stack, rib
from prism_photonics.process.solver.optics import permittivity
from prism_photonics.process.solver.tables import TEMPERATURE_K, WL0_UM, solve_rib, stack_of, supermodes

RESULTS = Path(__file__).parent / "results" / "narrow_rib.json"
FILM = "tfln600"
WIDTHS_UM = (0.7, 0.8, 0.9, 1.0)
RADII_UM = (15.0, 20.0, 25.0)
ANGLES_DEG = (0.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0)
GRID = Grid(near=0.08, growth=0.3, far=0.35, side=2.5)
WIDTH_STEP_UM, GAP_UM, STEPS = 0.01, 0.5, 2000
IN_RIB = 0.25  # share of a mode's field in the rib below which it is the window's
MIXED_AT_UM = 20.0  # radius at which δ and g are solved: g goes as 1/R, what δ gains as 1/R²


def film() -> tuple[Stack, Any]:
    """The stack whose width is varied, and its crystal."""
    profile = load_profile(FILM)
    return stack_of(profile), crystal_named(profile.crystal)


def straight_modes(stack: Stack, grid: Grid) -> dict[str, Any]:
    """Indices of the straight rib in both directions, and how TE's moves with the width, per µm."""
    _, crystal = film()
    found: dict[str, Any] = {}
    for angle_deg in (0.0, 90.0):
        here = solve_rib(rib(stack, grid), crystal, WL0_UM, angle_deg, with_tm=True)
        narrow, wide = (
            solve_rib(
                rib(replace(stack, width_um=stack.width_um + step_um), grid), crystal, WL0_UM, angle_deg, with_tm=True
            )["TE"]["n_eff"]
            for step_um in (-WIDTH_STEP_UM, WIDTH_STEP_UM)
        )
        found[f"{angle_deg:g}"] = {
            "TE": here["TE"]["n_eff"],
            "TM": here["TM"]["n_eff"],
            "second_TE": second_te(stack, grid, angle_deg),
            "slab": slab_index(stack, crystal, angle_deg),
            "n_g": here["TE"]["n_g"],
            "eo_overlap": here["TE"]["eo_overlap"],
            "by_width_1_um": (wide - narrow) / (2.0 * WIDTH_STEP_UM),
        }
    return found


def second_te(stack: Stack, grid: Grid, angle_deg: float) -> float:
    """Index of the straight rib's second mode whose field lies in the plane; the window's first where none is held."""
    section, eps = _section(stack, grid, angle_deg)
    problem = Problem(section.mesh)
    modes = problem.solve(eps, WL0_UM, near=float(np.sqrt(eps[1, 1].max())), count=5)
    return float([mode.n_eff.real for mode in modes if problem.te_fraction(mode) > 0.5][1])


def second_te_bent(stack: Stack, grid: Grid, radius_um: float, angle_deg: float) -> float | None:
    """Loss of the second TE mode in a bend in dB per half a turn; None where nothing of it is left in the rib."""
    near = second_te(stack, grid, angle_deg)
    section, eps = _section(stack, grid, angle_deg, outer_um=grid.side + 0.1 * radius_um + LAYER_UM)
    problem = Problem(section.mesh)
    bent, mu = straightened(section, eps, radius_um)
    modes = problem.solve(bent, WL0_UM, near=near + 0.01j, count=8, mu=mu)
    held = [
        mode for mode in modes if problem.te_fraction(mode) > 0.5 and in_rib(section, problem, mode, stack) > IN_RIB
    ]
    if not held:
        return None
    best = max(held, key=lambda mode: in_rib(section, problem, mode, stack))
    return loss_dB_cm(best, WL0_UM) * np.pi * radius_um * 1e-4


def in_rib(section: CrossSection, problem: Problem, mode: Mode, stack: Stack) -> float:
    """Share of a mode's transverse |E|² within the box round the rib."""
    x, y = section.mesh.p[:, section.mesh.t].mean(axis=1)
    inside = (np.abs(x) < stack.width_um / 2 + stack.wall_um) & (y > 0.0) & (y < stack.thickness_um)
    box = problem.permittivity(np.eye(3)[:, :, None] * inside)
    whole = problem.permittivity(np.eye(3)[:, :, None] * np.ones_like(x))
    field = np.where(np.arange(len(mode.field)) < problem.t.N, mode.field, 0.0)
    return float(np.real(field.conj() @ (box @ field)) / np.real(field.conj() @ (whole @ field)))


def local_modes(stack: Stack, grid: Grid, angle_deg: float) -> tuple[float, float, float, float]:
    """δ of the straight rib, δ and g of the bend of `MIXED_AT_UM`, all in rad/µm, and TE's radiation there in dB/cm."""
    section, eps = _section(stack, grid, angle_deg, outer_um=3.0 + LAYER_UM)
    problem = Problem(section.mesh)
    first = problem.solve(eps, WL0_UM, near=float(np.sqrt(eps[1, 1].max())), count=2)
    near = 0.5 * (first[0].n_eff + first[1].n_eff).real
    bent, mu = straightened(section, eps, MIXED_AT_UM)
    pair = [
        mode for mode in problem.solve(bent, WL0_UM, near=near + 0j, count=5, mu=mu) if abs(mode.n_eff.imag) < GUIDED
    ][:2]
    share, mixed = ([problem.te_fraction(mode) for mode in modes] for modes in (first, pair))
    pure = max(abs(share[0] - share[1]), 0.98)  # where the crystal mixes both, what they are without
    straight = float(np.sign(share[0] - share[1]) * np.pi / WL0_UM * (first[0].n_eff - first[1].n_eff).real)
    half = float(np.pi / WL0_UM * (pair[0].n_eff - pair[1].n_eff).real)
    cosine = float(np.clip((mixed[0] - mixed[1]) / pure, -1.0, 1.0))
    return (
        straight,
        half * cosine,
        half * np.sqrt(1.0 - cosine**2),
        loss_dB_cm(max(pair, key=problem.te_fraction), WL0_UM),
    )


def half_turn(local: Float[np.ndarray, "angles 4"], radius_um: float) -> float:
    """Share of TE that half a turn from bus to bus turns to TM."""
    sin2 = np.sin(np.radians(ANGLES_DEG)) ** 2
    near_y = sin2 <= 0.5  # where both nearly meet; at layout x they are far apart, and g is what is left of noise
    straight = np.polyfit(sin2, local[:, 0], 3)
    gained = np.polyfit(sin2, (local[:, 1] - local[:, 0]) * MIXED_AT_UM**2, 2)
    mixing = np.polyfit(sin2[near_y], local[near_y, 2] * MIXED_AT_UM, 1)
    at = np.sin(np.pi * (np.arange(STEPS) + 0.5) / STEPS - np.pi / 2.0) ** 2
    apart = np.polyval(straight, at) + np.polyval(gained, at) / radius_um**2
    g, step_um = np.polyval(mixing, at) / radius_um, np.pi * radius_um / STEPS
    turn = np.eye(2, dtype=complex)
    for delta, couple in zip(apart, g, strict=True):
        whole = np.hypot(delta, couple)
        cosine, sine = np.cos(whole * step_um), 1j * np.sin(whole * step_um) / whole
        turn = np.array([[cosine + sine * delta, sine * couple], [sine * couple, cosine - sine * delta]]) @ turn
    return float(abs(turn[0, 1]) ** 2)


def width(width_um: float, grid: Grid = GRID) -> dict[str, Any]:
    """Everything of one width."""
    stack, crystal = film()
    stack = replace(stack, width_um=width_um)
    local = np.array([local_modes(stack, grid, angle_deg) for angle_deg in ANGLES_DEG])
    return {
        "width_um": width_um,
        "straight": straight_modes(stack, grid),
        "second_TE_dB_half_turn": {
            f"{radius:g}": [second_te_bent(stack, grid, radius, angle) for angle in (0.0, 90.0)] for radius in RADII_UM
        },
        "TE_radiates_dB_cm": float(local[:, 3].max()),
        "junction_dB": lost_dB(junction(stack, crystal, WL0_UM, radius_um=MIXED_AT_UM)),
        "turned_to_TM": {f"{radius:g}": half_turn(local, radius) for radius in RADII_UM},
        "coupling_1_um": supermodes(stack, crystal, grid, GAP_UM, WL0_UM, 90.0),
    }


def _section(
    stack: Stack, grid: Grid, angle_deg: float, outer_um: float | None = None
) -> tuple[CrossSection, Float[np.ndarray, "3 3 elements"]]:
    _, crystal = film()
    section = rib(stack, grid, outer_um=outer_um)
    return section, permittivity(section, crystal, WL0_UM, angle_deg=angle_deg, temperature_K=TEMPERATURE_K)


def main() -> None:
    """Solve, write and print."""
    rows = []
    for width_um in WIDTHS_UM:
        rows.append(width(width_um))
        print(rows[-1], file=sys.stderr, flush=True)
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/narrow_rib.py",
        "widths": rows,
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
