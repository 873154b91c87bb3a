"""A virtual chip: the exact circuit with hidden fabrication errors, drift and noise, with the interface of a bench.

The truth lives in closures of the chip's private functions; no attribute leads to it.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.heaters import heater_limit_mW, shift_by_others_pm
from prism_photonics.chip.reading import LineCurrents, Receiver, line_currents
from prism_photonics.drift.process import Drift
from prism_photonics.seeds import die_key
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import generator, split
from prism_photonics.units import InputError

# The optics is solved anew after this much time without a new setting; slow drift moves a ring by far less than a code.
REFRESH_S = 0.0005
# Design choice: a heater settles in tens of microseconds.
HEATER_S = 1e-4


@dataclass
class _Now:
    """The driver's setting, its photocurrents, and the time since they were computed."""

    volts: Float[ndarray, "rows rings"]
    lines: LineCurrents
    age_s: float = 0.0


@final
class VirtualChip(AbstractChip):
    """A seeded die on a perfect bench."""

    def __init__(self, spec: ChipSpec, *, seed: int = 0, trimmed: bool = True) -> None:
        """Draw a die from the spec's variation; the same seed gives the same die, the same drift and the same noise.

        Args:
            spec: The chip and how it scatters and drifts.
            seed: Which die.
            trimmed: Whether its rings have been brought to their channels, up to ``trim.residual_pm``. Else they rest
                where fabrication left them, and heaters, if the spec has them, are off.

        Raises:
            InputError: The seed is no whole number from 0.
        """
        key = die_key(seed)
        super().__init__(spec, label=f"{'virtual' if trimmed else 'untrimmed'}:{int(seed)}")
        self._fabricate(key, trimmed=trimmed)

    @classmethod
    def fabricate(cls, spec: ChipSpec, key: PRNGKeyArray, *, trimmed: bool = True) -> "VirtualChip":
        """The same from a JAX key, for those who draw many dies."""
        chip = cls.__new__(cls)
        AbstractChip.__init__(chip, spec)
        chip._fabricate(key, trimmed=trimmed)
        return chip

    def _fabricate(self, key: PRNGKeyArray, *, trimmed: bool) -> None:
        """Make the die, and the functions through which alone it can be reached."""
        spec = self.spec
        of_die, of_noise = split(key)
        die = draw_die(spec if trimmed else _untrimmed(spec), of_die)
        noise = generator(of_noise)
        drift = Drift(spec, noise.spawn(1)[0])
        receiver = Receiver(spec, die, noise)
        step_V, top_V, settle_s = spec.voltage_step_V, spec.drive.max_voltage_V, spec.drive.settle_us * 1e-6
        bandwidth_Hz = spec.detector_design.bandwidth_Hz
        heated_pm = np.zeros((spec.chip.rows, spec.chip.rings))

        def solve(volts: Float[ndarray, "rows rings"]) -> _Now:
            return _Now(volts, line_currents(die, drift.acting_V(volts), drift.shift_pm() + heated_pm))

        now = solve(np.zeros((spec.chip.rows, spec.chip.rings)))
        time_s = 0.0

        def wait(seconds: float) -> None:
            nonlocal now, time_s
            time_s += seconds
            drift.advance(seconds, now.volts)
            now.age_s += seconds
            # Between settings the currents hold until the clock ticks: a reading then costs a few microseconds.
            if now.age_s >= REFRESH_S:
                now = solve(now.volts)

        def drive(volts: Float[ndarray, "rows rings"]) -> None:
            nonlocal now, time_s
            # The driver's own guard: whatever reached it, no code stands for more than its rails.
            if not (np.abs(volts) <= top_V).all():
                raise InputError(f"chip.set: a voltage beyond the driver's ±{top_V:g} V; nothing was written")
            on_grid = np.round((volts + top_V) / step_V) * step_V - top_V
            time_s += settle_s
            drift.advance(settle_s, on_grid)
            now = solve(on_grid)

        def read(light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
            current_A = receiver.read(now.lines, light, averages=averages)
            wait(averages / bandwidth_Hz)
            return current_A

        def heat(power_mW: Float[ndarray, "rows rings"]) -> None:
            nonlocal now, heated_pm, time_s
            own_pm = power_mW / spec.trim.heater_mW_nm * 1e3
            heated_pm = own_pm + shift_by_others_pm(spec, die.heater_share * own_pm)
            drift.advance(HEATER_S, now.volts)
            time_s += HEATER_S
            now = solve(now.volts)

        self._max_heater_mW = heater_limit_mW(spec)
        self._drive_hidden, self._read_hidden, self._heat_hidden = drive, read, heat
        self._wait_hidden, self._clock_hidden = wait, lambda: time_s

    @property
    def paused(self) -> bool:
        """Whether the chip's clock has gone on since the last reading: computing takes it no time."""
        return self._clock_hidden() > self.time_s

    def _heat(self, power_mW: Float[ndarray, "rows rings"]) -> None:
        self._heat_hidden(power_mW)

    def _drive(self, volts: Float[ndarray, "rows rings"]) -> None:
        self._drive_hidden(volts)

    def _read(self, light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
        return self._read_hidden(light, averages)

    def _wait(self, seconds: float) -> None:
        self._wait_hidden(seconds)

    def _clock_s(self) -> float:
        return self._clock_hidden()


def _untrimmed(spec: ChipSpec) -> ChipSpec:
    """The same chip before its rings were brought to their channels."""
    return spec.model_copy(update={"trim": spec.trim.model_copy(update={"method": "none"})})
