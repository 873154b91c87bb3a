"""Writes the mode table of one profile: ``python -m prism_photonics.process.solver tfln600``.

Every solve is kept in a journal as it goes (``out/modes/NAME.jsonl``), so that a broken run resumes where it stopped.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.process.materials import Crystal, crystal_named
from prism_photonics.process.profile import Profile, load_profile
from prism_photonics.process.solver.bend import bend_mode, loss_dB_cm
from prism_photonics.process.solver.electrode import field_factor
from prism_photonics.process.solver.fem import Mode, Problem
from prism_photonics.process.solver.mesh import CrossSection, Grid, Stack, half_pair, rib
from prism_photonics.process.solver.optics import by_temperature, by_wavelength, permittivity, spread
from prism_photonics.process.solver.plans import PLANS
from prism_photonics.process.solver.sources import sources_hash

WL0_UM = 1.55
TEMPERATURE_K = 300.0
LOSS_FLOOR_DB_CM = 1e-7  # Im(n_eff) of 3e-13: what the eigensolver still resolves
ELECTRODE_GRID = Grid(near=0.06, growth=0.25, far=1.5, side=25.0, below=15.0, above=15.0)


class Run:
    """The solves of one profile, with their journal."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.plan, self.profile = name, PLANS[name], load_profile(name)
        self.crystal: Crystal = crystal_named(self.profile.crystal)
        self.stack = stack_of(self.profile)
        self.grid = Grid(near=0.05, growth=0.2, side=self.plan.side_um)
        self.journal = folder / f"{name}.jsonl"
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        lines = self.journal.read_text(encoding="utf-8").splitlines() if self.journal.exists() else []
        self.done = dict(json.loads(line) for line in lines)

    def once(self, key: str, compute: Callable[[], Any]) -> Any:
        """The journal's answer, or the computed one after it has been written down."""
        key = f"{sources_hash()[:12]} {key}"
        if key not in self.done:
            self.done[key] = compute()
            with self.journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, self.done[key]]) + "\n")
            print(key, self.done[key], flush=True)
        return self.done[key]

    def modes(self, stack: Stack, wl: float, angle_deg: float, grid: Grid | None = None) -> dict[str, dict[str, float]]:
        """Both polarisations of one rib at one node."""
        grid = grid or self.grid
        key = f"modes {asdict(stack)} {wl} {angle_deg} {asdict(grid)}"
        return self.once(
            key, lambda: solve_rib(rib(stack, grid), self.crystal, wl, angle_deg, with_tm=self.plan.with_tm)
        )

    def coupling(
        self, stack: Stack, gap_um: float, wl: float, angle_deg: float = 90.0, grid: Grid | None = None
    ) -> float:
        """C = π·(n_even − n_odd)/λ in rad/µm of two equal ribs along layout x."""
        grid = grid or self.grid
        key = f"coupling {asdict(stack)} {gap_um} {wl} {angle_deg} {asdict(grid)}"
        return self.once(key, lambda: supermodes(stack, self.crystal, grid, gap_um, wl, angle_deg))

    def bend(self, radius_um: float, angle_deg: float) -> dict[str, float]:
        """Loss and polarisation of the bent TE mode."""
        grid = replace(self.grid, near=0.06, growth=0.25, far=0.35)

        def compute() -> dict[str, float]:
            start = self.modes(self.stack, WL0_UM, angle_deg)["TE"]["n_eff"]
            mode, problem = bend_mode(
                self.stack, self.crystal, grid, WL0_UM, radius_um=radius_um, angle_deg=angle_deg,
                temperature_K=TEMPERATURE_K, near=start + 2.8 / radius_um**2,
            )  # fmt: skip
            te = problem.te_fraction(mode)
            return {"n_eff": float(mode.n_eff.real), "loss_dB_cm": loss_dB_cm(mode, WL0_UM), "te_fraction": te}

        return self.once(f"bend {asdict(self.stack)} {radius_um} {angle_deg} {asdict(grid)}", compute)

    def electrode(self, gap_um: float, grid: Grid = ELECTRODE_GRID) -> float:
        """The field factor at one electrode gap."""
        key = f"electrode {asdict(self.stack)} {gap_um} {asdict(grid)}"
        at = {"gap_um": gap_um, "temperature_K": TEMPERATURE_K}
        return self.once(key, lambda: field_factor(self.stack, self.crystal, grid, WL0_UM, **at))


def stack_of(profile: Profile) -> Stack:
    """The profile's cross-section."""
    f = profile.film
    return Stack(f.thickness_um.value, f.etch_um.value, f.rib_width_um.value, f.wall_deg.value)


def solve_rib(
    section: CrossSection, crystal: Crystal, wl: float, angle_deg: float, *, with_tm: bool
) -> dict[str, dict[str, float]]:
    """n_eff, n_g, confinement, electro-optic overlap and thermo-optics of the fundamental TE and TM modes."""
    at = {"angle_deg": angle_deg, "temperature_K": TEMPERATURE_K}
    eps = permittivity(section, crystal, wl, **at)
    problem = Problem(section.mesh)
    modes = problem.solve(eps, wl, near=float(np.sqrt(eps[1, 1].max())), count=6)
    across = float(eps[0, 0].max())
    zero, film = np.zeros((3, 3)), spread(section, np.ones((3, 3)), np.zeros((3, 3)))
    parts = {
        "electric": problem.permittivity(eps),
        "film": problem.permittivity(eps * film),
        "across": problem.permittivity(spread(section, np.diag([1.0, 0.0, 0.0]), zero)),
        "warm": problem.permittivity(by_temperature(section, crystal, wl, **at)),
    }
    dispersion = by_wavelength(section, crystal, wl, **at)

    def describe(mode: Mode) -> dict[str, float]:
        energy = {name: float(np.real(mode.field.conj() @ (part @ mode.field))) for name, part in parts.items()}
        return {
            "n_eff": float(mode.n_eff.real),
            "n_g": float(problem.group_index(mode, eps, dispersion, wl)),
            "confinement": energy["film"] / energy["electric"],
            "eo_overlap": 2.0 * across**0.5 * problem.slope(mode, parts["across"]),
            "dn_dT": problem.slope(mode, parts["warm"]),
            "te_fraction": problem.te_fraction(mode),
        }

    te = next(mode for mode in modes if problem.te_fraction(mode) > 0.5)
    found = {"TE": describe(te)}
    if with_tm:
        found["TM"] = describe(next(mode for mode in modes if problem.te_fraction(mode) <= 0.5))
    return found


def supermodes(stack: Stack, crystal: Crystal, grid: Grid, gap_um: float, wl: float, angle_deg: float) -> float:
    """C in rad/µm: an electric wall between the ribs gives the even supermode of E_x, a magnetic wall the odd one."""
    section = half_pair(stack, grid, gap_um)
    eps = permittivity(section, crystal, wl, angle_deg=angle_deg, temperature_K=TEMPERATURE_K)
    index = []
    for mirror in ("", "left"):
        problem = Problem(section.mesh, mirror)
        modes = problem.solve(eps, wl, near=float(np.sqrt(eps[1, 1].max())), count=4)
        index.append(next(mode.n_eff.real for mode in modes if problem.te_fraction(mode) > 0.5))
    return float(np.pi * (index[0] - index[1]) / wl)


def provenance(run: Run) -> dict[str, Any]:
    """Who computed the table, when, on which grid."""
    return {
        "solver": "vectorial finite elements, full permittivity tensor (prism_photonics.process.solver)",
        "versions": {name: version(name) for name in ("scikit-fem", "scipy", "numpy")},
        "date": datetime.now(UTC).date().isoformat(),
        "script": "python -m prism_photonics.process.solver",
        "script_sha256": sources_hash(),
        "grid": asdict(run.grid),
        "stack": asdict(run.stack),
        "crystal": run.crystal.name,
        "temperature_K": TEMPERATURE_K,
    }


def grid_of(run: Run, quantity: str, polarization: str) -> list[Any]:
    """One quantity on (width, wavelength, angle)."""
    plan = run.plan

    def at(width: float, wl: float, angle: float) -> float:
        return round(run.modes(replace(run.stack, width_um=width), wl, angle)[polarization][quantity], 9)

    return [[[at(w, wl, angle) for angle in plan.angle_deg] for wl in plan.wl_um] for w in plan.width_um]
