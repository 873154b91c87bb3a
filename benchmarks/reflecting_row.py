"""Time of the row with everything that reflects over that of the row without, side by side in one run.

    python benchmarks/reflecting_row.py [--json]

Banks of 1,024 random rows of 8 and 32 rings at 64 wavelengths, and one row of each; every ring splits and every end
reflects. Processor time of a call that has run before, the least of several, the two solvers taking turns.
"""

import datetime
import json
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from calibration_speed import machine
from row_solver import BANK, WAVELENGTHS, random_rows

from prism_photonics.circuit.reflecting import RowReflections, end_reflectors
from prism_photonics.circuit.row import RowFields, row_response
from prism_photonics.lightpath.ring.backscatter import Backscatter

TURNS = 25


@eqx.filter_jit
def solve(wl, rows, reflections) -> RowFields:
    """All rows at once, with reflections or without."""
    return jax.vmap(lambda row, there: row_response(wl, *row, reflections=there))(rows, reflections)


def random_reflections(rows: int, rings: int, rng: np.random.Generator) -> RowReflections:
    """Splittings of 0.3 to 10 pm, and 0.01 to 1 % of the power back from every end."""
    uniform = lambda low, high, *shape: jnp.asarray(rng.uniform(low, high, shape))  # noqa: E731
    scatter = Backscatter.conservative(uniform(0.3, 10.0, rows, rings), uniform(0.0, 6.28, rows, rings))
    return RowReflections(scatter, end_reflectors(uniform(0.01, 0.1, rows, 4), uniform(0.0, 6.28, rows, 4)))


def processor_s(function) -> float:
    """Processor time of one call."""
    start = time.process_time()
    jax.block_until_ready(function())
    return time.process_time() - start


def compared(rows: int, rings: int) -> dict[str, float]:
    """Least processor time of both, by turns."""
    wl = jnp.linspace(1.546, 1.554, WAVELENGTHS)
    rng = np.random.default_rng(rings)
    some, there = random_rows(rows, rings, rng), random_reflections(rows, rings, rng)
    calls = [lambda: solve(wl, some, None), lambda: solve(wl, some, there)]
    for call in calls:
        processor_s(call)
    plain_s, reflecting_s = np.min([[processor_s(call) for call in calls] for _ in range(TURNS)], axis=0)
    return {
        "rows": rows,
        "rings": rings,
        "wavelengths": WAVELENGTHS,
        "plain_ms": float(plain_s) * 1e3,
        "reflecting_ms": float(reflecting_s) * 1e3,
        "reflecting_over_plain": float(reflecting_s / plain_s),
    }


def main() -> None:
    """Measure and print."""
    lines = [compared(rows, rings) for rows in (1, BANK) for rings in (8, 32)]
    if "--json" in sys.argv:
        told = {"date": datetime.date.today().isoformat(), "hardware": machine()}
        told |= {"command": "python benchmarks/reflecting_row.py --json"}
        print(json.dumps(told | {"lines": lines}, indent=2))
        return
    for line in lines:
        print("  ".join(f"{key} {value:.3g}" for key, value in line.items()))


if __name__ == "__main__":
    main()
