"""A bundle comes back as it was written, or not at all."""

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy

from prism_photonics.export import schema
from prism_photonics.export.formats import add_formats
from prism_photonics.export.jax import load_jax
from prism_photonics.export.read import load
from prism_photonics.export.write import write
from prism_photonics.units import InputError

MUTATIONS = 1000
OLD = Path(__file__).parent / "older" / "bundle_2"


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


def test_jax_takes_the_bundle_back_as_the_model_that_was_written_and_differentiates_it(make_model, bundle_path):
    model, back = make_model(), load_jax(bundle_path)
    assert jax.tree.structure(back) == jax.tree.structure(model)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, back, model)))
    assert load_jax(load(bundle_path)).spec_hash == model.spec_hash
    rng = np.random.default_rng(0)
    keys, query = rng.standard_normal((5, model.slice_dims)), rng.standard_normal(model.slice_dims)

    def score(die, keys):
        return die.scores(query, die.program(keys, jax.random.key(0)), jax.random.key(1))

    assert np.array_equal(score(back, keys), score(model, keys))
    slopes = jax.grad(lambda keys: score(back, keys)[2])(keys)
    assert np.abs(slopes[2]).max() > 0.0
    with pytest.raises(InputError, match="nowhere"):
        load_jax("nowhere")


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


WRONG = {"huge": 1e300, "hugely negative": -1e300, "no number": np.nan, "infinite": np.inf}


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("name", [name for name, (_, _, dtype) in schema.TENSORS.items() if dtype == "float64"])
def test_a_number_that_cannot_be_is_refused_in_every_tensor(drifting_path, name, value):
    tensors = {k: v.copy() for k, v in tensors_of(drifting_path).items()}
    tensors[name].reshape(-1)[:1] = WRONG[value]
    assert tensors[name].size > 0
    rewrite(drifting_path, replaced=tensors)
    with pytest.raises(InputError, match=rf"{name} = .*, want .*; export the bundle again") as caught:
        load(drifting_path)
    assert str(drifting_path) in str(caught.value)


@pytest.fixture
def drifting_path(make_model, tmp_path):
    """A bundle whose every tensor holds something."""
    drift = {"drift_time_s": np.array([1.0, 10.0]), "drift_mean": np.full((2, 2, 8), 1e-4)}
    drift |= {name: np.full((2, 8), 1e-4) for name in ("drift_common", "drift_own")}
    return write(make_model(**drift), tmp_path / "drifting")


def test_a_model_that_no_reader_would_take_is_not_written(make_model, tmp_path):
    with pytest.raises(InputError, match=r"model: weight_bias = 1e\+300 at channels 0"):
        write(make_model(weight_bias=np.full(8, 1e300)), tmp_path / "b")


def test_a_bundle_of_the_version_before_reads_as_it_did_then_less_the_bias_of_its_weights():
    """Its scores were computed by the code of that time, noise drawn as now; signatures were written as they stood."""
    rng = np.random.default_rng(1)
    signatures, queries = rng.standard_normal((4, 5)), rng.standard_normal((3, 5))
    bundle = load(OLD)
    assert (bundle.spec, bundle.longest_s, bool(bundle.excluded.any())) == ("", 0.0, False)
    programmed = bundle.program(signatures, 7, signature_scale=float(np.abs(signatures).max()))
    scores = bundle.read(queries, programmed, key=7)
    # Of two slices, offset by offset: what the channels' mean errors add is known, and taken off by now.
    unit = np.abs(signatures).max() / bundle.weight_span
    by_channel = np.pad(queries, ((0, 0), (0, 1))).reshape(3, 2, 3).sum(1) @ bundle.weight_bias
    always = 2 * (1 + 2 * bundle.leak) * bundle.weight_bias.sum() * np.abs(queries).max(1)
    then = np.load(OLD / "scores.npy") - unit * (by_channel + always)[:, None]
    assert scores == pytest.approx(then, abs=1e-12)


def test_a_damaged_bundle_of_the_version_before_is_refused(tmp_path):
    copy = shutil.copytree(OLD, tmp_path / "old")
    tensors = tensors_of(copy)
    rewrite(copy, replaced=tensors | {"weight_span": np.array(-1.0)})
    with pytest.raises(InputError, match=r"weight_span = -1\.0"):
        load(copy)
    rewrite(copy, replaced={name: value for name, value in tensors.items() if name != "weight_span"})
    with pytest.raises(InputError, match="missing or unknown tensor 'weight_span'"):
        load(copy)
    rewrite(copy, replaced=tensors, channels=1 << 20)
    with pytest.raises(InputError, match="a chip that fits"):
        load(copy)


def test_other_forms_are_not_added_to_a_bundle_of_the_version_before(tmp_path):
    copy = shutil.copytree(OLD, tmp_path / "old")
    with pytest.raises(InputError, match="schema version 2, which cannot hold other forms"):
        add_formats(copy, ("torch",))
