"""A chip on the instruments of a bench file, with the interface of the virtual chip.

Whatever ends the job, the rings are parked at the safe voltage, then their heaters at 0 mW, and then the light is put
out: a bench is a context manager, parks on SIGTERM and SIGHUP as on Ctrl-C, and should nobody have closed it, when the
chip is not used any more or the interpreter ends. Only ``kill -9`` and a power cut leave the rings driven; the next
bench that opens parks them first. Volts go before heat, because the field that a film bears falls as it gets hot.
"""

import atexit
import functools
import re
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.drivers import Links
from prism_photonics.chip.heaters import heater_limit_mW, require_both
from prism_photonics.chip.instruments import Entry
from prism_photonics.chip.laser import Sweep, checked_wavelengths, lit_line
from prism_photonics.chip.lasing import TunedLaser
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.lock import InstrumentLocks
from prism_photonics.chip.metering import Meters
from prism_photonics.chip.parking import Parking
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.chip.registry import driver_class
from prism_photonics.chip.resource import same_box
from prism_photonics.chip.signals import hold_signals, release_signals, undisturbed
from prism_photonics.chip.swept import take_sweep
from prism_photonics.chip.wired import Wired
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM, InputError, counted

# How a served chip says in its name which spec it was made by; real instruments do not.
SPEC_IN_NAME = re.compile(r"spec:([0-9a-f]{12})")
# Design choice: a meter's range, where the bench file has none; the spec's converter is at its rail long before.
RANGE_OVER_CONVERTER = 10.0


@final
class BenchChip(AbstractChip):
    """A chip on the instruments of a bench file. Use it in a ``with`` statement."""

    # Here, for `__del__` of a chip that was refused.
    _opened = False

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
        self.tally = MeasurementPlan()
        self._report = report
        self._links = Links(bench.visa_library)
        self._locks = InstrumentLocks()
        self._sources = [self._wire("voltage_source", i, e) for i, e in enumerate(bench.voltage_source)]
        self._heaters = [self._wire("heater_source", i, e) for i, e in enumerate(bench.heater_source)]
        self._lights = [self._wire("light_source", i, e) for i, e in enumerate(bench.light_source)]
        self._lights += [self._wire("laser", i, e) for i, e in enumerate(bench.laser)]
        self._wired_meters = [self._wire("current_meter", i, e) for i, e in enumerate(bench.current_meter)]
        self.names: tuple[str, ...] = ()
        self._at_exit = functools.partial(_close_if_open, weakref.ref(self))
        self._clock_was_s = 0.0
        largest_A = RANGE_OVER_CONVERTER * spec.detector_design.adc_full_scale_A
        self._meters = Meters(self._wired_meters, rows=self.rows, largest_A=largest_A)
        self._parking = Parking(
            rings=(*self._sources, *self._heaters),
            lights=tuple(self._lights),
            safe_voltage_V=bench.safe_voltage_V,
            limit_V=self._max_voltage_V,
        )
        self._spec_hash = spec.hash
        self._tunable = self._laser_of(spec, bench)

    # ------------------------------------------------------------ open and close

    def open(self) -> None:
        """Connect, check who answers (`names`, in the order of the bench file), and park the rings.

        An open bench stays as it is. One that nobody closes is closed when the chip is not used any more, when the
        interpreter ends, and on SIGTERM and SIGHUP.

        Raises:
            BenchError: An instrument does not answer, or is not the one that the bench file names.
            InputError: Another program has one of them.
        """
        if self._opened:
            return
        # Before anything is opened or moved: another program may be measuring.
        self._locks.take([wired.entry.resource for wired in self._all()])
        self._opened, self._clock_was_s = True, 0.0
        self._meters.forget()
        if self._tunable is not None:
            self._tunable.forget()
        hold_signals()
        try:
            # All of them before any is told something.
            self.names = tuple(self._greet(wired) for wired in self._all())
            self._refuse_aliases()
            # After the lines are open: what is registered last runs first, and pyvisa closes its lines at exit too.
            atexit.register(self._at_exit)
            for wired in self._all():
                wired.driver.prepare()
            # An output that is switched on gives what it was last told, by whoever that was.
            if any(wired.driver.switches_on for wired in self._all()):
                self._parking.park()
            for wired in self._all():
                wired.driver.switch_on()
            self._parking.park()
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
        try:
            with undisturbed():
                self._opened = False
                atexit.unregister(self._at_exit)
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
        finally:
            release_signals()
        if troubles and sys.exception() is None:
            faults = counted(len(troubles), "fault")
            raise BenchError(f"bench {self.bench.name}: closed with {faults}, first: {troubles[0]}")

    def __enter__(self) -> "BenchChip":
        self.open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        _close_if_open(lambda: self)

    # ------------------------------------------------------------ the chip's door

    def _wait(self, seconds: float) -> None:
        """Let time pass: a real bench sleeps, a virtual one's clock may be moved by a command."""
        # One clock is moved once, however many entries name it.
        if not any(source.driver.wait(seconds) for source in self._sources):
            time.sleep(seconds)

    def _clock_s(self) -> float:
        for source in self._sources:
            seconds = source.driver.clock_s()
            if seconds is None:
                continue
            if not 0.0 <= self._clock_was_s <= seconds < np.inf:
                raise BenchError(
                    f"{source.driver.where} ({source.entry.resource}): its clock says {seconds:g} s after "
                    f"{self._clock_was_s:g} s; time passes forwards: check commands.clock"
                )
            self._clock_was_s = seconds
            return seconds
        return time.monotonic()

    def _drive(self, volts: Float[ndarray, "rows rings"]) -> None:
        with self._saying_what_was_done():
            for source in self._sources:
                source.write(volts[source.places], limit_V=self.max_voltage_V)
            _settle(self._sources)
            for source in self._sources:
                source.verify()
        self._count(MeasurementPlan(settings=1))

    def _heat(self, power_mW: Float[ndarray, "rows rings"]) -> None:
        with self._saying_what_was_done():
            for source in self._heaters:
                source.set_powers(power_mW[source.places])
            _settle(self._heaters)
        self._count(MeasurementPlan(heatings=1))

    def _read(self, light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
        with self._saying_what_was_done():
            self._shine(light)
            current_A, taken = self._meters.read(averages)
        self._count(MeasurementPlan(triggers=1, samples=averages) * taken)
        return current_A

    def require_ports(
        self, wavelength_nm: Float[ndarray, " points"], *, where: str = "chip.sweep_ports"
    ) -> Float[ndarray, " points"]:
        """The same wavelengths, of a bench that can sweep over them and read the photodiodes apart.

        Raises:
            InputError: It cannot, or the wavelengths are none.
        """
        if self.laser is None:
            raise self._no_laser()
        self._meters.require_apart()
        return checked_wavelengths(wavelength_nm, self.laser, where=where)

    def sweep_ports(self, wavelength_nm: Float[ndarray, " points"], *, averages: int = 1, bus: int = 0) -> Sweep:
        """Sweep the laser, and read both photodiodes of every row apart: all through ports, then all drop ports.

        Arguments and errors are those of `sweep`. What the photodiodes read in the dark is taken off.

        Raises:
            InputError: A pair that is subtracted before its meter, too.
        """
        wavelength_nm = self.require_ports(wavelength_nm)
        assert self._tunable is not None
        with self._saying_what_was_done():
            self._tunable.darken()
            dark_A, taken = self._meters.read(averages, apart=True)
        self._count(MeasurementPlan(triggers=1, samples=averages) * taken)
        found = self._sweep(wavelength_nm, averages, bus, apart=True)
        return replace(found, current_A=found.current_A - dark_A)

    def _sweep(
        self, wavelength_nm: Float[ndarray, " points"], averages: int, bus: int, *, apart: bool = False
    ) -> Sweep:
        if self._tunable is None:
            raise self._no_laser()
        with self._saying_what_was_done():
            return take_sweep(
                wavelength_nm,
                laser=self._tunable,
                entry=self.bench.laser[0],
                meters=self._meters,
                averages=averages,
                bus=bus,
                clock_s=self._clock_s,
                count=self._count,
                apart=apart,
            )

    def _park_best_effort(self) -> list[str]:
        return self._parking.best_effort()

    # ------------------------------------------------------------ light

    def _shine(self, light: Float[ndarray, " channels"]) -> None:
        if self._tunable is not None:
            line = lit_line(light)
            bus = 0 if line is None else line // self.spec.chip.channels
            changed = self._tunable.darken() if line is None else self._tunable.tune(self._lines_nm[line], bus=bus)
            self._count(MeasurementPlan(lights=int(changed)))
            return
        changed = [source for source in self._lights if source.set_light(light[source.places])]
        if changed:
            self._count(MeasurementPlan(lights=1))
            _settle(changed)

    # ------------------------------------------------------------ the rest

    def _greet(self, wired: Wired) -> str:
        wired.known = wired.answered = False
        wired.driver.open()
        name = wired.driver.idn()
        if wired.entry.idn not in name:
            raise BenchError(
                f"{wired.driver.where} ({wired.entry.resource}): says it is {name!r}, the bench file wants "
                f"{wired.entry.idn!r}; check address and cable"
            )
        if (said := SPEC_IN_NAME.search(name)) and not self._spec_hash.startswith(said[1]):
            raise BenchError(
                f"{wired.driver.where} ({wired.entry.resource}): {name!r} holds a chip of spec {said[1]}, this one is "
                f"{self._spec_hash[: len(said[1])]}; is this the right spec? give the one that it was made by"
            )
        wired.answered = True
        return name

    def _refuse_aliases(self) -> None:
        """Hold an instrument to the limits of a source of the same name: it may be that source at another address."""
        named = list(zip(self.names, self._all(), strict=True))
        for name, wired in named:
            same = [other.driver for said, other in named if said == name != ""]
            limit_V = min((driver.limit_V for driver in same), default=np.inf)
            most_heat = min((driver.most_heat for driver in same), default=np.inf)
            if min(wired.driver.limit_V, wired.driver.most_heat) == np.inf > min(limit_V, most_heat):
                wired.driver.require_harmless(limit_V=limit_V, most_heat=most_heat)

    def _all(self) -> Iterator[Wired]:
        yield from (*self._sources, *self._heaters, *self._lights, *self._wired_meters)

    def _laser_of(self, spec: ChipSpec, bench: BenchFile) -> TunedLaser | None:
        """The laser of a bench that has one, and what it can do, once it is known to reach the chip's channels."""
        if not bench.laser:
            return None
        tunable = TunedLaser(self._lights[0])
        self._laser = tunable.data_sheet
        if spec.chip.buses > 1 and not bench.laser[0].commands.bus:
            raise InputError(
                f"bench {bench.name}: laser.0.commands.bus is empty, and rows of {spec.name} have {spec.chip.buses} "
                "buses; give the command that puts the light on one of them"
            )
        self._lines_nm = [1e-3 * PM_PER_UM * wl_um for wl_um in spec.comb_design.wl_um] * spec.chip.buses
        self._laser.require_within(np.array(self._lines_nm), where=f"bench {bench.name}: laser.0: the chip's channels")
        return tunable

    def _count(self, done: MeasurementPlan) -> None:
        """Add what was done to the tally."""
        self.tally += done

    def _wire(self, role: str, number: int, entry: Entry) -> Wired:
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
        return Wired.of(driver, entry)

    @contextmanager
    def _saying_what_was_done(self) -> Iterator[None]:
        if not self._opened:
            raise InputError(f"bench {self.bench.name}: not open; use it in a with statement")
        try:
            yield
        except BenchError as error:
            done = self.tally
            what = f"{counted(done.settings, 'setting')} and {counted(done.triggers, 'reading')}"
            if self._tunable is not None:
                what = f"{what.replace(' and ', ', ')} and {counted(done.sweeps, 'sweep')}"
            raise BenchError(f"{error} [after {what}]") from None


def _close_if_open(chip: Callable[[], BenchChip | None]) -> None:
    """Close a chip that nobody closed."""
    with suppress(BenchError):  # reported already, and nobody is left to catch it
        if (left := chip()) is not None:
            left.close()


def _settle(changed: list[Wired]) -> None:
    if settle_s := max(wired.entry.settle_s for wired in changed):
        time.sleep(settle_s)
