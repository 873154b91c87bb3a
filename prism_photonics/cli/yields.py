"""``prism yield``: argument parsing and progress only."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prism_photonics.cli.arguments import Json, Seed, Spec, finite
from prism_photonics.cli.output import print_json, progress, tell, warn

if TYPE_CHECKING:
    from prism_photonics.explore.run import Seen


NOT_ALWAYS = ("heater_W", "splitting_bits", "crossing_rings")
"""Without heaters, backscatter or TM there is none of it."""


def study(
    spec: Spec,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for dies, pictures and the page.")],
    dies: Annotated[int, typer.Option("--dies", help="Dies that are drawn.")] = 1000,
    wafers: Annotated[
        int | None,
        typer.Option(
            "--wafers", help="Wafers they come from; default: 40, or as many as hold them.", show_default=False
        ),
    ] = None,
    fab: Annotated[
        Path | None,
        typer.Option(
            "--fab", metavar="FAB.toml", help="The fabrication line: scatter, limits, prices.", show_default=False
        ),
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", help="Blocks to be found; default: an eighth of the rows.", show_default=False)
    ] = None,
    offset_error: Annotated[
        float | None,
        typer.Option(
            "--offset-error", min=0.0, max=1000.0, callback=finite,
            help="What a calibration leaves of a resonance unknown, in pm; default: 0.15 % of the linewidth.",
            show_default=False,
        ),
    ] = None,
    splitting: Annotated[
        float,
        typer.Option(
            "--splitting", min=0.0, max=100.0, callback=finite, metavar="PM",
            help="Median distance of a ring's two resonances by backscatter, in pm; default: rings do not split.",
            show_default=False,
        ),
    ] = 0.0,
    te_tm: Annotated[
        float,
        typer.Option(
            "--te-tm", min=0.0, max=3.0, callback=finite, metavar="SHARE",
            help="Mixing of TE and TM in bends over that of the film's mode table; default: none is drawn.",
            show_default=False,
        ),
    ] = 0.0,
    verify: Annotated[
        int | None,
        typer.Option(
            "--verify", min=0, max=10000,
            help="Dies that also go through the whole calibration; default: 2 of a small chip, none of a large one.",
            show_default=False,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", metavar="ADDRESS", help="A dask scheduler's, as tcp://10.0.0.1:8786.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=1024, help="Processes on this machine.", show_default=False)
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also if 'prism check' refuses the spec.")] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:  # fmt: skip
    """How many of a wafer's dies will work, what kills the others, and what a good one costs.

    Reads SPEC; draws dies lot by lot and wafer by wafer, trims, calibrates, programs and asks them. Writes
    DIR/yield.html with its pictures, yield.json, dies.csv, and dies.bin, from which the same command goes on after it
    was interrupted.
    """
    from prism_photonics.spec import load_spec

    chip = load_spec(spec)
    from prism_photonics.explore.plan import YieldPlan
    from prism_photonics.explore.wafer import Fab
    from prism_photonics.workflow.bench import sole_folder
    from prism_photonics.workflow.yields import study_yield

    plan = YieldPlan.make(
        chip, dies=dies, wafers=wafers, fab=None if fab is None else Fab.from_toml(fab), seed=seed, k=k,
        offset_error_pm=offset_error, splitting_pm=splitting, te_tm=te_tm,
    )  # fmt: skip
    if anyway:
        from prism_photonics.budget.feasibility import check

        for found in check(chip).violations:
            warn(f"{chip.name} breaks {found.rule}")
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with sole_folder(out), Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=progress, disable=not progress.is_terminal,
    ) as bar:  # fmt: skip

        def begun(done: int) -> "Seen":
            if done:
                tell(f"{done} of {plan.dies} dies are on file")
            task = bar.add_task("dies", total=plan.dies, completed=done)
            return lambda count: bar.update(task, advance=count)

        numbers = study_yield(
            plan, out, scheduler=scheduler, workers=workers, verify=verify, begun=begun, tell=tell, anyway=anyway
        )
    for line in numbers["warnings"]:
        warn(line)
    if as_json:
        print_json(numbers)
    else:
        print(_text(numbers))
        print(f"page: {out / 'yield.html'}")


def _text(numbers: dict[str, Any]) -> str:
    """The study as a short table."""
    percent = [100.0 * numbers[name] for name in ("yield", "yield_low", "yield_high")]
    lines = [
        f"{numbers['name']}: {numbers['good']} of {numbers['dies']} dies good, {percent[0]:.1f} % "
        f"({percent[1]:.1f} to {percent[2]:.1f} %), {numbers['wafers']} wafers, {numbers['lots']} lots",
        "",
        f"{'killed by':<22}{'dies':>8}{'alone':>8}   limit",
    ]
    for killer in numbers["killers"]:
        side = "≤" if killer["side"] == "most" else "≥"
        lines.append(
            f"{killer['cause']:<22}{killer['dies']:>8}{killer['alone']:>8}   {killer['column']} {side} "
            f"{killer['limit']:g}"
        )
    lines += _crossings(numbers["crossings"], numbers["dies"])
    lines += ["", f"{'number of a die':<22}{'5 %':>10}{'median':>10}{'95 %':>10}"]
    for name in (
        "recall",
        "snr_dB",
        "weight_error_rms",
        "splitting_bits",
        "crossing_rings",
        "trim_largest_nm",
        "heater_W",
    ):
        one = numbers["distributions"][name]
        if name in NOT_ALWAYS and one["most"] <= 0.0:
            continue
        lines.append(f"{name:<22}{one['p05']:>10.4g}{one['p50']:>10.4g}{one['p95']:>10.4g}")
    lines += ["", f"{'variance (%)':<22}" + "".join(f"{part:>8}" for part in ("lot", "wafer", "place", "rings"))]
    for name, parts in numbers["variance"].items():
        whole = sum(parts.values())
        if whole > 0.0:
            lines.append(f"{name:<22}" + "".join(f"{100.0 * value / whole:>8.1f}" for value in parts.values()))
    for one in numbers["verified"]:
        lines.append(
            f"die {one['die']}: weight error {one['weight_error_rms']:.2g} by the stand-in, "
            f"{one['calibrated_weight_error_rms']:.2g} calibrated; recall {one['recall']:.3f} and "
            f"{one['calibrated_recall']:.3f}"
        )
    cost = numbers["cost_usd"]
    good = "no die is good" if cost["good_chip"] is None else f"{cost['good_chip']:,.0f} USD"
    lines += ["", f"a good, packaged chip: {good} (a die {cost['die']:,.0f}, a package {cost['package']:,.0f} USD)"]
    return "\n".join(lines)


def _crossings(found: dict[str, Any] | None, dies: int) -> list[str]:
    """What rings on crossings of TE and TM cost, where they are drawn."""
    if found is None or not found["te_tm"]:
        return []
    out = found["left_out"]
    return [
        "",
        f"crossings of TE and TM: {found['drawn_a_die']:.1f} of {found['rings']} rings of a die in the mean "
        f"({found['expected_a_die']:.1f} expected at 1), {found['dies_with']} of {dies} dies have any; with those "
        f"rings left out {100.0 * out['yield']:.1f} % good ({100.0 * out['yield_low']:.1f} to "
        f"{100.0 * out['yield_high']:.1f} %)",
    ]
