"""A 1×2 splitter whose sizes are found by gradients, judged by the vectorial solver.

    python benchmarks/splitter_by_gradients.py [--json]

`process.solver.splitter_shape` on the film `tfln600`, from what is drawn and from what was drawn before, for the worst
of three wavelengths and three errors of the width. Start and end are then solved by mode matching on vectorial elements
(`process.solver.splitter`), the section at each wavelength and error, tapers at one: nothing of the plane is in that.
The length of either section may move once more for the elements' own worst. `splitter_by_meow` has a third solver's
word. Some four minutes on one core.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prism_photonics.files import write_text
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.parts import load_parts
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.beam import SECTION_STEPS, STEP_UM, TAPER_STEPS, Shape, through
from prism_photonics.process.solver.plane import planes
from prism_photonics.process.solver.splitter import TAPER_SLICES, Sizes, section, taper
from prism_photonics.process.solver.splitter_shape import improved, losses_dB
from prism_photonics.process.solver.tables import stack_of

RESULTS = Path(__file__).parent / "results" / "splitter_by_gradients.json"
FILM, WL_UM, WIDER_UM = "tfln600", (1.50, 1.55, 1.60), (-0.02, 0.0, 0.02)
BEFORE = Shape(10.0, 44.0, 3.2, 20.0, 5.2)
PROFILE = load_profile(FILM)
STACK, CRYSTAL = stack_of(PROFILE), crystal_named(PROFILE.crystal)
MOVED_UM = np.round(np.arange(-3.0, 3.01, 0.1), 2)


def by_elements(shape: Shape) -> np.ndarray:
    """Loss in dB of the section by wavelength, error of the width, and change of its length by `MOVED_UM`."""
    sizes = Sizes(shape.mmi_width_um, shape.taper_width_um, shape.port_pitch_um, STACK.width_um, 84.0)

    def power(wl: float, wider_um: float) -> np.ndarray:
        amplitude = section(STACK, CRYSTAL, wl, sizes.wider(wider_um)).amplitude(shape.mmi_length_um + MOVED_UM)
        return (np.abs(amplitude) ** 2).sum(-1)

    return -10.0 * np.log10([[power(wl, wider) for wider in WIDER_UM] for wl in WL_UM])


def tapers_dB(shape: Shape) -> dict[str, float]:
    """Loss of both tapers on a way, by slices, and without end of them: half as much with twice as many."""

    def both(slices: int) -> float:
        ends = {"start_um": STACK.width_um, "end_um": shape.taper_width_um, "length_um": shape.taper_length_um}
        return -40.0 * float(np.log10(abs(taper(STACK, CRYSTAL, WL_UM[1], **ends, slices=slices))))

    few, many = both(TAPER_SLICES), both(2 * TAPER_SLICES)
    return {
        str(TAPER_SLICES): round(few, 4),
        str(2 * TAPER_SLICES): round(many, 4),
        "limit": round(2.0 * many - few, 4),
    }


def rounded(losses: Any) -> list[list[float]]:
    """To 0.1 mdB, wavelength by wavelength."""
    return [[round(float(loss), 4) for loss in row] for row in np.asarray(losses)]


def convergence(film: Any, shape: Shape) -> list[dict[str, Any]]:
    """Loss of the found sizes with other grids, at 1.55 µm."""
    plane = jax.tree.map(lambda leaf: leaf[1], film)
    grids: Iterable[tuple[str, float, tuple[int, int]]] = (
        ("as computed", STEP_UM, (TAPER_STEPS, SECTION_STEPS)),
        ("twice as many steps", STEP_UM, (2 * TAPER_STEPS, 2 * SECTION_STEPS)),
        ("cells of half the width", 0.5 * STEP_UM, (TAPER_STEPS, SECTION_STEPS)),
    )
    return [
        {
            "varied": what,
            "loss_dB": [
                round(
                    -10.0 * float(jnp.log10(through(plane, s, width_um=STACK.width_um, step_um=step, steps=steps))), 5
                )
                for s in (shape._replace(mmi_length_um=shape.mmi_length_um + off) for off in (-1.0, 0.0, 1.0))
            ],
        }
        for what, step, steps in grids
    ]


def main() -> None:
    """Search, solve, write and print."""
    film, wider_um = planes(STACK, CRYSTAL, WL_UM), jnp.array(WIDER_UM)
    sizes = load_parts(FILM).splitter_sizes
    drawn = Shape(*(sizes[name] for name in Shape._fields))
    searches, ends = [], []
    for name, start in (("what is drawn", drawn), ("what was drawn before", BEFORE)):
        found = improved(film, start, width_um=STACK.width_um, wider_um=wider_um)
        ends.append(found.shape)
        searches.append(
            {
                "from": name,
                "start": start.sizes,
                "end": {key: round(value, 4) for key, value in found.shape.sizes.items()},
                "steps": len(found.loss_dB) - 1,
                "calls": found.calls,
                "worst_like_dB": [round(loss, 5) for loss in (found.loss_dB[0], found.loss_dB[-1])],
            }
        )
        print(searches[-1], file=sys.stderr, flush=True)
    here = int(np.flatnonzero(MOVED_UM == 0.0)[0])
    judged = {}
    for name, shape in (("drawn", drawn), ("found", ends[0])):
        tapers = tapers_dB(shape)
        losses = by_elements(shape) + tapers["limit"]
        worst = losses.max(axis=(0, 1))
        best = int(worst.argmin())
        judged[name] = {
            "plane_dB": rounded(losses_dB(film, shape, width_um=STACK.width_um, wider_um=wider_um)),
            "tapers_dB_by_slices": tapers,
            "elements_dB": rounded(losses[:, :, here]),
            "elements_best_length_um": round(shape.mmi_length_um + float(MOVED_UM[best]), 2),
            "elements_dB_there": rounded(losses[:, :, best]),
        }
        print(name, judged[name], file=sys.stderr, flush=True)
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "command": "python benchmarks/splitter_by_gradients.py",
        "film": FILM,
        "wl_um": WL_UM,
        "wider_um": WIDER_UM,
        "searches": searches,
        "judged": judged,
        "convergence": convergence(film, ends[0]),
    }
    write_text(RESULTS, json.dumps(result, indent=2) + "\n")
    if "--json" in sys.argv:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
