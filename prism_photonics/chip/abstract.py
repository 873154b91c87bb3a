"""Interface of a chip, virtual or real: `set`, `measure`, and its ratings."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.chip.laser import LaserRange, Sweep, checked_wavelengths, lit_line
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

# Three years: far beyond any job, and short enough that a clock of doubles still counts nanoseconds.
LONGEST_WAIT_S = 1e8


class AbstractChip(ABC):
    """A chip on a bench, with only what a bench of instruments can do."""

    def __init__(self, spec: ChipSpec, *, label: str = "") -> None:
        self._spec, self._label = spec, label
        self._rows = spec.chip.rows
        self._channels = spec.chip.rings
        self._max_voltage_V = spec.drive.max_voltage_V
        self._over_voltage_attempts = 0
        self._max_heater_mW = 0.0
        self._over_power_attempts = 0
        self._heater_mW = np.zeros((self._rows, self._channels))
        places = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
        self._channel_of_ring = np.broadcast_to(np.arange(spec.chip.channels), places)
        self._time_s = 0.0
        self._laser: LaserRange | None = None

    def __repr__(self) -> str:
        """Class, label, spec and size."""
        where = f" ({self.label})" if self.label else ""
        return f"<{type(self).__name__}{where}: {self.spec.name}, {self.rows} × {self.channels} rings>"

    @property
    def spec(self) -> ChipSpec:
        """The spec that the chip was made to."""
        return self._spec

    @property
    def label(self) -> str:
        """Which chip this is, as records name it: ``virtual:0``, or its bench file; empty where nobody said."""
        return self._label

    def open(self) -> None:
        """Make the chip ready to be set and measured; one that is ready stays as it is."""
        return

    @property
    def rows(self) -> int:
        """Rows, each with its balanced pair."""
        return self._rows

    @property
    def channels(self) -> int:
        """Modulated channels, one ring each per row; of several buses one after the other."""
        return self._channels

    @property
    def max_voltage_V(self) -> float:
        """Largest ring voltage, either sign; it cannot be changed."""
        return self._max_voltage_V

    @property
    def over_voltage_attempts(self) -> int:
        """How often a voltage beyond the limit was asked for; each was refused, and nothing was written."""
        return self._over_voltage_attempts

    @property
    def time_s(self) -> float:
        """When the last reading ended, in s, on the bench's clock; only differences mean something."""
        return self._time_s

    @property
    def paused(self) -> bool:
        """Whether time may have passed since the last reading; a bench of instruments always says so."""
        return True

    @property
    def laser(self) -> LaserRange | None:
        """The tunable laser that lights the chip, one line at a time; None where a comb and its modulators do."""
        return self._laser

    @property
    def channel_of_ring(self) -> Int[ndarray, "rows buses channels"]:
        """The channel that the ring at each place along its bus serves: its own, unless `assign` said another."""
        return self._channel_of_ring

    def assign(
        self, channel_of_ring: Int[ndarray, "rows buses channels"], power_mW: Float[ndarray, "rows rings"] | None
    ) -> None:
        """Heat every ring to the channel that it is to serve from now on.

        Args:
            channel_of_ring: One ring for every channel of every bus.
            power_mW: Heater powers in mW that bring them there; None where a permanent trimming did.

        Raises:
            InputError: A channel without a ring, or powers that `heat` refuses.
        """
        want = np.broadcast_to(np.arange(self._channel_of_ring.shape[-1]), self._channel_of_ring.shape)
        if channel_of_ring.shape != want.shape or (np.sort(channel_of_ring, axis=-1) != want).any():
            raise InputError("chip.assign: every channel of every bus wants exactly one ring; search and assign again")
        if power_mW is not None:
            self.heat(power_mW)
        self._channel_of_ring = channel_of_ring

    @property
    def max_heater_mW(self) -> float:
        """Largest power of one ring's heater; 0 on a chip or a bench without heaters."""
        return self._max_heater_mW

    @property
    def heater_mW(self) -> Float[ndarray, "rows rings"]:
        """Heater powers in mW as they were set last; 0 before."""
        return self._heater_mW

    @property
    def over_power_attempts(self) -> int:
        """How often a heater power beyond the limit was asked for; each was refused, and nothing was written."""
        return self._over_power_attempts

    def set(self, volts: Float[ndarray, "rows rings"]) -> None:
        """Drive every ring; the driver rounds to its DAC grid.

        Args:
            volts: Ring voltages in V.

        Raises:
            InputError: Wrong shape, NaN, or a voltage above the limit; nothing is written then.
        """
        volts = np.asarray(volts, dtype=float)
        if volts.shape != (self.rows, self.channels):
            raise InputError(f"chip.set: volts of shape {volts.shape}; this chip takes ({self.rows}, {self.channels})")
        bad = np.argwhere(~(np.abs(volts) <= self.max_voltage_V))
        if bad.size:
            self._over_voltage_attempts += 1
            row, ring = bad[0]
            raise InputError(
                f"ring {ring} of row {row}: {volts[row, ring]:.4g} V is not within the ±{self.max_voltage_V:g} V limit "
                "of drive.max_voltage_V; nothing was written; lower the weight range"
            )
        self._drive(volts)

    def measure(self, light: Float[ndarray, " channels"], *, averages: int = 1) -> Float[ndarray, " rows"]:
        """Light the channels and read every row's balanced photocurrent.

        Args:
            light: Transmission of each channel's modulator, 0 (dark) to 1 (full line). A bench with one tunable laser
                lights no line or one of them fully: the laser goes to the design's wavelength of that channel.
            averages: Number of converter samples that are averaged.

        Returns:
            Currents in A.

        Raises:
            InputError: Wrong number of channels, NaN or light outside 0 to 1, averages below 1, or light that one laser
                cannot give.
        """
        light = np.asarray(light, dtype=float)
        if light.shape != (self.channels,):
            raise InputError(f"chip.measure: light for {light.shape} channels; this chip has {self.channels}")
        bad = np.flatnonzero(~((light >= 0.0) & (light <= 1.0)))
        if bad.size:
            raise InputError(
                f"chip.measure: channel {bad[0]}: light {light[bad[0]]:g} is not within 0 to 1; rescale the query"
            )
        if averages < 1:
            raise InputError(f"chip.measure: averages = {averages}; use 1 or more")
        if self.laser is not None:
            lit_line(light)
        current_A = self._read(light, averages)
        self._time_s = self._clock_s()
        return current_A

    def sweep(self, wavelength_nm: Float[ndarray, " points"], *, averages: int = 1, bus: int | None = None) -> Sweep:
        """Sweep the laser at full power over one bus of every row, and read the rows' balanced currents on the way.

        Args:
            wavelength_nm: Ascending wavelengths in nm. Where they jump, the laser stops and starts a new stretch.
            averages: Number of converter samples that are averaged at each point.
            bus: Whose fibre the laser is in; not needed where the chip's rows have one bus.

        Returns:
            Logged wavelengths, currents and times.

        Raises:
            InputError: A bench without a laser, wavelengths that it cannot sweep, averages below 1, or no such bus.
        """
        if self.laser is None:
            raise self._no_laser()
        wavelength_nm = checked_wavelengths(wavelength_nm, self.laser)
        if averages < 1:
            raise InputError(f"chip.sweep: averages = {averages}; use 1 or more")
        buses = self._spec.chip.buses
        if bus is None and buses > 1:
            raise InputError(f"chip.sweep: rows of {buses} buses, and one laser; say which bus, 0 to {buses - 1}")
        bus = 0 if bus is None else bus
        if not 0 <= bus < buses:
            raise InputError(f"chip.sweep: bus {bus}, want 0 to {buses - 1}; this chip has no other")
        found = self._sweep(wavelength_nm, averages, bus)
        self._time_s = self._clock_s()
        return found

    def heat(self, power_mW: Float[ndarray, "rows rings"]) -> None:
        """Heat every ring; a heater moves its ring to the red, and stays on until it is set anew.

        Args:
            power_mW: Heater powers in mW.

        Raises:
            InputError: No heaters, wrong shape, NaN, or a power below 0 or above the limit; nothing is written then.
        """
        power_mW = np.asarray(power_mW, dtype=float)
        if not self.max_heater_mW:
            raise self._no_heaters()
        if power_mW.shape != (self.rows, self.channels):
            raise InputError(
                f"chip.heat: powers of shape {power_mW.shape}; this chip takes ({self.rows}, {self.channels})"
            )
        bad = np.argwhere(~((power_mW >= 0.0) & (power_mW <= self.max_heater_mW)))
        if bad.size:
            self._over_power_attempts += 1
            row, ring = bad[0]
            raise InputError(
                f"ring {ring} of row {row}: heater power {power_mW[row, ring]:.4g} mW is not within 0 to "
                f"{self.max_heater_mW:.4g} mW; nothing was written; assign again"
            )
        self._heat(power_mW)
        self._heater_mW = power_mW

    def wait(self, seconds: float) -> None:
        """Let time pass: on a bench by waiting, on a virtual chip by its own clock.

        Raises:
            InputError: The time is negative, not a number, or beyond three years.
        """
        if not 0.0 <= seconds <= LONGEST_WAIT_S:
            raise InputError(f"chip.wait: {seconds} s; time passes forwards: want 0 to {LONGEST_WAIT_S:g} s")
        self._wait(seconds)

    def _heat(self, power_mW: Float[ndarray, "rows rings"]) -> None:
        """Write checked heater powers, on benches that can."""
        raise self._no_heaters()

    def _no_heaters(self) -> InputError:
        return InputError("chip.heat: this chip has no heaters; want trim.method = 'heater' and a bench that heats")

    def _sweep(self, wavelength_nm: Float[ndarray, " points"], averages: int, bus: int) -> Sweep:
        """Sweep over checked wavelengths, on benches that can."""
        raise self._no_laser()

    def _no_laser(self) -> InputError:
        return InputError(
            "chip.sweep: this bench has a comb and no tunable laser; want one with light = 'tunable_laser'"
        )

    @abstractmethod
    def _clock_s(self) -> float:
        """The bench's clock now, in s."""

    @abstractmethod
    def _wait(self, seconds: float) -> None:
        """Let a checked time pass."""

    @abstractmethod
    def _drive(self, volts: Float[ndarray, "rows rings"]) -> None:
        """Write checked voltages."""

    @abstractmethod
    def _read(self, light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
        """Read currents at checked light."""
