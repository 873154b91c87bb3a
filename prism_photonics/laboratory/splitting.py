"""Whether a resonance splits, by how much, and what its splitting is surely below.

A fit tells s, the complex squared distance of the two standing waves (`response`), with a covariance C: the powers
depend on s, smoothly through none at all, and an unsplit resonance scatters about s = 0 as C says. The distance itself
is Re √s. Its root makes of noise a splitting of some picometres, so that it counts only where s stands out of C,

    sᵀ·C⁻¹·s > −2·ln(false alarm)          twice the log of the likelihood ratio, χ² with two degrees of freedom,

and otherwise a limit is all that is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

FALSE_ALARM = 0.01
"""Chance that a resonance that does not split is told to; design choice: in a hundred of them there is one."""
SURELY = 0.95
"""Chance that a splitting lies below its limit; design choice, as limits are usually given."""
RADII, ANGLES = 60, 60


@dataclass(frozen=True)
class SquaredSplitting:
    """Complex squared distance of two standing waves, and its covariance.

    Attributes:
        real_pm2: Real part, in pm²; negative where the waves differ in width alone.
        imag_pm2: Imaginary part.
        real_variance_pm4: Variance of the real part.
        imag_variance_pm4: Of the imaginary part.
        covariance_pm4: Of one with the other.
    """

    real_pm2: float
    imag_pm2: float
    real_variance_pm4: float
    imag_variance_pm4: float
    covariance_pm4: float

    @classmethod
    def of(cls, numbers: Float[ndarray, " 2"], covariance: Float[ndarray, "2 2"]) -> "SquaredSplitting":
        """From both parts and their covariance."""
        (a, c), (_, b) = covariance
        return cls(*(float(each) for each in (*numbers, a, b, c)))

    @property
    def numbers(self) -> Float[ndarray, " 2"]:
        """Both parts."""
        return np.array([self.real_pm2, self.imag_pm2])

    @property
    def covariance(self) -> Float[ndarray, "2 2"]:
        """Their covariance."""
        c = self.covariance_pm4
        return np.array([[self.real_variance_pm4, c], [c, self.imag_variance_pm4]])

    @property
    def known(self) -> bool:
        """Whether it was fitted and its errors are numbers."""
        return bool(np.isfinite(self.covariance).all() and np.linalg.det(self.covariance) > 0.0)


UNKNOWN = SquaredSplitting(*(float("nan"),) * 5)


@dataclass(frozen=True)
class Splitting:
    """What is told of a splitting.

    Attributes:
        pm: Distance of the two standing waves; NaN where the resonance is not told from one that does not split.
        std_pm: Its standard error; NaN with it.
        limit_pm: What the distance is below with a chance of `SURELY`, whether it is told or not.
    """

    pm: float
    std_pm: float
    limit_pm: float


def splitting(squared: SquaredSplitting) -> Splitting:
    """The distance of two standing waves, or a limit alone."""
    if not squared.known:
        return Splitting(np.nan, np.nan, np.nan)
    s, covariance = squared.numbers, squared.covariance
    root = np.sqrt(complex(*s))
    stands_out = float(s @ np.linalg.solve(covariance, s)) > -2.0 * np.log(FALSE_ALARM)
    limit_pm = _limit_pm(s, covariance)
    # Waves that differ more in width than in place have a distance that noise made.
    if not (stands_out and squared.real_pm2 > 0.0):
        return Splitting(np.nan, np.nan, limit_pm)
    by = np.real(np.array([1.0, 1.0j]) / (2.0 * root))
    return Splitting(float(root.real), float(np.sqrt(by @ covariance @ by)), limit_pm)


def mean_of(squares: Sequence[SquaredSplitting]) -> SquaredSplitting:
    """Mean over a ring's resonances, its error grown by what they scatter beyond theirs.

    They count alike. A resonance's covariance comes from the same fit as its value and is smaller where noise made a
    larger splitting of it: weights by it would make a splitting of some picometres of rings that do not split.
    """
    kept = [one for one in squares if one.known]
    if not kept:
        return UNKNOWN
    mean = np.mean([one.numbers for one in kept], axis=0)
    covariance = np.mean([one.covariance for one in kept], axis=0)
    off = np.array([one.numbers - mean for one in kept])
    left = np.sum(off.T * np.linalg.solve(covariance, off.T)) / max(2 * (len(kept) - 1), 1)
    return SquaredSplitting.of(mean, max(left, 1.0) * covariance / len(kept))


def _limit_pm(s: ndarray, covariance: ndarray) -> float:
    """The distance that a Gaussian about ``s`` stays below with a chance of `SURELY`, by an even grid of its shares."""
    radius = np.sqrt(-2.0 * np.log1p(-(np.arange(RADII) + 0.5) / RADII))
    angle = 2.0 * np.pi * (np.arange(ANGLES) + 0.5) / ANGLES
    circle = np.stack([np.outer(radius, np.cos(angle)).ravel(), np.outer(radius, np.sin(angle)).ravel()])
    real, imag = s[:, None] + np.linalg.cholesky(covariance) @ circle
    return float(np.quantile(np.real(np.sqrt(real + 1j * imag)), SURELY))
