"""A signature distilled from SmolLM2-135M, one row a block: what it finds in float and read by a chip.

    prism lm fetch
    prism calibrate bank_64x64_dual -o out/rec64 && prism export out/rec64 -o out/b64
    python benchmarks/smollm2_gate.py out/b64 WORK [--teach N] [--rank N] [--task NAME] [--texts N]

Gates of 32 and of 64 numbers for blocks of 64 and of 128 tokens, learned through the chip from texts of the language
reference's one half, with other templates and names than those that are asked; two more texts decide what each head
keeps. Asked of texts of the other half, 2,048 tokens, one block in eight chosen, sink 4, window 64. What is learned and
asked lies in WORK and is not done again. It is written into results/smollm2_gate.json.
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
from sections.tables import resumed
from smollm2_table import chip_of, digest
from transformers import AutoTokenizer

from prism_photonics.export.read import Bundle, load
from prism_photonics.files import make_folder, write_text
from prism_photonics.ranking.catalog import make_selectors
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.distilled import DistilledGate, Gate, Lesson, distil
from prism_photonics.ranking.pretrained.lessons import lessons
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.rotary import frequencies
from prism_photonics.ranking.pretrained.survey import survey
from prism_photonics.ranking.pretrained.tasks import ask
from prism_photonics.ranking.readers import ChipReader

RESULTS = Path(__file__).parent / "results" / "smollm2_gate.json"
CONTEXT, BLOCKS, RANKS, HELD_OUT, DIMS, GROUP, KV_HEADS = 2048, (64, 128), (32, 64), 2, 64, 3, 3
TASKS = ("multi_key", "pass_key", "multi_key", "multi_value", "multi_key", "two_hop", "multi_query", "pass_key")
STEPS = 240
BESIDE = ("oracle", "mean_key", "bound")


def main() -> None:
    """Learn and ask what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--teach", type=int, default=8)
    parser.add_argument("--rank", type=int, action="append", help=f"numbers of a gate; {RANKS} if none is given")
    parser.add_argument("--task", default="multi_key")
    parser.add_argument("--texts", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    make_folder(args.work)
    chip = load(args.bundle)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    ranks = tuple(args.rank or RANKS)
    gates, seconds = learned(model, tokenizer, chip, args.work, teach=args.teach, ranks=ranks)
    selections: dict[str, Selection] = {}
    for block in BLOCKS:
        made = make_selectors(BESIDE, chip, dims=DIMS, group=GROUP)
        for rank in ranks:
            gate = gates[block, rank]
            made[f"gate of {rank}"] = DistilledGate("gate", gate)
            made[f"gate of {rank}, chip"] = DistilledGate("gate", gate, ChipReader(chip, seed=rank))
        k = CONTEXT // block // 8
        selections |= {f"{name} {block}": Selection(selector, block, k) for name, selector in made.items()}
    start = time.process_time()
    rows = survey(
        model, tokenizer, selections, task=args.task, context=CONTEXT, texts=range(args.texts),
        folder=args.work, of={"chip": digest(args.bundle), "teach": args.teach},
        tell=lambda line: print(f"{time.process_time() - start:.0f} s: {line[:60]}", flush=True),
    )  # fmt: skip
    before = resumed("smollm2_gate").get("rows", [])
    written = {
        "date": date.today().isoformat(), "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_gate.py BUNDLE WORK", **chip_of([args.bundle]),
        "context": CONTEXT, "teach": args.teach,
        "held_out": HELD_OUT, "steps": STEPS, "cpu_s": seconds,
        "rows": [row for row in before if row["task"] != args.task] + [asdict(row) for row in rows],
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def learned(
    model: Any, tokenizer: Any, chip: Bundle, work: Path, *, teach: int, ranks: tuple[int, ...]
) -> tuple[dict[tuple[int, int], Gate], dict[str, float]]:
    """Gates by block and rank, and processor time of learning them; those that lie in ``work`` are read."""
    files = {(block, rank): work / f"gate_{block}_{rank}.safetensors" for block in BLOCKS for rank in ranks}
    noted = work / "seconds.json"
    if not all(file.is_file() for file in files.values()):
        start, frequency = time.process_time(), frequencies(model)
        every = [lesson(model, tokenizer, number) for number in range(teach + HELD_OUT)]
        seconds = {"lessons": time.process_time() - start}
        print(f"{seconds['lessons']:.0f} s: {len(every)} lessons", flush=True)
        for (block, rank), file in files.items():
            start, of_block = time.process_time(), [each[block] for each in every]
            gate = distil(
                of_block[:teach], rank=rank, frequency=frequency, kv_heads=KV_HEADS, bundle=chip, steps=STEPS,
                held_out=of_block[teach:], tell=lambda line: print(line, flush=True),
            )  # fmt: skip
            gate.save(file)
            seconds[f"{block} {rank}"] = time.process_time() - start
        write_text(noted, json.dumps(seconds) + "\n")
    return {key: Gate.load(file, config=model.config) for key, file in files.items()}, json.loads(noted.read_text())


def lesson(model: Any, tokenizer: Any, number: int) -> dict[int, Lesson]:
    """One text of the half that is learned from, with one of its questions and the answer."""
    task = TASKS[number % len(TASKS)]
    asked = ask(task, tokenizer, tokens=CONTEXT - 64, seed=1000 + number, train=True)
    which = number % len(asked.questions)
    ids = asked.context + asked.questions[which] + asked.answers[which]
    return lessons(model, ids, blocks=BLOCKS, frequency=frequencies(model), seed=number)


if __name__ == "__main__":
    main()
