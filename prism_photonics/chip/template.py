"""Command templates of a bench file: text with fields for numbers, and nothing that is run.

A template is text with fields in braces, such as ``SOUR:VOLT {values:.12g},(@{channels})``. It is cut into pieces once
and put together by hand: no attribute, index, conversion or call can be reached from it.
"""

import itertools
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prism_photonics.units import InputError, nearest

LIST_FIELDS = {"channels": "channel", "values": "value"}
"""Fields that hold a whole list, comma separated, and the field that holds one entry of it."""
WHOLE_FIELDS = ("channel", "channels", "averages", "slot", "port", "bus", "points", "range_number")
_REAL_FORMAT = re.compile(r"(\.\d{1,2})?[efg]?")
_WHOLE_FORMAT = re.compile(r"(0?\d)?d?")
# What would turn the number that was checked into another one: a digit beside it, an exponent, a sign, a unit prefix.
_BEFORE = re.compile(r".*(\d[eE]?|[.+-])$")
_AFTER = re.compile(r"[\d.]|[eE][+-]?\d|\s*[A-Za-z]+V\b")
# Two fields, one of them no whole number, stand apart by one of these.
_BETWEEN = re.compile(r"[\s,;:()=]")

Value = float | int | Sequence[float] | Sequence[int]


@dataclass(frozen=True)
class Template:
    """A command with fields.

    Attributes:
        text: As written in the bench file.
        pieces: Literal text and the field that follows it, with its number format; an empty field ends the command.
    """

    text: str
    pieces: tuple[tuple[str, str, str], ...]

    @classmethod
    def parse(cls, text: str, fields: Sequence[str]) -> "Template":
        """Check a template.

        Args:
            text: The template.
            fields: The fields that it may use; all must be numbers.

        Raises:
            InputError: An unknown field, a format that is not a number's, or more than one line.
        """
        if any(not (character.isascii() and character.isprintable()) for character in text):
            raise InputError(
                f"{text!r}: a command is one line of printable ASCII; the line end is added when it is sent"
            )
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise InputError(f"{text!r}: not a template ({error}); write {{{{ for a brace that is meant") from None
        pieces = []
        for literal, field, spec, conversion in parts:
            if field is None:
                pieces.append((literal, "", ""))
                continue
            if field not in fields:
                raise InputError(f"{text!r}: unknown field {{{field}}}; {nearest(field, fields)}")
            number_format, example = (_WHOLE_FORMAT, "02d") if field in WHOLE_FIELDS else (_REAL_FORMAT, ".12g")
            if conversion or not number_format.fullmatch(spec or ""):
                wrong = f"!{conversion}" if conversion else f":{spec}"
                raise InputError(f"{text!r}: {{{field}{wrong}}}: want a number format such as {{{field}:{example}}}")
            if field not in WHOLE_FIELDS and _BEFORE.match(literal):
                raise InputError(f"{text!r}: {literal[-1]!r} before {{{field}}} would become part of the number")
            pieces.append((literal, field, spec or ""))
        template = cls(text, tuple(pieces))
        template._refuse_glued_numbers()
        if template.fields & set(LIST_FIELDS) and template.fields & set(LIST_FIELDS.values()):
            raise InputError(
                f"{text!r}: mixes a list with a single channel; use {{channels}} and {{values}}, or one each"
            )
        return template

    @property
    def fields(self) -> frozenset[str]:
        """The fields that the command uses."""
        return frozenset(field for _, field, _ in self.pieces if field)

    @property
    def takes_lists(self) -> bool:
        """Whether one command serves many channels."""
        return bool(self.fields & set(LIST_FIELDS))

    def fill(self, values: Mapping[str, Value]) -> str:
        """The command with its numbers in place; lists are separated by commas."""
        return "".join(
            literal + (",".join(_number(v, spec) for v in _several(values[field])) if field else "")
            for literal, field, spec in self.pieces
        )

    def as_sent(self, field: str, value: float) -> float:
        """The number that an instrument reads where ``value`` is sent: formats round."""
        spec = next(spec for _, name, spec in self.pieces if name == field)
        return float(_number(value, spec))

    def _refuse_glued_numbers(self) -> None:
        for (_, field, _), (after, follower, _) in itertools.pairwise(self.pieces):
            real = field and field not in WHOLE_FIELDS
            # `{value}e{channel}` and `{channel}{value}` are one number to an instrument.
            joined = field and follower and not _BETWEEN.search(after) and (real or follower not in WHOLE_FIELDS)
            if joined or (real and _AFTER.match(after)):
                raise InputError(f"{self.text!r}: what follows {{{field}}} would become part of the number")


def _several(value: Value) -> Sequence[float] | Sequence[int]:
    return [value] if isinstance(value, int | float) else value


def _number(value: float | int, spec: str) -> str:
    if isinstance(value, int):
        return format(value, spec)
    # Without a format, `repr` gives the shortest text that reads back as the same number.
    return format(value, spec) if spec else repr(value)
