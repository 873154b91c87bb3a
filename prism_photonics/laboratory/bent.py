"""Error bars where a fit's first derivatives vanish: dips that are nearly dark.

Behind a ring that is coupled by as much as it loses, the bottom of the dip is the square of a field that is nearly 0.
It depends on loss and splitting by their squares alone: where noise puts a fit right there, its derivatives J vanish,
and a covariance by them grows without end. Numbers that are off by δ have other derivatives, J + Σ δ_i·H_i, and in the
mean over what the fit may be off by, of covariance C, information and score are

    A = JᵀWJ + Σ C_ij·H_iᵀWH_j        M = Cov(JᵀWr) + Σ C_ij·Cov(H_iᵀWr, H_jᵀWr)        C = A⁻¹·M·A⁻¹

The Gaussian that stands best for what readings leave open has C = A⁻¹ for readings of their own noise. Source: Opper &
Archambeau, Neural Computation 21, 786 (2009), 10.1162/neco.2008.08-07-592; the sandwich as in `noise`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.laboratory.window import RING, WindowModel
from prism_photonics.units import PM_PER_NM

TURNS = 12
"""Of the iteration for C, which halves what it is off by at least; design choice."""
SHARE = 0.3
"""Of a standard error, the step of the derivatives' derivatives; design choice."""
BENDING, LARGEST = (1, 3, 4, 5), 0.3
"""Numbers of a ring that a dark dip depends on by their squares, and the largest standard error that counts for steps,
of 1, κ² and the squared linewidth; design choice.
"""
SINGULAR = 1e-13
"""Share of the strongest direction below which readings tell nothing of one."""

LEAST = 0.05
"""Share of the information in any direction from which bends count; design choice."""

Bilinear = Callable[[Float[ndarray, "ports wl columns"]], Float[ndarray, "columns columns"]]


def bends(
    jacobian_at: Callable[[Float[ndarray, " numbers"]], Float[ndarray, "ports wl free"]],
    p: Float[ndarray, " numbers"],
    *,
    steps: dict[int, float],
) -> Float[ndarray, "ports wl bends free"]:
    """Derivatives H of the derivatives by some numbers, by differences.

    Args:
        jacobian_at: Derivatives by the free numbers at a vector.
        p: The vector.
        steps: The place of each such number, and the step.
    """
    here, told = jacobian_at(p), []
    for n, step in steps.items():
        beside = p.copy()
        beside[n] = beside[n] + step
        told.append((jacobian_at(beside) - here) / step)
    return np.stack(told, axis=2)


def bent_groups(
    model: WindowModel,
    p: Float[ndarray, " numbers"],
    *,
    std: Float[ndarray, " free"],
    size: Float[ndarray, " free"],
    scale: Float[ndarray, "ports wl"],
) -> list[tuple[list[int], Float[ndarray, "ports wl bends free"]]]:
    """The numbers of each ring that bend their own derivatives, and those bends, as `mean_covariance` takes them.

    Args:
        model: A window's.
        p: Its numbers.
        std: Standard errors of the free ones by derivatives alone; 0 where these tell nothing.
        size: What the free ones are counted in: derivatives are divided by it.
        scale: Root of each reading's weight.
    """
    free, wl_nm = model.free, model.window.wl_nm
    places, off = np.flatnonzero(free), np.where(std > 0.0, std, np.inf)

    def at(numbers: ndarray) -> ndarray:
        _, jacobian, _ = model.evaluate(numbers, wl_nm)
        return (jacobian[:, free] * scale[:, None]).transpose(0, 2, 1) / size

    groups = []
    for k, width_nm in enumerate(model.widths_nm(p)):
        line_pm2 = np.square(PM_PER_NM * width_nm)
        largest = dict(zip(BENDING, (1.0, np.exp(model.ring(p, k).log_kappa2), line_pm2, line_pm2), strict=True))
        own = [n for n in range(len(places)) if places[n] - RING * k in largest]
        steps = {int(places[n]): SHARE * min(off[n], LARGEST * largest[places[n] - RING * k]) for n in own}
        if all(np.isfinite(step) and step > 0.0 for step in steps.values()):
            groups.append((own, bends(at, p, steps=steps) / size[own][:, None]))
    return groups


def mean_covariance(
    information: Float[ndarray, "free free"],
    score: Float[ndarray, "free free"],
    groups: Sequence[tuple[list[int], Float[ndarray, "ports wl bends free"]]],
    *,
    score_of: Bilinear,
) -> Float[ndarray, "free free"]:
    """The covariance C of a fit, by derivatives alone for rings that ran away: their bends leave what numbers hold.

    Args:
        information: JᵀWJ.
        score: Cov(JᵀWr).
        groups: Numbers, by their places among the free ones, and H by each; numbers of different groups do not bend
            each other's derivatives.
        score_of: Cov(XᵀWr) of any columns X.
    """
    root = rooted(information)
    alone = root @ root.T @ score @ root @ root.T
    kinds = []
    for places, bent in groups:
        ports, wl, count, free = bent.shape
        columns, block = bent.reshape(ports, wl, count * free), np.ix_(places, places)
        flat = columns.reshape(ports * wl, -1)
        more = (flat.T @ flat).reshape(count, free, count, free)
        told = np.einsum("ij,iajb->ab", alone[block], more)
        if not np.isfinite(root.T @ told @ root).all():
            continue
        # Where derivatives vanish altogether `root` leaves their directions out, and ``told`` is empty there.
        if not np.all(np.diag(alone)[places] > 0.0) or np.linalg.norm(root.T @ told @ root, 2) > LEAST:
            more_score = score_of(columns).reshape(more.shape)
            if np.isfinite(more_score).all():
                kinds.append((block, more, more_score))
    if not kinds:
        return alone

    def at(c: ndarray) -> ndarray:
        a, m = information.copy(), score.copy()
        for block, more, more_score in kinds:
            a += np.einsum("ij,iajb->ab", c[block], more)
            m += np.einsum("ij,iajb->ab", c[block], more_score)
        inverse = inverted(a)
        return inverse @ m @ inverse

    # Where derivatives vanish there is no C by them: begun at what a number that bends alone would have, if it bends.
    c = np.zeros_like(information)
    for block, more, _ in kinds:
        squares = np.einsum("iaia->i", more)
        c[block] = np.diag(np.where(squares > 0.0, 1.0 / np.sqrt(np.where(squares > 0.0, squares, 1.0)), 0.0))
    precision = inverted(at(c))
    for _ in range(TURNS):
        precision = 0.5 * (precision + inverted(at(c)))
        c = inverted(precision)
    return c


def inverted(symmetric: Float[ndarray, "n n"]) -> Float[ndarray, "n n"]:
    """Inverse in all directions that are told."""
    root = rooted(symmetric)
    return root @ root.T


def rooted(symmetric: Float[ndarray, "n n"]) -> Float[ndarray, "n n"]:
    """L with L·Lᵀ the inverse in all directions that are told; NaN of what left the numbers, as a fit that ran away."""
    if not np.isfinite(symmetric).all():
        return np.full_like(symmetric, np.nan)
    values, vectors = np.linalg.eigh(0.5 * (symmetric + symmetric.T))
    return np.where(values > SINGULAR * values[-1], 1.0 / np.sqrt(np.maximum(values, 1e-300)), 0.0) * vectors
