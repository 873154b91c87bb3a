"""Tables of the numbers and texts of a file, with kind, axes and range of each, and their check.

A hash proves that a file is as it was written, not that it was written right. So every reader states what it reads as a
table of `Number` and `Text`, and lets `require_arrays` and `require_values` refuse what cannot be, in one line that
names file, key, place, value, limit and cure.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from prism_photonics.units import InputError

MOST_SHOWN = 60
"""Letters of a value that a message shows."""
SPEC_HASH = r"[0-9a-f]{64}"


@dataclass(frozen=True)
class Number:
    """One number, or an array of them.

    Attributes:
        axes: Names of the axes; none for a single number.
        low: The least value that can be.
        high: The largest one.
        unit: Of both; empty for a ratio.
        above: Whether ``low`` itself cannot be.
        whole: Whether it has to be a whole number.
        kinds: Kinds of number that it may be stored as: floats, integers with and without sign, booleans.
        gaps: Whether NaN and infinity may stand for readings that gave no number.
        empty: Whether an axis may have no entry.
        optional: Whether it may be missing.
    """

    axes: tuple[str, ...] = ()
    low: float | int = -math.inf
    high: float | int = math.inf
    unit: str = ""
    above: bool = False
    whole: bool = False
    kinds: str = "fiub"
    gaps: bool = False
    empty: bool = False
    optional: bool = False

    @property
    def wanted(self) -> str:
        """The range in words."""
        kind = "whole numbers " if self.whole else ""
        first = f"above {self.low:g}, at most" if self.above else f"{self.low:g} to"
        return f"{kind}{first} {self.high:g}{' ' + self.unit if self.unit else ''}"


@dataclass(frozen=True)
class Text:
    """A text.

    Attributes:
        like: Regular expression that all of it must match.
        wanted: The pattern in words.
        optional: Whether it may be missing.
    """

    like: str = r"[\s\S]*"
    wanted: str = "text"
    optional: bool = False


Field = Number | Text
_KINDS = {"f": "floats", "iu": "integers", "b": "booleans"}
YES_NO = Number(low=0, high=1, whole=True)


def require_arrays(
    source: str,
    arrays: Mapping[Any, Any],
    fields: Mapping[str, Number],
    *,
    sizes: Mapping[str, int] = {},
    cure: str,
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The arrays that a table names, once each of them is what the table says.

    Args:
        source: The file, as messages name it.
        arrays: Anything with arrays by name; what the table does not name is left alone.
        fields: The table.
        sizes: Lengths of axes that are known beforehand. An axis of another name is as long as its first array has it.
        cure: How the user mends it.

    Returns:
        The arrays by name; those that are optional and missing are left out.

    Raises:
        InputError: One is missing, or its type, its shape or one of its values cannot be.
    """
    known, found = dict(sizes), {}
    for name, field in fields.items():
        if name not in arrays:
            if field.optional:
                continue
            raise InputError(f"{source}: the file lacks {name}, want {field.wanted}; {cure}")
        array = np.asarray(arrays[name])
        if array.dtype.kind not in field.kinds:
            want = _KINDS.get(field.kinds, "numbers")
            raise InputError(f"{source}: {name} is of type {array.dtype}, want {want}; {cure}")
        _require_shape(source, name, array, field, known=known, cure=cure)
        require_range(source, name, array, field, cure=cure)
        found[name] = array
    return found


def require_values(source: str, values: Mapping[str, Any], fields: Mapping[str, Field], *, cure: str) -> dict[str, Any]:
    """The single numbers and texts that a table names, once each of them is what the table says.

    Args:
        source: The file, as messages name it.
        values: The values by name; what the table does not name is left alone.
        fields: The table.
        cure: How the user mends it.

    Returns:
        Numbers as ``int`` where they are whole and as ``float`` otherwise, and texts, by name; those that are optional
        and missing are left out.

    Raises:
        InputError: One is missing or cannot be.
    """
    found: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in values:
            if field.optional:
                continue
            raise InputError(f"{source}: the file lacks {name}, want {field.wanted}; {cure}")
        value = values[name]
        if isinstance(field, Text):
            if not (isinstance(value, str) and re.fullmatch(field.like, value)):
                raise InputError(f"{source}: {name} = {shown(value)}, want {field.wanted}; {cure}")
            found[name] = str(value)
            continue
        number = _number(value)
        if number is None:
            raise InputError(f"{source}: {name} = {shown(value)}, want {field.wanted}; {cure}")
        require_range(source, name, number, field, cure=cure)
        found[name] = int(number) if field.whole else float(number)
    return found


def require_range(source: str, name: str, array: Shaped[np.ndarray, "..."], field: Number, *, cure: str) -> None:
    """Refuse an array of numbers one of which lies outside its range, or is none where there must be one.

    Raises:
        InputError: It names the first such number and where it is.
    """
    # As double precision: a half has no room for every limit.
    low, high = np.float64(field.low), np.float64(field.high)
    with np.errstate(invalid="ignore"):
        fits = ((array > low) if field.above else (array >= low)) & (array <= high)
        if field.whole and array.dtype.kind == "f":
            fits = fits & (array == np.round(array))
    if field.gaps:
        fits = fits | ~np.isfinite(array)
    if fits.all():
        return
    at = np.unravel_index(int(np.argmin(fits)), array.shape)
    where = ", ".join(f"{axis} {index}" for axis, index in zip(field.axes, at, strict=False))
    value = array[at]
    raise InputError(
        f"{source}: {name} = {shown(value.item())}{' at ' + where if where else ''}, want {field.wanted}; {cure}"
    )


def require_spec_hash(source: str, found: str, wanted: str, *, cure: str) -> None:
    """Refuse a record of another spec than the one that it stands beside.

    Raises:
        InputError: The hashes differ.
    """
    if found != wanted:
        raise InputError(f"{source}: belongs to spec {shown(found[:12])}, its chip to {wanted[:12]!r}; {cure}")


def shown(value: Any) -> str:
    """A value as a message shows it: one line, not long, and no error whatever it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) is int and value.bit_length() > 128:  # Python refuses to write thousands of digits
        return f"a whole number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception:  # any object of a file's parser, with integers or depths that Python refuses to write
        text = f"a value of type {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


def _number(value: Any) -> Shaped[np.ndarray, ""] | None:
    """A single number of a file as an array without axes, None for anything else."""
    array = np.asarray(value) if isinstance(value, int | float | np.generic | np.ndarray) else np.empty(0)
    if isinstance(value, bool) or array.dtype.kind not in "fiu" or array.size != 1:
        return None
    return array.reshape(())


def _require_shape(
    source: str,
    name: str,
    array: Shaped[np.ndarray, "..."],
    field: Number,
    *,
    known: dict[str, int],
    cure: str,
) -> None:
    fits = array.ndim == len(field.axes) and all(
        known.setdefault(axis, size) == size and (size or field.empty)
        for axis, size in zip(field.axes, array.shape, strict=True)
    )
    if not fits:
        want = ", ".join(f"{axis} {known[axis]}" if known.get(axis) else axis for axis in field.axes)
        raise InputError(f"{source}: {name} has shape {array.shape}, want ({want}); {cure}")
