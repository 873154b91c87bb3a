"""``prism export``: argument parsing only."""

from pathlib import Path
from typing import Annotated

import typer

from prism_photonics.cli.arguments import Json, Record
from prism_photonics.cli.output import print_result
from prism_photonics.seeds import LARGEST_SEED


def export(
    record: Record,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="BUNDLE", help="Folder for the bundle.")],
    forms: Annotated[
        str, typer.Option("--format", metavar="NAME[,NAME…]", help="safetensors,torch,onnx,stablehlo.")
    ] = "safetensors",
    dims: Annotated[
        int | None, typer.Option(min=1, help="Dimensions of a signature in the graphs; default: one slice.")
    ] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Blocks chosen per query in the graphs.")] = 8,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="float64|float32", help="Precision of the graphs; default: double inside, StableHLO single outside."
        ),
    ] = None,
    per_block: Annotated[
        bool, typer.Option("--per-block", help="Graphs write each block at a scale of its own.")
    ] = False,
    die: Annotated[
        int | None,
        typer.Option("--check", metavar="SEED", min=0, max=LARGEST_SEED, help="Check on this virtual die too."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit the behavioral model of a calibrated chip and export it.

    Reads RECORD; writes BUNDLE/bundle.safetensors and BUNDLE/bundle.json, which need NumPy only to be used, and the
    other forms asked for. With --check the model is held against a die that its fit never saw, on Gaussian and real
    signatures; the outcome goes into the bundle.
    """
    from prism_photonics.export.formats import parse_formats

    formats = parse_formats(forms)
    from prism_photonics.workflow.export import export_record

    found = export_record(record, out, formats=formats, dims=dims, k=k, dtype=dtype, per_block=per_block, die=die)
    print_result(found, as_json)
