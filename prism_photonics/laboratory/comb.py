"""The comb of a ring: orders against wavelength, group index and its slope.

The phase of a turn is 2π·m at the resonances, and m = n_eff·L/λ. Against k = 1/λ its slope is n_g·L; that n_g itself
depends on wavelength is one order more:

    m = m₀ + n_g0·L·(k − k₀) + ½·(∂n_g/∂k)·L·(k − k₀)²          ∂n_g/∂k = −λ²·∂n_g/∂λ
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

LEAST_CURVED = 4
"""Resonances from which a curvature is fitted: three would leave nothing to judge it by."""
TURNS = 4
AXIS = 1e-5
"""Relative error of a distance on a sweep's axis of wavelengths; design choice: of a laser that a gas cell watches. No
ring tells it, and all rings of a sweep share it."""
STRAY = 5.0
"""Robust standard deviations beyond which a resonance is left out: two modes that cross move one."""


@dataclass(frozen=True, eq=False)
class Comb:
    """A fitted comb; lengths in µm.

    Attributes:
        wl0_nm: Where it is expanded.
        turn_um: n_g·L there.
        turn_std_um: Its standard error.
        slope: ∂(n_g·L)/∂λ there, in µm per µm.
        slope_std: Its standard error; infinite where too few resonances tell it.
        rms_pm: How far the resonances lie from the comb.
        used: Which resonances make it.
    """

    wl0_nm: float
    turn_um: float
    turn_std_um: float
    slope: float
    slope_std: float
    rms_pm: float
    used: tuple[bool, ...]

    def turn_at_um(self, wl_nm: float) -> float:
        """n_g·L at a wavelength."""
        k, k0 = 1e3 / wl_nm, 1e3 / self.wl0_nm
        return self.turn_um - self.slope / k0**2 * (k - k0)

    def turn_std_at_um(self, wl_nm: float) -> float:
        """Its standard error, with that of its slope, as the axis of the sweep has it."""
        if not np.isfinite(self.slope_std):
            return self.turn_std_um
        k, k0 = 1e3 / wl_nm, 1e3 / self.wl0_nm
        return float(np.hypot(self.turn_std_um, self.slope_std / k0**2 * (k - k0)))

    def turn_error_at_um(self, wl_nm: float) -> float:
        """The same with the error of the axis itself."""
        return float(np.hypot(self.turn_std_at_um(wl_nm), AXIS * self.turn_at_um(wl_nm)))

    def fsr_nm(self, wl_nm: float) -> float:
        """Free spectral range λ²/(n_g·L) there."""
        return 1e-3 * wl_nm**2 / self.turn_at_um(wl_nm)


def fit_comb(wl_nm: Sequence[float], std_nm: Sequence[float] | None = None, *, rough: Comb | None = None) -> Comb:
    """Fit the comb of at least three resonances, of which some may be missing between others.

    Args:
        wl_nm: Resonances, ascending, in nm.
        std_nm: Their standard errors in nm; alike by default.
        rough: A comb that tells how far apart they should be; by default the closest two are neighbours.

    Returns:
        The comb.
    """
    wl = np.asarray(wl_nm, float)
    sigma = np.full_like(wl, 1e-3) if std_nm is None else np.maximum(np.asarray(std_nm, float), 1e-5)
    k = 1e3 / wl
    order = _orders(k, float(np.min(-np.diff(k))) if rough is None else 1.0 / rough.turn_um)
    k0 = float(np.mean(k))
    x = (k - k0) / max(float(np.ptp(k)), 1e-12)
    degree = 2 if len(wl) >= LEAST_CURVED else 1
    basis = x[:, None] ** np.arange(degree + 1)
    fsr_nm = np.abs(np.gradient(wl, order))
    # What the resonances stray beyond their errors is shared by all.
    used, extra = np.ones(len(wl), bool), 0.0
    for _ in range(TURNS):
        numbers, off_nm, _ = _polynomial(basis, order, used * fsr_nm / np.hypot(sigma, extra), fsr_nm)
        spread = 1.4826 * float(np.median(np.abs(off_nm[used]))) + 1e-9
        new = np.abs(off_nm) < STRAY * np.hypot(spread, sigma)
        used = new if new.sum() > degree + 1 else used
        extra = np.sqrt(max(float(np.mean(off_nm[used] ** 2 - sigma[used] ** 2)), 0.0))
    numbers, off_nm, covariance = _polynomial(basis, order, used * fsr_nm / np.hypot(sigma, extra), fsr_nm)
    scale = float(np.ptp(k))
    spare = used.sum() - degree - 1
    slope = 2.0 * numbers[2] / scale**2 * -(k0**2) if degree == 2 else 0.0
    slope_std = 2.0 * np.sqrt(covariance[2, 2]) / scale**2 * k0**2 if degree == 2 else np.inf
    turn_std = float(np.sqrt(covariance[1, 1])) / scale if spare >= 0 else np.inf
    rms_pm = 1e3 * float(np.sqrt(np.mean(off_nm[used] ** 2)))
    return Comb(1e3 / k0, numbers[1] / scale, turn_std, float(slope), float(slope_std), rms_pm, tuple(map(bool, used)))


def _polynomial(basis: ndarray, order: ndarray, weight: ndarray, fsr_nm: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Numbers of a weighted fit, what is left of it in nm, and the numbers' covariance."""
    weighted = basis * weight[:, None]
    numbers = np.linalg.lstsq(weighted, order * weight, rcond=None)[0]
    return numbers, (order - basis @ numbers) * fsr_nm, np.linalg.pinv(weighted.T @ weighted)


def _orders(k: Float[ndarray, " resonances"], pace: float) -> Float[ndarray, " resonances"]:
    """Whole numbers that rise with 1/λ, counted from the first; a step may hold several."""
    steps = -np.diff(k)
    order = [0.0]
    for step in steps:
        count = max(round(step / pace), 1)
        pace = step / count
        order.append(order[-1] - count)
    return np.array(order)
