"""A keys file is believed only when every array is there, of its shape, and sane."""

import random
import zipfile

import numpy as np
import pytest

from prism_photonics.ranking.keys import KeyCache
from prism_photonics.units import InputError


def arrays(**changes):
    rng = np.random.default_rng(0)
    good = {
        "keys": rng.standard_normal((2, 2, 64, 4)).astype(np.float16),
        "values": rng.standard_normal((2, 2, 64, 4)).astype(np.float16),
        "queries": rng.standard_normal((2, 4, 3, 4)).astype(np.float16),
        "needle_position": np.array([[3, 9, 20], [4, 8, 30]], np.int32),
        "query_position": np.array([[60, 61, 62], [60, 61, 63]], np.int32),
        "token_ids": np.zeros((2, 64), np.int16),
        "recalled": np.ones((2, 3), bool),
        "attention_scale": np.float32(0.5),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


@pytest.fixture
def save(tmp_path):
    def save(**changes):
        np.savez_compressed(tmp_path / "keys.npz", **arrays(**changes))
        return tmp_path / "keys.npz"

    return save


def test_the_built_in_cache_is_the_one_its_readme_describes():
    cache = KeyCache.load()
    assert cache.keys.shape == (8, 2, 1024, 32)
    assert cache.queries.shape == (8, 4, 32, 32)
    assert cache.attention_scale == pytest.approx(1 / np.sqrt(32))
    assert cache.recalled.all()


def test_a_good_file_loads(save):
    cache = KeyCache.load(save())
    assert np.array_equal(cache.keys, arrays()["keys"])
    assert cache.attention_scale == 0.5


@pytest.mark.parametrize("name", list(arrays()))
def test_a_missing_array_is_named(save, name):
    with pytest.raises(InputError, match=f"lacks {name}, want"):
        KeyCache.load(save(**{name: None}))


def with_nan(values):
    values = values.copy()
    values[1, 0, 5, 2] = np.nan
    return values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kyes": np.zeros(3)}, "did you mean 'keys'"),
        ({"keys": with_nan(arrays()["keys"])}, r"keys = nan at sequence 1, kv_head 0, token 5, dim 2, want -1e\+15 to"),
        ({"keys": np.zeros((2, 2, 64, 5), np.float16)}, "values has shape"),
        ({"keys": np.zeros((2, 64, 4), np.float16)}, "keys has shape"),
        ({"keys": np.zeros((0, 2, 64, 4), np.float16)}, "keys has shape"),
        ({"queries": np.ones((2, 3, 3, 4), np.float16)}, "3 heads for 2 KV heads"),
        ({"keys": np.zeros((2, 2, 64, 4), int)}, "keys is of type int64, want floats"),
        ({"recalled": np.ones((2, 3))}, "want booleans"),
        ({"needle_position": np.full((2, 3), 63)}, "position out of order"),
        ({"needle_position": np.full((2, 3), -1)}, "needle_position = -1 at sequence 0, query 0"),
        ({"queries": np.full((2, 4, 3, 4), 1e300)}, r"queries = 1e\+300 at sequence 0"),
        ({"query_position": np.full((2, 3), 64)}, "position out of order"),
        ({"attention_scale": np.float32(0)}, "attention_scale = 0"),
        ({"attention_scale": np.float32("inf")}, "attention_scale = inf"),
        ({"token_ids": np.array([{"a": 1}], object)}, "no readable npz"),
    ],
)
def test_a_wrong_array_is_refused_in_one_line(save, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        KeyCache.load(save(**changes))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_npz_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("not a zip")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("keys.npy", b"not an array")
    for name in ("text.npz", "one.npy", "other.npz", "missing.npz", "."):
        with pytest.raises(InputError, match="keys file"):
            KeyCache.load(tmp_path / name)


def test_a_file_that_promises_more_memory_than_it_may_is_refused(save, monkeypatch):
    monkeypatch.setattr("prism_photonics.ranking.keys.LARGEST_BYTES", 1000)
    with pytest.raises(InputError, match="bytes unpacked, want at most 1000"):
        KeyCache.load(save())


def test_a_damaged_file_never_raises_anything_but_an_input_error(save):
    file, dice = save(), random.Random(0)
    whole, expected, messages = file.read_bytes(), KeyCache.load(file), []
    for _ in range(300):
        raw = bytearray(whole)
        place = dice.randrange(len(raw))
        if dice.random() < 0.3:
            del raw[place:]
        else:
            raw[place] ^= 1 << dice.randrange(8)
        file.write_bytes(raw)
        try:
            cache = KeyCache.load(file)
        except InputError as error:
            messages.append(str(error))
        else:  # a bit that carries nothing, such as a file date: the zip's checksums keep the arrays whole
            assert np.array_equal(cache.keys, expected.keys)
            assert np.array_equal(cache.queries, expected.queries)
    assert len(messages) > 150
    assert not any("\n" in message for message in messages)
