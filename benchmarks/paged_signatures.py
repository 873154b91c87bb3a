"""Signing and scoring a paged cache's pages on torch: milliseconds of one core for one layer.

    python benchmarks/paged_signatures.py
    python benchmarks/paged_signatures.py --parts   # shares of signing bounds of 128 dimensions, the rest is kept

128 pages of 16 tokens, 8 KV heads of 64 and of 128 dimensions, four query heads each, in float. Processor time of this
thread, the least of some turns. Parts take turns with the whole in one process, so a busy machine slows them alike; a
share is of the lower quartiles. Writes results/paged_signatures.json.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import torch

from prism_photonics.files import write_text
from prism_photonics.ranking.features import Bound, Features, MeanKey
from prism_photonics.ranking.paged import PagedSignatures, lay_down
from prism_photonics.ranking.selectors import FeatureSelector

RESULTS = Path(__file__).parent / "results" / "paged_signatures.json"
PAGES, TOKENS, KV_HEADS, GROUP, DIMS = 128, 16, 8, 4, (64, 128)
TURNS, CALLS = 60, 4
ROUNDS = 400
KINDS: dict[str, Features] = {"mean": MeanKey(), "bound": Bound()}


def main() -> None:
    """Measure, write."""
    torch.set_num_threads(1)
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    if "--parts" in sys.argv[1:]:
        kept["parts"] = {"date": date.today().isoformat(), "load": round(os.getloadavg()[0]), **parts()}
        write_text(RESULTS, json.dumps(kept, indent=1) + "\n")
        return
    rows = [timed(dims, kind) for dims in DIMS for kind in KINDS]
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/paged_signatures.py", "load": round(os.getloadavg()[0]), "pages": PAGES,
        "rows": rows, "parts": kept["parts"],
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


def parts(dims: int = 128) -> dict[str, dict[str, float]]:
    """Shares of signing bounds, and what other ways to the same numbers take over the one that is used."""
    keys, pages = torch.randn(PAGES, TOKENS, KV_HEADS, dims), torch.randperm(PAGES)
    paged = PagedSignatures(FeatureSelector("bound", Bound()), PAGES)
    viewed, rows = keys.movedim(2, 0)[None], torch.randn(KV_HEADS, PAGES, 4 * dims)
    known, written = torch.randn(1, KV_HEADS, PAGES, 2 * dims), torch.zeros_like(rows)
    across = np.array(known.transpose(2, 3).numpy(), order="C")
    spare, middle = across.copy(), (PAGES - 1) // 2

    def sort(by: Callable[[], None]) -> None:
        np.copyto(spare, across)
        by()

    calls: dict[str, Callable[[], object]] = {
        "whole": lambda: paged.sign(0, pages, keys),
        "all keys read once": viewed.sum,
        "largest and smallest key": lambda: torch.cat([viewed.amax(3), -viewed.amin(3)], -1),
        "laid side by side": lambda: np.array(known.transpose(2, 3).numpy(), order="C"),
        "sorted": lambda: sort(lambda: spare.sort(axis=-1)),
        "laid down at their pages": lambda: lay_down(written, pages, rows),
        "partition": lambda: sort(lambda: spare.partition(middle, axis=-1)),
        "kthvalue": lambda: known.kthvalue(middle + 1, 2),
        "aminmax": lambda: torch.aminmax(viewed, dim=3),
    }
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.thread_time()
            call()
            spent[name].append(time.thread_time() - start)
    usual = {name: float(np.quantile(times, 0.25)) for name, times in spent.items()}
    others = {"partition": "sorted", "kthvalue": "sorted", "aminmax": "largest and smallest key"}
    whole = usual.pop("whole")
    shares = {name: round(time_s / whole, 3) for name, time_s in usual.items() if name not in others}
    instead = {name: round(usual[name] / usual[used], 2) for name, used in others.items()}
    print(shares, instead, flush=True)
    return {"shares": shares, "instead": instead}


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
