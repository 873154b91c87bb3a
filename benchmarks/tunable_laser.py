"""Calibration with one tunable laser and no modulators: accuracy and instrument time over many dies of the 8×8.

    python benchmarks/tunable_laser.py [DIES] [--first SEED] [--json]

The standard bench (``calibration/standard_8x8``) with a laser of 1 pm rms jitter, 5 pm of offset, 0.4 dB of ripple and
a quarter of a second of dead time for each line: spectra, fit, held-out targets, noise study and closed loop, as
`prism calibrate --light tunable_laser` does them. Each die is written to ``results/tunable_laser.json`` as it is done,
beside those that are there.
"""

import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.characterize.cost import calibration_wall_time_s
from prism_photonics.chip.virtual import TUNABLE_LASER, VirtualChip
from prism_photonics.files import write_text
from prism_photonics.spec import ChipSpec
from prism_photonics.workflow.job import calibrate_and_validate, recorded_trim

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "tunable_laser.json"
BENCH = ROOT / "calibration" / "standard_8x8" / "spec.toml"


def one_die(spec: ChipSpec, seed: int) -> dict[str, Any]:
    """All figures of one seed."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        chip = VirtualChip(spec, seed=seed, light=TUNABLE_LASER)
        session, accuracy = calibrate_and_validate(chip, Path(name), seed=seed, bench=chip.label)
        trimmed = recorded_trim(Path(name))
    estimate_s = calibration_wall_time_s(None, spec, tracked=True, laser=chip.laser)
    return {
        "seed": seed,
        "accuracy_bits": accuracy.accuracy_bits,
        "precision_bits": accuracy.precision_bits,
        "closed_loop_bits": trimmed.closed_loop_bits,
        "readings_per_ring": session.readings_per_ring,
        # By the chip's own clock, and as estimated from the plan with commands and settling.
        "instrument_s": chip.time_s,
        "wall_time_s": estimate_s,
        "weight_low": accuracy.weight_range.low,
        "weight_high": accuracy.weight_range.high,
        "chi2_worst_bus": float(np.max(np.asarray(session.fit.chi2))),
        "excluded_rings": int(np.asarray(session.fit.excluded).sum()),
        "over_voltage_attempts": chip.over_voltage_attempts,
        "took_s": round(time.perf_counter() - start, 1),
    }


def told(dies: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and worst over the dies."""
    figures: dict[str, Any] = {"dies": len(dies), "readings_per_ring": dies[0]["readings_per_ring"]}
    for name in ("accuracy_bits", "precision_bits"):
        bits = [die[name] for die in dies]
        figures[name] = {"median": float(np.median(bits)), "worst": float(np.min(bits))}
    last = [die["closed_loop_bits"][-1] for die in dies]
    figures["closed_loop_bits"] = {"median": float(np.median(last)), "worst": float(np.min(last))}
    for name in ("instrument_s", "wall_time_s", "took_s"):
        figures[name] = {
            "median": float(np.median([die[name] for die in dies])),
            "worst": max(die[name] for die in dies),
        }
    return figures


def main(arguments: list[str]) -> dict[str, Any]:
    """Measure so many dies, from a first one on."""
    numbers = [int(text) for text in arguments if text.isdigit()]
    first = int(arguments[arguments.index("--first") + 1]) if "--first" in arguments else 0
    count = next((n for n in numbers), 4)
    spec = ChipSpec.from_toml(BENCH)
    for seed in range(first, first + count):
        die = one_die(spec, seed)
        before = json.loads(RESULTS.read_text(encoding="utf-8"))["by_die"] if RESULTS.exists() else []
        dies = sorted([old for old in before if old["seed"] != seed] + [die], key=lambda one: one["seed"])
        found = {
            "command": f"python benchmarks/tunable_laser.py {len(dies)}",
            "date": datetime.date.today().isoformat(),
            "hardware": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "spec_hash": spec.hash,
            **told(dies),
            "by_die": dies,
        }
        write_text(RESULTS, json.dumps(found, indent=2) + "\n")
        print(f"seed {seed}: {die['accuracy_bits']:.2f} bits in {die['instrument_s']:.0f} s of instruments", flush=True)
    return found


if __name__ == "__main__":
    result = main([text for text in sys.argv[1:] if text != "--json"])
    if "--json" in sys.argv:
        print(json.dumps(result, indent=2))
