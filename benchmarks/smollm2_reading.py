"""Blocks of 128 on SmolLM2-135M: what is lost where fewer or more of them are read, or the first layers read all.

    prism lm fetch
    prism calibrate bank_64x64_dual -o out/rec64 && prism export out/rec64 -o out/b64
    python benchmarks/smollm2_reading.py out/b64 WORK [--task NAME] [--texts N]

Chosen by exact attention, and by the keys of those rows of 16 tokens that the chip scores best, half of all
(``photonic_half_of_parts``): 1, 2, 3, 4 and 8 of 16 blocks, and 2 with the first two layers dense. How the text goes
on, and one of four keys. What is asked lies in WORK (that of smollm2_table.py will do) and is not asked again. The
rows of the task are written into results/smollm2_reading.json.
"""

import argparse
import json
import os
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path

import torch
from sections.tables import resumed
from smollm2_table import chip_of, digest, selectors
from transformers import AutoTokenizer

from prism_photonics.export.read import Bundle, load
from prism_photonics.files import write_text
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.survey import survey

RESULTS = Path(__file__).parent / "results" / "smollm2_reading.json"
CONTEXT, BLOCK, NAMES, CHOSEN, USUAL, DENSE = 2048, 128, ("oracle", "photonic_half_of_parts"), (1, 2, 3, 4, 8), 2, 2


def main() -> None:
    """Ask what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--task", default="text")
    parser.add_argument("--texts", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    plan, start = settings(load(args.bundle)), time.process_time()
    found = survey(
        model, tokenizer, plan, task=args.task, context=CONTEXT, texts=range(args.texts), folder=args.work,
        of={"chip": digest(args.bundle)},
        tell=lambda line: print(f"{time.process_time() - start:.0f} s: {line}", flush=True),
    )  # fmt: skip
    rows = []
    for row in found:
        chosen = plan.get(row.selector)
        told = {"k": chosen.k, "dense_layers": len(chosen.dense_layers)} if chosen else {"k": 0, "dense_layers": 0}
        rows.append(asdict(row) | told)
    before = resumed("smollm2_reading").get("rows", [])
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_reading.py BUNDLE WORK", **chip_of([args.bundle]),
        "rows": [row for row in before if row["task"] != args.task] + rows,
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def settings(chip: Bundle) -> dict[str, Selection]:
    """How blocks are chosen, by name; the usual ones are named as in the table."""
    made, plan = selectors(chip), {}
    for name in NAMES:
        for k in CHOSEN:
            plan[f"{name} {BLOCK}" + (f", {k} chosen" if k != USUAL else "")] = Selection(made[name], BLOCK, k)
        dense = frozenset(range(DENSE))
        plan[f"{name} {BLOCK}, {DENSE} layers dense"] = Selection(made[name], BLOCK, USUAL, dense)
    return plan


if __name__ == "__main__":
    main()
