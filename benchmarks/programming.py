"""Time, memory and error of programming, from weights to driver codes, and what rounding whole rows gains.

    python benchmarks/programming.py [--json]

Chips are the designs with the scatter that trimming leaves and random bus phases; targets are uniform over 90 % of what
every ring reaches alone, or, on the paper's rows, which reach nothing together, Gaussian signatures as in
`bank_recall`. The first call compiles and is timed apart; then the shortest of a few calls is given, as others may use
the machine; the processor time of all threads together hardly depends on that. Rounding is measured against the
nearest codes on targets that the exact voltages meet. The result is also written to
results/programming.json.
"""

import json
import os
import platform
import resource
import sys
import time
from datetime import date
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from prism_photonics.calibration.calibration import Calibration, blank_calibration
from prism_photonics.programming.bus import bus_of, weights_and_slopes
from prism_photonics.programming.rounding import round_bus
from prism_photonics.programming.solve import program, reachable_weights
from prism_photonics.spec import ChipSpec

LAYOUTS = Path(__file__).parents[1] / "layouts"
RESULTS = Path(__file__).parent / "results" / "programming.json"
ROW = 3


def layout(name: str, **changes: dict[str, object]) -> ChipSpec:
    """A layout's spec with some values changed."""
    data = ChipSpec.from_toml(LAYOUTS / name / "spec.toml").model_dump()
    return ChipSpec.model_validate(data | {table: data[table] | value for table, value in changes.items()})


def scattered(spec: ChipSpec, rng: np.random.Generator) -> Calibration:
    """A calibration of the design with offsets as trimming leaves them and random bus phases."""
    blank = blank_calibration(spec, triggers=0)
    rings, buses = blank.rows.rings, blank.rows.buses
    offset_pm = rings.offset_pm + spec.trim.residual_pm * rng.standard_normal(rings.offset_pm.shape)
    phase_rad = rng.uniform(0.0, 2.0 * np.pi, buses.phase_rad.shape)
    return eqx.tree_at(
        lambda c: (c.rows.rings.offset_pm, c.rows.buses.phase_rad), blank, (offset_pm, jnp.asarray(phase_rad))
    )


def timed(call, repeats: int) -> tuple[float, float, float]:
    """Time of the first call, the shortest of the others, and the least processor time of one, all in s."""
    times, worked = [], []
    for _ in range(repeats + 1):
        start, work = time.perf_counter(), time.process_time()
        call()
        times.append(time.perf_counter() - start)
        worked.append(time.process_time() - work)
    return times[0], min(times[1:]), min(worked[1:])


def measure(spec: ChipSpec, *, repeats: int, gaussian: bool = False) -> dict[str, float]:
    """A whole bank, and one row of it as a new block would ask."""
    rng = np.random.default_rng(spec.chip.rows)
    calibration = scattered(spec, rng)
    if gaussian:
        targets = spec.ranking.weight_limit * np.clip(rng.standard_normal(calibration.shape) / 3.0, -1.0, 1.0)
    else:
        low, high = reachable_weights(calibration)
        targets = rng.uniform(0.95 * low + 0.05 * high, 0.05 * low + 0.95 * high)
    first_s, again_s, work_s = timed(lambda: program(calibration, targets), repeats)
    row_first_s, row_s, _ = timed(lambda: program(calibration, targets[ROW : ROW + 1], rows=[ROW]), 20)
    done = program(calibration, targets)
    line = {
        "rings": targets.size,
        "bank_s": again_s,
        "bank_processor_s": work_s,
        "bank_first_call_s": first_s,
        "row_ms": row_s * 1e3,
        "row_first_call_s": row_first_s,
        "residual_rms": float(np.sqrt(np.mean(done.residual**2))),
        "residual_rms_of_full_scale": float(np.sqrt(np.mean(done.residual**2))) / 2.0,
        "out_of_reach_share": len(done.out_of_reach) / targets.size,
        "peak_memory_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }
    print(f"{spec.name}: {line}", file=sys.stderr)
    return line


def rounding_gain(spec: ChipSpec, *, dac_bits: int) -> dict[str, float]:
    """The rms weight error that a driver of few codes leaves, ring by ring and row by row."""
    rng = np.random.default_rng(dac_bits)
    calibration = scattered(spec, rng)
    top_V, count = calibration.max_voltage_V, spec.chip.rows * spec.chip.buses
    step_V = 2.0 * top_V / (2**dac_bits - 1)
    exact_V = rng.uniform(-0.9 * top_V, 0.9 * top_V, (count, spec.chip.channels))

    @jax.jit
    def errors(number, volts):
        bus = bus_of(calibration, number)
        wanted = weights_and_slopes(bus, volts)[0]
        nearest = jnp.round((volts + top_V) / step_V) * step_V - top_V
        by_row = round_bus(bus, volts, wanted, max_voltage_V=top_V, step_V=step_V)[1]
        return weights_and_slopes(bus, nearest)[0] - wanted, by_row - wanted

    nearest, by_row = jax.vmap(errors)(jnp.arange(count), jnp.asarray(exact_V))
    rms = lambda error: float(jnp.sqrt(jnp.mean(error**2)))  # noqa: E731
    return {"dac_bits": dac_bits, "nearest_rms": rms(nearest), "by_row_rms": rms(by_row)}


def main() -> None:
    """Measure, print and write."""
    demo, bank, paper = (layout(name) for name in ("demo_8x8", "bank_32x256", "paper_32x256"))
    large = layout("demo_8x8", chip={"rows": 1024, "buses": 8})
    result = {
        "banks": {
            "demo_8x8": measure(demo, repeats=9),
            "bank_32x256": measure(bank, repeats=5),
            "64x1024 as 8 buses of 8": measure(large, repeats=5),
            "paper_32x256": measure(paper, repeats=3, gaussian=True),
        },
        "rounding": {
            "demo_8x8": [rounding_gain(demo, dac_bits=bits) for bits in (14, 8)],
            "paper_32x256": [rounding_gain(paper, dac_bits=bits) for bits in (8, 6)],
        },
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {jax.default_backend()}",
        "command": "python benchmarks/programming.py",
    }
    text = json.dumps(result, indent=2) + "\n"
    RESULTS.write_text(text)
    print(text if "--json" in sys.argv else "", end="")


if __name__ == "__main__":
    main()
