"""Error bars of a fit where straight misfits and a complete model are not enough.

A fit's covariance takes misfits for straight in the unknowns, the model for complete, and the minimum for reached.
Three things are not so:

**The imbalance of a ring's couplers.** On resonance the through port's amplitude goes with t₁ − t₂·a, and readings see
its square: they tell the sum of both couplings and hardly their difference, whose sign may be either. Loss follows the
square of that difference. So the valley of each ring's imbalance Δ is walked to second order, x(Δ) = Δ·v + ½·Δ²·w, with
the other unknowns at their best: w is the geodesic acceleration at a given Δ. Along it the misfits are r + Δ·a + ½·Δ²·b
and the cost is a quartic, with the mirrored solution as its second well. Its moments about the optimum take the place
of the straight ones.

**What the model leaves out of the electrodes' field.** It goes to the next ring. Of an expansion that was cut off, the
first term left out tells how far off it may be: a share of the voltage of the ring after the next, of unknown size and
either sign for each pair. It is not fitted. How large it is the readings of all buses of a kind tell (plain rows, or
those that reflect), as the component of their misfit's variance that lies along it; the rest stays white. An unknown's
variance gains what a share so large would move it by (a consider covariance). Where readings show none, nothing is
added.

**How far a fit of buses that reflect is from its minimum.** Its descents end after so many steps, and flat valleys are
then not walked to their end: all losses of a bus against the ratio of its two photodiodes. What the next Newton step
would move an unknown by is part of its error. Fits of the plain row end at theirs.

Sources: quartic along a valley and its acceleration: M. K. Transtrum and J. P. Sethna, arXiv 1201.5885; bias of
nonlinear least squares: M. J. Box, Journal of the Royal Statistical Society B 33, 171 (1971); variance components by
their moments: C. R. Rao, Journal of Multivariate Analysis 1, 257 (1971); parameters that are considered and not
estimated: S. F. Schmidt, Advances in Control Systems 3, 293 (1966); first omitted term: R. J. Furnstahl et al., arXiv
1506.01343; allowance for a model's own error: M. C. Kennedy and A. O'Hagan, Journal of the Royal Statistical Society B
63, 425 (2001).
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, prior_weight
from prism_photonics.calibration.descent import misfits, normal
from prism_photonics.calibration.fit import BusFit, at_optimum
from prism_photonics.calibration.portions import READINGS_AT_ONCE, in_portions
from prism_photonics.calibration.reading_model import reading_slopes
from prism_photonics.calibration.reflecting_fit import honest
from prism_photonics.calibration.spoiled_lines import counted_beside, in_sizes_of_chip
from prism_photonics.calibration.unknowns import columns

# Imbalances over which a quartic is integrated, in standard deviations of its prior.
IMBALANCES = np.linspace(-8.0, 8.0, 801)
# Least share of a variance that is left of it: a quartic may be narrower than its parabola, not without end. Design
# choice.
LEAST = 0.1
# Keeps a quotient finite.
TINY = 1e-30
OfUnknowns = Float[ndarray, "buses unknowns"]


def widened(survey: BusSurvey, fit: BusFit, apart: Bool[ndarray, "buses lines"]) -> BusFit:
    """The fit, its standard errors as wide as the module says.

    A chip on which TM is fitted, and a bus of which lines are set apart, keep theirs: what is left there is not what is
    asked here.

    Args:
        survey: The readings, with the drift that was found.
        fit: Their fit.
        apart: Lines that no fit explains (`spoiled_lines`).
    """
    if survey.polarized is not None:
        return fit
    std, stop = fit.std.copy(), columns(survey.rings.t1.shape[1])["drop_ratio"].stop
    bare = ~fit.flat[:, stop:].any(1)
    for some in (np.flatnonzero(bare & ~apart.any(1)), np.flatnonzero(~bare & ~apart.any(1))):
        if some.size:
            own, flat = survey.take(some), fit.flat[some]
            if bare[some[0]]:
                own, flat = replace(own, reflecting=None), flat[:, :stop]
            std[some, : flat.shape[1]] *= np.sqrt(_times_wider(_sure(own, flat), flat))
    return replace(fit, std=std)


def _sure(survey: BusSurvey, flat: OfUnknowns) -> BusSurvey:
    """The readings as sure as a fit's error bars take them."""
    if survey.reflecting is None:
        return survey.with_noise(
            survey.noise_A * np.sqrt(np.maximum(at_optimum(survey, flat).chi2, 1.0))[:, None, None]
        )
    every = np.ones(survey.count, dtype=bool)
    own, sizes = in_sizes_of_chip(survey, flat, telling=every)
    none = np.zeros(survey.channel_of_ring.shape, dtype=bool)
    sure = honest(counted_beside(own, flat / sizes, none), flat / sizes)
    return survey.with_noise(sure.noise_A)


def _times_wider(survey: BusSurvey, flat: OfUnknowns) -> OfUnknowns:
    """By how much each variance grows."""

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some ..."], ...]:
        return _of_portion(survey.take(some), flat[some])

    straight, white, more, far, squares = in_portions(survey, one_portion, readings=READINGS_AT_ONCE)
    names = ("misfit", "along", "of_white", "of_both", "of_far")
    even, share2 = _components(**dict(zip(names, squares.sum(0).tolist(), strict=True)))
    found = straight + more + (even - 1.0) * white + share2 * far
    return np.maximum(found / straight, LEAST)


def _components(*, misfit: float, along: float, of_white: float, of_both: float, of_far: float) -> tuple[float, float]:
    """Share of the white variance that stays white, and the square of the far share; neither is negative.

    Args:
        misfit: Squared misfits.
        along: Squares of what lies along the far voltages.
        of_white: What each is expected to be, by white noise of unit variance and by a unit share: the first by noise,
        of_both: the first by shares, and the second by noise,
        of_far: the second by shares.
    """
    alone = misfit / max(of_white, TINY)
    whole = of_white * of_far - of_both**2
    if not alone > 0.0 or not whole > TINY * of_white * of_far:
        return 1.0, 0.0
    even, share2 = (misfit * of_far - along * of_both) / whole, (along * of_white - misfit * of_both) / whole
    if share2 <= 0.0:
        return 1.0, 0.0
    if even <= 0.0:
        return 0.0, along / of_far
    return even / alone, share2


def _of_portion(survey: BusSurvey, flat: OfUnknowns) -> tuple[Float[ndarray, "buses ..."], ...]:
    """Variances of straight misfits, their part by white noise, what is added, by a far share of one; and squares."""
    count, rings = survey.rings.t1.shape
    slopes, weight = reading_slopes(survey, flat), 1.0 / survey.noise_A
    by = (slopes.by_unknown * weight[:, None]).reshape(*flat.shape, -1)
    here = ((slopes.current_A - survey.current_A) * weight).reshape(count, -1)
    covariance = np.linalg.inv(normal(by, rings))
    straight = np.diagonal(covariance, axis1=1, axis2=2).copy()
    told = covariance @ (by @ by.swapaxes(1, 2))
    white = np.diagonal(told @ covariance, axis1=1, axis2=2).copy()

    volts = np.moveaxis(survey.volts, -1, 1)
    pairs = [(ring, other) for ring in range(rings) for other in (ring - 2, ring + 2) if 0 <= other < rings]
    far = np.zeros((count, len(pairs), here.shape[1]))
    for n, (ring, other) in enumerate(pairs):
        far[:, n] = (slopes.by_volt[:, ring] * weight * volts[:, other]).reshape(count, -1)
    moved = covariance @ (by @ far.swapaxes(1, 2))
    # What a fit leaves of it.
    left = far - moved.swapaxes(1, 2) @ by
    seen, through = np.isfinite(survey.noise_A).sum((1, 2)), np.einsum("bij,bji->b", told, told)
    squares = np.stack(
        [
            (here**2).sum(1),
            ((far @ here[..., None]) ** 2).sum((1, 2)),
            seen - 2.0 * np.trace(told, axis1=1, axis2=2) + through,
            (left**2).sum((1, 2)),
            ((far @ left.swapaxes(1, 2)) ** 2).sum((1, 2)),
        ],
        axis=1,
    )
    more = _bent(survey, flat, here, by=by, covariance=covariance)
    if survey.reflecting is not None:
        more += _to_the_minimum(survey, flat, here, by=by, covariance=covariance) ** 2
    return straight, white, more, (moved**2).sum(2), squares


def _to_the_minimum(
    survey: BusSurvey,
    flat: OfUnknowns,
    here: Float[ndarray, "buses readings"],
    *,
    by: Float[ndarray, "buses unknowns readings"],
    covariance: Float[ndarray, "buses unknowns unknowns"],
) -> OfUnknowns:
    """What the next Newton step would move the unknowns by."""
    # Priors are misfits too.
    prior = prior_weight(survey.rings.t1.shape[1], unknowns=flat.shape[1])
    slope = (by @ here[..., None])[..., 0] + prior**2 * flat
    return -(covariance @ slope[..., None])[..., 0]


def _bent(
    survey: BusSurvey,
    flat: OfUnknowns,
    here: Float[ndarray, "buses readings"],
    *,
    by: Float[ndarray, "buses unknowns readings"],
    covariance: Float[ndarray, "buses unknowns unknowns"],
) -> OfUnknowns:
    """What the valleys of the rings' imbalances add to the variances, about the optimum."""
    rings, places = survey.rings.t1.shape[1], columns(survey.rings.t1.shape[1])
    prior = prior_weight(rings, unknowns=flat.shape[1])
    added, moved = np.zeros_like(flat), np.zeros_like(flat)
    for ring in range(rings):
        imbalance = np.zeros(flat.shape[1])
        imbalance[places["kappa1"].start + ring], imbalance[places["kappa2"].start + ring] = np.sqrt(0.5) * np.array(
            [1, -1]
        )
        along = covariance @ imbalance
        variance = along @ imbalance
        v = along / variance[:, None]
        # So far off a bus may leave the numbers, where its valley is bent most: then it stays straight.
        with np.errstate(all="ignore"):
            above, below = (misfits(survey, flat + sign * v).reshape(here.shape) for sign in (1.0, -1.0))
        seen = np.isfinite(above + below).all(1)
        second = np.where(seen[:, None], above + below - 2.0 * here, 0.0)
        w = -(covariance @ (by @ second[..., None]))[..., 0]
        w -= v * (w @ imbalance)[:, None]
        a, b = (v[:, None] @ by)[:, 0], second + (w[:, None] @ by)[:, 0]
        # Priors are misfits too, which are straight; at the optimum the cost has no slope.
        here_too, a, b = (np.hstack(both) for both in ((here, flat * prior), (a, v * prior), (b, w * prior)))
        quartic = [(a * a + here_too * b).sum(1), (a * b).sum(1), 0.25 * (b * b).sum(1)]
        cost = sum(part[:, None] * IMBALANCES**power for part, power in zip(quartic, (2, 3, 4), strict=True))
        density = np.exp(-0.5 * (cost - cost.min(1, keepdims=True)))
        density /= density.sum(1, keepdims=True)
        m1, m2, m3, m4 = ((density * IMBALANCES**power).sum(1)[:, None] for power in (1, 2, 3, 4))
        mean = m1 * v + 0.5 * m2 * w
        added += m2 * v**2 + m3 * v * w + 0.25 * m4 * w**2 - mean**2 - variance[:, None] * v**2
        moved += mean
    # All rings of a bus move what they share, such as the drop port's part, to the same side.
    return added + moved**2
