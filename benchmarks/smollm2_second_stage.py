"""What a second stage reads, against what it finds: whole blocks or rows of 16 tokens, on SmolLM2.

    prism lm fetch
    prism calibrate layouts/bank_64x64_dual/spec.toml -o out/rec64 && prism export out/rec64 -o out/b64
    python benchmarks/smollm2_second_stage.py out/b64 WORK [--texts N]

One of four keys asked for in 2,048 tokens, one block of 128 in eight chosen; softened rows of 16 tokens read by the
chip per head, then the keys of a share of the blocks, or of a share of the rows. Every selector is asked the same
questions. What is asked lies in WORK (that of smollm2_table.py will do) and is not asked again. The rows are written
into results/smollm2_second_stage.json. With --anew only the chip's rows are asked, of the same texts by another chip or
another decoding; what was asked in float stays, which no chip moves.
"""

import argparse
import json
import os
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import torch
from smollm2_table import chip_of, digest, in_float, require_same_questions, selectors
from transformers import AutoTokenizer

from prism_photonics.export.read import load
from prism_photonics.files import write_text
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.survey import FULL, survey

RESULTS = Path(__file__).parent / "results" / "smollm2_second_stage.json"
TASK, CONTEXT, BLOCK, DIMS = "multi_key", 2048, 128, 64
ASKED = (
    *("oracle", "soft_rows", "photonic_soft_rows", "half_refined", "photonic_half_refined"),
    *("photonic_eighth_of_parts", "photonic_quarter_of_parts", "half_of_parts", "photonic_half_of_parts"),
)


def main() -> None:
    """Ask what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--texts", type=int, default=25)
    parser.add_argument("--anew", action="store_true", help="ask the chip's rows alone; those in float stay")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    made, start = selectors(load(args.bundle)), time.process_time()
    plan = {f"{name} {BLOCK}": Selection(made[name], BLOCK, CONTEXT // BLOCK // 8) for name in ASKED}
    kept: dict[str, Any] = {}
    if args.anew:
        kept = in_float({row["selector"]: row for row in json.loads(RESULTS.read_text())["rows"]})
        plan = {name: each for name, each in plan.items() if name not in kept}
    found = survey(
        model, tokenizer, plan, task=TASK, context=CONTEXT, texts=range(args.texts), folder=args.work,
        of={"chip": digest(args.bundle)},
        tell=lambda line: print(f"{time.process_time() - start:.0f} s: {line}", flush=True),
    )  # fmt: skip
    if kept:
        require_same_questions(kept, found)
    costs = {name: each.selector.cost(CONTEXT // BLOCK, dims=DIMS, block=BLOCK) for name, each in plan.items()}
    rows = {row.selector: asdict(row) | costs.get(row.selector, {}) for row in found} | kept
    by_name = {name: rows[name] for name in (FULL, *(f"{each} {BLOCK}" for each in ASKED))}
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_second_stage.py BUNDLE WORK", **chip_of([args.bundle]),
        "all_keys_bytes": 2 * CONTEXT * DIMS,
        "rows": [*by_name.values()],
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
