"""Block size by head on SmolLM2-135M: 32, 64 or 128 tokens as each KV head needs, at the rows of one size for all.

    python benchmarks/smollm2_sizes.py BUNDLE WORK [--teach N] [--texts N]

Softened bounds, one row for a block, each query head reading alone, in float and by the chip; 256 of 2,048 tokens
chosen, sink 4, window 64. Sizes are shared out by what they cover on text to learn from, other templates than those
that are asked. What is asked lies in WORK and is not asked again. It is written into results/smollm2_sizes.json.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

import torch
from smollm2_table import chip_of, digest
from transformers import AutoTokenizer

from prism_photonics.export.read import load
from prism_photonics.files import write_text
from prism_photonics.ranking.features import SoftenedBound
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.per_head import PerHead
from prism_photonics.ranking.pretrained.by_layer import covered_by_head
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.survey import survey
from prism_photonics.ranking.readers import ChipReader, Reader
from prism_photonics.ranking.selectors import FeatureSelector, Selector
from prism_photonics.ranking.sized import SizedByHead, share_out

RESULTS = Path(__file__).parent / "results" / "smollm2_sizes.json"
CONTEXT, SHORTEST, SIZES, LAYERS, KV_HEADS, GROUP, DIMS = 2048, 32, (1, 2, 4), 30, 3, 3, 64
ROWS = 0.5
"""Rows for a shortest block: as many as blocks of 64 tokens take everywhere."""


def main() -> None:
    """Teach, ask what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--teach", type=int, default=2)
    parser.add_argument("--texts", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    chip = load(args.bundle)
    start = time.process_time()

    def chosen(sizes: Sequence[Sequence[int]], reader: Reader | None = None) -> Selection:
        soft = FeatureSelector("soft", SoftenedBound(), reader)
        each: Selector = PerHead("sized", SizedByHead("sized", soft, sizes), group=GROUP)
        return Selection(each, SHORTEST, CONTEXT // SHORTEST // 8)

    alike = {size: chosen([[size] * KV_HEADS] * LAYERS) for size in SIZES}
    args.work.mkdir(parents=True, exist_ok=True)
    learned = args.work / f"taught_{args.teach}.json"
    if not learned.is_file():
        named = {str(size): selection for size, selection in alike.items()}
        found = covered_by_head(model, tokenizer, named, context=CONTEXT, texts=range(args.teach))
        write_text(learned, json.dumps({name: each.tolist() for name, each in found.items()}) + "\n")
    covered = {int(name): torch.tensor(each) for name, each in json.loads(learned.read_text()).items()}
    sizes = share_out(covered, rows=ROWS)
    reader = ChipReader(chip, seed=1, halves=chip.encoding == "dual_rail")
    selections = {f"all {size * SHORTEST}": selection for size, selection in alike.items()}
    selections |= {"by head": chosen(sizes), "by head, chip": chosen(sizes, reader)}
    rows = survey(
        model, tokenizer, selections, task="multi_key", context=CONTEXT, texts=range(args.texts),
        folder=args.work, of={"chip": digest(args.bundle), "teach": args.teach},
        tell=lambda line: print(f"{time.process_time() - start:.0f} s: {line}", flush=True),
    )  # fmt: skip
    counted = Counter(size * SHORTEST for of_heads in sizes for size in of_heads)
    cost = {
        name: each.selector.cost(CONTEXT // SHORTEST, dims=DIMS, block=SHORTEST)["signature_bytes"] / (4 * DIMS)
        for name, each in selections.items()
    }
    cost["by head, chip"] = cost["by head"]
    taught = {f"all {size * SHORTEST}": float(each.mean()) for size, each in covered.items()}
    of_heads = [float(covered[sizes[x][y]][x, y]) for x in range(LAYERS) for y in range(KV_HEADS)]
    taught["by head"] = sum(of_heads) / len(of_heads)
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_sizes.py BUNDLE WORK", **chip_of([args.bundle]),
        "context": CONTEXT, "teach": args.teach,
        "heads_by_size": dict(sorted(counted.items())), "sizes": sizes,
        "taught": taught,
        "rows": [asdict(row) | {"rows_of_signatures": cost.get(row.selector, 0.0)} for row in rows],
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
