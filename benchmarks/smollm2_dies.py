"""Several dies of one design read SmolLM2's signatures: what each loses against the same signature in float.

    prism lm fetch
    for die in 0 1 2; do prism calibrate bank_64x64_dual --bench virtual:$die -o out/rec$die; done
    for die in 0 1 2; do prism export out/rec$die -o out/die$die; done
    python benchmarks/smollm2_dies.py out/die0 out/die1 out/die2 --work WORK [--task NAME] [--texts N]

Every die is asked the same questions in 2,048 tokens, with programming errors and noise of its own; softened rows of
16 tokens read per head, alone and with an exact second stage on the better half of the rows, one block in eight of 64
and of 128 tokens. What is asked lies in WORK and is not asked again. A cost is the mean over the questions of the
answer's negative log-likelihood less that of the signature in float, with a 95 % interval that resamples whole texts.
The rows are written into results/smollm2_dies.json.
"""

import argparse
import json
import os
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sections.tables import resumed
from smollm2_table import chip_of, digest
from transformers import AutoTokenizer

from prism_photonics.export.read import Bundle, load
from prism_photonics.files import write_text
from prism_photonics.ranking.catalog import make_selectors
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.survey import survey, text_interval

RESULTS = Path(__file__).parent / "results" / "smollm2_dies.json"
CONTEXT, BLOCKS, DIMS, GROUP = 2048, (64, 128), 64, 3
SIGNATURES = ("soft_rows", "soft_parts_refined")
SEED_OF_A_DIE = 100
"""Seeds of a die's errors and noise are so far from those of the next."""


def main() -> None:
    """Ask what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dies", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--task", default="multi_key")
    parser.add_argument("--texts", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    chips = [load(each) for each in args.dies]
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    start = time.process_time()
    found = survey(
        model, tokenizer, selections(chips), task=args.task, context=CONTEXT, texts=range(args.texts),
        folder=args.work, of={"dies": "+".join(map(digest, args.dies))},
        tell=lambda line: print(f"{time.process_time() - start:.0f} s: {line[:60]}", flush=True),
    )  # fmt: skip
    files = [args.work / f"{args.task}_{CONTEXT}_{number}.json" for number in range(args.texts)]
    texts = [json.loads(file.read_text())["outcomes"] for file in files]
    rows = []
    for row in found:
        name, _, die = row.selector.partition(", die ")
        kept = {"task": args.task, "signature": name.split()[0], "block": row.block, "die": int(die) if die else None}
        kept |= {key: getattr(row, key) for key in ("trials", "texts", "all_right", "text_low", "text_high")}
        kept |= {"tokens_right": row.tokens_right, "delta_nll": row.delta_nll, "recall": row.recall}
        rows.append(kept | (cost(texts, row.selector, name) if die else {}))
    before = resumed("smollm2_dies").get("rows", [])
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_dies.py BUNDLE … --work WORK",
        **chip_of(args.dies),
        "dies": [{name: each.report[name] for name in ("weight_error_rms", "noise_rms")} for each in chips],
        "rows": [row for row in before if row["task"] != args.task] + rows,
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def selections(chips: list[Bundle]) -> dict[str, Selection]:
    """By name: each signature in float, and read by each die."""
    made = make_selectors(SIGNATURES, chips[0], dims=DIMS, group=GROUP)
    for number, chip in enumerate(chips):
        named = [f"photonic_{name}" for name in SIGNATURES]
        read = make_selectors(named, chip, dims=DIMS, group=GROUP, seed=SEED_OF_A_DIE * number)
        made |= {f"{name}, die {number}": read[f"photonic_{name}"] for name in SIGNATURES}

    def name_of(name: str, block: int) -> str:
        signature, _, die = name.partition(",")
        return f"{signature} {block}" + (f",{die}" if die else "")

    return {
        name_of(name, block): Selection(each, block, CONTEXT // block // 8)
        for block in BLOCKS
        for name, each in made.items()
    }


def cost(texts: list[dict[str, Any]], read: str, exact: str) -> dict[str, float]:
    """What a reading loses, nats, with its interval."""
    lost = [[one["nll"] - other["nll"] for one, other in zip(text[read], text[exact], strict=True)] for text in texts]
    low, high = text_interval(lost)
    return {"cost": float(np.mean(lost)), "cost_low": low, "cost_high": high}


if __name__ == "__main__":
    main()
