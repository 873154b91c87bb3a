"""The SCPI driver: command templates filled with checked numbers, and replies parsed strictly."""

import math
from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.exchange import SET_FIELDS, Exchange
from prism_photonics.chip.instruments import HeaterSource, LightSource, VoltageSource, channel_map
from prism_photonics.chip.laserfile import METRES, Laser
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.meterfile import DBM, CurrentMeter
from prism_photonics.chip.sweeping import SweepRun
from prism_photonics.chip.template import Template, Value
from prism_photonics.units import InputError

NM_PER_M = 1e9
_PORT = ("channel", "slot", "port")


@final
class ScpiDriver(Exchange):
    """An instrument that takes and answers lines of text; see `instruments` for its templates."""

    def _write_volts(self, channels: Sequence[int], volts: Float[ndarray, " channels"]) -> None:
        self._set_within(self._source.commands.set, channels, volts.tolist(), most=self.limit_V, unit="V")

    def _write_powers(self, channels: Sequence[int], power_mW: Float[ndarray, " channels"]) -> None:
        heater = self._heater
        numbers = [heater.sent(power) for power in power_mW.tolist()]
        self._set_within(
            heater.commands.set, channels, numbers, most=heater.sent(self.limit_mW), least=0.0, unit=heater.unit
        )

    def _set_within(
        self,
        text: str,
        channels: Sequence[int],
        numbers: list[float],
        *,
        most: float,
        unit: str,
        least: float = -np.inf,
    ) -> None:
        """Set numbers that are within the limit, if they still are as the instrument will read them."""
        template = Template.parse(text, SET_FIELDS)
        field = "values" if template.takes_lists else "value"
        for channel, value in zip(channels, numbers, strict=True):
            # The format rounds: what counts is the number that the instrument will read.
            if not max(least, -most) <= template.as_sent(field, value) <= most:
                raise InputError(
                    f"{self.where}: channel {channel}: {value!r} {unit} is sent as "
                    f"{template.as_sent(field, value)!r} {unit}, beyond {'' if least == 0.0 else '±'}{most:g} {unit}; "
                    "give commands.set more digits"
                )
        for command in self._filled(template, channels, numbers):
            self._do(command)

    def read_volts(self, channels: Sequence[int]) -> Float[ndarray, " channels"]:
        """Voltages in V as the instrument reports them."""
        return self._read_back(self._source.commands.query, channels, extra_s=0.0)

    def set_light(self, channels: Sequence[int], light: Float[ndarray, " channels"]) -> None:
        """Set transmissions, 0 to 1."""
        template = Template.parse(self._light.commands.set, SET_FIELDS)
        for command in self._filled(template, channels, light.tolist()):
            self._do(command)

    # ------------------------------------------------------------ meters

    def arm(self, averages: int) -> None:
        """Choose how many samples a reading averages; sent to the instrument when it changes."""
        meter = self._meter
        if meter.commands.average and averages != self._averages:
            # Should it be refused, it is sent anew.
            self._averages = 0
            integration_s = averages * meter.sample_s
            values: dict[str, Value] = {
                "averages": averages,
                "integration_s": integration_s,
                "integration_ms": 1e3 * integration_s,
            }
            self._do_all([meter.commands.average], self._channels, values)
        self._averages = averages

    def trigger(self) -> None:
        """Begin a reading of all channels."""
        if text := self._meter.commands.trigger:
            for command in self._for_ports(text, self._channels, {}):
                self._say(command)

    def require_triggered(self) -> None:
        """Query whether the trigger was accepted: an instrument that ignores it would return the previous reading."""
        command = self._meter.commands.trigger
        if command and (complaints := self._read_errors(extra_s=self._reading_s())):
            raise self._refused(command, complaints)

    def read(self, channels: Sequence[int]) -> Float[ndarray, " channels"]:
        """Currents in A of the reading that was triggered."""
        found = self._read_back(self._meter.commands.read, channels, extra_s=self._reading_s())
        return _amperes(self._meter, found)

    def set_range(self, channels: Sequence[int], number: int) -> None:
        """Choose a range, counted from 0."""
        self._do_all([self._meter.commands.range], channels, dict(self._meter.range_values(number)))

    def arm_log(self, channels: Sequence[int], run: SweepRun) -> None:
        """Make it take one sample at each trigger of a sweep."""
        self._averages = 0
        self._do_all(self._meter.commands.log, channels, dict(run.values()))

    def is_logging(self) -> bool:
        """Whether samples of a sweep are still missing, as far as the meter says."""
        commands = self._meter.commands
        return bool(commands.log_state) and not _begins(self._ask(commands.log_state, text=True), commands.log_done)

    def read_log(self, channels: Sequence[int], run: SweepRun) -> Float[ndarray, "channels points"]:
        """Currents in A of the last sweep, fewer points where the meter missed some."""
        meter = self._meter
        text = meter.commands.log_read
        fields = Template.parse(text, (*_PORT, "channels", "points")).fields
        size = len(channels) if not fields & set(_PORT) else 1
        if "channels" in fields:
            size = meter.channels_per_command
        found: list[ndarray] = []
        for start in range(0, len(channels), size):
            some = list(channels[start : start + size])
            numbers = self._ask_numbers(
                text,
                values={"points": run.points, "channels": some, **meter.port_values(some[0])},
                form=meter.log_format,
                byte_order=meter.log_byte_order,
                extra_s=self._reading_s(),
            )
            if len(numbers) % len(some):
                raise BenchError(
                    f"{self._name}: logged {len(numbers)} numbers for {len(some)} channels, want as many for each; "
                    "check commands.log_read"
                )
            # One channel after the other.
            found += list(numbers.reshape(len(some), -1))
        counts = [len(samples) for samples in found]
        least = min(counts)
        if least < run.points or max(counts) > run.points:
            channel = channels[int(np.argmin(counts) if least < run.points else np.argmax(counts))]
            raise BenchError(
                f"{self._name}: channel {channel} logged {least if least < run.points else max(counts)} of "
                f"{run.points} points; check the trigger cable, or lower fastest_nm_s or highest_trigger_Hz"
            )
        return _amperes(meter, np.array(found))

    def end_log(self, channels: Sequence[int]) -> None:
        """Make it take readings again that are asked for."""
        self._do_all(self._meter.commands.log_stop, channels, {})

    # ------------------------------------------------------------ the laser

    def prepare(self) -> None:
        """Send the start commands up to the first that may switch an output on, and a laser's power."""
        super().prepare()
        if isinstance(self.entry, Laser) and self.entry.commands.power:
            power_mW = self.entry.power_mW
            values = {"power_mW": power_mW, "power_W": 1e-3 * power_mW, "power_dBm": 10.0 * math.log10(power_mW)}
            self._do(Template.parse(self.entry.commands.power, tuple(values)).fill(values))

    def _tune(self, wavelength_nm: float) -> None:
        values = {"wavelength_nm": wavelength_nm, "wavelength_m": wavelength_nm / NM_PER_M}
        template = Template.parse(self._laser.commands.wavelength, tuple(values))
        for field in template.fields:
            factor = 1.0 if field == "wavelength_nm" else NM_PER_M
            sent_pm = 1e3 * abs(factor * template.as_sent(field, values[field]) - wavelength_nm)
            if sent_pm > self._laser.wavelength_error_pm:
                raise InputError(
                    f"{self.where}: {wavelength_nm:.6f} nm is sent {sent_pm:.3g} pm off by commands.wavelength, more "
                    f"than the laser's error of {self._laser.wavelength_error_pm:g} pm; give it more digits"
                )
        self._do(template.fill(values))

    def tuned(self) -> bool:
        """Whether it has come to its wavelength."""
        commands = self._laser.commands
        return not commands.state or _begins(self._ask(commands.state, text=True), commands.ready)

    def read_wavelength_nm(self) -> float | None:
        """The wavelength in nm that it says it has."""
        if not self._laser.commands.query:
            return None
        found = self._read_back(self._laser.commands.query, [0], extra_s=0.0)
        return float(found[0]) * METRES[self._laser.wavelength_unit] * NM_PER_M

    def shine(self, *, lit: bool) -> None:
        """Switch its light on or off."""
        self._do(self._laser.commands.lit if lit else self._laser.commands.dark)

    def choose_bus(self, bus: int) -> None:
        """Put its light on a bus of rows with several."""
        if text := self._laser.commands.bus:
            self._do(Template.parse(text, ("bus",)).fill({"bus": bus + self._laser.first_bus}))

    def _begin_sweep(self, run: SweepRun) -> None:
        commands, values = self._laser.commands, run.values()
        for text in commands.sweep:
            self._do(Template.parse(text, tuple(values)).fill(values))
        self._do(commands.sweep_start)

    def is_sweeping(self) -> bool:
        """Whether the sweep still runs."""
        commands = self._laser.commands
        return not _begins(self._ask(commands.sweep_state, text=True), commands.sweep_done)

    def end_sweep(self) -> None:
        """End a sweep that was not over in time."""
        if command := self._laser.commands.sweep_stop:
            self._do(command)

    def read_logged_nm(self, run: SweepRun) -> Float[ndarray, " points"] | None:
        """Its wavelengths in nm at the triggers of the last sweep; None where it keeps none."""
        laser = self._laser
        if not laser.commands.logged:
            return None
        found = self._ask_numbers(
            laser.commands.logged, values={}, form=laser.log_format, byte_order=laser.log_byte_order, extra_s=0.0
        )
        if len(found) != run.points:
            raise BenchError(
                f"{self._name}: logged {len(found)} of {run.points} points from {run.wavelength_nm[0]:.4f} to "
                f"{run.wavelength_nm[-1]:.4f} nm; a sweep that stopped half way, or largest_points is more than it has"
            )
        return found * METRES[laser.log_unit] * NM_PER_M

    # ------------------------------------------------------------ time

    def wait(self, seconds: float) -> bool:
        """Let simulated time pass, where the instrument can."""
        if not isinstance(self.entry, VoltageSource) or not self.entry.commands.wait:
            return False
        self._do(Template.parse(self.entry.commands.wait, ("seconds",)).fill({"seconds": float(seconds)}))
        return True

    def clock_s(self) -> float | None:
        """Simulated time in s, where the instrument has one."""
        if not isinstance(self.entry, VoltageSource) or not self.entry.commands.clock:
            return None
        return float(self._read_back(self.entry.commands.clock, [0], extra_s=0.0)[0])

    @property
    def _channels(self) -> list[int]:
        return list(channel_map(self._meter).values())

    def _for_ports(self, text: str, channels: Sequence[int], values: dict[str, Value]) -> list[str]:
        """A command with its fields filled: once for each channel where it names one, else once."""
        names = {**values, **self._meter.port_values(1)}
        template = Template.parse(text, tuple(names))
        several = channels if template.fields & set(_PORT) else channels[:1]
        return list(dict.fromkeys(template.fill({**values, **self._meter.port_values(c)}) for c in several))

    def _do_all(self, texts: Sequence[str], channels: Sequence[int], values: dict[str, Value]) -> None:
        for text in texts:
            for command in self._for_ports(text, channels, values):
                self._do(command)

    def _reading_s(self) -> float:
        return self._averages * self._meter.sample_s + self._meter.range_s

    @property
    def _source(self) -> VoltageSource:
        if not isinstance(self.entry, VoltageSource):
            raise self._cannot("drive rings in this role")
        return self.entry

    @property
    def _heater(self) -> HeaterSource:
        if not isinstance(self.entry, HeaterSource):
            raise self._cannot("heat rings in this role")
        return self.entry

    @property
    def _light(self) -> LightSource:
        if not isinstance(self.entry, LightSource):
            raise self._cannot("set light in this role")
        return self.entry

    @property
    def _meter(self) -> CurrentMeter:
        if not isinstance(self.entry, CurrentMeter):
            raise self._cannot("read currents in this role")
        return self.entry

    @property
    def _laser(self) -> Laser:
        if not isinstance(self.entry, Laser):
            raise self._cannot("tune light in this role")
        return self.entry


def _begins(reply: str, text: str) -> bool:
    """Whether an answer begins with what is wanted; the sign of a number is its form."""
    return reply.strip().lstrip("+").upper().startswith(text.lstrip("+").upper())


def _amperes(meter: CurrentMeter, found: ndarray) -> ndarray:
    """Currents in A of what a meter answered."""
    if meter.unit == DBM:
        # A number that stands for none stays one.
        with np.errstate(over="ignore"):
            watts = 1e-3 * 10.0 ** (found / 10.0)
        return np.where(np.isfinite(found) | (found < 0.0), watts * meter.amperes, found)
    return found * meter.amperes
