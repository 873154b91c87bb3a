"""Accuracy on full virtual dies of the standard bench, by the fit as it is and by the plain row's alone.

    python benchmarks/full_die.py [DIES] [8x8|4x8] [1pm|5pm|…] [reflecting|plain] [--json]

Dies have everything, TM on each one's own film as well (`VirtualChip(truth=FullTruth(splitting_pm=…, te_tm=1.0))`).
Each is calibrated as `prism calibrate` does it, and once more by the fit of the plain row alone; then held-out targets.
Each die is written to ``results/full_die.json`` as it is done; one that is there is not measured again, unless its
facets were those of before 2026-11-30 23:00, −30 dB at the fibre and weakened by the coupler too.
"""

import json
import os
import platform
import sys
import time
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from sections.tables import resumed

from prism_photonics.calibration import survey_fit
from prism_photonics.characterize.accuracy import validate
from prism_photonics.chip.truth import FullTruth
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.files import write_text
from prism_photonics.seeds import validation_key
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.workflow.session import calibrate_chip

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "full_die.json"
BENCH = ROOT / "calibration" / "standard_8x8" / "spec.toml"
# What makes a bench of a chip: slow instruments in a room that drifts.
BENCH_KEYS = {
    "drive": ("dac_bits",),
    "detector": ("bandwidth_GHz", "adc_bits"),
    "drift": ("temperature_K", "thermal_time_s"),
}
# Tables that differ from the standard bench's.
BANKS: dict[str, dict[str, dict[str, Any]]] = {"8x8": {}, "4x8": {"chip": {"buses": 4}}}
# What is asked for comes first, on every die: a run that is ended early has those. The other splittings are told as a
# range, on fewer dies.
ASKED = (("8x8", 1.0), ("8x8", 5.0), ("4x8", 1.0))
RANGE, RANGE_DIES = (("8x8", 0.3), ("8x8", 3.0), ("8x8", 10.0)), 5
ROADS = ("reflecting", "plain")
SPLITTINGS = [f"{splitting_pm:g}pm" for _, splitting_pm in ASKED + RANGE]
TARGETS = 12


def bank_spec(name: str) -> ChipSpec:
    """The chip of the standard bench, with another bank."""
    data = ChipSpec.from_toml(BENCH).model_dump()
    for table, values in BANKS[name].items():
        data[table] = data[table] | values
    return ChipSpec.model_validate(data)


def on_bench(chip: str) -> ChipSpec:
    """A shipped chip on the standard bench's instruments, in its room."""
    bench, data = ChipSpec.from_toml(BENCH).model_dump(), load_spec(chip).model_dump()
    for table, keys in BENCH_KEYS.items():
        data[table] |= {key: bench[table][key] for key in keys}
    return ChipSpec.model_validate(data)


def one_die(spec: ChipSpec, seed: int, truth: FullTruth | str, *, plain: bool = False) -> dict[str, Any]:
    """Accuracy and χ² of one die, by the fit as it is or by the plain row's alone."""
    chip = VirtualChip(spec, seed=seed, truth=truth)
    start = time.process_time()
    with mock.patch.object(survey_fit, "fuller", return_value=None) if plain else nullcontext():
        session = calibrate_chip(chip, seed=seed)
    took_s = time.process_time() - start
    found = validate(
        chip,
        session.fit,
        spec,
        key=validation_key(seed),
        targets=TARGETS,
        settings=1,
        repeats=2,
        tracker=session.tracker,
    )
    spoiled = session.fit.spoiled
    return {
        "seed": seed,
        "drawn_facets": True,
        "accuracy_bits": found.accuracy_bits,
        # Rings whose line no fit explains count in the accuracy; beside it that of the others.
        "spoiled_rings": int(spoiled.sum()),
        "bits_of_other_rings": found.bits_without(spoiled),
        "chi2_median_bus": float(np.median(np.asarray(session.fit.chi2))),
        "chi2_worst_bus": float(np.max(np.asarray(session.fit.chi2))),
        "readings_per_ring": session.readings_per_ring,
        "survey_and_fit_s": took_s,
        "excluded_rings": int(np.asarray(session.fit.excluded).sum()),
        "reflecting": session.fit.rows.beyond is not None,
    }


def told(dies: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and worst over the dies."""
    bits = [die["accuracy_bits"] for die in dies]
    return {
        "dies": len(dies),
        "median": float(np.median(bits)),
        "worst": min(bits),
        "chi2_median_bus": float(np.median([die["chi2_median_bus"] for die in dies])),
        "survey_and_fit_s": float(np.median([die["survey_and_fit_s"] for die in dies])),
        "by_die": dies,
    }


def main() -> None:
    """Measure, write and print."""
    count = next((int(word) for word in sys.argv[1:] if word.isdigit()), 20)
    found: dict[str, Any] = resumed("full_die")
    banks: dict[str, dict[str, dict[str, Any]]] = found.get("banks", {})
    few = min(count, RANGE_DIES)
    asked = [(case, road, seed) for road, seed, case in product(ROADS, range(count), ASKED)]
    for (bank, splitting_pm), road, seed in asked + [each for each in product(RANGE, ROADS, range(few))]:
        # Words leave what they name of banks, splittings and roads.
        if any(
            any(word in every for word in sys.argv) and this not in sys.argv
            for this, every in ((bank, BANKS), (f"{splitting_pm:g}pm", SPLITTINGS), (road, ROADS))
        ):
            continue
        roads = banks.setdefault(bank, {}).setdefault(f"{splitting_pm:g}", {})
        dies = roads.get(road, {}).get("by_die", [])
        if any(known["seed"] == seed and known.get("drawn_facets") for known in dies):
            continue
        before = [known["accuracy_bits"] for known in dies if known["seed"] == seed]
        dies = [known for known in dies if known["seed"] != seed]
        truth = FullTruth(splitting_pm=splitting_pm, te_tm=1.0)
        die = one_die(bank_spec(bank), seed, truth, plain=road == "plain")
        die |= {"bits_before": before[0]} if before else {}
        roads[road] = told(sorted([*dies, die], key=lambda one: one["seed"]))
        found = {
            "date": time.strftime("%Y-%m-%d"),
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
            "command": "python benchmarks/full_die.py",
            "bench": BENCH.relative_to(ROOT).as_posix(),
            "banks": banks,
        }
        write_text(RESULTS, json.dumps(found, indent=2) + "\n")
        print(bank, splitting_pm, road, die, file=sys.stderr, flush=True)
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
