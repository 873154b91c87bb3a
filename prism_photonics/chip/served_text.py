"""Text of the served chip's commands: numbers, channel lists, and every spelling of a header."""

import itertools
import math
import re
from collections.abc import Iterator

from prism_photonics.chip.session import Refusal

_LIST = re.compile(r"\(@\s*([\d:,\s]*)\)\s*$")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?")


def number_text(value: float) -> str:
    """A number with all its digits; SCPI's own numbers for what is none."""
    if math.isnan(value):
        return "9.91E37"
    return f"{math.copysign(9.9e37, value):.1E}" if math.isinf(value) else f"{value:.16E}"


def values_and_channels(rest: str, count: int) -> tuple[list[float], list[int]]:
    """The values of a setting and the indices of its channels, of which there are so many."""
    match = _LIST.search(rest)
    if not match:
        raise Refusal(-109, "Missing parameter; want value,...,(@channel,...)")
    words = [word.strip() for word in rest[: match.start()].rstrip().removesuffix(",").split(",")]
    channels = channels_of(rest[match.start() :], count)
    values = [math.nan if word.upper() == "NAN" else float(word) for word in words if _is_number(word)]
    if len(values) != len(words):
        raise Refusal(-104, "Data type error")
    if len(values) != len(channels):
        raise Refusal(-108 if len(values) > len(channels) else -109, "Want one value per channel")
    return values, channels


def _is_number(word: str) -> bool:
    return bool(NUMBER.fullmatch(word)) or word.upper() == "NAN"


def channels_of(text: str, count: int) -> list[int]:
    """Indices from 0 of a channel list such as ``(@1,3:5)``, whose channels count from 1."""
    match = _LIST.fullmatch(text.strip())
    if not match:
        raise Refusal(-102, "Syntax error; want (@channel,...)")
    found: list[int] = []
    for part in match[1].split(","):
        ends = [end.strip() for end in part.split(":")]
        if len(ends) > 2 or not all(re.fullmatch(r"\d{1,9}", end) for end in ends):
            raise Refusal(-102, "Syntax error; want (@channel,...)")
        first, last = int(ends[0]), int(ends[-1])
        if not 1 <= first <= last <= count:
            raise Refusal(-222, "Data out of range; no such channel")
        found += range(first - 1, last)
        if len(found) > count:
            raise Refusal(-223, "Too much data")
    return found


def spelled[T](commands: dict[str, T]) -> Iterator[tuple[str, T]]:
    """Every spelling of every command: each word in its short or its long form."""
    for header, of_it in commands.items():
        words = [(re.sub("[a-z]", "", word), word.upper()) for word in header.split(":")]
        for spelling in itertools.product(*words):
            yield ":".join(spelling), of_it
