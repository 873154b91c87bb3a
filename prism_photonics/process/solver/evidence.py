"""What stands beside a table: its convergence, its off-node checks, and how the index moves with the geometry."""

from dataclasses import replace
from typing import Any

import numpy as np

from prism_photonics.process.solver.mesh import Grid, Stack
from prism_photonics.process.solver.tables import ELECTRODE_GRID, WL0_UM, Run

STEP_UM = 0.01  # geometry's central difference
FINEST = Grid(near=0.0125, growth=0.1, far=0.25)


def geometry(run: Run) -> dict[str, dict[str, float]]:
    """dn_eff per µm of width, thickness (etch kept: the slab grows) and etch; TE along crystal y (0°) and z (90°)."""
    steps = {"width": {"width_um": 1.0}, "thickness": {"thickness_um": 1.0}, "etch": {"etch_um": 1.0}}
    found: dict[str, dict[str, float]] = {}
    for name, change in steps.items():
        found[name] = {}
        for angle in (0.0, 90.0):
            index = [
                run.modes(moved(run.stack, change, step), WL0_UM, angle)["TE"]["n_eff"] for step in (STEP_UM, -STEP_UM)
            ]
            found[name][f"{angle:g}"] = (index[0] - index[1]) / (2.0 * STEP_UM)
    return found


def moved(stack: Stack, change: dict[str, float], step: float) -> Stack:
    """A stack with the named lengths moved by ``step`` µm."""
    return replace(stack, **{name: getattr(stack, name) + step * share for name, share in change.items()})


def checks(run: Run, count: int = 8) -> list[dict[str, Any]]:
    """Modes solved between the nodes, to judge the interpolation."""
    rng, plan = np.random.default_rng(1), run.plan
    found = []
    for _ in range(count):
        width = round(float(rng.uniform(plan.width_um[0], plan.width_um[-1])), 3)
        wl = round(float(rng.uniform(plan.wl_um[0], plan.wl_um[-1])), 4)
        angle = round(float(rng.uniform(0.0, 90.0)), 1)
        solved = run.modes(replace(run.stack, width_um=width), wl, angle)
        found.append({"width_um": width, "wl_um": wl, "angle_deg": angle, **solved})
    return found


def convergence(run: Run) -> dict[str, list[dict[str, Any]]]:
    """The base point against element size, growth and window; light along crystal y, 1.55 µm."""
    base, gap = run.grid, run.plan.gap_um[len(run.plan.gap_um) // 3]
    grids = [
        ("element size", replace(base, near=0.2, growth=0.4)),
        ("element size", replace(base, near=0.1, growth=0.3)),
        ("element size", base),
        ("element size", replace(base, near=0.025)),
        ("element size", replace(FINEST, side=base.side)),
        ("window", replace(base, side=base.side - 1.0, below=1.2, above=1.0)),
        ("window", replace(base, side=base.side + 1.5, below=2.6, above=2.4)),
    ]
    rows = []
    for kind, grid in grids:
        te = run.modes(run.stack, WL0_UM, 0.0, grid)["TE"]
        c = run.coupling(run.stack, gap, WL0_UM, grid=grid)
        row = {
            "varied": kind,
            "grid": {k: getattr(grid, k) for k in ("near", "growth", "far", "side", "below", "above")},
        }
        quantities = ("n_eff", "n_g", "confinement", "eo_overlap", "dn_dT")
        rows.append({**row, **{k: te[k] for k in quantities}, "coupling_per_um": c, "coupling_gap_um": gap})
    electrode = [
        {"side": grid.side, "near": grid.near, "field_factor": run.electrode(run.plan.electrode_gap_um[2], grid)}
        for grid in (
            replace(ELECTRODE_GRID, side=15.0, below=8.0, above=8.0),
            ELECTRODE_GRID,
            replace(ELECTRODE_GRID, near=0.03),
        )
    ]
    return {"modes": rows, "electrode": electrode}
