"""What every table of a bench file has: strict keys, checked command templates, and how an instrument speaks."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from prism_photonics.chip.reply import Separator
from prism_photonics.chip.template import Template
from prism_photonics.chip.wire import Termination


class Table(BaseModel):
    """A table of the file: strict, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


def checked(*fields: str) -> AfterValidator:
    """Refuses a text that is no template with these fields."""

    def check(text: str) -> str:
        # Parsed again where it is used: pydantic then keeps plain text, which prints as it was written.
        Template.parse(text, fields)
        return text

    return AfterValidator(check)


Fixed = Annotated[str, Field(min_length=1, max_length=4096), checked()]
"""A command without fields."""
Question = Annotated[str, Field(max_length=4096), checked()]
"""A question without fields; empty: there is none."""
Span = int | list[int]

# No digits, signs or points: what stands beside a number must not become part of it.
Affix = Annotated[str, Field(pattern=r"^([A-Za-z_:=%/ ]{0,15}[A-DF-Za-df-z_:=%/])?$")]
# Design choice: four thousand rows of 256 rings, the most that a spec can have.
LARGEST_BLOCK = 1 << 20


def spanned(span: Span, what: str) -> range:
    """The numbers that a span stands for.

    Raises:
        ValueError: It is none, or too long.
    """
    first, last = (span, span) if isinstance(span, int) else (span if len(span) == 2 else (0, -1))
    if not 0 <= first <= last:
        raise ValueError(f"{what} = {span}: want a number from 0, or [first, last] with both ends counted")
    if last - first >= LARGEST_BLOCK:
        raise ValueError(f"{what} = {span}: {last - first + 1} of them; a block has at most {LARGEST_BLOCK}")
    return range(first, last + 1)


class Commands(Table):
    """Commands of every instrument."""

    idn: Fixed = "*IDN?"
    error: Annotated[str, checked()] = Field(default="SYST:ERR?", description="asked after each write; empty: never")
    no_error: str = Field(
        default="", max_length=64, description="how the answer to error begins if there is none; empty: the number 0"
    )
    start: list[Fixed] = Field(default=[], description="sent once after opening")
    stop: list[Fixed] = Field(default=[], description="sent before closing, after the rings are parked")
    lock: Annotated[str, checked()] = Field(
        default="", description="asks for the instrument alone, answered with 1 or 0; empty: it cannot"
    )
    unlock: Annotated[str, checked()] = Field(default="", description="gives it back; empty: closing the line does")


class Instrument(Table):
    """Keys of every instrument."""

    resource: str = Field(
        min_length=1, max_length=256, description="VISA resource, such as TCPIP::10.0.0.5::5025::SOCKET"
    )
    driver: str = Field(default="scpi", pattern=r"^[a-z][a-z0-9_]{0,63}$")
    idn: str = Field(default="", description="text that the answer to *IDN? must hold")
    timeout_s: float = Field(default=5.0, gt=0, le=3600)
    command_s: float = Field(default=1e-3, ge=0, le=60, description="time of one command on the wire, for estimates")
    settle_s: float = Field(default=0.0, ge=0, le=3600, description="wait after a change")
    channels_per_command: int = Field(default=64, ge=1, le=65536)
    read_termination: Termination = Field(default="auto", description="what ends an answer; auto: CR, LF or both")
    write_termination: Literal["\n", "\r", "\r\n"] = Field(default="\n", description="what ends a command")
    encoding: Literal["latin-1", "utf-8", "cp1252"] = Field(default="latin-1", description="of letters beyond ASCII")
    separator: Separator = Field(default="auto", description="between numbers; auto: commas, or tabs without a comma")
    prefix: Affix = Field(default="", description="text before each number that means nothing more")
    suffix: Affix = Field(default="", description="text behind each number that means nothing more")

    def commands_for(self, channels: int, template: str) -> int:
        """How many commands serve that many channels."""
        listed = "{channels" in template or "{values" in template
        return math.ceil(channels / (self.channels_per_command if listed else 1))
