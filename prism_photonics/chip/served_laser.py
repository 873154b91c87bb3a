"""The laser side of a served chip: one tunable laser, and a meter channel for each photodiode of every row.

What is wrong with the laser's light (its wavelength's error and jitter, ripple of the power) is the virtual chip's own
(`tunable.TunableLaser`). Here is what the instruments add: the sweep takes its time, triggers reach the meters late,
and meters have ranges.
"""

import math
import time
from collections.abc import Callable
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.laser import LaserRange
from prism_photonics.chip.served_text import NUMBER, channels_of
from prism_photonics.chip.session import Refusal
from prism_photonics.chip.virtual import VirtualChip, photodiodes_A
from prism_photonics.units import PM_PER_UM

# Design choices, as data sheets of swept lasers and multiport power meters have them: a trigger reaches the meter's
# sampling some ten microseconds late (at 20 nm/s a fifth of a picometre), a meter that ranges by itself takes some
# milliseconds, two photodiodes differ by some per cent, full scales are a decade apart, a sweep has 100 000 steps and
# is no slower than 0.1 nm/s.
TRIGGER_LATENCY_S = 1e-5
AUTORANGE_S = 5e-3
DROP_GAIN = 1.07
RANGES = 4
LARGEST_POINTS = 100_001
SLOWEST_NM_S = 0.1
# It triggers by its own wavelength meter, far finer than a calibration's windows ask. Design choice.
FINEST_STEP_NM = 1e-6
# Wavelengths that differ by less are the same, in nm.
SAME_NM = 1e-9
Handler = Callable[[str], str | None]


@final
class LaserBox:
    """State of the laser and of the meters that log its sweeps.

    Attributes:
        sweeps: Sweeps taken.
    """

    def __init__(self, chip: AbstractChip, laser: LaserRange, *, sample_s: float, time_scale: float) -> None:
        """Put the laser beside a chip.

        Args:
            chip: The chip, lit by a laser.
            laser: What the laser can do.
            sample_s: Time of one converter sample in s.
            time_scale: Seconds on the wall per second of tuning and sweeping.
        """
        # No other chip tells its photodiodes apart.
        assert isinstance(chip, VirtualChip)
        self.sweeps = 0
        self._chip, self._laser, self._sample_s, self._time_scale = chip, laser, sample_s, time_scale
        self._lines_nm = 1e-3 * PM_PER_UM * np.asarray(chip.spec.comb_design.wl_um)
        self.scales_A = [chip.spec.detector_design.adc_full_scale_A * 10.0**-k for k in reversed(range(RANGES))]
        self.reset()

    def reset(self) -> None:
        """Dark, at the first channel's wavelength, on the meters' widest range."""
        self.lit, self.bus = False, 0
        self.wavelength_nm = float(self._lines_nm[0])
        self._tuned_s = self._swept_s = -math.inf
        self._sweep = {"STAR": self.wavelength_nm, "STOP": self.wavelength_nm, "STEP": 1e-3, "SPE": 1.0}
        self._points = self._armed = 0
        self._range, self._auto = RANGES, False
        self._logged_nm = np.zeros(0)
        self._log_A = np.zeros((0, 2 * self._chip.rows))

    # ------------------------------------------------------------ readings

    def measure(self, averages: int) -> tuple[Float[ndarray, " ports"], float]:
        """The current of every photodiode in A at the present wavelength, and the time in s that ranging took."""
        if not self.lit:
            current_A = self._chip.measure(np.zeros(self._chip.channels), averages=averages)
        else:
            near = np.flatnonzero(np.abs(self._lines_nm - self.wavelength_nm) < SAME_NM)
            if near.size:
                light = np.zeros(self._chip.channels)
                light[self.bus * len(self._lines_nm) + near[0]] = 1.0
                current_A = self._chip.measure(light, averages=averages)
            else:
                at_nm = np.array([self.wavelength_nm])
                current_A = self._chip.sweep(at_nm, averages=averages, bus=self.bus).current_A[0]
        return self._ranged(self._ports(current_A[None]))[0], AUTORANGE_S * self._auto

    def _ports(self, current_A: Float[ndarray, "points rows"]) -> Float[ndarray, "points ports"]:
        """What a row's two photodiodes give: of their sum, as the die has it, and of the difference that was read."""
        total_A = np.maximum(np.abs(current_A), photodiodes_A(self._chip) if self.lit else 0.0)
        through_A, drop_A = 0.5 * (total_A + current_A), 0.5 * (total_A - current_A) / DROP_GAIN
        return np.stack([through_A, drop_A], axis=-1).reshape(len(current_A), -1)

    def _ranged(self, ports_A: Float[ndarray, "points ports"]) -> Float[ndarray, "points ports"]:
        """Overload where a current is beyond the range; one that ranges by itself has the widest."""
        scale_A = self.scales_A[-1] if self._auto else self.scales_A[self._range - 1]
        return np.where(np.abs(ports_A) > scale_A * (1.0 + 1e-9), np.inf, ports_A)

    # ------------------------------------------------------------ commands

    def commands(self, averages: Callable[[], int], settle: Callable[[], None]) -> dict[str, Handler]:
        """What the box understands beside the chip's own commands.

        Args:
            averages: Says how many samples a point averages.
            settle: Brings the chip to the outputs' present voltages and heater powers.
        """
        found: dict[str, Handler] = {
            "SOURce:WAVelength": self._tune,
            "SOURce:WAVelength?": lambda rest: self._reply(self.wavelength_nm),
            "SOURce:WAVelength:LIMit?": lambda rest: f"{self._laser.shortest_nm:.9G},{self._laser.longest_nm:.9G}",
            "SOURce:WAVelength:STATe?": lambda rest: str(int(time.monotonic() < self._tuned_s)),
            "SOURce:WAVelength:SWEep:STATe": lambda rest: self._run(rest, averages(), settle),
            "SOURce:WAVelength:SWEep:STATe?": lambda rest: str(int(time.monotonic() < self._swept_s)),
            "SOURce:POWer:STATe": self._shine,
            "SOURce:POWer:STATe?": lambda rest: str(int(self.lit)),
            "ROUTe:BUS": self._choose_bus,
            "READout:POINts?": lambda rest: str(len(self._logged_nm)),
            "READout:DATA?": lambda rest: block(self._logged_nm),
            "SENSe:LOGGing:POINts": self._set_points,
            "SENSe:LOGGing:STATe?": lambda rest: str(int(self._armed > 0 and len(self._log_A) >= self._armed)),
            "INITiate:LOGGing": self._arm,
            "FETCh:LOGGing?": self._fetch,
            "SENSe:RANGe": self._set_range,
            "SENSe:RANGe:AUTO": self._set_auto,
        }
        for name, word in (("STARt", "STAR"), ("STOP", "STOP"), ("STEP", "STEP"), ("SPEed", "SPE")):
            found[f"SOURce:WAVelength:SWEep:{name}"] = lambda rest, word=word: self._prepare(word, rest)
            found[f"SOURce:WAVelength:SWEep:{name}?"] = lambda rest, word=word: self._reply(self._sweep[word])
        return found

    @staticmethod
    def _reply(value: float) -> str:
        return f"{value:.10G}"

    def _number(self, rest: str, *, low: float, high: float) -> float:
        if not NUMBER.fullmatch(rest):
            raise Refusal(-104, "Data type error")
        if not low <= float(rest) <= high:
            raise Refusal(-222, "Data out of range")
        return float(rest)

    def _tune(self, rest: str) -> None:
        self.wavelength_nm = self._number(rest, low=self._laser.shortest_nm, high=self._laser.longest_nm)
        self._tuned_s = time.monotonic() + self._laser.step_s * self._time_scale

    def _shine(self, rest: str) -> None:
        if rest.strip().upper() not in ("0", "1", "ON", "OFF"):
            raise Refusal(-104, "Data type error")
        self.lit = rest.strip().upper() in ("1", "ON")

    def _choose_bus(self, rest: str) -> None:
        self.bus = int(self._number(rest, low=1.0, high=1.0 * self._chip.spec.chip.buses)) - 1

    def _prepare(self, word: str, rest: str) -> None:
        low, high = {"STEP": (FINEST_STEP_NM, 1e3), "SPE": (SLOWEST_NM_S, self._laser.speed_nm_s)}.get(
            word, (self._laser.shortest_nm, self._laser.longest_nm)
        )
        self._sweep[word] = self._number(rest, low=low, high=high)

    def _set_points(self, rest: str) -> None:
        self._points = int(self._number(rest, low=1.0, high=float(LARGEST_POINTS)))

    def _arm(self, rest: str) -> None:
        if not self._points:
            raise Refusal(-221, "Settings conflict; SENSe:LOGGing:POINts is not set")
        self._armed, self._log_A = self._points, np.zeros((0, 2 * self._chip.rows))

    def _set_range(self, rest: str) -> None:
        self._range, self._auto = int(self._number(rest, low=1.0, high=float(RANGES))), False

    def _set_auto(self, rest: str) -> None:
        self._auto = bool(self._number(rest, low=0.0, high=1.0))

    def _run(self, rest: str, averages: int, settle: Callable[[], None]) -> None:
        """Start a sweep, or stop one."""
        if rest.strip().upper() in ("0", "STOP"):
            self._swept_s = -math.inf
            return
        if rest.strip().upper() not in ("1", "STAR", "START"):
            raise Refusal(-104, "Data type error")
        start, stop, step, speed = (self._sweep[word] for word in ("STAR", "STOP", "STEP", "SPE"))
        points = round((stop - start) / step) + 1
        if not start < stop or not 2 <= points <= LARGEST_POINTS:
            raise Refusal(-221, "Settings conflict; want STARt below STOP, and 2 to 100001 triggers")
        if step / speed < averages * self._sample_s * (1.0 - 1e-9):
            raise Refusal(-221, "Settings conflict; the meters integrate for longer than a step")
        settle()
        asked_nm = start + step * np.arange(points)
        asked_nm[-1] = min(asked_nm[-1], self._laser.longest_nm)
        if self.lit:
            # The laser logs where it was at a trigger; the meters take their sample a little further on.
            late_nm = min(speed * TRIGGER_LATENCY_S, self._laser.longest_nm - asked_nm[-1])
            found = self._chip.sweep(asked_nm + late_nm, averages=averages, bus=self.bus)
            self._logged_nm, current_A = found.wavelength_nm - late_nm, found.current_A
        else:
            dark_A = self._chip.measure(np.zeros(self._chip.channels), averages=averages)
            self._logged_nm, current_A = asked_nm, np.tile(dark_A, (points, 1))
        if self._armed:
            self._log_A = self._ranged(self._ports(current_A))[: self._armed]
        self.sweeps += 1
        self._swept_s = time.monotonic() + (self._laser.dead_s + (stop - start) / speed) * self._time_scale

    def _fetch(self, rest: str) -> str:
        """The samples of some channels, one channel after the other."""
        channels = channels_of(rest, 2 * self._chip.rows) if rest else range(2 * self._chip.rows)
        if time.monotonic() < self._swept_s or not len(self._log_A):
            raise Refusal(-230, "Data corrupt or stale; no sweep was logged, or it still runs")
        return block(self._log_A[:, list(channels)].T.ravel())


def block(values: Float[ndarray, " numbers"]) -> str:
    """Numbers as a block of IEEE 488.2, little-endian doubles; one character a byte."""
    data = np.where(np.isinf(values), 9.9e37, values).astype("<f8").tobytes()
    digits = str(len(data))
    return f"#{len(digits)}{digits}" + data.decode("latin-1")
