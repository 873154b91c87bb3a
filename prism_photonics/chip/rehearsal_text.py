"""Text of a rehearsal: templates read backwards, and numbers in the form that a bench file says."""

import re
from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.exchange import ALL_FIELDS
from prism_photonics.chip.instruments import Entry
from prism_photonics.chip.reply import SCPI_INFINITY, NumberFormat, block_numbers
from prism_photonics.chip.served_text import number_text
from prism_photonics.chip.template import LIST_FIELDS, WHOLE_FIELDS, Template
from prism_photonics.chip.wire import block_ends

_REAL = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
Fields = dict[str, list[float]]
"""The numbers of a command by field."""
Answer = Callable[[Fields], str | None]
"""Does what a command says."""


def rule(text: str, answer: Answer) -> tuple[re.Pattern[str], list[str], Answer]:
    """A template read backwards: what its lines look like, and the fields whose numbers stand there."""
    names, pattern = [], ""
    for literal, field, _ in Template.parse(text, ALL_FIELDS).pieces:
        pattern += re.escape(literal)
        if field:
            one = r"\d+" if field in WHOLE_FIELDS else _REAL
            pattern += f"({one}(?:,{one})*)" if field in LIST_FIELDS else f"({one})"
            names.append(field)
    return re.compile(pattern), names, answer


def listed(channels: Iterable[int]) -> str:
    """Channels as a list of the served chip's."""
    return f"(@{','.join(str(channel) for channel in channels)})"


def parsed(reply: str) -> Float[ndarray, " numbers"]:
    """The numbers of the served chip's answer in text."""
    return NumberFormat().parse(reply)


def numbers(block: str) -> Float[ndarray, " numbers"]:
    """The numbers of the served chip's block; none where it refused."""
    data = block.encode("latin-1")
    ends = block_ends(data)
    return np.zeros(0) if ends is None else block_numbers(data[slice(*ends)], "float64", "little")


def joined(values: Float[ndarray, " numbers"], entry: Entry) -> str:
    """Numbers in the form that a bench file says its instrument has."""
    separator = "," if entry.separator == "auto" else entry.separator
    return separator.join(f"{entry.prefix}{number_text(value)}{entry.suffix}" for value in values.tolist())


def logged_text(values: Float[ndarray, " numbers"], form: str, byte_order: str) -> str:
    """Logged numbers in the form that a bench file says; one character a byte."""
    values = np.where(np.isinf(values), np.copysign(SCPI_INFINITY, values), values)
    if form == "ascii":
        return ",".join(number_text(value) for value in values.tolist())
    kind = np.dtype(form).newbyteorder("<" if byte_order == "little" else ">")
    data = (np.round(values) if form == "int32" else values).astype(kind).tobytes()
    digits = str(len(data))
    return f"#{len(digits)}{digits}" + data.decode("latin-1")


def state_text(done: bool, said: str) -> str:
    """The answer to a question about a state: what the bench file says, or something else."""
    return said if done else ("1" if said.lstrip("+").startswith("0") else "0")
