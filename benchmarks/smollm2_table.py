"""Text questions asked of SmolLM2-135M under block selection: the table of selectors, with signatures read by a chip.

    prism lm fetch
    prism calibrate layouts/bank_64x64_dual/spec.toml -o out/rec64 && prism export out/rec64 -o out/b64
    python benchmarks/smollm2_bound.py out/weights
    python benchmarks/smollm2_table.py out/b64 WORK --weights out/weights [--task NAME] [--context N] [--texts N]
        [--die BUNDLE] [--blocks 64,128]

One block in eight is chosen per layer and KV head; sink 4, window 64. What is asked lies in WORK and is not asked
again: weights that were fitted anew want another WORK. Several of these may run at once on one
WORK, each on other texts or another task; with --finished the rows are those of all texts that every selector named
was asked of. Where the texts before --first stand in the kept rows and their files are gone, --further COMMIT counts
the new ones with those that were kept by it, of a task with one question a text. A chip's rows are asked anew by
another chip or another decoding with --anew, of the same texts: what was asked in float stays, which no chip moves. The
rows are written into results/smollm2_table.json.
"""

import argparse
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from prism_photonics.export.read import Bundle, load
from prism_photonics.export.schema import DOCUMENT_FILE
from prism_photonics.files import write_text
from prism_photonics.ranking.catalog import ROW_TOKENS
from prism_photonics.ranking.evict import Streaming
from prism_photonics.ranking.features import Bound, MeanKey, SoftenedBound
from prism_photonics.ranking.heads import heads_of
from prism_photonics.ranking.indexer import TokenIndexer
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.per_head import PerHead
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.place import fetched_folder
from prism_photonics.ranking.pretrained.survey import FULL, RESAMPLES, Row, survey
from prism_photonics.ranking.readers import ChipReader, Reader
from prism_photonics.ranking.recall import wilson_interval
from prism_photonics.ranking.selectors import FeatureSelector, Oracle, RandomChoice, Selector
from prism_photonics.ranking.several_rows import SeveralRows
from prism_photonics.ranking.shared_rows import SharedRows, WrittenOnce
from prism_photonics.ranking.sign_codes import SignCodes
from prism_photonics.ranking.two_stage import TwoStage
from prism_photonics.ranking.weighted_bound import BoundWeights, WeightedBound

RESULTS = Path(__file__).parent / "results" / "smollm2_table.json"
GROUP = 3


def main() -> None:
    """Ask what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--die", type=Path, action="append", default=[], help="a further die; texts take turns")
    parser.add_argument("--task", default="multi_key", help="kinds of questions, with commas")
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--first", type=int, default=0, help="number of the first text")
    parser.add_argument("--texts", type=int, default=25)
    parser.add_argument("--finished", action="store_true", help="ask nothing: rows of the texts that are finished")
    parser.add_argument(
        "--further", metavar="COMMIT", default="", help="count the texts with those before them, whose rows it has kept"
    )
    parser.add_argument(
        "--anew", action="store_true", help="rows of another chip are taken out first; those in float stay"
    )
    parser.add_argument("--selectors", default="", help="some of them, with commas; default: all")
    parser.add_argument("--blocks", default="64,128", help="tokens of a block, with commas; 1 chooses tokens")
    parser.add_argument("--weights", type=Path, help="folder of smollm2_bound.py")
    args = parser.parse_args()
    torch.set_num_threads(1)
    bundles = [args.bundle, *args.die]
    chip, *others = map(load, bundles)
    model, _ = load_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(fetched_folder(), local_files_only=True)
    selections: dict[str, Selection] = {}
    every: dict[str, Selector] = {}
    written = softened_rows(chip, others)
    for block in map(int, args.blocks.split(",")):
        k = args.context // block // 8
        made = selectors(chip, others, written=written)
        if args.weights:
            weights = BoundWeights.load(args.weights / f"bound_{block}.safetensors")
            made["weighted_bound"] = WeightedBound("weighted_bound", weights)
            reader = ChipReader(chip, seed=4, halves=chip.encoding == "dual_rail", others=others)
            made["photonic_weighted_bound"] = WeightedBound("weighted_bound", weights, reader)
        every |= made
        wanted = args.selectors.split(",") if args.selectors else made
        selections |= {f"{name} {block}": Selection(made[name], block, k) for name in wanted}
    start = time.process_time()
    for task in args.task.split(","):
        texts: list[int] = list(range(args.first, args.first + args.texts))
        if args.finished:
            texts = [number for number in texts if asked_of(args.work, task, args.context, number) >= set(selections)]
        found = survey(
            model, tokenizer, selections, task=task, context=args.context, texts=texts,
            folder=args.work, of={"chip": "+".join(digest(each) for each in bundles)},
            tell=lambda line: print(f"{time.process_time() - start:.0f} s: {line}", flush=True),
        )  # fmt: skip
        keep(found, args, task, texts=len(texts), bundles=bundles, every=every, dims=heads_of(model.config).dims)


def keep(
    found: Sequence[Row],
    args: argparse.Namespace,
    task: str,
    *,
    texts: int,
    bundles: Sequence[Path],
    every: dict[str, Selector],
    dims: int,
) -> None:
    """Write the rows of one kind of question beside those that stand."""
    rows: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"groups": {}}
    rows |= {
        "date": date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, CPU only, one thread",
        "command": "python benchmarks/smollm2_table.py BUNDLE WORK --weights FOLDER",
        "dies": len(bundles),
    }
    # Some selectors may have been asked of more texts than others: of each the row of most questions stands.
    name = f"{task} {args.context}"
    # Another chip would be another table: what stands of a kind of question was read by one.
    now, read_by = chip_of(bundles), rows.setdefault("chips", {}).get(name)
    group = {row["selector"]: row for row in rows["groups"].get(name, [])}
    if args.anew:
        read_by, group = None, in_float(group)
        require_same_questions(group, found)
    if read_by and (read_by["spec_hash"], read_by["bundles"]) != (now["spec_hash"], now["bundles"]):
        raise SystemExit(f"{name}: kept are rows of the chip {read_by}, want {now}; take the old group out first")
    if "chip_then" in rows and now["spec_hash"] not in [each["spec_hash"] for each in rows["chips"].values()]:
        raise SystemExit(
            f"{name}: kept are rows of {rows['chip_then']}, want {now}; take them out, and chip_then, first"
        )
    rows["chips"][name] = (read_by or {}) | now | {"date": date.today().isoformat()}
    for row in found:
        if args.further:
            group[row.selector] = with_kept(group[row.selector], asdict(row), first=args.first)
        elif row.trials >= group.get(row.selector, {"trials": 0})["trials"]:
            group[row.selector] = asdict(row) | beside(row, found, group)
    rows["groups"][name] = list(group.values())
    if args.further:
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        kept = {"texts": args.first, "commit": args.further}
        added = {"texts": texts, "commit": head.stdout.strip()}
        rows.setdefault("asked", {})[name] = [*rows.get("asked", {}).get(name, [kept]), added]
    for one in (row for of_task in rows["groups"].values() for row in of_task):
        if (selector := every.get(one["selector"].split()[0])) and one["block"]:
            one |= selector.cost(one["context"] // one["block"], dims=dims, block=one["block"])
    write_text(RESULTS, json.dumps(rows, indent=1) + "\n")


def in_float(group: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The rows that no chip moves."""
    return {name: row for name, row in group.items() if not name.startswith("photonic_")}


def require_same_questions(kept: dict[str, dict[str, Any]], found: Sequence[Row]) -> None:
    """Refuse rows of other questions than those kept: full attention, which no chip moves, then says something else."""
    full = next(row for row in found if row.selector == FULL)
    for name in ("trials", "texts", "all_right", "tokens_right", "tokens_read"):
        want = kept[FULL][name] if kept else getattr(full, name)
        if abs(getattr(full, name) - want) > 1e-9:
            raise SystemExit(f"full attention: got {name} = {getattr(full, name)}, want {want} as kept; ask the same")


def beside(row: Row, found: Sequence[Row], group: dict[str, dict[str, Any]]) -> dict[str, float]:
    """What full attention, and the same signature in float, said to the questions that a chip's row was asked."""
    asked = [*group.values(), *map(asdict, found)]
    of = {each["selector"]: each for each in asked if (each["trials"], each["texts"]) == (row.trials, row.texts)}
    if not row.selector.startswith("photonic_"):
        return {}
    exact = of.get(row.selector.removeprefix("photonic_"))
    told = {"full_all_right": of[FULL]["all_right"]}
    return told | ({"exact_all_right": exact["all_right"], "exact_delta_nll": exact["delta_nll"]} if exact else {})


def with_kept(kept: dict[str, Any], more: dict[str, Any], *, first: int) -> dict[str, Any]:
    """A kept row and one of further texts, each of one question, as the row of all."""
    asked = (kept["trials"], more["trials"])
    if kept["texts"] != first or asked != (kept["texts"], more["texts"]):
        raise SystemExit(f"{kept['selector']}: kept are {kept['texts']} texts with {asked[0]} questions, want {first}")
    shares = ("all_right", "tokens_right", "delta_nll", "tokens_read", "recall", "coverage")
    pooled = {name: (asked[0] * kept[name] + asked[1] * more[name]) / sum(asked) for name in shares}
    right = np.arange(sum(asked)) < round(pooled["all_right"] * sum(asked))
    low, high = wilson_interval(int(right.sum()), trials=len(right))
    drawn = right[np.random.default_rng(0).integers(len(right), size=(RESAMPLES, len(right)))].mean(1)
    text_low, text_high = np.quantile(drawn, [0.025, 0.975]).tolist()
    whole = {"trials": len(right), "texts": len(right), "low": low, "high": high}
    # What stood beside the kept row was of its own questions.
    kept = {name: value for name, value in kept.items() if not name.startswith(("full_", "exact_"))}
    return kept | pooled | whole | {"text_low": text_low, "text_high": text_high}


def digest(bundle: Path) -> str:
    """What a bundle holds, in short."""
    return hashlib.sha256((bundle / DOCUMENT_FILE).read_bytes()).hexdigest()[:16]


def chip_of(bundles: Sequence[Path]) -> dict[str, Any]:
    """Which chip a row was read by: its name, what its specification and its calibrated model hash to, die by die."""
    dies = [load(each) for each in bundles]
    return {
        "chip": json.loads(dies[0].spec)["name"] if dies[0].spec else "without a spec",
        "spec_hash": [each.spec_hash[:16] for each in dies],
        "bundles": [digest(each) for each in bundles],
    }


def asked_of(work: Path, task: str, context: int, number: int) -> set[str]:
    """The selectors that a text was asked of."""
    file = work / f"{task}_{context}_{number}.json"
    return set(json.loads(file.read_text())["outcomes"]) if file.is_file() else set()


def softened_rows(chip: Bundle, others: Sequence[Bundle] = ()) -> WrittenOnce:
    """Softened rows on the chip, written once for all block sizes: a row is of 16 tokens in each of them."""
    reader = ChipReader(chip, seed=5, halves=chip.encoding == "dual_rail", others=others)
    return WrittenOnce(FeatureSelector("soft", SoftenedBound(), reader))


def selectors(
    chip: Bundle, others: Sequence[Bundle] = (), *, written: WrittenOnce | None = None
) -> dict[str, Selector]:
    """The table's rows by name, each with random numbers of its own; those of another block size may share its rows."""

    def bound(reader: Reader | None = None) -> Selector:
        return FeatureSelector("bound", Bound(), reader)

    def read(number: int, *, railed: bool = True) -> Reader:
        return ChipReader(chip, seed=number, halves=railed and chip.encoding == "dual_rail", others=others)

    # Softened rows are written once; what is chosen by them is read by each selector, with noise of its own.
    written = written or softened_rows(chip, others)

    def softened(reader: Reader | None) -> Selector:
        one = FeatureSelector("soft", SoftenedBound(), reader)
        return SharedRows(one, written) if reader else one

    def rows(reader: Reader | None = None) -> Selector:
        parts = SeveralRows("rows", FeatureSelector("mean_key", MeanKey(), reader), tokens=ROW_TOKENS)
        return PerHead("rows", parts, group=GROUP)

    def soft(reader: Reader | None = None) -> Selector:
        parts = SeveralRows("soft", softened(reader), tokens=ROW_TOKENS)
        return PerHead("soft", parts, group=GROUP)

    def refined(survivors: float, reader: Reader | None = None) -> Selector:
        return TwoStage("two_stage", soft(reader), survivors=survivors)

    def of_parts(survivors: float, reader: Reader | None = None) -> Selector:
        each = PerHead("parts", softened(reader), group=GROUP)
        refined_parts = TwoStage("parts", each, survivors=survivors)
        return SeveralRows("parts", refined_parts, tokens=ROW_TOKENS, added=True)

    def halved(reader: Reader | None = None) -> Selector:
        return PerHead("halves", SeveralRows("halves", bound(reader), rows=2), group=GROUP)

    means_that_overlap = SeveralRows("infllm_like", FeatureSelector("mean_key", MeanKey()), rows=3, overlap=True)

    return {
        "oracle": Oracle(),
        "random": RandomChoice(),
        "streaming_llm": Streaming(),
        "mean_key": FeatureSelector("mean_key", MeanKey()),
        "bound": bound(),
        "photonic_bound": bound(read(1)),
        "bound_per_head": PerHead("bound", bound(), group=GROUP),
        "bound_of_halves": halved(),
        "photonic_bound_of_halves": halved(read(3)),
        "two_stage": TwoStage("two_stage", bound()),
        "rows_of_16": rows(),
        "photonic_rows_of_16": rows(read(2, railed=False)),
        "soft_rows": soft(),
        "photonic_soft_rows": soft(read(5)),
        "quarter_refined": refined(0.25),
        "photonic_quarter_refined": refined(0.25, read(6)),
        "half_refined": refined(0.5),
        "photonic_half_refined": refined(0.5, read(7)),
        "three_quarters_refined": refined(0.75),
        "photonic_three_quarters_refined": refined(0.75, read(8)),
        "eighth_of_parts": of_parts(0.125),
        "photonic_eighth_of_parts": of_parts(0.125, read(11)),
        "quarter_of_parts": of_parts(0.25),
        "photonic_quarter_of_parts": of_parts(0.25, read(9)),
        "half_of_parts": of_parts(0.5),
        "photonic_half_of_parts": of_parts(0.5, read(10)),
        "indexer_like": TokenIndexer(),
        "sign_codes": SignCodes(),
        "infllm_like": PerHead("infllm_like", means_that_overlap, group=GROUP),
    }


if __name__ == "__main__":
    main()
