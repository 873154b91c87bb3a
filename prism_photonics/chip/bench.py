"""A chip on real instruments: the same door as the virtual chip, over the wires that a bench file names.

Whatever ends the job, the rings are parked at the safe voltage and then their heaters at 0 mW: a bench is a context
manager, parks on SIGTERM and SIGHUP as on Ctrl-C, and once more at interpreter exit should nobody have closed it. Only
``kill -9`` and a power cut leave the rings driven; the next bench that opens parks them first. Volts go before heat,
because the field that a film bears falls as it gets hot.
"""

import atexit
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.drivers import AbstractDriver, Links, driver_class
from prism_photonics.chip.heaters import heater_limit_mW, require_both
from prism_photonics.chip.instruments import CurrentMeter, HeaterSource, LightSource, VoltageSource, channel_map
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.lock import InstrumentLocks
from prism_photonics.chip.resource import same_box
from prism_photonics.chip.signals import exit_on_signals, undisturbed
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

# Design choice: a ramp is written in steps of this length, or as fast as the instrument takes them.
RAMP_STEP_S = 0.05


@dataclass
class Tally:
    """What a bench has done: the counts that `benchfile.wall_time_s` takes."""

    settings: int = 0
    heatings: int = 0
    lights: int = 0
    triggers: int = 0
    samples: int = 0


@dataclass
class _Wired:
    """One instrument, the places of the chip that it serves, and what it was last sent, where that is known."""

    driver: AbstractDriver
    entry: Any
    places: tuple[ndarray, ...]
    channels: list[int]
    sent: Float[ndarray, " channels"]
    known: bool = False
    answered: bool = False


@final
class BenchChip(AbstractChip):
    """A chip on the instruments of a bench file. Use it in a ``with`` statement."""

    def __init__(
        self,
        spec: ChipSpec,
        bench: BenchFile | str | Path,
        *,
        report: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    ) -> None:
        """Check the bench against the chip; nothing is opened yet.

        Args:
            spec: The chip; its drive limit holds whatever the instruments could do.
            bench: The instruments, or the path of their bench.toml.
            report: Told, in one line each, of what went wrong while parking.

        Raises:
            InputError: The bench file cannot be read, the channel map is not complete, a driver is not installed, or
                only one of chip and bench has heaters.
        """
        label = bench.name if isinstance(bench, BenchFile) else str(bench)
        bench = bench if isinstance(bench, BenchFile) else BenchFile.from_toml(bench)
        super().__init__(spec, label=label)
        bench.require_complete(self.rows, self.channels)
        self._spec_limit_V = spec.drive.max_voltage_V
        # The tightest of all: a row whose rings hang on two sources must be programmable as one.
        self._max_voltage_V = min(self._spec_limit_V, *(source.max_voltage_V for source in bench.voltage_source))
        if abs(bench.safe_voltage_V) > self._max_voltage_V:
            raise InputError(
                f"bench {bench.name}: safe_voltage_V = {bench.safe_voltage_V:g}: beyond the ±{self._max_voltage_V:g} V "
                "limit of spec and instruments; park at a lower voltage"
            )
        require_both(spec, bench)
        self._max_heater_mW = min((heater_limit_mW(spec), *(source.max_power_mW for source in bench.heater_source)))
        self.bench = bench
        self.tally = Tally()
        self._report = report
        self._links = Links(bench.visa_library)
        self._locks = InstrumentLocks()
        self._sources = [self._wire("voltage_source", i, e) for i, e in enumerate(bench.voltage_source)]
        self._heaters = [self._wire("heater_source", i, e) for i, e in enumerate(bench.heater_source)]
        self._lights = [self._wire("light_source", i, e) for i, e in enumerate(bench.light_source)]
        self._meters = [self._wire("current_meter", i, e) for i, e in enumerate(bench.current_meter)]
        self.names: tuple[str, ...] = ()
        self._opened = False
        self._signals = exit_on_signals()

    # ------------------------------------------------------------ open and close

    def open(self) -> None:
        """Connect, check who answers (`names`, in the order of the bench file), and park the rings.

        An open bench stays as it is. One that nobody closes is parked when the interpreter ends.

        Raises:
            BenchError: An instrument does not answer, or is not the one that the bench file names.
            InputError: Another program has one of them.
        """
        if self._opened:
            return
        # Before anything is opened or moved: another program may be measuring.
        self._locks.take([wired.entry.resource for wired in self._all()])
        self._opened = True
        try:
            self.names = tuple(self._greet(wired) for wired in self._all())
            # After the lines are open: what is registered last runs first, and pyvisa closes its lines at exit too.
            atexit.register(self._close_at_exit)
            for source in (*self._sources, *self._heaters):
                self._park(source)
            self._shine(np.zeros(self.channels))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Park the rings as far as the instruments still answer, then disconnect. Nothing happens the second time.

        Raises:
            BenchError: Rings could not be parked, and no other error is on its way.
        """
        if not self._opened:
            return
        with undisturbed():
            self._opened = False
            atexit.unregister(self._close_at_exit)
            troubles = self._park_best_effort()
            for wired in (w for w in self._all() if w.answered):
                try:
                    wired.driver.close()
                except InputError as error:
                    troubles.append(f"{error}")
            for wired in (w for w in self._all() if w.answered):
                wired.driver.release()
            self._links.close()
            self._locks.release()
            for trouble in troubles:
                self._report(f"bench {self.bench.name}: {trouble}")
        if troubles and sys.exception() is None:
            raise BenchError(f"bench {self.bench.name}: closed with {len(troubles)} faults, first: {troubles[0]}")

    def __enter__(self) -> "BenchChip":
        self._signals = exit_on_signals()
        self._signals.__enter__()
        try:
            self.open()
        except BaseException:
            self._signals.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.close()
        finally:
            self._signals.__exit__(None, None, None)

    # ------------------------------------------------------------ the chip's door

    def _wait(self, seconds: float) -> None:
        """Let time pass: a real bench sleeps, a virtual one may be told to move its clock."""
        # One clock is moved once, however many entries name it.
        if not any(source.driver.wait(seconds) for source in self._sources):
            time.sleep(seconds)

    def _clock_s(self) -> float:
        simulated = (source.driver.clock_s() for source in self._sources)
        return next((seconds for seconds in simulated if seconds is not None), time.monotonic())

    def _drive(self, volts: Float[ndarray, "rows rings"]) -> None:
        with self._saying_what_was_done():
            for source in self._sources:
                self._write(source, volts[source.places])
            _settle(self._sources)
            self._verify()
        self.tally.settings += 1

    def _heat(self, power_mW: Float[ndarray, "rows rings"]) -> None:
        with self._saying_what_was_done():
            for source in self._heaters:
                self._warm(source, power_mW[source.places])
            _settle(self._heaters)
        self.tally.heatings += 1

    def _read(self, light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
        with self._saying_what_was_done():
            self._shine(light)
            for meter in self._meters:
                meter.driver.arm(averages)
            _settle(self._meters)
            for meter in self._meters:
                meter.driver.trigger()
            current_A = np.full(self.rows, np.nan)
            for meter in self._meters:
                found = meter.driver.read(meter.channels)
                self._refuse_faults(meter, found)
                current_A[meter.places] = found
        self.tally.triggers += 1
        self.tally.samples += averages
        return current_A

    # ------------------------------------------------------------ voltages

    def _write(self, source: _Wired, volts: Float[ndarray, " channels"]) -> None:
        """Write one source's voltages, no faster than its ramp allows."""
        ramp_V_s = source.entry.ramp_V_s
        if ramp_V_s and not source.known:
            self._ask_where(source)
        steps = 1
        if ramp_V_s and source.known:
            steps = max(1, int(np.ceil(np.abs(volts - source.sent).max() / (ramp_V_s * RAMP_STEP_S))))
        start = source.sent
        for step in range(1, steps + 1):
            # The last step is the voltage itself, to the last bit.
            now = volts if step == steps else start + (volts - start) * step / steps
            source.known = False
            source.driver.write_volts(source.channels, now)
            source.sent, source.known = now.copy(), True
            if step < steps:
                time.sleep(RAMP_STEP_S)

    def _ask_where(self, source: _Wired) -> None:
        """Where a ramp begins after a failure or after a program that was killed, where the source can tell."""
        try:
            found = source.driver.read_volts(source.channels)
        except InputError:
            source.driver.recover()
            return
        # From outside the limit no ramp could be written: then there is but the jump.
        source.sent, source.known = found, bool((np.abs(found) <= self.max_voltage_V).all())

    def _verify(self) -> None:
        for source in self._sources:
            allowed_V = source.entry.verify_V
            if not allowed_V:
                continue
            found = source.driver.read_volts(source.channels)
            wrong = np.flatnonzero(~(np.abs(found - source.sent) <= allowed_V))
            if wrong.size:
                i = int(wrong[0])
                row, ring = (int(place[i]) for place in source.places)
                raise BenchError(
                    f"{source.driver.where} ({source.entry.resource}): ring {ring} of row {row} (channel "
                    f"{source.channels[i]}) was set to {source.sent[i]:.6g} V and reads {found[i]:.6g} V "
                    f"({wrong.size} channels are off by more than {allowed_V:g} V); a stuck channel, or verify_V is "
                    "below the source's resolution"
                )

    def _warm(self, source: _Wired, power_mW: Float[ndarray, " channels"]) -> None:
        """Write the powers of one source's heaters that change."""
        changed = np.flatnonzero(~(source.known & (source.sent == power_mW)))
        if changed.size:
            source.known = False
            source.driver.write_powers([source.channels[i] for i in changed], power_mW[changed])
        source.sent, source.known = power_mW.copy(), True

    def _park(self, source: _Wired) -> None:
        if isinstance(source.entry, HeaterSource):
            # Written though they may be off already.
            source.known = False
            self._warm(source, np.zeros(len(source.channels)))
        else:
            self._write(source, np.full(len(source.channels), self.bench.safe_voltage_V))

    def _park_best_effort(self) -> list[str]:
        troubles = []
        # One that never answered was never driven by this program.
        for source in (s for s in (*self._sources, *self._heaters) if s.answered):
            rows = sorted({int(row) for row in source.places[0]})
            trouble = self._parking_trouble(source)
            if trouble:
                # The first exchange may have shown what the failure before left on the line.
                trouble = self._parking_trouble(source)
            if trouble:
                heats = isinstance(source.entry, HeaterSource)
                troubles.append(
                    f"the {'heaters' if heats else 'rings'} of rows {rows[0]} to {rows[-1]} could not be parked and "
                    f"may still be {'on' if heats else 'driven'} ({trouble}); switch that source off by hand"
                )
        return troubles

    def _parking_trouble(self, source: _Wired) -> str:
        try:
            source.driver.recover()
            self._park(source)
        except Exception as error:  # parking goes on whatever one instrument's driver raises
            return str(error) or type(error).__name__
        return ""

    # ------------------------------------------------------------ light and currents

    def _shine(self, light: Float[ndarray, " channels"]) -> None:
        changed = [s for s in self._lights if not (s.known and np.array_equal(s.sent, light[s.places]))]
        for source in changed:
            source.known = False
            source.driver.set_light(source.channels, light[source.places])
            source.sent, source.known = light[source.places], True
        if changed:
            self.tally.lights += 1
            _settle(changed)

    def _refuse_faults(self, meter: _Wired, found: Float[ndarray, " channels"]) -> None:
        bad = np.flatnonzero(~np.isfinite(found))
        if bad.size:
            i = int(bad[0])
            overload = np.isinf(found[i])
            raise BenchError(
                f"{meter.driver.where} ({meter.entry.resource}): row {int(meter.places[0][i])} (channel "
                f"{meter.channels[i]}): "
                + (
                    "overload: a saturated detector, or the meter's range is too small; raise the range"
                    if overload
                    else "the reading is not a number; check that channel and its detector"
                )
            )

    # ------------------------------------------------------------ the rest

    def _greet(self, wired: _Wired) -> str:
        wired.known = wired.answered = False
        wired.driver.open()
        name = wired.driver.idn()
        if wired.entry.idn not in name:
            raise BenchError(
                f"{wired.driver.where} ({wired.entry.resource}): says it is {name!r}, the bench file wants "
                f"{wired.entry.idn!r}; check address and cable"
            )
        wired.answered = True
        return name

    def _close_at_exit(self) -> None:
        with suppress(BenchError):  # reported already, and nobody is left to catch it
            self.close()

    def _all(self) -> Iterator[_Wired]:
        yield from (*self._sources, *self._heaters, *self._lights, *self._meters)

    def _wire(self, role: str, number: int, entry: VoltageSource | HeaterSource | LightSource | CurrentMeter) -> _Wired:
        limits = [
            source.max_voltage_V for source in self.bench.voltage_source if same_box(source.resource, entry.resource)
        ]
        # An instrument that holds no rings has no voltage to be limited.
        limit_V = min(self._spec_limit_V, *limits) if limits else np.inf
        heaters = [source for source in self.bench.heater_source if same_box(source.resource, entry.resource)]
        most_heat = min((source.sent(self._max_heater_mW) for source in heaters), default=np.inf)
        where = f"{role}.{number}"
        try:
            driver = driver_class(entry.driver)(
                where,
                entry,
                limit_V=limit_V,
                limit_mW=self._max_heater_mW,
                most_heat=most_heat,
                links=self._links,
            )
        except InputError as error:
            raise InputError(f"bench {self.bench.name}: {error}") from None
        mapped = channel_map(entry)
        places = tuple(np.array(axis) for axis in zip(*mapped, strict=True))
        return _Wired(driver, entry, places, list(mapped.values()), np.zeros(len(mapped)))

    @contextmanager
    def _saying_what_was_done(self) -> Iterator[None]:
        if not self._opened:
            raise InputError(f"bench {self.bench.name}: not open; use it in a with statement")
        try:
            yield
        except BenchError as error:
            done = self.tally
            raise BenchError(f"{error} [after {done.settings} settings and {done.triggers} readings]") from None


def _settle(changed: list[_Wired]) -> None:
    if settle_s := max(wired.entry.settle_s for wired in changed):
        time.sleep(settle_s)
