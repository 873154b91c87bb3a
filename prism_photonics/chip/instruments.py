"""The instruments of a bench, as its file describes them: address, limits, times, channels, commands."""

import itertools
import math
from collections.abc import Iterator
from typing import Annotated, Literal, final

from pydantic import Field, model_validator

from prism_photonics.chip.filetables import LARGEST_BLOCK, Commands, Instrument, Span, Table, checked, spanned
from prism_photonics.chip.laserfile import Laser
from prism_photonics.chip.meterfile import CurrentMeter

SetChannels = Annotated[str, Field(min_length=1), checked("channel", "channels", "value", "values")]
ReadChannels = Annotated[str, checked("channel", "channels")]
# Design choice: rings are parked by the same ramp, and parking is not interrupted.
LONGEST_RAMP_S = 600.0


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
        count = len(spanned(self.rows, "rows")) * len(spanned(self.rings, "rings"))
        if count > LARGEST_BLOCK:
            raise ValueError(f"rows = {self.rows}, rings = {self.rings}: a block has at most {LARGEST_BLOCK} channels")
        return count

    def places(self) -> Iterator[tuple[tuple[int, int], int]]:
        """Each (row, ring) and its channel."""
        places = itertools.product(spanned(self.rows, "rows"), spanned(self.rings, "rings"))
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
        return len(spanned(self.lines, "lines"))

    def places(self) -> Iterator[tuple[tuple[int], int]]:
        """Each (line,) and its channel."""
        return (((line,), self.first_channel + i) for i, line in enumerate(spanned(self.lines, "lines")))


@final
class VoltageCommands(Commands):
    """Commands of a voltage source."""

    set: SetChannels = "SOUR:VOLT {values:.12g},(@{channels})"
    query: ReadChannels = Field(default="SOUR:VOLT? (@{channels})", description="read back; empty: it cannot")
    wait: Annotated[str, checked("seconds")] = Field(
        default="", description="lets simulated time pass; empty, as on any real bench: the program sleeps"
    )
    clock: Annotated[str, checked()] = Field(
        default="", description="asks for simulated time in s; empty, as on any real bench: the program's own clock"
    )


@final
class HeaterCommands(Commands):
    """Commands of a source of heater power."""

    set: SetChannels = "SOUR:HEAT {values},(@{channels})"


@final
class LightCommands(Commands):
    """Commands of the modulators' driver."""

    set: SetChannels = "SOUR:TRAN {values:.12g},(@{channels})"


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


Entry = VoltageSource | HeaterSource | LightSource | Laser | CurrentMeter
"""A table of a bench file that is an instrument."""


def channel_map(entry: Entry) -> dict[tuple[int | str, ...], int]:
    """Places on the chip, (row, ring), (line,) or (row,), and the instrument's channel of each.

    A row with two channels has (row, "through") and (row, "drop"); a laser has no channels.
    """
    found: dict[tuple[int | str, ...], int] = {}
    for block in [] if isinstance(entry, Laser) else entry.channels:
        for place, channel in block.places():
            if place in found:
                raise ValueError(f"channels: {place} is mapped twice; keep one")
            found[place] = channel
    return found
