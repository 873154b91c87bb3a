"""A bundle comes back as it was written, or not at all."""

import hashlib
import json
import os
import random

import numpy as np
import pytest
import safetensors.numpy

from prism_photonics.export import schema
from prism_photonics.export.read import load
from prism_photonics.export.write import write
from prism_photonics.units import InputError

MUTATIONS = 1000


def rewrite(path, *, replaced=None, **changes):
    """Edit a bundle with care: all hashes are right again."""
    document = json.loads((path / schema.DOCUMENT_FILE).read_text())
    if replaced is not None:
        raw = safetensors.numpy.save(replaced)
        (path / schema.TENSOR_FILE).write_bytes(raw)
        document["tensor_sha256"] = hashlib.sha256(raw).hexdigest()
    document = {k: v for k, v in (document | changes).items() if v is not None}
    if "content_sha256" in document:
        document["content_sha256"] = schema.content_sha256(document)
    (path / schema.DOCUMENT_FILE).write_bytes(schema.render(document))


def tensors_of(path):
    return safetensors.numpy.load_file(path / schema.TENSOR_FILE)


def test_a_bundle_comes_back_as_it_was_written(make_model, bundle_path):
    model, bundle = make_model(), load(bundle_path)
    for name in (
        *schema.TENSORS,
        "rows",
        "channels",
        "dac_bits",
        "adc_bits",
        "encoding",
        "spec_hash",
        "report",
    ):
        assert np.array_equal(getattr(bundle, name), getattr(model, name)), name


def test_the_same_model_gives_the_same_bytes_and_replaces_an_older_bundle(make_model, bundle_path, tmp_path):
    other = write(make_model(), tmp_path / "again")
    for name in (schema.TENSOR_FILE, schema.DOCUMENT_FILE):
        assert (other / name).read_bytes() == (bundle_path / name).read_bytes()
    write(make_model(adc_bits=5), other)
    assert load(other).adc_bits == 5
    assert sorted(os.listdir(other)) == sorted([schema.TENSOR_FILE, schema.DOCUMENT_FILE])


def test_the_document_names_units_hashes_and_the_seed_policy(bundle_path):
    document = json.loads((bundle_path / schema.DOCUMENT_FILE).read_text())
    assert document["version"] == schema.VERSION == 3
    assert all(entry["unit"] for entry in document["tensors"].values())
    raw = (bundle_path / schema.TENSOR_FILE).read_bytes()
    assert document["tensor_sha256"] == hashlib.sha256(raw).hexdigest()
    assert "Philox" in document["seed_policy"]


def test_any_changed_byte_is_refused(bundle_path):
    dice = random.Random(0)
    originals = {name: (bundle_path / name).read_bytes() for name in (schema.TENSOR_FILE, schema.DOCUMENT_FILE)}
    accepted, messages = [], []
    for _ in range(MUTATIONS):
        name = dice.choice(list(originals))
        raw = bytearray(originals[name])
        place = dice.randrange(len(raw))
        kind = dice.choice(["flip", "truncate", "insert", "delete", "repeat"])
        if kind == "flip":
            raw[place] ^= 1 << dice.randrange(8)
        elif kind == "truncate":
            del raw[place:]
        elif kind == "insert":
            raw[place:place] = dice.randbytes(dice.randint(1, 9))
        elif kind == "delete":
            del raw[place : place + dice.randint(1, 9)]
        else:
            raw += raw[place:]
        (bundle_path / name).write_bytes(raw)
        try:
            load(bundle_path)
        except InputError as error:
            messages.append(str(error))
        else:
            accepted.append((name, kind, place))
        (bundle_path / name).write_bytes(originals[name])
    assert accepted == []
    assert len(messages) == MUTATIONS
    assert not any("\n" in message for message in messages)
    assert load(bundle_path).rows == 8


def test_damage_inside_a_tensor_file_with_matching_hashes_is_refused_too(bundle_path):
    dice = random.Random(1)
    original = (bundle_path / schema.TENSOR_FILE).read_bytes()
    header = 8 + int.from_bytes(original[:8], "little")
    document = json.loads((bundle_path / schema.DOCUMENT_FILE).read_text())
    for _ in range(200):
        raw = bytearray(original)
        raw[dice.randrange(header)] ^= 1 << dice.randrange(8)
        (bundle_path / schema.TENSOR_FILE).write_bytes(raw)
        document["tensor_sha256"] = hashlib.sha256(raw).hexdigest()
        document["content_sha256"] = schema.content_sha256(document)
        (bundle_path / schema.DOCUMENT_FILE).write_bytes(schema.render(document))
        try:
            bundle = load(bundle_path)
        except InputError:
            continue
        # White space in the header carries nothing: then the numbers are whole.
        assert bundle.weight_bias == pytest.approx(np.linspace(-0.002, 0.003, 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": schema.VERSION + 1}, "is newer than .*; update"),
        ({"version": 1}, "bundle/1' is older than '.*bundle/2', the oldest that this version reads; export"),
        ({"version": 2}, "unknown key 'drift_powers'"),
        ({"version": "1"}, "schema version '1'"),
        ({"version": 10**400}, "schema version|schema 'prism"),
        ({"drift_powers": 1}, "drift_powers = 1"),
        ({"spec_hash": "abc"}, "spec_hash = 'abc', want 64 hexadecimal digits"),
        ({"schema": "other"}, "another kind of file"),
        ({"encoding_": "offset"}, "did you mean 'encoding'"),
        ({"encoding": None}, "no 'encoding'"),
        ({"content_sha256": None}, "no 'content_sha256'"),
        ({"encoding": "triple_rail"}, "one of offset, two_shot, dual_rail"),
        ({"encoding": ["offset"]}, "encoding that is no text"),
        ({"rows": 7}, "score_gain as float64"),
        ({"rows": True}, "rows = True"),
        ({"adc_bits": 0}, "adc_bits = 0"),
        ({"adc_bits": 10**9}, "adc_bits = 1000000000"),
        ({"report": {"a": "b"}}, "report that is no table"),
        ({"report": []}, "report that is no table"),
        ({"tensors": {}}, "another table of tensors"),
        ({"tensor_sha256": 5}, "tensor_sha256 that is no text"),
    ],
)
def test_a_document_edited_with_care_is_refused(bundle_path, changes, message):
    rewrite(bundle_path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        load(bundle_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("noise_floor", np.array(np.nan), "noise_floor = nan, want 0 to 1e\\+09"),
        ("adc_full_scale", np.full(8, np.inf), "adc_full_scale = inf at rows 0, want"),
        ("weight_bias", np.zeros(7), "weight_bias as float64"),
        ("weight_bias", np.zeros(8, np.float32), "weight_bias as float32"),
        ("weight_error_std", np.full(8, -1.0), r"weight_error_std = -1.0 at channels 0, want 0 to 1e\+09"),
        ("weight_span", np.array(0.0), r"weight_span = 0.0, want 1e-09 to"),
        ("stowaway", np.zeros(3), "unknown tensor 'stowaway'"),
        ("noise_rin", None, "missing or unknown tensor 'noise_rin'"),
    ],
)
def test_tensors_edited_with_care_are_refused(bundle_path, name, value, message):
    tensors = {k: v for k, v in (tensors_of(bundle_path) | {name: value}).items() if v is not None}
    rewrite(bundle_path, replaced=tensors)
    with pytest.raises(InputError, match=message):
        load(bundle_path)


@pytest.mark.parametrize("name", [schema.TENSOR_FILE, schema.DOCUMENT_FILE])
def test_a_missing_or_oversized_file_is_refused_before_it_is_parsed(bundle_path, name):
    file = bundle_path / name
    with file.open("r+b") as stream:
        stream.truncate(schema.LARGEST_TENSOR_BYTES + 1)
    with pytest.raises(InputError, match="more than"):
        load(bundle_path)
    file.unlink()
    with pytest.raises(InputError, match="no such file"):
        load(bundle_path)


@pytest.mark.parametrize(
    "text", ['{"schema": NaN}', "[" * 100_000, '{"version": 1e999}', "null", "", "\x00", "1" * 9000]
)
def test_hostile_json_is_refused(bundle_path, text):
    (bundle_path / schema.DOCUMENT_FILE).write_text(text)
    with pytest.raises(InputError):
        load(bundle_path)


def test_a_number_beyond_the_floats_is_refused(bundle_path):
    file = bundle_path / schema.DOCUMENT_FILE
    file.write_text(file.read_text().replace('"rows": 8', '"rows": 1e999'))
    with pytest.raises(InputError, match="does not match its hash"):
        load(bundle_path)


def test_a_folder_that_does_not_exist_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder"):
        load(tmp_path / "nowhere")


def test_a_place_that_cannot_be_written_is_refused_in_one_line(make_model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file", tmp_path / "file" / "below", "/proc/bundle"):
        with pytest.raises(InputError, match="cannot be written") as caught:
            write(make_model(), path)
        assert "\n" not in str(caught.value)


def test_a_model_with_nan_is_not_written(make_model, tmp_path):
    with pytest.raises(InputError, match=r"model\.noise_floor: got NaN"):
        write(make_model(noise_floor=float("nan")), tmp_path / "bundle")
    with pytest.raises(InputError, match=r"model\.report\.ratio"):
        write(make_model(report={"ratio": float("inf")}), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
