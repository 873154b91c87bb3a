"""What searches found, on drawn dies, beside `bank_32x256` of as many rows on dies of the same seeds.

    python benchmarks/explore_dies.py FOLDER DESIGN [DESIGN ...] [--dies 8] [--doubled]

FOLDER is that of one film's `prism explore`, such as `explore.py --keep` leaves, a DESIGN one of its specs by number.
Every die is programmed, drifts and is read as in `bank_recall.py`. *Rings short* are those of some 500 drawn ones that
miss ± their weight limit, neighbours at rest; *out of reach* are the weights of the signatures that a die misses.
``--doubled`` asks each design again with twice the converter's range and one more bit: where those dies recall more,
the converter clipped. Writes results/explore_dies.json, of other films what it had.
"""

import argparse
import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

from bank_recall import COMMON_PM, OWN_PM, one_bank, summary
from explore import BANK, cut
from sections.tables import resumed

from prism_photonics.budget.light_sizing import with_keys
from prism_photonics.explore.drawn_reach import drawn_reaches
from prism_photonics.explore.objectives import area_mm2, energy_uJ, expected_recall
from prism_photonics.files import write_text
from prism_photonics.spec import ChipSpec, load_spec

RESULTS = Path(__file__).parent / "results"


def on_dies(spec: ChipSpec, k: int, dies: int) -> dict[str, Any]:
    """What a chip costs, what the search says of it, and what its dies do."""
    return {
        "energy_uJ": energy_uJ(spec),
        "area_mm2": area_mm2(spec),
        "recall_by_formula": expected_recall(spec, k),
        "rings_short": float((drawn_reaches(spec) < spec.ranking.weight_limit).mean()),
        "on_dies": summary([one_bank(spec, seed, k=k) for seed in range(dies)]),
    }


def main() -> None:
    """Measure, and write what was found."""
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", type=Path)
    asked.add_argument("designs", nargs="+", type=int)
    asked.add_argument("--dies", type=int, default=8)
    asked.add_argument("--doubled", action="store_true")
    given = asked.parse_args()
    searched = json.loads((given.folder / "explore.json").read_text())
    specs = {number: load_spec(str(given.folder / f"design_{number}.toml")) for number in given.designs}
    first, k = next(iter(specs.values())), searched["k"]
    found = {BANK: on_dies(cut(BANK, first.chip.rows), k, given.dies)}
    for number, spec in specs.items():
        found[f"design_{number}"] = {"choice": searched["designs"][number]["choice"], **on_dies(spec, k, given.dies)}
        if given.doubled:
            room_uA, bits = 2.0 * spec.detector.adc_full_scale_uA, spec.detector.adc_bits + 1
            changed = {"detector.adc_full_scale_uA": room_uA, "detector.adc_bits": bits}
            wider = on_dies(with_keys(spec, changed), k, given.dies)
            found[f"design_{number}, range doubled"] = {"changed": changed, **wider}
    path = RESULTS / "explore_dies.json"
    films = resumed("explore_dies").get("films", {})
    films[first.process] = {"rows": first.chip.rows, "k": k, "trials": searched["trials"], "chips": found}
    result = {
        "command": f"python benchmarks/explore_dies.py FOLDER DESIGN ... --dies {given.dies}"
        f"{' --doubled' if given.doubled else ''}",
        "drift_pm": {"own": OWN_PM, "common": COMMON_PM},
        "date": datetime.date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, shared with other work",
        "films": films,
    }
    write_text(path, json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
