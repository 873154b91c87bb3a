"""``prism rank`` and ``prism needle train``: selectors compared on keys and on language models."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from prism_photonics.cli.arguments import Json, Keys, finite
from prism_photonics.cli.output import print_json, print_result, progress
from prism_photonics.seeds import LARGEST_SEED
from prism_photonics.units import InputError

LONGEST_CONTEXT = 1 << 20


def rank(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", help="folder that 'prism export' wrote", show_default=False)
    ] = None,
    keys: Keys = None,
    block: Annotated[str, typer.Option(metavar="N[,N…]", help="Tokens per block.")] = "16",
    k: Annotated[
        str, typer.Option("--k", metavar="N[,N…]", help="Blocks chosen per query; default 8, with --model one in 8.")
    ] = "",
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of every random choice.")] = 0,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="needle|needle:plain|smollm2|DIR",
            help="Ask needles of a language model instead: the table of selectors.",
        ),
    ] = "",
    context: Annotated[str, typer.Option(metavar="N[,N…]", help="Tokens of context, such as 1k,4k,16k.")] = "1k,4k",
    selectors: Annotated[str, typer.Option(metavar="NAME[,NAME…]", help="Rows of the table; default: all.")] = "",
    dual_rail: Annotated[
        Path | None,
        typer.Option("--dual-rail", metavar="BUNDLE", help="Chip with two channels per dimension, for the bound."),
    ] = None,
    circuit: Annotated[
        Path | None,
        typer.Option("--circuit", metavar="RECORD", help="Add the whole circuit of a calibrated virtual chip (slow)."),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Needles asked at each point, at least.")] = 128,
    sweeps: Annotated[
        bool, typer.Option("--sweeps", help="Also sweep bits, drift and light at the first point.")
    ] = False,
    paper_mode: Annotated[
        bool,
        typer.Option(
            "--paper-mode", help="Instead: recall@32 of the paper's Gaussian signatures against bits and noise."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Also write table.json and the plots here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rank the blocks of a real KV cache with the exported chip.

    Reads BUNDLE and a keys file; prints needle hits, recall against exact attention mass and against float scores, per
    KV head, chance beside them. With --model, asks needles of a language model under every selector and prints
    accuracy, hits, recall and tokens read. JAX is not loaded (but for --circuit). --paper-mode needs no BUNDLE.
    """
    if paper_mode:
        _paper_table(seed=seed, as_json=as_json)
        return
    if bundle is None:
        raise typer.BadParameter("missing; give the folder that 'prism export' wrote.", param_hint="BUNDLE")
    blocks = numbers(block, "--block")
    chosen = numbers(k, "--k") if k else []
    if not model:
        idle = {"--dual-rail": dual_rail, "--circuit": circuit, "--selectors": selectors, "--sweeps": sweeps, "-o": out}
        if named := [name for name, value in idle.items() if value]:
            raise InputError(f"{', '.join(named)}: only the table of --model has it; give --model, or leave it out")
        if len(blocks) > 1 or len(chosen) > 1:
            raise InputError("--block, --k: got several, want one without --model; give --model or one number")
        _rank_keys(bundle, keys, block=min(blocks), k=next(iter(chosen), 8), seed=seed, as_json=as_json)
        return
    from prism_photonics.export.read import load
    from prism_photonics.ranking.catalog import NAMES, make_selectors, that_take
    from prism_photonics.ranking.heads import heads_of
    from prism_photonics.ranking.needle.models import load_model
    from prism_photonics.ranking.table import LEAST_TRIALS, Point, table
    from prism_photonics.workflow.circuit import selection_energy

    chip = load(bundle)
    wide = load(dual_rail) if dual_rail else chip
    points = []
    network, vocabulary = load_model(model)
    config = network.config.get_text_config()
    # A question and its answer take a place each.
    longest = min(LONGEST_CONTEXT, (getattr(config, "max_position_embeddings", None) or LONGEST_CONTEXT + 2) - 2)
    for tokens in numbers(context, "--context"):
        if tokens > longest:
            raise InputError(
                f"--context: got {tokens} tokens, want at most {longest} here: the model has no more places, and "
                "question and answer take two; choose a shorter one"
            )
        for size in blocks:
            points += [Point(tokens, size, each, trials) for each in chosen or (max(1, tokens // size // 8),)]
    heads = heads_of(config)
    names = tuple(name.strip() for name in selectors.split(",")) if selectors else NAMES
    made = make_selectors(names, chip, dual_rail=wide, dims=heads.dims, group=heads.group, seed=seed)
    if not selectors:
        made, refused = that_take(blocks, made)
        for line in refused:
            progress.print(f"left out: {line}", soft_wrap=True)
    if circuit:
        from prism_photonics.ranking.features import MeanKey
        from prism_photonics.ranking.selectors import FeatureSelector
        from prism_photonics.workflow.circuit import circuit_reader

        made["circuit"] = FeatureSelector("circuit", MeanKey(), circuit_reader(circuit))
    if trials < LEAST_TRIALS:
        progress.print(f"warning: {trials} needles a point; quote no row with fewer than {LEAST_TRIALS}")
    found = [
        asdict(row) for row in table(model, network, vocabulary, selectors=made, points=points, seed=seed, tell=_tell)
    ]
    for row in found:
        selector = made.get(row["selector"])
        row |= selection_energy(row, getattr(getattr(selector, "reader", None), "bundle", chip))
    swept: list[dict[str, Any]] = []
    if sweeps:
        from prism_photonics.ranking.sweep import sweep

        studied = sweep(model, network, vocabulary, bundle=chip, dual_rail=wide, point=points[0], seed=seed, tell=_tell)
        swept = [asdict(row) for row in studied]
    if out is not None:
        _write(out, found, swept)
    if as_json:
        print_json(found + swept)
        return
    _print_table(found)
    if swept:
        print()
        _print_table(swept)


def needle_train(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="folder for the model", show_default=False)],
    kind: Annotated[
        str, typer.Option(metavar="selectable|plain", help="With block selection in the loop, or without.")
    ] = "selectable",
    seconds: Annotated[
        float | None,
        typer.Option(min=1.0, callback=finite, help="Processor time; default: what the built-in model took."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of weights and data.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a needle model from nothing, on one core.

    Reads nothing; writes DIR/config.json, model.safetensors and needle.json, for 'prism rank BUNDLE --model DIR'.
    """
    from prism_photonics.ranking.needle.models import import_transformers

    import_transformers()
    from prism_photonics.ranking.needle.train import train

    result = train(out, kind=kind, seconds=seconds, seed=seed, tell=_tell)
    print_result(result, as_json)


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers of at least 1 from "1k,4k,16k"; k is 1,024."""
    found = []
    for part in text.split(","):
        digits = part.strip().lower()
        times = 1024 if digits.endswith("k") else 1
        try:
            number = int(digits.removesuffix("k")) * times
        except ValueError:
            raise typer.BadParameter(f"{part!r} is not a valid integer.", param_hint=option) from None
        if number < 1:
            raise typer.BadParameter(f"{number} is not in the range x>=1.", param_hint=option)
        found.append(number)
    return tuple(dict.fromkeys(found))


def _rank_keys(bundle: Path, keys: Path | None, *, block: int, k: int, seed: int, as_json: bool) -> None:
    from prism_photonics.ranking.compare import compare

    lines = compare(bundle, keys, block=block, k=k, seed=seed)
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    print(
        f"{'scorer':<12} {'KV head':>7} {'hit':>6} {'95 %':>13} {'recall':>7} {'vs ideal':>8} {'mass':>6} {'chance':>7}"
    )
    for line in lines:
        interval = f"{line.hit_low:.3f}–{line.hit_high:.3f}"
        print(
            f"{line.scorer:<12} {line.kv_head:>7} {line.hit:>6.3f} {interval:>13} {line.recall:>7.3f} "
            f"{line.recall_vs_ideal:>8.3f} {line.mass_coverage:>6.3f} {line.chance:>7.3f}"
        )


def _paper_table(*, seed: int, as_json: bool) -> None:
    from prism_photonics.ranking.paper_mode import paper_table

    rows = paper_table(seed=seed)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print(f"{'impairment':<10} {'setting':>7} {'recall@32':>9} {'sd':>6} {'error':>6} {'paper':>6}")
    for row in rows:
        figures = f"{row.mean:>9.3f} {row.sd:>6.3f} {row.error:>6.3f} {row.quoted:>6.3f}"
        print(f"{row.impairment:<10} {row.setting:>7g} {figures}")


def _print_table(rows: list[dict[str, Any]]) -> None:
    priced = all("energy_pJ" in row for row in rows)
    names = [_shown(row) for row in rows]
    wide = max(map(len, names))
    print(
        f"{'selector':<{wide}} {'context':>7} {'block':>5} {'k':>4} {'accuracy':>8} {'95 %':>13} {'hit':>6} "
        f"{'chance':>7} {'recall':>7} {'mass':>6} {'ΔNLL':>7} {'read':>7} {'needles':>7}"
        + (f" {'nJ':>9}" if priced else "")
    )
    for name, row in zip(names, rows, strict=True):
        interval = f"{row['accuracy_low']:.3f}–{row['accuracy_high']:.3f}"
        print(
            f"{name:<{wide}} {row['context']:>7} {row['block']:>5} {row['k']:>4} {row['accuracy']:>8.3f} "
            f"{interval:>13} {row['hit']:>6.3f} {row['chance']:>7.3f} {row['recall']:>7.3f} "
            f"{row['mass_coverage']:>6.3f} {round(row['delta_nll'], 3) + 0.0:>7.3f} {row['tokens_read']:>7.0f} "
            f"{row['trials']:>7}" + (f" {row['energy_pJ'] / 1e3:>9.1f}" if priced else "")
        )


def _shown(row: dict[str, Any]) -> str:
    if row.get("impairment", "none") == "none":
        return row["selector"]
    return f"{row['selector'].removeprefix('photonic_')} {row['impairment']} {row['setting']:g}"


def _write(out: Path, rows: list[dict[str, Any]], swept: list[dict[str, Any]]) -> None:
    from prism_photonics.files import make_folder, write_text
    from prism_photonics.ranking.plot import plot_contexts, plot_sweeps

    make_folder(out)
    write_text(out / "table.json", json.dumps(rows + swept, indent=2) + "\n")
    for size in dict.fromkeys(row["block"] for row in rows):
        plot_contexts([row for row in rows if row["block"] == size], out / f"contexts_block{size}.svg")
    if swept:
        plot_sweeps(swept, out / "sweeps.svg")
    progress.print(f"open {out}", soft_wrap=True)


def _tell(message: str) -> None:
    progress.print(f"  {message}", soft_wrap=True, end="\r" if progress.is_terminal else "\n")
