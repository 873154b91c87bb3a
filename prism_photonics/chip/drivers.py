"""The interface of an instrument's driver; `registry` has the drivers that are installed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.filetables import Instrument
from prism_photonics.chip.laserfile import Laser
from prism_photonics.chip.link import Link
from prism_photonics.chip.resource import canonical
from prism_photonics.chip.sweeping import SweepRun
from prism_photonics.units import InputError


@final
class Links:
    """The open lines of one bench: instruments that share a resource share its line."""

    def __init__(self, library: str = "@py") -> None:
        self._library = library
        self._open: dict[str, Link] = {}

    def get(self, entry: Instrument) -> Link:
        """The line to an instrument, opened the first time."""
        name = canonical(entry.resource)
        if name not in self._open:
            self._open[name] = Link(
                entry.resource,
                timeout_s=entry.timeout_s,
                library=self._library,
                read_termination=entry.read_termination,
                write_termination=entry.write_termination,
                encoding=entry.encoding,
            )
        return self._open[name]

    def close(self) -> None:
        """Close every line."""
        while self._open:
            self._open.popitem()[1].close()


class AbstractDriver(ABC):
    """One instrument in one role. A subclass implements what its role needs; the rest refuses.

    Attributes:
        where: Role and number in the bench file, such as ``voltage_source.0``.
        entry: Its table there.
        limit_V: Largest voltage that may be written, either sign: the smaller of the spec's and the instrument's.
        limit_mW: Largest power of one heater that may be written, of the same two.
        most_heat: That power as the instrument is told it, where heaters hang on it in any role: no fixed command may
            spell out more.
    """

    def __init__(
        self,
        where: str,
        entry: Instrument,
        *,
        limit_V: float,
        limit_mW: float = np.inf,
        most_heat: float = np.inf,
        links: Links,
    ) -> None:
        self.where = where
        self.entry = entry
        self.limit_V = limit_V
        self.limit_mW = limit_mW
        self.most_heat = most_heat
        self.links = links

    @abstractmethod
    def open(self) -> None:
        """Connect."""

    @property
    def switches_on(self) -> bool:
        """Whether `switch_on` will do something, so that rings have to be parked before it."""
        return False

    def prepare(self) -> None:
        """Do what has to be done once, before rings can be parked; the right instrument has answered."""
        return

    def switch_on(self) -> None:
        """Switch the outputs on, which are set to the safe voltage."""
        return

    def require_harmless(self, *, limit_V: float, most_heat: float) -> None:
        """Refuse the bench file's fixed commands if they could drive more than the limit.

        Args:
            limit_V: Largest voltage, either sign, of the sources that are in the same box, if any.
            most_heat: The same of a heater, in the unit that the instrument is sent.

        Raises:
            InputError: Something is not proven harmless.
        """
        return

    def recover(self) -> None:
        """Restore communication after a failed exchange, so that the instrument's rings can be parked."""
        return

    def stop_asking(self) -> None:
        """Send without asking whether it was taken, until the instrument is opened again: the last that can be done to
        park rings on one that listens and does not answer.
        """
        return

    def release(self) -> None:
        """Release the instrument for other programs, as its last command; one that does not answer is no error."""
        return

    @abstractmethod
    def idn(self) -> str:
        """The instrument's identification, its answer to ``*IDN?``."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect; a dead instrument is no error."""

    @final
    def write_volts(self, channels: Sequence[int], volts: Float[ndarray, " channels"]) -> None:
        """Write voltages in V; above the limit nothing is written, whoever asked for it.

        Raises:
            InputError: A voltage is not within the limit.
            BenchError: The instrument did not take them.
        """
        bad = np.flatnonzero(~(np.abs(volts) <= self.limit_V))
        if bad.size:
            raise InputError(
                f"{self.where} ({self.entry.resource}): channel {channels[bad[0]]}: {volts[bad[0]]:.6g} V is not "
                f"within the ±{self.limit_V:g} V that this instrument may be sent; nothing was written"
            )
        self._write_volts(channels, volts)

    def _write_volts(self, channels: Sequence[int], volts: Float[ndarray, " channels"]) -> None:
        """Write voltages that were checked."""
        raise self._cannot("write voltages")

    @final
    def write_powers(self, channels: Sequence[int], power_mW: Float[ndarray, " channels"]) -> None:
        """Write heater powers in mW; below 0 or above the limit nothing is written, whoever asked for it.

        Raises:
            InputError: A power is not within the limit.
            BenchError: The instrument did not take them.
        """
        bad = np.flatnonzero(~((power_mW >= 0.0) & (power_mW <= self.limit_mW)))
        if bad.size:
            raise InputError(
                f"{self.where} ({self.entry.resource}): channel {channels[bad[0]]}: {power_mW[bad[0]]:.6g} mW is not "
                f"within the 0 to {self.limit_mW:.6g} mW that this instrument may be sent; nothing was written"
            )
        self._write_powers(channels, power_mW)

    def _write_powers(self, channels: Sequence[int], power_mW: Float[ndarray, " channels"]) -> None:
        """Write powers that were checked."""
        raise self._cannot("heat")

    def read_volts(self, channels: Sequence[int]) -> Float[ndarray, " channels"]:
        """Voltages in V as the instrument reports them."""
        raise self._cannot("read voltages back")

    def set_light(self, channels: Sequence[int], light: Float[ndarray, " channels"]) -> None:
        """Set transmissions, 0 to 1."""
        raise self._cannot("set light")

    @final
    def tune(self, wavelength_nm: float) -> None:
        """Set a laser's wavelength in nm; outside its range nothing is written, whoever asked for it.

        Raises:
            InputError: It is outside.
            BenchError: The laser did not take it.
        """
        require_in_range(self.where, self.entry, np.array([wavelength_nm]))
        self._tune(wavelength_nm)

    def _tune(self, wavelength_nm: float) -> None:
        """Set a wavelength that was checked."""
        raise self._cannot("set a wavelength")

    def tuned(self) -> bool:
        """Whether a laser has come to its wavelength; one that cannot tell has, after its settling time."""
        return True

    def read_wavelength_nm(self) -> float | None:
        """The wavelength in nm that a laser says it has; None where it cannot tell."""
        return None

    def shine(self, *, lit: bool) -> None:
        """Switch a laser's light on or off."""
        raise self._cannot("switch a laser's light")

    def choose_bus(self, bus: int) -> None:
        """Put a laser's light on a bus of rows with several, counted from 0."""
        raise self._cannot("put its light on another bus")

    @final
    def begin_sweep(self, run: SweepRun) -> None:
        """Start a laser's continuous sweep; outside its range nothing is written.

        Raises:
            InputError: It goes outside.
            BenchError: The laser did not take it.
        """
        require_in_range(self.where, self.entry, run.wavelength_nm)
        self._begin_sweep(run)

    def _begin_sweep(self, run: SweepRun) -> None:
        """Start a sweep that was checked."""
        raise self._cannot("sweep")

    def is_sweeping(self) -> bool:
        """Whether the sweep still runs."""
        raise self._cannot("sweep")

    def end_sweep(self) -> None:
        """End a sweep that was not over in time."""
        return

    def read_logged_nm(self, run: SweepRun) -> Float[ndarray, " points"] | None:
        """The laser's wavelengths in nm at the triggers of the last sweep; None where it keeps none."""
        return None

    def set_range(self, channels: Sequence[int], number: int) -> None:
        """Choose a meter's range, counted from 0."""
        raise self._cannot("choose a range")

    def arm_log(self, channels: Sequence[int], run: SweepRun) -> None:
        """Make a meter take one sample at each trigger of a sweep."""
        raise self._cannot("log a sweep")

    def is_logging(self) -> bool:
        """Whether samples of a sweep are still missing, as far as the meter says."""
        return False

    def read_log(self, channels: Sequence[int], run: SweepRun) -> Float[ndarray, "channels points"]:
        """Currents in A of the last sweep; NaN or infinite where the meter says so."""
        raise self._cannot("log a sweep")

    def end_log(self, channels: Sequence[int]) -> None:
        """Make a meter take readings again that are asked for."""
        return

    def arm(self, averages: int) -> None:
        """Choose how many samples a reading averages."""
        raise self._cannot("average")

    def trigger(self) -> None:
        """Begin a reading of all channels."""
        raise self._cannot("be triggered")

    def require_triggered(self) -> None:
        """Refuse a reading that the instrument did not begin.

        Raises:
            BenchError: It says so.
        """
        return

    def read(self, channels: Sequence[int]) -> Float[ndarray, " channels"]:
        """Currents in A of the reading that was triggered; NaN or infinite where the instrument says so."""
        raise self._cannot("read currents")

    def wait(self, seconds: float) -> bool:
        """Let simulated time pass; False where time is real and the caller must sleep."""
        return False

    def clock_s(self) -> float | None:
        """Simulated time in s; None where time is real."""
        return None

    def _cannot(self, what: str) -> InputError:
        return InputError(f"{self.where}: driver '{self.entry.driver}' cannot {what}; choose a driver that can")


def require_in_range(where: str, entry: Instrument, wavelength_nm: Float[ndarray, " points"]) -> None:
    """Refuse wavelengths in nm that a laser cannot have.

    Raises:
        InputError: One is outside its range, or no number.
    """
    if not isinstance(entry, Laser):
        raise InputError(f"{where}: is no laser; want a [[laser]]")
    bad = np.flatnonzero(~((wavelength_nm >= entry.shortest_nm) & (wavelength_nm <= entry.longest_nm)))
    if bad.size:
        raise InputError(
            f"{where} ({entry.resource}): {wavelength_nm[bad[0]]:.4f} nm is outside the laser's range of "
            f"{entry.shortest_nm:g} to {entry.longest_nm:g} nm; nothing was written: mend shortest_nm and longest_nm "
            "if it can do more, or take a laser that reaches the chip's channels"
        )
