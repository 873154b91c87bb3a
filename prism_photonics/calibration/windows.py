"""Short sweeps about a wavelength, reduced to one reading of every row there, whatever the laser's jitter.

A laser's wavelength jitters from point to point by more than a ring's flank forgives, but by the same at one point in
all rows. With x_i the logged distance from the middle of a window and j_i the jitter, row n reads

    I_ni = c0_n + c1_n·(x_i + j_i) + c2_n·(x_i + j_i)² + noise

The rows' three numbers and the points' jitter are found together (errors in variables), by Gauss and Newton's steps of
the jitter with the rows' numbers eliminated. A line's top has third and fourth powers too, 1e-3 of full light: they are
found where the points then stand, and taken out (found together with the jitter they would run away with it). Where no
row is on a flank a point's jitter stays unknown, and ⟨j²⟩ of it is counted. What is left is one shift of a window that
all rows share: the weighted mean of its jitter. It is no noise of a row, and is given as what it is.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.survey import averages_for
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.laser import LaserRange, Sweep
from prism_photonics.lightpath.detector.model import sample_noise_A
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_NM

# Design choices: half width of a window and its points.
HALF_WIDTH, MOST_POINTS, FEWEST_POINTS = 0.11, 90, 10
# Design choice: steps are no finer than this, in pm, so that a usual laser sweeps over them and need not stop at each.
FINEST_STEP_PM = 0.1
# Steps to the rows' quadratics, and again when what these lack has been taken out, twice (design choice).
TURNS, AGAIN = 5, (2, 2)
# Turns of the points with the rows held, before both are moved together.
BY_TURNS = 4
# Shares of a step that are tried until it leads downhill (design choice).
SHARES = (1.0, 0.25, 0.06, 0.016, 0.0)
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
    # A row that gives no number tells nothing of the jitter, as one that gives the same all along.
    lost = ~np.isfinite(current_A).all(1)
    current_A = np.where(lost[:, None], 0.0, current_A)
    sigma_pm = max(laser.jitter_pm, LEAST_JITTER_PM)
    jitter_pm, unsure_pm2 = np.zeros_like(logged_pm), np.zeros_like(logged_pm)
    beyond_A, alone_A2 = np.zeros_like(current_A), np.zeros((count, current_A.shape[2]))
    rows = _rows(logged_pm, current_A, unsure_pm2, noise_A)
    for _ in range(BY_TURNS):
        # The rows held: near enough that the joint steps do not lead astray.
        steep = rows.weight * rows.slope_A_pm
        pull = (steep * (rows.left_A + rows.slope_A_pm * jitter_pm[..., None])).sum(2)
        jitter_pm = pull / ((steep * rows.slope_A_pm).sum(2) + sigma_pm**-2)
        rows = _rows(logged_pm + jitter_pm, current_A, unsure_pm2, noise_A)
    for turns in (TURNS, *AGAIN):
        for _ in range(turns):
            step_pm, unsure_pm2, _ = _step(rows, jitter_pm, sigma_pm)
            rows = _rows(logged_pm + jitter_pm, current_A - beyond_A, unsure_pm2, noise_A)
            before, share, uphill = _misfit(rows, jitter_pm, sigma_pm), np.ones((count, 1)), np.ones(count, bool)
            tried_pm, tried = jitter_pm, rows
            # A point near a line's top may have strayed to either side: where the whole step leads uphill a part is
            # taken, and none in the end.
            for part in SHARES:
                share[uphill] = part
                tried_pm = jitter_pm + share * step_pm
                tried = _rows(logged_pm + tried_pm, current_A - beyond_A, unsure_pm2, noise_A)
                uphill &= ~(_misfit(tried, tried_pm, sigma_pm) <= before)
                if not uphill.any():
                    break
            jitter_pm, rows = tried_pm, tried
        beyond_A, alone_A2 = _beyond(rows, current_A)
        rows = _rows(logged_pm + jitter_pm, current_A - beyond_A, unsure_pm2, noise_A)
    _, _, by_jitter_A2 = _step(rows, jitter_pm, sigma_pm)
    # The rows tell how the points lie to each other, and the points' mean is all that they leave open.
    shift_pm, slope_A_pm = np.full(count, sigma_pm / np.sqrt(logged_pm.shape[1])), rows.by_order[:, 1]
    return Windows(
        current_A=np.where(lost, np.nan, rows.by_order[:, 0]),
        white_A=np.sqrt(alone_A2 + np.maximum(by_jitter_A2 - (slope_A_pm * shift_pm[:, None]) ** 2, 0.0)),
        slope_A_pm=slope_A_pm,
        shift_pm=shift_pm,
        time_s=swept.time_s.reshape(count, -1).mean(1),
        jitter_pm=float(np.sqrt(np.mean(jitter_pm**2))),
    )


class _Rows(NamedTuple):
    """Every row's quadratic through a window, at given places of the points.

    Attributes:
        by_order: Its numbers, of powers of pm.
        powers: Of the places over half a window, 1, x and x² in the mean over what is not known of x.
        weight: Inverse variances of the points of each row.
        covariance: Of the numbers, of powers of half a window.
        slope_A_pm: By wavelength at each point.
        left_A: What is left.
    """

    by_order: Float[ndarray, "windows 3 rows"]
    powers: Float[ndarray, "windows points 3"]
    weight: Float[ndarray, "windows points rows"]
    covariance: Float[ndarray, "windows rows 3 3"]
    slope_A_pm: Float[ndarray, "windows points rows"]
    left_A: Float[ndarray, "windows points rows"]


def _rows(
    x_pm: Float[ndarray, "windows points"],
    current_A: Float[ndarray, "windows points rows"],
    unsure_pm2: Float[ndarray, "windows points"],
    noise_A: Float[ndarray, " rows"],
) -> _Rows:
    """Least squares of every row by powers of x, whose variance is known: ⟨x²⟩ is larger by it, and scatters."""
    half_pm = np.abs(x_pm).max(1)[:, None]
    powers = np.stack([np.ones_like(x_pm), x_pm / half_pm, (x_pm**2 + unsure_pm2) / half_pm**2], axis=2)
    plain = np.linalg.solve(powers.swapaxes(1, 2) @ powers, powers.swapaxes(1, 2) @ current_A)
    bend_A_pm2 = plain[:, None, 2] / half_pm[..., None] ** 2
    # A quadratic of a Gaussian error: the variance of its square is twice that of the error, squared.
    weight = 1.0 / (noise_A**2 + 2.0 * (bend_A_pm2 * unsure_pm2[..., None]) ** 2)
    covariance = np.linalg.inv(np.einsum("wpn,wpk,wpl->wnkl", weight, powers, powers))
    numbers = np.einsum("wnkl,wpl,wpn->wkn", covariance, powers, weight * current_A)
    scale = np.concatenate([np.ones_like(half_pm), half_pm, half_pm**2], axis=1)
    by_order = numbers / scale[..., None]
    slope_A_pm = by_order[:, None, 1] + 2.0 * by_order[:, None, 2] * x_pm[..., None]
    return _Rows(by_order, powers, weight, covariance, slope_A_pm, current_A - powers @ numbers)


def _beyond(
    rows: _Rows, current_A: Float[ndarray, "windows points rows"]
) -> tuple[Float[ndarray, "windows points rows"], Float[ndarray, "windows rows"]]:
    """What a row has of third and fourth powers at each point, whose places are held, and the variance of its value in
    the middle where these are found too.
    """
    x = rows.powers[..., 1:2]
    powers = np.concatenate([rows.powers, x**3, x**4], axis=2)
    covariance = np.linalg.inv(np.einsum("wpn,wpk,wpl->wnkl", rows.weight, powers, powers))
    numbers = np.einsum("wnkl,wpl,wpn->wkn", covariance, powers, rows.weight * current_A)
    return powers[..., 3:] @ numbers[:, 3:], covariance[..., 0, 0]


def _misfit(rows: _Rows, jitter_pm: Float[ndarray, "windows points"], sigma_pm: float) -> Float[ndarray, " windows"]:
    """Minus twice the logarithm of a window's likelihood, up to a constant."""
    left = (rows.weight * rows.left_A**2 - np.log(rows.weight)).sum((1, 2))
    return left + ((jitter_pm / sigma_pm) ** 2).sum(1)


def _step(
    rows: _Rows, jitter_pm: Float[ndarray, "windows points"], sigma_pm: float
) -> tuple[Float[ndarray, "windows points"], Float[ndarray, "windows points"], Float[ndarray, "windows rows"]]:
    """Gauss and Newton's step of the points' jitter with the rows' numbers eliminated, what of each point's jitter is
    not known, as a variance, and what all of it does to the variance of every row's value in the middle.
    """
    steep = rows.weight * rows.slope_A_pm
    onto = np.einsum("wpn,wpk->wnpk", steep, rows.powers)
    # All rows' powers side by side, so that BLAS adds up.
    flat = lambda array: array.swapaxes(1, 2).reshape(array.shape[0], array.shape[2], -1)  # noqa: E731
    information = -flat(onto @ rows.covariance) @ flat(onto).swapaxes(1, 2)
    alone = (steep * rows.slope_A_pm).sum(2) + sigma_pm**-2
    points = np.arange(jitter_pm.shape[1])
    information[:, points, points] += alone
    force = (steep * rows.left_A).sum(2) - jitter_pm / sigma_pm**2
    to_middle = np.einsum("wnpk,wnk->wpn", onto, rows.covariance[..., 0])
    found = np.linalg.solve(information, np.concatenate([force[..., None], to_middle], axis=2))
    return found[..., 0], 1.0 / alone, (to_middle * found[..., 1:]).sum(1)


def _sample_noise_A(spec: ChipSpec, current_A: Float[ndarray, "points rows"]) -> Float[ndarray, " rows"]:
    """Noise of one converter sample of each row, in A, as expected."""
    sum_A = np.nan_to_num(np.abs(current_A), posinf=0.0).max(0)
    return np.asarray(sample_noise_A(spec.detector_design, sum_A, pairs=spec.chip.buses))
