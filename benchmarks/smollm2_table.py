"""Text questions asked of SmolLM2-135M under block selection: the table of selectors, with a distilled signature.

    prism lm fetch && python benchmarks/smollm2_table.py WORK [--bundle BUNDLE] [--texts N] [--context N] [--tasks …]

One block in eight is chosen per layer and KV head, of 64 and of 128 tokens; sink 4, window 64. A gate for each block
size and for 64 and 32 dimensions is distilled from texts, templates and names that the test does not hold. What is
finished lies in WORK and is not computed again; the rows are in results/smollm2_table.json. Without BUNDLE the chip is
a stated one of 64 channels, with numbers of the size that a calibrated one has.
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
from selector_cost import stated_chip
from transformers import AutoTokenizer

from prism_photonics.export.read import load
from prism_photonics.files import write_text
from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.distilled import DistilledGate, Gate, Lesson, distil
from prism_photonics.ranking.pretrained.lessons import lessons
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.rotary import frequencies
from prism_photonics.ranking.pretrained.survey import survey
from prism_photonics.ranking.pretrained.tasks import TEXT, ask
from prism_photonics.ranking.readers import ChipReader
from prism_photonics.ranking.selectors import FeatureSelector, Oracle, RandomChoice

RESULTS = Path(__file__).parent / "results" / "smollm2_table.json"
BLOCKS, RANKS = (64, 128), (64, 32)
LESSONS = ("pass_key", "multi_key", "multi_key", "multi_value", "two_hop", "pass_key", "multi_key", "variable_tracking")
TASKS = ("pass_key", "multi_key", TEXT)
LESSON_TOKENS = 2048


def main() -> None:
    """Compute what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--texts", type=int, default=25)
    parser.add_argument("--lessons", type=int, default=10)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--tasks", default=",".join(TASKS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    chip = load(args.bundle) if args.bundle else stated_chip("two_shot", 0.0, rows=64, channels=64)
    learned = studied(model, tokenizer, args.work, args.lessons)
    selections: dict[str, Selection] = {}
    for block in BLOCKS:
        k = args.context // block // 8
        selectors: dict[str, Any] = {"oracle": Oracle(), "random": RandomChoice()}
        for name, features in (("mean_key", MeanKey()), ("bound", Bound())):
            selectors[name] = FeatureSelector(name, features)
        for rank in RANKS:
            gate = distilled(args.work, learned, frequencies(model), block=block, rank=rank, chip=chip)
            selectors[f"gate_{rank}"] = DistilledGate("gate", gate)
            selectors[f"photonic_gate_{rank}"] = DistilledGate("gate", gate, ChipReader(chip))
        selections |= {f"{name} {block}": Selection(each, block, k) for name, each in selectors.items()}
    rows = known(args)
    for task in args.tasks.split(","):
        start = time.process_time()
        found = survey(
            model, tokenizer, selections, task=task, context=args.context, texts=args.texts,
            folder=args.work / "asked", of={"chip": str(args.bundle), "lessons": args.lessons},
            tell=lambda line: print(line, flush=True),
        )  # fmt: skip
        print(f"{task}: {time.process_time() - start:.0f} s", flush=True)
        rows["groups"][f"{task} {args.context}"] = [asdict(row) for row in found]
        write_text(RESULTS, json.dumps(rows, indent=1) + "\n")


def known(args: argparse.Namespace) -> dict[str, Any]:
    """The file's groups of other tasks and contexts, with what is now measured named."""
    groups = json.loads(RESULTS.read_text())["groups"] if RESULTS.is_file() else {}
    return {
        "date": date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_table.py WORK",
        "chip": str(args.bundle.name) if args.bundle else "stated: 64 channels, two shots, 10 and 12 bits",
        "lessons": args.lessons,
        "groups": groups,
    }


def studied(model: Any, tokenizer: Any, work: Path, count: int) -> dict[int, list[Lesson]]:
    """The lessons of each block size, kept in the folder."""
    found: dict[int, list[Lesson]] = {block: [] for block in BLOCKS}
    work.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        file = work / f"lesson_{number}.pt"
        if not file.is_file():
            task = LESSONS[number % len(LESSONS)]
            asked = ask(task, tokenizer, tokens=LESSON_TOKENS - 64, seed=1000 + number, train=True)
            ids = asked.context + asked.questions[0] + asked.answers[0]
            made = lessons(model, ids, blocks=BLOCKS, frequency=frequencies(model), seed=number)
            torch.save({block: vars(lesson) for block, lesson in made.items()}, file)
            print(f"lesson {number + 1} of {count}", flush=True)
        for block, held in torch.load(file, weights_only=True).items():
            found[block].append(Lesson(**held))
    return found


def distilled(
    work: Path, learned: dict[int, list[Lesson]], frequency: torch.Tensor, *, block: int, rank: int, chip: Any
) -> Gate:
    """A gate, kept in the folder."""
    file = work / f"gate_{block}_{rank}.pt"
    if not file.is_file():
        gate = distil(
            learned[block], rank=rank, frequency=frequency, kv_heads=3, bundle=chip,
            tell=lambda line: print(f"blocks of {block}, {rank} dims: {line}", flush=True),
        )  # fmt: skip
        torch.save(vars(gate), file)
    return Gate(**torch.load(file, weights_only=True))


if __name__ == "__main__":
    main()
