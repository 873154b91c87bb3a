"""Keys of fewer dimensions on SmolLM2-135M: what a signature of 32 or 16 of a key's 64 dimensions finds.

    prism lm fetch
    prism calibrate bank_64x64_dual -o out/rec64 && prism export out/rec64 -o out/b64
    python benchmarks/smollm2_reduced.py out/b64 WORK [--texts N]

One of four keys asked for in 2,048 tokens, one block in eight chosen, softened rows of 16 tokens read per head, alone
and with the exact keys of half of the rows. The maps of keys and queries are made from two texts of the half that no
table asks about. Every selector is asked the same questions. What is asked lies in WORK (that of smollm2_table.py will
do) and is not asked again. It is written into results/smollm2_reduced.json.
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
from smollm2_table import chip_of, digest, selectors
from transformers import AutoTokenizer

from prism_photonics.export.read import Bundle, load
from prism_photonics.files import write_text
from prism_photonics.ranking.catalog import ROW_TOKENS
from prism_photonics.ranking.features import SoftenedBound
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.per_head import PerHead
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.survey import survey
from prism_photonics.ranking.pretrained.taught import teach
from prism_photonics.ranking.readers import ChipReader, Reader
from prism_photonics.ranking.reduced import ReducedKeys
from prism_photonics.ranking.selectors import FeatureSelector, Selector
from prism_photonics.ranking.several_rows import SeveralRows
from prism_photonics.ranking.two_stage import TwoStage

RESULTS = Path(__file__).parent / "results" / "smollm2_reduced.json"
TASK, CONTEXT, BLOCKS, DIMS, GROUP, TAUGHT, SEED = "multi_key", 2048, (64, 128), 64, 3, 2, 20
RANKS = (32, 16)
WHOLE = ("soft_rows", "photonic_soft_rows", "half_of_parts", "photonic_half_of_parts")


def main() -> None:
    """Teach, ask what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--texts", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    chip, start = load(args.bundle), time.process_time()
    whole = selectors(chip)
    made = {name: (DIMS, whole[name]) for name in WHOLE} | taught(model, tokenizer, chip)
    seconds = time.process_time() - start
    plan = {
        f"{name} {block}": Selection(each, block, CONTEXT // block // 8)
        for block in BLOCKS
        for name, (_, each) in made.items()
    }
    found = survey(
        model, tokenizer, plan, task=TASK, context=CONTEXT, texts=range(args.texts), folder=args.work,
        of={"chip": digest(args.bundle)},
        tell=lambda line: print(f"{time.process_time() - start:.0f} s: {line}", flush=True),
    )  # fmt: skip
    rows: list[dict[str, Any]] = []
    for row in found:
        name = row.selector.rpartition(" ")[0]
        rank, selector = made.get(name, (DIMS, None))
        cost = selector.cost(CONTEXT // row.block, dims=DIMS, block=row.block) if selector else {}
        rows.append(asdict(row) | {"rank": rank} | cost)
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_reduced.py BUNDLE WORK", **chip_of([args.bundle]),
        "taught": TAUGHT, "cpu_s": seconds, "rows": rows,
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def taught(model: Any, tokenizer: Any, chip: Bundle) -> dict[str, tuple[int, Selector]]:
    """By name: the rank, and the selector."""

    def read(number: int) -> Reader:
        return ChipReader(chip, seed=SEED + number, halves=chip.encoding == "dual_rail")

    def reduced(rank: int, reader: Reader | None = None) -> ReducedKeys:
        learn.append(ReducedKeys("reduced", FeatureSelector("soft", SoftenedBound(), reader), rank=rank))
        return learn[-1]

    def rows(one: ReducedKeys) -> Selector:
        return PerHead("rows", SeveralRows("rows", one, tokens=ROW_TOKENS), group=GROUP)

    def of_parts(one: ReducedKeys) -> Selector:
        refined = TwoStage("parts", PerHead("parts", one, group=GROUP), survivors=0.5)
        return SeveralRows("parts", refined, tokens=ROW_TOKENS, added=True)

    learn: list[ReducedKeys] = []
    made = {f"soft_rows of {rank}": (rank, rows(reduced(rank))) for rank in RANKS}
    half = RANKS[0]
    made[f"photonic_soft_rows of {half}"] = half, rows(reduced(half, read(1)))
    made[f"photonic_half_of_parts of {half}"] = half, of_parts(reduced(half, read(2)))
    teach(model, tokenizer, learn, context=CONTEXT // 2, block=ROW_TOKENS, texts=range(TAUGHT))
    return made


if __name__ == "__main__":
    main()
