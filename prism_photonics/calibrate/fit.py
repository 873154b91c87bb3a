"""Least squares through the exact row: from currents to rings, bus phases and gains, with error bars."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from prism_photonics.calibrate.levenberg import least_squares
from prism_photonics.calibrate.unknowns import RowModel, Scatter, Unknowns, channel_transmission, row_model
from prism_photonics.circuit.params import BankParams
from prism_photonics.lightpath.ring.model import RingParams, ring_fields

OFFSET_GRID = 241
OFFSET_REACH = 4.0
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
    design: BankParams,
    gain_A: Float[Array, "rows buses channels"],
    scatter: Scatter,
    volts: Float[Array, "settings rows rings"],
    current_A: Float[Array, "settings rings rows"],
    noise_A: Float[Array, "settings rings rows"],
    key: PRNGKeyArray,
    *,
    channel_of_ring: Int[Array, "rows buses channels"],
    starts: int = 8,
    scouting: int = 15,
    finalists: int = 3,
    steps: int = 60,
) -> RowFit:
    """Fit every bus of every row, each from several starts of its bus phases (which are multimodal); keep the best.

    Args:
        design: The designed bank: where the fit starts.
        gain_A: Designed current of each line, fully lit and fully passed.
        scatter: What one unit of each unknown stands for.
        volts: Survey voltages in V.
        current_A: Dark-corrected readings in A, of each channel of a row alone.
        noise_A: Their expected standard deviations in A; infinite where a reading carries no weight.
        key: JAX random key of the starts.
        channel_of_ring: The channel that the ring at each place along its bus serves.
        starts: Starts per bus.
        scouting: Levenberg–Marquardt steps after which only the best starts go on.
        finalists: How many go on.
        steps: Most further steps of each.

    Returns:
        The fit.
    """
    wl = design.wl_um
    # A reading without weight is nought here and in the model's misfit.
    current_A = jnp.where(jnp.isfinite(noise_A), current_A, jnp.zeros_like(current_A))

    def one_bus(lane):
        rings, buses, gains, own, row_volts, row_current, row_noise, row_key = lane

        counted = jnp.isfinite(row_noise)
        coarse = coarse_unknowns(wl, rings, gains, own, scatter, row_volts, row_current, counted)
        unravel = ravel_pytree(coarse)[1]
        is_prior = ravel_pytree(
            eqx.tree_at(lambda u: u.phase_rad, jax.tree.map(jnp.ones_like, coarse), replace_fn=jnp.zeros_like)
        )[0]

        def reading(flat, settings, channel):
            model = row_model(unravel(flat), rings, buses, gains, scatter)
            return model.gain_A[channel] * channel_transmission(wl[channel], model, settings)

        def over_survey(function):
            by_channel = jax.vmap(function, in_axes=(None, None, 0))
            by_setting = jax.vmap(by_channel, in_axes=(None, 0, None))
            return lambda flat: by_setting(flat, row_volts, jnp.arange(wl.shape[0]))

        predict, slopes = over_survey(reading), over_survey(jax.grad(reading))

        def residuals(flat):
            misfit = (predict(flat) - row_current) / row_noise
            return jnp.concatenate([misfit.ravel(), is_prior * flat])

        def jacobian(flat):
            # Every reading is a scalar of all unknowns: one reverse sweep each, 16 times cheaper than forward mode.
            data = (slopes(flat) / row_noise[..., None]).reshape(-1, flat.shape[0])
            return jnp.concatenate([data, jnp.diag(is_prior)])

        phases = jax.random.uniform(row_key, (starts, wl.shape[0] - 1), maxval=2.0 * jnp.pi)

        def climb(flat, most):
            solution = least_squares(residuals, flat, jacobian=jacobian, steps=most, rtol=1e-6, accelerate=True)
            return solution.x, jnp.where(jnp.isfinite(solution.cost), solution.cost, jnp.inf)

        def from_start(phase_rad):
            return climb(ravel_pytree(eqx.tree_at(lambda u: u.phase_rad, coarse, phase_rad))[0], scouting)

        scouts, costs = jax.vmap(from_start)(phases)
        best_scouts = jnp.argsort(costs)[:finalists]
        candidates, costs = jax.vmap(lambda flat: climb(flat, steps))(scouts[best_scouts])
        flat = candidates[jnp.argmin(costs)]
        best = unravel(flat)

        model = row_model(best, rings, buses, gains, scatter)
        error = counted * (predict(flat) - row_current)
        readings = counted.sum()
        # The prior counts as data: its terms cancel its unknowns, which leaves the readings less the phases.
        chi2 = jnp.sum(residuals(flat) ** 2) / jnp.maximum(readings - best.phase_rad.size, 1)
        # Unmodelled physics shows as χ² above one; the error bars grow with it. A phase that nothing tells is uniform.
        final = jacobian(flat)
        uniform = jnp.diag((1.0 - is_prior) * 3.0 / jnp.pi**2)
        covariance = jnp.linalg.inv(final.T @ final + uniform) * jnp.maximum(chi2, 1.0)
        std = unravel(jnp.sqrt(jnp.diagonal(covariance)))
        misfit = jnp.sum((error / model.gain_A) ** 2) / jnp.maximum(readings, 1)
        return RowFit(model, best, std, jnp.sqrt(misfit), chi2)

    lanes, channels = design.shape[:2], design.shape[2]

    def by_bus(of_rows: Float[Array, "rows settings rings"]) -> Float[Array, "lanes settings channels"]:
        split = jnp.moveaxis(of_rows.reshape(*of_rows.shape[:2], lanes[1], channels), 2, 1)
        return split.reshape(-1, *split.shape[2:])

    def flat(leaf):
        return leaf.reshape(-1, *leaf.shape[2:])

    fits = jax.lax.map(
        one_bus,
        (
            *jax.tree.map(flat, (design.rings, design.buses, gain_A, channel_of_ring)),
            by_bus(jnp.moveaxis(volts, 1, 0)),
            by_bus(jnp.moveaxis(current_A, 2, 0)),
            by_bus(jnp.moveaxis(noise_A, 2, 0)),
            jax.random.split(key, lanes[0] * lanes[1]),
        ),
        batch_size=BUSES_AT_ONCE,
    )
    return jax.tree.map(lambda leaf: leaf.reshape(*lanes, *leaf.shape[1:]), fits)


def coarse_unknowns(
    wl: Float[Array, " channels"],
    rings: RingParams,
    gain_A: Float[Array, " channels"],
    own: Int[Array, " rings"],
    scatter: Scatter,
    volts: Float[Array, "settings rings"],
    current_A: Float[Array, "settings channels"],
    counted: Bool[Array, "settings channels"],
) -> Unknowns:
    """Where each ring's resonance is: a grid search on its ``own`` channel, neighbours ignored, the gain profiled out.

    Readings that do not count are nought; a ring of which none counts stays as designed.
    """
    grid = jnp.linspace(-OFFSET_REACH, OFFSET_REACH, OFFSET_GRID)

    def one(ring, wl_c, gain, v, y, counts):
        def misfit(z):
            fields = ring_fields(wl_c, ring, scatter.offset_pm * z + ring.slope_pm_V * v)
            shape = counts * gain * (jnp.abs(fields.through) ** 2 - jnp.abs(fields.drop) ** 2)
            scale = jnp.where(counts.any(), jnp.clip(shape @ y / (shape @ shape), 0.3, 3.0), 1.0)
            return jnp.sum((scale * shape - y) ** 2), scale

        cost, scale = jax.vmap(misfit)(grid)
        best = jnp.where(counts.any(), jnp.argmin(cost), OFFSET_GRID // 2)
        return grid[best], jnp.log(scale[best]) / scatter.gain

    offset, gain = jax.vmap(one)(rings, wl[own], gain_A[own], volts.T, current_A.T[own], counted.T[own])
    zero = jnp.zeros_like(offset)
    by_channel = zero.at[own].set(gain)
    return Unknowns(zero, zero, zero, offset, zero, zero, zero[1:], zero[1:], by_channel, jnp.zeros(()))
