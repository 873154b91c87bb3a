"""Short sweeps about a wavelength, reduced to one reading of every row there, whatever the laser's jitter.

A laser's wavelength jitters from point to point by more than a ring's flank forgives, but by the same at one point in
all rows. With x_i the logged distance from the middle of a window and j_i the jitter, row n reads

    I_ni = c0_n + c1_n·(x_i + j_i) + c2_n·(x_i + j_i)² + noise

The rows' three numbers and the points' jitter are found by turns (errors in variables). What is left is one shift of a
window that all rows share: the weighted mean of its jitter. It is no noise of a row, and is given as what it is.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.survey import averages_for
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.laser import LaserRange, Sweep
from prism_photonics.lightpath.detector.model import sample_noise_A
from prism_photonics.spec import ChipSpec

NM_PER_UM, PM_PER_NM = 1e3, 1e3
# Design choices: half width of a window and its points. A quadratic misses a Lorentzian line's top by
# 1.8·(3/35)·(2·half/FWHM)⁴, 3e-4 of full light for a ring 40 pm wide.
HALF_WIDTH, MOST_POINTS, FEWEST_POINTS = 0.11, 90, 10
# Design choice: steps are no finer than this, in pm, so that a usual laser sweeps over them and need not stop at each.
FINEST_STEP_PM = 0.1
TURNS = 4
# Design choices: noise of a point over a fully lit line, a sixth of which is left of a window, and most samples for it.
POINT_NOISE, MOST_POINT_AVERAGES = 6e-4, 64
# A laser that says it has no jitter has this much, in pm: what is said is rounded.
LEAST_JITTER_PM = 1e-4


@dataclass(frozen=True)
class Windows:
    """Readings at the middles of windows, each of all rows.

    Attributes:
        current_A: Balanced currents, not less the dark level, in A.
        white_A: Their standard errors by the noise of each row, in A.
        slope_A_pm: Their slopes by wavelength, in A/pm.
        shift_pm: Standard error of each window's wavelength, which all rows share, in pm.
        time_s: When each window was read, in s.
        jitter_pm: The points' jitter as found, in pm rms.
    """

    current_A: Float[ndarray, "windows rows"]
    white_A: Float[ndarray, "windows rows"]
    slope_A_pm: Float[ndarray, "windows rows"]
    shift_pm: Float[ndarray, " windows"]
    time_s: Float[ndarray, " windows"]
    jitter_pm: float


def half_width_pm(fwhm_pm: float) -> float:
    """Half width of a window for rings of a linewidth, in pm."""
    return HALF_WIDTH * fwhm_pm


def points_of(half_pm: float) -> int:
    """Points of a window of a half width in pm: as many as a laser triggers at while it sweeps over it."""
    # A hair above, so that a step of exactly the finest is none too fine by rounding.
    return int(np.clip(2.0 * half_pm / (FINEST_STEP_PM * (1.0 + 1e-6)), FEWEST_POINTS, MOST_POINTS))


def window_points_nm(middle_nm: Float[ndarray, " windows"], *, half_pm: float) -> Float[ndarray, "windows points"]:
    """Wavelengths of windows in nm; neighbours that touch share no point."""
    points = points_of(half_pm)
    across = (np.arange(points) + 0.5) / points * 2.0 - 1.0
    return middle_nm[:, None] + half_pm / PM_PER_NM * across


def read_windows(
    chip: AbstractChip,
    spec: ChipSpec,
    middle_nm: Float[ndarray, " windows"],
    *,
    half_pm: float,
    bus: int,
) -> Windows:
    """Sweep the laser over windows of one bus, and reduce each.

    Args:
        chip: The chip, on a bench with a laser.
        spec: Its spec.
        middle_nm: Ascending middles in nm, at least a window apart.
        half_pm: Half of a window's width, in pm.
        bus: The bus.
    """
    asked_nm = window_points_nm(middle_nm, half_pm=half_pm)
    averages = point_averages(spec)
    swept = chip.sweep(asked_nm.ravel(), averages=averages, bus=bus)
    assert chip.laser is not None
    noise_A = _sample_noise_A(spec, swept.current_A) / np.sqrt(averages)
    return reduced(swept, middle_nm, chip.laser, noise_A=noise_A)


def point_averages(spec: ChipSpec) -> int:
    """Converter samples of each point: a fast receiver is noisy, and waits for the laser anyway."""
    return averages_for(spec, noise=POINT_NOISE, most=MOST_POINT_AVERAGES)


def reduced(
    swept: Sweep, middle_nm: Float[ndarray, " windows"], laser: LaserRange, *, noise_A: Float[ndarray, " rows"]
) -> Windows:
    """The readings of a sweep that consists of windows of equally many points.

    Args:
        swept: The sweep.
        middle_nm: Middles of its windows in nm.
        laser: How much the laser jitters.
        noise_A: Standard deviation of one point of each row, in A.
    """
    count = middle_nm.size
    logged_pm = (swept.wavelength_nm.reshape(count, -1) - middle_nm[:, None]) * PM_PER_NM
    current_A = swept.current_A.reshape(count, logged_pm.shape[1], -1)
    sigma_pm = max(laser.jitter_pm, LEAST_JITTER_PM)
    jitter_pm = np.zeros_like(logged_pm)
    for _ in range(TURNS):
        by_order, centre = _quadratic(logged_pm + jitter_pm, current_A)
        x_pm = (logged_pm + jitter_pm)[..., None]
        missed_A = current_A - (by_order[:, None, 0] + (by_order[:, None, 1] + by_order[:, None, 2] * x_pm) * x_pm)
        slope_A_pm = by_order[:, None, 1] + 2.0 * by_order[:, None, 2] * x_pm
        over = slope_A_pm / noise_A**2
        information = (over * slope_A_pm).sum(2) + sigma_pm**-2
        jitter_pm = ((over * (missed_A + slope_A_pm * jitter_pm[..., None])).sum(2)) / information
    by_order, centre = _quadratic(logged_pm + jitter_pm, current_A)
    size = np.sqrt((centre**2).sum(1))
    return Windows(
        current_A=by_order[:, 0],
        white_A=size[:, None] * noise_A,
        slope_A_pm=by_order[:, 1],
        shift_pm=size * sigma_pm,
        time_s=swept.time_s.reshape(count, -1).mean(1),
        jitter_pm=float(np.sqrt(np.mean(jitter_pm**2))),
    )


def _quadratic(
    x_pm: Float[ndarray, "windows points"], current_A: Float[ndarray, "windows points rows"]
) -> tuple[Float[ndarray, "windows 3 rows"], Float[ndarray, "windows points"]]:
    """Least squares of each window by powers of x, and what each point gives to the value in the middle."""
    half_pm = np.abs(x_pm).max(1)[:, None]
    powers = np.stack([np.ones_like(x_pm), x_pm / half_pm, (x_pm / half_pm) ** 2], axis=2)
    inverse = np.linalg.solve(powers.swapaxes(1, 2) @ powers, powers.swapaxes(1, 2))
    scale = np.concatenate([np.ones_like(half_pm), half_pm, half_pm**2], axis=1)
    return inverse @ current_A / scale[..., None], inverse[:, 0]


def _sample_noise_A(spec: ChipSpec, current_A: Float[ndarray, "points rows"]) -> Float[ndarray, " rows"]:
    """Noise of one converter sample of each row, in A, as expected."""
    sum_A = np.nan_to_num(np.abs(current_A), posinf=0.0).max(0)
    return np.asarray(sample_noise_A(spec.detector_design, sum_A, pairs=spec.chip.buses))
