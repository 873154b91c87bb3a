"""The fit of one window by weighted least squares, and its error bars.

`fit_window` fits the rings from several beginnings (one line, two lines apart), then ripple that stands out of what is
left. Once all windows of a sweep have told together how its laser wanders (`noise.pooled`), `refit` counts that wander
in the error bars, and follows κ² over wavelength within a wide window.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import least_squares

from prism_photonics.laboratory.bent import bent_groups, mean_covariance, rooted
from prism_photonics.laboratory.noise import Evidence, Wander, evidence, score_covariance, spread, stray_nm
from prism_photonics.laboratory.ripple import SHORTEST_STEPS, strongest_period_nm
from prism_photonics.laboratory.window import RING, RIPPLE, Window, WindowModel
from prism_photonics.units import PM_PER_NM

RIPPLES = 3
"""Most sinusoids of a port: two facets and a pair of gratings; design choice."""
WIDEST_SPLIT_PM = 150.0
"""Linewidth above which a splitting says nothing: what bends so broad a dip is the envelope. Source: fits of the
rings of SiEPIC/openEBL-2024-10, with and without it.
"""
LEAST_RELATIVE = 2e-4
"""Of a reading: a power meter repeats no better; design choice."""
EVEN = 0.02
"""Error by which readings are weighed, of the baseline and of themselves; only its ratio to the meters' noise
matters."""
LIT_BEHIND, LIT = 0.3, 0.05
"""Share of the baseline behind a ring, and of the peak at a drop port, from which ripple of a gain shows; design
choice."""
LEAST_KAPPA2 = 1e-6
"""Where a fit goes on that ran to no coupling at all; design choice."""
FACETS_NM = 0.2
"""The shortest period of ripple by facets and gratings: a port that is bright over less shows none. Source: the
spectra of SiEPIC/openEBL-2024-10."""
FLAT = 0.01
"""Change over a step, of a port's peak, below which wander does not show; design choice."""
UNKNOWN_RELATIVE = 3e-3
"""Of a reading, where no stretch is flat enough to tell it; design choice."""
LEAST_JITTER = 0.005
"""Of the narrowest linewidth: less jitter fills a dip by less than 1e-4."""
FAR = 1e8
"""Residual of a step that left what numbers hold."""
STILL = Wander(0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class WindowFit:
    """A fitted window.

    Attributes:
        model: What was fitted.
        p: Its numbers.
        covariance: Of all its numbers; zero for those that were held.
        variance: Of each reading, without wander; infinite where there is none.
        residuals: Readings minus model, by port; NaN where there is no reading.
        evidence: What it tells of the laser's wander.
        chi2: Mean square of what is left over what was expected.
        gains: Of each sinusoid of the through port, what the first fit gains if it is of facets around the rings.
    """

    model: WindowModel
    p: Float[ndarray, " numbers"]
    covariance: Float[ndarray, "numbers numbers"]
    variance: Float[ndarray, "ports wl"]
    residuals: Float[ndarray, "ports wl"]
    evidence: Evidence
    chi2: float
    gains: tuple[float, ...] = ()

    def rms(self, port: int) -> float:
        """Root mean square of what is left at a port, over its own baseline (at a drop port: over its peak)."""
        w = self.model.window
        behind = int(len(w.through) > 0)
        over = self.model.baseline(self.p, port) if port < behind else 1.0
        return float(np.sqrt(np.nanmean((self.residuals[port] / over) ** 2)))


# A fit that runs away leaves what numbers hold; it is known by what it finds, and left out by who asked for it.
@np.errstate(all="ignore")
def fit_window(
    window: Window,
    starts: Sequence[Float[ndarray, " numbers"]],
    *,
    meters: Sequence[float],
    equal: bool = True,
    split: bool = True,
    ripples: int = RIPPLES,
    through_order: int = 3,
) -> WindowFit:
    """Fit the rings of a window, whatever the laser's wander is.

    Args:
        window: The stretch.
        starts: Beginnings for the numbers of its rings, six each.
        meters: Noise of each port's meter, in the units of its trace.
        equal: Whether the two couplers of a ring are alike.
        split: Whether splitting is fitted.
        ripples: Most sinusoids of each port.
        through_order: Degree of the through port's polynomial.

    Returns:
        The best fit.
    """
    y = window.traces
    model = WindowModel.plain(window, equal=equal, through_order=through_order)
    if split:
        model = model.freed([RING * k + n for k in range(model.rings) for n in (4, 5)])
    weights = _weights(y, meters)
    tries = [_minimum(model, _with_envelope(model, start), weights, most=15) for start in starts]
    p = min(tries, key=lambda one: one[1])[0]
    for _ in range(ripples):
        before = model
        for port, period_nm in enumerate(_periods_nm(model, p, meters)):
            if period_nm is not None:
                model, p = model.with_ripple(port, p, period_nm)
        if model is before:
            break
        p, _ = _minimum(model, p, weights, most=12)
    p, cost = _minimum(model, _lossy(model, p), weights, most=12)
    gains = []
    for n in range(len(model.around)):
        gains.append(cost - _minimum(model.turned(n), p, weights, most=12)[1])
    if split and _hidden(model, p):
        held = {"meters": meters, "equal": equal, "ripples": ripples, "through_order": through_order}
        return fit_window(window, [_unsplit(start) for start in starts[:1]], split=False, **held)
    return replace(_finished(model, p, meters=meters, wander=STILL, weights=weights), gains=tuple(gains))


@np.errstate(all="ignore")
def refit(
    fit: WindowFit, wander: Wander, *, meters: Sequence[float], slope_per_nm: float | None = None, last: bool = True
) -> WindowFit:
    """The fit of what a laser that wanders reads, with the wander in its error bars.

    Args:
        fit: The fit without it.
        wander: Of the sweep's wavelength.
        meters: Noise of each port's meter, in the units of its trace.
        slope_per_nm: Change of ln κ² per nm, where the comb has told it.
        last: Whether its error bars count: those of dark dips take half as long as the fit.
    """
    window = fit.model.window
    narrowest_nm = min(fit.model.widths_nm(fit.p))
    jitter_nm = wander.std_nm if wander.std_nm > LEAST_JITTER * narrowest_nm else 0.0
    slope = window.slope_per_nm if slope_per_nm is None else slope_per_nm
    known = {"slope_per_nm": slope, "jitter_nm": jitter_nm, "narrowest_nm": narrowest_nm}
    model = replace(fit.model, window=replace(window, **known))
    # Readings that strayed up would weigh less by themselves than by what the first fit makes of them.
    m, _, _ = model.evaluate(fit.p, window.wl_nm)
    weights = _weights(np.where(np.isfinite(window.traces), m, np.nan), meters)
    p, _ = _minimum(model, fit.p, weights, most=15)
    if _hidden(model, p):
        free = model.free.copy()
        for n in (4, 5):
            free[n : RING * model.rings : RING] = False
        model, rings = replace(model, free=free), RING * model.rings
        p, _ = _minimum(model, np.r_[_unsplit(fit.p[:rings]), fit.p[rings:]], weights, most=15)
    found = _finished(model, p, meters=meters, wander=wander, weights=weights, bent=last)
    return replace(found, gains=fit.gains)


def _with_envelope(model: WindowModel, rings: ndarray) -> ndarray:
    """A vector with the beginnings of its rings, and constant envelopes that suit the data."""
    y, p = model.window.traces, np.zeros(model.size)
    p[: len(rings)] = rings
    m, _, _ = model.evaluate(p, model.window.wl_nm)
    for port, row in enumerate(y):
        behind = port < int(len(model.window.through) > 0)
        of = np.nanmedian if behind else np.nanmax
        p[model.envelope(port).start] = np.log(of(row) / of(m[port]))
    return p


def _lossy(model: WindowModel, p: ndarray) -> ndarray:
    """The same powers by rings that lose light.

    They depend on t1 and on t2·a, and stay as they are when both are exchanged; of two couplers that are alike, a ring
    of loss −l and κ² is one of loss l and 1 − (1 − κ²)·e^l.
    """
    p = p.copy()
    for at in (RING * k for k in range(model.rings)):
        kappa2, loss = np.exp(p[at + 1]), p[at + 3]
        # Where the couplers are free or there is but one, both branches lose light.
        if loss < 0.0 and model.window.dropped and not model.free[at + 2]:
            p[at + 1], p[at + 3] = np.log(max(1.0 - (1.0 - kappa2) * np.exp(-loss), LEAST_KAPPA2)), -loss
    return p


def _hidden(model: WindowModel, p: ndarray) -> bool:
    """Whether one of a line's two standing waves is as wide as half the window: nothing tells it from the envelope,
    whose part it then takes, and leaves the line to the other.
    """
    for k, width_nm in enumerate(model.widths_nm(p)):
        ring = model.ring(p, k)
        wider_nm = abs(np.sqrt(complex(ring.split2_pm2, ring.split2_im_pm2)).imag) / PM_PER_NM
        if wider_nm > 0.0 and not width_nm + wider_nm < model.window.half_nm:
            return True
    return False


def _unsplit(start: ndarray) -> ndarray:
    """Numbers of rings of one line each."""
    start = start.copy()
    for n in (4, 5):
        start[n::RING] = 0.0
    return start


def _weights(y: ndarray, meters: Sequence[float]) -> ndarray:
    """One weight for all but what is in the noise: what strays on a flank is wander, and a fit that follows its own
    slopes in its weights is led astray by it.
    """
    seen, meter = np.isfinite(y), np.asarray(meters)[:, None]
    return np.where(seen, 1.0 / (EVEN**2 * (1.0 + np.square(np.where(seen, y, 0.0))) + meter**2), 0.0)


def _variance(w: Window, m: ndarray, slopes: ndarray, meters: Sequence[float]) -> ndarray:
    """Variance of each reading from what is left where no slope is: a share of it, and the meter's own."""
    y = w.traces
    left, seen = y - m, np.isfinite(y)
    step_nm = float(np.median(np.diff(w.wl_nm)))
    variance = np.full(y.shape, np.inf)
    relative = UNKNOWN_RELATIVE
    for port, meter in enumerate(meters):
        peak = np.max(np.abs(m[port]))
        flat = seen[port] & (np.abs(slopes[port]) * step_nm < FLAT * peak) & (m[port] > 0.05 * peak)
        # A narrow peak is all flank: what its port repeats is then taken from the port before.
        if flat.sum() >= 30:
            relative = max(spread((left[port] / m[port])[flat]), LEAST_RELATIVE)
        low = seen[port] & (np.abs(m[port]) < 0.02 * peak)
        ground = spread(left[port][low]) if low.sum() > 20 else 0.0
        variance[port] = np.where(seen[port], (relative * m[port]) ** 2 + max(meter, ground) ** 2 + 1e-10, np.inf)
    return variance


def _periods_nm(model: WindowModel, p: ndarray, meters: Sequence[float]) -> list[float | None]:
    """The period of a sinusoid for each port whose gain shows one in what is left.

    What strays along the flanks of a line is the laser's wander: it is no ripple, and counts by how little a step that
    came early or late moves a reading.
    """
    w = model.window
    m, jacobian, slopes = model.evaluate(p, w.wl_nm)
    y = w.traces
    seen, behind = np.isfinite(y), int(len(w.through) > 0)
    left = np.where(seen, y - m, 0.0)
    shift_nm = stray_nm(left, slopes, _weights(y, meters))
    scale = np.zeros(y.shape)
    for port, meter in enumerate(meters):
        bright = seen[port] & (m[port] > (LIT_BEHIND * model.baseline(p, port) if port < behind else LIT))
        if not bright.any() or np.ptp(w.wl_nm[bright]) < FACETS_NM:
            continue
        tilt = np.abs(slopes[port] / np.where(bright, m[port], 1.0))
        even = bright & (tilt <= np.median(tilt[bright]))
        calm = max(spread((left[port] / np.where(even, m[port], 1.0))[even]), LEAST_RELATIVE)
        variance = (calm * m[port]) ** 2 + meter**2 + (shift_nm * slopes[port]) ** 2
        scale[port] = np.where(bright, 1.0 / np.sqrt(variance + 1e-30), 0.0)
    step_nm = float(np.median(np.diff(w.wl_nm)))
    return [
        strongest_period_nm(
            w.wl_nm - w.centre_nm,
            port,
            jacobian=(jacobian[:, model.free] * scale[:, None]).transpose(0, 2, 1),
            left=left * scale,
            light=m[port] * scale[port],
            shortest_nm=SHORTEST_STEPS * step_nm,
        )
        for port in range(len(y))
    ]


def _minimum(model: WindowModel, p: ndarray, weights: ndarray, *, most: int) -> tuple[ndarray, float]:
    """Weighted least squares by Levenberg and Marquardt (MINPACK), with exact derivatives."""
    free, wl_nm, y = model.free, model.window.wl_nm, model.window.traces
    scale = np.sqrt(weights)
    data, full = np.where(np.isfinite(y), y, 0.0), p.copy()
    seen: dict[bytes, tuple[ndarray, ndarray]] = {}

    def both(numbers: ndarray) -> tuple[ndarray, ndarray]:
        key = numbers.tobytes()
        if key not in seen:
            seen.clear()
            full[free] = numbers
            # A step may leave what numbers hold; it is then so bad that it is taken back.
            with np.errstate(all="ignore"):
                m, jacobian, _ = model.evaluate(full, wl_nm)
                j = (jacobian.transpose(1, 0, 2)[free] * scale).reshape(-1, data.size)
                left = ((m - data) * scale).ravel()
                if not left @ left + np.max(np.einsum("nr,nr->n", j, j)) < FAR:
                    left, j = (
                        np.nan_to_num(np.clip(left, -FAR, FAR), nan=FAR),
                        np.nan_to_num(np.clip(j, -FAR, FAR), nan=0.0),
                    )
            seen[key] = left, j.T
        return seen[key]

    found = least_squares(
        lambda numbers: both(numbers)[0],
        p[free],
        cast(Any, lambda numbers: both(numbers)[1]),  # SciPy's types know no function here
        method="lm",
        x_scale="jac",
        max_nfev=most,
        ftol=1e-5,
        xtol=1e-6,
    )
    full[free] = found.x
    return full, float(found.cost)


def _finished(
    model: WindowModel, p: ndarray, *, meters: Sequence[float], wander: Wander, weights: ndarray, bent: bool = False
) -> WindowFit:
    free, w = model.free, model.window
    m, jacobian, slopes = model.evaluate(p, w.wl_nm)
    y = w.traces
    seen, variance, filled = np.isfinite(y), _variance(w, m, slopes, meters), model.filled(p)
    left, scale = np.where(seen, y - m, 0.0), np.sqrt(weights)
    j = (jacobian[:, free] * scale[:, None]).transpose(0, 2, 1)
    flat = j.reshape(-1, j.shape[2])
    size = np.sqrt(np.sum(flat**2, axis=0))
    size = np.where(size > 0.0, size, 1.0)
    curvature = np.nan_to_num((flat / size).T @ (flat / size), nan=0.0, posinf=0.0, neginf=0.0)
    lower = rooted(curvature)
    # What wander explains is counted by its own law; the rest as it is measured.
    strayed = (wander.std_nm * slopes) ** 2 + 2.0 * filled**2
    calm = np.where(seen, 1.0 / np.sqrt(1.0 + strayed / variance), 0.0)

    def score_of(columns: ndarray) -> ndarray:
        scores = score_covariance(columns, left * scale * calm, slopes * scale, wander, filled=filled * scale)
        return scores + _unseen_ripple(model, p, columns, m * scale)

    middle = score_of(j / size)
    inverse = lower @ lower.T
    std = np.sqrt(np.diag(inverse @ middle @ inverse)) / size
    groups = bent_groups(model, p, std=std, size=size, scale=scale) if bent else []
    covariance = np.zeros((model.size, model.size))
    covariance[np.ix_(free, free)] = mean_covariance(curvature, middle, groups, score_of=score_of) / np.outer(
        size, size
    )
    lowered = (jacobian[:, free].transpose(0, 2, 1) / size) @ lower
    told = evidence(left, slopes, weights=weights, variance=variance, lowered=lowered)
    expected = variance + strayed
    chi2 = float(np.mean(np.square(left)[seen] / expected[seen]))
    return WindowFit(model, p, covariance, variance, np.where(seen, left, np.nan), told, chi2)


def _unseen_ripple(model: WindowModel, p: ndarray, j: ndarray, scaled: ndarray) -> ndarray:
    """Covariance by ripple at drop ports whose peak is too narrow to show it: taken to be as the through port's."""
    total = np.zeros((j.shape[2],) * 2)
    if not len(model.window.through):
        return total
    own = p[model.envelope(0)]
    for n in range(model.ripples[0]):
        cosine, sine, period_nm = own[len(own) - RIPPLE * (n + 1) : len(own) - RIPPLE * n]
        angle = 2.0 * np.pi * model.window.wl_nm / period_nm
        for port in range(1, len(model.orders)):
            if model.ripples[port] == 0:
                for wave in (np.cos(angle), np.sin(angle)):
                    moved = j[port].T @ (scaled[port] * wave)
                    total += 0.5 * (cosine**2 + sine**2) * np.outer(moved, moved)
    return total
