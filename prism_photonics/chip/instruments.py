"""The instruments of a bench, as its file describes them: address, limits, times, channels, commands."""

import itertools
import math
from collections.abc import Iterator
from typing import Annotated, Literal, final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from prism_photonics.chip.reply import Separator
from prism_photonics.chip.template import Template
from prism_photonics.chip.wire import Termination


class Table(BaseModel):
    """A table of the file: strict, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


def _checked(*fields: str) -> AfterValidator:
    def check(text: str) -> str:
        # Parsed again where it is used: pydantic then keeps plain text, which prints as it was written.
        Template.parse(text, fields)
        return text

    return AfterValidator(check)


Fixed = Annotated[str, Field(min_length=1, max_length=4096), _checked()]
SetChannels = Annotated[str, Field(min_length=1), _checked("channel", "channels", "value", "values")]
ReadChannels = Annotated[str, _checked("channel", "channels")]
Span = int | list[int]


AMPERES = {"A": 1.0, "mA": 1e-3, "uA": 1e-6, "nA": 1e-9, "pA": 1e-12}
"""Amperes per unit of a meter."""
# No digits, signs or points: what stands beside a number must not become part of it.
Affix = Annotated[str, Field(pattern=r"^([A-Za-z_:=%/ ]{0,15}[A-DF-Za-df-z_:=%/])?$")]
# Design choice: four thousand rows of 256 rings, the most that a spec can have.
LARGEST_BLOCK = 1 << 20
# Design choice: rings are parked by the same ramp, and parking is not interrupted.
LONGEST_RAMP_S = 600.0


def _span(span: Span, what: str) -> range:
    first, last = (span, span) if isinstance(span, int) else (span if len(span) == 2 else (0, -1))
    if not 0 <= first <= last:
        raise ValueError(f"{what} = {span}: want a number from 0, or [first, last] with both ends counted")
    if last - first >= LARGEST_BLOCK:
        raise ValueError(f"{what} = {span}: {last - first + 1} of them; a block has at most {LARGEST_BLOCK}")
    return range(first, last + 1)


@final
class RingBlock(Table):
    """A block of rings on consecutive channels of a voltage or heater source, row after row."""

    rows: Span
    rings: Span
    first_channel: int = Field(ge=0, le=10**6)

    @model_validator(mode="after")
    def _spans(self) -> "RingBlock":
        self.count()
        return self

    def count(self) -> int:
        """How many channels it takes."""
        count = len(_span(self.rows, "rows")) * len(_span(self.rings, "rings"))
        if count > LARGEST_BLOCK:
            raise ValueError(f"rows = {self.rows}, rings = {self.rings}: a block has at most {LARGEST_BLOCK} channels")
        return count

    def places(self) -> Iterator[tuple[tuple[int, int], int]]:
        """Each (row, ring) and its channel."""
        places = itertools.product(_span(self.rows, "rows"), _span(self.rings, "rings"))
        return ((place, self.first_channel + i) for i, place in enumerate(places))


@final
class LineBlock(Table):
    """A block of modulated channels of the chip on consecutive channels of a light source."""

    lines: Span
    first_channel: int = Field(ge=0, le=10**6)

    @model_validator(mode="after")
    def _spans(self) -> "LineBlock":
        self.count()
        return self

    def count(self) -> int:
        """How many channels it takes."""
        return len(_span(self.lines, "lines"))

    def places(self) -> Iterator[tuple[tuple[int], int]]:
        """Each (line,) and its channel."""
        return (((line,), self.first_channel + i) for i, line in enumerate(_span(self.lines, "lines")))


@final
class RowBlock(Table):
    """A block of rows on consecutive channels of a current meter."""

    rows: Span
    first_channel: int = Field(ge=0, le=10**6)

    @model_validator(mode="after")
    def _spans(self) -> "RowBlock":
        self.count()
        return self

    def count(self) -> int:
        """How many channels it takes."""
        return len(_span(self.rows, "rows"))

    def places(self) -> Iterator[tuple[tuple[int], int]]:
        """Each (row,) and its channel."""
        return (((row,), self.first_channel + i) for i, row in enumerate(_span(self.rows, "rows")))


class _Commands(Table):
    idn: Fixed = "*IDN?"
    error: Annotated[str, _checked()] = Field(default="SYST:ERR?", description="asked after each write; empty: never")
    no_error: str = Field(
        default="", max_length=64, description="how the answer to error begins if there is none; empty: the number 0"
    )
    start: list[Fixed] = Field(default=[], description="sent once after opening")
    stop: list[Fixed] = Field(default=[], description="sent before closing, after the rings are parked")
    lock: Annotated[str, _checked()] = Field(
        default="", description="asks for the instrument alone, answered with 1 or 0; empty: it cannot"
    )
    unlock: Annotated[str, _checked()] = Field(default="", description="gives it back; empty: closing the line does")


@final
class VoltageCommands(_Commands):
    """Commands of a voltage source."""

    set: SetChannels = "SOUR:VOLT {values:.12g},(@{channels})"
    query: ReadChannels = Field(default="SOUR:VOLT? (@{channels})", description="read back; empty: it cannot")
    wait: Annotated[str, _checked("seconds")] = Field(
        default="", description="lets simulated time pass; empty, as on any real bench: the program sleeps"
    )
    clock: Annotated[str, _checked()] = Field(
        default="", description="asks for simulated time in s; empty, as on any real bench: the program's own clock"
    )


@final
class HeaterCommands(_Commands):
    """Commands of a source of heater power."""

    set: SetChannels = "SOUR:HEAT {values},(@{channels})"


@final
class LightCommands(_Commands):
    """Commands of the modulators' driver."""

    set: SetChannels = "SOUR:TRAN {values:.12g},(@{channels})"


@final
class MeterCommands(_Commands):
    """Commands of a current meter."""

    average: Annotated[str, _checked("averages", "integration_s")] = Field(
        default="SENS:AVER:COUN {averages}", description="sent when the number of samples changes; empty: never"
    )
    trigger: Annotated[str, _checked()] = Field(default="INIT", description="empty: reading triggers")
    read: Annotated[str, Field(min_length=1), _checked("channel", "channels")] = "FETC? (@{channels})"


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


@final
class VoltageSource(Instrument):
    """Drives rings."""

    max_voltage_V: float = Field(gt=0, le=200, description="largest magnitude that this instrument may be sent")
    ramp_V_s: float = Field(default=0.0, ge=0, le=1e6, description="fastest change; 0: at once")
    verify_V: float = Field(default=0.0, ge=0, le=10, description="allowed error of the value read back; 0: not read")
    channels: list[RingBlock] = Field(min_length=1)
    commands: VoltageCommands = VoltageCommands()

    @model_validator(mode="after")
    def _parked_in_time(self) -> "VoltageSource":
        least_V_s = 2.0 * self.max_voltage_V / LONGEST_RAMP_S
        if 0.0 < self.ramp_V_s < least_V_s:
            raise ValueError(
                f"ramp_V_s = {self.ramp_V_s:g}: from -{self.max_voltage_V:g} to {self.max_voltage_V:g} V it takes "
                f"{2.0 * self.max_voltage_V / self.ramp_V_s:.3g} s, and parking with it cannot be interrupted; want "
                f"0 or at least {least_V_s:.3g}"
            )
        return self


@final
class HeaterSource(Instrument):
    """Heats rings: each heater is a resistor."""

    max_power_mW: float = Field(gt=0, le=1e4, description="largest power of one heater from this instrument")
    unit: Literal["mW", "V", "A"] = Field(default="mW", description="what commands.set is given")
    resistance_ohm: float = Field(default=0.0, ge=0, le=1e7, description="of a heater with its wire; for V and A")
    channels: list[RingBlock] = Field(min_length=1)
    commands: HeaterCommands = HeaterCommands()

    @model_validator(mode="after")
    def _ohmic(self) -> "HeaterSource":
        if self.unit != "mW" and not self.resistance_ohm:
            raise ValueError(f"unit = '{self.unit}': needs resistance_ohm above 0 to turn a power into it; add it")
        return self

    def sent(self, power_mW: float) -> float:
        """The number that sets a heater power in mW: the power itself, ``√(P·R)`` in V, or ``√(P/R)`` in A."""
        if self.unit == "mW":
            return power_mW
        power_W = 1e-3 * power_mW
        return math.sqrt(power_W * self.resistance_ohm if self.unit == "V" else power_W / self.resistance_ohm)


@final
class LightSource(Instrument):
    """Modulates the comb's lines."""

    channels: list[LineBlock] = Field(min_length=1)
    commands: LightCommands = LightCommands()


@final
class CurrentMeter(Instrument):
    """Reads the rows' balanced photocurrents in A."""

    sample_s: float = Field(ge=0, le=3600, description="integration time of one converter sample")
    unit: Literal["A", "mA", "uA", "nA", "pA"] = Field(default="A", description="of the numbers that it answers")
    max_current_A: float = Field(
        default=0.0,
        ge=0,
        le=1e3,
        description="its range: a reading beyond is refused; 0: ten times the spec's converter",
    )
    channels: list[RowBlock] = Field(min_length=1)
    commands: MeterCommands = MeterCommands()


def channel_map(entry: VoltageSource | HeaterSource | LightSource | CurrentMeter) -> dict[tuple[int, ...], int]:
    """Places on the chip, (row, ring), (line,) or (row,), and the instrument's channel of each."""
    found: dict[tuple[int, ...], int] = {}
    for block in entry.channels:
        for place, channel in block.places():
            if place in found:
                raise ValueError(f"channels: {place} is mapped twice; keep one")
            found[place] = channel
    return found
