"""What a file's numbers may be is said once, and what cannot be is refused in one line."""

import numpy as np
import pytest

from prism_photonics.files.fields import Number, Text, require_arrays, require_spec_hash, require_values, shown
from prism_photonics.units import InputError

TABLE = {
    "volts_V": Number(("row", "ring"), low=-10, high=10, unit="V"),
    "current_A": Number(("row",), low=-1, high=1, gaps=True),
    "count": Number(("row",), low=0, high=9, whole=True),
    "again": Number(("repeated",), low=0, high=1, empty=True, optional=True),
}
GOOD = {"volts_V": np.zeros((2, 3)), "current_A": np.array([0.5, np.nan]), "count": np.array([1.0, 2.0])}


def refused(**changes):
    with pytest.raises(InputError) as caught:
        require_arrays("file", {k: v for k, v in (GOOD | changes).items() if v is not None}, TABLE, cure="mend it")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_good_arrays_pass_as_they_are():
    found = require_arrays("file", GOOD, TABLE, sizes={"row": 2}, cure="mend it")
    assert found.keys() == GOOD.keys()
    assert all(found[name] is GOOD[name] for name in GOOD)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"volts_V": None}, "file: the file lacks volts_V, want -10 to 10 V; mend it"),
        ({"volts_V": np.full((2, 3), 10.5)}, "volts_V = 10.5 at row 0, ring 0, want -10 to 10 V; mend it"),
        ({"volts_V": np.full((2, 3), np.nan)}, "volts_V = nan at row 0, ring 0"),
        ({"volts_V": np.full((2, 3), -np.inf)}, "volts_V = -inf at row 0, ring 0"),
        ({"volts_V": np.zeros((2, 3, 1))}, "volts_V has shape (2, 3, 1), want (row, ring)"),
        ({"volts_V": np.zeros((2, 0))}, "volts_V has shape (2, 0), want (row 2, ring)"),
        ({"current_A": np.zeros(3)}, "current_A has shape (3,), want (row 2)"),
        ({"volts_V": np.array([["a"]])}, "volts_V is of type <U1, want numbers"),
        ({"volts_V": np.array([[{}]], object)}, "volts_V is of type object, want numbers"),
        ({"volts_V": np.zeros((2, 3), complex)}, "volts_V is of type complex128, want numbers"),
        ({"volts_V": np.zeros((2, 3), "M8[s]")}, "volts_V is of type datetime64[s], want numbers"),
        ({"count": np.array([1.0, 2.5])}, "count = 2.5 at row 1, want whole numbers 0 to 9"),
        ({"count": np.array([1, -2])}, "count = -2 at row 1"),
        ({"current_A": np.array([0.0, 2.0])}, "current_A = 2.0 at row 1"),
    ],
)
def test_what_cannot_be_is_refused_with_key_place_value_limit_and_cure(changes, says):
    assert says in refused(**changes)


def test_a_half_precision_array_is_held_against_limits_beyond_its_own():
    wide = {"x": Number(("n",), low=-1e15, high=1e15)}
    assert require_arrays("file", {"x": np.ones(2, np.float16)}, wide, cure="")["x"].dtype == np.float16
    with pytest.raises(InputError, match="x = inf at n 1"):
        require_arrays("file", {"x": np.array([1, np.inf], np.float16)}, wide, cure="")


VALUES = {"bits": Number(low=1, high=24, unit="bits", whole=True), "name": Text("a|b", "one of a, b")}


ODD = [-1, 0, 25, 1e300, 1.5, np.nan, np.inf, True, "8", b"8", None, [], [1, 2], 10**5000, 8 + 0j, np.array("8")]


# Numbered, because pytest cannot write an integer of 5,000 digits.
@pytest.mark.parametrize("bits", ODD, ids=range(len(ODD)))
def test_a_single_value_that_cannot_be_is_refused(bits):
    with pytest.raises(InputError, match=r"file: bits = .*, want whole numbers 1 to 24 bits; mend it"):
        require_values("file", {"bits": bits, "name": "a"}, VALUES, cure="mend it")


@pytest.mark.parametrize("bits", [8, 8.0, np.int8(8), np.float64(8), np.array([8])])
def test_a_whole_number_comes_back_as_one_however_the_file_stores_it(bits):
    found = require_values("file", {"bits": bits, "name": "a", "more": 1}, VALUES, cure="")
    assert found == {"bits": 8, "name": "a"}
    assert type(found["bits"]) is int


@pytest.mark.parametrize("name", ["c", "a\n", "", 5, None, np.array(["a"])])
def test_a_text_that_cannot_be_is_refused(name):
    with pytest.raises(InputError, match=r"name = .*, want one of a, b"):
        require_values("file", {"bits": 8, "name": name}, VALUES, cure="")


def test_another_specs_hash_is_refused():
    require_spec_hash("file", "a" * 64, "a" * 64, cure="")
    with pytest.raises(InputError, match="file: belongs to spec 'bbbbbbbbbbbb', its chip to 'aaaaaaaaaaaa'; mend it"):
        require_spec_hash("file", "b" * 64, "a" * 64, cure="mend it")


class Rude:
    def __repr__(self):
        raise RecursionError


LONG = [10**5000, -(16**5000), "a\nb" * 1000, Rude(), [10**5000], None, {"a": "\n"}]


@pytest.mark.parametrize("value", LONG, ids=range(len(LONG)))
def test_any_value_is_shown_in_one_short_line(value):
    text = shown(value)
    assert 0 < len(text) <= 60
    assert "\n" not in text
