"""``prism extract --manifest`` as a function: the files of a whole die found by their names, fitted, put together."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.files import make_folder, write_bytes, write_text
from prism_photonics.laboratory.die import Part
from prism_photonics.laboratory.die_profile import die_process_toml
from prism_photonics.laboratory.die_series import DieSeries, die_series, with_couplers
from prism_photonics.laboratory.manifest import NAME, Structure, read_manifest
from prism_photonics.laboratory.outcome import dataset, outcome, plain, rings_csv
from prism_photonics.laboratory.ports import parse_ports
from prism_photonics.lightpath.ring.place import optical_lengths_um
from prism_photonics.report.die import write_die, write_die_page
from prism_photonics.report.laboratory import write_overview
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.units import InputError, counted
from prism_photonics.workflow.extract import PARTS, SUFFIXES
from prism_photonics.workflow.fit_file import Reading
from prism_photonics.workflow.fit_structure import StructureJob, fitted_structure, kept_part
from prism_photonics.workflow.side_by_side import in_order

VERSION = 7
"""Of what is kept of a structure; another makes it be fitted again."""
LATER = "run this again with what was measured then: what is done stays done"
MOST_NAMED = 4
"""Files that a line names; the others are counted. ``not_measured`` of ``extract.json`` has all that are missing."""


@dataclass(frozen=True)
class DieRequest:
    """What is asked of a die: its manifest, the folder of its spectra, and what is known besides."""

    manifest: Path
    folder: Path
    spec: Path | None = None
    ports: str | None = None
    wavelength_unit: str | None = None
    power_unit: str | None = None
    blur_pm: float = 0.0
    axis_pm: float | None = None


@dataclass(frozen=True)
class DieResult:
    """What a die told.

    Attributes:
        numbers: What ``--json`` prints.
        series: What its structures tell together.
        parts: One a structure.
        told: Files that are doubled or could not be used, a line each, and one of those that are missing or extra.
        out: The folder.
    """

    numbers: dict[str, Any]
    series: DieSeries
    parts: tuple[Part, ...]
    told: tuple[str, ...]
    out: Path

    def lines(self) -> list[str]:
        """The result for a person."""
        s = self.series
        lines = [f"structures: {len(self.parts)}, rings: {len(s.rings)}, resonances: {len(self.numbers['rings'])}"]
        if s.gap_law is not None:
            lines.append(
                f"gap law: κ² falls by e over {s.gap_law.decay_nm:.1f} ± {s.gap_law.decay_nm_std:.1f} nm, scatter "
                f"{100 * s.gap_law.scatter:.1f} %"
            )
        if s.loss_rings_dB_cm is not None:
            lines.append(
                f"loss by {counted(s.loss_rings_dB_cm.count, 'ring')}: {s.loss_rings_dB_cm.value:.3g} ± "
                f"{s.loss_rings_dB_cm.std:.2g} dB/cm"
            )
        if s.loss_cutback_dB_cm is not None:
            lines.append(f"loss by cutback: {s.loss_cutback_dB_cm[0]:.3g} ± {s.loss_cutback_dB_cm[1]:.2g} dB/cm")
        if s.n_g is not None:
            lines.append(f"group index: {s.n_g.value:.5f} ± {s.n_g.std:.2g}, over {counted(s.n_g.count, 'ring')}")
        if s.n_eff is not None:
            lines.append(f"effective index by the length sweep: {s.n_eff[0]:.3g} ± {s.n_eff[1]:.2g}")
        if s.coupler_dB is not None:
            lines.append(f"coupler: {s.coupler_dB[0]:.3g} ± {s.coupler_dB[1]:.2g} dB, by the loopback")
        return [*lines, f"written: {self.out}"]


def run_die(request: DieRequest, out: Path, *, say: Callable[[str], None], workers: int = 1) -> DieResult:
    """Fit the structures of a die; write tables, plots, ``report.html`` and, with a spec, ``process.toml``.

    Each structure is on disk when it is done; the next run with the same question takes it from there, so that a run
    that was killed ends as if it had not been.

    Args:
        request: What is asked.
        out: The folder to write to.
        say: Called with each line of progress.
        workers: Processes that fit structures side by side, each started anew: a script needs its main guard for more
            than one.

    Raises:
        InputError: The manifest cannot be read, or none of its structures was measured.
    """
    structures = read_manifest(request.manifest)
    spec = load_spec(request.spec) if request.spec is not None else None
    found, told = files_of(structures, request.folder)
    for line in told:
        say(line)
    make_folder(out / PARTS)
    if request.ports:
        parse_ports(request.ports)
    group_index = _group_index(spec)
    asked = [_asked(request, one, path, group_index=group_index, out=out) for one, path in found]
    parts: list[Part] = []
    fitted = in_order(fitted_structure, [one for one in asked if isinstance(one, StructureJob)], workers=workers)
    for n, ((one, _), known) in enumerate(zip(found, asked, strict=True), start=1):
        before = f"[{n}/{len(found)}] {one.name}"
        if isinstance(known, Part):
            say(f"{before}: done before")
            parts.append(known)
            continue
        part = next(fitted)
        if isinstance(part, str):
            told.append(part)
            say(f"{before}: {part}; left out")
            continue
        parts.append(part)
        say(f"{before}: {_what(part)}{''.join(f'; {note}' for note in part.notes)}")
    if not parts:
        # A file that is there and cannot be used says more than those that were not measured.
        there = [line for line in told if not line.endswith(LATER)]
        raise InputError(
            f"{request.folder}: got no spectrum of the die of {request.manifest} that can be used: {there[0]}"
            if there
            else f"{request.folder}: got no spectrum of the die of {request.manifest}; name the files as its column "
            "file says"
        )
    return _written(request, spec, structures, parts, told=told, out=out, say=say)


def _asked(
    request: DieRequest, one: Structure, path: Path, *, group_index: float | None, out: Path
) -> Part | StructureJob:
    """What was kept of a structure, or its question."""
    question = _question(request, one, path, group_index)
    place, picture = out / PARTS / f"{one.file}.{question}.json", out / f"{one.file}.svg"
    part = kept_part(place)
    if part is not None and (picture.is_file() or not part.records):
        return part
    return StructureJob(
        path,
        Reading(request.ports, request.wavelength_unit, request.power_unit),
        one,
        group_index,
        blur_nm=1e-3 * request.blur_pm,
        axis_nm=None if request.axis_pm is None else 1e-3 * request.axis_pm,
        place=place,
        picture=picture,
    )


def files_of(structures: tuple[Structure, ...], folder: Path) -> tuple[list[tuple[Structure, Path]], list[str]]:
    """The file of each structure by its name, whatever its end, a line for each that is doubled, one for all that are
    missing (rows may be another day's), and one for all that are extra.

    Raises:
        InputError: The folder cannot be read.
    """
    try:
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file() and p.name != NAME)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be read ({error.strerror or error}); give the folder of the die's spectra"
        ) from None
    found, told, missing = [], [], []
    for one in structures:
        own = [path for path in files if path.stem == one.file]
        if len(own) == 1:
            found.append((one, own[0]))
        elif own:
            names = " and ".join(path.name for path in own)
            told.append(f"{folder}: got {names} for {one.name}, want one file; left out: move the wrong one away")
        else:
            missing.append(one.file)
    if missing:
        names = _named([f"{name}.*" for name in missing])
        told.append(f"{folder}: got no {names}, want the spectrum of each structure; {LATER}")
    known = {one.file for one in structures}
    extra = [path.name for path in files if path.stem not in known]
    if extra:
        told.append(
            f"{folder}: no structure of the manifest has a file {_named(extra)}, want a name of its column file; left "
            "out: rename what was measured of it"
        )
    return found, told


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else shown


def _written(
    request: DieRequest,
    spec: ChipSpec | None,
    structures: tuple[Structure, ...],
    parts: list[Part],
    *,
    told: list[str],
    out: Path,
    say: Callable[[str], None],
) -> DieResult:
    series = die_series(parts, {one.name: one for one in structures})
    records = [with_couplers(record, series.couplers) for part in parts for record in part.records]
    numbers = outcome(records, law=series.gap_law) if records else {"rings": [], "gap_law": None, "comb": None}
    numbers["die"] = plain(_numbers(series, structures, parts, told))
    tests = [record for part in parts for record in part.records if "/" not in record.name]
    write_text(out / "extract.json", json.dumps(numbers, indent=2) + "\n")
    if records:
        write_text(out / "rings.csv", rings_csv(records))
        write_bytes(out / "extract.nc", bytes(_dataset(records, spec).to_netcdf(engine="scipy")))
        write_overview(out, tests or records, series.gap_law)
    write_die(out / "die.svg", series)
    if spec is not None:
        write_text(out / "process.toml", die_process_toml(series, spec))
    else:
        say("no process.toml: a measured profile overlays a film; give --spec, whose film it is")
    write_die_page(out / "report.html", numbers, parts, told, folder=out)
    return DieResult(numbers, series, tuple(parts), tuple(told), out)


def _dataset(records: list[Any], spec: ChipSpec | None) -> Any:
    data = dataset(records)
    # As drawn: so that it is known later which ring this was.
    lengths = [record.device.length_um for record in records for _ in record.rings[0].resonances]
    data["length_um"] = ("resonance", np.array(lengths, float))
    if spec is not None:
        data.attrs.update(chip=spec.name, spec_hash=spec.hash)
    return data


def _numbers(
    series: DieSeries, structures: tuple[Structure, ...], parts: list[Part], told: list[str]
) -> dict[str, Any]:
    """What the die tells beyond single resonances, as plain data."""
    pairs = {
        name: {"value": pair[0], "std": pair[1]} if pair is not None else None
        for name, pair in (
            ("loss_dB_cm", series.loss_dB_cm),
            ("loss_cutback_dB_cm", series.loss_cutback_dB_cm),
            ("n_eff", series.n_eff),
            ("coupler_dB", series.coupler_dB),
        )
    }
    means = {
        name: asdict(mean) if mean is not None else None
        for name, mean in (
            ("loss_dB_turn", series.loss_dB_turn),
            ("loss_rings_dB_cm", series.loss_rings_dB_cm),
            ("n_g", series.n_g),
        )
    }
    return {
        **pairs,
        **means,
        "couplers_scatter": series.couplers,
        "rings": [asdict(ring) for ring in series.rings],
        "cutback": [{"length_um": x, "transmission_dB": y} for x, y in series.cutback],
        "length_sweep": [{"length_um": x, "wl_nm": y} for x, y in series.length_sweep],
        "structures": [{"name": part.structure, "file": part.file, "notes": list(part.notes)} for part in parts],
        "left_out": list(told),
        "not_measured": [one.name for one in structures if one.name not in {part.structure for part in parts}],
    }


def _group_index(spec: ChipSpec | None) -> float | None:
    """Group index of the film of a spec, as its rings have it."""
    if spec is None:
        return None
    ring = spec.ring_designs[0]
    return float(optical_lengths_um(spec.profile, ring.lengths)[1]) / ring.length_um


def _question(request: DieRequest, one: Structure, path: Path, group_index: float | None) -> str:
    """A digest of what is asked of a file: the same question has the same answer."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); mend its rights") from None
    asked: list[Any] = [VERSION, hashlib.sha256(content).hexdigest(), path.name, asdict(one), group_index]
    asked += [request.ports, request.wavelength_unit, request.power_unit, request.blur_pm, request.axis_pm]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def _what(part: Part) -> str:
    if part.guide is not None:
        return f"{part.guide.transmission_dB:.2f} dB{'' if part.guide.relative else 'm received'}"
    found = sum(len(record.rings[0].resonances) for record in part.records)
    return f"{counted(found, 'resonance')} of {counted(len(part.records), 'ring')}"
