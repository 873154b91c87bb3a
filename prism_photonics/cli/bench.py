"""``prism bench …``: write a bench file, serve a virtual chip as instruments, and check real ones."""

from pathlib import Path
from typing import Annotated, Any

import typer

from prism_photonics import __version__
from prism_photonics.cli.arguments import Bench, Json, Seed, Spec, Untrimmed, finite
from prism_photonics.cli.output import print_result, progress, warn
from prism_photonics.units import InputError, counted

_Light = Annotated[
    str,
    typer.Option(metavar="KIND", help="comb: a modulator for each line; tunable_laser: one laser, one line at a time."),
]


def _instruments(what: str) -> typer.models.OptionInfo:
    return typer.Option(metavar="RESOURCE", help=f"VISA resource of {what}; several share its channels.")


def new(
    spec: Spec,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="BENCH", help="The file.")] = Path("bench.toml"),
    voltage_source: Annotated[list[str] | None, _instruments("the rings' voltage source")] = None,
    heater_source: Annotated[list[str] | None, _instruments("the rings' heater source")] = None,
    light: _Light = "comb",
    light_source: Annotated[list[str] | None, _instruments("the modulators' driver")] = None,
    laser: Annotated[
        list[str] | None, typer.Option(metavar="RESOURCE", help="VISA resource of the tunable laser.")
    ] = None,
    current_meter: Annotated[list[str] | None, _instruments("the rows' current meter")] = None,
    served: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, metavar="PORT", help="For 'prism bench serve SPEC --port PORT' instead of instruments.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Write a bench file for this chip, with a mark wherever your instruments are to be filled in.

    Reads SPEC; writes BENCH, which must not be there yet. Rings, lines and rows are put on consecutive channels. Every
    command refuses the file in one line until all that begins with FILL IN has been filled in.
    """
    from prism_photonics.chip.benchfile import marks
    from prism_photonics.chip.draft import ROLES, draft, draft_served
    from prism_photonics.files import write_text
    from prism_photonics.files.toml import parse_toml
    from prism_photonics.spec import load_spec

    chip_spec = load_spec(spec)
    given = zip(ROLES, (voltage_source, heater_source, light_source, laser, current_meter), strict=True)
    resources = {role: found for role, found in given if found}
    if served is not None and resources:
        role = next(iter(resources))
        raise InputError(f"--served {served}: a served chip is all instruments; leave out --{role.replace('_', '-')}")
    if out.exists():
        raise InputError(f"{out}: is there already, and may be filled in; choose another file with -o")
    if served is None:
        text = draft(chip_spec, resources=resources, light=light)
    else:
        text = draft_served(chip_spec, served, light=light)
    write_text(out, text)
    print_result({"bench": str(out), "fill_in": list(marks(parse_toml(text, where=str(out))))}, as_json)


def serve(
    spec: Spec,
    seed: Seed = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port on 127.0.0.1; 0 takes a free one.")] = 5025,
    time_scale: Annotated[
        float,
        typer.Option(min=0.0, max=1e3, callback=finite, help="Scale of settling and integration times; 0: none."),
    ] = 1.0,
    untrimmed: Untrimmed = False,
    trimming: Annotated[
        Path | None,
        typer.Option(
            metavar="trimming.csv", help="The untrimmed die after this was done to its rings.", show_default=False
        ),
    ] = None,
    light: _Light = "comb",
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="BENCH", help="Understand this bench file's commands: a rehearsal of it.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="BENCH", help="With --like: the same file at the served addresses.")
    ] = Path("rehearsed.toml"),
) -> None:
    """Serve a virtual chip as SCPI instruments on loopback TCP, until Ctrl-C.

    Reads SPEC; writes nothing, or with --like the bench file to be used meanwhile. At the end it tells how many
    voltages and heater powers beyond their limits arrived: it must be none.
    """
    from prism_photonics.chip.trimming import read_trimming
    from prism_photonics.spec import load_spec

    chip_spec = load_spec(spec)
    moved = None if trimming is None else read_trimming(trimming, chip_spec)
    if moved is not None and untrimmed:
        raise InputError(f"--trimming {trimming}: got --untrimmed too, want the die before or after; leave one out")
    from prism_photonics.chip.draft import require_light
    from prism_photonics.chip.serve import require_free, resource_name
    from prism_photonics.chip.serve import serve as serve_chip

    require_light(light)
    require_free(port)
    from prism_photonics.chip.benchfile import BenchFile
    from prism_photonics.chip.heaters import require_heaters
    from prism_photonics.chip.laser import COMB
    from prism_photonics.chip.rehearsal import Rehearsal, laser_like, rehearsed_text
    from prism_photonics.chip.served import ServedChip
    from prism_photonics.chip.virtual import VirtualChip
    from prism_photonics.files import write_text

    bench_file = None if like is None else BenchFile.from_toml(like)
    if like is not None and bench_file is not None:
        bench_file.require_complete(chip_spec.chip.rows, chip_spec.chip.rings)
        if light not in (COMB, bench_file.light.kind):
            raise InputError(f"--light {light}: {like} has light.kind = '{bench_file.light.kind}'; leave --light out")
        if out.exists() and out.samefile(like):
            raise InputError(f"-o {out}: is the bench file that is rehearsed, and would be lost; choose another file")
        light = bench_file.light.kind
    if untrimmed and light == COMB:
        # Without heaters only a laser finds the rings, and a trimming brings them to their channels.
        require_heaters(chip_spec)
    laser = None if bench_file is None else laser_like(bench_file)
    die = VirtualChip(chip_spec, seed=seed, trimmed=not untrimmed, light=light, laser=laser, trimming=moved)
    idn = f"prism_photonics,{chip_spec.name},{die.label} spec:{chip_spec.hash[:12]},{__version__}"
    chip = ServedChip(die, idn=idn, time_scale=time_scale)
    played = {} if bench_file is None else Rehearsal(bench_file, chip, rings=chip_spec.chip.rings).instruments

    def ready(at_ports: list[int]) -> None:
        # Flushed, because a program that waits for this line reads a pipe.
        if like is None or bench_file is None:
            print(f"{idn} at {resource_name(at_ports[0])}", flush=True)
        else:
            addresses = dict(zip(played, map(resource_name, at_ports), strict=True))
            write_text(out, rehearsed_text(like, bench_file, addresses))
            print(f"{idn} plays {counted(len(played), 'instrument')} of {like}: use {out}", flush=True)
        progress.print("Ctrl-C ends it")

    serve_chip(list(played.values()) or [chip], port, ready=ready)
    print(f"over_voltage_attempts: {chip.over_voltage_attempts}")
    print(f"over_power_attempts: {chip.over_power_attempts}")
    print(f"triggers: {chip.triggers}")
    if chip.laser is not None:
        print(f"sweeps: {chip.laser.sweeps}")
    raise typer.Exit(0 if chip.over_voltage_attempts == chip.over_power_attempts == 0 else 1)


def check(bench: Bench, spec: Spec, as_json: Json = False) -> None:
    """Do the instruments answer, and do they hold this chip?

    Reads BENCH and SPEC; asks every instrument who it is, parks the rings, and writes nothing. Exit code 0 when all is
    well, 2 when not.
    """
    from prism_photonics.characterize.cost import calibration_wall_time_s
    from prism_photonics.chip.bench import BenchChip
    from prism_photonics.chip.benchfile import BenchFile
    from prism_photonics.chip.instruments import channel_map
    from prism_photonics.chip.laserfile import Laser
    from prism_photonics.spec import load_spec
    from prism_photonics.workflow.bench import require_whole_range

    bench_file, chip_spec = BenchFile.from_toml(bench), load_spec(spec)
    chip = BenchChip(chip_spec, bench_file, report=warn)
    with chip:
        names = list(chip.names)
    entries = [(f"{role}.{i}", e) for role, found in bench_file.roles() for i, e in enumerate(found)]
    result: dict[str, Any] = {
        where: f"{name} at {entry.resource}, "
        + (
            f"{entry.shortest_nm:g} to {entry.longest_nm:g} nm"
            if isinstance(entry, Laser)
            else f"{len(channel_map(entry))} channels"
        )
        for (where, entry), name in zip(entries, names, strict=True)
    }
    result["light"] = (
        "tunable_laser: one line at a time, full power only"
        if bench_file.laser
        else "comb: all lines, each at any power"
    )
    result |= {
        "max_voltage_V": chip.max_voltage_V,
        "safe_voltage_V": bench_file.safe_voltage_V,
        "max_heater_mW": chip.max_heater_mW,
        "calibration_wall_time_s": round(calibration_wall_time_s(bench_file, chip_spec, laser=chip.laser), 1),
        "spec_hash": chip_spec.hash,
    }
    print_result(result, as_json)
    require_whole_range(chip.max_voltage_V, chip_spec)
