"""The fit of a survey during which the chip drifted: rows and motion, turn by turn."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibrate.bus import BusSurvey
from prism_photonics.calibrate.fit import RowFit, fit_rows, refit_rows
from prism_photonics.calibrate.motion import (
    Motion,
    Moving,
    blur_A,
    drift_matters,
    find_motion,
    lost_volts,
    thermal_patterns_pm,
    unsure,
    wander_A,
)
from prism_photonics.calibrate.unknowns import Scatter, Unknowns, designed_gain_A
from prism_photonics.circuit.params import assigned_bank
from prism_photonics.spec import ChipSpec

# Turns of motion and rows: the elimination leaves little to a second one.
TURNS = 3


def fit_moving(
    survey: xr.Dataset,
    volts: Float[ndarray, "settings rows rings"],
    current_A: Float[ndarray, "settings rings rows"],
    noise_A: Float[ndarray, "settings rings rows"],
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
) -> tuple[RowFit, Motion]:
    """Fit every bus of every row, and how the chip moved meanwhile where that shows.

    Args:
        survey: What `take_survey` returned.
        volts: Its voltages in V, 0 for rings that stand still.
        current_A: Its readings less their dark level, in A.
        noise_A: Their expected standard deviations in A; infinite where a reading carries no weight.
        spec: The chip: where the fit starts, and how much it scatters and drifts.
        key: JAX random key of the starts.

    Returns:
        The fit and the motion, which is none where drift stays below the noise.
    """
    time_s = survey.time_s.values
    own = survey.channel_of_ring.values
    design, moving = assigned_bank(spec, own), _moving(volts, time_s, spec)
    of_lane = lambda leaf: jnp.broadcast_to(leaf, (*design.shape[:2], *jnp.shape(leaf)))  # noqa: E731
    wander = wander_A(float(np.ptp(time_s)), spec)[:, :, None]
    read_A, sigma_A = (_by_bus(part.swapaxes(1, 2), spec) for part in (current_A, noise_A))
    still = Motion(time_s, np.zeros((*time_s.shape, 3)), 0.0)
    readings = moving.placed(
        BusSurvey(
            wl_um=of_lane(design.wl_um),
            channel_of_ring=jnp.asarray(own),
            rings=design.rings,
            buses=design.buses,
            gain_A=designed_gain_A(spec),
            scatter=jax.tree.map(of_lane, Scatter.from_spec(spec)),
            volts=moving.lost_V,
            moved_pm=moving.lost_V,
            current_A=jnp.where(jnp.isfinite(sigma_A), read_A, 0.0),
            noise_A=jnp.hypot(sigma_A, wander),
        ),
        still,
    )
    if not drift_matters(survey, spec):
        return fit_rows(readings, key), still
    # Which valley the bus phases are in shows through the blur; where in it, without.
    blurred = jnp.hypot(readings.noise_A, blur_A(float(np.ptp(time_s)), spec)[:, :, None])
    fit, motion = fit_rows(eqx.tree_at(lambda s: s.noise_A, readings, blurred), key), still
    flat = jax.vmap(jax.vmap(lambda unknowns: ravel_pytree(unknowns)[0]))
    for _ in range(TURNS):
        motion = find_motion(moving.placed(readings, motion), flat(fit.unknowns), moving, motion, spec)
        fit = refit_rows(moving.placed(readings, motion), fit)
    more = unsure(moving.placed(readings, motion), flat(fit.unknowns), moving, motion, spec)
    std = jax.vmap(jax.vmap(_wider))(fit.std, more)
    return eqx.tree_at(lambda f: f.std, fit, std), motion


def _wider(std: Unknowns, more: Float[Array, " unknowns"]) -> Unknowns:
    flat, unravel = ravel_pytree(std)
    return unravel(jnp.hypot(flat, more))


def _moving(
    volts: Float[ndarray, "settings rows rings"], time_s: Float[ndarray, "settings rings"], spec: ChipSpec
) -> Moving:
    return Moving(
        _by_bus(thermal_patterns_pm(spec), spec), _by_bus(volts, spec), jnp.asarray(lost_volts(volts, time_s, spec))
    )


def _by_bus(of_chip: Float[ndarray, "some rows rings"], spec: ChipSpec) -> Float[Array, "rows buses some channels"]:
    """Numbers of every ring, bus by bus."""
    split = of_chip.reshape(-1, spec.chip.rows, spec.chip.buses, spec.chip.channels)
    return jnp.asarray(np.moveaxis(split, 0, 2))
