"""Mean key or bound in each layer of SmolLM2-135M, chosen on text to learn from, and what that recalls of other text.

    python benchmarks/smollm2_layers.py [--teach N] [--judge N]

One block in eight of 2,048 tokens, sink 4, window 64. Other halves of the language reference, other templates and names
teach than judge. The rows are written into results/smollm2_layers.json.
"""

import argparse
import json
import os
import time
from datetime import date
from pathlib import Path

import torch
from transformers import AutoTokenizer

from prism_photonics.files import write_text
from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.per_layer import PerLayer, best_of_layers
from prism_photonics.ranking.pretrained.by_layer import recall_by_layer
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.selectors import FeatureSelector, Selector

RESULTS = Path(__file__).parent / "results" / "smollm2_layers.json"
CONTEXT, BLOCKS, JUDGED = 2048, (16, 64, 128), 5000


def main() -> None:
    """Teach, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teach", type=int, default=3)
    parser.add_argument("--judge", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    start, rows = time.process_time(), []
    kinds: dict[str, Selector] = {
        "mean_key": FeatureSelector("mean_key", MeanKey()),
        "bound": FeatureSelector("bound", Bound()),
    }
    judged = {f"{name} {block}": at(selector, block) for block in BLOCKS for name, selector in kinds.items()}
    taught = recall_by_layer(model, tokenizer, judged, context=CONTEXT, texts=range(args.teach))
    layers: dict[int, PerLayer] = {}
    for block in BLOCKS:
        layers[block] = best_of_layers("by_layer", kinds, {name: taught[f"{name} {block}"] for name in kinds})
        judged[f"by_layer {block}"] = at(layers[block], block)
    texts = range(JUDGED, JUDGED + args.judge)
    recall = recall_by_layer(model, tokenizer, judged, context=CONTEXT, texts=texts, train=False)
    for block in BLOCKS:
        mine = {name: recall[f"{name} {block}"] for name in (*kinds, "by_layer")}
        # What no text could have taught: the better one of each layer, chosen after the fact.
        mine["after_the_fact"] = [max(each) for each in zip(mine["mean_key"], mine["bound"], strict=True)]
        bounds = sum(each is kinds["bound"] for each in layers[block].of_layer)
        mean = {name: sum(each) / len(each) for name, each in mine.items()}
        rows.append({"block": block, "layers_with_bound": bounds, "recall": mean, "of_layer": mine})
        print(f"{time.process_time() - start:.0f} s: {block}, {bounds} layers with bounds, {mean}", flush=True)
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_layers.py", "context": CONTEXT, "teach": args.teach,
        "judge": args.judge, "rows": rows,
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def at(selector: Selector, block: int) -> Selection:
    """One block in eight."""
    return Selection(selector, block, CONTEXT // block // 8)


if __name__ == "__main__":
    main()
