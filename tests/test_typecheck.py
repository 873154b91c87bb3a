"""The types that the tests hold the package to: arguments and results, with axes of one name as long as each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import jaxtyping
import numpy as np
import pytest
import typecheck
from jaxtyping import Float, Float64
from numpy import ndarray

from prism_photonics.calibration.calibration import dark_and_leak

if TYPE_CHECKING:
    from prism_photonics.spec import ChipSpec

checked = typecheck.jaxtyped(typechecker=typecheck.checked)


@checked
def scaled(x: Float[ndarray, "rows rings"], by: Float[ndarray, " rings"], *, rows: int = 0) -> Float[ndarray, "rows"]:
    return (x * by).sum(1)[rows:]


@checked
def pair(x: Float[ndarray, " rings"], kind: Any) -> tuple[Float64[ndarray, " rings"], int]:
    return x.astype(kind), x.size


@checked
def listed(values: list[float], kind: Literal["a", "b"]) -> float:
    return values[0]


@checked
def halves(x: Float[ndarray, " rings"]) -> Iterator[float]:
    yield from 0.5 * x


@checked
def name_of(spec: "ChipSpec", other: "str | None" = None) -> str:
    return other or spec.name


@checked
@dataclass(frozen=True)
class Shift:
    """Of a row's rings."""

    pm: Float[ndarray, " rings"]


def test_the_package_is_checked_by_it():
    with pytest.raises(Exception, match=r"size of dimension settings is 4 .* existing value of 3"):
        dark_and_leak(np.zeros((3, 2)), np.zeros((4, 5, 2)))


def test_an_axis_has_one_length_in_all_arguments_and_in_the_result():
    assert scaled(np.ones((2, 3)), np.ones(3)).tolist() == [3.0, 3.0]
    with pytest.raises(Exception, match=r"size of dimension rings is 2 .* existing value of 3"):
        scaled(np.ones((2, 3)), np.ones(2))
    with pytest.raises(Exception, match=r"size of dimension rows is 1 .* existing value of 2"):
        scaled(np.ones((2, 3)), np.ones(3), rows=1)
    # Another call's axes are its own.
    assert scaled(np.ones((1, 4)), np.ones(4)).tolist() == [4.0]


def test_what_is_alike_in_types_and_shapes_is_checked_once_and_a_result_that_is_not_is_checked_too():
    x, by = np.ones((2, 5)), np.ones(5)
    assert scaled(x, by, rows=0).tolist() == [5.0, 5.0]
    with pytest.raises(Exception, match=r"size of dimension rows is 1 .* existing value of 2"):
        scaled(x, by, rows=1)
    with pytest.raises(Exception, match="dtype float32"):
        pair(x[0], np.float32)
    assert pair(x[0], float)[1] == 5
    with pytest.raises(Exception, match="dtype float32"):
        pair(x[0], np.float32)


def test_where_a_value_counts_every_call_is_checked():
    assert [listed([1.0], "a"), listed([2.0], "b")] == [1.0, 2.0]
    with pytest.raises(Exception, match="kind='c'"):
        listed([1.0], "c")
    with pytest.raises(Exception, match="values="):
        listed(["1"], "a")


def test_kinds_of_numbers_and_keywords_are_checked_too():
    with pytest.raises(Exception, match="dtype int64"):
        scaled(np.ones((2, 3), int), np.ones(3))
    with pytest.raises(Exception, match="rows='a'"):
        scaled(np.ones((2, 3)), np.ones(3), rows="a")


def test_what_a_dataclass_is_made_of_is_checked():
    assert Shift(np.zeros(3)).pm.shape == (3,)
    with pytest.raises(Exception, match="pm"):
        Shift(np.zeros((3, 1)))


def test_a_generator_is_checked_when_it_is_called():
    assert list(halves(np.ones(2))) == [0.5, 0.5]
    with pytest.raises(Exception, match="halves"):
        halves(np.ones((2, 2)))


def test_a_name_that_is_imported_for_readers_only_says_nothing_and_the_others_are_checked():
    assert name_of(Shift(np.zeros(1)), "a") == "a"
    with pytest.raises(Exception, match="other=1"):
        name_of(None, 1)


def test_jaxtypings_own_switch_turns_it_off(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    assert scaled([[1.0]] * np.ones((1, 1), int), np.ones(1)).tolist() == [1.0]


def made_within(factor: float, kind: Any = Float) -> Any:
    @checked
    def times(x: kind[ndarray, " rings"], by: float = factor) -> Float[ndarray, " rings"]:
        return x * factor if by else x[:0]

    return times


def test_a_function_within_another_is_checked_each_time_that_it_is_made_and_has_its_own_surroundings():
    assert [made_within(by)(np.ones(2)).tolist() for by in (2.0, 3.0)] == [[2.0, 2.0], [3.0, 3.0]]
    with pytest.raises(Exception, match=r"size of dimension rings is 0 .* existing value of 2"):
        made_within(4.0)(np.ones(2), 0.0)
    with pytest.raises(Exception, match="dtype int64"):
        made_within(4.0)(np.ones(2, int))
    # Of other types than the last.
    with pytest.raises(Exception, match="dtype float64"):
        made_within(4.0, jaxtyping.Int)(np.ones(2))
    with pytest.raises(Exception, match="dtype float64"):
        made_within(4.0, jaxtyping.Int)(np.ones(2))


WITHIN = """
def made():
    @checked
    def same(x: "Kind") -> "Kind":
        return x
    return same
"""


def test_functions_of_equal_code_in_two_modules_are_held_to_the_types_of_their_own():
    whole, text = ({"__name__": name, "checked": checked, "Kind": kind} for name, kind in (("a", int), ("b", str)))
    for module in (whole, text):
        exec(compile(WITHIN, "within.py", "exec"), module)
    assert (whole["made"]()(1), text["made"]()("one")) == (1, "one")
    for module, wrong in ((whole, "one"), (text, 1)):
        with pytest.raises(Exception, match="violates type hint"):
            module["made"]()(wrong)


@checked
def spelled(name: str, times: int = 2, *, between: str = "", most: float = 9) -> str:
    return between.join([name] * times)[: int(most)]


def test_what_is_left_out_is_what_the_function_takes_for_it_and_what_is_given_is_checked():
    for _ in range(2):  # the second time nothing is looked at but types
        assert spelled("ab") == "abab"
        assert spelled("ab", 1, between="-") == spelled(times=1, name="ab") == "ab"
    with pytest.raises(Exception, match="times='1'"):
        spelled("ab", "1")
    # Its own 9 is none of these, and need not be.
    with pytest.raises(Exception, match="most=3"):
        spelled("ab", most=3)
    assert spelled("ab", most=3.0) == "aba"


@checked
def doubled(x: Float[ndarray, " rings"], by: int = 2) -> Float[ndarray, " rings"]:
    return x * by


def test_arguments_that_do_not_fit_are_told_as_the_function_itself_would():
    for _ in range(2):  # before and after a call has passed
        with pytest.raises(TypeError, match=r"doubled\(\) missing 1 required positional argument: 'x'"):
            doubled()
        with pytest.raises(TypeError, match=r"doubled\(\) got an unexpected keyword argument 'to'"):
            doubled(np.ones(1), to=3)
        with pytest.raises(TypeError, match=r"doubled\(\) takes from 1 to 2 positional arguments but 3 were given"):
            doubled(np.ones(1), 2, 3)
        assert doubled(np.ones(2)).tolist() == doubled(by=2, x=np.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(Exception, match="x=1"):
        doubled(1.0)


@checked
def first_of(values: list[float], /, *more: float) -> float:
    return [*values, *more][0]


def test_arguments_by_place_alone_and_any_number_of_them_are_checked_every_time():
    assert [first_of([1.0]), first_of([], 2.0), first_of([3.0], 2.0)] == [1.0, 2.0, 3.0]
    with pytest.raises(Exception, match="more="):
        first_of([1.0], "2")
    with pytest.raises(Exception, match="values="):
        first_of((1.0,))
