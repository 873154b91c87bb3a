"""``python -m prism_photonics.process.solver.necks NAME``: what a neck in a guide takes of its modes, into their table.

Light as a beam in the film's plane (`beam`), even or odd across the guide's middle, as TE0 and TE1 are. A plane holds
TE1 better than the film does (at 0.7 µm by 0.10 of index over the slab's, where vectorial elements have 0.06), so that
what it says a neck takes of TE1 is the least.
"""

import sys
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from prism_photonics.files import write_text
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.necks import FLAT_UM, TAPER_UM
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.__main__ import lines
from prism_photonics.process.solver.beam import STEP_UM, guided, onwards
from prism_photonics.process.solver.plane import Plane, planes
from prism_photonics.process.solver.tables import stack_of

FOLDER = Path(__file__).resolve().parent.parent / "neck_tables"
WIDTHS_UM, WLS_UM = (0.30, 0.35, 0.40, 0.50, 0.60), (1.50, 1.55, 1.60)
STEPS = 160  # along each taper


def main(name: str) -> None:
    """Solve the film ``name`` and write its table."""
    found = {
        "film": name,
        "provenance": {
            "solver": "beam in the film's plane (prism_photonics.process.solver.necks)",
            "versions": {package: version(package) for package in ("jax", "scipy", "numpy")},
            "date": datetime.now(UTC).date().isoformat(),
            "script": "python -m prism_photonics.process.solver.necks",
        },
        "wl_um": WLS_UM,
        "width_um": WIDTHS_UM,
        "taken_dB": [[taken_dB(name, wl, neck_um) for neck_um in WIDTHS_UM] for wl in WLS_UM],
        "finer_dB": taken_dB(name, 1.55, 0.40, step_um=STEP_UM / 2.0, steps=2 * STEPS),
    }
    write_text(FOLDER / f"{name}.json", lines(found) + "\n")


def taken_dB(
    name: str, wl: float, neck_um: float, *, step_um: float = STEP_UM, steps: int = STEPS
) -> tuple[float, float]:
    """Loss of TE0 and of TE1 through a neck in dB."""
    profile = load_profile(name)
    stack = stack_of(profile)
    plane: Plane = jax.tree.map(lambda leaf: leaf[0], planes(stack, crystal_named(profile.crystal), [wl]))
    along = (np.arange(steps) + 0.5) / steps
    narrowing = stack.width_um + (neck_um - stack.width_um) * along
    half_um = 0.5 * np.concatenate([narrowing, np.full(steps // 2, neck_um), narrowing[::-1]])
    parts = [steps, steps // 2, steps]
    each_um = np.repeat(np.array([TAPER_UM, FLAT_UM, TAPER_UM]) / parts, parts)
    at = 0.5 * stack.width_um, jnp.asarray(half_um), jnp.asarray(each_um)
    even, odd = (-10.0 * np.log10(_kept(plane, *at, step_um=step_um, odd=odd)) for odd in (False, True))
    return float(even), float(odd)


@partial(jax.jit, static_argnames=("step_um", "odd"))
def _kept(
    plane: Plane,
    guide_um: float | Float[Array, ""],
    half_um: Float[Array, " steps"],
    each_um: Float[Array, " steps"],
    *,
    step_um: float,
    odd: bool,
) -> Float[Array, ""]:
    """Share of the guide's mode that is left behind all steps, by half the widths of guide and steps."""
    at = {"step_um": step_um, "odd": odd}
    mode = guided(plane, -guide_um, guide_um, **at)
    light = onwards(plane, mode.astype(complex), lengths_um=each_um, left_um=-half_um, right_um=half_um, **at)
    return jnp.abs(mode @ light) ** 2


if __name__ == "__main__":
    main(sys.argv[1])
