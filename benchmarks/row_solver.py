"""Time and error of the exact row solver against SAX's KLU backend, side by side in one run.

    python benchmarks/row_solver.py [--json]

First, rows of 8, 32 and 64 rings at 64 wavelengths. SAX is timed as it is called (every call builds and solves the
netlist), and compiled by ``jax.jit`` (compilation apart); the row solver compiled, one row alone and a bank of 1,024
rows at once. SAX has no banks: its time for one is 1,024 times the mean of a few different rows, and the compiled SAX
is also given several rows at once by ``jax.vmap``, its best case. The error is the largest complex difference on the
rows that both computed.

Second, how the bank's time grows with N rows and d rings at d wavelengths, and the exponents p, q of N^p·d^q.
"""

import datetime
import json
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from prism_photonics.circuit.row import RowFields, row_response
from prism_photonics.circuit.saxrow import max_field_error, row_netlist, row_settings, strict_circuit
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.ring.saxmodel import ring
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.lightpath.waveguide.saxmodel import path

BANK, WAVELENGTHS = 1024, 64
SAX_ROWS, BATCH = 3, 16  # rows that SAX computes one by one, and at once
ROWS, RINGS = (64, 128, 256, 512, 1024), (8, 16, 32, 64)


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
    """Shortest time of a call that has run once before: what other work on the machine disturbs least."""
    jax.block_until_ready(function())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return min(times)


@eqx.filter_jit
def solve_row(wl, row) -> RowFields:
    """One row."""
    return row_response(wl, *row)


@eqx.filter_jit
def solve_bank(wl, rows) -> RowFields:
    """All rows at once."""
    return jax.vmap(lambda *row: row_response(wl, *row))(*rows)


def against_sax(rings: int) -> dict[str, float]:
    """Times of one row and of a bank by every road, with the largest difference of their fields."""
    wl = jnp.linspace(1.546, 1.554, WAVELENGTHS)
    rows = random_rows(BANK, rings, np.random.default_rng(rings))
    some = [jax.tree.map(lambda leaf, n=n: leaf[n], rows) for n in range(SAX_ROWS)]
    settings = [row_settings(*row) for row in some]
    circuit = strict_circuit(row_netlist(rings), {"ring": ring, "path": path})
    exits = lambda row_settings: [circuit(wl=wl, **row_settings)["in", out] for out in ("through", "drop")]  # noqa: E731
    compiled = jax.jit(exits)
    start = time.perf_counter()
    jax.block_until_ready(compiled(settings[0]))
    compile_s = time.perf_counter() - start

    fields = solve_bank(wl, rows)
    errors = [
        max_field_error(jax.tree.map(lambda leaf, n=n: leaf[n], fields), RowFields(*compiled(one)))
        for n, one in enumerate(settings)
    ]
    errors.append(max_field_error(solve_row(wl, some[0]), RowFields(*exits(settings[0]))))

    batch = jax.vmap(row_settings)(*jax.tree.map(lambda leaf: leaf[:BATCH], rows))
    at_once = jax.jit(jax.vmap(exits))
    plain_s = float(np.mean([seconds(lambda one=one: exits(one), 3) for one in settings]))
    compiled_s = float(np.mean([seconds(lambda one=one: compiled(one), 11) for one in settings]))
    batched_s = seconds(lambda: at_once(batch), 7) / BATCH
    row_s = seconds(lambda: solve_row(wl, some[0]), 21)
    bank_s = seconds(lambda: solve_bank(wl, rows), 9)
    return {
        "rings": rings,
        "wavelengths": WAVELENGTHS,
        "max_field_error": max(errors),
        "row_solver_row_ms": row_s * 1e3,
        "sax_row_ms": plain_s * 1e3,
        "sax_compiled_row_ms": compiled_s * 1e3,
        "sax_compiled_batched_row_ms": batched_s * 1e3,
        "sax_compile_s": compile_s,
        "row_solver_bank_s": bank_s,
        "sax_bank_s": plain_s * BANK,
        "sax_compiled_bank_s": compiled_s * BANK,
        "row_over_sax": plain_s / row_s,
        "row_over_compiled_sax": compiled_s / row_s,
        "bank_over_sax": plain_s * BANK / bank_s,
        "bank_over_compiled_sax": compiled_s * BANK / bank_s,
        "bank_over_batched_sax": batched_s * BANK / bank_s,
    }


def scaling() -> dict[str, object]:
    """Time of a bank over its rows N and rings d, every row at d wavelengths, and the fitted exponents."""
    table, points = [], []
    for rings in RINGS:
        wl = jnp.linspace(1.546, 1.554, rings)
        everything = random_rows(max(ROWS), rings, np.random.default_rng(rings))
        for count in ROWS:
            rows = jax.tree.map(lambda leaf, count=count: leaf[:count], everything)
            taken_s = seconds(lambda wl=wl, rows=rows: solve_bank(wl, rows), 9)
            table.append({"rows": count, "rings": rings, "bank_ms": taken_s * 1e3})
            points.append((1.0, np.log(count), np.log(rings), np.log(taken_s)))
    *terms, measured = np.array(points).T
    design = np.stack(terms, axis=1)
    (_, power_n, power_d), *_ = np.linalg.lstsq(design, measured, rcond=None)
    residual = measured - design @ np.linalg.lstsq(design, measured, rcond=None)[0]
    return {
        "table": table,
        "exponent_rows": float(power_n),
        "exponent_rings": float(power_d),
        "fit_rms_ratio": float(np.exp(np.sqrt(np.mean(residual**2)))),
    }


def main() -> None:
    """Measure and print."""
    result = {"bank_rows": BANK, "sax_rows_timed": SAX_ROWS, "lines": [against_sax(rings) for rings in (8, 32, 64)]}
    result["scaling"] = scaling()
    if "--json" in sys.argv:
        print(json.dumps({"date": datetime.date.today().isoformat()} | result, indent=2))
        return
    for line in result["lines"] + result["scaling"]["table"]:
        print("  ".join(f"{key} {value:.3g}" for key, value in line.items()))
    print("time ~ N^{exponent_rows:.2f} d^{exponent_rings:.2f}".format(**result["scaling"]))


if __name__ == "__main__":
    main()
