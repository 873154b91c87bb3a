"""One good file of every kind, of a small chip that nobody measured."""

import dataclasses
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.calibration.record import write_record
from prism_photonics.calibration.survey import take_survey
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.characterize.closed_loop import Trimmed
from prism_photonics.characterize.drift_study import DriftStudy
from prism_photonics.characterize.stability import StabilityTest
from prism_photonics.chip.journal import JournaledChip
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.codec.encoding import quantizer_step
from prism_photonics.spec import ChipSpec

ROOT = Path(__file__).parents[2]
RULES = ROOT / "prism_photonics" / "process" / "rules"


def make(folder):
    """Write them into a folder."""
    small = write_text_files(folder)
    rng, rows, channels = np.random.default_rng(0), small.chip.rows, small.chip.channels
    chip = VirtualChip.fabricate(small, jax.random.key(0))
    survey = take_survey(chip, small, key=jax.random.key(1), settings=4)
    calibration = blank_calibration(small, triggers=16)
    write_record(folder / "record" / "calibration.nc", calibration, survey, small, bench="virtual:0", seed=0)
    commanded = rng.uniform(-0.5, 0.5, (8, rows, channels))
    step = float(quantizer_step(small.detector.adc_bits, -2.0, 2.0))
    validation = Validation(
        commanded=commanded, measured=commanded + 1e-3, measured_std=np.full(commanded.shape, 1e-5),
        light=rng.uniform(0, 1, (6, channels)), weights=rng.uniform(-0.5, 0.5, (6, rows, channels)),
        reads=step * np.rint(20 * rng.standard_normal((6, 16, rows))), adc_full_scale=np.full(rows, 2.0),
        weight_low=-0.5, weight_high=0.5, adc_bits=small.detector.adc_bits, dac_bits=small.modulator.dac_bits,
        encoding=small.modulator.encoding, spec_hash=small.hash, residual_rms=1e-4, leak=1e-3,
        again=commanded[:2] + 2e-3,
    )  # fmt: skip
    validation.write(folder / "record" / "validation.nc")
    volts_V = rng.uniform(-9, 9, (3, *commanded.shape))
    out = np.zeros((rows, channels), bool)
    Trimmed(commanded, np.stack([commanded] * 3), volts_V, out, small.hash, drift_readings=2).write(folder / "trim.nc")
    change = 1e-4 * rng.standard_normal((8, 2, rows, channels))
    DriftStudy(commanded, np.array([1.0, 10.0]), change, abs(change), small.hash).write(folder / "drift.nc")
    told = dict.fromkeys(("interval_s", "readings_per_refresh", "averages", "triggers", "duty", "duty_laboratory"), 1.0)
    told |= {"pinned_rings": [[0, 1]], "excluded_rings": []}
    checks = [1e-3, 2e-3]
    StabilityTest("full", 1.2, [0.0, 60.0], checks, checks, [0.0, -5.0], [0.0, 0.1], told).write(
        folder / "stability.nc", small
    )
    write_bundle(folder, validation)
    write_arrays(folder, rng)
    with JournaledChip(chip, small, folder / "journal.jsonl", identity={"bench": "virtual:0", "seed": 0}) as journal:
        for _ in range(3):
            journal.set(np.zeros((rows, channels)))
            journal.measure(np.ones(channels))
            journal.measure(np.zeros(channels), averages=4)


def write_text_files(folder):
    """Specs, bench file and deck; returns the small chip."""
    demo = ChipSpec.from_toml(spec_file("demo_8x8"))
    text = spec_file("demo_8x8").read_text(encoding="utf-8")
    (folder / "spec.toml").write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "calibration" / "demo_8x8" / "bench.toml", folder / "bench.toml")
    shutil.copy(sorted(RULES.glob("*.toml"))[0], folder / "deck.toml")
    changes = {"rows = 8": "rows = 2", "channels = 8": "channels = 3"}
    small = _changed(text, changes)
    (folder / "small.toml").write_text(small, encoding="utf-8")
    (folder / "tiny.toml").write_text(_changed(text, {"rows = 8": "rows = 2", "channels = 8": "channels = 2"}))
    assert demo.chip.rows == 8
    return ChipSpec.from_text(small)


def spec_file(name):
    """The file of a chip that ships."""
    return ROOT / "layouts" / name / "spec.toml"


def write_bundle(folder, validation):
    """A bundle with drift, so that every tensor holds something."""
    from prism_photonics.behavior.fit import fit
    from prism_photonics.export.write import write

    model, channels = fit(validation), validation.light.shape[1]
    drift = {"drift_time_s": np.array([1.0, 10.0]), "drift_mean": np.full((2, 2, channels), 1e-4)}
    drift |= {name: np.full((2, channels), 1e-4) for name in ("drift_common", "drift_own")}
    drift = {name: jnp.asarray(table) for name, table in drift.items()}
    write(dataclasses.replace(model, **drift), folder / "bundle")


def write_arrays(folder, rng):
    """Voltages, signatures and keys."""
    np.savez(folder / "volts.npz", volts_V=rng.uniform(-9, 9, (2, 1, 2, 3)))
    np.save(folder / "signatures.npy", rng.standard_normal((4, 3)))
    floats = {name: rng.standard_normal((2, 1, 64, 4)).astype(np.float16) for name in ("keys", "values")}
    np.savez(
        folder / "keys.npz", **floats, queries=rng.standard_normal((2, 2, 3, 4)).astype(np.float16),
        needle_position=np.array([[3, 9, 20], [4, 8, 30]], np.int32),
        query_position=np.array([[60, 61, 62], [60, 61, 63]], np.int32), token_ids=np.zeros((2, 64), np.int16),
        recalled=np.ones((2, 3), bool), attention_scale=np.float32(0.5),
    )  # fmt: skip


def draw(folder):
    """A chip of two rows of two rings, and its schematic."""
    from prism_photonics.layout.chip import draw, places_um
    from prism_photonics.layout.pdk import PDK
    from prism_photonics.layout.schematic import chip_yaml
    from prism_photonics.layout.write import write_gds
    from prism_photonics.netlist import from_spec

    PDK.activate()
    spec = ChipSpec.from_toml(folder / "tiny.toml")
    write_gds(draw(spec), folder / "chip.gds")
    text = chip_yaml(from_spec(spec), places_um(spec))
    (folder / "chip.pic.yml").write_text(text, encoding="utf-8")


def _changed(text, changes):
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text
