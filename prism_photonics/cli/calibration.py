"""``prism calibrate`` and ``program``: from a chip on a bench to a record, and from signatures to volts."""

from pathlib import Path
from typing import Annotated

import typer

from prism_photonics.cli.arguments import Json, Record, Spec, finite
from prism_photonics.cli.output import print_result, tell, warn
from prism_photonics.files import make_folder
from prism_photonics.seeds import LARGEST_SEED
from prism_photonics.units import InputError


def calibrate(
    spec: Spec,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="RECORD", help="Folder for the record and its stages.")],
    bench: Annotated[
        str,
        typer.Option(
            help="virtual:SEED, a virtual die; virtual:SEED,full, one with all that real rings have besides; "
            "untrimmed:SEED, as fabricated; trimmed:FILE, that die after a trimming; recorded:FOLDER, what was "
            "measured before; or a bench.toml."
        ),
    ] = "virtual:0",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST_SEED, help="Seed of the survey; default: the virtual die's, or 0."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with RECORD/journal.jsonl.")] = False,
    drift: Annotated[
        bool, typer.Option("--drift", help="Also watch weights drift; hours on real instruments.")
    ] = False,
    recording: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Keep all readings there too, for --bench recorded:FOLDER.", show_default=False
        ),
    ] = None,
    light: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Of a virtual die: comb (the default), or tunable_laser: one laser, no modulators, spectra.",
            show_default=False,
        ),
    ] = None,
    find_rings: Annotated[
        bool,
        typer.Option(
            "--find-rings",
            help="Without heaters, rings anywhere: a tunable laser finds them and RECORD/trimming.csv is written.",
        ),
    ] = False,
    trimming: Annotated[
        Path | None,
        typer.Option(
            "--trimming",
            metavar="trimming.csv",
            help="What was done since: which ring serves which channel.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Calibrate a chip from its photocurrents, and check it on targets it never saw.

    Reads SPEC; writes RECORD/calibration.nc (survey and fit), RECORD/validation.nc (held-out measurements),
    RECORD/stages (a record and a plot of each stage) and with --drift RECORD/drift.nc. Until they are there,
    RECORD/journal.jsonl keeps every reading; --resume goes on from it. An untrimmed chip without heaters is not
    calibrated: its rings are found, and RECORD/trimming.csv says how far each has to be moved.
    """
    from prism_photonics.workflow.bench import (
        chosen,
        is_untrimmed,
        journaled,
        measurable,
        recorded_to,
        require_same_chip,
        virtual_light,
    )

    bench_file, seed = chosen(bench, seed)
    kind = virtual_light(light, bench)
    chip_spec = measurable(spec, warn=warn)
    from prism_photonics.calibration.calibration import summary
    from prism_photonics.characterize.cost import NOTHING, calibration_plan, calibration_wall_time_s
    from prism_photonics.chip.heaters import has_heaters
    from prism_photonics.chip.trimming import read_trimming
    from prism_photonics.chip.walltime import spelled, wall_times_s
    from prism_photonics.workflow.accuracy import bits_of_others
    from prism_photonics.workflow.job import calibrate_and_validate, recorded_trim, search_and_assign, watch_drift
    from prism_photonics.workflow.search import ordered, write_trimming

    make_folder(out)
    require_same_chip(out, chip_spec, bench)
    tell(f"calibrating {chip_spec.name} on {bench} …")
    times_s = None
    if bench_file is not None:
        plan = calibration_plan(chip_spec, laser=bool(bench_file.laser))
        times_s = wall_times_s(bench_file, plan)
        tell(spelled(times_s))
    journal = out / "journal.jsonl"
    untrimmed = find_rings or is_untrimmed(bench, bench_file)
    only_found = untrimmed and not has_heaters(chip_spec)
    moved = None if trimming is None else read_trimming(trimming, chip_spec)
    if moved is not None and find_rings:
        raise InputError(
            f"--trimming {trimming}: got --find-rings too, want rings to be moved, or moved; leave one out"
        )
    if moved is not None and untrimmed:
        raise InputError(
            f"--trimming {trimming}: got an untrimmed chip, want one that was trimmed as the file says; a virtual die "
            f"is trimmed by --bench trimmed:{trimming}"
        )
    with (
        journaled(
            bench, bench_file, chip_spec, journal, seed=seed, resume=resume, tell=tell, warn=warn, light=kind
        ) as held,
        recorded_to(recording, ordered(held, moved), seed=seed, untrimmed=untrimmed) as chip,
    ):
        if only_found:
            print_result(write_trimming(chip, out, bench=bench, tell=tell), as_json)
            return
        search = search_and_assign(chip, out, tell=tell) if untrimmed else None
        session, accuracy = calibrate_and_validate(chip, out, seed=seed, bench=bench, wall_times_s=times_s, tell=tell)
        if drift:
            watch_drift(session, out, seed=seed)
    for doubt in session.warnings:
        warn(doubt)
    trimmed, tracked = recorded_trim(out), accuracy.validation.drift_readings > 0
    searched = NOTHING if search is None else search.plan
    wall_time_s = calibration_wall_time_s(bench_file, chip_spec, tracked=tracked, searched=searched, laser=chip.laser)
    result = {
        "record": str(out),
        "accuracy_bits": accuracy.accuracy_bits,
        **bits_of_others(session.fit, accuracy.validation),
        **({} if chip.laser is None else {"absolute_bits": accuracy.absolute_bits}),
        "precision_bits": accuracy.precision_bits,
        "closed_loop_bits": trimmed.closed_loop_bits,
        **summary(session.fit),
        "search_readings": searched.triggers + searched.sweeps,
        "wall_time_s": round(wall_time_s, 1),
        "fit_wait_s": round(session.fit_wait_s, 1),
        "over_voltage_attempts": chip.over_voltage_attempts,
        "over_power_attempts": chip.over_power_attempts,
        "spec_hash": chip_spec.hash,
    }
    print_result(result, as_json)


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
        typer.Option(
            min=0.0, max=1e8, callback=finite, help="Hold it so long; default: until Ctrl-C.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn signatures into ring voltages within the drive limit.

    Reads RECORD and a NumPy array of shape (blocks, dims); writes volts_V, predicted and residual weights of every
    (page, slice) tile. Targets out of reach are listed. With --to-bench one tile is set, read back where the bench file
    has verify_V, and held; then the rings are parked, as on any error.
    """
    from prism_photonics.workflow.bench import hold_tile, read_bench

    bench_file = read_bench(to_bench)
    from prism_photonics.workflow.program import program_signatures

    result = program_signatures(record, signatures, out, scale=_scale(scale))
    print_result(result, as_json)
    if bench_file is not None:
        hold_tile(bench_file, record, out, page=page, piece=piece, hold_s=hold_s, tell=tell, warn=warn)


def _scale(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
