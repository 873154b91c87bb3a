"""The kinds of file: how a good one is made, how it is damaged, and which of our doors reads it.

A kind is a function of a folder of good files (`fuzz.good`). It returns ``case(rng)``, which damages a file, reads it,
and returns what was done; it raises `InputError` where the file was refused, and `WrongTaken` where a number that
cannot be, or another one than was written, came through.
"""

import hashlib
import json
import zlib

import numpy as np
from typer.testing import CliRunner

from fuzz import damage
from prism_photonics.units import InputError


class WrongTaken(Exception):
    """A wrong number was taken for a right one."""


def invoke(*args):
    """A command in this process; exit code 2 is a refusal, and any but 0, 1 and 2 a traceback."""
    from prism_photonics.cli.app import app

    result = CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "300"})
    if result.exit_code not in (0, 1, 2) or not isinstance(result.exception, SystemExit | None):
        raise result.exception or RuntimeError(f"exit code {result.exit_code}")
    if result.exit_code == 2:
        if len(result.stderr.splitlines()) != 1:
            raise RuntimeError(f"not one line: {result.stderr[:300]!r}")
        raise InputError(result.stderr)
    return result


def bytes_or_text(file, rng, copy, separator):
    raw = file.read_bytes()
    if rng.random() < 0.3:
        copy.write_bytes(damage.damaged_bytes(raw, rng))
        return "bytes"
    copy.write_text(damage.damaged_text(raw.decode(), rng, separator), encoding="utf-8")
    return "text"


def specs(good):
    def case(rng):
        done = bytes_or_text(good / "spec.toml", rng, good / "damaged.toml", "=")
        invoke(("check", "budget")[int(rng.integers(2))], good / "damaged.toml")
        return done

    return case


def extreme_specs(good):
    """Values that the schema allows, at the ends of their ranges and far beyond what anybody builds."""
    import re
    import tomllib

    whole = tomllib.loads((good / "spec.toml").read_text(encoding="utf-8"))
    keys = [(table, key) for table, values in whole.items() if isinstance(values, dict) for key in values]
    ends = (
        0,
        1,
        2,
        4,
        16,
        4096,
        0.0,
        1e-300,
        5e-324,
        1e-30,
        1e-9,
        1e-3,
        0.5,
        1.0,
        10.0,
        88.0,
        1e3,
        1e4,
        1e6,
        1e9,
        1e12,
    )
    ends += (-1, -20.0, -60.0, -200.0, 1e300, 1.2, 3.0, 0.051, 1450.0, 1699.0, 64, 256)

    def case(rng):
        spec = json.loads(json.dumps(whole))
        done = []
        for _ in range(int(rng.integers(1, 4))):
            table, key = keys[int(rng.integers(len(keys)))]
            value = ends[int(rng.integers(len(ends)))]
            if isinstance(whole[table][key], str):
                continue
            spec[table][key] = type(whole[table][key])(min(value, 1e300)) if abs(value) < 1e15 else value
            done.append(f"{table}.{key} = {value}")
        lines = [f"{key} = {json.dumps(value)}" for key, value in spec.items() if not isinstance(value, dict)]
        for name, table in spec.items():
            if isinstance(table, dict):
                lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        (good / "extreme.toml").write_text("\n".join(lines), encoding="utf-8")
        for command in ("check", "budget"):
            result = invoke(command, good / "extreme.toml")
            if found := re.search(r"\b(nan|inf|infinity)\b", result.stdout, re.IGNORECASE):
                raise WrongTaken(f"{command} prints {found[0]} for {done}")
        return "; ".join(done)

    return case


def benches(good):
    from prism_photonics.chip.benchfile import BenchFile

    def case(rng):
        done = bytes_or_text(good / "bench.toml", rng, good / "damaged.toml", "=")
        BenchFile.from_toml(good / "damaged.toml").require_complete(8, 8)
        return done

    return case


def decks(good):
    from prism_photonics.process.layers import read_deck

    def case(rng):
        done = bytes_or_text(good / "deck.toml", rng, good / "damaged.toml", "=")
        read_deck(good / "damaged.toml")
        return done

    return case


def calibrations(good):
    from prism_photonics.calibration.record import leaves, read_record, recorded_faults

    read_good = read_record(good / "record" / "calibration.nc")
    told = {name: array.tobytes() for name, array in leaves(read_good[0]).items()}

    def same(path):
        found, spec, extra = read_record(path)
        recorded_faults(path)
        now = {name: array.tobytes() for name, array in leaves(found).items()}
        if (now, spec, extra, found.triggers) != (told, *read_good[1:], read_good[0].triggers):
            raise WrongTaken("another calibration than was written")

    return _records(good / "record" / "calibration.nc", good, same, "prism_photonics.record")


def validations(good):
    from prism_photonics.characterize.accuracy import Validation

    return _measured(good, "record/validation.nc", Validation.read, "prism_photonics.validation")


def trims(good):
    from prism_photonics.characterize.closed_loop import Trimmed

    return _measured(good, "trim.nc", Trimmed.read, "prism_photonics.stage")


def drift_studies(good):
    from prism_photonics.characterize.drift_study import DriftStudy

    return _measured(good, "drift.nc", DriftStudy.read, "prism_photonics.drift")


def stability_tests(good):
    from prism_photonics.characterize.stability import StabilityTest

    return _measured(good, "stability.nc", lambda path, spec: StabilityTest.read(path), "prism_photonics.stability")


def _measured(good, name, read, schema):
    from prism_photonics.spec import ChipSpec

    spec = ChipSpec.from_toml(good / "small.toml")
    told = repr(read(good / name, spec))

    def same(path):
        if repr(read(path, spec)) != told:
            raise WrongTaken("another record than was written")

    return _records(good / name, good, same, schema)


def _records(file, good, same, schema):
    """Damaged bytes, and damaged numbers with the hash made right again."""
    import xarray as xr

    from prism_photonics.calibration.record import write_dataset

    raw = file.read_bytes()
    with xr.open_dataset(file, engine="scipy", mask_and_scale=False, decode_times=False) as handle:
        whole = handle.load()
    assert whole.attrs["schema"].startswith(schema)

    def case(rng):
        path = good / "damaged.nc"
        if rng.random() < 0.4:
            path.write_bytes(damage.damaged_bytes(raw, rng))
            same(path)
            return "bytes, and they meant the same"
        dataset, done = _faulty(whole, rng)
        try:
            write_dataset(dataset, path)
        except Exception as error:  # a dataset that netCDF cannot hold
            raise InputError(f"not written: {error}") from None
        try:
            same(path)
        except WrongTaken as error:
            # A shorter record is a record, -1 is a weight, and a record need not name its bench: no reader can know
            # that the writer meant another.
            if " cut to " not in done and done not in ("attribute weight_low: -1", "attribute extra: {}"):
                raise WrongTaken(f"{done}: {error}") from None
        return done

    return case


def _faulty(whole, rng):
    """A dataset as a faulty writer would make it, and what was done."""
    names = [str(name) for name in whole.variables if whole[name].size]
    name = names[int(rng.integers(len(names)))]
    attrs = [key for key in whole.attrs if key != "content_hash"]
    key = attrs[int(rng.integers(len(attrs)))]
    axis = list(whole.sizes)[int(rng.integers(len(whole.sizes)))]
    match int(rng.integers(6)):
        case 0 | 1 | 2:
            values, done = damage.spoiled(whole[name].values, rng)
            return whole.assign({name: (whole[name].dims, values)}), f"{name}: {done}"
        case 3:
            odd = (-1, np.nan, 1e300, "text", "", "0" * 64, "[" * 5000, np.array([1.0, 2.0]), "{}", "null")
            value = odd[int(rng.integers(len(odd)))]
            return whole.assign_attrs({key: value}), f"attribute {key}: {str(value)[:20]}"
        case 4:
            return whole.drop_vars(name), f"without {name}"
        case _:
            kept = int(rng.integers(0, whole.sizes[axis]))
            return whole.isel({axis: slice(0, kept)}), f"{axis} cut to {kept}"


def bundles(good):
    import safetensors.numpy

    from prism_photonics.export import schema
    from prism_photonics.export.read import load

    files = {name: (good / "bundle" / name).read_bytes() for name in (schema.TENSOR_FILE, schema.DOCUMENT_FILE)}
    tensors, document = safetensors.numpy.load(files[schema.TENSOR_FILE]), json.loads(files[schema.DOCUMENT_FILE])
    told = repr(load(good / "bundle"))
    folder = good / "damaged_bundle"
    folder.mkdir(exist_ok=True)

    def case(rng):
        for name, raw in files.items():
            (folder / name).write_bytes(raw)
        if rng.random() < 0.4:
            name = list(files)[int(rng.integers(2))]
            (folder / name).write_bytes(damage.damaged_bytes(files[name], rng))
            done = "bytes, and they meant the same"
        else:
            done = faulty(rng)
        invoke("rank", folder, "--keys", good / "keys.npz", "--k", "2")
        if repr(load(folder)) != told:
            raise WrongTaken(f"another bundle than was written: {done}")
        return done

    def faulty(rng):
        now, text, done = dict(tensors), dict(document), "nothing"
        if rng.random() < 0.6:
            name = list(now)[int(rng.integers(len(now)))]
            if now[name].dtype == np.float64 and now[name].size:
                now[name], done = damage.spoiled(now[name], rng)
            else:
                now[name] = now[name].astype(float)[..., None]
                done = f"{name}: another shape"
        else:
            key = list(text)[int(rng.integers(len(text)))]
            odd = (-1, 0, 1e300, 10**400, "text", "", [], {}, None, True, [[1]] * 3)
            text[key] = odd[int(rng.integers(len(odd)))]
            done = f"{key}: {str(text[key])[:20]}"
        raw = safetensors.numpy.save({name: np.ascontiguousarray(value) for name, value in now.items()})
        if "tensor_sha256" not in done:
            text["tensor_sha256"] = hashlib.sha256(raw).hexdigest()
        if "content_sha256" not in done:
            text["content_sha256"] = schema.content_sha256(text)
        (folder / schema.TENSOR_FILE).write_bytes(raw)
        (folder / schema.DOCUMENT_FILE).write_bytes(schema.render(text))
        return done

    return case


def keys(good):
    with np.load(good / "keys.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    invoke("rank", good / "bundle", "--keys", good / "keys.npz", "--k", "2")

    def case(rng):
        path, done = good / "damaged.npz", "bytes, and they meant the same"
        if rng.random() < 0.4:
            path.write_bytes(damage.damaged_bytes((good / "keys.npz").read_bytes(), rng))
        else:
            name = list(arrays)[int(rng.integers(len(arrays)))]
            odd, done = damage.odd_array(arrays[name], rng)
            path.write_bytes(damage.npz(arrays | {name: odd}))
        result = invoke("rank", good / "bundle", "--keys", path, "--k", "2")
        if "nan" in result.stdout:
            raise WrongTaken(f"{done}: {result.stdout[:300]}")
        return done

    return case


def volts(good):
    import jax

    from prism_photonics.chip.virtual import VirtualChip
    from prism_photonics.spec import ChipSpec
    from prism_photonics.workflow.program import write_to_bench

    chip = VirtualChip.fabricate(ChipSpec.from_toml(good / "small.toml"), jax.random.key(0))
    write_to_bench(chip, good / "volts.npz")
    with np.load(good / "volts.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}

    def case(rng):
        path, done = good / "damaged.npz", "bytes, and they meant the same"
        if rng.random() < 0.4:
            path.write_bytes(damage.damaged_bytes((good / "volts.npz").read_bytes(), rng))
        else:
            odd, done = damage.odd_array(arrays["volts_V"], rng)
            path.write_bytes(damage.npz({"volts_V": odd}))
        write_to_bench(chip, path)
        if chip.over_voltage_attempts:
            raise WrongTaken("a voltage beyond the limit was asked for")
        if not done.startswith("bytes"):
            raise WrongTaken(f"taken: {done}")
        return done

    return case


def signatures(good):
    array = np.load(good / "signatures.npy")

    def program(path):
        invoke("program", good / "record", path, "-o", good / "made.npz", "--scale", "max")
        with np.load(good / "made.npz") as made:
            return np.abs(made["volts_V"]).max()

    assert program(good / "signatures.npy") <= 10.0

    def case(rng):
        path, done = good / "damaged.npy", "bytes"
        if rng.random() < 0.5:
            path.write_bytes(damage.damaged_bytes((good / "signatures.npy").read_bytes(), rng))
        else:
            odd, done = damage.odd_array(array, rng)
            path.write_bytes(damage.npy(odd))
        # What is far larger is read as this is, and would only take its time.
        if path.stat().st_size > 10 * array.nbytes:
            raise InputError("not tried: too large")
        if not program(path) <= 10.0:
            raise WrongTaken(f"{done}: a voltage beyond the limit was written")
        return done

    return case


def journals(good):
    import jax

    from prism_photonics.chip.journal import JournaledChip
    from prism_photonics.chip.virtual import VirtualChip
    from prism_photonics.spec import ChipSpec

    spec = ChipSpec.from_toml(good / "small.toml")
    whole = (good / "journal.jsonl").read_bytes()
    path = good / "damaged.jsonl"

    def resumed():
        chip = VirtualChip.fabricate(spec, jax.random.key(0))
        identity = {"bench": "virtual:0", "seed": 0}
        with JournaledChip(chip, spec, path, identity=identity, resume=True) as journal:
            return [read for _ in range(3) for read in _session(journal)]

    path.write_bytes(whole)
    assert len(resumed()) == 6

    def case(rng):
        done, raw = "bytes", whole
        if rng.random() < 0.4:
            raw = damage.damaged_bytes(whole, rng)
        else:
            lines = [line.partition(b" ")[2] for line in whole.splitlines()]
            at = int(rng.integers(len(lines)))
            entry, done = _odd_entry(json.loads(lines[at]), rng)
            lines[at] = entry
            raw = b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in lines)
        path.write_bytes(raw)
        found = resumed()
        if not all(np.isfinite(current_A).all() and (abs(current_A) < 1.0).all() for current_A in found):
            raise WrongTaken(f"{done}: {found}")
        return done

    return case


def _session(chip):
    """What the good journal's job asks: see `fuzz.good`."""
    chip.set(np.zeros((2, 3)))
    return [chip.measure(np.ones(3)), chip.measure(np.zeros(3), averages=4)]


def _odd_entry(entry, rng):
    key = list(entry)[int(rng.integers(len(entry)))]
    odd = (None, -1, 1e300, "text", [], [1e300, 1e300], [1.0], [[1.0, 2.0]], {}, True, ["a", "b"])
    value = odd[int(rng.integers(len(odd)))]
    return json.dumps(entry | {key: value}).encode(), f"{key}: {value}"


def drawings(good):
    from prism_photonics.layout.annotate import back_annotate
    from prism_photonics.layout.check import check
    from prism_photonics.layout.drc import run_drc
    from prism_photonics.layout.extract import extract
    from prism_photonics.layout.lvs import lvs
    from prism_photonics.layout.manifest import manifest_csv
    from prism_photonics.layout.polygons import save_clean
    from prism_photonics.spec import ChipSpec

    raw, spec = (good / "chip.gds").read_bytes(), ChipSpec.from_toml(good / "tiny.toml")
    extract(good / "chip.gds")
    doors = {
        "extract": extract,
        "check": lambda path: check(path, spec),
        "drc": lambda path: run_drc(path, report=good / "report.lyrdb"),
        "lvs": lambda path: lvs(path, spec, simulate=False),
        "annotate": lambda path: back_annotate(path, spec),
        "manifest": manifest_csv,
        "clean": lambda path: save_clean(path, good / "clean.gds"),
    }

    def case(rng):
        path = good / "damaged.gds"
        data = bytearray(raw)
        if rng.random() < 0.6:  # inside one record, whose length stays right: this is what gets far
            records = _gds_records(raw)
            at, length = records[int(rng.integers(len(records)))]
            if length > 4:
                place = at + 4 + int(rng.integers(length - 4))
                data[place] ^= int(rng.integers(1, 256))
        else:
            data = damage.damaged_bytes(raw, rng)
        path.write_bytes(bytes(data))
        name = list(doors)[int(rng.integers(len(doors)))]
        doors[name](path)
        return name

    return case


def _gds_records(raw):
    """Where each record of a GDS file begins, and how long it is."""
    found, at = [], 0
    while at + 4 <= len(raw):
        length = int.from_bytes(raw[at : at + 2], "big")
        if length < 4:
            break
        found.append((at, length))
        at += length
    return found


def schematics(good):
    import gdsfactory as gf
    from loguru import logger

    from prism_photonics.layout.pdk import PDK
    from prism_photonics.layout.schematic import rebuild

    logger.disable("kfactory")  # it tells its own mind of every damaged name
    PDK.activate()
    rebuild((good / "chip.pic.yml").read_text(encoding="utf-8"))
    gf.clear_cache()

    def case(rng):
        done = bytes_or_text(good / "chip.pic.yml", rng, good / "damaged.yml", ":")
        try:
            text = (good / "damaged.yml").read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise InputError("no text") from None
        try:
            rebuild(text)
        finally:
            gf.clear_cache()
        return done

    return case


def _spectra(good, formats):
    """Files of laboratories, each format damaged as its bytes or, if it is text, its lines are."""
    from laboratory import written

    from prism_photonics.laboratory.read import read_sweep
    from prism_photonics.laboratory.resolve import HIGHEST

    whole = {}
    for name, make in formats(written).items():
        raw = make()
        whole[name] = raw.encode() if isinstance(raw, str) else raw
        (good / "measured.dat").write_bytes(whole[name])
        read_sweep(good / "measured.dat", power_unit="dBm" if name == "santec" else None)

    def case(rng):
        name = list(whole)[int(rng.integers(len(whole)))]
        raw, path, way = whole[name], good / "damaged.dat", "bytes"
        if b"\0" in raw or rng.random() < 0.4:
            path.write_bytes(damage.damaged_bytes(raw, rng))
        else:
            separator = ("\t", ",", ":")[int(rng.integers(3))]
            path.write_text(damage.damaged_text(raw.decode(), rng, separator), encoding="utf-8")
            way = "text"
        sweep = read_sweep(path)
        wl_nm = sweep.wl_nm
        if not (np.isfinite(wl_nm).all() and (np.diff(wl_nm) > 0).all() and 200 <= wl_nm[0] <= wl_nm[-1] <= 20_000):
            raise WrongTaken(f"{name}, {way}: an axis of {wl_nm[:5]} … {wl_nm[-5:]}")
        for trace in sweep.traces.values():
            there = trace.values[~np.isnan(trace.values)]
            if len(trace.values) != len(wl_nm) or not np.isfinite(there).all() or (there > HIGHEST[trace.unit]).any():
                raise WrongTaken(f"{name}, {way}: {trace.name} of {there[:5]} {trace.unit}")
        if any("Feynman" in text for text in (*sweep.notes, *sweep.traces, sweep.device)):
            raise WrongTaken(f"{name}, {way}: the operator's name came through")
        return f"{name}, {way}"

    return case


def spectra(good):
    return _spectra(good, lambda written: written.ALL)


def packed_spectra(good):
    """HDF5 and parquet, whose readers are compiled: only where each has a worker of its own."""
    return _spectra(good, lambda written: {"hdf5": written.hdf5, "parquet": written.parquet})


KINDS = {
    kind.__name__: kind
    for kind in (
        *(
            specs,
            extreme_specs,
            benches,
            decks,
            calibrations,
            validations,
            trims,
            drift_studies,
            stability_tests,
            bundles,
            keys,
            volts,
        ),
        *(signatures, journals, drawings, schematics, spectra, packed_spectra),
    )
}
