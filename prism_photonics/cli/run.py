"""``prism run``: the main job."""

from pathlib import Path
from typing import Annotated

import typer

from prism_photonics.cli.arguments import Json, Keys, Seed, Spec, Untrimmed
from prism_photonics.cli.output import print_json, progress
from prism_photonics.files import make_folder


def run(
    spec: Spec,
    keys: Keys = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Output folder; default out/NAME.")
    ] = None,
    untrimmed: Untrimmed = False,
    full: Annotated[
        bool, typer.Option("--full", help="A die with all that real rings have besides, as of virtual:SEED,full.")
    ] = False,
    as_json: Json = False,
) -> None:
    """The main job: from a spec to ranked blocks.

    Reads SPEC and a keys file; writes DIR/record, layout, bundle, summary.json and report.html.
    """
    from prism_photonics.extras import require
    from prism_photonics.workflow.bench import feasible_spec

    # One line before anything is done: the layout extra brings the simulator too.
    require("gdsfactory", "equinox", what="prism run")

    chip_spec = feasible_spec(spec)
    from prism_photonics.ranking.compare import load_keys

    # What can be refused is refused before JAX is loaded and before anything is printed.
    load_keys(keys)
    folder = out or Path("out") / chip_spec.name
    make_folder(folder)
    progress.print(f"[bold]{chip_spec.name}[/bold]: {chip_spec.chip.rows} × {chip_spec.chip.rings}, seed {seed}")
    from prism_photonics.workflow import job

    truth = "full" if full else "model"
    result = job.run(chip_spec, folder, keys=keys, seed=seed, untrimmed=untrimmed, truth=truth, progress=_tell)
    for warning in result["warnings"]:
        progress.print(f"warning: {warning}", soft_wrap=True)
    if as_json:
        print_json(result)
    else:
        progress.print(f"open {folder / 'report.html'}", soft_wrap=True)


def _tell(step: str, outcome: str, seconds: float) -> None:
    if not outcome:
        # A terminal shows what is running; a log needs only what was done.
        if progress.is_terminal:
            progress.print(f"  {step:<10} …", end="\r")
    else:
        progress.print(f"  {step:<10} {outcome}  [dim]({seconds:.1f} s)[/dim]", soft_wrap=True)
