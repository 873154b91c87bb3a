"""Current meters and power meters of a bench file: which rows they read, one channel each or a pair of two."""

import itertools
import math
import re
from collections.abc import Iterator
from typing import Annotated, Literal, final

from pydantic import Field, model_validator

from prism_photonics.chip.filetables import Commands, Instrument, Question, Span, Table, checked, spanned

AMPERES = {"A": 1.0, "mA": 1e-3, "uA": 1e-6, "nA": 1e-9, "pA": 1e-12}
"""Amperes per unit of a current meter."""
WATTS = {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "nW": 1e-9}
"""Watts per unit of a power meter that answers linearly."""
DBM = "dBm"
Side = Literal["through", "drop"]
# Which of a row's two photodiodes adds to its current, and which is taken off.
SIGNS = {"difference": 1.0, "through": 1.0, "drop": -1.0}
_NAMED = re.compile(r"[A-Za-z_ ]{0,16}(\d{1,6})")
_PORT = ("channel", "slot", "port")
LOG_FIELDS = (
    *_PORT,
    "points",
    "averages",
    "integration_s",
    "integration_ms",
    "start_nm",
    "stop_nm",
    "step_nm",
    "speed_nm_s",
)


@final
class RowBlock(Table):
    """A block of rows on consecutive channels of a meter.

    A row whose pair of photodiodes is subtracted before the meter has one channel, `first_channel`. One whose
    photodiodes have a meter channel each has two, ``balanced = [through, drop]``, and the bench subtracts them, each
    times its gain.
    """

    rows: Span
    first_channel: int | None = Field(default=None, ge=0, le=10**6)
    balanced: list[str | int] = Field(default=[], max_length=2, description="channels of through and drop")
    side: Literal["difference", "through", "drop"] = Field(
        default="difference", description="what one channel of a row is: their difference, or one of two on two meters"
    )
    gains: list[Annotated[float, Field(gt=0, le=1e6)]] = Field(
        default=[], max_length=2, description="factor of each channel: what makes two unequal photodiodes alike"
    )

    @model_validator(mode="after")
    def _spans(self) -> "RowBlock":
        count = self.count()
        if (self.first_channel is None) == (not self.balanced):
            raise ValueError("want first_channel, or balanced = [through, drop], and one of them")
        if self.balanced and (len(self.balanced) != 2 or self.side != "difference"):
            raise ValueError(
                f"balanced = {self.balanced}, side = '{self.side}': want two channels, such as ['ch1', 'ch2'], and no "
                "side"
            )
        ports = 1 + bool(self.balanced)
        if self.gains and len(self.gains) != ports:
            raise ValueError(f"gains = {self.gains}: want {ports}, one for each channel of a row")
        first = self._first()
        if self.balanced and (first[0] == first[1] or 1 < abs(first[1] - first[0]) < count // ports):
            raise ValueError(
                f"balanced = {self.balanced}: want two channels side by side, of which the next row takes the next "
                "two, or two as far apart as the block has rows"
            )
        return self

    def count(self) -> int:
        """How many channels it takes."""
        return len(spanned(self.rows, "rows")) * (1 + bool(self.balanced))

    def places(self) -> Iterator[tuple[tuple[int | str, ...], int]]:
        """Each (row,) and its channel; of rows with two (row, "through") and (row, "drop")."""
        first = self._first()
        apart = [abs(first[-1] - first[0])] if self.balanced else [0]
        stride = 2 if apart == [1] else 1
        sides: tuple[str, ...] = ("through", "drop") if self.balanced else (self.side,)
        for i, row in enumerate(spanned(self.rows, "rows")):
            for side, channel in zip(sides, first, strict=True):
                yield ((row,) if side == "difference" else (row, side)), channel + stride * i

    def weights(self) -> dict[str, float]:
        """Factor of the current of each side: its gain, and the minus of the drop port."""
        sides = ("through", "drop") if self.balanced else (self.side,)
        gains = self.gains or [1.0] * len(sides)
        return {side: SIGNS[side] * gain for side, gain in zip(sides, gains, strict=True)}

    def _first(self) -> list[int]:
        if not self.balanced:
            return [self.first_channel or 0]
        return [_channel(name) for name in self.balanced]


@final
class MeterCommands(Commands):
    """Commands of a current meter or a power meter."""

    average: Annotated[str, checked("averages", "integration_s", "integration_ms", *_PORT)] = Field(
        default="SENS:AVER:COUN {averages}", description="sent when the number of samples changes; empty: never"
    )
    trigger: Annotated[str, checked(*_PORT)] = Field(default="INIT", description="empty: reading triggers")
    read: Annotated[str, Field(min_length=1), checked("channel", "channels", "slot", "port")] = "FETC? (@{channels})"
    range: Annotated[str, checked("range_A", "range_mW", "range_dBm", "range_number", *_PORT)] = Field(
        default="", description="sets the range to one of ranges_A or ranges_mW; empty: the meter ranges by itself"
    )
    log: list[Annotated[str, Field(min_length=1), checked(*LOG_FIELDS)]] = Field(
        default=[], description="arms it for one sample at each trigger of a sweep; empty: it cannot"
    )
    log_state: Question = Field(default="", description="asks whether all samples are there; empty: the laser says so")
    log_done: str = Field(default="1", max_length=64, description="how the answer to log_state begins when they are")
    log_read: Annotated[str, checked("channel", "channels", "slot", "port", "points")] = Field(
        default="", description="the samples of a sweep"
    )
    log_stop: list[Annotated[str, Field(min_length=1), checked(*_PORT)]] = Field(
        default=[], description="sent when they were read, and after a failure"
    )


@final
class CurrentMeter(Instrument):
    """Reads the rows' photocurrents in A, or optical powers that a responsivity makes currents of."""

    sample_s: float = Field(ge=0, le=3600, description="integration time of one converter sample")
    unit: Literal["A", "mA", "uA", "nA", "pA", "W", "mW", "uW", "nW", "dBm"] = Field(
        default="A", description="of the numbers that it answers"
    )
    responsivity_A_W: float = Field(
        default=0.0, ge=0, le=1e6, description="photocurrent that stands for 1 W; of meters that answer powers"
    )
    max_current_A: float = Field(
        default=0.0,
        ge=0,
        le=1e3,
        description="its range: a reading beyond is refused; 0: ten times the spec's converter",
    )
    max_power_mW: float = Field(default=0.0, ge=0, le=1e6, description="the same of a meter that answers powers")
    ranges_A: list[Annotated[float, Field(gt=0, le=1e3)]] = Field(
        default=[], max_length=16, description="full scales from the most sensitive on, for commands.range"
    )
    ranges_mW: list[Annotated[float, Field(gt=0, le=1e6)]] = Field(
        default=[], max_length=16, description="the same of a meter that answers powers"
    )
    range_s: float = Field(default=0.0, ge=0, le=60, description="wait after a change of range; of a reading's own too")
    ports_per_slot: int = Field(default=1, ge=1, le=1000, description="channels of one module, for {slot} and {port}")
    first_slot: int = Field(default=1, ge=0, le=1000)
    log_format: Literal["ascii", "float32", "float64"] = Field(
        default="ascii", description="numbers of commands.log_read: text, or a block of IEEE 488.2"
    )
    log_byte_order: Literal["little", "big"] = "little"
    channels: list[RowBlock] = Field(min_length=1)
    commands: MeterCommands = MeterCommands()

    @model_validator(mode="after")
    def _units(self) -> "CurrentMeter":
        if self.answers_power and not self.responsivity_A_W:
            raise ValueError(f"unit = '{self.unit}': needs responsivity_A_W above 0 to turn a power into a current")
        if not self.answers_power and self.responsivity_A_W:
            raise ValueError(
                f"responsivity_A_W = {self.responsivity_A_W:g}: unit = '{self.unit}' is a current's; leave it out, or "
                "give the unit of a power"
            )
        for key, fits in (("_A", not self.answers_power), ("_mW", self.answers_power)):
            for name in (f"ranges{key}", f"max_{'current' if key == '_A' else 'power'}{key}"):
                if getattr(self, name) and not fits:
                    raise ValueError(f"{name}: of a meter whose unit is not '{self.unit}'; give it in the other unit")
        ranges = self.ranges_A or self.ranges_mW
        if bool(ranges) != bool(self.commands.range):
            raise ValueError("ranges and commands.range: want both, or neither where the meter ranges by itself")
        if any(one >= other for one, other in itertools.pairwise(ranges)):
            raise ValueError(f"ranges = {ranges}: want full scales that grow")
        if bool(self.commands.log) != bool(self.commands.log_read):
            raise ValueError("commands.log and commands.log_read: want both, or neither where it cannot log")
        return self

    @property
    def answers_power(self) -> bool:
        """Whether its numbers are optical powers."""
        return self.unit == DBM or self.unit in WATTS

    @property
    def amperes(self) -> float:
        """Amperes per unit of its numbers; of dBm per watt."""
        if self.unit == DBM:
            return self.responsivity_A_W
        return AMPERES[self.unit] if self.unit in AMPERES else WATTS[self.unit] * self.responsivity_A_W

    @property
    def scales_A(self) -> list[float]:
        """Full scales of its ranges in A."""
        return self.ranges_A or [1e-3 * mW * self.responsivity_A_W for mW in self.ranges_mW]

    @property
    def largest_A(self) -> float:
        """Its largest current in A; 0 where the file has none."""
        given_A = self.max_current_A or 1e-3 * self.max_power_mW * self.responsivity_A_W
        return given_A or (self.scales_A[-1] if self.scales_A else 0.0)

    def range_values(self, number: int) -> dict[str, float | int]:
        """The fields of commands.range for a range, counted from 0."""
        scale_A = self.scales_A[number]
        power_mW = self.ranges_mW[number] if self.ranges_mW else math.nan
        power_dBm = 10.0 * math.log10(power_mW) if self.ranges_mW else math.nan
        return {"range_A": scale_A, "range_mW": power_mW, "range_dBm": power_dBm, "range_number": number + 1}

    def port_values(self, channel: int) -> dict[str, int]:
        """The fields that name a channel: its number, or its module and the port there."""
        slot, port = divmod(channel - 1, self.ports_per_slot)
        return {"channel": channel, "slot": self.first_slot + slot, "port": port + 1}

    def weights(self) -> dict[tuple[int | str, ...], float]:
        """Factor of the current of every place."""
        found = {}
        for block in self.channels:
            by_side = block.weights()
            for place, _ in block.places():
                found[place] = by_side[str(place[1]) if len(place) == 2 else "difference"]
        return found


def _channel(name: str | int) -> int:
    """The number of a channel that is named, such as 1 or ``ch1``."""
    if isinstance(name, int):
        if not 0 <= name <= 10**6:
            raise ValueError(f"balanced: {name}: want a channel's number from 0 on")
        return name
    match = _NAMED.fullmatch(name)
    if not match:
        raise ValueError(f"balanced: {name!r}: want a channel's number, or a name that ends with it, such as 'ch1'")
    return int(match[1])
