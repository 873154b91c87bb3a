"""The meters of a bench: readings and logged sweeps of every row, in A, on a range that none of them is beyond."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.instruments import channel_map
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.meterfile import CurrentMeter
from prism_photonics.chip.sweeping import SweepRun
from prism_photonics.chip.wired import Wired
from prism_photonics.units import InputError

# Design choice: how often a meter that logs is asked whether it has all points.
POLL_S = 0.02
SIDES = ("through", "drop")


@final
class Meters:
    """All meters of a bench."""

    def __init__(self, wired: Sequence[Wired], *, rows: int, largest_A: float) -> None:
        """Begin on the most sensitive range of each.

        Args:
            wired: The meters.
            rows: Rows of the chip.
            largest_A: Largest current in A of a meter whose table has none.
        """
        self._meters = [_Meter(one, largest_A) for one in wired]
        self._rows = rows

    @property
    def log(self) -> bool:
        """Whether every one can log the points of a sweep."""
        return all(meter.entry.commands.log for meter in self._meters)

    @property
    def sample_s(self) -> float:
        """Time of one converter sample of the slowest, in s."""
        return max(meter.entry.sample_s for meter in self._meters)

    def forget(self) -> None:
        """Whatever range they are on is not known any more."""
        for meter in self._meters:
            meter.on_range = False

    def require_apart(self) -> None:
        """Check that both photodiodes of every row have a channel of their own.

        Raises:
            InputError: A pair is subtracted before its meter, or has one channel only.
        """
        channels = [place for meter in self._meters for place in meter.ports()]
        for row in range(self._rows):
            if missing := [side for side in SIDES if (row, side) not in channels]:
                raise InputError(
                    f"current_meter: row {row} has no channel of its {' and its '.join(missing)} port, want both apart "
                    "to measure a spectrum; give its rows balanced = [through, drop], or measure the ports by hand"
                )

    def read(self, averages: int, *, apart: bool = False) -> tuple[Float[ndarray, " rows"], int]:
        """Every row's current in A, and how many readings it took to find the ranges.

        Args:
            averages: Converter samples.
            apart: Not the rows' balanced currents: all through ports, then all drop ports.

        Raises:
            BenchError: A reading that is none, or beyond a meter's largest range.
        """
        current_A, taken = self._on_ranges(lambda: self._read_once(averages), apart=apart)
        return current_A[0], taken

    def arm_log(self, run: SweepRun) -> None:
        """Make every meter take one sample at each trigger of a sweep."""
        for meter in self._meters:
            meter.choose_range()
            meter.driver.arm_log(meter.channels, run)

    def fetch_log(self, run: SweepRun) -> list[Float[ndarray, "channels points"]]:
        """What each meter logged, in A."""
        deadline = time.monotonic() + run.duration_s + max(meter.entry.timeout_s for meter in self._meters)
        for meter in self._meters:
            while meter.driver.is_logging():
                if time.monotonic() > deadline:
                    raise BenchError(
                        f"{meter.name}: is still waiting for triggers of a sweep of {run.points} points that is over; "
                        "a sweep that stopped half way, or check the trigger cable"
                    )
                time.sleep(POLL_S)
        return [meter.driver.read_log(meter.channels, run) for meter in self._meters]

    def end_log(self) -> None:
        """Make every meter take readings again that are asked for."""
        for meter in self._meters:
            if meter.entry.commands.log_stop:
                meter.driver.end_log(meter.channels)

    def stop_log(self) -> None:
        """The same after a failure, whatever still answers."""
        with contextlib.suppress(BenchError):
            self.end_log()

    def sweep(
        self, run: SweepRun, take: Callable[[], object], *, apart: bool = False
    ) -> tuple[Float[ndarray, "points rows"], int]:
        """Every row's current in A at each point of a sweep, and how many sweeps it took to find the ranges.

        Args:
            run: The sweep.
            take: Does it.
            apart: As of `read`.
        """

        def once() -> list[ndarray]:
            self.arm_log(run)
            try:
                take()
                found = self.fetch_log(run)
            except BaseException:
                self.stop_log()
                raise
            self.end_log()
            return found

        return self._on_ranges(once, apart=apart)

    def _read_once(self, averages: int) -> list[ndarray]:
        for meter in self._meters:
            meter.choose_range()
            meter.driver.arm(averages)
        if settle_s := max(meter.entry.settle_s for meter in self._meters):
            time.sleep(settle_s)
        for meter in self._meters:
            meter.driver.trigger()
        # One that has not begun would give its reading before.
        for meter in self._meters:
            meter.driver.require_triggered()
        return [meter.driver.read(meter.channels)[:, None] for meter in self._meters]

    def _on_ranges(
        self, take: Callable[[], list[ndarray]], *, apart: bool
    ) -> tuple[Float[ndarray, "points rows"], int]:
        """What is taken, as often as a range was too small."""
        taken = 0
        while True:
            found, taken = take(), taken + 1
            # Each meter that is beyond its range takes the next one.
            widened = [meter.widen(part) for meter, part in zip(self._meters, found, strict=True)]
            if any(widened):
                continue
            current_A = np.zeros((found[0].shape[1], self._rows * (2 if apart else 1)))
            for meter, part in zip(self._meters, found, strict=True):
                meter.refuse_faults(part)
                # What counts less in a difference is the drop port.
                index = meter.rows + self._rows * (meter.weights < 0.0) if apart else meter.rows
                weights = np.abs(meter.weights) if apart else meter.weights
                np.add.at(current_A.T, index, weights[:, None] * part)
            return current_A, taken


@final
class _Meter:
    """One meter, its present range, and what its channels count for."""

    def __init__(self, wired: Wired, largest_A: float) -> None:
        assert isinstance(wired.entry, CurrentMeter)
        self._wired, self.entry, self.driver = wired, wired.entry, wired.driver
        self.channels = wired.channels
        self.rows = wired.places[0]
        places, weights = list(channel_map(self.entry)), self.entry.weights()
        self.weights = np.array([weights[place] for place in places])
        self._ports = [f"the {place[1]} port of row {place[0]}" if len(place) == 2 else "" for place in places]
        self._largest_A = self.entry.largest_A or largest_A
        self._number, self.on_range = 0, False

    def ports(self) -> list[tuple[int | str, ...]]:
        """What each channel reads: (row,), the difference of a pair, or (row, side)."""
        return list(channel_map(self.entry))

    @property
    def name(self) -> str:
        """Role, number and resource."""
        return f"{self.driver.where} ({self.entry.resource})"

    def choose_range(self) -> None:
        """Set the present range, unless it is on it."""
        if self.entry.commands.range and not self.on_range:
            self.driver.set_range(self.channels, self._number)
            self.on_range = True
            if self.entry.range_s:
                time.sleep(self.entry.range_s)

    def widen(self, found: Float[ndarray, "channels points"]) -> bool:
        """Go to the next range if one of these currents in A is beyond the present one, and there is a next."""
        scales_A = self.entry.scales_A
        if self._number + 1 >= len(scales_A) or not (
            np.isposinf(found).any() or (np.abs(found[np.isfinite(found)]) > scales_A[self._number]).any()
        ):
            return False
        self._number, self.on_range = self._number + 1, False
        return True

    def refuse_faults(self, found: Float[ndarray, "channels points"]) -> None:
        """Refuse currents in A that are no numbers, or beyond the meter's largest range.

        Raises:
            BenchError: One is.
        """
        beyond = np.argwhere(np.isfinite(found) & (np.abs(found) > self._largest_A))
        if beyond.size:
            i, point = (int(at) for at in beyond[0])
            raise BenchError(
                f"{self._where(i)}: reads {found[i, point]:.4g} A{self._power(found[i, point])}, beyond the meter's "
                f"range of {self._largest_A:.4g} A{self._power(self._largest_A)}; check unit and range, or raise "
                f"{'max_power_mW' if self.entry.answers_power else 'max_current_A'}"
            )
        bad = np.argwhere(~np.isfinite(found))
        if bad.size:
            i, point = (int(at) for at in bad[0])
            at = f" at point {point} of {found.shape[1]}" if found.shape[1] > 1 else ""
            raise BenchError(
                f"{self._where(i)}: "
                + (
                    f"overload: a saturated detector, or the meter's range is too small{at}: want below "
                    f"{self._largest_A:.4g} A{self._power(self._largest_A)}; raise the range, or lower the light"
                    if np.isinf(found[i, point])
                    else f"the reading is not a number{at}; check that channel and its detector"
                )
            )

    def _where(self, i: int) -> str:
        return f"{self.name}: {self._ports[i] or f'row {int(self.rows[i])}'} (channel {self.channels[i]})"

    def _power(self, current_A: float) -> str:
        """The optical power that a current stands for, where the meter answers powers."""
        return f" ({1e3 * current_A / self.entry.responsivity_A_W:.4g} mW)" if self.entry.answers_power else ""
