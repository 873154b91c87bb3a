"""What a search found, on drawn dies: weights reached and recall, beside `bank_32x256` on dies of the same seeds.

    python benchmarks/explore_dies.py FOLDER DESIGN [DESIGN ...] [--dies 8]

FOLDER is that of `prism explore`, a DESIGN one of its specs by number. Every die is programmed, drifts and is read as
in `bank_recall.py`. *Rings short* are those of some 500 drawn ones that miss ± their weight limit, neighbours at rest;
*out of reach* are the weights of the signatures that a die misses. Writes results/explore_dies.json.
"""

import argparse
import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

from bank_recall import COMMON_PM, OWN_PM, one_bank, summary

from prism_photonics.explore.drawn_reach import drawn_reaches
from prism_photonics.explore.objectives import area_mm2, energy_uJ, expected_recall
from prism_photonics.files import write_text
from prism_photonics.spec import ChipSpec, load_spec

RESULTS = Path(__file__).parent / "results"
K, BANK = 32, "bank_32x256"


def on_dies(spec: ChipSpec, dies: int) -> dict[str, Any]:
    """What a chip costs, what the search says of it, and what its dies do."""
    return {
        "energy_uJ": energy_uJ(spec),
        "area_mm2": area_mm2(spec),
        "recall_by_formula": expected_recall(spec, K),
        "rings_short": float((drawn_reaches(spec) < spec.ranking.weight_limit).mean()),
        "on_dies": summary([one_bank(spec, seed) for seed in range(dies)]),
    }


def main() -> None:
    """Measure, and write what was found."""
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", type=Path)
    asked.add_argument("designs", nargs="+", type=int)
    asked.add_argument("--dies", type=int, default=8)
    given = asked.parse_args()
    searched = json.loads((given.folder / "explore.json").read_text())
    found = {BANK: on_dies(load_spec(BANK), given.dies)}
    for number in given.designs:
        spec = load_spec(str(given.folder / f"design_{number}.toml"))
        found[f"design_{number}"] = {"choice": searched["designs"][number]["choice"], **on_dies(spec, given.dies)}
    result = {
        "search": f"prism explore {searched['from']} --beat {BANK} --trials {searched['trials']}",
        "drift_pm": {"own": OWN_PM, "common": COMMON_PM},
        "date": datetime.date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, shared with other work",
        "chips": found,
    }
    write_text(RESULTS / "explore_dies.json", json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
