"""``prism explore``: argument parsing and progress only."""

from pathlib import Path
from typing import Annotated

import typer

from prism_photonics.cli.arguments import Json, Seed, Spec
from prism_photonics.cli.output import print_json, progress, tell


def explore(
    spec: Spec,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the designs and the picture.")],
    objectives: Annotated[
        str, typer.Option("--objectives", help="Some of recall, energy, area, yield.")
    ] = "recall,energy,area",
    trials: Annotated[int, typer.Option("--trials", help="Designs that are tried in all.")] = 1000,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", metavar="URL", help="Of any storage of Optuna; default: DIR/explore.db.", show_default=False
        ),
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", help="Blocks to be found; default: an eighth of the rows.", show_default=False)
    ] = None,
    beat: Annotated[
        str | None,
        typer.Option(
            "--beat", metavar="SPEC", help="A chip to beat in all objectives; default: SPEC, if it is feasible.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Search for chips that beat SPEC, or another: as many rows and dimensions, on SPEC's film, every rule kept.

    Reads SPEC, which need not be feasible; writes DIR/design_N.toml, each a spec that passes 'prism check' and that no
    other beats in all objectives, explore.json, and pareto.svg. The same command goes on after it was interrupted;
    several of them may work on one --storage.
    """
    from prism_photonics.spec import load_spec

    chip = load_spec(spec)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from prism_photonics.explore.objectives import blocks_of, objectives_of
    from prism_photonics.explore.search import Search
    from prism_photonics.files import make_folder
    from prism_photonics.workflow.explore import explore_designs

    wanted = objectives_of(objectives)
    make_folder(out)
    search = Search(chip, wanted, blocks_of(chip, k), storage or f"sqlite:///{(out / 'explore.db').absolute()}", seed)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=progress, disable=not progress.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("trials", total=trials)
        numbers = explore_designs(
            search, out, trials=trials, beat=None if beat is None else load_spec(beat),
            seen=lambda done: bar.update(task, completed=done), tell=tell,
        )  # fmt: skip
    if as_json:
        print_json(numbers)
        return
    names = list(numbers["objectives"])
    print(
        f"{numbers['trials']} trials, {numbers['feasible']} of them feasible; of these and their polished ones "
        f"{numbers['front']} are beaten by no other, {len(numbers['designs'])} are written"
    )
    print(f"{'design':<18}" + "".join(f"{name:>10}" for name in names) + "  chosen")
    reference = numbers["reference"]
    if reference is not None:
        print(f"{reference['name'][:18]:<18}" + "".join(f"{reference[name]:>10.4g}" for name in names) + "  to beat")
    for row in numbers["designs"]:
        chosen = row["choice"]
        print(
            f"{row['spec']:<18}" + "".join(f"{row[name]:>10.4g}" for name in names)
            + f"  {chosen['buses']} {'bus' if chosen['buses'] == 1 else 'buses'}, {chosen['encoding']}, "
            f"{chosen['line_power_dBm']:.1f} dBm, {1e3 * chosen['bandwidth_GHz']:.3g} MHz"
            + ("; beats it" if row["beats"] else "")
        )  # fmt: skip
    if not numbers["designs"]:
        print("no trial kept every rule: give more --trials, or mend the spec first ('prism check' says how)")
