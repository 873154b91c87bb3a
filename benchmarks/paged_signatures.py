"""Signing and scoring a paged cache's pages on torch: milliseconds of one core for one layer.

    python benchmarks/paged_signatures.py

128 pages of 16 tokens, 8 KV heads of 64 and of 128 dimensions, four query heads each, in float. Processor time of this
thread, the least of some turns. Writes results/paged_signatures.json.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch

from prism_photonics.files import write_text
from prism_photonics.ranking.features import Bound, Features, MeanKey
from prism_photonics.ranking.paged import PagedSignatures
from prism_photonics.ranking.selectors import FeatureSelector

RESULTS = Path(__file__).parent / "results" / "paged_signatures.json"
PAGES, TOKENS, KV_HEADS, GROUP, DIMS = 128, 16, 8, 4, (64, 128)
TURNS, CALLS = 15, 10
KINDS: dict[str, Features] = {"mean": MeanKey(), "bound": Bound()}


def main() -> None:
    """Measure, write."""
    torch.set_num_threads(1)
    rows = [timed(dims, kind) for dims in DIMS for kind in KINDS]
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/paged_signatures.py", "pages": PAGES, "rows": rows,
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def timed(dims: int, kind: str) -> dict[str, float | str]:
    """Keys of so many dimensions, one kind of signature."""
    keys, queries = torch.randn(PAGES, TOKENS, KV_HEADS, dims), torch.randn(1, GROUP * KV_HEADS, dims)
    pages, paged = torch.randperm(PAGES), PagedSignatures(FeatureSelector(kind, KINDS[kind]), PAGES)
    sign_ms = least_ms(lambda: paged.sign(0, pages, keys))
    score_ms = least_ms(lambda: paged.scores(0, pages[None], queries))
    row: dict[str, float | str] = {"dims": dims, "signature": kind, "sign_ms": sign_ms, "score_ms": score_ms}
    print(row, flush=True)
    return row


def least_ms(call: Callable[[], object]) -> float:
    """Least time of a call, in ms."""
    found = []
    for _ in range(TURNS):
        start = time.thread_time()
        for _ in range(CALLS):
            call()
        found.append(1e3 * (time.thread_time() - start) / CALLS)
    return min(found)


if __name__ == "__main__":
    main()
