"""The one door to a chip, virtual or real: `set`, `measure`, and what is printed on its box."""

import math
from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


class AbstractChip(ABC):
    """A chip on a bench. Nothing that a bench could not do is here."""

    def __init__(self, spec: ChipSpec) -> None:
        self._rows = spec.chip.rows
        self._channels = spec.chip.rings
        self._max_voltage_V = spec.drive.max_voltage_V
        self._over_voltage_attempts = 0
        self._time_s = 0.0

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
            light: Transmission of each channel's modulator, 0 (dark) to 1 (full line).
            averages: Number of converter samples that are averaged.

        Returns:
            Currents in A.

        Raises:
            InputError: Wrong number of channels, NaN or light outside 0 to 1, or averages below 1.
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
        current_A = self._read(light, averages)
        self._time_s = self._clock_s()
        return current_A

    def wait(self, seconds: float) -> None:
        """Let time pass: on a bench by waiting, on a virtual chip by its own clock.

        Raises:
            InputError: The time is negative or not finite.
        """
        if not 0.0 <= seconds < math.inf:
            raise InputError(f"chip.wait: {seconds} s; time passes forwards: want 0 or more, finite")
        self._wait(seconds)

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
