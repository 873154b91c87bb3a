"""On which film bends leave TE alone: indices, bends and couplings of films and ribs, and what a ring then converts.

    python benchmarks/tm_films.py [THICKNESS,ETCH,WIDTH …] [--json]

By the mode solver on coarse elements, walls of 70° under SiO2, light of 1.55 µm, lengths in µm. Of each film and rib:
indices of TE and TM from layout y (0°) to layout x (90°) and of the next two modes; how both move with the film at a
kept etch; what a bend radiates; what two ribs couple. g·R, what a bend of radius R couples of TE to TM, twice: by the
share of the bent mode's field that stands upright, as `process.polarization` has it, and in first order, by what the
bend's ε and μ are between both modes of the straight rib.

Then half a turn of a ring, two quarter turns whose curvature grows as a raised cosine, by the coupled equations of
`process.polarization`: the most that it converts at any arm, the arm that undoes it, and what that arm leaves on films
2 and 5 nm off and 1.5 nm beside the line. A film that is in ``results/tm_films.json`` is not solved again.
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
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.materials import CRYSTALS
from prism_photonics.process.solver.bend import LAYER_UM, loss_dB_cm, straightened
from prism_photonics.process.solver.bends import slab_index
from prism_photonics.process.solver.fem import Mode, Problem
from prism_photonics.process.solver.mesh import Grid, Stack, rib
from prism_photonics.process.solver.mixing import first_order_mixing
from prism_photonics.process.solver.optics import permittivity
from prism_photonics.process.solver.tables import TEMPERATURE_K, WL0_UM, solve_rib, supermodes

RESULTS = Path(__file__).parent / "results" / "tm_films.json"
CRYSTAL, WALL_DEG = CRYSTALS["LiNbO3"], 70.0
FILMS = (
    (0.6, 0.5, 1.4),
    (0.5, 0.4, 1.4),
    (0.5, 0.4, 1.2),
    (0.5, 0.4, 1.0),
    (0.5, 0.35, 1.4),
    (0.45, 0.35, 1.4),
    (0.4, 0.3, 1.4),
    (0.4, 0.3, 1.2),
)
GRID = Grid(near=0.08, growth=0.3, far=0.35, side=2.5)
ANGLES_DEG, RADII_UM = (0.0, 20.0, 45.0, 70.0, 90.0), (20.0, 40.0)
THICKNESS_STEP_UM, WIDTH_STEP_UM, GAP_UM = 0.005, 0.01, 0.5
GUIDED = 1e-4  # imaginary part of an index below which a mode of a bend is no mode of the absorbing window
RINGS_UM, STEPS = (36.7, 40.4), 256
FILMS_OFF_NM, LINE_OFF_UM = (-5.0, -2.0, 2.0, 5.0), 0.0015


def first_two(problem: Problem, eps: Float[np.ndarray, "3 3 elements"]) -> tuple[Mode, Mode, list[Mode]]:
    """TE, TM, and all modes that were asked for."""
    modes = problem.solve(eps, WL0_UM, near=float(np.sqrt(eps[1, 1].max())), count=6)
    te = next(mode for mode in modes if problem.te_fraction(mode) > 0.5)
    return te, next(mode for mode in modes if problem.te_fraction(mode) <= 0.5), modes


def by_share(stack: Stack, angle_deg: float, radius_um: float) -> dict[str, float]:
    """g·R from the field's share in the plane, and the loss of the bend in dB/cm."""
    section = rib(stack, GRID, outer_um=3.0 + LAYER_UM)
    eps = permittivity(section, CRYSTAL, WL0_UM, angle_deg=angle_deg, temperature_K=TEMPERATURE_K)
    problem = Problem(section.mesh)
    te, tm, _ = first_two(problem, eps)
    bent, mu = straightened(section, eps, radius_um)
    near = te.n_eff.real
    found = problem.solve(bent, WL0_UM, near=near + 2.8 / radius_um**2 + 0j, count=8, mu=mu)
    held = [mode for mode in found if abs(mode.n_eff.imag) < GUIDED]
    mode = max(held, key=lambda one: problem.te_fraction(one) - 20.0 * abs(one.n_eff.real - near))
    pure, other = problem.te_fraction(te), problem.te_fraction(tm)
    mixed = np.arccos(np.sqrt(np.clip((problem.te_fraction(mode) - other) / (pure - other), 0.0, 1.0)))
    half = np.pi / WL0_UM * (te.n_eff - tm.n_eff).real
    return {"g_R": float(abs(half) * np.tan(2.0 * mixed) * radius_um), "loss_dB_cm": loss_dB_cm(mode, WL0_UM)}


def slopes(stack: Stack, here: dict[float, Any]) -> dict[str, Any]:
    """How TE and TM move with the film's thickness at a kept etch, and TE with the rib's width."""

    def moved(step: dict[str, float], angle_deg: float) -> Any:
        return solve_rib(rib(replace(stack, **step), GRID), CRYSTAL, WL0_UM, angle_deg, with_tm=True)

    apart, pm_nm = [], []
    for angle in (0.0, 90.0):
        thin, thick = (
            moved({"thickness_um": stack.thickness_um + s}, angle) for s in (-THICKNESS_STEP_UM, THICKNESS_STEP_UM)
        )
        by_um = {
            mode: (thick[mode]["n_eff"] - thin[mode]["n_eff"]) / (2.0 * THICKNESS_STEP_UM) for mode in ("TE", "TM")
        }
        apart.append(1e-3 * (by_um["TE"] - by_um["TM"]))
        pm_nm.append(1e3 * WL0_UM * by_um["TE"] / here[angle]["TE"]["n_g"])
    narrow, wide = (
        moved({"width_um": stack.width_um + s}, 0.0)["TE"]["n_eff"] for s in (-WIDTH_STEP_UM, WIDTH_STEP_UM)
    )
    return {
        "apart_per_nm": apart,
        "thickness_pm_nm": float(np.mean(pm_nm)),
        "by_width_1_um": (wide - narrow) / (2.0 * WIDTH_STEP_UM),
    }


def solved(film: tuple[float, float, float]) -> dict[str, Any]:
    """Everything of one film and rib that the solver says."""
    stack = Stack(*film, WALL_DEG)
    here = {angle: solve_rib(rib(stack, GRID), CRYSTAL, WL0_UM, angle, with_tm=True) for angle in ANGLES_DEG}
    found: dict[str, Any] = {"thickness_um": film[0], "etch_um": film[1], "width_um": film[2]}
    found["n_eff"] = {mode: [here[angle][mode]["n_eff"] for angle in ANGLES_DEG] for mode in ("TE", "TM")}
    found["n_g_apart"] = [here[angle]["TE"]["n_g"] - here[angle]["TM"]["n_g"] for angle in ANGLES_DEG]
    found["eo_overlap"] = [here[angle]["TE"]["eo_overlap"] for angle in (0.0, 90.0)]
    found["slab_n_eff"] = [slab_index(stack, CRYSTAL, angle) for angle in (0.0, 90.0)]
    found |= slopes(stack, here)
    found["coupling_1_um"] = supermodes(stack, CRYSTAL, GRID, GAP_UM, WL0_UM, 90.0)
    found["second_TE"], found["bend"] = [], {}
    for angle in (0.0, 90.0):
        section = rib(stack, GRID, outer_um=3.0 + LAYER_UM)
        eps = permittivity(section, CRYSTAL, WL0_UM, angle_deg=angle, temperature_K=TEMPERATURE_K)
        problem = Problem(section.mesh)
        _, _, modes = first_two(problem, eps)
        second = [mode.n_eff.real for mode in modes if problem.te_fraction(mode) > 0.5][1]
        found["second_TE"].append(round(second, 4))
        found["bend"][f"{angle:g}"] = {f"{radius:g}": by_share(stack, angle, radius) for radius in RADII_UM}
    if film in (FILMS[0], FILMS[-1]):
        found["first_order_g_R"] = [
            first_order_mixing(stack, CRYSTAL, WL0_UM, angle, grid=GRID) for angle in (0.0, 90.0)
        ]
    return found


def half_difference(film: dict[str, Any], sin2: Any, *, thicker_nm: float = 0.0, longer_um: float = 0.0) -> Any:
    """δ = π·(n_TE − n_TM)/λ in rad/µm against sin² of the angle, on a thicker film, at a longer wavelength."""
    nodes = np.sin(np.radians(ANGLES_DEG)) ** 2
    apart = np.polyval(np.polyfit(nodes, np.subtract(film["n_eff"]["TE"], film["n_eff"]["TM"]), 3), sin2)
    groups = np.polyval(np.polyfit(nodes, film["n_g_apart"], 3), sin2)
    along_y, along_x = film["apart_per_nm"]
    on_film = apart + thicker_nm * (along_y + (along_x - along_y) * sin2)
    return np.pi / (WL0_UM + longer_um) * on_film - np.pi / WL0_UM**2 * (groups - apart) * longer_um


def quarter(film: dict[str, Any], turn: QuarterTurn, **off: float) -> Float[np.ndarray, " 2"]:
    """What a quarter turn from bus to arm makes of TE: its amplitudes in TE and TM."""
    steps = STEPS // 2
    curvature, step_um = turn.curvature_1_um(steps), turn.length_um / steps
    angle_deg = 90.0 - np.degrees(step_um * (np.cumsum(curvature) - 0.5 * curvature))
    sin2 = np.sin(np.radians(angle_deg)) ** 2
    along_y, along_x = (
        np.interp(1.0 / curvature, RADII_UM, [film["bend"][way][f"{r:g}"]["g_R"] for r in RADII_UM])
        for way in ("0", "90")
    )
    whole = np.eye(2, dtype=complex)
    for d, g in zip(
        half_difference(film, sin2, **off), curvature * (along_y + (along_x - along_y) * sin2), strict=True
    ):
        w = np.hypot(d, g)
        cosine, sine = np.cos(w * step_um), 1j * np.sin(w * step_um) / w
        whole = np.array([[cosine + sine * d, sine * g], [sine * g, cosine - sine * d]]) @ whole
    return whole[0]


def ring(film: dict[str, Any], radius_um: float) -> dict[str, Any]:
    """χ of half a turn in mrad: the most at any arm, the arm that undoes it, what that leaves off the film and line."""
    turn = QuarterTurn(radius_um, 1.0, True)

    def chi(arm_um: float, **off: float) -> float:
        te, tm = quarter(film, turn, **off)
        along = np.exp(1j * half_difference(film, 0.0, **off) * arm_um)
        return 1e3 * float(np.arcsin(np.clip(2.0 * (te * tm * along).imag, -1.0, 1.0)))

    te, tm = quarter(film, turn)
    half = float(half_difference(film, 0.0))
    arm_um = float(-np.angle(te * tm) * np.sign(half) % np.pi / abs(half))
    return {
        "radius_um": radius_um,
        "most_mrad": 1e3 * float(np.arcsin(min(2.0 * abs(te * tm), 1.0))),
        "arm_um": arm_um,
        "no_arm_mrad": chi(0.0),
        "film_off_mrad": {f"{nm:g}": chi(arm_um, thicker_nm=nm) for nm in FILMS_OFF_NM},
        "line_off_mrad": chi(arm_um, longer_um=LINE_OFF_UM),
    }


def named(word: str) -> tuple[float, float, float]:
    """A film and rib from the command line."""
    thickness_um, etch_um, width_um = map(float, word.split(","))
    return thickness_um, etch_um, width_um


def main() -> None:
    """Solve, write and print."""
    asked = [named(word) for word in sys.argv[1:] if "," in word] or list(FILMS)
    found = json.loads(RESULTS.read_text(encoding="utf-8"))["films"] if RESULTS.exists() else []
    known = {(one["thickness_um"], one["etch_um"], one["width_um"]): one for one in found}
    for film in asked:
        known[film] = known.get(film) or solved(film)
        known[film]["rings"] = [ring(known[film], radius_um) for radius_um in RINGS_UM]
        told = {
            "date": time.strftime("%Y-%m-%d"),
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
            "command": "python benchmarks/tm_films.py",
            "angles_deg": ANGLES_DEG,
            "films": [known[one] for one in FILMS if one in known],
        }
        write_text(RESULTS, json.dumps(told, indent=2) + "\n")
        print(known[film], file=sys.stderr, flush=True)
    if "--json" in sys.argv:
        print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
