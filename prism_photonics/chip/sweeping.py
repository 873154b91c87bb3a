"""Sweeps of a tunable laser: which wavelengths can be taken in one go, and which have to be stepped to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.laserfile import SAME_STEP, Laser

# Fewer points are stepped to sooner than a sweep begins. Design choice.
FEWEST_SWEPT = 8
# Steps are one too whose difference is below this, in nm. Design choice.
SAME_STEP_NM = 1e-6
STEP_DIGITS = 9
"""Of a step in nm, as it is sent."""


@final
@dataclass(frozen=True)
class SweepRun:
    """Points that one laser takes in one sweep.

    Attributes:
        wavelength_nm: Where triggers are wanted, evenly spaced and growing.
        speed_nm_s: Speed of the sweep in nm/s; 0: the laser steps from point to point.
        averages: Converter samples of one point.
        sample_s: Time of one converter sample in s.
        first: Place of the first point in the sweep that was asked for.
    """

    wavelength_nm: Float[ndarray, " points"]
    speed_nm_s: float
    averages: int
    sample_s: float
    first: int = 0

    @property
    def points(self) -> int:
        """How many."""
        return len(self.wavelength_nm)

    @property
    def step_nm(self) -> float:
        """Distance of two points in nm; 0 of one."""
        return float(self.wavelength_nm[-1] - self.wavelength_nm[0]) / max(1, self.points - 1)

    @property
    def integration_s(self) -> float:
        """Time in s that a meter integrates at one point."""
        return self.averages * self.sample_s

    @property
    def duration_s(self) -> float:
        """Time in s from the first point to the last."""
        if not self.speed_nm_s:
            return self.points * self.integration_s
        return float(self.wavelength_nm[-1] - self.wavelength_nm[0]) / self.speed_nm_s + self.integration_s

    def values(self) -> dict[str, float | int]:
        """The fields of commands that prepare it."""
        start_nm, stop_nm = float(self.wavelength_nm[0]), float(self.wavelength_nm[-1])
        step_nm = round(self.step_nm, STEP_DIGITS)
        return {
            "start_nm": start_nm,
            "stop_nm": stop_nm,
            "step_nm": step_nm,
            "step_pm": round(1e3 * self.step_nm, STEP_DIGITS - 3),
            "speed_nm_s": self.speed_nm_s,
            "start_m": 1e-9 * start_nm,
            "stop_m": 1e-9 * stop_nm,
            "step_m": 1e-9 * step_nm,
            "speed_m_s": 1e-9 * self.speed_nm_s,
            "points": self.points,
            "dwell_s": self.integration_s,
            "averages": self.averages,
            "integration_s": self.integration_s,
            "integration_ms": 1e3 * self.integration_s,
        }


def runs(
    wavelength_nm: Float[ndarray, " points"], laser: Laser, *, averages: int, sample_s: float, logs: bool
) -> Iterator[SweepRun]:
    """Cut a sweep into what the laser takes in one go.

    Args:
        wavelength_nm: What was asked for, in any order.
        laser: The laser.
        averages: Converter samples of one point.
        sample_s: Time of one of them in s.
        logs: Whether every meter can log samples at triggers.

    Yields:
        Runs in order. Evenly spaced stretches are swept where laser and meters can; the rest is stepped to.
    """
    first = 0
    while first < len(wavelength_nm):
        count, speed_nm_s = 1, 0.0
        if logs and laser.fastest_nm_s:
            count = min(_even(wavelength_nm[first:]), laser.largest_points)
            step_nm = float(wavelength_nm[first + count - 1] - wavelength_nm[first]) / max(1, count - 1)
            if count >= FEWEST_SWEPT:
                # Of the step as it is sent: in a step rounded down a meter would integrate for longer than it lasts.
                speed_nm_s = laser.speed_nm_s(round(step_nm, STEP_DIGITS), averages * sample_s)
        if not speed_nm_s:
            # Stepped, until an even stretch may begin.
            count = max(1, count - 1) if count < FEWEST_SWEPT else count
        yield SweepRun(wavelength_nm[first : first + count], speed_nm_s, averages, sample_s, first)
        first += count


def _even(wavelength_nm: Float[ndarray, " points"]) -> int:
    """How many points from the first on are evenly spaced and grow."""
    steps = np.diff(wavelength_nm)
    if not len(steps) or steps[0] <= 0.0:
        return min(2, len(wavelength_nm))
    uneven = np.flatnonzero(np.abs(steps - steps[0]) > SAME_STEP_NM + SAME_STEP * steps[0])
    return int(uneven[0]) + 1 if uneven.size else len(wavelength_nm)
