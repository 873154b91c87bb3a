"""Groups of blocks, coarse to fine: how often the needle's group is opened, and the pages read of a million tokens.

    python benchmarks/group_signatures.py

The selectable needle model; groups of eight blocks, the best quarter opened, by one to sixteen rows a group: means,
bounds, what lies between them, and a projection of both that is distilled from the attention on other sequences; beside
them the groups that hold most exact attention. Hits are those of the layer that retrieves, all KV heads. Then how far a
needle's block stands out by its mean key. It is written into results/group_signatures.json.
"""

import json
import os
import time
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch

from prism_photonics.files import write_text
from prism_photonics.ranking.features import Bound, Features, MeanAndBound, MeanKey, SoftenedBound
from prism_photonics.ranking.hierarchical import Hierarchical
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.learned import LearnedProjection
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.probe import Probe
from prism_photonics.ranking.readers import BankReader
from prism_photonics.ranking.recall import wilson_interval
from prism_photonics.ranking.signal import block_signal
from prism_photonics.ranking.table import CALIBRATION_SEED, Point, probes, retrieval_layer

RESULTS = Path(__file__).parent / "results" / "group_signatures.json"
CHILDREN, KEEP = 8, 0.25
BLOCKS = (16, 32, 64, 128)
"""Block sizes of the signal-to-noise ratio, on the built-in keys."""
KINDS: dict[str, Features] = {"mean": MeanKey(), "bound": Bound(), "softened": SoftenedBound()}
ROWS, DISTILLED_ROWS, STUDIED = (1, 2, 4, 8, 16), (1, 2, 4), {4096: 8, 16384: 4}
"""Rows of a group; those with a distilled projection; sequences that it learns from, by context."""
POINTS = ((4096, 64), (4096, 128), (16384, 64), (16384, 128))
MILLION, PAGE_ROWS, PAGE_CHANNELS = 1 << 20, 64, 64
"""Tokens, and the pages of ``bank_64x64``."""


def main() -> None:
    """Measure, count, write."""
    torch.set_num_threads(1)
    model, vocabulary = load_model("needle:selectable")
    start, found = time.process_time(), []
    asked: dict[int, tuple[list[Probe], list[Probe]]] = {}
    for context, block in POINTS:
        point = Point(context, block, context // block // 8)
        if context not in asked:
            more = replace(point, trials=STUDIED[context] * point.needles)
            studied = list(probes(model, vocabulary, more, seed=CALIBRATION_SEED))
            asked = {context: (list(probes(model, vocabulary, point, seed=0)), studied)}
        found += opened(*asked[context], point)
        print(f"{time.process_time() - start:.0f} s: {context} tokens, blocks of {block}", flush=True)
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/group_signatures.py", "children": CHILDREN, "keep": KEEP,
        "signal": [asdict(block_signal(KeyCache.load(), block=block, k=1024 // block // 8)) for block in BLOCKS],
        "hits": found, "pages": [pages(group) for group in (512, 1024)],
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def opened(asked: list[Probe], studied: list[Probe], point: Point) -> list[dict[str, Any]]:
    """Share of the needles whose group is among those that are opened."""
    context, block, group = point.context, point.block, CHILDREN * point.block
    layer = retrieval_layer(asked[0], asked[0].ask(block=block)[1], block=block)
    groups = context // group
    kept, trials = max(1, round(KEEP * groups)), 0
    kinds: dict[tuple[str, int], Features] = {(name, rows): each for name, each in KINDS.items() for rows in ROWS}
    for rows in DISTILLED_ROWS:
        kinds["distilled", rows] = distilled(studied, layer=layer, point=point, tokens=group // rows)
    hits = dict.fromkeys([*kinds, ("exact", 1)], 0)
    for probe in asked:
        step = probe.ask(block=group)[1][layer]
        keys, queries = probe.keys[layer][:, :, : groups * group], step.queries
        needle = torch.as_tensor(probe.sequence.answer_position) // group
        inside = needle < groups
        trials += int(inside.sum()) * keys.shape[1]

        def held(scores: torch.Tensor) -> int:
            """Needles whose group is among those opened."""
            best = scores.topk(kept, -1).indices
            return int((best == needle[None, None, :, None]).any(-1)[..., inside].sum())  # noqa: B023

        hits["exact", 1] += held(step.mass[..., :groups])
        for (kind, rows), features in kinds.items():
            parts = keys.unflatten(2, (groups * rows, group // rows))
            signed = features.of_blocks(parts, torch.ones(1, *parts.shape[2:4], dtype=torch.bool), layer)
            scores = features.of_queries(queries, keys.shape[1], layer) @ signed.mT
            hits[kind, rows] += held(scores.unflatten(-1, (groups, rows)).amax(-1))
    return [
        {
            "context": context, "group": group, "groups": groups, "opened": kept, "kind": kind, "rows": rows,
            "trials": trials, "hit": count / trials, "interval": wilson_interval(count, trials=trials),
        }
        for (kind, rows), count in hits.items()
    ]  # fmt: skip


def distilled(studied: list[Probe], *, layer: int, point: Point, tokens: int) -> LearnedProjection:
    """Mean and bound of so many tokens, projected as the attention of other sequences teaches; two per dimension."""
    keys = torch.cat([probe.keys[layer] for probe in studied])
    queries = torch.cat([probe.ask(block=point.block)[1][layer].queries for probe in studied])
    dims, form = keys.shape[-1], studied[0].forms[layer]
    learned = LearnedProjection(MeanAndBound(), 2 * dims, first=dims)
    learned.fit(keys, queries, layer=layer, block=tokens, scaling=form.scaling, softcap=form.softcap)
    return learned


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
