"""One tunable laser in place of a comb and its modulators: what it can do, and what a sweep of it gives."""

from dataclasses import dataclass, fields
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.units import InputError

COMB, TUNABLE_LASER = LIGHTS = ("comb", "tunable_laser")
"""The kinds of light that a bench can have."""
# A step so many times the finest one of a sweep is a jump: the laser stops, tunes and starts again (design choice).
JUMP = 4.0
MOST_POINTS = 1 << 20
"""Most points of one sweep; a sweep of a whole FSR has some thousands."""


@final
@dataclass(frozen=True)
class LaserRange:
    """What a bench's tunable laser can do; it is either off, or on at full power at one wavelength.

    Attributes:
        shortest_nm: Shortest wavelength in nm.
        longest_nm: Longest wavelength in nm.
        jitter_pm: Rms error of one logged wavelength in pm, as of its data sheet or measured.
        speed_nm_s: Fastest sweep in nm/s.
        dead_s: Time that the start of a sweep takes in s, and so each jump within it.
        step_s: Time to go to another wavelength and hold it, in s.
    """

    shortest_nm: float
    longest_nm: float
    jitter_pm: float = 1.0
    speed_nm_s: float = 20.0
    dead_s: float = 0.25
    step_s: float = 0.25

    def __post_init__(self) -> None:
        """Refuse a laser that cannot be.

        Raises:
            InputError: A number that is not finite or out of range.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0.0 if field.name in ("jitter_pm", "dead_s", "step_s") else np.nextafter(0.0, 1.0)
            if not least <= value < np.inf:
                raise InputError(f"laser: {field.name} = {value}, want a number above 0; see the laser's data sheet")
        if not self.shortest_nm < self.longest_nm:
            raise InputError(
                f"laser: shortest_nm = {self.shortest_nm:g}, want below longest_nm = {self.longest_nm:g}; swap them"
            )

    def require_within(self, wavelength_nm: Float[ndarray, " points"], *, where: str) -> None:
        """Refuse wavelengths that the laser does not reach.

        Raises:
            InputError: One lies outside.
        """
        outside = ~((wavelength_nm >= self.shortest_nm) & (wavelength_nm <= self.longest_nm))
        if outside.any():
            raise InputError(
                f"{where}: {wavelength_nm[np.flatnonzero(outside)[0]]:.4f} nm is outside the laser's range of "
                f"{self.shortest_nm:g} to {self.longest_nm:g} nm; sweep less far, or use another laser"
            )

    def sweep_s(self, wavelength_nm: Float[ndarray, " points"], *, dwell_s: float) -> Float[ndarray, " points"]:
        """When each point of a sweep has been read, in s from its start.

        Args:
            wavelength_nm: Ascending wavelengths in nm.
            dwell_s: Time of the reading of one point in s.
        """
        gaps = np.diff(wavelength_nm, prepend=wavelength_nm[:1])
        starts = sweep_starts(wavelength_nm)
        moved_s = gaps / self.speed_nm_s
        each_s = np.maximum(np.where(starts, 0.0, moved_s), dwell_s) + np.where(starts, self.dead_s, 0.0)
        return np.cumsum(each_s)


@final
@dataclass(frozen=True)
class Sweep:
    """The balanced currents of all rows along a sweep of the laser.

    Attributes:
        wavelength_nm: Wavelengths as the laser logged them, in nm: those that were asked for, and where it truly was,
            to the laser's accuracy.
        current_A: Currents in A.
        time_s: When each point was read, in s, on the chip's clock.
    """

    wavelength_nm: Float[ndarray, " points"]
    current_A: Float[ndarray, "points rows"]
    time_s: Float[ndarray, " points"]


def sweep_starts(wavelength_nm: Float[ndarray, " points"]) -> ndarray:
    """Where a stretch of a sweep begins: at the first point, and after each jump."""
    gaps = np.diff(wavelength_nm)
    finest = gaps.min() if gaps.size else 0.0
    return np.concatenate([[True], gaps > JUMP * finest])


def checked_wavelengths(
    wavelength_nm: Float[ndarray, " points"], laser: LaserRange, *, where: str = "chip.sweep"
) -> Float[ndarray, " points"]:
    """Wavelengths that can be swept.

    Raises:
        InputError: None or too many, one that is no number or out of the laser's range, or not ascending.
    """
    wavelength_nm = np.asarray(wavelength_nm, dtype=float)
    if wavelength_nm.ndim != 1 or not 1 <= wavelength_nm.size <= MOST_POINTS:
        raise InputError(
            f"{where}: wavelengths of shape {wavelength_nm.shape}, want a list of 1 to {MOST_POINTS}; sweep in parts"
        )
    bad = np.flatnonzero(~np.isfinite(wavelength_nm))
    if bad.size:
        raise InputError(f"{where}: wavelength {bad[0]} is {wavelength_nm[bad[0]]}, want nm; give finite numbers")
    fallen = np.flatnonzero(np.diff(wavelength_nm) <= 0.0)
    if fallen.size:
        i = int(fallen[0])
        raise InputError(
            f"{where}: wavelength {i + 1} is {wavelength_nm[i + 1]:.4f} nm after {wavelength_nm[i]:.4f}, want "
            "ascending ones: a laser sweeps upwards; sort them, each once"
        )
    laser.require_within(wavelength_nm, where=where)
    return wavelength_nm


def lit_line(light: Float[ndarray, " channels"]) -> int | None:
    """The one line that is fully lit, or None in the dark: all that one laser without modulators can do.

    Raises:
        InputError: Several lines, or a part of the light.
    """
    lit: Int[ndarray, " some"] = np.flatnonzero(light)
    if lit.size > 1:
        raise InputError(
            f"chip.measure: {lit.size} lines lit, want one at a time: this bench has one tunable laser; read them one "
            "by one"
        )
    if lit.size and light[lit[0]] != 1.0:
        raise InputError(
            f"chip.measure: line {lit[0]} at {light[lit[0]]:g} of its light, want 0 or 1: this bench has no "
            "modulators; read it at full power, and scale the reading"
        )
    return int(lit[0]) if lit.size else None
