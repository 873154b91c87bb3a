"""``prism``: argument parsing and progress only. Heavy rooms are imported by the command that needs them."""

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from prism_photonics import __version__
from prism_photonics.cli import rank as cli_rank
from prism_photonics.files import make_folder
from prism_photonics.units import InputError

app = typer.Typer(
    name="prism",
    help="Photonic KV-cache ranking on thin-film lithium niobate: from a spec to a drawn, calibrated, ranked device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
LARGEST_SEED = 2**31 - 1
# Results go to stdout; everything for people who wait goes to stderr.
progress = Console(stderr=True, highlight=False)

Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="spec.toml of the chip", show_default=False)]
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
Untrimmed = Annotated[bool, typer.Option("--untrimmed", help="The die as fabricated, its rings brought by heaters.")]


def command(function: Callable[..., None], group: typer.Typer = app) -> Callable[..., None]:
    """Register a command; bad input ends in one line on stderr and exit code 2."""
    return group.command()(guard(function))


def guard(function: Callable[..., None]) -> Callable[..., None]:
    """The function, ending in one line on stderr and exit code 2 on bad input."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except InputError as error:
            print(f"prism: {_one_line(str(error))}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print("prism: interrupted; what was finished is in the output folder", file=sys.stderr)
            raise typer.Exit(130) from None

    return guarded


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Photonic KV-cache ranking on thin-film lithium niobate."""
    if version:
        print(__version__)
        raise typer.Exit


@command
def check(
    spec: Spec,
    explain: Annotated[bool, typer.Option("--explain", help="Also print how each number is derived.")] = False,
    as_json: Json = False,
) -> None:
    """Is the chip feasible?

    Reads SPEC; writes nothing. Exit code 0 when every rule is kept, 1 when one is broken, 2 when the spec is not valid.
    """
    from prism_photonics.budget.feasibility import check as check_spec
    from prism_photonics.spec import ChipSpec

    result = check_spec(ChipSpec.from_toml(spec))
    if as_json:
        _print_json(result.to_json(explain=explain))
    else:
        for finding in result.findings:
            mark = "ok " if finding.passed else "NO "
            print(f"{mark} {finding.rule:<20} {finding.value:>10.4g}   limit {finding.limit:>8.4g} {finding.unit}")
            if not finding.passed:
                print(f"     {finding.cure}")
            if explain:
                print(f"     = {finding.explain}")
        for warning in result.warnings:
            print(f"note {warning}")
        print("feasible" if result.feasible else f"not feasible: {len(result.violations)} rules broken")
    raise typer.Exit(0 if result.feasible else 1)


@command
def budget(
    spec: Spec,
    plot: Annotated[
        Path | None,
        typer.Option("-o", "--plot", metavar="FILE.png", help="Also plot energy and latency against context here."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw up the ledger: link, noise, latency, energy, and the context from which each electronic selector is beaten.

    Reads SPEC; prints every entry with its source, the paper's number beside ours; with -o writes a plot.
    """
    from prism_photonics.budget.ledger import ledger
    from prism_photonics.budget.table import text
    from prism_photonics.budget.trimming import heater_power_W
    from prism_photonics.spec import ChipSpec

    chip = ChipSpec.from_toml(spec)
    result = ledger(chip, heater_power_W)
    if plot is not None:
        from prism_photonics.report.ledger import write_plot

        write_plot(plot, chip, heater_power_W)
    if as_json:
        _print_json(result.to_json())
    else:
        print(text(result))


@command
def simulate(
    spec: Spec,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Also write spectrum.svg here.")
    ] = None,
    drawing: Annotated[
        Path | None,
        typer.Option("--layout", metavar="CHIP.gds", help="Also simulate what this file draws, and compare."),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Simulate the designed chip with the exact row solver, and SAX beside it.

    Reads SPEC; prints the rings' figures of merit, the weights at rest and the largest difference of the two solvers;
    with -o writes the row's spectrum. With --layout the drawn chip, also one edited by hand, is measured, simulated and
    held against the design, row by row, in resonance (pm) and in weight.
    """
    from prism_photonics.budget.ring import ring_figures
    from prism_photonics.spec import ChipSpec

    chip = ChipSpec.from_toml(spec)
    import jax.numpy as jnp
    import numpy as np

    from prism_photonics.circuit.params import designed_bank
    from prism_photonics.circuit.row import bank_weights
    from prism_photonics.workflow.job import row_solver_vs_sax

    rest = bank_weights(designed_bank(chip), jnp.zeros((chip.chip.rows, chip.chip.rings)))
    result = {
        "name": chip.name,
        "ring": asdict(ring_figures(chip)),
        "weights_at_rest": np.asarray(rest[0]).round(6).tolist(),
        "row_solver_vs_sax_max_error": row_solver_vs_sax(chip, seed=seed),
        "spec_hash": chip.hash,
    }
    if out is not None:
        from prism_photonics.report.page import write_spectrum

        result["spectrum"] = str(write_spectrum(out / "spectrum.svg", chip))
    if drawing is not None:
        from prism_photonics.layout.annotate import back_annotate

        annotation = back_annotate(drawing, chip)
        result["layout"] = annotation.to_json() if as_json else "".join(f"\n  {line}" for line in annotation.lines())
    _print_result(result, as_json)


@command
def calibrate(
    spec: Spec,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="RECORD", help="Folder for the record and its stages.")],
    bench: Annotated[
        str,
        typer.Option(help="virtual:SEED, a virtual die; untrimmed:SEED, as fabricated, with heaters; or a bench.toml."),
    ] = "virtual:0",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST_SEED, help="Seed of the survey; default: the virtual die's, or 0."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with RECORD/journal.jsonl.")] = False,
    drift: Annotated[bool, typer.Option("--drift", help="Also watch weights drift; hours on a bench.")] = False,
    as_json: Json = False,
) -> None:
    """Calibrate a chip from its photocurrents, and check it on targets it never saw.

    Reads SPEC; writes RECORD/calibration.nc (survey and fit), RECORD/validation.nc (held-out measurements),
    RECORD/stages (a record and a plot of each stage) and with --drift RECORD/drift.nc. Until they are there,
    RECORD/journal.jsonl keeps every reading; --resume goes on from it.
    """
    bench_file, seed = cli_bench.chosen(bench, seed)
    chip_spec = cli_bench.measurable(spec)
    from prism_photonics.calibration.calibration import summary
    from prism_photonics.calibration.record import recorded_faults
    from prism_photonics.workflow.job import calibrate_and_validate, recorded_trim, search_and_assign, watch_drift

    make_folder(out)
    progress.print(f"calibrating {chip_spec.name} on {bench} …")
    with cli_bench.journaled(bench, bench_file, chip_spec, out / "journal.jsonl", seed=seed, resume=resume) as chip:
        untrimmed = cli_bench.is_untrimmed(bench, bench_file)
        searched = search_and_assign(chip, chip_spec, out).together.triggers if untrimmed else 0
        calibration, validation = calibrate_and_validate(chip, chip_spec, out, seed=seed, bench=bench)
        if drift:
            watch_drift(chip, calibration, chip_spec, out, seed=seed)
    for doubt in (*recorded_faults(out / "calibration.nc"), *calibration.doubts()):
        progress.print(f"warning: {doubt}", soft_wrap=True)
    looks = validation.looks + (trimmed := recorded_trim(out)).looks
    wall_time_s = cli_bench.calibration_wall_time_s(bench_file, chip_spec, looks=looks, searched=searched)
    result = {
        "record": str(out),
        "accuracy_bits": validation.accuracy_bits,
        "precision_bits": validation.precision_bits,
        "closed_loop_bits": trimmed.closed_loop_bits,
        **summary(calibration),
        "search_readings": searched,
        "wall_time_s": round(wall_time_s, 1),
        "over_voltage_attempts": chip.over_voltage_attempts,
        "over_power_attempts": chip.over_power_attempts,
        "spec_hash": chip_spec.hash,
    }
    _print_result(result, as_json)


@command
def program(
    record: Record,
    signatures: Annotated[
        Path, typer.Argument(metavar="SIGNATURES.npy", help="array (blocks, dims)", show_default=False)
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="VOLTS.npz", help="Where the voltages go.")],
    scale: Annotated[
        str, typer.Option(help="Signature written as the full weight: best (for recall), max, or a number.")
    ] = "best",
    to_bench: Annotated[
        Path | None,
        typer.Option(
            "--to-bench", metavar="BENCH.toml", help="Also set one tile on these instruments.", show_default=False
        ),
    ] = None,
    page: Annotated[int, typer.Option(min=0, help="Page that goes to the bench.")] = 0,
    piece: Annotated[int, typer.Option("--slice", min=0, help="Slice that goes to the bench.")] = 0,
    hold_s: Annotated[
        float | None,
        typer.Option(min=0.0, help="Hold it so long; default: until Ctrl-C.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn signatures into ring voltages within the drive limit.

    Reads RECORD and a NumPy array of shape (blocks, dims); writes volts_V, predicted and residual weights of every
    (page, slice) tile. Targets out of reach are listed. With --to-bench one tile is set, read back where the bench file
    has verify_V, and held; then the rings are parked, as on any error.
    """
    bench_file = cli_bench.read_bench(to_bench)
    from prism_photonics.workflow.program import program_signatures

    result = program_signatures(record, signatures, out, scale=_scale(scale))
    _print_result(result, as_json)
    if bench_file is not None:
        cli_bench.hold_tile(bench_file, record, out, page=page, piece=piece, hold_s=hold_s)


@command
def layout(
    spec: Spec,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the drawing.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Draw a chip that 'prism check' refuses, too.", show_default=False)
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw the matching chip and prove the match.

    Reads SPEC; writes DIR/chip.gds, .oas, .lyp, .png and .pic.yml, netlist.yaml, row.pic.yml, ring.glb, manifest.csv,
    drc.lyrdb and lvs.json. The netlist is extracted from the GDS, compared with the design and simulated beside it.
    Exit code 1 when a drawing rule is broken or the drawing is not the design.
    """
    chip_spec = _feasible(spec, anyway=anyway)
    make_folder(out)
    progress.print(f"drawing {chip_spec.name} …")
    from prism_photonics.layout.write import write

    files = write(chip_spec, out, simulate=True, progress=lambda step: progress.print(f"  {step} …"))
    for fault in files.faults:
        progress.print(f"fault: {fault}", soft_wrap=True)
    error = files.lvs.simulation_max_error
    _print_result({**files.to_json(), "layout_vs_design_max_error": error, "spec_hash": chip_spec.hash}, as_json)
    if files.faults:
        raise typer.Exit(1)


command(cli_rank.rank)
needle = typer.Typer(help="The needle models that 'prism rank --model needle' asks.", no_args_is_help=True)
app.add_typer(needle, name="needle")
needle.command("train")(guard(cli_rank.needle_train))


@command
def run(
    spec: Spec,
    keys: Keys = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Output folder; default out/NAME.")
    ] = None,
    untrimmed: Untrimmed = False,
    as_json: Json = False,
) -> None:
    """The main job: from a spec to ranked blocks.

    Reads SPEC and a keys file; writes DIR/record, layout, bundle, summary.json and report.html.
    """
    chip_spec = _feasible(spec)
    from prism_photonics.ranking.compare import load_keys

    # What can be refused is refused before JAX is loaded and before anything is printed.
    load_keys(keys)
    folder = out or Path("out") / chip_spec.name
    make_folder(folder)
    progress.print(f"[bold]{chip_spec.name}[/bold]: {chip_spec.chip.rows} × {chip_spec.chip.rings}, seed {seed}")
    from prism_photonics.workflow import job

    result = job.run(chip_spec, folder, keys=keys, seed=seed, untrimmed=untrimmed, progress=_tell)
    for warning in result["warnings"]:
        progress.print(f"warning: {warning}", soft_wrap=True)
    if as_json:
        _print_json(result)
    else:
        progress.print(f"open {folder / 'report.html'}", soft_wrap=True)


def _tell(step: str, outcome: str, seconds: float) -> None:
    if not outcome:
        # A terminal shows what is running; a log needs only what was done.
        if progress.is_terminal:
            progress.print(f"  {step:<10} …", end="\r")
    else:
        progress.print(f"  {step:<10} {outcome}  [dim]({seconds:.1f} s)[/dim]", soft_wrap=True)


def _feasible(path: Path, *, anyway: bool = False) -> Any:
    from prism_photonics.budget.feasibility import require_feasible
    from prism_photonics.spec import ChipSpec

    spec = ChipSpec.from_toml(path)
    if not anyway:
        require_feasible(spec)
    return spec


def _scale(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _one_line(message: str) -> str:
    """A message with every line break and control character spelled out: a path or a key may hold any."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


def _print_result(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(result)
        return
    for key, value in result.items():
        print(f"{key}: {value}")


def _print_json(result: Any) -> None:
    print(json.dumps(result, indent=2))


# Last, because these commands are made of what stands above.
from prism_photonics.cli import bench as cli_bench  # noqa: E402
from prism_photonics.cli import export as cli_export  # noqa: E402, F401
from prism_photonics.cli import track as cli_track  # noqa: E402, F401
