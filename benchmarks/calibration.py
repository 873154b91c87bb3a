"""Calibration on slow instruments in a drifting room: accuracy and precision over many dies of three banks.

    python benchmarks/calibration.py [DIES] [8x8|4x8|16|32x256 …] [--json]

The standard bench: 16-bit drivers, 5 pA/√Hz, readings of a millisecond, 0.1 K of slow drift (forgotten in ten minutes)
that is followed. Survey, fit, held-out targets and closed-loop trim as `prism calibrate` does them. Each die is written
to ``results/calibration.json`` as it is done, beside the banks that are there.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sections.tables import resumed

from prism_photonics.characterize.cost import calibration_wall_time_s
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.files import write_text
from prism_photonics.spec import ChipSpec
from prism_photonics.workflow.job import calibrate_and_validate, recorded_trim

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "calibration.json"
BENCH = ROOT / "calibration" / "standard_8x8" / "spec.toml"
BANKS: dict[str, dict[str, dict[str, Any]]] = {
    "8x8": {},
    # Eight of the rows of a 32-channel bank: rows are calibrated side by side.
    "4x8": {"chip": {"buses": 4}},
    # All of them, with the light and the converter of layouts/bank_32x256.
    "32x256": {
        "chip": {"buses": 4, "rows": 256},
        "comb": {"line_power_dBm": 10.0},
        "detector": {"adc_full_scale_uA": 20.0},
    },
    # Sixteen of its rings. At its own gaps, 0.645 µm, a tenth of them reach less than ± 0.75 (`prism check`, row_reach,
    # 0.71): neighbours 0.24 nm away take too much of a line. These gaps are the cure that it names.
    "16": {
        "chip": {"channels": 16},
        "comb": {"spacing_nm": 0.24},
        "ring": {"gap_through_um": 0.661, "gap_drop_um": 0.661},
    },
}


def bank_spec(name: str) -> ChipSpec:
    """The chip of the standard bench, with another bank."""
    data = ChipSpec.from_toml(BENCH).model_dump()
    for table, values in BANKS[name].items():
        data[table] = data[table] | values
    return ChipSpec.model_validate(data)


def one_die(spec: ChipSpec, seed: int) -> dict[str, Any]:
    """All figures of one seed."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        chip = VirtualChip(spec, seed=seed)
        session, accuracy = calibrate_and_validate(chip, Path(name), seed=seed, bench=chip.label)
        trimmed = recorded_trim(Path(name))
    return {
        "seed": seed,
        "accuracy_bits": accuracy.accuracy_bits,
        "precision_bits": accuracy.precision_bits,
        "closed_loop_bits": trimmed.closed_loop_bits,
        "readings_per_ring": session.readings_per_ring,
        "wall_time_s": calibration_wall_time_s(
            None, spec, tracked=accuracy.validation.drift_readings + trimmed.drift_readings > 0
        ),
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
        figures[name] = {"median": round(float(np.median(bits)), 2), "worst": round(min(bits), 2)}
    last = [die["closed_loop_bits"][-1] for die in dies]
    figures["closed_loop_bits"] = {"median": round(float(np.median(last)), 2), "worst": round(min(last), 2)}
    figures["wall_time_s"] = round(float(np.median([die["wall_time_s"] for die in dies])), 1)
    return figures


def main() -> None:
    """Measure, write and print."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    count = next((int(word) for word in words if word.isdigit() and word not in BANKS), 20)
    found = resumed("calibration")
    for name in [word for word in words if word in BANKS] or list(BANKS):
        spec, dies = bank_spec(name), []
        for seed in range(count):
            dies.append(one_die(spec, seed))
            today = time.strftime("%Y-%m-%d")
            banks = found.get("banks", {}) | {name: {"date": today} | told(dies) | {"by_die": dies}}
            found |= {
                "date": today,
                "hardware": "2 cores, AMD EPYC, CPU only",
                "command": "python benchmarks/calibration.py",
                "bench": BENCH.relative_to(ROOT).as_posix(),
                "banks": banks,
            }
            write_text(RESULTS, json.dumps(found, indent=2) + "\n")
            if "--json" not in sys.argv:
                print(name, {key: value for key, value in dies[-1].items() if key != "closed_loop_bits"}, flush=True)
    print(json.dumps({name: told(bank["by_die"]) for name, bank in found["banks"].items()}, indent=2))


if __name__ == "__main__":
    main()
