"""One instrument of a bench: its place on the chip, its last settings, and the commands that it may be sent."""

import time
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.drivers import AbstractDriver
from prism_photonics.chip.instruments import HeaterSource, LightSource, channel_map
from prism_photonics.chip.laserfile import Laser
from prism_photonics.chip.link import BenchError
from prism_photonics.units import InputError

# Design choice: a ramp is written in steps of this length, or as fast as the instrument takes them.
RAMP_STEP_S = 0.05


@final
@dataclass
class Wired:
    """One instrument, the rings, lines or rows that it serves, and its last settings where they are certain."""

    driver: AbstractDriver
    entry: Any
    places: tuple[ndarray, ...]
    channels: list[int]
    sent: Float[ndarray, " channels"]
    known: bool = False
    answered: bool = False

    @classmethod
    def of(cls, driver: AbstractDriver, entry: Any) -> "Wired":
        """An instrument at rest, on the channels of its table."""
        mapped = channel_map(entry)
        # Of a row with two channels, which of them it is stands beside its place.
        length = min(map(len, mapped), default=0)
        places = tuple(np.array([place[i] for place in mapped]) for i in range(length))
        return cls(driver, entry, places, list(mapped.values()), np.zeros(len(mapped)))

    def write(self, volts: Float[ndarray, " channels"], *, limit_V: float) -> None:
        """Write voltages in V, no faster than the source's ramp allows; from beyond the limit there is but the jump."""
        ramp_V_s = self.entry.ramp_V_s
        if ramp_V_s and not self.known:
            self._read_back(limit_V)
        steps = 1
        if ramp_V_s and self.known:
            steps = max(1, int(np.ceil(np.abs(volts - self.sent).max() / (ramp_V_s * RAMP_STEP_S))))
        start = self.sent
        for step in range(1, steps + 1):
            # The last step is the voltage itself, to the last bit.
            now = volts if step == steps else start + (volts - start) * step / steps
            self.known = False
            self.driver.write_volts(self.channels, now)
            self.sent, self.known = now.copy(), True
            if step < steps:
                time.sleep(RAMP_STEP_S)

    def _read_back(self, limit_V: float) -> None:
        """Read back the voltages from which a ramp begins after a failure, where the source can report them."""
        try:
            found = self.driver.read_volts(self.channels)
        except InputError:
            self.driver.recover()
            return
        # From outside the limit no ramp could be written: then there is but the jump.
        self.sent, self.known = found, bool((np.abs(found) <= limit_V).all())

    def verify(self) -> None:
        """Read back what was set, where the bench file says how far it may be off.

        Raises:
            BenchError: A channel is off by more.
        """
        allowed_V = self.entry.verify_V
        if not allowed_V:
            return
        found = self.driver.read_volts(self.channels)
        wrong = np.flatnonzero(~(np.abs(found - self.sent) <= allowed_V))
        if wrong.size:
            i = int(wrong[0])
            row, ring = (int(place[i]) for place in self.places)
            raise BenchError(
                f"{self.driver.where} ({self.entry.resource}): ring {ring} of row {row} (channel "
                f"{self.channels[i]}) was set to {self.sent[i]:.6g} V and reads {found[i]:.6g} V "
                f"({wrong.size} channels are off by more than {allowed_V:g} V); a stuck channel, or verify_V is "
                "below the source's resolution"
            )

    def set_powers(self, power_mW: Float[ndarray, " channels"]) -> None:
        """Write the powers in mW of the heaters that change."""
        changed = np.flatnonzero(~(self.known & (self.sent == power_mW)))
        if changed.size:
            self.known = False
            self.driver.write_powers([self.channels[i] for i in changed], power_mW[changed])
        self.sent, self.known = power_mW.copy(), True

    def park(self, safe_voltage_V: float, *, limit_V: float) -> None:
        """Bring rings to the safe voltage in V, heaters to 0 mW, or put lines out."""
        if isinstance(self.entry, Laser):
            try:
                self.driver.shine(lit=False)
            except BenchError:
                # While it sweeps it may take nothing else, and a job may have ended in the middle of a sweep.
                self.driver.end_sweep()
                self.driver.shine(lit=False)
        elif isinstance(self.entry, LightSource):
            self.set_dark()
        elif isinstance(self.entry, HeaterSource):
            # Written though they may be off already.
            self.known = False
            self.set_powers(np.zeros(len(self.channels)))
        else:
            self.write(np.full(len(self.channels), safe_voltage_V), limit_V=limit_V)

    def set_light(self, light: Float[ndarray, " channels"]) -> bool:
        """Set transmissions, 0 to 1; whether they had to be changed."""
        if self.known and np.array_equal(self.sent, light):
            return False
        self.known = False
        self.driver.set_light(self.channels, light)
        self.sent, self.known = light, True
        return True

    def set_dark(self) -> None:
        """Put the lines out, unless they are known to be."""
        self.set_light(np.zeros(len(self.channels)))
