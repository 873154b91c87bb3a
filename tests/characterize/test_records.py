"""What was measured of a calibrated chip comes back as it was written, or is refused by key, value and limit."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from prism_photonics.calibration.record import read_dataset, read_record, write_dataset
from prism_photonics.characterize import accuracy, closed_loop, drift_study, stability
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.characterize.closed_loop import Trimmed
from prism_photonics.characterize.drift_study import DriftStudy
from prism_photonics.characterize.stability import StabilityTest
from prism_photonics.units import InputError

NAN = float("nan")
OLD = Path(__file__).parents[1] / "calibration" / "older"
FIGURES = dict.fromkeys(("interval_s", "readings_per_refresh", "averages", "triggers", "duty", "duty_laboratory"), 1.0)
FIGURES |= {"pinned_rings": [[0, 1]], "excluded_rings": []}


@pytest.fixture(scope="module")
def folder(made_up, small, tmp_path_factory):
    """One good record of each kind."""
    folder = tmp_path_factory.mktemp("good")
    rng = np.random.default_rng(0)
    validation = Validation.read(made_up / "record" / "validation.nc")
    dataclasses.replace(validation, again=validation.measured[:2]).write(folder / "validation.nc")
    commanded = validation.commanded
    Trimmed(
        commanded, np.stack([commanded, commanded]), rng.uniform(-10, 10, (2, *commanded.shape)),
        np.zeros((2, 3), bool), small.hash, drift_readings=3,
    ).write(folder / "trim.nc")  # fmt: skip
    change = 1e-4 * rng.standard_normal((8, 2, 2, 3))
    DriftStudy(commanded, np.array([1.0, 10.0]), change, abs(change), small.hash).write(folder / "drift.nc")
    checks = [1e-3, 2e-3]
    StabilityTest("full", 1.2, [0.0, 60.0], checks, checks, [0.0, -5.0], [0.0, 0.1], FIGURES).write(
        folder / "stability.nc", small
    )
    return folder


READERS = {"validation": Validation, "trim": Trimmed, "drift": DriftStudy, "stability": StabilityTest}
SCHEMAS = {"validation": accuracy, "trim": closed_loop, "drift": drift_study, "stability": stability}


def rehashed(folder, kind, change, to):
    """A faulty writer's record: its hash is right."""
    dataset = read_dataset(folder / f"{kind}.nc", schema=SCHEMAS[kind].SCHEMA)
    write_dataset(change(dataset), to / f"{kind}.nc")
    return to / f"{kind}.nc"


def put(name, value, at=0):
    def change(dataset):
        values = dataset[name].values.astype(type(value))
        values.reshape(-1)[at] = value
        return dataset.assign({name: (dataset[name].dims, values)})

    return change


def attribute(**attrs):
    return lambda dataset: dataset.assign_attrs(attrs)


@pytest.mark.parametrize("kind", READERS)
def test_each_kind_comes_back_as_it_was_written(folder, small, tmp_path, kind):
    found = READERS[kind].read(folder / f"{kind}.nc")
    if kind == "stability":
        found.write(tmp_path / "again.nc", small)
    else:
        found.write(tmp_path / "again.nc")
    assert (tmp_path / "again.nc").read_bytes() == (folder / f"{kind}.nc").read_bytes()


WRONG = [
    ("validation", attribute(dac_bits=-1), "dac_bits = -1, want whole numbers 1 to 24 bits"),
    ("validation", attribute(adc_bits=1e300), r"adc_bits = 1e\+300, want whole numbers 1 to 24"),
    ("validation", attribute(adc_bits=7.5), "adc_bits = 7.5"),
    ("validation", attribute(leak=-1.0), "leak = -1.0"),
    ("validation", attribute(weight_high=1e300), r"weight_high = 1e\+300, want -100 to 100"),
    ("validation", attribute(weight_high=-0.6), "weight_high = -0.6, want above weight_low = -0.5"),
    ("validation", attribute(weight_low=NAN), "weight_low = nan"),
    ("validation", attribute(encoding="triple"), "encoding = 'triple', want one of offset"),
    ("validation", attribute(encoding=3), "encoding = 3"),
    ("validation", attribute(spec_hash="mine"), "spec_hash = 'mine', want a spec's hash"),
    ("validation", attribute(drift_readings=-1), "drift_readings = -1"),
    ("validation", attribute(residual_rms=NAN), "residual_rms = nan"),
    ("validation", put("again", NAN), "again = nan at repeated 0, row 0, channel 0"),
    ("validation", put("measured", NAN), "measured = nan at target 0"),
    ("validation", put("measured", 1e6), "measured = 1000000.0 at target 0, row 0, channel 0, want -100 to 100"),
    ("validation", put("commanded", 1e300), r"commanded = 1e\+300"),
    ("validation", put("light", 1.5), "light = 1.5 at setting 0, channel 0"),
    ("validation", put("reads", np.inf), "reads = inf"),
    ("validation", put("adc_full_scale", 0.0), "adc_full_scale = 0.0 at row 0, want above 0"),
    ("validation", put("excluded", 7.0), "excluded = 7.0 at row 0, channel 0, want whole numbers 0 to 1"),
    (
        "validation",
        lambda d: d.assign(light=(("setting", "other"), d.light.values[:, :2])),
        r"light has shape \(6, 2\), want \(setting 6, channel 3\)",
    ),
    ("validation", lambda d: d.drop_vars("reads"), "lacks reads"),
    ("trim", put("volts_V", NAN), "volts_V = nan at iteration 0"),
    ("trim", put("measured", 1e300), r"measured = 1e\+300"),
    ("trim", attribute(stage="dark"), "stage = 'dark', want the stage 'trim'"),
    ("trim", attribute(drift_readings=NAN), "drift_readings = nan"),
    ("trim", attribute(spec_hash=5), "spec_hash = 5"),
    ("drift", put("time_s", NAN), "time_s = nan at time 0"),
    ("drift", put("time_s", 20.0), r"time_s = \[20.0, 10.0\], want rising times"),
    ("drift", put("time_s", -1.0), "time_s = -1.0"),
    ("drift", put("change", NAN), "change = nan at target 0"),
    ("drift", put("change_std", -1.0), "change_std = -1.0"),
    ("drift", lambda d: d.isel(target=slice(0, 3)), "3 targets, want at least 8"),
    ("stability", put("time_s", NAN), "time_s = nan at check 0"),
    ("stability", put("time_s", 100.0), "time_s runs backwards"),
    ("stability", put("held_error", 0.0), "held_error = 0.0 at check 0, want above 0"),
    ("stability", attribute(span=-1.0), "span = -1.0"),
    ("stability", attribute(tracking="both"), "tracking = 'both', want one of none, common, full"),
    ("stability", attribute(figures="{}"), "lacks interval_s"),
    ("stability", attribute(figures="[" * 100_000), "want a JSON table"),
    ("stability", attribute(figures="3"), "figures = '3', want a JSON table"),
    ("stability", lambda d: d.isel(check=slice(0, 0)), "time_s has shape"),
]


@pytest.mark.parametrize(("kind", "change", "says"), WRONG)
def test_a_record_with_right_hashes_and_a_wrong_meaning_is_refused(folder, tmp_path, kind, change, says):
    path = rehashed(folder, kind, change, tmp_path)
    with pytest.raises(InputError, match=says) as caught:
        READERS[kind].read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["validation", "trim", "drift"])
def test_a_record_of_another_chip_is_refused(folder, small, altered, tmp_path, kind):
    reader = READERS[kind]
    assert reader.read(folder / f"{kind}.nc", small).spec_hash == small.hash
    other = altered(small, drive={"max_voltage_V": 9.0})
    with pytest.raises(InputError, match=r"belongs to spec|want -9 to 9 V"):
        reader.read(folder / f"{kind}.nc", other)
    with pytest.raises(InputError, match=r"has shape .*, want \(target 8, row 2, channel 2\)"):
        reader.read(folder / f"{kind}.nc", altered(small, chip={"channels": 2}))


@pytest.mark.parametrize(("name", "value"), [("adc_bits", 3), ("dac_bits", 3), ("encoding", "offset")])
def test_a_validation_that_contradicts_its_spec_is_refused(folder, small, tmp_path, name, value):
    path = rehashed(folder, "validation", attribute(**{name: value}), tmp_path)
    assert getattr(Validation.read(path), name) == value
    with pytest.raises(InputError, match=rf"{name} = .*, want .* as the spec has it"):
        Validation.read(path, small)


def test_what_an_excluded_rings_meter_says_is_kept(folder, tmp_path):
    far = put("measured", 1e6)
    path = rehashed(folder, "validation", lambda d: put("excluded", 1.0)(far(d)), tmp_path)
    assert Validation.read(path).measured[0, 0, 0] == 1e6


def test_records_of_the_schemas_before_are_read():
    _, spec, _ = read_record(OLD / "record_4" / "calibration.nc")
    assert Validation.read(OLD / "record_4" / "validation.nc", spec).commanded.shape == (8, 2, 3)
    before = Validation.read(OLD / "validation_4.nc")
    assert np.array_equal(before.as_read, before.measured)
    assert before.absolute_bits == before.accuracy_bits
    assert before.drift_readings == 0
    assert before.measured.shape == (8, 2, 3)
    # Row 1 was a dead detector's: schema 1 kept its NaN.
    study = DriftStudy.read(OLD / "record_4" / "drift.nc", spec)
    assert (study.change[:, :, 1] == 0.0).all()
    assert (study.change[:, :, 0] != 0.0).all()


@pytest.mark.parametrize(
    ("kind", "schema", "new", "old"),
    [
        ("validation", "prism_photonics.validation/5", "drift_readings", "looks"),
        ("trim", "prism_photonics.stage/1", "drift_readings", "looks"),
        ("stability", "prism_photonics.hour/1", "figures", "told"),
    ],
)
def test_records_of_version_0_1_say_the_same_in_words_of_their_own(folder, tmp_path, kind, schema, new, old):
    def as_before(dataset):
        attrs = {old if name == new else name: value for name, value in dataset.attrs.items()}
        return dataset.drop_attrs(deep=False).assign_attrs(attrs | {"schema": schema})

    before, now = (
        READERS[kind].read(rehashed(folder, kind, as_before, tmp_path)),
        READERS[kind].read(folder / f"{kind}.nc"),
    )
    assert getattr(before, new) == getattr(now, new)
    assert new in before.__dict__
