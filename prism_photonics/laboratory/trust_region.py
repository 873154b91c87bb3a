"""Least squares by Levenberg and Marquardt, as MINPACK's ``lmder`` has it, with LAPACK's blocked factors.

A step p minimises |J·p + f|² under |D·p| ≤ Δ, D being the largest lengths that the columns of J have had. With
J·D⁻¹ = U·diag(s)·Vᵀ (of its triangular factor) every multiplier λ costs a division,

    D·p(λ) = −V·diag(s/(s² + λ))·Uᵀ·f

and λ is found by Newton's method on |D·p(λ)|, to a tenth of Δ. Steps are those of MINPACK to rounding where J tells all
numbers, at a fraction of its time: a window has some thousand readings and forty numbers. Source: Moré, in Numerical
Analysis, Lecture Notes in Mathematics 630, 105 (1978), 10.1007/BFb0067700; the constants are MINPACK's.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

FIRST = 100.0
"""Of a vector's own length, the first Δ."""
ALMOST = 0.1
"""Share of Δ to which a step's length is right."""
TURNS = 10
"""Of Newton's method at most."""
SINGULAR = 1e-13
"""Share of the strongest direction below which one is told by rounding alone, as where a column is empty or two are
alike. No step goes there, where MINPACK, which looks for exact zeros, sends both numbers to thousands.
"""
FLAT = 1e-8
"""Cosine of the angle between residuals and any column at which nothing is left to gain."""

Both = Callable[[Float[ndarray, " numbers"]], tuple[Float[ndarray, " readings"], Float[ndarray, "numbers readings"]]]


def least_squares(
    both: Both, start: Float[ndarray, " numbers"], *, most: int, ftol: float, xtol: float
) -> tuple[Float[ndarray, " numbers"], float]:
    """Numbers at which the sum of squared residuals is least, near a beginning.

    Args:
        both: Residuals and their derivatives by each number; finite everywhere.
        start: The beginning.
        most: Vectors that are tried at most.
        ftol: Relative change of the sum, foretold and found, at which it ends.
        xtol: Relative change of the numbers at which it ends.

    Returns:
        The numbers, and half the sum there.
    """
    x = start.copy()
    residuals, jacobian = both(x)
    norm, tried, multiplier = _length(residuals), 1, 0.0
    scale, reach = np.zeros_like(x), 0.0
    while True:
        lengths = np.sqrt(np.einsum("nr,nr->n", jacobian, jacobian))
        first = not reach
        scale = np.maximum(scale, np.where(lengths > 0.0, lengths, 1.0 if first else 0.0))
        if first:
            reach = FIRST * _length(scale * x) or FIRST
        upper = np.linalg.qr(np.vstack([jacobian / scale[:, None], residuals]).T, mode="r")
        left, s, right = np.linalg.svd(upper[: len(x), : len(x)], full_matrices=False)
        along = left.T @ upper[: len(x), len(x)]
        slope = np.abs(right.T @ (s * along)) * scale
        if norm == 0.0 or np.max(slope[lengths > 0.0] / lengths[lengths > 0.0], initial=0.0) <= FLAT * norm:
            return x, 0.5 * norm**2
        while True:
            inside, multiplier = _inside(s, along, reach=reach, multiplier=multiplier)
            moved = _length(inside)
            if first:
                reach = min(reach, moved)
            beside = x - right.T @ inside / scale
            there, jacobian_there = both(beside)
            tried += 1
            norm_there = _length(there)
            gained = 1.0 - (norm_there / norm) ** 2 if 0.1 * norm_there < norm else -1.0
            linear, damped = (_length(s * inside) / norm) ** 2, multiplier * (moved / norm) ** 2
            foretold, steep = linear + 2.0 * damped, -(linear + damped)
            ratio = gained / foretold if foretold else 0.0
            if ratio <= 0.25:
                shrink = 0.5 if gained >= 0.0 else 0.5 * steep / (steep + 0.5 * gained)
                shrink = 0.1 if 0.1 * norm_there >= norm or shrink < 0.1 else shrink
                reach, multiplier = shrink * min(reach, 10.0 * moved), multiplier / shrink
            elif multiplier == 0.0 or ratio >= 0.75:
                reach, multiplier = 2.0 * moved, 0.5 * multiplier
            good = ratio >= 1e-4
            if good:
                x, residuals, jacobian, norm, first = beside, there, jacobian_there, norm_there, False
            still = abs(gained) <= ftol and foretold <= ftol and ratio <= 2.0
            if still or reach <= xtol * _length(scale * x) or tried >= most:
                return x, 0.5 * norm**2
            if good:
                break


def _inside(
    s: Float[ndarray, " numbers"], along: Float[ndarray, " numbers"], *, reach: float, multiplier: float
) -> tuple[Float[ndarray, " numbers"], float]:
    """Vᵀ·D·p, with its sign changed, of the step that ends within Δ, and its multiplier."""
    told = s > SINGULAR * np.max(s)
    step = np.where(told, along / np.where(told, s, 1.0), 0.0)
    length = _length(step)
    over = length - reach
    if over <= ALMOST * reach:
        return step, 0.0
    low = over / reach / _newton(step, length, s**2) if told.all() else 0.0
    steepest = _length(s * along)
    high = steepest / reach
    multiplier, change = min(max(multiplier, low), high) or steepest / length, 0.0
    for _ in range(TURNS):
        multiplier = max(low, multiplier + change) or max(np.finfo(float).tiny, 1e-3 * high)
        step = s * along / (s**2 + multiplier)
        length, before = _length(step), over
        over = length - reach
        if abs(over) <= ALMOST * reach or (low == 0.0 and over <= before < 0.0):
            break
        change = over / reach / _newton(step, length, s**2 + multiplier)
        low, high = (max(low, multiplier), high) if over > 0.0 else (low, min(high, multiplier))
    return step, multiplier


def _newton(step: ndarray, length: float, squares: ndarray) -> float:
    """−∂ ln|D·p|/∂λ, by which Newton's steps are counted."""
    return float(np.sum((step / length) ** 2 / squares))


def _length(vector: ndarray) -> float:
    return float(np.sqrt(vector @ vector))
