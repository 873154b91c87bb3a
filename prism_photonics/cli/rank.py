"""The commands of the ranking room: ``prism rank`` and ``prism needle train``; ``cli`` registers them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from prism_photonics.units import InputError

LARGEST_SEED = 2**31 - 1
LONGEST_CONTEXT = 1 << 20
_progress = Console(stderr=True, highlight=False)


def rank(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", help="folder that 'prism export' wrote", show_default=False)
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="FILE.npz", help="Keys file; default: the built-in needle keys."),
    ] = None,
    block: Annotated[str, typer.Option(metavar="N[,N…]", help="Tokens per block.")] = "16",
    k: Annotated[
        str, typer.Option("--k", metavar="N[,N…]", help="Blocks chosen per query; default 8, with --model one in 8.")
    ] = "",
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of every random choice.")] = 0,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="needle|needle:plain|DIR",
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
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
        if len(blocks) > 1 or len(chosen) > 1:
            raise InputError("--block, --k: got several, want one without --model; give --model or one number")
        _rank_keys(bundle, keys, block=min(blocks), k=next(iter(chosen), 8), seed=seed, as_json=as_json)
        return
    from prism_photonics.export.read import load
    from prism_photonics.ranking.catalog import NAMES, make_selectors
    from prism_photonics.ranking.needle.models import load_model
    from prism_photonics.ranking.table import LEAST_TRIALS, Point, table

    chip = load(bundle)
    wide = load(dual_rail) if dual_rail else chip
    points = []
    for tokens in numbers(context, "--context"):
        if tokens > LONGEST_CONTEXT:
            raise InputError(f"--context: got {tokens} tokens, want at most {LONGEST_CONTEXT}; choose a shorter one")
        for size in blocks:
            points += [Point(tokens, size, each, trials) for each in chosen or (max(1, tokens // size // 8),)]
    network, vocabulary = load_model(model)
    config = network.config.get_text_config()
    dims = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    names = tuple(name.strip() for name in selectors.split(",")) if selectors else NAMES
    made = make_selectors(names, chip, dual_rail=wide, dims=dims, seed=seed)
    if circuit:
        from prism_photonics.ranking.features import MeanKey
        from prism_photonics.ranking.selectors import FeatureSelector

        made["circuit"] = FeatureSelector("circuit", MeanKey(), circuit_reader(circuit))
    if trials < LEAST_TRIALS:
        _progress.print(f"warning: {trials} needles a point; quote no row with fewer than {LEAST_TRIALS}")
    found = [
        asdict(row) for row in table(model, network, vocabulary, selectors=made, points=points, seed=seed, tell=_tell)
    ]
    for row in found:
        selector = made.get(row["selector"])
        row |= _energy(row, getattr(getattr(selector, "reader", None), "bundle", chip))
    swept: list[dict[str, Any]] = []
    if sweeps:
        from prism_photonics.ranking.sweep import sweep

        studied = sweep(model, network, vocabulary, bundle=chip, dual_rail=wide, point=points[0], seed=seed, tell=_tell)
        swept = [asdict(row) for row in studied]
    if out is not None:
        _write(out, found, swept)
    if as_json:
        print(json.dumps(found + swept, indent=2))
        return
    _print_table(found)
    if swept:
        print()
        _print_table(swept)


def _energy(row: dict[str, Any], bundle: Any) -> dict[str, float]:
    """Energy of choosing the blocks of one query, by the ledger of the chip that is read; empty without its spec.

    A chip's row takes a ledger query per page and slice, shots included; an electronic one reads its signatures from
    HBM. The fetch of the chosen blocks is not in it.
    """
    if not bundle.spec:
        return {}
    from prism_photonics.budget.baselines import HBM_PJ_BYTE
    from prism_photonics.budget.ledger import ledger
    from prism_photonics.budget.trimming import heater_power_W
    from prism_photonics.codec.encoding import shots
    from prism_photonics.spec import ChipSpec

    energy_pJ = row["signature_bytes"] * HBM_PJ_BYTE
    if row["passes"]:
        try:
            spec = ChipSpec.model_validate_json(bundle.spec)
        except ValueError:
            raise InputError("bundle: the spec in it is damaged; export the bundle again") from None
        query = ledger(spec, heater_power_W).to_json()["energy_pJ"]["total"]["derived"]
        energy_pJ += query * row["passes"] / shots(bundle.encoding)
    return {"energy_pJ": energy_pJ}


def needle_train(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="folder for the model", show_default=False)],
    kind: Annotated[
        str, typer.Option(metavar="selectable|plain", help="With block selection in the loop, or without.")
    ] = "selectable",
    seconds: Annotated[
        float | None, typer.Option(min=1.0, help="Processor time; default: what the built-in model took.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of weights and data.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Train a needle model from nothing, on one core.

    Reads nothing; writes DIR/config.json, model.safetensors and needle.json, for 'prism rank BUNDLE --model DIR'.
    """
    from prism_photonics.ranking.needle.models import import_transformers

    import_transformers()
    from prism_photonics.ranking.needle.train import train

    result = train(out, kind=kind, seconds=seconds, seed=seed, tell=_tell)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        for name, value in result.items():
            print(f"{name}: {value}")


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


def circuit_reader(record: Path) -> Any:
    """A reader that programs and reads the whole circuit of a calibrated virtual chip, tile by tile.

    Args:
        record: Folder that 'prism calibrate' wrote.

    Returns:
        A ``rank.readers.BankReader``.

    Raises:
        InputError: A damaged record, or one of no virtual chip.
    """
    import jax

    from prism_photonics.calibration.record import heat_as_recorded, read_record
    from prism_photonics.characterize.accuracy import Validation
    from prism_photonics.chip.virtual import VirtualChip
    from prism_photonics.codec.encoding import RAILS, SHOTS
    from prism_photonics.programming.tiles import WeightRange
    from prism_photonics.ranking.readers import BankReader
    from prism_photonics.workflow.export import chip_bank

    calibration, spec, extra = read_record(record / "calibration.nc")
    validation = Validation.read(record / "validation.nc")
    kind, _, die = str(extra.get("bench", "")).partition(":")
    if kind not in ("virtual", "untrimmed") or not die.isdigit():
        raise InputError(f"{record}: calibrated on '{extra.get('bench')}', want a virtual chip; give another record")
    chip = VirtualChip.fabricate(spec, jax.random.key(int(die)), trimmed=kind == "virtual")
    heat_as_recorded(chip, record / "calibration.nc")
    weight_range = WeightRange(validation.weight_low, validation.weight_high)
    score_bank = chip_bank(chip, calibration, spec, weight_range, validation.held_weights())
    encoding = spec.modulator.encoding
    dims = spec.chip.rings // RAILS[encoding]
    return BankReader(score_bank, rows=spec.chip.rows, channels=dims, shots=SHOTS[encoding])


def _rank_keys(bundle: Path, keys: Path | None, *, block: int, k: int, seed: int, as_json: bool) -> None:
    from prism_photonics.ranking.compare import compare

    lines = compare(bundle, keys, block=block, k=k, seed=seed)
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
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
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    print(f"{'impairment':<10} {'setting':>7} {'recall@32':>9} {'sd':>6} {'error':>6} {'paper':>6}")
    for row in rows:
        figures = f"{row.mean:>9.3f} {row.sd:>6.3f} {row.error:>6.3f} {row.quoted:>6.3f}"
        print(f"{row.impairment:<10} {row.setting:>7g} {figures}")


def _print_table(rows: list[dict[str, Any]]) -> None:
    priced = all("energy_pJ" in row for row in rows)
    print(
        f"{'selector':<22} {'context':>7} {'block':>5} {'k':>4} {'accuracy':>8} {'95 %':>13} {'hit':>6} {'chance':>7} "
        f"{'recall':>7} {'mass':>6} {'ΔNLL':>7} {'read':>7} {'needles':>7}" + (f" {'nJ':>9}" if priced else "")
    )
    for row in rows:
        name = row["selector"]
        if row.get("impairment", "none") != "none":
            name = f"{name.removeprefix('photonic_')} {row['impairment']} {row['setting']:g}"
        interval = f"{row['accuracy_low']:.3f}–{row['accuracy_high']:.3f}"
        print(
            f"{name:<22} {row['context']:>7} {row['block']:>5} {row['k']:>4} {row['accuracy']:>8.3f} {interval:>13} "
            f"{row['hit']:>6.3f} {row['chance']:>7.3f} {row['recall']:>7.3f} {row['mass_coverage']:>6.3f} "
            f"{round(row['delta_nll'], 3) + 0.0:>7.3f} {row['tokens_read']:>7.0f} {row['trials']:>7}"
            + (f" {row['energy_pJ'] / 1e3:>9.1f}" if priced else "")
        )


def _write(out: Path, rows: list[dict[str, Any]], swept: list[dict[str, Any]]) -> None:
    from prism_photonics.files import make_folder, write_text
    from prism_photonics.ranking.plot import plot_contexts, plot_sweeps

    make_folder(out)
    write_text(out / "table.json", json.dumps(rows + swept, indent=2) + "\n")
    for size in dict.fromkeys(row["block"] for row in rows):
        plot_contexts([row for row in rows if row["block"] == size], out / f"contexts_block{size}.svg")
    if swept:
        plot_sweeps(swept, out / "sweeps.svg")
    _progress.print(f"open {out}", soft_wrap=True)


def _tell(message: str) -> None:
    _progress.print(f"  {message}", soft_wrap=True, end="\r" if _progress.is_terminal else "\n")
