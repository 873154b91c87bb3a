"""Arguments that several commands take."""

import math
from pathlib import Path
from typing import Annotated

import typer

from prism_photonics.seeds import LARGEST_SEED


def finite(value: float | None) -> float | None:
    """A number as an option's callback: ``nan`` lies within any range that is tested by its ends."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


Spec = Annotated[
    Path,
    typer.Argument(
        metavar="SPEC", help="spec.toml of the chip, or the name of one that ships, as demo_8x8", show_default=False
    ),
]
Record = Annotated[
    Path, typer.Argument(metavar="RECORD", help="folder that 'prism calibrate' wrote", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys", metavar="FILE.npz", help="Keys file; default: the built-in needle keys.", show_default=False
    ),
]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of the virtual die and of every random choice."),
]
Block = Annotated[int, typer.Option("--block", min=1, help="Tokens of a block.")]
Dims = Annotated[int, typer.Option("--dims", min=1, help="Dimensions of a block's signature.")]
Fetched = Annotated[int, typer.Option("--k", min=1, help="Blocks that are fetched for a query.")]
Untrimmed = Annotated[bool, typer.Option("--untrimmed", help="The die as fabricated, its rings brought by heaters.")]
Bench = Annotated[Path, typer.Argument(metavar="BENCH", help="bench.toml of the instruments", show_default=False)]
