"""What a set of files tells together: couplings against gaps, losses against lengths, and resonances against what
moves them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.laboratory.resonance import Resonance
from prism_photonics.units import InputError

LEAST_GAPS = LEAST_LENGTHS = 3
TURNS = 50
"""Halvings in which a spread settles; design choice."""
EVEN, EVEN_dB = 0.02, 0.003
"""Error of ln κ² and of a turn's loss by which weights over resonances are evened out, design choice: one that came out
small has a small error, too, and would have more weight than it should."""
FABRICATED_UM = 2e-5
"""Scatter of neighbouring rings' resonances by fabrication, where fewer than four tell it; design choice."""
LEAST_SPARE = 3
"""Resonances beyond one of each ring from which on their scatter is told; design choice."""
CLEAR = 3.0
"""Standard deviations of χ² by which one ring's resonances scatter beyond all; design choice."""
NEAR = 0.25
"""Share of a free spectral range by which a resonance may be moved from one setting to the next; further, another
tooth may be its nearest; design choice."""


@dataclass(frozen=True)
class GapLaw:
    """κ² = κ0²·exp(−gap/decay) at one wavelength.

    Attributes:
        wl_nm: Where it holds.
        decay_nm: Gap over which κ² falls by e, with its standard error.
        kappa2_0: κ² at no gap.
        scatter: Root mean square of what the rings scatter about it, of κ².
        couplers: What couplers scatter by beyond the errors of their measurement, of κ².
        loss_dB_turn_median: Median loss of a turn over the rings.
        loss_spread: Standard deviation of their losses, in dB.
        gap_nm: Gap of each ring.
        kappa2: κ² of each ring at ``wl_nm``.
        kappa2_std: Its standard error.
        loss_dB_turn: Loss of each ring.
        slope_per_nm: Change of ln κ² per nm of wavelength, of all rings.
    """

    wl_nm: float
    decay_nm: float
    decay_nm_std: float
    kappa2_0: float
    scatter: float
    couplers: float
    loss_dB_turn_median: float
    loss_spread: float
    gap_nm: tuple[float, ...]
    kappa2: tuple[float, ...]
    kappa2_std: tuple[float, ...]
    loss_dB_turn: tuple[float, ...]
    slope_per_nm: float


@dataclass(frozen=True)
class Scatter:
    """What resonances of one ring scatter by beyond their error bars: ripple that no fit holds, and modes that cross.

    Attributes:
        kappa2: Standard deviation of ln κ² about its slope over wavelength.
        loss_dB: Of a turn's loss.
        slope_per_nm: Change of ln κ² per nm, of all rings.
    """

    kappa2: float
    loss_dB: float
    slope_per_nm: float


@dataclass(frozen=True)
class Line:
    """A fitted polynomial: its numbers from the constant upwards, their standard errors, and what is left."""

    numbers: tuple[float, ...]
    std: tuple[float, ...]
    rms: float


def gap_law(gap_nm: Sequence[float], rings: Sequence[Sequence[Resonance]]) -> GapLaw:
    """The law of couplings over gaps, from the resonances of one ring at each.

    Raises:
        InputError: Fewer than three gaps.
    """
    gaps = np.asarray(gap_nm, float)
    if len(np.unique(gaps)) < LEAST_GAPS:
        raise InputError(f"gap law: got {len(np.unique(gaps))} gaps, want {LEAST_GAPS} or more; give more files")
    wl_nm = float(np.median([one.wl_nm for ring in rings for one in ring]))
    scatter = scatter_of(rings)
    slope = scatter.slope_per_nm
    means = [
        over_resonances(
            [math.log(one.kappa2_through) - slope * (one.wl_nm - wl_nm) for one in ring],
            [one.kappa2_through_std / one.kappa2_through for one in ring],
            beyond=scatter.kappa2,
            even=EVEN,
        )
        for ring in rings
    ]
    values, errors = (np.array(column) for column in zip(*means, strict=True))
    spare = max(len(gaps) - 2, 1)

    def at(spread: float) -> tuple[Line, Float[ndarray, " gaps"]]:
        line = polynomial(gaps, values, np.hypot(errors, spread), 1)
        return line, values - line.numbers[0] - line.numbers[1] * gaps

    def squares(spread: float) -> float:
        return float(np.sum(at(spread)[1] ** 2 / (errors**2 + spread**2)))

    couplers = spread_beyond(squares, spare=spare, most=float(np.max(np.abs(at(0.0)[1]))) * math.sqrt(len(gaps)))
    line, off = at(couplers)
    decay = -1.0 / line.numbers[1]
    losses = tuple(loss_dB_turn(ring, scatter)[0] for ring in rings)
    return GapLaw(
        wl_nm=wl_nm,
        decay_nm=float(decay),
        decay_nm_std=float(line.std[1] * decay**2),
        kappa2_0=float(np.exp(line.numbers[0])),
        scatter=float(np.sqrt(np.sum(off**2) / spare)),
        couplers=couplers,
        loss_dB_turn_median=float(np.median(losses)),
        loss_spread=float(np.std(losses, ddof=1)),
        gap_nm=tuple(map(float, gaps)),
        kappa2=tuple(map(float, np.exp(values))),
        kappa2_std=tuple(map(float, np.exp(values) * errors)),
        loss_dB_turn=losses,
        slope_per_nm=slope,
    )


def spread_beyond(squares: Callable[[float], float], *, spare: int, most: float) -> float:
    """What values spread by beyond their errors: that with which the squares of what is left come to what they should.

    Args:
        squares: Sum of the squares of what a fit leaves, each over its error and this spread together; it falls.
        spare: Values beyond the fit's numbers.
        most: A spread with which it is below ``spare``.

    Source: R. C. Paule & J. Mandel, J. Res. Natl. Bur. Stand. 87, 377 (1982), 10.6028/jres.087.022.
    """
    if squares(0.0) <= spare:
        return 0.0
    low, high = 0.0, most
    for _ in range(TURNS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if squares(middle) > spare else (low, middle)
    return low


def scatter_of(rings: Sequence[Sequence[Resonance]]) -> Scatter:
    """What resonances of one ring scatter by beyond their error bars, as all rings of a set show it."""
    several = [ring for ring in rings if len(ring) > 1]
    wl_nm = [np.array([one.wl_nm for one in ring]) for ring in several]
    log_kappa2 = [np.array([math.log(one.kappa2_through) for one in ring]) for ring in several]
    relative = [np.array([one.kappa2_through_std / one.kappa2_through for one in ring]) for ring in several]
    # One slope for all rings: what a single ring tells of it is mostly ripple.
    top = bottom = 0.0
    for x, y, s in zip(wl_nm, log_kappa2, relative, strict=True):
        w = 1.0 / (s**2 + EVEN**2)
        x0, y0 = np.average(x, weights=w), np.average(y, weights=w)
        top, bottom = top + np.sum(w * (x - x0) * (y - y0)), bottom + np.sum(w * (x - x0) ** 2)
    slope = float(top / bottom) if bottom > 0.0 else 0.0
    flat = [y - slope * x for x, y in zip(wl_nm, log_kappa2, strict=True)]
    losses = [np.array([one.loss_dB_turn for one in ring]) for ring in several]
    loss_std = [np.array([one.loss_dB_turn_std for one in ring]) for ring in several]
    return Scatter(_within(flat, relative, numbers=1), _within(losses, loss_std, numbers=0), slope)


def _within(values: Sequence[ndarray], std: Sequence[ndarray], *, numbers: int) -> float:
    """Spread of values about the means of their groups beyond their errors; ``numbers`` more were fitted to them."""

    def squares(spread: float) -> float:
        total = 0.0
        for y, s in zip(values, std, strict=True):
            w = 1.0 / (s**2 + spread**2)
            total += float(np.sum(w * (y - np.average(y, weights=w)) ** 2))
        return total

    spare = sum(len(y) - 1 for y in values) - numbers
    if spare < LEAST_SPARE:
        return 0.0
    return spread_beyond(squares, spare=spare, most=math.sqrt(sum(float(np.sum((y - y.mean()) ** 2)) for y in values)))


def over_resonances(
    values: Sequence[float], std: Sequence[float], *, beyond: float, even: float
) -> tuple[float, float]:
    """Mean of one ring's resonances and its standard error.

    Args:
        values: Of the resonances.
        std: Their standard errors.
        beyond: What resonances of one ring scatter by beyond these.
        even: Error by which weights are evened out, beside ``beyond``.
    """
    y, s = np.asarray(values, float), np.asarray(std, float)
    w = 1.0 / (s**2 + beyond**2 + even**2)
    w = w / np.sum(w)
    mean, variance = float(np.sum(w * y)), s**2 + beyond**2
    error = math.sqrt(float(np.sum(w**2 * variance)))
    spare = len(y) - 1
    grown = float(np.sum((y - mean) ** 2 / variance))
    # Where one ring's scatter by more than chance and what all rings' scatter by, it is told by themselves.
    return mean, error * math.sqrt(grown / spare) if grown > spare + CLEAR * math.sqrt(2.0 * spare) else error


def loss_dB_turn(ring: Sequence[Resonance], scatter: Scatter) -> tuple[float, float]:
    """Loss of a turn of one ring over its resonances, in dB, and its standard error."""
    return over_resonances(
        [one.loss_dB_turn for one in ring],
        [one.loss_dB_turn_std for one in ring],
        beyond=scatter.loss_dB,
        even=EVEN_dB,
    )


def polynomial(
    x: Float[ndarray, " points"], y: Float[ndarray, " points"], std: Float[ndarray, " points"], degree: int
) -> Line:
    """Weighted least squares; where more points than numbers scatter beyond their errors, the errors grow with them."""
    scale = float(np.max(np.abs(x))) or 1.0
    basis = (np.asarray(x)[:, None] / scale) ** np.arange(degree + 1)
    weighted = basis / std[:, None]
    covariance = np.linalg.pinv(weighted.T @ weighted)
    numbers = covariance @ weighted.T @ (y / std)
    off = y - basis @ numbers
    spare = len(y) - degree - 1
    grown = max(float(np.sum((off / std) ** 2)) / spare, 1.0) if spare > 0 else 1.0
    powers = scale ** np.arange(degree + 1)
    errors = np.sqrt(np.diag(covariance) * grown) / powers
    return Line(tuple(map(float, numbers / powers)), tuple(map(float, errors)), float(np.sqrt(np.mean(off**2))))


def cutback_dB_cm(
    length_um: Sequence[float], transmission_dB: Sequence[float], *, scatter_dB: float = 0.05
) -> tuple[float, float]:
    """Propagation loss from guides of several lengths between the same couplers, and its standard error, in dB/cm.

    Args:
        length_um: Lengths of the guides.
        transmission_dB: What passes each, couplers included.
        scatter_dB: How far the couplers of one guide are from those of another, design choice by default.

    Raises:
        InputError: Fewer than two lengths.
    """
    x = np.asarray(length_um, float) * 1e-4
    if len(np.unique(x)) < 2:
        raise InputError(f"cutback: got {len(np.unique(x))} lengths, want 2 or more; give more files")
    line = polynomial(x, -np.asarray(transmission_dB, float), np.full(len(x), scatter_dB), 1)
    return line.numbers[1], line.std[1]


def length_index(
    length_um: Sequence[float],
    wl_nm: Sequence[float],
    *,
    turn_um: float,
    scatter_um: float = FABRICATED_UM,
    gradient_um: float = 0.0,
) -> tuple[float, float]:
    """Effective index from resonances of one order on rings whose lengths differ a little, and its standard error.

    On resonance n_eff·L = m·λ, and n_eff falls as λ grows: dλ/dL = λ·n_eff/(n_g·L), so that n_eff = n_g·L/λ·dλ/dL.

    Args:
        length_um: Circumferences.
        wl_nm: Their resonances of the same order.
        turn_um: n_g·L of the ring in the middle.
        scatter_um: How far neighbouring rings' resonances scatter by fabrication.
        gradient_um: By how much the film moves them from one ring to the next: rings that stand in the order of their
            lengths show it as a length.

    Raises:
        InputError: Fewer than three lengths.
    """
    if len(np.unique(length_um)) < LEAST_LENGTHS:
        raise InputError(
            f"length sweep: got {len(np.unique(length_um))} lengths, want {LEAST_LENGTHS} or more; give more files"
        )
    x, y = np.asarray(length_um, float), 1e-3 * np.asarray(wl_nm, float)
    line = polynomial(x - x.mean(), y, np.full(len(x), scatter_um), 1)
    per = turn_um / float(np.mean(y))
    step_um = float(np.ptp(x)) / (len(x) - 1)
    return per * line.numbers[1], per * float(np.hypot(line.std[1], gradient_um / step_um))


def loopback_dB(transmission_dB: Sequence[float]) -> tuple[float, float]:
    """Loss of one coupler from a loop of two, in dB, and its robust standard deviation over the sweep."""
    loss = -0.5 * np.asarray(transmission_dB, float)
    return float(np.median(loss)), float(1.4826 * np.median(np.abs(loss - np.median(loss))))


def followed_nm(
    settings: Float[ndarray, " settings"], found_nm: Sequence[Sequence[float]], fsr_nm: float | None
) -> list[float]:
    """One resonance through the settings, from where it rests: at each, the tooth nearest to where the last two point.

    Raises:
        InputError: It moves by so much between two settings that another tooth may be meant.
    """
    order = np.argsort(np.abs(settings))
    first = found_nm[order[0]]
    place = {int(order[0]): float(first[len(first) // 2])}
    for side in (1.0, -1.0):
        path = [int(n) for n in order if n == order[0] or side * settings[n] > side * settings[order[0]]]
        for before, n in pairwise(path):
            expected = place[before]
            nearest = min(found_nm[n], key=lambda wl: abs(wl - expected))
            if fsr_nm is not None and abs(nearest - expected) > NEAR * fsr_nm:
                raise InputError(
                    f"tuning: a resonance at {expected:.3f} nm moves by {abs(nearest - expected):.3f} nm from "
                    f"{settings[before]:g} to "
                    f"{settings[n]:g}, want less than {NEAR * fsr_nm:.3f} nm; measure at smaller steps"
                )
            place[n] = float(nearest)
    return [place[n] for n in range(len(settings))]
