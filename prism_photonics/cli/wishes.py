"""``prism design``: from wishes to a spec."""

from pathlib import Path
from typing import Annotated, Any

import typer

from prism_photonics.cli.arguments import Json, finite
from prism_photonics.cli.output import print_json, tell
from prism_photonics.units import InputError


def design(
    wishes: Annotated[
        Path | None,
        typer.Argument(metavar="WISHES", help="wishes.toml; options come on top of it", show_default=False),
    ] = None,
    channels: Annotated[
        int | None, typer.Option("--channels", "--dims", help="Values of a signature, a channel each.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", help="Blocks that are ranked at once.")] = None,
    process: Annotated[str | None, typer.Option("--process", help="Film, such as tfln600.")] = None,
    max_voltage: Annotated[
        float | None, typer.Option("--max-voltage", metavar="V", callback=finite, help="Of the ring drivers.")
    ] = None,
    itu_grid: Annotated[
        str | None, typer.Option("--itu-grid", metavar="100GHz", help="Lines stand on this grid.")
    ] = None,
    first_channel: Annotated[
        int | None, typer.Option("--first-channel", help="ITU channel of the line of highest frequency.")
    ] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="offset, two_shot or dual_rail.")] = None,
    reach: Annotated[float | None, typer.Option("--reach", callback=finite, help="Weights cover ± this.")] = None,
    residual: Annotated[
        float | None, typer.Option("--residual", metavar="pm", callback=finite, help="Rms that trimming leaves.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="spec.toml", help="Write the spec here, its trade-off beside it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Design a chip from what it shall do and what may be spent on it.

    Reads WISHES, or takes them as options (every wish may stand in the file: docs/wishes.md). Prints what each number
    follows from; with -o writes the spec, and beside it the trade-off against the drive voltage, SPEC_tradeoff.csv
    and .svg. Exit code 1 when no chip is possible as wished: the laws that forbid it are named, and the smallest
    changes of the wishes that make it possible.
    """
    from prism_photonics.explore.design import design as design_spec
    from prism_photonics.explore.wishes import Wishes
    from prism_photonics.files.toml import read_toml

    given: dict[str, Any] = {
        "dims": channels,
        "rows": rows,
        "process": process,
        "max_voltage_V": max_voltage,
        "itu_grid_GHz": None if itu_grid is None else _grid_GHz(itu_grid),
        "first_itu_channel": first_channel,
        "encoding": encoding,
        "weight_limit": reach,
        "residual_pm": residual,
    }
    table = {} if wishes is None else read_toml(wishes, what="wishes", name="wishes.toml")
    table |= {key: value for key, value in given.items() if value is not None}
    found = design_spec(Wishes.of(table, where="wishes" if wishes is None else str(wishes)))
    if as_json:
        print_json(found.to_json())
    else:
        print(found)
    if not found.feasible:
        raise typer.Exit(1)
    if out is not None:
        from prism_photonics.report.tradeoff import write_tradeoff

        found.write(out)
        write_tradeoff(out.with_name(f"{out.stem}_tradeoff.svg"), found)
        tell(f"wrote {out}; next: prism check {out}")


def _grid_GHz(text: str) -> float:
    number = text.strip().removesuffix("GHz").strip()
    try:
        return float(number)
    except ValueError:
        raise InputError(f"--itu-grid {text[:60]}: no number of GHz; give it as 100GHz") from None
