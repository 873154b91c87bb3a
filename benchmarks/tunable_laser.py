"""Calibration with one tunable laser and no modulators: accuracy and instrument time over many dies of the 8×8.

    python benchmarks/tunable_laser.py [DIES] [--first SEED] [--untrimmed] [--json]

The standard bench (``calibration/standard_8x8``) with a laser of 1 pm rms jitter, 5 pm of offset, 0.4 dB of ripple and
a quarter of a second of dead time for each line: spectra, fit, held-out targets, noise study and closed loop, as
`prism calibrate --light tunable_laser` does them. With ``--untrimmed`` the rings rest anywhere in the FSR (3 nm of
scatter from ring to ring), and are found by spectra and brought to their lines by heaters of 5 mW/nm that warm each
other (2 % one pitch away). Each die is written to ``results/tunable_laser.json`` as it is done, beside those that are
there.
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
from sections.tables import load, resumed

from prism_photonics.characterize.cost import NOTHING, calibration_wall_time_s
from prism_photonics.chip.virtual import TUNABLE_LASER, VirtualChip
from prism_photonics.files import write_text
from prism_photonics.spec import ChipSpec
from prism_photonics.workflow.job import calibrate_and_validate, recorded_trim, search_and_assign

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "tunable_laser.json"
BENCH = ROOT / "calibration" / "standard_8x8" / "spec.toml"


def scattered(spec: ChipSpec) -> ChipSpec:
    """The same chip with heaters, and rings that were made anywhere in the FSR, in any order."""
    data = spec.model_dump()
    data["trim"] |= {"method": "heater", "heater_mW_nm": 5.0, "heater_crosstalk": 0.02}
    data["variation"] |= {"resonance_local_pm": 3000.0}
    return ChipSpec.model_validate(data)


def one_die(spec: ChipSpec, seed: int, *, untrimmed: bool = False) -> dict[str, Any]:
    """All figures of one seed."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        chip = VirtualChip(spec, seed=seed, trimmed=not untrimmed, light=TUNABLE_LASER)
        searched = search_and_assign(chip, Path(name)).plan if untrimmed else NOTHING
        search_s = chip.time_s
        session, accuracy = calibrate_and_validate(chip, Path(name), seed=seed, bench=chip.label)
        trimmed = recorded_trim(Path(name))
    estimate_s = calibration_wall_time_s(None, spec, tracked=True, searched=searched, laser=chip.laser)
    return {
        "seed": seed,
        "accuracy_bits": accuracy.accuracy_bits,
        "absolute_bits": accuracy.absolute_bits,
        "precision_bits": accuracy.precision_bits,
        "closed_loop_bits": trimmed.closed_loop_bits,
        "readings_per_ring": session.readings_per_ring,
        # By the chip's own clock, and as estimated from the plan with commands and settling.
        "instrument_s": chip.time_s,
        "wall_time_s": estimate_s,
        **({"search_s": search_s, "search_sweeps": searched.sweeps} if untrimmed else {}),
        "weight_low": accuracy.weight_range.low,
        "weight_high": accuracy.weight_range.high,
        "chi2_worst_bus": float(np.max(np.asarray(session.fit.chi2))),
        "excluded_rings": int(np.asarray(session.fit.excluded).sum()),
        "over_voltage_attempts": chip.over_voltage_attempts,
        "over_power_attempts": chip.over_power_attempts,
        "took_s": round(time.perf_counter() - start, 1),
    }


def told(dies: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and worst over the dies."""
    figures: dict[str, Any] = {"dies": len(dies), "readings_per_ring": dies[0]["readings_per_ring"]}
    for name in ("accuracy_bits", "absolute_bits", "precision_bits"):
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
    untrimmed = "--untrimmed" in arguments
    spec = ChipSpec.from_toml(BENCH)
    spec = scattered(spec) if untrimmed else spec
    found: dict[str, Any] = {}
    for seed in range(first, first + count):
        die = one_die(spec, seed, untrimmed=untrimmed)
        # Dies as fabricated are told beside the trimmed ones, and say by themselves of which chip they are.
        kept = load("tunable_laser") if RESULTS.exists() else {}
        found = resumed("tunable_laser") or {name: kept[name] for name in ("untrimmed",) if name in kept}
        part = found.setdefault("untrimmed", {}) if untrimmed else found
        if "chip_then" in part:
            part.clear()
        dies = [old for old in part.get("by_die", []) if old["seed"] != seed and "absolute_bits" in old]
        dies = sorted([*dies, die], key=lambda one: one["seed"])
        part |= {
            "command": f"python benchmarks/tunable_laser.py {len(dies)}{' --untrimmed' * untrimmed}",
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
