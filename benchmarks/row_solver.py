"""Time and error of the exact row solver against SAX's KLU backend, side by side in one run.

    python benchmarks/row_solver.py [--json]

Per size: one row at as many wavelengths as rings through SAX (compiled), a bank of 1,024 such rows through the row
solver (compiled), their largest complex difference on that row, and the ratio of the times per row.
"""

import json
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from prism_photonics.circuit.row import row_response
from prism_photonics.circuit.saxrow import max_field_error, row_netlist, row_settings, strict_circuit
from prism_photonics.lightpath.ring.model import RingParams, ring
from prism_photonics.lightpath.waveguide.model import PathParams, path

BANK = 1024
WAVELENGTHS = 64


def random_rows(rows: int, rings: int, rng: np.random.Generator) -> tuple[RingParams, PathParams, jax.Array]:
    """Rows of random rings whose resonances spread over the band, with random bus phases."""
    shape, bus = (rows, rings), (rows, 2, rings + 1)
    t = lambda: jnp.sqrt(1.0 - jnp.asarray(rng.uniform(0.01, 0.05, shape)))  # noqa: E731
    full = lambda value, size: jnp.full(size, value)  # noqa: E731
    rings_params = RingParams(
        t(), t(), jnp.asarray(rng.uniform(0.99, 1.0, shape)), full(246.0, shape), full(291.0, shape), full(0.0, shape),
        full(8.0, shape), full(0.0, shape), full(1.55, shape),
    )  # fmt: skip
    buses = PathParams(
        full(240.0, bus), full(280.0, bus), jnp.asarray(rng.uniform(0.98, 1.0, bus)),
        jnp.asarray(rng.uniform(0.0, 6.28, bus)), full(1.55, bus),
    )  # fmt: skip
    return rings_params, buses, jnp.asarray(rng.uniform(0.0, 8000.0, shape))


def seconds(function, repeats: int) -> float:
    """Median time of a compiled call."""
    jax.block_until_ready(function())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    """Measure and print."""
    lines = []
    for rings in (8, 32, 64):
        rng = np.random.default_rng(rings)
        wl = jnp.linspace(1.546, 1.554, WAVELENGTHS)
        params = random_rows(BANK, rings, rng)
        first = jax.tree.map(lambda leaf: leaf[0], params)
        bank = eqx.filter_jit(lambda p, wl=wl: jax.vmap(lambda *row: row_response(wl, *row))(*p))
        circuit = jax.jit(strict_circuit(row_netlist(rings), {"ring": ring, "path": path}))
        settings = row_settings(*first)
        sax_fields = circuit(wl=wl, **settings)
        ours = jax.jit(row_response)(wl, *first)
        theirs = type(ours)(sax_fields["in", "through"], sax_fields["in", "drop"])
        row_s = seconds(lambda b=bank, p=params: b(p), 5) / BANK
        sax_s = seconds(lambda c=circuit, s=settings, w=wl: c(wl=w, **s), 5)
        lines.append(
            {
                "rings": rings,
                "wavelengths": WAVELENGTHS,
                "row_solver_ms_per_row": row_s * 1e3,
                "sax_klu_ms_per_row": sax_s * 1e3,
                "ratio": sax_s / row_s,
                "max_field_error": max_field_error(ours, theirs),
            }
        )
    if "--json" in sys.argv:
        print(json.dumps(lines, indent=2))
        return
    for line in lines:
        print("  ".join(f"{key} {value:.3g}" for key, value in line.items()))


if __name__ == "__main__":
    main()
