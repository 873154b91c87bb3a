"""``prism bench …`` and the choice of a bench: argument parsing and progress only."""

import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prism_photonics import __version__
from prism_photonics.cli.app import LARGEST_SEED, Json, Seed, Spec, Untrimmed, _print_result, app, command, progress
from prism_photonics.units import InputError

if TYPE_CHECKING:
    from prism_photonics.chip.benchfile import BenchFile
    from prism_photonics.chip.journal import JournaledChip
    from prism_photonics.spec import ChipSpec

# What a laboratory's instruments take, for estimates without a bench file: a source that settles in 1 ms, 1 ms a
# command, channels written 64 at a time, a digitiser of 1 MS/s. Design choices, as of the served chip.
LABORATORY_SETTLE_S, LABORATORY_COMMAND_S, LABORATORY_CHANNELS, LABORATORY_SAMPLE_S = 1e-3, 1e-3, 64, 1e-6

group = typer.Typer(
    name="bench", help="Instruments: serve a virtual chip as one, check real ones.", no_args_is_help=True
)
app.add_typer(group)
bench_command = functools.partial(command, group=group)

Bench = Annotated[Path, typer.Argument(metavar="BENCH", help="bench.toml of the instruments", show_default=False)]


@bench_command
def serve(
    spec: Spec,
    seed: Seed = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port on 127.0.0.1; 0 takes a free one.")] = 5025,
    time_scale: Annotated[
        float, typer.Option(min=0.0, max=1e3, help="Scale of settling and integration times; 0: none.")
    ] = 1.0,
    untrimmed: Untrimmed = False,
) -> None:
    """Serve a virtual chip as SCPI instruments on loopback TCP, until Ctrl-C.

    Reads SPEC; writes nothing. At the end it tells how many voltages and heater powers beyond their limits arrived: it
    must be none.
    """
    from prism_photonics.chip.heaters import require_heaters
    from prism_photonics.spec import ChipSpec

    chip_spec = ChipSpec.from_toml(spec)
    if untrimmed:
        require_heaters(chip_spec)
    from prism_photonics.chip.serve import require_free, resource_name
    from prism_photonics.chip.serve import serve as serve_chip

    require_free(port)
    import jax

    from prism_photonics.chip.served import ServedChip
    from prism_photonics.chip.virtual import VirtualChip

    die = VirtualChip.fabricate(chip_spec, jax.random.key(seed), trimmed=not untrimmed)
    kind = "untrimmed" if untrimmed else "virtual"
    idn = f"prism_photonics,{chip_spec.name},{kind}:{seed},{__version__}"
    chip = ServedChip(die, idn=idn, time_scale=time_scale)

    def ready(at_port: int) -> None:
        # Flushed, because a program that waits for this line reads a pipe.
        print(f"{idn} at {resource_name(at_port)}", flush=True)
        progress.print("Ctrl-C ends it")

    serve_chip(chip, port, ready=ready)
    print(f"over_voltage_attempts: {chip.over_voltage_attempts}")
    print(f"over_power_attempts: {chip.over_power_attempts}")
    print(f"triggers: {chip.triggers}")
    raise typer.Exit(0 if chip.over_voltage_attempts == chip.over_power_attempts == 0 else 1)


@bench_command
def check(bench: Bench, spec: Spec, as_json: Json = False) -> None:
    """Do the instruments answer, and do they hold this chip?

    Reads BENCH and SPEC; asks every instrument who it is, parks the rings, and writes nothing. Exit code 0 when all is
    well, 2 when not.
    """
    from prism_photonics.chip.bench import BenchChip
    from prism_photonics.chip.benchfile import BenchFile
    from prism_photonics.chip.instruments import channel_map
    from prism_photonics.spec import ChipSpec

    bench_file, chip_spec = BenchFile.from_toml(bench), ChipSpec.from_toml(spec)
    chip = BenchChip(chip_spec, bench_file, report=_warn)
    with chip:
        names = list(chip.names)
    entries = [(f"{role}.{i}", e) for role, found in bench_file.roles() for i, e in enumerate(found)]
    result: dict[str, Any] = {
        where: f"{name} at {entry.resource}, {len(channel_map(entry))} channels"
        for (where, entry), name in zip(entries, names, strict=True)
    }
    result |= {
        "max_voltage_V": chip.max_voltage_V,
        "safe_voltage_V": bench_file.safe_voltage_V,
        "max_heater_mW": chip.max_heater_mW,
        "calibration_wall_time_s": round(calibration_wall_time_s(bench_file, chip_spec), 1),
        "spec_hash": chip_spec.hash,
    }
    _print_result(result, as_json)
    _require_whole_range(chip.max_voltage_V, chip_spec)


def read_bench(path: Path | None) -> "BenchFile | None":
    """The bench file that ``--to-bench`` names, if any."""
    if path is None:
        return None
    from prism_photonics.chip.benchfile import BenchFile

    return BenchFile.from_toml(path)


def hold_tile(
    bench_file: "BenchFile", record: Path, volts: Path, *, page: int, piece: int, hold_s: float | None
) -> None:
    """Set a programmed tile on a bench and hold it for so long, or until Ctrl-C; then the rings are parked.

    Rings that were held by heaters when the record was taken are heated first.
    """
    from prism_photonics.calibration.record import heat_as_recorded, read_record
    from prism_photonics.chip.bench import BenchChip
    from prism_photonics.workflow.program import write_to_bench

    _, spec, _ = read_record(record / "calibration.nc")
    with BenchChip(spec, bench_file, report=_warn) as chip:
        heat_as_recorded(chip, record / "calibration.nc")
        write_to_bench(chip, volts, page=page, piece=piece)
        until = "Ctrl-C" if hold_s is None else f"{hold_s:g} s have passed"
        progress.print(f"page {page}, slice {piece} is on {bench_file.name}; held until {until}")
        with suppress(KeyboardInterrupt):
            if hold_s is None:
                threading.Event().wait()
            else:
                time.sleep(hold_s)
    progress.print("the rings are parked")


def measurable(path: Path) -> "ChipSpec":
    """The spec of a chip that can be measured without harm; what else is wrong with it is only told."""
    from prism_photonics.budget.feasibility import MEASURABLE, require_feasible
    from prism_photonics.spec import ChipSpec

    spec = ChipSpec.from_toml(path)
    for broken in require_feasible(spec, rules=MEASURABLE).violations:
        _warn(f"not fit to rank: {broken}")
    return spec


def chosen(bench: str, seed: int | None) -> tuple["BenchFile | None", int]:
    """The bench file that ``--bench`` names, or None for a virtual die, and the seed of the survey."""
    kind, colon, die = bench.partition(":")
    if bench.endswith(".toml"):
        from prism_photonics.chip.benchfile import BenchFile

        return BenchFile.from_toml(bench), seed or 0
    if kind not in ("virtual", "untrimmed") or not colon or not (die.isascii() and die.isdigit()):
        raise InputError(f"--bench {bench}: unknown bench; use virtual:SEED, such as virtual:0, or a bench.toml")
    if len(die) > len(str(LARGEST_SEED)) or int(die) > LARGEST_SEED:
        raise InputError(f"--bench {bench}: the seed is out of range, want 0 to {LARGEST_SEED}; use a smaller one")
    return None, int(die) if seed is None else seed


def is_untrimmed(bench: str, bench_file: "BenchFile | None") -> bool:
    """Whether the rings of what is on a bench are to be searched: an untrimmed die, or a bench with heaters."""
    return bench.startswith("untrimmed:") if bench_file is None else bool(bench_file.heater_source)


@contextmanager
def journaled(
    bench: str, bench_file: "BenchFile | None", spec: "ChipSpec", path: Path, *, seed: int, resume: bool
) -> Iterator["JournaledChip"]:
    """The chip on its bench, behind a journal that goes when the job is done; the rings are parked whatever ends it."""
    from prism_photonics.chip.journal import JournaledChip

    identity: dict[str, Any] = {"bench": bench, "seed": seed}
    if bench_file is None:
        import jax

        from prism_photonics.chip.virtual import VirtualChip

        key = jax.random.key(int(bench.partition(":")[2]))
        die = VirtualChip.fabricate(spec, key, trimmed=bench.startswith("virtual"))
        with JournaledChip(die, spec, path, identity=identity, resume=resume, retake=True) as chip:
            yield _announced(chip)
            chip.finish()
        return
    from prism_photonics.chip.bench import BenchChip

    with BenchChip(spec, bench_file, report=_warn) as held:
        _require_whole_range(held.max_voltage_V, spec)
        identity |= {"bench": bench_file.name, "instruments": list(held.names)}
        with JournaledChip(held, spec, path, identity=identity, resume=resume) as chip:
            yield _announced(chip)
            chip.finish()


def _announced(chip: "JournaledChip") -> "JournaledChip":
    if chip.kept:
        progress.print(f"{chip.kept} readings are on file")
    return chip


def _require_whole_range(bench_V: float, spec: "ChipSpec") -> None:
    if bench_V < spec.drive.max_voltage_V:
        raise InputError(
            f"voltage_source.max_voltage_V: the bench goes to ±{bench_V:g} V, the spec's drive.max_voltage_V is "
            f"{spec.drive.max_voltage_V:g}; a calibration needs the whole range: lower it in the spec"
        )


def calibration_wall_time_s(bench: "BenchFile | None", spec: "ChipSpec", *, looks: int = 0, searched: int = 0) -> float:
    """Time of `prism calibrate` on a bench's instruments, or on a laboratory's usual ones, in s.

    Args:
        bench: The instruments.
        spec: The chip.
        looks: Readings by which its temperature was followed, `Validation.looks` and `Trimmed.looks`.
        searched: Readings of the search for its rings, each after new heater powers and at most one new light.
    """
    from prism_photonics.calibration.heater_crosstalk import READING_NOISE as SEARCH_NOISE
    from prism_photonics.calibration.motion import steady_samples
    from prism_photonics.calibration.survey import DARK_AVERAGES, averages_for, settings_for
    from prism_photonics.characterize.accuracy import (
        AGAIN,
        DARK_NOISE,
        READING_NOISE,
        SETTINGS,
        TARGETS,
        repeats_for,
    )
    from prism_photonics.characterize.accuracy import AVERAGES as MOST
    from prism_photonics.characterize.accuracy import DARK_AVERAGES as MOST_DARK
    from prism_photonics.characterize.closed_loop import CORRECTIONS
    from prism_photonics.characterize.closed_loop import TARGETS as TRIMMED
    from prism_photonics.chip.benchfile import wall_time_s
    from prism_photonics.drift.follower import LIGHTS

    channels, tried = spec.chip.rings, settings_for(spec)
    targets = TARGETS + AGAIN + TRIMMED * (1 + CORRECTIONS)
    # Each setting and each target has a dark reading.
    single, held_out, dark = tried * channels, targets * channels, tried + targets
    averages = averages_for(spec)
    held_out_averages = averages_for(spec, noise=READING_NOISE, most=min(MOST, steady_samples(spec, LIGHTS)))
    # A look has a setting of its own before, and one after.
    settings = tried + targets + SETTINGS + 2 * looks // (LIGHTS + 1)
    lights = dark + single + held_out + SETTINGS + looks + searched
    # Each held-out weight is read in up to four parts.
    samples_read = SETTINGS * repeats_for(spec)
    triggers = dark + single + min(4, held_out_averages) * held_out + samples_read + looks + searched
    samples = (
        (single + DARK_AVERAGES * tried) * averages
        + held_out * held_out_averages
        + targets * averages_for(spec, noise=DARK_NOISE, most=MOST_DARK)
        + samples_read
        + looks
        + searched * averages_for(spec, noise=SEARCH_NOISE)
    )
    if bench is not None:
        return wall_time_s(
            bench, settings=settings, lights=lights, triggers=triggers, samples=samples, heatings=searched
        )
    for_rings, for_lines = (-(-count // LABORATORY_CHANNELS) for count in (spec.chip.rows * channels, channels))
    # A reading is started and fetched.
    commands = (settings + searched) * for_rings + lights * for_lines + 2 * triggers
    sample_s = max(LABORATORY_SAMPLE_S, 1.0 / spec.detector_design.bandwidth_Hz)
    return (settings + searched) * LABORATORY_SETTLE_S + commands * LABORATORY_COMMAND_S + samples * sample_s


def _warn(line: str) -> None:
    progress.print(f"warning: {line}", soft_wrap=True, markup=False)
