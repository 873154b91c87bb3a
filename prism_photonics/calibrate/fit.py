"""Least squares through the exact row: from currents to rings, bus phases and gains, with error bars."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from prism_photonics.calibrate.bus import BusSurvey
from prism_photonics.calibrate.levenberg import least_squares
from prism_photonics.calibrate.starts import STARTS, find_starts
from prism_photonics.calibrate.unknowns import RowModel, Unknowns
from prism_photonics.lightpath.ring.model import ring_fields

OFFSET_GRID = 241
OFFSET_REACH = 4.0
STEPS, RTOL = 60, 1e-6
# Enough to fill the vector units; more would only wait for the slowest.
BUSES_AT_ONCE = 8


class RowFit(eqx.Module):
    """Best estimate of every bus of every row, its error bars, and how well it explains the survey.

    Leaves lead with (rows, buses): each bus is a circuit of its own, lit alone.
    """

    model: RowModel
    unknowns: Unknowns
    std: Unknowns
    residual_rms: Float[Array, "..."]
    chi2: Float[Array, "..."]


@eqx.filter_jit
def fit_rows(
    survey: BusSurvey,
    key: PRNGKeyArray,
    *,
    starts: int = STARTS,
    steps: int = STEPS,
) -> RowFit:
    """Fit every bus of every row, from where `find_starts` sends it.

    Args:
        survey: Every bus with its readings, leaves with leading axes (rows, buses).
        key: JAX random key of the starts.
        starts: Random starts that are pieced together where rings are many.
        steps: Most Levenberg–Marquardt steps from there.

    Returns:
        The fit.
    """

    def one_bus(lane):
        bus, bus_key = lane

        def climb(flat, blur, most):
            # Under blur only the valley is sought, not its bottom.
            return _climb(bus.blurred(blur), flat, most, rtol=jnp.where(blur > 0.0, 1e-2, RTOL))

        def misfits(flat, blur):
            return (bus.blurred(blur).misfit(flat) ** 2).mean(0)

        finalists = find_starts(coarse_unknowns(bus), climb, misfits, bus_key, starts=starts)
        candidates, costs = jax.vmap(lambda flat: climb(flat, 0.0, steps))(finalists)
        return candidates[jnp.argmin(costs)]

    rows, buses = survey.wl_um.shape[:2]
    keys = jax.random.split(key, rows * buses).reshape(rows, buses, *key.shape)
    flat = _by_lane(one_bus, (survey, keys))
    return _by_lane(lambda lane: _told(*lane), (survey, flat))


@eqx.filter_jit
def refit_rows(survey: BusSurvey, fit: RowFit, *, steps: int = STEPS) -> RowFit:
    """The fit of a survey of which more is known now, such as how the chip moved, begun where another fit ended."""

    def one_bus(lane):
        bus, unknowns = lane
        return _told(bus, _climb(bus, ravel_pytree(unknowns)[0], steps)[0])

    return _by_lane(one_bus, (survey, fit.unknowns))


def coarse_unknowns(bus: BusSurvey) -> Unknowns:
    """Where each ring's resonance is: a grid search on its own channel, neighbours ignored, the gain profiled out.

    Readings that do not count are nought; a ring of which none counts stays as designed.
    """
    grid = jnp.linspace(-OFFSET_REACH, OFFSET_REACH, OFFSET_GRID)
    scatter = bus.scatter

    def one(ring, wl_c, gain, v, y, counts):
        def misfit(z):
            fields = ring_fields(wl_c, ring, scatter.offset_pm * z + ring.slope_pm_V * v)
            shape = counts * gain * (jnp.abs(fields.through) ** 2 - jnp.abs(fields.drop) ** 2)
            scale = jnp.where(counts.any(), jnp.clip(shape @ y / (shape @ shape), 0.3, 3.0), 1.0)
            return jnp.sum((scale * shape - y) ** 2), scale

        cost, scale = jax.vmap(misfit)(grid)
        best = jnp.where(counts.any(), jnp.argmin(cost), OFFSET_GRID // 2)
        return grid[best], jnp.log(scale[best]) / scatter.gain

    own = bus.channel_of_ring
    own_volts = bus.volts[:, own, jnp.arange(own.size)].T
    counted = jnp.isfinite(bus.noise_A).T[own]
    offset, gain = jax.vmap(one)(bus.rings, bus.wl_um[own], bus.gain_A[own], own_volts, bus.current_A.T[own], counted)
    zero = jnp.zeros_like(offset)
    by_channel = zero.at[own].set(gain)
    return Unknowns(zero, zero, zero, offset, zero, zero, zero[1:], zero[1:], by_channel, jnp.zeros(()))


def _climb(
    bus: BusSurvey, flat: Float[Array, " unknowns"], steps: int, *, rtol: Float[Array, ""] | float = RTOL
) -> tuple[Float[Array, " unknowns"], Float[Array, ""]]:
    """The nearest valley's bottom, and its cost."""
    solution = least_squares(bus.residuals, flat, jacobian=bus.jacobian, steps=steps, rtol=rtol, accelerate=True)
    return solution.x, jnp.where(jnp.isfinite(solution.cost), solution.cost, jnp.inf)


def _told(bus: BusSurvey, flat: Float[Array, " unknowns"]) -> RowFit:
    """What the best point found says, with its error bars."""
    model, counted = bus.model(flat), jnp.isfinite(bus.noise_A)
    readings = counted.sum()
    # The prior counts as data: its terms cancel its unknowns, which leaves the readings less the phases.
    chi2 = jnp.sum(bus.residuals(flat) ** 2) / jnp.maximum(readings - (bus.wl_um.size - 1), 1)
    # Unmodelled physics shows as χ² above one; the error bars grow with it.
    covariance = jnp.linalg.inv(bus.normal(bus.jacobian(flat))) * jnp.maximum(chi2, 1.0)
    std = bus.unravel(jnp.sqrt(jnp.diagonal(covariance)))
    error = counted * (bus.predict_A(flat) - bus.current_A) / model.gain_A
    misfit = jnp.sum(error**2) / jnp.maximum(readings, 1)
    return RowFit(model, bus.unravel(flat), std, jnp.sqrt(misfit), chi2)


def _by_lane(function, lanes: Any) -> Any:
    """Apply a function to every bus of every row, a few at once; leaves lead with (rows, buses)."""
    shape = jax.tree.leaves(lanes)[0].shape[:2]
    found = jax.lax.map(
        function, jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), lanes), batch_size=BUSES_AT_ONCE
    )
    return jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), found)
