"""``prism track``: argument parsing and progress only."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prism_photonics.cli.arguments import Json, finite
from prism_photonics.cli.output import print_result, progress, tell, warn
from prism_photonics.seeds import LARGEST_SEED
from prism_photonics.units import InputError

if TYPE_CHECKING:
    from prism_photonics.characterize.stability import StabilityTest

ALL = "all"
# Of the weight range, design choice: less is lost in the drivers' steps.
LEAST_SHARE = 0.01


def track(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="RECORD|SPEC", help="folder that 'prism calibrate' wrote, or a spec.toml", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the records and the plot.")],
    mode: Annotated[str, typer.Option(help="none, common, full, or all of them one after the other.")] = ALL,
    bench: Annotated[
        str | None,
        typer.Option(
            help="virtual:SEED, untrimmed:SEED or a bench.toml; default: the bench of the RECORD, or virtual:0.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0.01, max=1e5, callback=finite, help="How long the weights are held.")
    ] = 60.0,
    interval: Annotated[
        float, typer.Option(min=1e-3, max=1e5, callback=finite, help="Time between two refreshes in s.")
    ] = 0.5,
    check: Annotated[
        float, typer.Option(min=1e-3, max=1e6, callback=finite, help="Time between two checks in s.")
    ] = 120.0,
    averages: Annotated[int, typer.Option(min=1, max=1 << 20, help="Converter samples per reading.")] = 256,
    share: Annotated[
        float,
        typer.Option(
            min=LEAST_SHARE,
            max=1.0,
            callback=finite,
            help="Share of the weight range that the weights use; the rest is in hand for corrections.",
        ),
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the weights.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the journals in DIR.")] = False,
    as_json: Json = False,
) -> None:
    """Hold weights while the chip drifts, and keep them true.

    Reads RECORD, or SPEC, which is calibrated first; writes DIR/MODE.nc after every check, and DIR/track.png. Until a
    mode is done, DIR/MODE.jsonl keeps every reading; --resume goes on from there. A virtual chip's clock is moved, a
    real one is waited for.
    """
    from prism_photonics.drift.tracker import MODES

    if mode not in (*MODES, ALL):
        raise InputError(f"--mode {mode}: unknown; use one of {', '.join((*MODES, ALL))}")
    from prism_photonics.workflow.bench import chosen, journaled, sole_folder
    from prism_photonics.workflow.track import finished, recorded_or_calibrated, require_own_place

    # One program alone until all modes are done: each would overwrite the plot of the other.
    with sole_folder(out):
        calibration, chip_spec, bench, record = recorded_or_calibrated(
            what, out, bench, resume=resume, tell=tell, warn=warn
        )
        bench_file, _ = chosen(bench, None)
        import jax

        from prism_photonics.calibration.record import heat_as_recorded, recorded_light, require_same_light
        from prism_photonics.characterize.stability import run_stability_test
        from prism_photonics.report.stability import write_stability

        done: dict[str, StabilityTest] = {}
        whose = {"spec_hash": chip_spec.hash, "bench": bench if bench_file is None else bench_file.name}
        modes = MODES if mode == ALL else (mode,)
        for each in modes:
            require_own_place(out / f"{each}.nc", whose)
        for each in modes:
            path, journal = out / f"{each}.nc", out / f"{each}.jsonl"
            asked = {
                **whose,
                "seed": seed,
                "mode": each,
                "minutes": minutes,
                "interval": interval,
                "check": check,
                "averages": averages,
                "share": share,
            }
            if resume and path.exists() and not journal.exists():
                done[each] = finished(path, asked)
                progress.print(f"{each}: on file")
                continue
            tell(f"{each}: {minutes:g} minutes on {bench} …")

            def seen(test: "StabilityTest", path: Path = path, asked: dict[str, Any] = asked) -> None:
                test.figures |= asked
                test.write(path, chip_spec)
                if progress.is_terminal:
                    progress.print(f"  {test.time_s[-1] / 60.0:.1f} min  {test.held_bits[-1]:.1f} bits", end="\r")

            with journaled(
                bench, bench_file, chip_spec, journal, seed=seed, resume=resume, tell=tell, warn=warn,
                light=recorded_light(record / "calibration.nc"), owned=True,
            ) as chip:  # fmt: skip
                require_same_light(chip, record / "calibration.nc")
                heat_as_recorded(chip, record / "calibration.nc")
                done[each] = run_stability_test(
                    chip, calibration, chip_spec, key=jax.random.key(seed), mode=each, seconds=60.0 * minutes,
                    interval_s=interval, check_s=check, averages=averages, share=share, seen=seen,
                )  # fmt: skip
        write_stability(out / "track.png", {chip_spec.name: done})
    rows = [test.summary() for test in done.values()]
    for row in rows:
        for n, c in row["pinned_rings"]:
            less = max(LEAST_SHARE, 0.8 * share)
            warn(
                f"{row['mode']}: ring {c} of row {n} needs more than the drive's limit to be held true; hold less of "
                f"the weight range with --share {less:.2g}, or raise drive.max_voltage_V in the spec"
            )
    result: dict[str, Any] = {"record": str(out), "modes": rows, "spec_hash": chip_spec.hash}
    if as_json:
        print_result(result, as_json)
        return
    for row in rows:
        print(
            f"{row['mode']:<7} held {row['held_bits_median']:5.2f} bits (worst {row['held_bits_worst']:.2f})  fresh "
            f"{row['fresh_bits_median']:5.2f} (worst {row['fresh_bits_worst']:.2f})  duty {row['duty']:.2g}, with "
            f"laboratory instruments {row['duty_laboratory']:.2g}"
        )
