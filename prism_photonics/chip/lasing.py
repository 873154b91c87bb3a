"""One tunable laser on a bench: dark, at one wavelength, or sweeping past a trigger at each step."""

import contextlib
import time
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.laser import LaserRange
from prism_photonics.chip.laserfile import Laser
from prism_photonics.chip.link import BenchError
from prism_photonics.chip.sweeping import SweepRun
from prism_photonics.chip.wired import Wired

# Design choice: a laser that moves is asked this often whether it has come to rest.
POLL_S, SLOWEST_POLL_S = 0.005, 0.25


@final
class TunedLaser:
    """The laser, and its last settings where they are certain."""

    def __init__(self, wired: Wired) -> None:
        assert isinstance(wired.entry, Laser)
        self._driver, self._entry = wired.driver, wired.entry
        self._lit: bool | None = None
        self._at_nm = self._read_nm = float("nan")
        self._bus: int | None = None

    @property
    def data_sheet(self) -> LaserRange:
        """What it can do, as its table says."""
        entry = self._entry
        return LaserRange(
            shortest_nm=entry.shortest_nm,
            longest_nm=entry.longest_nm,
            jitter_pm=entry.jitter_pm,
            # One that only steps is as slow as its steps are short.
            speed_nm_s=entry.fastest_nm_s or 1e-3 * entry.smallest_step_pm / max(entry.settle_s, 1e-3),
            dead_s=entry.sweep_s if entry.fastest_nm_s else entry.settle_s,
            step_s=entry.settle_s,
        )

    def forget(self) -> None:
        """Whatever it was set to is not certain any more."""
        self._lit, self._at_nm, self._bus = None, float("nan"), None

    def darken(self) -> bool:
        """Switch it off; whether it had to be."""
        return self._shine(lit=False)

    def tune(self, wavelength_nm: float, *, bus: int) -> bool:
        """Light one bus at a wavelength in nm; whether something had to change.

        Raises:
            InputError: The wavelength is outside its range.
            BenchError: It does not come to rest there, or reads back another wavelength.
        """
        moved = self._choose(bus)
        if self._at_nm != wavelength_nm:
            self._at_nm = float("nan")
            self._driver.tune(wavelength_nm)
            self._wait_until_tuned(wavelength_nm)
            self._read_nm = self._checked_nm(wavelength_nm)
            self._at_nm, moved = wavelength_nm, True
        return self._shine(lit=True) or moved

    def step(self, wavelength_nm: float, *, bus: int) -> float:
        """The same, and the wavelength in nm that it says it has."""
        self.tune(wavelength_nm, bus=bus)
        return self._read_nm

    def light_up(self, *, bus: int) -> None:
        """Light one bus, before a sweep."""
        self._choose(bus)
        self._shine(lit=True)

    def sweep(self, run: SweepRun) -> None:
        """Sweep once, with a trigger at each point; the meters are waiting for them.

        Raises:
            InputError: The sweep is outside its range.
            BenchError: It does not end in time.
        """
        self._at_nm = float("nan")
        late_s = time.monotonic() + run.duration_s + self._entry.sweep_s + self._entry.timeout_s
        try:
            self._driver.begin_sweep(run)
            while self._driver.is_sweeping():
                if time.monotonic() > late_s:
                    raise BenchError(
                        f"{self._name}: a sweep from {run.wavelength_nm[0]:.4f} to {run.wavelength_nm[-1]:.4f} nm at "
                        f"{run.speed_nm_s:g} nm/s has not ended after "
                        f"{run.duration_s + self._entry.sweep_s + self._entry.timeout_s:.3g} s; a laser that stopped "
                        "half way: look at its front panel, or raise sweep_s"
                    )
                time.sleep(min(SLOWEST_POLL_S, max(POLL_S, run.duration_s / 20.0)))
        except BaseException:
            with contextlib.suppress(BenchError):
                self._driver.end_sweep()
            raise

    def logged_nm(self, run: SweepRun) -> Float[ndarray, " points"]:
        """The wavelengths in nm at which the points of the last sweep were taken, as the laser says.

        Raises:
            BenchError: It missed some, or was further off than its stated error.
        """
        found = self._driver.read_logged_nm(run)
        if found is None:
            return run.wavelength_nm.copy()
        off_pm = 1e3 * np.abs(found - run.wavelength_nm)
        worst = int(np.argmax(off_pm)) if np.isfinite(off_pm).all() else int(np.flatnonzero(~np.isfinite(off_pm))[0])
        if not off_pm[worst] <= self._entry.wavelength_error_pm:
            raise BenchError(
                f"{self._name}: logged {found[worst]:.4f} nm at point {worst} of {run.points}, asked for "
                f"{run.wavelength_nm[worst]:.4f} nm, {off_pm[worst]:.3g} pm off: want within its stated error of "
                f"{self._entry.wavelength_error_pm:g} pm; a mode hop, missed triggers, or wavelength_error_pm and "
                "log_unit are not this laser's"
            )
        return found

    def _choose(self, bus: int) -> bool:
        if self._bus == bus:
            return False
        self._bus = None
        if self._entry.commands.bus:
            self._driver.choose_bus(bus)
        self._bus = bus
        return True

    def _shine(self, *, lit: bool) -> bool:
        if self._lit == lit:
            return False
        self._lit = None
        self._driver.shine(lit=lit)
        self._lit = lit
        return True

    def _wait_until_tuned(self, wavelength_nm: float) -> None:
        late_s = time.monotonic() + self._entry.settle_s + self._entry.timeout_s
        if self._entry.settle_s:
            time.sleep(self._entry.settle_s)
        while not self._driver.tuned():
            if time.monotonic() > late_s:
                raise BenchError(
                    f"{self._name}: has not come to {wavelength_nm:.4f} nm after "
                    f"{self._entry.settle_s + self._entry.timeout_s:.3g} s; look at its front panel, or raise settle_s"
                )
            time.sleep(POLL_S)

    def _checked_nm(self, wavelength_nm: float) -> float:
        found_nm = self._driver.read_wavelength_nm()
        if found_nm is None:
            return wavelength_nm
        off_pm = 1e3 * abs(found_nm - wavelength_nm)
        if not off_pm <= self._entry.wavelength_error_pm:
            raise BenchError(
                f"{self._name}: was set to {wavelength_nm:.4f} nm and reads back {found_nm:.4f} nm, {off_pm:.3g} pm "
                f"off: want within its stated error of {self._entry.wavelength_error_pm:g} pm; give it more settle_s, "
                "or wavelength_error_pm and wavelength_unit are not this laser's"
            )
        return found_nm

    @property
    def _name(self) -> str:
        return f"{self._driver.where} ({self._entry.resource})"
