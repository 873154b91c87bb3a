"""``python -m prism_photonics.process.solver.necks NAME``: what a neck in a guide takes of its modes, into their table.

Light as a wide-angle beam in the film's plane (`plane`, `beam`), either parity across the guide's middle: TE0 is even,
TE1 odd. A plane holds TE1 better than the film does (at 0.7 µm by 0.10 of index over the slab's, where vectorial
elements have 0.06), so that what it says a neck takes of TE1 is the least.
"""

import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float
from scipy.linalg import eigh_tridiagonal, solve_banded

from prism_photonics.files import write_text
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.necks import FLAT_UM, TAPER_UM
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.__main__ import lines
from prism_photonics.process.solver.plane import Plane, planes
from prism_photonics.process.solver.tables import stack_of

FOLDER = Path(__file__).resolve().parent.parent / "neck_tables"
WIDTHS_UM, WLS_UM = (0.30, 0.35, 0.40, 0.50, 0.60), (1.50, 1.55, 1.60)
STEP_UM, STEPS = 0.05, 160  # across, and along each taper
WINDOW_UM, LAYER_UM, ABSORBS = 9.0, 2.0, 0.4

Vector = Float[np.ndarray, " cells"]


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
    flat = np.full(steps // 2, neck_um)
    widths_um = np.concatenate([narrowing, flat, narrowing[::-1]])
    each_um = np.repeat([TAPER_UM / steps, FLAT_UM / len(flat), TAPER_UM / steps], [steps, len(flat), steps])
    even, odd = (
        -10.0 * np.log10(_kept(plane, (stack.width_um, widths_um), each_um, odd=odd, step_um=step_um))
        for odd in (False, True)
    )
    return float(even), float(odd)


def _kept(plane: Plane, widths_um: Any, each_um: Any, *, odd: bool, step_um: float) -> float:
    """Share of the guide's mode that is left behind all steps."""
    guide_um, along_um = widths_um
    diagonal, beside = _matrix(plane, guide_um, odd=odd, step_um=step_um)
    last = len(diagonal) - 1
    squares, fields = eigh_tridiagonal(diagonal, beside, select="i", select_range=(last, last))
    mode, beta = fields[:, 0], float(np.sqrt(squares[0]))
    at_um = step_um * (np.arange(len(mode)) + 0.5)
    layer = 1j * ABSORBS * (np.maximum(at_um - (WINDOW_UM - LAYER_UM), 0.0) / LAYER_UM) ** 2
    light: Complex[np.ndarray, " cells"] = mode.astype(complex)
    for width_um, length_um in zip(along_um, each_um, strict=True):
        diagonal, beside = _matrix(plane, width_um, odd=odd, step_um=step_um)
        p, q, turn = diagonal / beta**2 - 1.0 + layer, beside / beta**2, 0.25j * beta * length_um
        ahead, behind = 0.25 + turn, 0.25 - turn
        sent = (1.0 + ahead * p) * light
        sent[:-1] += ahead * q * light[1:]
        sent[1:] += ahead * q * light[:-1]
        bands = np.zeros((3, len(p)), complex)
        bands[0, 1:], bands[1], bands[2, :-1] = behind * q, 1.0 + behind * p, behind * q
        light = solve_banded((1, 1), bands, sent)
    return float(abs(mode @ light) ** 2)


def _matrix(
    plane: Plane, width_um: float, *, odd: bool, step_um: float
) -> tuple[Vector, Float[np.ndarray, " between"]]:
    """S of half of a cross-section, see `beam`; of odd fields nothing stands in the mirror."""
    cells = round(WINDOW_UM / step_um)
    edges_um = step_um * jnp.arange(cells + 1.0)
    half_um = 0.5 * width_um
    across = np.asarray(plane.across.cells(edges_um, -half_um, half_um))
    along = np.asarray(plane.along.cells(edges_um[:-1] + 0.5 * step_um, -half_um, half_um))
    flux = 1.0 / (along * step_um**2)
    lost = np.pad(flux, (1, 0)) + np.pad(flux, (0, 1))
    lost[0] += 2.0 * flux[0] if odd else 0.0
    k2 = (2.0 * np.pi / float(plane.wl)) ** 2
    return (k2 - lost) / across, flux / np.sqrt(across[1:] * across[:-1])


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(sys.argv[1])
