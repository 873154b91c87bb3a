"""``prism``: the commands and their groups. Heavy rooms are imported by the command that needs them."""

import gc
import os
from typing import Annotated

import typer

from prism_photonics import __version__
from prism_photonics.cli import (
    bench,
    calibration,
    design,
    explore,
    export,
    laboratory,
    models,
    plan,
    ranking,
    run,
    track,
    wishes,
    yields,
)
from prism_photonics.cli.output import guard

app = typer.Typer(
    name="prism",
    help="Photonic KV-cache ranking on thin-film lithium niobate: from a spec to a drawn, calibrated, ranked device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Photonic KV-cache ranking on thin-film lithium niobate."""
    # Fits share the cores portion by portion. Should BLAS also split their matrices, of a few dozen unknowns, threads
    # wait for threads, for most of the processor time on a busy machine. NumPy looks once, when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # What libraries make as they load is no garbage: looked through as often as Python does by itself, five times in
    # all, it takes half a second of a calibration.
    gc.set_threshold(20_000, 20, 20)
    if version:
        print(__version__)
        raise typer.Exit


for _command in (
    wishes.design,
    design.check,
    design.budget,
    plan.plan,
    design.simulate,
    laboratory.measure,
    laboratory.extract,
    calibration.calibrate,
    calibration.program,
    design.layout,
    ranking.rank,
    run.run,
    export.export,
    track.track,
):
    # The others load no JAX.
    app.command()(guard(_command, compiles=_command not in (design.check, design.budget, plan.plan, ranking.rank)))

app.command()(guard(explore.explore, cluster=True))
app.command("yield")(guard(yields.study, compiles=True, cluster=True))

_bench = typer.Typer(
    name="bench",
    help="Instruments: write their file, check them, or serve a virtual chip as one.",
    no_args_is_help=True,
)
for _command in (bench.new, bench.check, bench.serve):
    _bench.command()(guard(_command))
app.add_typer(_bench)

_needle = typer.Typer(
    name="needle", help="The needle models that 'prism rank --model needle' asks.", no_args_is_help=True
)
_needle.command("train")(guard(ranking.needle_train))
app.add_typer(_needle)

_lm = typer.Typer(
    name="lm", help="The real language model that 'prism rank --model smollm2' asks.", no_args_is_help=True
)
_lm.command()(guard(models.fetch))
_lm.command()(guard(models.ask))
app.add_typer(_lm)
