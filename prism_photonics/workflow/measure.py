"""``prism measure`` as a function: a tunable laser swept over the test structures and rows of a die, file by file."""

import hashlib
import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.structures import FacetLine, RowLine, virtual_structures
from prism_photonics.chip.sweptlaser import StructureSweep, SweptLaser
from prism_photonics.files import remove, write_bytes
from prism_photonics.laboratory.manifest import NAME, ROWS, Structure, chosen_structures, parse_manifest
from prism_photonics.lightpath.ring.figures import free_spectral_range_um, linewidth_um
from prism_photonics.process.profile import Profile, load_profile
from prism_photonics.seeds import structures_keys
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.structures import gap_sweep
from prism_photonics.threefry import key_words
from prism_photonics.units import InputError, counted
from prism_photonics.workflow.bench import chosen, sole_folder
from prism_photonics.workflow.sweep_folder import (
    PARTS,
    blocks,
    claim,
    manifest_and_tile,
    npz_bytes,
    part_on_file,
)

if TYPE_CHECKING:
    from prism_photonics.circuit.params import RingParams

RANGES, STEPS_ACROSS = 4.2, 12.0
"""Free spectral ranges that are swept, four resonances of every ring, and steps across the narrowest line."""
FINEST_PM, COARSEST_PM = 0.1, 20.0
LONGEST_NM, SHORTEST_NM = 1700.0, 1400.0
MOST_POINTS = 5_000_000


@dataclass(frozen=True)
class Request:
    """What is to be measured, and how.

    Attributes:
        spec: The chip.
        bench: ``virtual:SEED``, ``untrimmed:SEED``, or a bench file with a tunable laser, which measures the rows.
        structures: ``all``, or names and kinds of the manifest, between commas.
        from_nm: Where the sweep begins; by default four free spectral ranges about the channels are swept.
        to_nm: Where it ends.
        step_pm: Between wavelengths; by default a twelfth of the narrowest designed line.
        film: Profile of the film as it came out of the virtual foundry, by name or path; the spec's own by default.
        laser: The simulated instruments; of a bench file its power alone counts.
    """

    spec: Path
    bench: str
    structures: str = "all"
    from_nm: float | None = None
    to_nm: float | None = None
    step_pm: float | None = None
    film: str | None = None
    laser: SweptLaser = field(default_factory=SweptLaser)


@dataclass(frozen=True)
class Result:
    """What was measured.

    Attributes:
        files: One a structure.
        kept: Those of them that were there already.
        out: Their folder.
        wl_nm: First and last wavelength.
        step_pm: Between wavelengths.
    """

    files: tuple[Path, ...]
    kept: tuple[Path, ...]
    out: Path
    wl_nm: tuple[float, float]
    step_pm: float

    def lines(self) -> list[str]:
        """The result for a person."""
        return [
            f"structures: {len(self.files)}, of which {len(self.kept)} were there already",
            f"wavelengths: {self.wl_nm[0]:.3f} to {self.wl_nm[1]:.3f} nm in steps of {self.step_pm:g} pm",
            f"written: {self.out}; next: prism extract --manifest {self.out / NAME} {self.out} -o DIR",
        ]

    def to_json(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "files": [str(path) for path in self.files],
            "kept": [str(path) for path in self.kept],
            "manifest": str(self.out / NAME),
            "from_nm": self.wl_nm[0],
            "to_nm": self.wl_nm[1],
            "step_pm": self.step_pm,
        }


def run(request: Request, out: Path, *, say: Callable[[str], None]) -> Result:
    """Sweep a laser over structures of a die, and write a file for each, the manifest beside them.

    A file holds ``wl_nm``, ``channel_1_dBm`` (through) and, where there is one, ``channel_2_dBm`` (drop), and
    ``laser_power_dBm``. It is written when its sweep is complete; until then every stretch lies in a folder of parts,
    and the next run with the same options goes on there. Files that are there are kept.

    Args:
        request: What is asked.
        out: The folder to write to.
        say: Called with each line of progress.

    Raises:
        InputError: A bench that cannot sweep, no such structure, a range or step that no laser has, or a folder with
            the sweeps of another die or laser.
    """
    bench_file, seed = chosen(request.bench, None)
    kind = request.bench.partition(":")[0]
    if bench_file is not None:
        from prism_photonics.workflow.measure_bench import run_on_bench

        return run_on_bench(request, bench_file, out, say=say)
    if kind not in ("virtual", "untrimmed") or "," in request.bench:
        raise InputError(
            f"--bench {request.bench}: test structures have no full truth and no recording, want virtual:SEED or a "
            "bench.toml with a laser; put your laser's sweeps into a folder, each named as in manifest.csv, for prism "
            "extract"
        )
    spec = load_spec(request.spec)
    film = None if request.film is None else load_profile(_film_path(request.film))
    wl_nm = wavelengths_nm(spec, request)
    manifest, tile = manifest_and_tile(spec)
    structures = parse_manifest(manifest, where=NAME)
    wanted = chosen_structures(structures, request.structures)
    with sole_folder(out):
        claim(out, _conditions(spec, request, wl_nm, film), manifest)
        lines = on_die(tile, structures, seed=seed, film=film, trimmed=kind == "virtual")
        _, measured = structures_keys(seed)
        words = [int(word) for word in key_words(measured)]
        files, kept = [], []
        for n, one in enumerate(wanted, start=1):
            path = out / f"{one.file}.npz"
            files.append(path)
            if path.is_file():
                kept.append(path)
                say(f"[{n}/{len(wanted)}] {one.name}: {path.name} is there, kept")
                continue
            # By the structure's name, so that it does not matter which others are measured.
            of_file = [*words, *hashlib.sha256(one.file.encode()).digest()]
            sweep = request.laser.on(
                lines[one.name].powers, middle_nm=float(wl_nm.mean()), rng=np.random.default_rng([*of_file, 0])
            )
            arrays = _swept(sweep, wl_nm, out / PARTS, file=one.file, of_file=of_file)
            said = {"laser_power_dBm": request.laser.power_dBm, "wavelength_accuracy_pm": request.laser.zero_pm}
            write_bytes(path, npz_bytes({**arrays, **{name: np.array(value) for name, value in said.items()}}))
            for part in (out / PARTS).glob(f"{one.file}.*.npz"):
                remove(part)
            ports = counted(len(arrays) - 1, "port")
            say(f"[{n}/{len(wanted)}] {one.name}: {len(wl_nm)} wavelengths, {ports}, {path.name}")
        with suppress(OSError):
            (out / PARTS).rmdir()
    return Result(tuple(files), tuple(kept), out, (float(wl_nm[0]), float(wl_nm[-1])), step_of(wl_nm))


def wavelengths_nm(spec: ChipSpec, request: Request) -> Float[ndarray, " wl"]:
    """The wavelengths of a sweep: as asked, or else four resonances of every test ring at a fine step.

    Raises:
        InputError: No laser has them, or they are too many or too few.
    """
    narrowest = _designed_ring(spec)
    lines_um = spec.comb_design.wl_um
    middle_um = 0.5 * (lines_um[0] + lines_um[-1])
    range_nm = 1e3 * float(free_spectral_range_um(wl_um=middle_um, gpl_um=narrowest.gpl_um))
    width_pm = 1e6 * float(
        linewidth_um(narrowest.t1, narrowest.t2, narrowest.a, wl_um=narrowest.wl0_um, gpl_um=narrowest.gpl_um)
    )
    half_nm = 0.5 * RANGES * range_nm
    low = request.from_nm if request.from_nm is not None else round(1e3 * middle_um - half_nm, 2)
    high = request.to_nm if request.to_nm is not None else round(1e3 * middle_um + half_nm, 2)
    step_pm = request.step_pm
    if step_pm is None:
        step_pm = min(max(round(width_pm / STEPS_ACROSS, 1), FINEST_PM), COARSEST_PM)
    if not FINEST_PM <= step_pm <= COARSEST_PM:
        raise InputError(f"--step-pm {step_pm:g}: want {FINEST_PM:g} to {COARSEST_PM:g} pm; give such a step")
    if not SHORTEST_NM <= low < high <= LONGEST_NM:
        raise InputError(
            f"--from-nm {low:g} --to-nm {high:g}: want from below to, both within the laser's {SHORTEST_NM:g} to "
            f"{LONGEST_NM:g} nm; mend the range"
        )
    count = math.floor((high - low) / (1e-3 * step_pm) + 1e-9) + 1
    if not 100 <= count <= MOST_POINTS:
        raise InputError(
            f"--from-nm {low:g} --to-nm {high:g} --step-pm {step_pm:g}: got {count} wavelengths, want 100 to "
            f"{MOST_POINTS}; change range or step"
        )
    return low + 1e-3 * step_pm * np.arange(count)


def _designed_ring(spec: ChipSpec) -> "RingParams":
    """The test ring of the narrowest line."""
    from prism_photonics.circuit.params import ring_params

    return ring_params(gap_sweep(spec)[-1], spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm, xp=np)


def _film_path(film: str) -> str:
    """A film's name, or its path as `load_profile` takes it."""
    return Path(film).as_posix() if film.endswith(".toml") else film


def step_of(wl_nm: Float[ndarray, " wl"]) -> float:
    """The step between wavelengths in nm, in pm."""
    return round(1e3 * float(wl_nm[1] - wl_nm[0]), 4)


def _conditions(
    spec: ChipSpec, request: Request, wl_nm: Float[ndarray, " wl"], film: Profile | None
) -> dict[str, str | float]:
    """What may not change within a folder, without what a laboratory does not know."""
    hidden = "" if film is None else hashlib.sha256(film.model_dump_json().encode()).hexdigest()[:12]
    laser = json.dumps(asdict(request.laser))
    return sweep_conditions(spec, request, wl_nm, bench=request.bench, laser=laser) | {"wafer": hidden}


def sweep_conditions(
    spec: ChipSpec, request: Request, wl_nm: Float[ndarray, " wl"], *, bench: str, laser: str
) -> dict[str, str | float]:
    """What may not change within a folder of sweeps, whatever swept them; of a laser's text its digest is kept."""
    return {
        "chip": spec.name,
        "spec_hash": spec.hash,
        "bench": bench,
        "from_nm": float(wl_nm[0]),
        "to_nm": round(float(wl_nm[-1]), 6),
        "step_pm": step_of(wl_nm),
        "laser_power_dBm": request.laser.power_dBm,
        "laser": hashlib.sha256(laser.encode()).hexdigest()[:12],
    }


def structures_of(
    spec: ChipSpec, *, seed: int, film: Profile | None = None, trimmed: bool = True
) -> dict[str, FacetLine | RowLine]:
    """What a bench would find on a virtual die, errors of the bench apart; for judging what was extracted.

    Args:
        spec: The chip.
        seed: Which die.
        film: The film as it came out of the foundry; the spec's own by default.
        trimmed: Whether the rows' rings have been brought to their channels.
    """
    manifest, tile = manifest_and_tile(spec)
    return on_die(tile, parse_manifest(manifest, where=NAME), seed=seed, film=film, trimmed=trimmed)


def on_die(
    tile: ChipSpec, structures: tuple[Structure, ...], *, seed: int, film: Profile | None, trimmed: bool
) -> dict[str, FacetLine | RowLine]:
    """The structures of the virtual die by the manifest's names."""
    rows = [ring for one in structures if one.kind == "row" for ring in one.rings]
    x0, y0 = rows[0].at_um
    sites = {
        ring.name: (ring.at_um[0] - x0, ring.at_um[1] - y0)
        for one in structures
        if one.kind not in ROWS
        for ring in one.rings
    }
    # Rings stand in a straight guide from facet to facet, as long as the reference.
    straight_um = next(one.length_um for one in structures if one.kind == "reference")
    guides = {one.name: straight_um if one.rings else one.length_um for one in structures if one.kind not in ROWS}
    found = virtual_structures(tile, seed=seed, guides_um=guides, sites_um=sites, film=film, trimmed=trimmed)
    for one in structures:
        if one.kind == "monitor":
            row = found[next(o.name for o in structures if o.kind == "row" and o.rings[0].at_um == one.rings[0].at_um)]
            assert isinstance(row, RowLine)
            found[one.name] = replace(row, feed_dB=row.feed_dB + tile.coupler.loss_dB)  # out by a second facet
    return found


def _swept(
    sweep: StructureSweep, wl_nm: Float[ndarray, " wl"], parts: Path, *, file: str, of_file: list[int]
) -> dict[str, Float[ndarray, " wl"]]:
    """The whole sweep, stretch by stretch; those that lie there from before are taken as they are."""
    stretches, parts_of = [], list(blocks(wl_nm))
    for n, stretch in enumerate(parts_of, start=1):
        path = parts / f"{file}.{n:04d}.npz"
        part = part_on_file(path, len(stretch))
        if part is None:
            logged_nm, dBm = sweep.read(stretch, np.random.default_rng([*of_file, n]))
            part = {"wl_nm": logged_nm, **{f"channel_{k + 1}_dBm": row for k, row in enumerate(dBm)}}
            if len(parts_of) > 1:
                write_bytes(path, npz_bytes(part))
        stretches.append(part)
    return {name: np.concatenate([part[name] for part in stretches]) for name in stretches[0]}
