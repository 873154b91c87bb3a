"""Least squares through the exact row: from currents to rings, bus phases and gains, with error bars."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.levenberg import least_squares
from prism_photonics.calibration.starting_points import MOST_BY_CHANCE, STARTS, find_starting_points
from prism_photonics.calibration.unknowns import RowModel, Unknowns, ring_model
from prism_photonics.lightpath.ring.model import resonance_shift_pm, ring_fields

# A ring alone: what neighbours add to its channel, in units of full light, and where its resonance is looked for, in
# standard deviations. Design choices.
NEIGHBOURS = 0.1
OFFSET_REACH, STRETCHES, OFFSET_GRID = 4.0, 16, 15
COARSE_STEPS = 15
# Index of the offset among a ring's unknowns.
OFFSET = 3
STEPS, RTOL = 60, 1e-6
# Enough to fill the vector units; more would only wait for the slowest.
BUSES_AT_ONCE = 8


class RowFit(eqx.Module):
    """The fit of every bus of every row, its error bars, and how well it explains the survey.

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
    by_chance: int = MOST_BY_CHANCE,
) -> RowFit:
    """Fit every bus of every row, from where `find_starting_points` sends it.

    Args:
        survey: Every bus with its readings, leaves with leading axes (rows, buses).
        key: JAX random key of the starts.
        starts: Random starts, whose best rings are combined where rings are many.
        steps: Most Levenberg–Marquardt steps from there.
        by_chance: Most rings whose phases are left to chance.

    Returns:
        The fit.
    """

    def one_bus(given):
        bus, bus_key = given

        def descend(flat, blur, most):
            # Under blur only the basin is sought, not its minimum.
            return _descend(bus.blurred(blur), flat, most, rtol=jnp.where(blur > 0.0, 1e-2, RTOL))

        def misfits(flat, blur):
            return (bus.blurred(blur).misfit(flat) ** 2).mean(0)

        finalists = find_starting_points(
            coarse_unknowns(bus), descend, misfits, bus_key, starts=starts, by_chance=by_chance
        )
        candidates, costs = jax.vmap(lambda flat: descend(flat, 0.0, steps))(finalists)
        return candidates[jnp.argmin(costs)]

    rows, buses = survey.wl_um.shape[:2]
    keys = jax.random.split(key, rows * buses).reshape(rows, buses, *key.shape)
    flat = _over_buses(one_bus, (survey, keys))
    return _over_buses(lambda given: _at_optimum(*given), (survey, flat))


@eqx.filter_jit
def refit_rows(survey: BusSurvey, fit: RowFit, *, steps: int = STEPS) -> RowFit:
    """The fit of a survey whose drift is known better now, begun where another fit ended."""

    def one_bus(given):
        bus, unknowns = given
        return _at_optimum(bus, _descend(bus, ravel_pytree(unknowns)[0], steps)[0])

    return _over_buses(one_bus, (survey, fit.unknowns))


def coarse_unknowns(bus: BusSurvey) -> Unknowns:
    """Each ring by itself, fitted to its own channel; what its neighbours do to that counts as noise.

    Readings that do not count are nought; a ring of which none counts stays as designed.
    """
    nothing = jnp.zeros(())

    def one(design, wl_c, gain_A, volts, current_A, counts):
        alone = jax.tree.map(lambda leaf: leaf[None], design)
        gaps = jnp.zeros(0)

        def misfit(z: Float[Array, "7"]) -> Float[Array, " settings"]:
            unknowns = Unknowns(*z[:6, None], phase_rad=gaps, crosstalk=gaps, gain=z[6:], drop_ratio=nothing)
            ring = ring_model(unknowns, alone, bus.scatter)
            fields = ring_fields(wl_c, ring, resonance_shift_pm(ring, volts[:, None]))
            passed = jnp.abs(fields.through[:, 0]) ** 2 - jnp.abs(fields.drop[:, 0]) ** 2
            passed *= jnp.exp(bus.scatter.gain * z[6])
            return counts * (passed - current_A / gain_A) / NEIGHBOURS

        def residuals(z: Float[Array, "7"]) -> Float[Array, " residuals"]:
            return jnp.concatenate([misfit(z), z])

        # A resonance is found only by who starts near it: the best of each stretch of a grid.
        grid = jnp.zeros((STRETCHES, OFFSET_GRID, 7))
        grid = grid.at[..., OFFSET].set(
            jnp.linspace(-OFFSET_REACH, OFFSET_REACH, grid[..., 0].size).reshape(STRETCHES, -1)
        )
        costs = jax.vmap(jax.vmap(lambda z: jnp.sum(misfit(z) ** 2)))(grid)
        starts = jax.vmap(lambda stretch, lowest: stretch[lowest])(grid, jnp.argmin(costs, axis=1))
        slopes = jax.jacfwd(residuals)
        found = jax.vmap(lambda z: least_squares(residuals, z, jacobian=slopes, steps=COARSE_STEPS, rtol=1e-3))(starts)
        return found.x[jnp.argmin(found.cost)]

    own = bus.channel_of_ring
    own_volts = bus.volts[:, own, jnp.arange(own.size)].T
    counted = jnp.isfinite(bus.noise_A).T[own]
    found = jax.vmap(one)(bus.rings, bus.wl_um[own], bus.gain_A[own], own_volts, bus.current_A.T[own], counted)
    zero = jnp.zeros(own.size)
    by_channel = zero.at[own].set(found[:, 6])
    return Unknowns(*found.T[:6], phase_rad=zero[1:], crosstalk=zero[1:], gain=by_channel, drop_ratio=nothing)


def _descend(
    bus: BusSurvey, flat: Float[Array, " unknowns"], steps: int, *, rtol: Float[Array, ""] | float = RTOL
) -> tuple[Float[Array, " unknowns"], Float[Array, ""]]:
    """The nearest local minimum, and its cost."""
    solution = least_squares(bus.residuals, flat, jacobian=bus.jacobian, steps=steps, rtol=rtol, accelerate=True)
    return solution.x, jnp.where(jnp.isfinite(solution.cost), solution.cost, jnp.inf)


def _at_optimum(bus: BusSurvey, flat: Float[Array, " unknowns"]) -> RowFit:
    """The model, standard errors and χ² at the optimum."""
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


def _over_buses(function, buses: Any) -> Any:
    """Apply a function to every bus of every row, a few at once; leaves lead with (rows, buses)."""
    shape = jax.tree.leaves(buses)[0].shape[:2]
    found = jax.lax.map(
        function, jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), buses), batch_size=BUSES_AT_ONCE
    )
    return jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), found)
