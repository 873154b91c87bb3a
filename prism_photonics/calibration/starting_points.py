"""Starting points of a bus's fit: the sum of squares has many local minima in the bus phases.

Up to eight rings, a start with random phases is near the global minimum often enough: the lowest of several go on.

Beyond, readings are ten thousand times finer than the interference of two rings, and the minima are narrow. Two things
help. A blur, an error added to every reading's noise and lowered in steps, widens their basins (continuation). And a
wrong phase spoils mostly the channels on its two sides: of several blurred fits from random phases, each right for some
rings, every ring and gap is taken from the fit with the smallest misfit in the channels around it. So the number of
starts need not grow exponentially with the number of phases.
"""

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from prism_photonics.calibration.unknowns import Unknowns

# Chance does it up to so many rings: design choices, 96 % of such starts reach the noise on eight rings of the demo.
MOST_BY_CHANCE, DRAWS, SCOUTING_STEPS, FINALISTS = 8, 8, 15, 3
# Design choices, in units of full light; the first is what a ring at five linewidths does to its neighbour's channel.
SCOUTING_BLURS = (0.1, 0.03)
JOINED_BLURS = (0.03, 0.01)
STARTS, STEPS = 6, 20
# How far a ring's resonance is off where the ring was fitted alone, in the spec's scatter.
UNSURE = 0.2
# Another round is for a bus with a channel whose mean square under the last blur is larger than this; where all phases
# are right the priors' pull leaves 0.06.
ROUNDS, EXPLAINED = 3, 0.3
# A neighbouring channel's say in which start explains a ring.
NEIGHBOUR = 0.5


def find_starting_points(
    coarse: Unknowns,
    descend: Callable[
        [Float[Array, " unknowns"], Float[Array, ""] | float, int], tuple[Float[Array, " unknowns"], Float[Array, ""]]
    ],
    misfits: Callable[[Float[Array, " unknowns"], float], Float[Array, " channels"]],
    key: PRNGKeyArray,
    *,
    starts: int = STARTS,
    steps: int = STEPS,
    by_chance: int = MOST_BY_CHANCE,
) -> Float[Array, "finalists unknowns"]:
    """Unknowns of which one at least is in the global minimum's basin: the lowest of random ones, or joined of such.

    Args:
        coarse: Unknowns of the rings; the phases are drawn here.
        descend: Fits from given unknowns with a blur and a number of steps; returns unknowns and cost.
        misfits: Each channel's mean square at given unknowns and blur.
        key: JAX random key of the phases.
        starts: Random starts whose best rings are combined.
        steps: Most steps at each blur.
        by_chance: Most rings whose phases are left to chance.

    Returns:
        Flat unknowns from which to go on without blur.
    """
    if coarse.offset.size <= by_chance:
        phases = jax.random.uniform(key, (DRAWS, coarse.phase_rad.size), maxval=2.0 * jnp.pi)
        flat = jax.vmap(lambda phase_rad: ravel_pytree(eqx.tree_at(lambda u: u.phase_rad, coarse, phase_rad))[0])(
            phases
        )
        scouts, costs = jax.vmap(lambda x: descend(x, 0.0, SCOUTING_STEPS))(flat)
        return scouts[jnp.argsort(costs)[:FINALISTS]]
    unravel = ravel_pytree(coarse)[1]

    def through(blurs, flat):
        flat, costs = jax.lax.scan(lambda x, blur: descend(x, blur, steps), flat, jnp.asarray(blurs))
        return flat, costs[-1]

    def drawn(draw_key):
        phase_key, offset_key = jax.random.split(draw_key)
        phase_rad = jax.random.uniform(phase_key, coarse.phase_rad.shape, maxval=2.0 * jnp.pi)
        offset = coarse.offset + UNSURE * jax.random.normal(offset_key, coarse.offset.shape)
        return ravel_pytree(eqx.tree_at(lambda u: (u.phase_rad, u.offset), coarse, (phase_rad, offset)))[0]

    def one_round(state):
        count, lowest, _ = state
        keys = jax.random.split(jax.random.fold_in(key, count), starts)
        # What the round before found is one of the fits to choose from.
        scouts, costs = jax.vmap(partial(through, SCOUTING_BLURS))(jax.vmap(drawn)(keys).at[0].set(lowest))
        missed = jax.vmap(lambda flat: misfits(flat, SCOUTING_BLURS[-1]))(scouts)
        pieced = ravel_pytree(piece_together(jax.vmap(unravel)(scouts), missed))[0]
        # Should the combination fit worse, the best single start is used.
        settled, costs = jax.vmap(partial(through, JOINED_BLURS))(jnp.stack([pieced, scouts[jnp.argmin(costs)]]))
        lowest = settled[jnp.argmin(costs)]
        return count + 1, lowest, misfits(lowest, JOINED_BLURS[-1]).max()

    first = (jnp.asarray(0), drawn(key), jnp.asarray(jnp.inf))
    return jax.lax.while_loop(lambda s: (s[0] < ROUNDS) & (s[2] > EXPLAINED), one_round, first)[1][None]


def piece_together(fits: Unknowns, misfits: Float[Array, "starts channels"]) -> Unknowns:
    """One fit out of many: each ring and each gap from the fit that explains the channels around it best.

    Args:
        fits: Fits of one bus; leaves lead with starts.
        misfits: Mean square of each channel in each fit.
    """
    padded = jnp.pad(misfits, ((0, 0), (1, 1)))
    around = misfits + NEIGHBOUR * (padded[:, :-2] + padded[:, 2:])
    of_ring, of_gap = jnp.argmin(around, axis=0), jnp.argmin(around[:, :-1] + around[:, 1:], axis=0)
    of_bus = jnp.argmin(misfits.sum(1))

    def chosen(leaf: Float[Array, "starts ..."]) -> Float[Array, "..."]:
        if leaf.ndim == 1:
            return leaf[of_bus]
        owner = of_ring if leaf.shape[1] == misfits.shape[1] else of_gap
        return jnp.take_along_axis(leaf, owner[None], axis=0)[0]

    return jax.tree.map(chosen, fits)
