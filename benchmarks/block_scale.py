"""Signatures of a bank at one scale, and each block at its own: what the chip then recalls of float's choice.

    python benchmarks/block_scale.py BUNDLE

``PhotonicSelector`` on a dual-rail chip, with programming errors and read noise, one block in eight: the built-in keys,
and all layers and KV heads of SmolLM2-135M on a text of its reference (``prism lm fetch``). Writes
results/block_scale.json.
"""

import argparse
import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer

from prism_photonics.export.read import Bundle, load
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.files import write_text
from prism_photonics.ranking.features import sketch
from prism_photonics.ranking.gate import watching
from prism_photonics.ranking.interface import Call
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.tasks import TEXT, ask
from prism_photonics.ranking.recall import recall_at_k

RESULTS = Path(__file__).parent / "results" / "block_scale.json"
TOKENS, QUERIES, BLOCKS, DRAWS = 1024, 32, (16, 64), 2


def main() -> None:
    """Measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    chip, found = load(args.bundle), []
    for name, banks in (("built-in keys", built_in()), ("SmolLM2", pretrained())):
        each = list(banks)
        for block in BLOCKS:
            for kind in ("mean", "bound"):
                recalled = {f"per_{scale}": recall(chip, each, block, kind, scale=scale) for scale in ("bank", "block")}
                found.append({"keys": name, "banks": len(each), "block": block, "kind": kind} | recalled)
                print(found[-1], flush=True)
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/block_scale.py BUNDLE",
        "chip": json.loads(chip.spec)["name"] if chip.spec else "without a spec", "rows": found,
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def built_in() -> Iterator[tuple[Tensor, Tensor]]:
    """Keys (tokens, dims) and sketches (queries, dims) of every sequence and KV head."""
    cache = KeyCache.load()
    keys, queries = torch.as_tensor(cache.keys).double(), torch.as_tensor(cache.queries).double()
    asked = sketch(queries, keys.shape[1])
    for bank in np.ndindex(*keys.shape[:2]):
        yield keys[bank][:TOKENS], asked[bank]


def pretrained() -> Iterator[tuple[Tensor, Tensor]]:
    """The same of every layer and KV head of SmolLM2; the queries are those of the tokens that follow."""
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    calls: list[tuple[Tensor, Tensor]] = []

    def keep(call: Call) -> Tensor:
        calls.append((call.key[0].double(), sketch(call.query, call.key.shape[1])[0, :, -QUERIES:].double()))
        return call.dense()[0]

    with torch.no_grad(), watching(model, keep):
        ids = ask(TEXT, tokenizer, tokens=TOKENS + QUERIES, seed=0).context
        model(torch.tensor(ids)[None], use_cache=False, logits_to_keep=1)
    for keys, asked in calls:
        for head in range(len(keys)):
            yield keys[head, :TOKENS], asked[head]


def recall(chip: Bundle, banks: list[tuple[Tensor, Tensor]], block: int, kind: str, *, scale: str) -> float:
    """Mean share of float's blocks that the chip chooses."""
    count, found = TOKENS // block, []
    generator = torch.Generator().manual_seed(0)
    selector = PhotonicSelector(chip, count // 8, dtype=torch.float64)
    for keys, queries in banks:
        cut = keys.unflatten(0, (count, block))
        both = torch.stack([cut.amax(1), -cut.amin(1)], 1)
        if kind == "bound":
            signatures = both
            exact = queries.clamp(min=0) @ both[:, 0].mT + (-queries).clamp(min=0) @ both[:, 1].mT
        else:
            signatures = cut.mean(1)
            exact = queries @ signatures.mT
        for _ in range(DRAWS):
            own: Any = "block" if scale == "block" else None
            selector.program(signatures, selector.draw_error(signatures, generator), signature_scale=own)
            scores, _ = selector(queries, selector.draw_noise(queries, generator))
            found.append(recall_at_k(scores.numpy(), exact.numpy(), k=count // 8).mean())
    return float(np.mean(found))


if __name__ == "__main__":
    main()
