"""Strict parsing of instruments' answers: numbers in the maker's form, and the error queue."""

import math
import re
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

# SCPI-99, vol. 1, 7.2.1.4 and 7.2.1.5: numbers that stand for what is none.
SCPI_NAN = 9.91e37
SCPI_INFINITY = 9.9e37
Separator = Literal["auto", ",", "\t", ";", " "]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WORDS = {"NAN": math.nan, "INF": math.inf, "INFINITY": math.inf, "NINF": -math.inf}
# The number in any form (a Keithley 2600 gives +0.00000e+00), then the text behind a comma or a tab.
_ERROR = re.compile(r"([+-]?\d{1,9}(?:\.\d*)?(?:[eE][+-]?\d{1,2})?)\s*(?:[,\t]\s*(.*))?")


@final
@dataclass(frozen=True)
class NumberFormat:
    """The form of the numbers in an answer.

    Attributes:
        separator: Text between them; ``auto``: commas, or tabs where there is no comma.
        prefix: Text before each number that means nothing more, such as ``NDCA``.
        suffixes: Texts behind a number that mean nothing more: its unit, which is the one that the bench expects.
        scale: Factor of every number.
    """

    separator: Separator = "auto"
    prefix: str = ""
    suffixes: tuple[str, ...] = ()
    scale: float = 1.0

    def parse(self, reply: str, *, count: int | None = None) -> Float[ndarray, " channels"]:
        """The numbers of an answer; NaN and infinity in any of their spellings.

        Args:
            reply: The answer.
            count: How many are wanted; None: as many as there are.

        Raises:
            ValueError: Not that many numbers, or something else than a number.
        """
        separator = self.separator
        if separator == "auto":
            separator = "," if "," in reply or "\t" not in reply else "\t"
        words = [word.strip() for word in (reply.split() if separator == " " else reply.split(separator))]
        if (count is not None and len(words) != count) or not reply.strip():
            raise ValueError(
                f"got {len(words) if reply.strip() else 0} numbers, want {'some' if count is None else count}"
            )
        return self.scale * np.array([_parsed(self._bare(word)) for word in words])

    def _bare(self, word: str) -> str:
        """A number without what belongs to its form."""
        upper = word.upper()
        if self.prefix and upper.startswith(self.prefix.upper()):
            word = word[len(self.prefix) :].lstrip()
        for suffix in self.suffixes:
            bare = word[: -len(suffix)].rstrip()
            # `1.2uA` is no number behind which an A stands.
            if suffix and word.upper().endswith(suffix.upper()) and _NUMBER.fullmatch(bare):
                return bare
        return word


def parse_numbers(reply: str, *, count: int) -> Float[ndarray, " channels"]:
    """Numbers of an answer in SCPI's own form; see `NumberFormat.parse`."""
    return NumberFormat().parse(reply, count=count)


def block_numbers(block: bytes, form: str, byte_order: str) -> Float[ndarray, " numbers"]:
    """The numbers in the data of an arbitrary block.

    Args:
        block: The bytes behind its header.
        form: ``float32``, ``float64`` or ``int32``.
        byte_order: ``little`` or ``big``.

    Raises:
        ValueError: Not a whole number of them.
    """
    kind = np.dtype(form).newbyteorder("<" if byte_order == "little" else ">")
    if len(block) % kind.itemsize:
        raise ValueError(f"{len(block)} bytes, want a multiple of the {kind.itemsize} of {form}; check log_format")
    found = np.frombuffer(block, dtype=kind).astype(float)
    found[np.isclose(np.abs(found), SCPI_NAN, rtol=1e-6)] = np.nan
    return np.where(np.abs(found) >= 0.999 * SCPI_INFINITY, np.copysign(np.inf, found), found)


def is_no_error(reply: str, expected: str) -> bool:
    """Whether an answer to the error question says that there is none.

    Args:
        reply: The answer.
        expected: How such an answer begins; empty: with the number 0, in any form.

    Raises:
        ValueError: It begins with no number, so that nobody knows what it means.
    """
    if expected:
        return reply.upper().startswith(expected.upper())
    match = _ERROR.fullmatch(reply)
    if not match:
        raise ValueError("no error number")
    return float(match[1]) == 0.0


def cut(text: str) -> str:
    """An answer or a command as it may stand in a message."""
    return repr(text if len(text) <= 80 else f"{text[:60]}…")


def _parsed(word: str) -> float:
    named = _WORDS.get(word.upper().lstrip("+"))
    if named is not None:
        return named
    if word.upper() in ("-INF", "-INFINITY"):
        return -math.inf
    if not _NUMBER.fullmatch(word):
        raise ValueError(f"{cut(word)} is not a number")
    value = float(word)
    if math.isclose(abs(value), SCPI_NAN, rel_tol=1e-6):
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= 0.999 * SCPI_INFINITY else value
