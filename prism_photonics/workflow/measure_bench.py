"""``prism measure`` on a bench of instruments: its laser swept over the rows, every photodiode read apart."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.windows import point_averages
from prism_photonics.chip.bench import BenchChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.files import remove, write_bytes
from prism_photonics.laboratory.manifest import NAME, Structure, chosen_structures, parse_manifest
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.units import InputError
from prism_photonics.workflow.bench import sole_folder
from prism_photonics.workflow.measure import Request, Result, step_of, sweep_conditions, wavelengths_nm
from prism_photonics.workflow.sweep_folder import PARTS, blocks, claim, manifest_and_tile, npz_bytes, part_on_file

LEAST_mW = 1e-12
"""What a photodiode that reads nothing, or less, is written as: a file in dBm knows no power of zero."""
Ports = dict[str, Float[ndarray, " wl"]]
"""Wavelengths, and the power in dBm of each port of each row."""


def run_on_bench(request: Request, bench: BenchFile, out: Path, *, say: Callable[[str], None]) -> Result:
    """Sweep a bench's laser over the rows of the chip at 0 V, and write a file for each, the manifest beside them.

    The files are those of a virtual die: ``wl_nm`` as the laser logged it, ``channel_1_dBm`` at the through photodiode
    and ``channel_2_dBm`` at the drop one, from their currents less those in the dark by the spec's responsivity. All
    rows of a bus are read in one sweep; every stretch is on disk when it is over, and the next run goes on after it.

    Args:
        request: What is asked; its ``laser`` says the power in the fibre alone.
        bench: The instruments.
        out: The folder to write to.
        say: Called with each line of progress.

    Raises:
        InputError: A bench with a comb, or whose pairs are subtracted before a meter; a structure that is no row; a
            range beyond the laser's; a folder with other sweeps.
        BenchError: An instrument that fails; the laser is left dark and the rings parked.
    """
    spec = load_spec(request.spec)
    if request.film is not None:
        raise InputError(f"--film {request.film}: {request.bench} holds a real die, want no film; leave --film out")
    if not bench.laser:
        raise InputError(
            f"--bench {request.bench}: light.kind = 'comb', want 'tunable_laser': a comb's lines are no spectrum; "
            "name the bench with the laser"
        )
    wl_nm = wavelengths_nm(spec, request)
    manifest, _ = manifest_and_tile(spec)
    rows = _rows_of(chosen_rows(parse_manifest(manifest, where=NAME), request), spec)
    # Before anything is written or opened.
    chip = BenchChip(spec, bench, report=say)
    chip.require_ports(wl_nm, where="measure")
    with sole_folder(out):
        claim(out, sweep_conditions(spec, request, wl_nm, bench=bench.name, laser=_laser_of(bench)), manifest)
        kept = tuple(path for one in rows if (path := _file(out, one)).is_file())
        missing = [one for one in rows if _file(out, one) not in kept]
        for path in kept:
            say(f"{path.name} is there, kept")
        buses = sorted({rows[one][0] for one in missing})
        with chip if buses else nullcontext():
            for bus in buses:
                ports = _swept(chip, spec, bench, wl_nm, parts=out / PARTS, bus=bus, say=say)
                for one in missing:
                    if rows[one][0] == bus:
                        _write(_file(out, one), ports, rows[one][1], power_dBm=request.laser.power_dBm)
                        say(f"{one.name}: {len(wl_nm)} wavelengths, 2 ports, {_file(out, one).name}")
                for part in (out / PARTS).glob(f"bus_{bus}.*.npz"):
                    remove(part)
        with suppress(OSError):
            (out / PARTS).rmdir()
    files = tuple(_file(out, one) for one in rows)
    return Result(files, kept, out, (float(wl_nm[0]), float(wl_nm[-1])), step_of(wl_nm))


def chosen_rows(structures: tuple[Structure, ...], request: Request) -> tuple[Structure, ...]:
    """The rows that are to be measured: all of them by default.

    Raises:
        InputError: A test structure was named: no meter of a bench file is behind it.
    """
    chosen = chosen_structures(structures, request.structures)
    others = [one.name for one in chosen if one.kind != "row"]
    if others and request.structures != "all":
        raise InputError(
            f"--structures {request.structures}: {others[0]} has no instruments in {request.bench}, whose laser and "
            "meters are behind the rows; want rows, such as row_0; put its own sweeps into a folder, each named as in "
            "manifest.csv, for prism extract"
        )
    return tuple(one for one in chosen if one.kind == "row")


def _rows_of(structures: tuple[Structure, ...], spec: ChipSpec) -> dict[Structure, tuple[int, int]]:
    """Bus and row of each."""
    several, places = spec.chip.buses > 1, {}
    for bus in range(spec.chip.buses):
        for row in range(spec.chip.rows):
            places[f"bank_{bus}_row_{row}" if several else f"row_{row}"] = bus, row
    return {one: places[one.name] for one in structures}


def _file(out: Path, one: Structure) -> Path:
    return out / f"{one.file}.npz"


def _swept(
    chip: BenchChip,
    spec: ChipSpec,
    bench: BenchFile,
    wl_nm: Float[ndarray, " wl"],
    *,
    parts: Path,
    bus: int,
    say: Callable[[str], None],
) -> Ports:
    """All rows of a bus over the whole range, stretch by stretch; those that lie there from before are taken."""
    chip.set(np.zeros((chip.rows, chip.channels)))
    meter, found = bench.current_meter[0], []
    # A power meter's own responsivity made its currents.
    A_mW = 1e-3 * (meter.responsivity_A_W if meter.answers_power else spec.detector.responsivity_A_W)
    stretches = list(blocks(wl_nm))
    for n, stretch in enumerate(stretches, start=1):
        path = parts / f"bus_{bus}.{n:04d}.npz"
        part = part_on_file(path, len(stretch))
        if part is None:
            swept = chip.sweep_ports(stretch, averages=point_averages(spec), bus=bus)
            dBm = 10.0 * np.log10(np.maximum(swept.current_A / A_mW, LEAST_mW))
            part = {"wl_nm": swept.wavelength_nm, **{f"port_{k}_dBm": port for k, port in enumerate(dBm.T)}}
            write_bytes(path, npz_bytes(part))
            say(f"bus {bus}: {stretch[0]:.2f} to {stretch[-1]:.2f} nm, stretch {n} of {len(stretches)}")
        found.append(part)
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _write(path: Path, ports: Ports, row: int, *, power_dBm: float) -> None:
    rows = (len(ports) - 1) // 2
    arrays = {"wl_nm": ports["wl_nm"], "laser_power_dBm": np.array(power_dBm)}
    for k in range(2):
        arrays[f"channel_{k + 1}_dBm"] = ports[f"port_{row + k * rows}_dBm"]
    write_bytes(path, npz_bytes(arrays))


def _laser_of(bench: BenchFile) -> str:
    """The laser's table without where it is: it may be plugged in elsewhere the next day."""
    return bench.laser[0].model_copy(update={"resource": ""}).model_dump_json()
