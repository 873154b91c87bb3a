"""A calibration on disk comes back bit by bit, or not at all."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.calibration.record import leaves, read_dataset, read_record, write_dataset, write_record
from prism_photonics.units import InputError

FLIPS = 80


@pytest.fixture(scope="module")
def calibration(small):
    """A calibration of made-up numbers: a record does not ask where they come from."""
    rng = np.random.default_rng(4)
    return jax.tree.map(
        lambda leaf: (
            jnp.asarray(rng.permuted(leaf)).astype(leaf.dtype)
            if leaf.dtype == int
            else (leaf + jnp.asarray(rng.normal(size=leaf.shape)) > 1).astype(leaf.dtype)
            if leaf.dtype == bool
            else leaf + jnp.asarray(rng.normal(size=leaf.shape))
        ),
        blank_calibration(small, triggers=157),
    )


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
    assert "record/4" in message


def test_a_missing_array_is_named(path, tmp_path):
    dataset = read_dataset(path, schema="prism_photonics.record/4")
    short = tmp_path / "short.nc"
    write_dataset(dataset.drop_vars("fit.dark_A"), short)
    assert "lacks fit.dark_A" in refused(short)
    with pytest.raises(InputError, match="lacks nothing_A"):
        read_dataset(path, schema="prism_photonics.record/4", arrays=("nothing_A",))


def test_not_a_number_inside_is_refused(path, tmp_path):
    dataset = read_dataset(path, schema="prism_photonics.record/4")
    dataset["fit.unit_A"][0] = np.nan
    write_dataset(dataset, tmp_path / "nan.nc")
    assert "fit.unit_A holds NaN" in refused(tmp_path / "nan.nc")


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
