"""Weights of the bound for SmolLM2-135M, for blocks of 64 and 128 tokens, and what they recall of text not seen.

    python benchmarks/smollm2_bound.py FOLDER

Ten texts teach, half of them from the language reference's one half, half from the docstrings of Python's own modules;
four judge, from the reference's other half, with other templates and names. Writes FOLDER/bound_64.safetensors and
bound_128, and results/smollm2_bound.json.
"""

import argparse
import ast
import json
import os
import sysconfig
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from prism_photonics.files import make_folder, write_text
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained.fit_bound import BoundLesson, bound_lessons, fit_bound, scores_of
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.tasks import ask
from prism_photonics.ranking.weighted_bound import BoundWeights

RESULTS = Path(__file__).parent / "results" / "smollm2_bound.json"
BLOCKS, TOKENS, TEACH, JUDGE = (64, 128), 2048, 10, 4
TASKS = (
    "pass_key",
    "multi_key",
    "multi_key",
    "multi_value",
    "two_hop",
    "multi_query",
    "multi_key",
    "variable_tracking",
)
CHARACTERS = 300
"""Shortest docstring that is taken."""


def main() -> None:
    """Learn, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    make_folder(args.folder)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    own = docstrings()
    start = time.process_time()
    taught = [lesson(model, tokenizer, number, train=True, text=own if number % 2 else "") for number in range(TEACH)]
    judged = [lesson(model, tokenizer, number, train=False, text="") for number in range(JUDGE)]
    seconds = {"lessons": time.process_time() - start}
    found = []
    for block in BLOCKS:
        start = time.process_time()
        weights = fit_bound([each for one in taught for each in one[block]], tell=print)
        seconds[f"fit {block}"] = time.process_time() - start
        weights.save(args.folder / f"bound_{block}.safetensors")
        heads, group, dims = weights.query.shape
        for name, each in (("plain", BoundWeights.plain(heads, group=group, dims=dims)), ("fitted", weights)):
            held = [recall(each, one[block][0], k=TOKENS // block // 8) for one in judged]
            found.append({"block": block, "weights": name, "recall": float(np.mean(held))})
            print(found[-1], flush=True)
    written = {
        "date": date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_bound.py FOLDER",
        "texts": TEACH, "judged": JUDGE, "tokens": TOKENS, "cpu_s": seconds, "rows": found,
    }  # fmt: skip
    write_text(RESULTS, json.dumps(written, indent=1) + "\n")


def lesson(model: Any, tokenizer: Any, number: int, *, train: bool, text: str) -> dict[int, list[BoundLesson]]:
    """One text with one of its questions and the answer."""
    task = TASKS[number % len(TASKS)] if train else ("multi_key", "pass_key")[number % 2]
    seed = (1000 if train else 5000) + number
    asked = ask(task, tokenizer, tokens=TOKENS - 64, seed=seed, train=train, text=text)
    which = int(np.random.default_rng(number).integers(len(asked.questions)))
    ending = asked.questions[which] + asked.answers[which]
    return bound_lessons(model, asked.context + ending, blocks=BLOCKS, last=len(ending), seed=number)


def recall(weights: BoundWeights, judged: BoundLesson, *, k: int) -> float:
    """Share of the k blocks with most exact attention that are among the k best, all layers, heads and queries."""
    every = torch.arange(judged.queries.shape[2])
    scores = scores_of(weights, judged, every).masked_fill(~judged.open_, -torch.inf)
    beside = weights.rest[:, :, None, None].expand(*scores.shape[:-1], 1)
    shares = torch.cat([scores, beside], -1).softmax(-1)[..., :-1].sum(1).masked_fill(~judged.open_, -1.0)
    best = judged.mass.mean(1).masked_fill(~judged.open_, -1.0).topk(k, -1).indices
    return float((shares.topk(k, -1).indices[..., :, None] == best[..., None, :]).any(-2).float().mean())


def docstrings() -> str:
    """Long docstrings of the modules that every Python carries."""
    found = []
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                said = ast.get_docstring(node) or ""
                if len(said) > CHARACTERS:
                    found.append(" ".join(said.split()))
    return "\n".join(found)


if __name__ == "__main__":
    main()
