"""``prism extract`` as a function: files found, read, fitted one by one, and what they tell together written down."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.files import make_folder, write_bytes, write_text
from prism_photonics.files.fields import shown
from prism_photonics.laboratory.extract import Device, Record, gap_of, law_over_gaps
from prism_photonics.laboratory.measured_profile import process_toml
from prism_photonics.laboratory.outcome import dataset, outcome, rings_csv
from prism_photonics.laboratory.ports import parse_ports
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.report.laboratory import write_overview, write_page
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.units import InputError, counted, nearest
from prism_photonics.workflow.fit_file import FileJob, Reading, fitted_file, kept_record
from prism_photonics.workflow.side_by_side import in_order

PARTS = "parts"
VERSION = 7
"""Of what is kept of a file; another makes it be fitted again."""
SUFFIXES = frozenset(
    (".csv", ".txt", ".mat", ".h5", ".hdf5", ".json", ".npz", ".parquet", ".s1p", ".s2p", ".s3p", ".s4p")
)


@dataclass(frozen=True)
class Request:
    """What is asked: the files, and what is known of them."""

    files: tuple[Path, ...]
    ports: str | None = None
    length_um: float | None = None
    gap_nm: float | None = None
    fsr_nm: float | None = None
    dropped: bool | None = None
    balance_dB: float | None = None
    blur_pm: float = 0.0
    axis_pm: float | None = None
    spec: Path | None = None
    device: str | None = None
    wavelength_unit: str | None = None
    power_unit: str | None = None


@dataclass(frozen=True)
class Result:
    """What was found.

    Attributes:
        numbers: What ``--json`` prints.
        records: One a file.
        refused: Why files were left out.
        out: The folder.
    """

    numbers: dict[str, Any]
    records: tuple[Record, ...]
    refused: tuple[str, ...]
    out: Path

    def lines(self) -> list[str]:
        """The result for a person."""
        rings, law, comb, tuning = (self.numbers[key] for key in ("rings", "gap_law", "comb", "tuning"))
        told = [f"resonances: {len(rings)} in {counted(len(self.records), 'file')}"]
        for one in self.records:
            told += [_ring_line(one, n) for n in range(len(one.rings))]
        if comb and comb["n_g"] is not None:
            told.append(f"group index: {comb['n_g']:.4f} ± {comb['n_g_std']:.4f}, the median of all combs")
        if law:
            told.append(
                f"gap law: κ² falls by e over {law['decay_nm']:.1f} ± {law['decay_nm_std']:.1f} nm, "
                f"scatter {100 * law['scatter']:.1f} %, "
                f"loss {law['loss_dB_turn_median']:.4f} dB a turn (spread {law['loss_spread']:.4f})"
            )
        if tuning and tuning["pm_per_mW"] is not None:
            told.append(
                f"tuning: {tuning['pm_per_mW']:.3g} ± {tuning['pm_per_mW_std']:.2g} pm/mW, "
                f"{tuning['pm_per_mW2']:.3g} ± {tuning['pm_per_mW2_std']:.2g} pm/mW² "
                f"(rms {tuning['rms_mW_pm']:.2g} pm; against volts {tuning['rms_V_pm']:.2g} pm)"
            )
        elif tuning:
            told.append(
                f"tuning: {tuning['pm_per_V']:.3g} ± {tuning['pm_per_V_std']:.2g} pm/V, {tuning['pm_per_V2']:.3g} ± "
                f"{tuning['pm_per_V2_std']:.2g} pm/V² (rms {tuning['rms_V_pm']:.2g} pm)"
            )
        if thermal := self.numbers["thermal"]:
            told.append(
                f"shift by the laser's light: {thermal['pm_per_mW']:.3g} ± {thermal['pm_per_mW_std']:.2g} pm/mW "
                f"(rms {thermal['rms_pm']:.2g} pm)"
            )
        return [*told, f"written: {self.out}"]


def run(request: Request, out: Path, *, say: Callable[[str], None], workers: int = 1) -> Result:
    """Fit files; write ``rings.csv``, ``extract.nc``, plots, ``report.html`` and, with a spec, ``process.toml``.

    A file that was fitted before, with the same question, is not fitted again.

    Args:
        request: What is asked.
        out: The folder to write to.
        say: Called with each line of progress.
        workers: Processes that fit files side by side, each started anew: a script needs its main guard for more
            than one.

    Raises:
        InputError: No file is there, or in none of them is a ring.
    """
    paths = _paths(request.files)
    if request.ports:
        parse_ports(request.ports)
    spec = load_spec(request.spec) if request.spec is not None else None
    make_folder(out / PARTS)
    seen: dict[str, Path] = {}
    known = [_known(request, path, spec, out=out, seen=seen) for path in paths]
    records: list[Record] = []
    refused: list[str] = []
    fitted = in_order(fitted_file, [one for one in known if isinstance(one, FileJob)], workers=workers)
    for n, (path, one) in enumerate(zip(paths, known, strict=True), start=1):
        found = next(fitted) if isinstance(one, FileJob) else one
        if isinstance(found, Record):
            records.append(found)
            say(f"[{n}/{len(paths)}] {path.name}: {found.format}; {'; '.join(found.notes)}")
        else:
            refused.append(found)
            say(f"[{n}/{len(paths)}] {found}; left out")
    if not records:
        raise InputError(
            refused[0] if len(refused) == 1 else f"no ring in any of {len(paths)} files; the first: {refused[0]}"
        )
    numbers = outcome(records)
    write_text(out / "rings.csv", rings_csv(records))
    write_text(out / "extract.json", json.dumps(numbers, indent=2) + "\n")
    write_bytes(out / "extract.nc", bytes(dataset(records).to_netcdf(engine="scipy")))
    write_overview(out, records, law_over_gaps(records))
    if spec is not None:
        write_text(out / "process.toml", process_toml(records, spec, _ring_of(request, spec)))
    else:
        say("no process.toml: a measured profile overlays a film; give --spec, whose film it is")
    write_page(out / "report.html", numbers, records, refused, folder=out)
    return Result(numbers, tuple(records), tuple(refused), out)


def _known(
    request: Request, path: Path, spec: ChipSpec | None, *, out: Path, seen: dict[str, Path]
) -> Record | FileJob | str:
    """What was kept of a file; else its question, or why it has none. ``seen`` holds the files before it by content."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); give measured spectra") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest in seen:
        return f"{path}: the same as {seen[digest]}, want each structure once"
    seen[digest] = path
    device = _device(request, path, spec)
    asked = [VERSION, digest, path.name, request.ports, asdict(device), request.wavelength_unit, request.power_unit]
    question = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    part = out / PARTS / f"{path.name}.{question}.json"
    reading = Reading(request.ports, request.wavelength_unit, request.power_unit)
    return kept_record(part) or FileJob(path, reading, device, part, out / f"{path.name}.svg")


def _paths(given: Sequence[Path]) -> list[Path]:
    """The files themselves; of a folder those whose names end as spectra's do."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                raise InputError(
                    f"{path}: got no file that may hold a spectrum, want csv, txt, mat, json, npz …; "
                    "give the files by name"
                )
            found += inside
        else:
            found.append(path)
    return found


def _device(request: Request, path: Path, spec: ChipSpec | None) -> Device:
    length_um = request.length_um
    if length_um is None and spec is not None:
        length_um = _ring_of(request, spec).lengths.total_um
    return Device(
        length_um=length_um,
        gap_nm=request.gap_nm if request.gap_nm is not None else gap_of(path),
        fsr_nm=request.fsr_nm,
        dropped=request.dropped,
        balance_dB=request.balance_dB,
        blur_nm=1e-3 * request.blur_pm,
        axis_nm=None if request.axis_pm is None else 1e-3 * request.axis_pm,
    )


def _ring_of(request: Request, spec: ChipSpec) -> RingDesign:
    """The ring of a spec that was measured: its ``channel_N``, or the middle one, which the test structures repeat."""
    name = request.device or f"channel_{spec.chip.channels // 2}"
    names = [f"channel_{n}" for n in range(spec.chip.channels)]
    if name not in names:
        raise InputError(f"--device: got '{shown(name)}', want a ring of {spec.name}; {nearest(name[:100], names)}")
    return spec.ring_designs[names.index(name)]


def _ring_line(one: Record, n: int) -> str:
    ring = one.rings[n]
    best = [ring.resonances[k] for k in ring.bright] or list(ring.resonances)
    middle = {
        name: float(np.nanmedian([getattr(r, name) for r in best] or [math.nan]))
        for name in ("q_loaded", "kappa2_through", "loss_dB_turn", "splitting_pm", "splitting_limit_pm")
        if not all(math.isnan(getattr(r, name)) for r in best)
    }
    told = [f"Q {middle['q_loaded']:,.0f}"] if "q_loaded" in middle else []
    told += [f"κ² {middle['kappa2_through']:.3g}"] if "kappa2_through" in middle else []
    told += [f"loss {middle['loss_dB_turn']:.3g} dB a turn"] if "loss_dB_turn" in middle else []
    split = sum(math.isfinite(r.splitting_pm) for r in best)
    if 2 * split > len(best):
        told.append(f"split by {middle['splitting_pm']:.3g} pm")
    elif "splitting_limit_pm" in middle:
        some = f", {split} of them by {middle['splitting_pm']:.3g} pm" if split else ""
        told.append(f"split by less than {middle['splitting_limit_pm']:.3g} pm{some}")
    which = f" ring {n + 1}" if len(one.rings) > 1 else ""
    return f"  {one.file}{which}: {counted(len(ring.resonances), 'resonance')}, {', '.join(told)}"
