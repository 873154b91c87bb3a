"""Two couplers that differ, told apart by the light at the drop port, where the gains of both ports are known.

Behind a ring the light depends on t1 and on u = t2·a alone, in which it does not change when they are exchanged; so a
fit with two couplers alike finds both, whatever the couplers are, and only the height of the drop port's peak tells t2
from a. With the gain G of the drop port's path over the through port's and its measured peak,

    G·κ1²·κ2²·a = h          (1 − κ2²)·a² = u²          →          a = ½·(c + √(c² + 4u²)),  κ2² = c/a,  c = h/(G·κ1²)

once for (t1, u) and once for both exchanged: a ring that is coupled less, or more, than all else takes from it. That is
exact where the two standing waves are one; split by an eighth of a linewidth, the more coupled branch's κ² comes out
2 % low.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.laboratory.fit import WindowFit

BALANCE_STD_dB = 0.1
"""How well the gain of one path over another is known, design choice: fibres that are put down anew."""
STEP = 1e-3
"""Step, in standard errors, of the derivatives by which errors are carried over."""
SURELY = 2.0
"""Standard errors by which a branch that gives light must do so to be left out; design choice."""
DB = 10.0 / np.log(10.0)


class Branch(NamedTuple):
    """One ring that the powers fit: κ² of both couplers and the loss of a turn in dB, with their standard errors."""

    kappa2_through: float
    kappa2_drop: float
    loss_dB_turn: float
    kappa2_through_std: float
    kappa2_drop_std: float
    loss_dB_turn_std: float


def branches(fit: WindowFit, k: int, port: int, *, balance_dB: float) -> list[Branch]:
    """The rings of unlike couplers that a window's fit with alike ones stands for.

    Args:
        fit: The fit, with a through port.
        k: Which of its rings.
        port: The drop port of that ring.
        balance_dB: Gain of the drop port's path and meter over the through port's.

    Returns:
        Those whose loss is none of a gain, the weaker coupled first: one or two; none where the balance cannot be.
    """
    std = np.sqrt(np.maximum(np.diag(fit.covariance), 0.0))
    values = _numbers(fit, fit.p, k, port, balance_dB=balance_dB)
    by = np.zeros((*values.shape, len(fit.p)))
    for n in np.flatnonzero(std > 0.0):
        step = np.zeros(len(fit.p))
        step[n] = STEP * std[n]
        up, down = (_numbers(fit, fit.p + way * step, k, port, balance_dB=balance_dB) for way in (1.0, -1.0))
        by[..., n] = (up - down) / (2.0 * step[n])
    by_balance = (_numbers(fit, fit.p, k, port, balance_dB=balance_dB + STEP) - values) / STEP
    variance = np.einsum("abn,nm,abm->ab", by, fit.covariance, by) + (BALANCE_STD_dB * by_balance) ** 2
    errors = np.sqrt(np.maximum(variance, 0.0))
    found = [Branch(*map(float, one), *map(float, error)) for one, error in zip(values, errors, strict=True)]
    return [one for one in found if np.isfinite(one).all() and one.loss_dB_turn > -SURELY * one.loss_dB_turn_std]


def _numbers(fit: WindowFit, p: ndarray, k: int, port: int, *, balance_dB: float) -> Float[ndarray, "branches 3"]:
    """κ² of both couplers and the loss of a turn in dB, on both branches."""
    window, ring = fit.model.window, fit.model.ring(p, k)
    alike, a_alike = np.exp(ring.log_kappa2), np.exp(-0.5 * ring.loss)
    through, drop = (np.interp(ring.wl_nm, window.wl_nm, fit.model.baseline(p, at)) for at in (0, port))
    gain = 10.0 ** (0.1 * balance_dB)
    height = drop / through * window.drop_over[port - 1] * alike**2 * a_alike / gain
    t1_2, u_2 = 1.0 - alike, (1.0 - alike) * a_alike**2
    rows = []
    for first, rest in ((t1_2, u_2), (u_2, t1_2)):
        kappa2 = 1.0 - first
        c = height / kappa2
        a = 0.5 * (c + np.sqrt(c**2 + 4.0 * rest))
        rows.append((kappa2, c / a, -2.0 * DB * np.log(a)))
    return np.array(sorted(rows))
