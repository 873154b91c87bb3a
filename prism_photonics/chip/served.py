"""A chip as one SCPI instrument: voltage source, heater source, modulators or a laser, and current meter in one box.

Here is what the box understands and how it settles; `serve` puts it on a socket, docs/bench.md has the grammar.
"""

import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.abstract import LONGEST_WAIT_S, AbstractChip
from prism_photonics.chip.served_laser import LaserBox
from prism_photonics.chip.served_text import NUMBER, channels_of, number_text, spelled, values_and_channels
from prism_photonics.chip.session import Client, Ownership, Refusal
from prism_photonics.units import InputError

# Design choices: laboratory sources with a 1 ms settling time, a digitiser with one sample per microsecond.
SETTLE_S = 1e-3
SAMPLE_S = 1e-6
# A first-order step is within exp(-10) of its end after ten time constants: below one code of a 14-bit driver.
TIME_CONSTANTS = 10.0
LARGEST_AVERAGES = 1 << 20


@dataclass
class _Outputs:
    """Outputs of a source, settling from their last values to those that were set."""

    settle_s: float
    sent: Float[ndarray, "rows rings"]
    before: Float[ndarray, "rows rings"]
    changed_s: float = -math.inf

    def send(self, values: Float[ndarray, "rows rings"]) -> None:
        if not np.array_equal(values, self.sent):
            self.before, self.sent, self.changed_s = self.now(), values, time.monotonic()

    def now(self) -> Float[ndarray, "rows rings"]:
        """Present outputs: settling exponentially, and exact after the settling time."""
        elapsed_s = time.monotonic() - self.changed_s
        if elapsed_s >= self.settle_s:
            return self.sent
        return self.sent + (self.before - self.sent) * math.exp(-TIME_CONSTANTS * elapsed_s / self.settle_s)


@final
class ServedChip:
    """A chip that understands lines of SCPI.

    Attributes:
        over_voltage_attempts: Voltages beyond the chip's limit that reached the box; none was applied.
        over_power_attempts: The same of heater powers.
        triggers: Readings taken.
        laser: The laser of a chip that has one.
    """

    def __init__(self, chip: AbstractChip, *, idn: str, time_scale: float = 1.0) -> None:
        """Put a chip into the box.

        Args:
            chip: The chip.
            idn: Answer to ``*IDN?``.
            time_scale: Seconds on the wall per second of settling and integration; 0 makes the box infinitely fast.
        """
        self.over_voltage_attempts = 0
        self.over_power_attempts = 0
        self.triggers = 0
        self._chip = chip
        self._idn = idn
        self._time_scale = time_scale
        none, settle_s = np.zeros((chip.rows, chip.channels)), SETTLE_S * time_scale
        self._volts, self._heat = _Outputs(settle_s, none, none), _Outputs(settle_s, none, none)
        # The chip is told 0 V too: its driver has a grid of its own, and 0 may lie beside it.
        self._volts_on_chip, self._heat_on_chip = np.full_like(none, np.nan), none
        self._light = np.zeros(chip.channels)
        self._averages = 1
        self._reading: ndarray = np.zeros(0)
        self._ready_s = -math.inf
        self._ownership = Ownership()
        self.laser = (
            None if chip.laser is None else LaserBox(chip, chip.laser, sample_s=SAMPLE_S, time_scale=time_scale)
        )
        self._handlers = dict(spelled(self._commands()))

    def answer(self, line: str, client: Client) -> tuple[str | None, float]:
        """Do what one line says.

        Args:
            line: Commands separated by semicolons, without the line end.
            client: Whose error queue takes the complaints.

        Returns:
            The reply, if a question was asked, and the time in s until it may be sent.
        """
        replies = [reply for reply in self.replies(line, client) if reply is not None]
        return (";".join(replies), self.delay_s()) if replies else (None, 0.0)

    def replies(self, line: str, client: Client) -> Iterator[str | None]:
        """Do what one line says, a command at a time, and give what each answers."""
        for command in line.split(";"):
            if not command.strip():
                continue
            try:
                yield self._obey(command.strip(), client)
            except Refusal as refusal:
                client.complain(str(refusal))
                yield None

    def delay_s(self) -> float:
        """Time in s until a reply may be sent: a reading takes its time."""
        return max(0.0, self._ready_s - time.monotonic())

    def leave(self, client: Client) -> None:
        """End a connection, and release what it had locked."""
        self._ownership.leave(client)

    def _obey(self, command: str, client: Client) -> str | None:
        header, _, rest = command.partition(" ")
        header = header.upper().removeprefix(":")
        if header in ("SYST:ERR?", "SYSTEM:ERROR?", "SYST:ERR:NEXT?", "SYSTEM:ERROR:NEXT?"):
            return client.errors.popleft() if client.errors else '0,"No error"'
        if header == "*CLS":
            client.errors.clear()
            return None
        if header in _LOCKING:
            return self._lock(header, client)
        handler = self._handlers.get(header)
        if handler is None:
            raise Refusal(-113, "Undefined header")
        if not header.endswith("?") or header in _TRIGGERS:
            self._ownership.require_change(client)
        if header in _TRIGGERS:
            self._ownership.require_own_settings(client)
            self._ownership.read(client)
        if header in _FETCHES:
            self._ownership.require_own_reading(client)
        try:
            reply = handler(rest.strip())
            if header in _SETS:
                self._ownership.changed(client, _SETS[header])
            return reply
        except InputError as error:
            # The chip itself refused: the box has a fault that SCPI files under hardware.
            text = str(error).replace('"', "'").encode("ascii", "replace").decode()
            raise Refusal(-240, f"Hardware error; {text[:200]}") from None

    def _lock(self, header: str, client: Client) -> str | None:
        """Answer ``SYSTem:LOCK``: take the box alone, release it, or name its owner."""
        if "REQ" in header:
            return "1" if self._ownership.request(client) else "0"
        if "OWN" in header:
            owner = self._ownership.owner
            return "NONE" if owner is None else "YOU" if owner is client else "OTHER"
        self._ownership.leave(client)
        return None

    def _commands(self) -> dict[str, Callable[[str], str | None]]:
        swept = {} if self.laser is None else self.laser.commands(lambda: self._averages, self._settle)
        return {
            **swept,
            "*IDN?": lambda rest: self._idn,
            "*OPC?": lambda rest: "1",
            "*RST": self._reset,
            "SOURce:VOLTage": self._set_volts,
            "SOURce:VOLTage?": lambda rest: self._list(self._volts.sent.ravel(), rest),
            "SOURce:VOLTage:LIMit?": lambda rest: number_text(self._chip.max_voltage_V),
            "SOURce:HEATer": self._set_heat,
            "SOURce:HEATer?": lambda rest: self._list(self._heat.sent.ravel(), rest),
            "SOURce:HEATer:LIMit?": lambda rest: number_text(self._chip.max_heater_mW),
            "SOURce:TRANsmission": self._set_light,
            "SOURce:TRANsmission?": lambda rest: self._list(self._light, rest),
            "SENSe:AVERage:COUNt": self._set_averages,
            "SENSe:AVERage:COUNt?": lambda rest: str(self._averages),
            "INITiate": self._trigger,
            "FETCh?": self._fetch,
            "READ?": lambda rest: (self._trigger(""), self._fetch(rest))[1],
            "DIAGnostic:OVERvoltage?": lambda rest: str(self.over_voltage_attempts),
            "DIAGnostic:OVERPower?": lambda rest: str(self.over_power_attempts),
            "DIAGnostic:TRIGgers?": lambda rest: str(self.triggers),
            "DIAGnostic:WAIT": self._wait,
            "DIAGnostic:CLOCk?": lambda rest: number_text(self._chip.time_s),
        }

    # ------------------------------------------------------------ settings

    def _reset(self, rest: str) -> None:
        self._apply(np.zeros_like(self._volts.sent))
        self._heat.send(np.zeros_like(self._heat.sent))
        self._light, self._averages = np.zeros_like(self._light), 1
        self._reading = np.zeros(0)
        if self.laser is not None:
            self.laser.reset()

    def _set_volts(self, rest: str) -> None:
        values, channels = values_and_channels(rest, self._volts.sent.size)
        # NaN is within no limit.
        beyond = sum(not abs(value) <= self._chip.max_voltage_V for value in values)
        if beyond:
            self.over_voltage_attempts += beyond
            raise Refusal(-222, "Data out of range")
        volts = self._volts.sent.copy()
        volts.ravel()[channels] = values
        self._apply(volts)

    def _apply(self, volts: Float[ndarray, "rows rings"]) -> None:
        self._volts.send(volts)

    def _set_heat(self, rest: str) -> None:
        values, channels = values_and_channels(rest, self._heat.sent.size)
        if not self._chip.max_heater_mW:
            raise Refusal(-241, "Hardware missing; this chip has no heaters")
        beyond = sum(not 0.0 <= value <= self._chip.max_heater_mW for value in values)
        if beyond:
            self.over_power_attempts += beyond
            raise Refusal(-222, "Data out of range")
        power_mW = self._heat.sent.copy()
        power_mW.ravel()[channels] = values
        self._heat.send(power_mW)

    def _set_light(self, rest: str) -> None:
        if self.laser is not None:
            raise Refusal(-241, "Hardware missing; one laser lights this chip, and no modulators")
        values, channels = values_and_channels(rest, self._light.size)
        if not all(0.0 <= value <= 1.0 for value in values):
            raise Refusal(-222, "Data out of range")
        self._light = self._light.copy()
        self._light[channels] = values

    def _set_averages(self, rest: str) -> None:
        if not re.fullmatch(r"\+?\d{1,9}", rest):
            raise Refusal(-104, "Data type error")
        if not 1 <= int(rest) <= LARGEST_AVERAGES:
            raise Refusal(-222, "Data out of range")
        self._averages = int(rest)

    def _wait(self, rest: str) -> None:
        if not NUMBER.fullmatch(rest) or not 0.0 <= float(rest) <= LONGEST_WAIT_S:
            raise Refusal(-222, "Data out of range")
        wait = getattr(self._chip, "wait", None)
        if wait is None:
            raise Refusal(-241, "Hardware missing; this chip has no clock")
        wait(float(rest))

    # ------------------------------------------------------------ readings

    def _settle(self) -> None:
        """Bring the chip to the present voltages and heater powers."""
        volts, power_mW = self._volts.now(), self._heat.now()
        if not np.array_equal(volts, self._volts_on_chip):
            self._chip.set(volts)
            self._volts_on_chip = volts
        if not np.array_equal(power_mW, self._heat_on_chip):
            self._chip.heat(power_mW)
            self._heat_on_chip = power_mW

    def _trigger(self, rest: str) -> None:
        self._settle()
        ranging_s = 0.0
        if self.laser is None:
            self._reading = self._chip.measure(self._light, averages=self._averages)
        else:
            self._reading, ranging_s = self.laser.measure(self._averages)
        self.triggers += 1
        self._ready_s = time.monotonic() + (self._averages * SAMPLE_S + ranging_s) * self._time_scale

    def _fetch(self, rest: str) -> str:
        if not self._reading.size:
            raise Refusal(-230, "Data corrupt or stale")
        return self._list(self._reading, rest)

    def _list(self, values: Float[ndarray, " channels"], rest: str) -> str:
        channels = channels_of(rest, values.size) if rest else range(values.size)
        return ",".join(number_text(values[channel]) for channel in channels)


# What a command sets, triggers, fetches or locks, by every spelling of its header.
_SETS = dict(
    spelled(
        {
            "*RST": ("voltages", "heaters", "light", "averages"),
            "SOURce:VOLTage": ("voltages",),
            "SOURce:HEATer": ("heaters",),
            "SOURce:TRANsmission": ("light",),
            "SOURce:WAVelength": ("light",),
            "SOURce:POWer:STATe": ("light",),
            "ROUTe:BUS": ("light",),
            "SENSe:AVERage:COUNt": ("averages",),
        }
    )
)
_TRIGGERS = dict(spelled({"INITiate": True, "READ?": True, "SOURce:WAVelength:SWEep:STATe": True}))
_FETCHES = dict(spelled({"FETCh?": True, "FETCh:LOGGing?": True, "READout:DATA?": True}))
_LOCKING = dict(spelled({"SYSTem:LOCK:REQuest?": True, "SYSTem:LOCK:OWNer?": True, "SYSTem:LOCK:RELease": True}))
