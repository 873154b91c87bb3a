"""Errors of a swept laser's spectrum: its meters, a wavelength that wanders along the slopes, and ripple that no
model holds.

Ports of one sweep see the same laser: a step that came early or late moves them all along their slopes m'. The wander
of real lasers is not white, its neighbours are alike over a few steps. With a variance v of each reading, a wander of
σ that falls off as ρ^|i−k| over the steps, and what is left alike of ripple between neighbours, readings scatter as

    C = diag(v) + ripple + σ²·ρ^|i−k|·m'_i·m'_k        over all ports together

The fit weighs all light alike (a weight that follows the slopes of its own model leads it astray), and its error bars
are those of such a fit under all of C: the sandwich A⁻¹·JᵀWCWJ·A⁻¹ of weighted least squares.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

ALIKE = np.linspace(-0.4, 0.7, 23)
"""Correlations of neighbouring steps that are tried: a wander that is more alike moves a resonance as one, and is its
error; one that is less, of steps that turn back, makes up for strangers that seem to."""
MOST_UNSURE = 0.7
"""Relative standard error of the wander's variance beyond which it is told no better; design choice."""
CLEAR = 3.0
"""How far what is left on the flanks must stand over meters and ripple to tell of the laser; design choice."""
FAILED = 10.0
"""Times the median beyond which a window's fit is taken to have failed; design choice."""
LEAST_SLOPE = 0.4
"""Share of the steepest slope from which a step's error is told from its residual; design choice."""
USUALLY_ALIKE, ALIKE_SPREAD = 0.4, 0.7
"""Correlation of neighbouring steps of a swept laser, where a window alone must do, and what lasers differ by in it.
Source: the gap series of SiEPIC/openEBL-2024-10; the spread is a design choice, wide: ten steps are led by it, thirty
not."""
CORRELATED = 0.05
"""Autocorrelation below which neighbours are taken as strangers; design choice."""


class Wander(NamedTuple):
    """How a laser's wavelength errs: standard deviation in nm, the correlation of neighbouring steps, and the relative
    standard error of the variance.
    """

    std_nm: float
    alike: float
    unsure: float


class Evidence(NamedTuple):
    """What one window tells of the wander.

    With ``a`` what is left along the slopes of the steps on the flanks: Σ a², Σ a_i·a_{i+1}, and what both would be
    at a wander of 1 nm for each correlation of `ALIKE`, with the variance of the first. A fit bends towards the wander
    of its own flanks; that share is counted.
    """

    squares: float
    neighbours: float
    squares_1nm: Float[ndarray, " alike"]
    neighbours_1nm: Float[ndarray, " alike"]
    variance_1nm: Float[ndarray, " alike"]
    meters: float


def evidence(
    residuals: Float[ndarray, "ports wl"],
    slopes: Float[ndarray, "ports wl"],
    *,
    weights: Float[ndarray, "ports wl"],
    variance: Float[ndarray, "ports wl"],
    lowered: Float[ndarray, "ports wl numbers"],
) -> Evidence:
    """Evidence of the wander from what a fit leaves.

    Args:
        residuals: Readings minus model; 0 where there is no reading.
        slopes: Of the model by wavelength, per nm.
        weights: Of the fit: inverse squares; 0 where there is no reading.
        variance: Of each reading without wander.
        lowered: J·L, where L·Lᵀ is the inverse of JᵀWJ.
    """
    steep = np.sum(slopes**2 * weights, axis=0)
    core = np.flatnonzero(steep > LEAST_SLOPE**2 * np.max(steep))
    s, w = slopes[:, core], weights[:, core]
    shared = np.einsum("pw,pwn->wn", s * w, lowered[:, core])
    kept = np.diag(steep[core]) - shared @ shared.T
    left = np.sum(slopes * weights * residuals, axis=0)[core]
    noise = float(np.sum(s**2 * w**2 * np.where(w > 0.0, variance[:, core], 0.0)))
    next_to = np.diff(core) == 1
    lags = np.abs(core[:, None] - core[None, :])
    # Of C = K·R·K, R being ρ^lag: its trace, the sum of its neighbours, and |C|² = tr(R·K²·R·K²).
    twice = kept @ kept
    beside = kept[:, :-1][:, next_to] @ kept[:, 1:][:, next_to].T
    powers = np.power(ALIKE[:, None], np.arange(np.max(lags, initial=0) + 1))
    by_lag = [np.bincount(lags.ravel(), each.ravel(), minlength=powers.shape[1]) for each in (twice, beside)]
    squares, neighbours = powers @ by_lag[0], powers @ by_lag[1]
    variances = []
    for power in powers:
        once = power[lags] @ twice
        variances.append(2.0 * float(np.einsum("ij,ji->", once, once)))
    return Evidence(
        float(np.sum(left**2)),
        float(np.sum((left[:-1] * left[1:])[next_to])),
        squares,
        neighbours,
        np.array(variances),
        noise,
    )


def stray_nm(
    residuals: Float[ndarray, "ports wl"], slopes: Float[ndarray, "ports wl"], weights: Float[ndarray, "ports wl"]
) -> float:
    """How far steps stray on the flanks of lines by what one fit leaves, in nm.

    Rough: by neighbours' differences alone, to which ripple adds little.
    """
    steep = np.sum(slopes**2 * weights, axis=0)
    core = np.flatnonzero(steep > LEAST_SLOPE**2 * np.max(steep))
    shift_nm = np.sum(slopes * weights * residuals, axis=0)[core] / steep[core]
    apart = np.diff(shift_nm)[np.diff(core) == 1]
    return float(np.sqrt(np.mean(apart**2) / (2.0 * (1.0 - USUALLY_ALIKE)))) if len(apart) else 0.0


def pooled(windows: Sequence[Evidence], *, most_nm: float) -> Wander:
    """The wander that all windows of a sweep tell together, by their mean, without those far over their median.

    A fit that failed is no evidence.

    Args:
        windows: What each tells.
        most_nm: What no laser errs by that still sweeps over the lines: beyond, it is another fault.
    """
    still = int(np.argmin(np.abs(ALIKE)))
    clear = [e for e in windows if e.squares_1nm[still] > 0.0 and e.squares > CLEAR * e.meters]
    if not clear:
        return Wander(0.0, 0.0, 0.0)
    ratio = np.array([(e.squares - e.meters) / e.squares_1nm[still] for e in clear])
    kept = [e for e, r in zip(clear, ratio, strict=True) if r <= FAILED * np.median(ratio)]
    alike = np.array([e.neighbours / e.squares for e in kept])
    expected = np.array([e.neighbours_1nm / e.squares_1nm for e in kept])
    # The correlation whose expected ratio is the measured one; that of few steps strays by 1/√steps, and counts by it
    # beside what lasers usually have.
    steps = sum(2.0 * e.squares_1nm[still] ** 2 / e.variance_1nm[still] for e in kept)
    off = np.mean(expected - alike[:, None], axis=0)
    at = int(np.argmin(steps * off**2 + ((ALIKE - USUALLY_ALIKE) / ALIKE_SPREAD) ** 2))
    # Few steps tell it in each window: the median of their squares lies below the mean, which is what counts.
    variance = np.array([(e.squares - e.meters) / e.squares_1nm[at] for e in clear])
    good = variance <= FAILED * np.median(variance)
    mean = float(np.mean(variance[good]))
    told = [e.variance_1nm[at] / e.squares_1nm[at] ** 2 for e, fine in zip(clear, good, strict=True) if fine]
    unsure = float(np.sqrt(np.sum(told))) / len(told)
    if len(told) > 1:
        # Windows that differ by more than so few steps would are no surer than they agree.
        unsure = max(unsure, float(np.std(variance[good], ddof=1) / np.sqrt(len(told))) / mean)
    return Wander(min(float(np.sqrt(mean)), most_nm), float(ALIKE[at]), min(unsure, MOST_UNSURE))


def spread(values: Float[ndarray, " any"]) -> float:
    """Standard deviation, by the median of what lies off the median."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if len(values) else 0.0


def score_covariance(
    jacobian: Float[ndarray, "ports wl numbers"],
    residuals: Float[ndarray, "ports wl"],
    tilts: Float[ndarray, "ports wl"],
    wander: Wander,
    *,
    filled: Float[ndarray, "ports wl"],
) -> Float[ndarray, "numbers numbers"]:
    """Covariance of JᵀWr, all already divided by the readings' standard deviations.

    An error of wavelength ε moves a reading by m'·ε + ½·m″·(ε² − σ²) about its mean; of a Gaussian ε the two are
    strangers, and ε² is alike by 2·σ⁴·ρ^{2|i−k|}.

    Args:
        jacobian: Derivatives.
        residuals: What is left, without what wander explains.
        tilts: Slopes, per nm.
        wander: Of the wavelength.
        filled: ½·σ²·m″.
    """
    total = np.zeros((jacobian.shape[2],) * 2)
    for j, r in zip(jacobian, residuals, strict=True):
        total += _between(j, _autocovariance(r))
    if wander.std_nm > 0.0:
        moved = np.einsum("pwn,pw->wn", jacobian, tilts)
        lags = np.arange(len(moved))
        # Errors over a spread that few steps tell have Student's tails: over that of k steps, whose variance is told to
        # √(2/k), they scatter by k/(k − 2).
        tails = 1.0 / (1.0 - min(wander.unsure, MOST_UNSURE) ** 2)
        total += _between(moved, tails * wander.std_nm**2 * np.power(wander.alike, lags))
        bent = np.einsum("pwn,pw->wn", jacobian, filled)
        total += _between(bent, 2.0 * np.power(wander.alike, 2.0 * lags))
        shared = np.sum(bent, axis=0)
        total += wander.unsure**2 * np.outer(shared, shared)
    return 0.5 * (total + total.T)


def _autocovariance(r: ndarray) -> ndarray:
    """Measured covariance of a residual with itself over the lags, to where it is first lost in its own error."""
    n = len(r)
    kernel = np.fft.irfft(np.abs(np.fft.rfft(r, 2 * n)) ** 2, 2 * n)[:n] / n
    lost = np.flatnonzero(kernel < CORRELATED * kernel[0])
    kernel[int(lost[0]) if len(lost) else n :] = 0.0
    return kernel


def _between(j: ndarray, kernel: ndarray) -> ndarray:
    """Jᵀ·K·J of a symmetric kernel over the lags, by Parseval: Σ K(f)·J(f)ᴴ·J(f)."""
    n, columns = len(kernel), np.ascontiguousarray(j.T)
    length = _quick(2 * n)
    both = np.zeros(length)
    both[:n], both[length - n + 1 :] = kernel, kernel[:0:-1]
    weights = np.real(np.fft.rfft(both)) / length
    # Frequencies beside zero and the highest stand for two.
    weights[1 : (length + 1) // 2] *= 2.0
    waves = np.fft.rfft(columns, length)
    cosines, sines = np.real(waves), np.imag(waves)
    return (cosines * weights) @ cosines.T + (sines * weights) @ sines.T


def _quick(least: int) -> int:
    """The shortest even length from ``least`` on that has no factor beyond 5, as Fourier transforms like it."""
    length = least + least % 2
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 2
