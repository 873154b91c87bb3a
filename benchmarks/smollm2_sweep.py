"""Softened rows read by a chip, on SmolLM2: against chosen blocks, converter bits, drift and light.

    python benchmarks/smollm2_sweep.py BUNDLE WORK [--texts N]

Questions for one of four keys in 2,048 tokens, blocks of 64, rows of 16 tokens read per head (``soft_rows``). What is
asked lies in WORK and is not asked again. The rows are written into results/smollm2_sweep.json.
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
from smollm2_table import chip_of, digest
from transformers import AutoTokenizer

from prism_photonics.export.read import Bundle, load
from prism_photonics.files import write_text
from prism_photonics.ranking.catalog import make_selectors
from prism_photonics.ranking.impair import impaired
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.survey import survey

RESULTS = Path(__file__).parent / "results" / "smollm2_sweep.json"
CONTEXT, BLOCK, DIMS, GROUP, NAME = 2048, 64, 64, 3, "photonic_soft_rows"
USUAL = CONTEXT // BLOCK // 8
CHOSEN, BITS, DRIFT, LIGHT = (2, 8), (4, 5, 6), (0.01, 0.03, 0.1), (0.1, 0.01)
"""Blocks of 32, bits of both converters, drift in weight units, light over the chip's own."""


def main() -> None:
    """Ask what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--texts", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    plan = settings(load(args.bundle))
    start = time.process_time()
    found = survey(
        model, tokenizer, {name: selection for name, (selection, *_) in plan.items()}, task="multi_key",
        context=CONTEXT, texts=range(args.texts), folder=args.work,
        of={"chip": digest(args.bundle)},
        tell=lambda line: print(f"{time.process_time() - start:.0f} s: {line}", flush=True),
    )  # fmt: skip
    rows: list[dict[str, Any]] = []
    for row in found:
        kind, setting = plan[row.selector][1:] if row.selector in plan else ("full", 0.0)
        rows.append(asdict(row) | {"kind": kind, "setting": setting})
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_sweep.py BUNDLE WORK", **chip_of([args.bundle]),
        "rows": rows,
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def settings(chip: Bundle) -> dict[str, tuple[Selection, str, float]]:
    """By name: how blocks are chosen, what is changed, and to what."""
    plan: dict[str, tuple[Selection, str, float]] = {}

    def add(kind: str, setting: float, changed: Bundle, k: int = USUAL) -> None:
        selector = make_selectors([NAME], changed, dims=DIMS, group=GROUP)[NAME]
        plan[f"{kind} {setting:g}"] = (Selection(selector, BLOCK, k), kind, setting)

    add("as it is", USUAL, chip)
    for k in CHOSEN:
        add("blocks", k, chip, k)
    for bits in BITS:
        add("bits", bits, impaired(chip, bits=bits))
    for drift in DRIFT:
        add("drift", drift, impaired(chip, drift=drift))
    for light in LIGHT:
        add("light", light, impaired(chip, light=light))
    return plan


if __name__ == "__main__":
    main()
