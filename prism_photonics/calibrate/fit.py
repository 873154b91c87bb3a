"""Least squares through the exact row: from currents to rings, bus phases and gains, with error bars."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from prism_photonics.calibrate.levenberg import least_squares
from prism_photonics.calibrate.starts import STARTS, find_start
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
    starts: int = STARTS,
    steps: int = 60,
) -> RowFit:
    """Fit every bus of every row, from where `find_start` sends it.

    Args:
        design: The designed bank: where the fit starts.
        gain_A: Designed current of each line, fully lit and fully passed.
        scatter: What one unit of each unknown stands for.
        volts: Survey voltages in V.
        current_A: Dark-corrected readings in A, of each channel of a row alone.
        noise_A: Their expected standard deviations in A; infinite where a reading carries no weight.
        key: JAX random key of the starts.
        starts: Random starts that it pieces together.
        steps: Most Levenberg–Marquardt steps from there.

    Returns:
        The fit.
    """
    wl = design.wl_um
    # A reading without weight is nought here and in the model's misfit.
    current_A = jnp.where(jnp.isfinite(noise_A), current_A, jnp.zeros_like(current_A))

    def one_bus(lane):
        rings, buses, gains, row_volts, row_current, row_noise, row_key = lane

        counted = jnp.isfinite(row_noise)
        coarse = coarse_unknowns(wl, rings, gains, scatter, row_volts, row_current, counted)
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

        def misfit(flat, blur):
            return (predict(flat) - row_current) / jnp.hypot(row_noise, blur * gains)

        def residuals(flat, blur=0.0):
            return jnp.concatenate([misfit(flat, blur).ravel(), is_prior * flat])

        def jacobian(flat, blur=0.0):
            # Every reading is a scalar of all unknowns: one reverse sweep each, 16 times cheaper than forward mode.
            data = (slopes(flat) / jnp.hypot(row_noise, blur * gains)[..., None]).reshape(-1, flat.shape[0])
            return jnp.concatenate([data, jnp.diag(is_prior)])

        def climb(flat, blur, most):
            # Under blur only the valley is sought, not its bottom.
            solution = least_squares(
                lambda x: residuals(x, blur),
                flat,
                jacobian=lambda x: jacobian(x, blur),
                steps=most,
                rtol=jnp.where(blur > 0.0, 1e-2, 1e-6),
                accelerate=True,
            )
            return solution.x, jnp.where(jnp.isfinite(solution.cost), solution.cost, jnp.inf)

        def misfits(flat, blur):
            return (misfit(flat, blur) ** 2).mean(0)

        flat, _ = climb(find_start(coarse, climb, misfits, row_key, starts=starts), 0.0, steps)
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
        missed = jnp.sum((error / model.gain_A) ** 2) / jnp.maximum(readings, 1)
        return RowFit(model, best, std, jnp.sqrt(missed), chi2)

    lanes, channels = design.shape[:2], design.shape[2]

    def by_bus(of_rows: Float[Array, "rows settings rings"]) -> Float[Array, "lanes settings channels"]:
        split = jnp.moveaxis(of_rows.reshape(*of_rows.shape[:2], lanes[1], channels), 2, 1)
        return split.reshape(-1, *split.shape[2:])

    def flat(leaf):
        return leaf.reshape(-1, *leaf.shape[2:])

    fits = jax.lax.map(
        one_bus,
        (
            *jax.tree.map(flat, (design.rings, design.buses, gain_A)),
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
    scatter: Scatter,
    volts: Float[Array, "settings rings"],
    current_A: Float[Array, "settings channels"],
    counted: Bool[Array, "settings channels"],
) -> Unknowns:
    """Where each ring's resonance is: a grid search on its own channel, neighbours ignored, the gain profiled out.

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

    offset, gain = jax.vmap(one)(rings, wl, gain_A, volts.T, current_A.T, counted.T)
    zero = jnp.zeros_like(offset)
    return Unknowns(zero, zero, zero, offset, zero, zero, zero[1:], zero[1:], gain, jnp.zeros(()))
