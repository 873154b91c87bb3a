"""``python -m prism_photonics.process.solver NAME``: compute and write a profile's mode table."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from prism_photonics.process.solver.evidence import checks, convergence, geometry
from prism_photonics.process.solver.tables import LOSS_FLOOR_DB_CM, PLANS, Run, grid_of, provenance

QUANTITIES = ("n_eff", "n_g", "confinement", "eo_overlap", "dn_dT", "te_fraction")
TABLES = Path(__file__).resolve().parent.parent / "tables"


def main(name: str) -> None:
    """Compute the table of the profile ``name`` and write it beside the package's other tables."""
    run = Run(name, Path("out/modes"))
    plan = run.plan
    polarizations = ("TE", "TM") if plan.with_tm else ("TE",)
    bends = {angle: [run.bend(radius, angle) for radius in plan.radius_um] for angle in (0.0, 90.0)}
    table: dict[str, Any] = {
        "profile": name,
        "provenance": provenance(run),
        "axes": {"width_um": plan.width_um, "wl_um": plan.wl_um, "angle_deg": plan.angle_deg},
        "modes": {pol: {quantity: grid_of(run, quantity, pol) for quantity in QUANTITIES} for pol in polarizations},
        "geometry_per_um": geometry(run),
        "coupling": {
            "axes": {"width_um": plan.coupling_width_um, "wl_um": plan.coupling_wl_um, "gap_um": plan.gap_um},
            "per_um": [
                [
                    [run.coupling(replace(run.stack, width_um=w), gap, wl) for gap in plan.gap_um]
                    for wl in plan.coupling_wl_um
                ]
                for w in plan.coupling_width_um
            ],
        },
        "bend": {
            "radius_um": plan.radius_um,
            "floor_dB_cm": LOSS_FLOOR_DB_CM,
            "loss_dB_cm": {f"{a:g}": [max(b["loss_dB_cm"], LOSS_FLOOR_DB_CM) for b in bends[a]] for a in bends},
            "te_fraction": {f"{a:g}": [b["te_fraction"] for b in bends[a]] for a in bends},
        },
        "electrode": {
            "gap_um": plan.electrode_gap_um,
            "field_factor": [run.electrode(gap) for gap in plan.electrode_gap_um],
        },
        "checks": checks(run),
        "convergence": convergence(run),
    }
    TABLES.mkdir(exist_ok=True)
    (TABLES / f"{name}.json").write_text(lines(table) + "\n", encoding="utf-8")


def lines(value: Any, indent: str = "") -> str:
    """JSON with one line for each innermost list or small object, so that a change of one number changes one line."""
    flat = json.dumps(value)
    if not isinstance(value, dict | list | tuple) or (len(flat) + len(indent) <= 118 and "[[" not in flat):
        return flat
    if isinstance(value, dict):
        inner = [f"{indent}  {json.dumps(key)}: {lines(item, indent + '  ')}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}"
    if not any(isinstance(item, dict | list | tuple) for item in value):
        return flat
    return "[\n" + ",\n".join(f"{indent}  {lines(item, indent + '  ')}" for item in value) + f"\n{indent}]"


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PLANS:
        sys.exit(f"give one profile: {', '.join(PLANS)}")
    main(sys.argv[1])
