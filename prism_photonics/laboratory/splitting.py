"""Whether a resonance splits, by how much, and what its splitting is surely below.

A fit tells s, the complex squared distance of the two standing waves (`response`), with a covariance C: the powers
depend on s, smoothly through none at all, and an unsplit resonance scatters about s = 0 as C says. The distance itself
is Re √s. Its root makes of noise a splitting of some picometres, so that it counts only where s stands out of C,

    sᵀ·C⁻¹·s > −2·ln(false alarm)          twice the log of the likelihood ratio, χ² with two degrees of freedom,

and otherwise a limit is all that is told. Of small splittings those are told that noise made larger, so that a value is
no plain Re √s: it is the mean over what the true s may be, given s *and* that it was told,

    p(true) ∝ N(s; true, C)/P(told | true)          P by the noncentral χ² of two degrees of freedom,

with the same spread as its error. Source: Ghosh, Zou & Wright, Am. J. Hum. Genet. 82, 1064 (2008),
10.1016/j.ajhg.2008.03.002, on effects that are reported because they stand out. Far over the noise it is Re √s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import chndtr

FALSE_ALARM = 0.01
"""Chance that a resonance that does not split is told to; design choice: in a hundred of them there is one."""
SURELY = 0.95
"""Chance that a splitting lies below its limit; design choice, as limits are usually given."""
RADII, ANGLES = 60, 60
SURE = 10.0
"""Standard errors by which a squared splitting stands out so far that all like it are told; design choice."""


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
    s, root = squared.numbers, np.linalg.cholesky(squared.covariance)
    away, circle = np.linalg.solve(root, s), _circle()
    off = root @ circle
    might_pm = _distance_pm(s[:, None] + off)
    limit_pm = float(np.quantile(might_pm, SURELY))
    # Waves that differ more in width than in place have a distance that noise made.
    if not (away @ away > -2.0 * np.log(FALSE_ALARM) and squared.real_pm2 > 0.0):
        return Splitting(np.nan, np.nan, limit_pm)
    share = 1.0 / np.interp(np.hypot(*(away[:, None] + circle)), *_told())
    share = share / np.sum(share)
    mean = float(share @ might_pm)
    return Splitting(mean, float(np.sqrt(share @ (might_pm - mean) ** 2)), limit_pm)


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


@cache
def _told() -> tuple[Float[ndarray, " apart"], Float[ndarray, " apart"]]:
    """How many standard errors a squared splitting stands out by in truth, and the chance that it is told."""
    apart = np.linspace(0.0, SURE, 201)
    return apart, 1.0 - chndtr(-2.0 * np.log(FALSE_ALARM), 2.0, apart**2)


def _circle() -> Float[ndarray, "2 shares"]:
    """Even shares of a Gaussian of two dimensions."""
    radius = np.sqrt(-2.0 * np.log1p(-(np.arange(RADII) + 0.5) / RADII))
    angle = 2.0 * np.pi * (np.arange(ANGLES) + 0.5) / ANGLES
    return np.stack([np.outer(radius, np.cos(angle)).ravel(), np.outer(radius, np.sin(angle)).ravel()])


def _distance_pm(squared: Float[ndarray, "2 any"]) -> Float[ndarray, " any"]:
    return np.real(np.sqrt(squared[0] + 1j * squared[1]))
