"""Whole 4 × 4 chips that `prism design` finds for a drive of 5 V, and what drawn dies of them reach.

    python benchmarks/five_volts.py [--dies 40]

Of every film and of two reaches the chip is designed, checked, and its dies are drawn: *missed* is the share of their
rings that miss ± the reach with their neighbours at rest. Where no chip is found stand the laws that forbid it and the
smallest changes of the wishes. Writes results/five_volts.json.
"""

import argparse
import datetime
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.budget.feasibility import check
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.explore.design import design
from prism_photonics.explore.surrogate import known_calibration
from prism_photonics.files import write_text
from prism_photonics.process.profile import profile_names
from prism_photonics.programming.solve import reachable_weights
from prism_photonics.seeds import die_key
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import key_words, split

RESULTS = Path(__file__).parent / "results"
DRIVE_V, DIMS, ROWS, REACHES = 5.0, 4, 4, (0.75, 0.5)


def missed(spec: ChipSpec, dies: int) -> float:
    """Share of the rings of drawn dies that miss ± the weight limit."""
    shares = []
    for seed in range(dies):
        # The virtual chip draws its die from the first half of its key.
        die = draw_die(spec, split(key_words(die_key(seed)))[0])
        low, high = reachable_weights(known_calibration(spec, die))
        limit = spec.ranking.weight_limit
        shares.append(float(((low > -limit) | (high < limit)).mean()))
    return float(np.mean(shares))


def chip(film: str, reach: float, dies: int) -> dict[str, Any]:
    """A chip of one film and reach, or why there is none."""
    begun = time.process_time()
    found = design(dims=DIMS, rows=ROWS, process=film, max_voltage_V=DRIVE_V, weight_limit=reach)
    told: dict[str, Any] = {"film": film, "reach": reach, "cpu_s": round(time.process_time() - begun, 1)}
    if not found.feasible:
        return told | {"designed": False, "refusal": str(found).splitlines()}
    spec = found.spec
    assert check(spec).feasible
    rules = {finding.rule: finding.value for finding in check(spec).findings}
    return told | {
        "designed": True,
        "channels": spec.chip.channels,
        "buses": spec.chip.buses,
        "tuning_range": rules["tuning_range"],
        "row_reach": rules["row_reach"],
        "rings": dies * spec.chip.rows * spec.chip.rings,
        "missed": missed(spec, dies),
    }


def main() -> None:
    """Design, measure, and write what was found."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--dies", type=int, default=40)
    given = asked.parse_args()
    chips = []
    for film in profile_names():
        for reach in REACHES:
            chips.append(chip(film, reach, given.dies))
            print(chips[-1], flush=True)
    result = {
        "command": f"python benchmarks/five_volts.py --dies {given.dies}",
        "date": datetime.date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, shared with other work",
        "chips": chips,
    }
    write_text(RESULTS / "five_volts.json", json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
