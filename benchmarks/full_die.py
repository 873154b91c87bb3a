"""Accuracy on full virtual dies against the splitting of their rings, by the fit as it is and by the plain row's alone.

    python benchmarks/full_die.py [DIES] [--keep] [--json]

The standard bench, die by die: `VirtualChip(truth=FullTruth(splitting_pm=…))`, calibrated as `prism calibrate` does it,
and once more by the fit of the plain row alone; then held-out targets. Each die is written to ``results/full_die.json``
as it is done.
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
from prism_photonics.spec import ChipSpec
from prism_photonics.workflow.session import calibrate_chip

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "full_die.json"
BENCH = ROOT / "calibration" / "standard_8x8" / "spec.toml"
# The two splittings that are asked for come first, on every die: a run that is ended early has those.
SPLITTINGS_PM = ((1.0, 5.0), (0.3, 3.0, 10.0))
TARGETS = 12


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
    spec = ChipSpec.from_toml(BENCH)
    found: dict[str, Any] = resumed("full_die") if "--keep" in sys.argv else {}
    dies: dict[str, dict[str, list[dict[str, Any]]]] = {
        name: {road: list(each["by_die"]) for road, each in roads.items()}
        for name, roads in found.get("splittings_pm", {}).items()
    }
    for few in SPLITTINGS_PM:
        for seed, splitting_pm in product(range(count), few):
            case = f"{splitting_pm:g}"
            for road in ("reflecting", "plain"):
                if any(known["seed"] == seed for known in dies.get(case, {}).get(road, [])):
                    continue
                die = one_die(spec, seed, FullTruth(splitting_pm=splitting_pm), plain=road == "plain")
                dies.setdefault(case, {}).setdefault(road, []).append(die)
                found = {
                    "date": time.strftime("%Y-%m-%d"),
                    "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
                    "command": "python benchmarks/full_die.py",
                    "bench": BENCH.relative_to(ROOT).as_posix(),
                    "splittings_pm": {
                        name: {road: told(each) for road, each in roads.items()} for name, roads in dies.items()
                    },
                }
                write_text(RESULTS, json.dumps(found, indent=2) + "\n")
                print(case, road, die, file=sys.stderr, flush=True)
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
