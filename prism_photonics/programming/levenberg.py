"""Levenberg–Marquardt for small dense problems, batched with ``vmap``.

Written here rather than taken from a solver library because thousands of rows are solved at once (normal equations by
Cholesky, fixed shapes, box limits by projection), and because the library's QR needs a newer JAX than SAX allows.
Source: J. J. Moré, "The Levenberg–Marquardt algorithm", Lecture Notes in Mathematics 630, 105 (1978).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class Solution(NamedTuple):
    """Where the iteration stopped."""

    x: Float[Array, " unknowns"]
    cost: Float[Array, ""]
    steps: Int[Array, ""]


class _State(NamedTuple):
    x: Float[Array, " unknowns"]
    cost: Float[Array, ""]
    damping: Float[Array, ""]
    steps: Int[Array, ""]
    done: Bool[Array, ""]


def least_squares(
    residuals: Callable[[Float[Array, " unknowns"]], Float[Array, " residuals"]],
    start: Float[Array, " unknowns"],
    *,
    jacobian: Callable[[Float[Array, " unknowns"]], Float[Array, "residuals unknowns"]],
    steps: int,
    rtol: Float[Array, ""] | float = 1e-9,
    cost_goal: float = 0.0,
    lower: Float[Array, " unknowns"] | float = -jnp.inf,
    upper: Float[Array, " unknowns"] | float = jnp.inf,
) -> Solution:
    """Minimise ``Σ r(x)²`` inside a box.

    Args:
        residuals: r(x).
        start: First x; it is clipped to the bounds.
        jacobian: dr/dx. Passed in because the cheap way differs: one gradient per reading where every reading is its
            own scalar function, forward mode elsewhere.
        steps: Most iterations, rejected ones included.
        rtol: Stop when an accepted step lowers the cost by less than this share.
        cost_goal: Stop when the cost is this low: for problems whose residuals can vanish.
        lower: Lower limits of x.
        upper: Upper limits of x.

    Returns:
        The point of least cost, its cost, and the iterations used.
    """

    def cost_of(x):
        return jnp.sum(residuals(x) ** 2)

    def step(state: _State) -> _State:
        slopes, here = jacobian(state.x), residuals(state.x)
        gradient = slopes.T @ here
        # At a limit, an unknown that wants to go further out leaves the step.
        held = ((state.x <= lower) & (gradient > 0)) | ((state.x >= upper) & (gradient < 0))
        free = ~held
        normal = slopes.T @ slopes
        scale = jnp.diagonal(normal) + 1e-30
        normal = jnp.where(free[:, None] & free[None, :], normal, 0.0) + jnp.diag(state.damping * scale + held * scale)
        factor = jax.scipy.linalg.cho_factor(normal, lower=True)
        move = -jax.scipy.linalg.cho_solve(factor, jnp.where(free, gradient, 0.0))
        x = jnp.clip(state.x + move, lower, upper)
        cost = cost_of(x)
        better = cost < state.cost
        converged = better & (state.cost - cost <= rtol * state.cost)
        stuck = ~better & (state.damping > 1e8)
        return _State(
            jnp.where(better, x, state.x),
            jnp.where(better, cost, state.cost),
            jnp.where(better, jnp.maximum(state.damping * 0.2, 1e-12), state.damping * 6.0),
            state.steps + 1,
            converged | stuck | (cost <= cost_goal),
        )

    x0 = jnp.clip(start, lower, upper)
    first = _State(x0, cost_of(x0), jnp.asarray(1e-3), jnp.asarray(0), cost_of(x0) <= cost_goal)
    last = jax.lax.while_loop(lambda s: ~s.done & (s.steps < steps), step, first)
    return Solution(last.x, last.cost, last.steps)
