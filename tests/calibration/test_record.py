"""A calibration on disk comes back bit by bit, or not at all."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.calibration.record import SCHEMA, leaves, read_dataset, read_record, write_dataset, write_record
from prism_photonics.files.fields import Number
from prism_photonics.units import InputError

FLIPS = 80
OLD = Path(__file__).parent / "older" / "record_4"


@pytest.fixture(scope="module")
def calibration(small):
    """A calibration of made-up numbers: a record does not ask where they come from."""
    rng = np.random.default_rng(4)

    def made_up(path, leaf):
        name = "".join(str(part) for part in path).lstrip(".")
        if leaf.dtype == int:
            return jnp.asarray(rng.permuted(leaf, axis=-1)).astype(leaf.dtype)
        if leaf.dtype == bool:
            return jnp.asarray(rng.random(leaf.shape) > 0.7)
        if name == "wl_um" or name.startswith("scatter."):  # the spec tells these
            return leaf
        return leaf * jnp.asarray(rng.uniform(0.5, 0.99, leaf.shape)) + jnp.asarray(rng.uniform(0, 1e-3, leaf.shape))

    return jax.tree_util.tree_map_with_path(made_up, blank_calibration(small, triggers=157))


@pytest.fixture(scope="module")
def path(tmp_path_factory, calibration, survey, small):
    path = tmp_path_factory.mktemp("record") / "die" / "calibration.nc"
    write_record(path, calibration, survey, small, bench="virtual", seed=7)
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        read_record(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def edited(path, folder, change):
    """A copy of the record with its dataset changed by hand, hash and all left as they were."""
    with xr.open_dataset(path, engine="scipy", mask_and_scale=False, decode_times=False) as handle:
        dataset = handle.load()
    copy = folder / "edited.nc"
    change(dataset).to_netcdf(copy, engine="scipy")
    return copy


def test_a_record_comes_back_bit_by_bit(path, calibration, small):
    again, spec, extra = read_record(path)
    assert spec == small
    assert spec.hash == small.hash
    assert extra == {"bench": "virtual", "seed": 7}
    before, after = leaves(calibration), leaves(again)
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert after[name].tobytes() == array.tobytes(), name
    assert (again.triggers, again.spec_hash) == (calibration.triggers, calibration.spec_hash)
    assert jax.tree.structure(again) == jax.tree.structure(calibration)


def test_the_survey_stays_readable_for_anyone(path, survey):
    with xr.open_dataset(path, engine="scipy") as record:
        assert record.volts_V.attrs["units"] == "V"
        assert np.array_equal(record.current_A.values, survey.current_A.values)


def test_no_half_written_file_is_left_behind(path):
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_record_is_refused(path, tmp_path, share):
    whole = path.read_bytes()
    short = tmp_path / "short.nc"
    short.write_bytes(whole[: int(share * len(whole))])
    refused(short)


def flipped(whole, place, rng, copy):
    damaged = bytearray(whole)
    damaged[place] ^= 1 << int(rng.integers(8))
    copy.write_bytes(damaged)
    return copy


def test_whatever_byte_is_flipped_the_record_is_refused_or_means_the_same(path, tmp_path, calibration, small):
    whole = path.read_bytes()
    rng = np.random.default_rng(12)
    # Half of the places lie in the header: names, shapes, attributes. The names of axes carry nothing.
    header = whole.index(small.name.encode()) + 4000
    places = np.concatenate([rng.integers(0, header, FLIPS // 2), rng.integers(0, len(whole), FLIPS // 2)])
    told = {name: array.tobytes() for name, array in leaves(calibration).items()}
    refusals = 0
    for place in places:
        try:
            again, spec, extra = read_record(flipped(whole, place, rng, tmp_path / "flipped.nc"))
        except InputError:  # anything else would be a traceback
            refusals += 1
            continue
        assert {name: array.tobytes() for name, array in leaves(again).items()} == told, int(place)
        found = (again.triggers, spec, extra)
        assert found == (calibration.triggers, small, {"bench": "virtual", "seed": 7}), int(place)
    assert refusals > 0.5 * FLIPS


@pytest.mark.parametrize("number", ["current_A", "dark_A", "volts_V"])
def test_a_flipped_bit_of_any_measured_number_is_refused(path, tmp_path, survey, number):
    whole = path.read_bytes()
    rng = np.random.default_rng(13)
    numbers = survey[number].values.astype(">f8").tobytes()
    start = whole.index(numbers)
    for place in start + rng.integers(0, len(numbers), 8):
        assert "hash" in refused(flipped(whole, place, rng, tmp_path / "flipped.nc"))


def test_an_edited_number_is_refused(path, tmp_path):
    def change(dataset):
        dataset["fit.rows.rings.offset_pm"][0, 0] += 1.0
        return dataset

    assert "hash" in refused(edited(path, tmp_path, change))


def test_an_edited_count_of_readings_is_refused(path, tmp_path):
    assert "hash" in refused(edited(path, tmp_path, lambda d: d.assign_attrs(triggers=1)))


def test_another_chips_spec_inside_is_refused(path, tmp_path, small, altered):
    other = altered(small, name="other")
    assert "hash" in refused(edited(path, tmp_path, lambda d: d.assign_attrs(spec=other.model_dump_json())))
    assert "damaged" in refused(edited(path, tmp_path, lambda d: d.assign_attrs(spec="{}")))


def test_another_schema_is_refused_by_name(path, tmp_path):
    message = refused(edited(path, tmp_path, lambda d: d.assign_attrs(schema="prism_photonics.record/99")))
    assert "record/99" in message
    assert "record/6" in message


def rehashed(path, folder, change):
    """A copy of the record with its dataset changed by hand and its hash made right: a faulty writer's record."""
    copy = folder / "rehashed.nc"
    write_dataset(change(read_dataset(path, schema=SCHEMA)), copy)
    return copy


def test_a_missing_array_is_named(path, tmp_path):
    assert "lacks fit.dark_A" in refused(rehashed(path, tmp_path, lambda d: d.drop_vars("fit.dark_A")))
    assert "lacks volts_V" in refused(rehashed(path, tmp_path, lambda d: d.drop_vars("volts_V")))
    with pytest.raises(InputError, match="lacks nothing_A, want 0 to 1 A"):
        read_dataset(path, schema=SCHEMA, arrays={"nothing_A": Number(low=0, high=1, unit="A")})


def put(name, value, at=0):
    def change(dataset):
        values = dataset[name].values.astype(type(value))
        values.reshape(-1)[at] = value
        return dataset.assign({name: (dataset[name].dims, values)})

    return change


def attribute(**attrs):
    return lambda dataset: dataset.assign_attrs(attrs)


NAN, INF = float("nan"), float("inf")
# A faulty writer's change, and what the refusal says: key, value, limit.
WRONG = {
    "NaN in the fit": (put("fit.unit_A", NAN), "fit.unit_A = nan at row 0, want above 0, at most 1000 A"),
    "negative leak": (put("fit.leak", -1.0), "fit.leak = -1.0, want 0 to 1"),
    "coupling above one": (put("fit.rows.rings.t1", 1.5), "t1 = 1.5 at row 0, bus 0, place 0, want 0 to 1"),
    "huge gain": (put("fit.rows.gain_A", 1e300), "fit.rows.gain_A = 1e+300"),
    "another scatter": (put("fit.scatter.offset_pm", 77.0), "as the spec has it"),
    "another comb": (put("fit.wl_um", 1.6), "fit.wl_um"),
    "half an excluded ring": (put("fit.excluded", 0.5), "excluded = 0.5 at row 0, channel 0, want whole"),
    "a line served twice": (put("fit.channel_of_ring", 0.0, at=slice(0, 3)), "want every channel once"),
    "a line served twice in the survey": (put("channel_of_ring", 1, at=slice(0, 3)), "want every channel once"),
    "NaN volts": (put("volts_V", NAN), "volts_V = nan at setting 0, row 0, ring 0"),
    "volts above the limit": (put("volts_V", 10.1), "volts_V = 10.1 at setting 0, row 0, ring 0, want -10 to 10 V"),
    "NaN noise": (put("noise_A", NAN), "noise_A = nan"),
    "no noise": (put("noise_A", 0.0), "noise_A = 0.0"),
    "NaN in the dark": (put("dark_A", NAN), "hold 1 readings that are no numbers, want 0 as the record has counted"),
    "a lost reading": (put("current_A", NAN), "hold 1 readings that are no numbers"),
    "an impossible current": (put("current_A", 1e30), "current_A = 1e+30"),
    "NaN time": (put("time_s", NAN), "time_s = nan"),
    "time that runs back": (put("time_s", 1e9), "time_s runs backwards"),
    "negative triggers": (attribute(triggers=-1), "triggers = -1, want whole numbers 0 to"),
    "half a trigger": (attribute(triggers=1.5), "triggers = 1.5"),
    "text for a number": (attribute(triggers="many"), "triggers = 'many'"),
    "probes that are not there": (attribute(probes=1000), "probes = 1000"),
    "any spec hash": (attribute(spec_hash="0" * 64), "does not match the spec inside"),
    "a spec hash that is none": (attribute(spec_hash="mine"), "spec_hash = 'mine', want a spec's hash"),
    "extra that is no table": (attribute(extra="[1]"), "extra = '[1]', want a JSON table"),
    "extra that is deep": (attribute(extra="[" * 100_000), "want a JSON table"),
    "a bench that is no name": (attribute(extra='{"bench": 5}'), "want a JSON table"),
    "another shape": (lambda d: d.isel(channel=slice(0, 2)), "has shape"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_record_with_right_hashes_and_a_wrong_meaning_is_refused(path, tmp_path, kind):
    change, says = WRONG[kind]
    assert says in refused(rehashed(path, tmp_path, change))


def test_readings_that_gave_no_number_are_kept_and_counted(tmp_path, calibration, survey, small):
    current_A = survey.current_A.values.copy()
    current_A[3, 1, 1], current_A[4, 0, 0] = NAN, INF  # a lost reading, an overloaded meter
    survey = survey.assign(current_A=(survey.current_A.dims, current_A))
    write_record(tmp_path / "r.nc", calibration, survey, small)
    assert read_dataset(tmp_path / "r.nc", schema=SCHEMA).attrs["lost_readings"] == 2
    assert read_record(tmp_path / "r.nc")[1] == small


def test_a_record_of_the_schema_before_is_read():
    calibration, spec, extra = read_record(OLD / "calibration.nc")
    assert (spec.name, extra) == ("small_2x3", {"bench": "virtual:0", "seed": 0})
    assert calibration.triggers == 16
    told, kept = leaves(blank_calibration(spec, triggers=16)), xr.open_dataset(OLD / "calibration.nc")
    # Of its own U-turn, an arc; the same spec has a longer one by now.
    of_its_drawing = ("rows.buses.opl_um", "rows.buses.gpl_um", "rows.buses.amplitude", "rows.gain_A", "unit_A")
    told |= {name: kept[f"fit.{name}"].values for name in of_its_drawing}
    assert told["rows.buses.opl_um"].max() == pytest.approx(1091.21, abs=0.01)
    assert all(np.allclose(array, told[name], rtol=1e-12) for name, array in leaves(calibration).items())


def test_a_record_whose_spec_tells_a_key_that_went_is_read_and_held_to_the_hash_of_then(path, tmp_path, small):
    content = json.loads(small.model_dump_json())
    content["system"]["kv_heads_per_chip"] = 8
    before = json.dumps(content)
    hashed = small.hash_as_told({"system": {"kv_heads_per_chip": 8}})
    assert hashed != small.hash
    read, spec, _ = read_record(rehashed(path, tmp_path, attribute(spec=before, spec_hash=hashed)))
    assert spec == small
    assert read.spec_hash == small.hash
    # The hash is of another number than the spec inside tells.
    assert "does not match the spec inside" in refused(rehashed(path, tmp_path, attribute(spec=before)))


def test_an_older_schema_than_that_is_refused_and_the_oldest_named(path, tmp_path):
    message = refused(edited(path, tmp_path, lambda d: d.assign_attrs(schema="prism_photonics.record/3")))
    assert "'prism_photonics.record/3' is older than 'prism_photonics.record/4'" in message
    assert "newer" in refused(edited(path, tmp_path, lambda d: d.assign_attrs(schema="prism_photonics.record/7")))
    assert "this version reads" in refused(edited(path, tmp_path, lambda d: d.assign_attrs(schema=5)))


def test_no_file_a_folder_and_a_text_are_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "none.nc")
    refused(tmp_path)
    text = tmp_path / "spec.toml"
    text.write_text("name = 'x'\n")
    refused(text)


def test_a_place_that_cannot_be_written_is_named(tmp_path, calibration, survey, small):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="written"):
        write_record(blocked / "calibration.nc", calibration, survey, small)


def test_extra_attributes_may_be_any_json(tmp_path, calibration, survey, small):
    extra = {"bench": "µ-bench", "tags": ["a", 1, None]}
    write_record(tmp_path / "r.nc", calibration, survey, small, **extra)
    assert read_record(tmp_path / "r.nc")[2] == extra == json.loads(json.dumps(extra))
    assert dataclasses.is_dataclass(calibration)
