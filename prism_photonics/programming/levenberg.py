"""Levenberg–Marquardt for small dense problems: one in JAX's arrays, batched with ``vmap``, or many in NumPy's.

Written here rather than taken from a solver library because thousands of rows are solved at once (normal equations,
fixed shapes, box limits by projection), and because the library's QR needs a newer JAX than SAX allows.
Source: J. J. Moré, "The Levenberg–Marquardt algorithm", Lecture Notes in Mathematics 630, 105 (1978).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from prism_photonics.calibration.descent import BETTER, FIRST, LEAST, MOST, TINY, WORSE
from prism_photonics.codec.modulation import namespace
from prism_photonics.lightpath.arrays import Numbers


class Solution(NamedTuple):
    """Result of the iteration."""

    x: Float[Numbers, "... unknowns"]
    cost: Float[Numbers, "..."]
    steps: Int[Numbers, "..."]


class _State(NamedTuple):
    x: Float[Numbers, "... unknowns"]
    cost: Float[Numbers, "..."]
    damping: Float[Numbers, "..."]
    steps: Int[Numbers, "..."]
    done: Bool[Numbers, "..."]


def least_squares(
    residuals: Callable[[Float[Numbers, "... unknowns"]], Float[Numbers, "... residuals"]],
    start: Float[Numbers, "... unknowns"],
    *,
    linearized: Callable[
        [Float[Numbers, "... unknowns"]],
        tuple[Float[Numbers, "... residuals"], Float[Numbers, "... residuals unknowns"]],
    ],
    steps: int,
    rtol: float = 1e-9,
    cost_goal: float = 0.0,
    lower: Float[Numbers, "... unknowns"] | float = -np.inf,
    upper: Float[Numbers, "... unknowns"] | float = np.inf,
) -> Solution:
    """Minimise ``Σ r(x)²`` inside a box.

    Args:
        residuals: r(x).
        start: First x; it is clipped to the bounds. With leading axes, which NumPy's arrays may have, many problems.
        linearized: r(x) and dr/dx. Passed in because the cheap way differs: one gradient per reading where every
            reading is its own scalar function, forward mode elsewhere.
        steps: Most iterations, rejected ones included.
        rtol: Stop when an accepted step lowers the cost by less than this share.
        cost_goal: Stop when the cost is this low: for problems whose residuals can vanish.
        lower: Lower limits of x.
        upper: Upper limits of x.

    Returns:
        The point of least cost, its cost, and the iterations used.
    """
    xp = namespace(start)

    def cost_of(x):
        return (residuals(x) ** 2).sum(-1)

    def step(state: _State) -> _State:
        here, slopes = linearized(state.x)
        transposed = xp.swapaxes(slopes, -1, -2)
        gradient = (transposed @ here[..., None])[..., 0]
        # At a limit, an unknown that wants to go further out leaves the step.
        held = ((state.x <= lower) & (gradient > 0)) | ((state.x >= upper) & (gradient < 0))
        free = ~held
        normal = transposed @ slopes
        scale = xp.diagonal(normal, axis1=-2, axis2=-1) + TINY
        normal = xp.where(free[..., :, None] & free[..., None, :], normal, 0.0)
        normal = normal + (state.damping[..., None] * scale + held * scale)[..., None] * xp.eye(scale.shape[-1])
        move = -_solved(normal, xp.where(free, gradient, 0.0))
        x = xp.clip(state.x + move, lower, upper)
        cost = cost_of(x)
        better = cost < state.cost
        converged = better & (state.cost - cost <= rtol * state.cost)
        stuck = ~better & (state.damping > MOST)
        return _State(
            xp.where(better[..., None], x, state.x),
            xp.where(better, cost, state.cost),
            xp.where(better, xp.maximum(state.damping * BETTER, LEAST), state.damping * WORSE),
            state.steps + 1,
            converged | stuck | (cost <= cost_goal),
        )

    x0 = xp.clip(start, lower, upper)
    cost0 = cost_of(x0)
    first = _State(x0, cost0, xp.full(cost0.shape, FIRST), xp.zeros(cost0.shape, dtype=int), cost0 <= cost_goal)
    if xp is np:
        last = _while_any(step, first, steps)
    else:
        last = jax.lax.while_loop(lambda s: ~s.done & (s.steps < steps), step, first)
    return Solution(last.x, last.cost, last.steps)


def _solved(
    normal: Float[Numbers, "... unknowns unknowns"], right: Float[Numbers, "... unknowns"]
) -> Float[Numbers, "... unknowns"]:
    if isinstance(normal, np.ndarray):
        return np.linalg.solve(normal, right[..., None])[..., 0]
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(normal, lower=True), right)


def _while_any(step: Callable[[_State], _State], state: _State, steps: int) -> _State:
    """The same loop over many problems at once; those that are done stay where they are."""
    for _ in range(steps):
        if state.done.all():
            break
        new = step(state)
        done = state.done
        x = np.where(done[..., None], state.x, new.x)
        rest = (np.where(done, old, fresh) for old, fresh in zip(state[1:], new[1:], strict=True))
        state = _State(x, *rest)
    return state
