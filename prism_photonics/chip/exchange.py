"""Commands and questions of a bench file's instrument, with its error queue and its lock: what every role shares."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.drivers import AbstractDriver
from prism_photonics.chip.guard import Guard, is_unlike_volts
from prism_photonics.chip.instruments import Entry, HeaterSource, LightSource, VoltageSource, channel_map
from prism_photonics.chip.laserfile import Laser
from prism_photonics.chip.link import BenchError, Link
from prism_photonics.chip.meterfile import LOG_FIELDS, CurrentMeter
from prism_photonics.chip.reply import NumberFormat, block_numbers, cut, is_no_error
from prism_photonics.chip.template import Template, Value
from prism_photonics.units import InputError

LONGEST_ERROR_QUEUE = 64
# Design choices: one that was just left is free within a second, and is asked that often.
LOCK_PATIENCE_S, LOCK_PERIOD_S = 1.0, 0.05
SET_FIELDS = ("channel", "channels", "value", "values")
# What may put a voltage on a ring that was set before: `OUTP`, `CONF` of a source that measures, and any `… ON`.
_SWITCHES_ON = re.compile(r"OUTP|CONF|\bON\b", re.IGNORECASE)
LASER_FIELDS = (
    "wavelength_nm", "wavelength_m", "power_mW", "power_dBm", "power_W", "bus", "step_pm", "start_m", "stop_m",
    "step_m", "speed_m_s", "dwell_s", "range_A", "range_mW", "range_dBm", "range_number",
)  # fmt: skip
# How answers begin, which are never sent.
_ANSWERS = ("no_error", "ready", "sweep_done", "log_done")
ALL_FIELDS = (*SET_FIELDS, "seconds", *LOG_FIELDS, *LASER_FIELDS)


class Exchange(AbstractDriver):
    """An instrument that takes and answers lines of text; `scpi.ScpiDriver` says what its role makes of them."""

    def __init__(self, where: str, entry: Entry, **context: object) -> None:
        super().__init__(where, entry, **context)  # type: ignore[arg-type]
        if not isinstance(entry, VoltageSource | HeaterSource | LightSource | Laser | CurrentMeter):
            raise InputError(f"{where}: not an instrument that the scpi driver knows; choose another driver")
        self._mapped = entry
        self._commands = entry.commands
        self._averages, self._asks = 0, True
        self._numbers = self._number_format(entry)
        start = self._commands.start
        self._quiet = next((at for at, text in enumerate(start) if _SWITCHES_ON.search(text)), len(start))
        self.require_harmless(limit_V=self.limit_V, most_heat=self.most_heat)

    @staticmethod
    def _number_format(entry: Entry) -> NumberFormat:
        units = ("V", "VDC", "S") if isinstance(entry, VoltageSource) else ()
        if isinstance(entry, CurrentMeter):
            units = (entry.unit, f"{entry.unit}DC")
        if isinstance(entry, Laser):
            units = (entry.wavelength_unit,)
        return NumberFormat(entry.separator, entry.prefix, tuple(t for t in (entry.suffix, *units) if t))

    def open(self) -> None:
        """Connect, lock the instrument, and clear the error queue of earlier programs."""
        self._averages, self._asks = 0, True
        self._request_lock(min(LOCK_PATIENCE_S, self.entry.timeout_s))
        self._read_errors()

    @property
    def switches_on(self) -> bool:
        """Whether a start command may switch an output on."""
        return self._quiet < len(self._commands.start)

    def prepare(self) -> None:
        """Send the start commands up to the first that may switch an output on."""
        for command in self._commands.start[: self._quiet]:
            self._do(command)

    def switch_on(self) -> None:
        """Send that one and those after it."""
        for command in self._commands.start[self._quiet :]:
            self._do(command)

    def recover(self) -> None:
        """Open the line anew where a reply is owed or a command half sent."""
        if not self._link.clean:
            self._link.recover()
            if not self._asks:
                return
            # The instrument may see only later that the line before is gone, and count it as another's.
            self._request_lock(self.entry.timeout_s)
            self._read_errors()

    def stop_asking(self) -> None:
        """Open the line anew, and ask for neither errors nor the lock from now on."""
        self._asks = False
        self._link.clean = False
        self.recover()

    def release(self) -> None:
        """Give the instrument back."""
        if self._commands.unlock:
            with contextlib.suppress(BenchError):
                self._say(self._commands.unlock)

    def idn(self) -> str:
        """The answer to ``*IDN?``."""
        return self._ask(self._commands.idn, text=True)

    def close(self) -> None:
        """Send the stop commands; the bench closes the line."""
        for command in self._commands.stop:
            self._do(command)

    @property
    def _link(self) -> Link:
        return self.links.get(self.entry)

    def _filled(self, template: Template, channels: Sequence[int], values: list[float]) -> Iterator[str]:
        size = self.entry.channels_per_command if template.takes_lists else 1
        for start in range(0, len(channels), size):
            some, numbers = list(channels[start : start + size]), values[start : start + size]
            yield template.fill({"channels": some, "values": numbers, "channel": some[0], "value": numbers[0]})

    def _read_back(self, text: str, channels: Sequence[int], *, extra_s: float) -> Float[ndarray, " channels"]:
        template = Template.parse(text, ("channel", "channels", "slot", "port"))
        single = bool(template.fields & {"channel", "slot", "port"})
        # A question without fields is answered with every channel at once, in the order of the map.
        size = 1 if single else self.entry.channels_per_command if template.fields else len(channels)
        found = []
        for start in range(0, len(channels), size):
            some = list(channels[start : start + size])
            command = template.fill({"channels": some, **self._port_values(some[0])})
            reply = self._ask(command, extra_s=extra_s)
            try:
                found.append(self._numbers.parse(reply, count=len(some)))
            except ValueError as error:
                self._link.clean = False
                raise BenchError(f"{self._name}: the answer to {command!r} is {cut(reply)}: {error}") from None
        return np.concatenate(found)

    def _port_values(self, channel: int) -> dict[str, int]:
        """The fields that name one channel."""
        return self.entry.port_values(channel) if isinstance(self.entry, CurrentMeter) else {"channel": channel}

    def _ask_numbers(
        self, text: str, *, values: Mapping[str, Value], form: str, byte_order: str, extra_s: float
    ) -> Float[ndarray, " numbers"]:
        """As many numbers as there are in an answer: text, or a block of IEEE 488.2."""
        command = Template.parse(text, tuple(values)).fill(values)
        if form == "ascii":
            reply = self._ask(command, extra_s=extra_s)
            try:
                return self._numbers.parse(reply)
            except ValueError as error:
                self._link.clean = False
                raise BenchError(f"{self._name}: the answer to {command!r} is {cut(reply)}: {error}") from None
        try:
            block = self._link.query_block(command, extra_s=extra_s)
        except BenchError as error:
            raise BenchError(f"{self.where}: {error}") from None
        try:
            return block_numbers(block, form, byte_order)
        except ValueError as error:
            raise BenchError(f"{self._name}: the answer to {command!r} is a block: {error}") from None

    def _do(self, command: str) -> None:
        """Send a command and query whether it was accepted."""
        self._say(command)
        if complaints := self._read_errors():
            raise self._refused(command, complaints)

    def _refused(self, command: str, complaints: list[str]) -> BenchError:
        return BenchError(
            f"{self._name}: refused {cut(command)}: {cut(complaints[0])}; check the command and its limits"
        )

    def _read_errors(self, *, extra_s: float = 0.0) -> list[str]:
        """The instrument's error queue, emptied; the oldest first.

        One that is never empty has the time of one answer, however slowly it speaks: rings are driven meanwhile.
        """
        complaints: list[str] = []
        ends_s = time.monotonic() + self.entry.timeout_s + extra_s
        while self._asks and self._commands.error and len(complaints) < LONGEST_ERROR_QUEUE:
            if complaints and time.monotonic() > ends_s:
                break
            reply = self._ask(self._commands.error, extra_s=extra_s, text=True)
            try:
                if is_no_error(reply, self._commands.no_error):
                    break
            except ValueError:
                self._link.clean = False
                raise BenchError(
                    f'{self._name}: the answer to {self._commands.error!r} is {cut(reply)}, want 0,"No error"; if that '
                    "means none, give its beginning as commands.no_error"
                ) from None
            complaints.append(reply)
        return complaints

    def _request_lock(self, patience_s: float) -> None:
        """Request the instrument's lock until it is granted or the time is up."""
        deadline = time.monotonic() + patience_s
        while command := self._commands.lock:
            reply = self._ask(command)
            if reply in ("1", "+1"):
                return
            if reply not in ("0", "+0"):
                raise BenchError(f"{self._name}: the answer to {command!r} is {cut(reply)}, want 1 or 0")
            if time.monotonic() >= deadline:
                raise BenchError(
                    f"{self._name}: is in use by another program ({command} says {reply}); wait for it to end"
                )
            time.sleep(LOCK_PERIOD_S)

    def _say(self, command: str) -> None:
        try:
            self._link.write(command)
        except BenchError as error:
            raise BenchError(f"{self.where}: {error}") from None

    def _ask(self, command: str, *, extra_s: float = 0.0, text: bool = False) -> str:
        try:
            return self._link.query(command, extra_s=extra_s, text=text)
        except BenchError as error:
            raise BenchError(f"{self.where}: {error}") from None

    @property
    def _name(self) -> str:
        return f"{self.where} ({self.entry.resource})"

    def require_harmless(self, *, limit_V: float, most_heat: float) -> None:
        """Refuse fixed commands to a source of voltage or heat that are not proven harmless."""
        limit = min(limit_V, most_heat)
        guard = Guard(limit, largest_channel=max(channel_map(self._mapped).values(), default=0))
        largest = self._largest_set(rings=limit_V < np.inf)
        for name, text in self._commands:
            if name in _ANSWERS:
                continue
            for command in text if isinstance(text, list) else [text]:
                template = Template.parse(command, ALL_FIELDS)
                doubt = guard.doubt(template, setting=name == "set")
                if name == "set" and not doubt and largest > limit and not is_unlike_volts(template):
                    doubt = f"its value goes to {largest:.4g}, under a header that could be a voltage's"
                if doubt:
                    raise InputError(
                        f"{self.where}.commands.{name}: {command!r}: {doubt}, so it could be a "
                        + (
                            f"voltage above the ±{limit_V:g} V limit"
                            if limit_V <= most_heat
                            else f"heater's above the limit of {most_heat:.4g}"
                        )
                        + "; nothing was written; leave it out, or write it as a setting with a limit: a voltage in "
                        "commands.set under max_voltage_V; docs/bench.md says what a fixed command may hold"
                    )

    def _largest_set(self, *, rings: bool) -> float:
        """Largest number that ``commands.set`` is given where that is no voltage; ring voltages have a check of their
        own.
        """
        if isinstance(self.entry, HeaterSource):
            # A heater's setting is held to its own limit; on a box that holds rings too it must not pass for a voltage.
            return self.entry.sent(self.limit_mW) if rings else 0.0
        return 1.0 if isinstance(self.entry, LightSource) else 0.0
