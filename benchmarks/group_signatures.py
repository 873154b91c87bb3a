"""Groups of blocks, coarse to fine: how often the needle's group is opened, and the pages read of a million tokens.

    python benchmarks/group_signatures.py

The selectable needle model; groups of eight blocks, the best quarter opened, by one, two or four rows a group. Hits are
those of the layer that retrieves, all KV heads. Beside them, how far a needle's block stands out by its mean key. It is
written into results/group_signatures.json.
"""

import json
import os
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import torch

from prism_photonics.files import write_text
from prism_photonics.ranking.features import Bound, Features, MeanKey, SoftenedBound
from prism_photonics.ranking.hierarchical import Hierarchical
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.readers import BankReader
from prism_photonics.ranking.recall import wilson_interval
from prism_photonics.ranking.signal import block_signal
from prism_photonics.ranking.table import Point, probes, retrieval_layer

RESULTS = Path(__file__).parent / "results" / "group_signatures.json"
CHILDREN, KEEP = 8, 0.25
BLOCKS = (16, 32, 64, 128)
"""Block sizes of the signal-to-noise ratio, on the built-in keys."""
KINDS: dict[str, Features] = {"mean": MeanKey(), "bound": Bound(), "softened": SoftenedBound()}
ROWS = (1, 2, 4)
POINTS = ((4096, 64), (4096, 128), (16384, 64), (16384, 128))
MILLION, PAGE_ROWS, PAGE_CHANNELS = 1 << 20, 64, 64
"""Tokens, and the pages of ``bank_64x64``."""


def main() -> None:
    """Measure, count, write."""
    torch.set_num_threads(1)
    model, vocabulary = load_model("needle:selectable")
    found = [row for context, block in POINTS for row in opened(model, vocabulary, context, block)]
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/group_signatures.py", "children": CHILDREN, "keep": KEEP,
        "signal": [asdict(block_signal(KeyCache.load(), block=block, k=1024 // block // 8)) for block in BLOCKS],
        "hits": found, "pages": [pages(group) for group in (512, 1024)],
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def opened(model: Any, vocabulary: Any, context: int, block: int) -> list[dict[str, Any]]:
    """Share of the needles whose group is among those that are opened."""
    point, group = Point(context, block, context // block // 8), CHILDREN * block
    asked = list(probes(model, vocabulary, point, seed=0))
    layer = retrieval_layer(asked[0], asked[0].ask(block=block)[1], block=block)
    groups = context // group
    kept, hits, trials = max(1, round(KEEP * groups)), dict.fromkeys(((k, r) for k in KINDS for r in ROWS), 0), 0
    for probe in asked:
        keys, queries = probe.keys[layer][:, :, : groups * group], probe.ask(block=block)[1][layer].queries
        needle = torch.as_tensor(probe.sequence.answer_position) // group
        inside = needle < groups
        trials += int(inside.sum()) * keys.shape[1]
        for kind, rows in hits:
            features, parts = KINDS[kind], keys.unflatten(2, (groups * rows, group // rows))
            signed = features.of_blocks(parts, torch.ones(1, *parts.shape[2:4], dtype=torch.bool), layer)
            scores = features.of_queries(queries, keys.shape[1], layer) @ signed.mT
            best = scores.unflatten(-1, (groups, rows)).amax(-1).topk(kept, -1).indices
            hits[kind, rows] += int((best == needle[None, None, :, None]).any(-1)[..., inside].sum())
    return [
        {
            "context": context, "group": group, "groups": groups, "opened": kept, "kind": kind, "rows": rows,
            "trials": trials, "hit": count / trials, "interval": wilson_interval(count, trials=trials),
        }
        for (kind, rows), count in hits.items()
    ]  # fmt: skip


def pages(group: int) -> dict[str, Any]:
    """Pages of a chip that one query reads of a million tokens, 32 dimensions and their bound; a group fills a page."""
    block, blocks = group // PAGE_ROWS, MILLION * PAGE_ROWS // group
    reader = BankReader(lambda signatures, queries, number: queries, rows=PAGE_ROWS, channels=PAGE_CHANNELS)
    made = {rows: Hierarchical("h", Bound(), rows=rows, reader=reader, children=PAGE_ROWS, keep=KEEP) for rows in ROWS}
    return {
        "group": group,
        "block": block,
        "flat": -(-blocks // PAGE_ROWS),
        "two_levels": {rows: each.cost(blocks, dims=32, block=block)["pages"] for rows, each in made.items()},
    }


if __name__ == "__main__":
    main()
