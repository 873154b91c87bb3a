"""The fit of a survey during which the chip drifted: rows and drift, by turns."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.drift_noise import blur_A, drift_matters, wandered_pm
from prism_photonics.calibration.fit import BUSES_AT_ONCE, RowFit, fit_rows, refit_rows
from prism_photonics.calibration.survey_drift import DriftTerms, SurveyDrift, drift_std, lost_volts, update_drift
from prism_photonics.calibration.unknowns import Scatter, Unknowns, designed_gain_A
from prism_photonics.circuit.params import assigned_bank
from prism_photonics.drift.state import thermal_patterns_pm
from prism_photonics.spec import ChipSpec

# Turns of drift and rows: the elimination leaves little to a second one.
TURNS = 3
# Most times that a bus is fitted from new starts.
TRIES = 3
# A bus's χ² beyond which it is taken for a wrong local minimum: of a chip that stands still, and where the drift may
# not be settled yet (design choices). Of the latter up to 10 was seen, of wrong minima 5 to 550.
WRONG_MINIMUM, UNSETTLED = 4.0, 30.0


def fit_survey(
    survey: xr.Dataset,
    spec: ChipSpec,
    *,
    volts: Float[ndarray, "settings rows rings"],
    current_A: Float[ndarray, "settings rings rows"],
    noise_A: Float[ndarray, "settings rings rows"],
    key: PRNGKeyArray,
) -> tuple[RowFit, SurveyDrift]:
    """Fit every bus of every row, and the drift meanwhile where that shows.

    Args:
        survey: What `take_survey` returned.
        spec: The chip: where the fit starts, and how much it scatters and drifts.
        volts: Its voltages in V, 0 for rings that stand still.
        current_A: Its readings less their dark level, in A.
        noise_A: Their expected standard deviations in A; infinite where a reading carries no weight.
        key: JAX random key of the starts.

    Returns:
        The fit and the drift, which is none where it stays below the noise.
    """
    time_s = survey.time_s.values
    terms, readings = bus_surveys(
        spec,
        volts=volts,
        current_A=current_A,
        noise_A=noise_A,
        time_s=time_s,
        channel_of_ring=survey.channel_of_ring.values,
    )
    still = SurveyDrift.none(time_s)
    if not drift_matters(survey, spec):
        return _tried_again(readings, fit_rows(readings, key), WRONG_MINIMUM, key), still
    # Which local minimum the bus phases are in shows with the drift counted as noise; its bottom, without.
    took_s = float(np.ptp(time_s))
    fit, drift = fit_rows(_less_sure(readings, jnp.asarray(blur_A(took_s, spec))[:, :, None]), key), still
    flat = jax.vmap(jax.vmap(lambda unknowns: ravel_pytree(unknowns)[0]))
    # Each ring wanders for itself too, which no reading tells apart from noise: most on the flanks.
    readings = _less_sure(readings, wandered_pm(took_s, spec) * _steepness_A_pm(readings, flat(fit.unknowns)))
    for turn in range(TURNS):
        drift = update_drift(terms.applied(readings, drift), flat(fit.unknowns), terms=terms, drift=drift, spec=spec)
        fit = refit_rows(terms.applied(readings, drift), fit)
        if turn == 0:
            fit = _tried_again(terms.applied(readings, drift), fit, UNSETTLED, key)
    more = drift_std(terms.applied(readings, drift), flat(fit.unknowns), terms=terms, drift=drift, spec=spec)
    std = jax.vmap(jax.vmap(_wider))(fit.std, more)
    return eqx.tree_at(lambda f: f.std, fit, std), drift


def bus_surveys(
    spec: ChipSpec,
    *,
    volts: Float[ndarray, "settings rows rings"],
    current_A: Float[ndarray, "settings rings rows"],
    noise_A: Float[ndarray, "settings rings rows"],
    time_s: Float[ndarray, "settings rings"],
    channel_of_ring: Int[ndarray, "rows buses channels"],
) -> tuple[DriftTerms, BusSurvey]:
    """The inputs of the drift, and the readings, corrected for the film alone; leaves lead with (rows, buses)."""
    design = assigned_bank(spec, channel_of_ring)
    lost_V = jnp.asarray(lost_volts(volts, time_s, spec))
    terms = DriftTerms(_by_bus(thermal_patterns_pm(spec), spec), _by_bus(volts, spec), lost_V)
    read_A, sigma_A = (_by_bus(part.swapaxes(1, 2), spec) for part in (current_A, noise_A))

    def of_bus(leaf: Float[Array, "..."]) -> Float[Array, "rows buses ..."]:
        return jnp.broadcast_to(leaf, (*design.shape[:2], *leaf.shape))

    readings = BusSurvey(
        wl_um=of_bus(design.wl_um),
        channel_of_ring=jnp.asarray(channel_of_ring),
        rings=design.rings,
        buses=design.buses,
        gain_A=designed_gain_A(spec),
        scatter=jax.tree.map(of_bus, Scatter.from_spec(spec)),
        volts=lost_V,
        drift_pm=lost_V,
        current_A=jnp.where(jnp.isfinite(sigma_A), read_A, 0.0),
        noise_A=sigma_A,
    )
    return terms, terms.applied(readings, SurveyDrift.none(time_s))


def _tried_again(readings: BusSurvey, fit: RowFit, limit: float, key: PRNGKeyArray) -> RowFit:
    """The fit with starts pieced together for buses whose χ² is above a limit, and only for those."""
    shape = fit.chi2.shape
    size = fit.chi2.size

    def one_by_one(leaf: Shaped[Array, "rows buses ..."]) -> Shaped[Array, "size 1 ..."]:
        return leaf.reshape(size, 1, *leaf.shape[2:])

    for again in range(1, TRIES):
        chi2 = np.asarray(fit.chi2).ravel()
        count = int((chi2 > limit).sum())
        if not count:
            break
        # The worst, in whole batches, so that few shapes are compiled.
        worst = np.argsort(-chi2)[: -(-count // BUSES_AT_ONCE) * BUSES_AT_ONCE]
        taken = jax.tree.map(lambda leaf, of=worst: one_by_one(leaf)[of], readings)
        other = fit_rows(taken, jax.random.fold_in(key, again), by_chance=0)
        won = (chi2[worst] > limit) & (np.asarray(other.chi2)[:, 0] < chi2[worst])
        to, of = worst[won], np.flatnonzero(won)

        def mended(new: Array, old: Array, to=to, of=of) -> Shaped[Array, "rows buses ..."]:
            return one_by_one(old).at[to].set(new[of]).reshape(*shape, *old.shape[2:])

        fit = jax.tree.map(mended, other, fit)
    return fit


def _less_sure(readings: BusSurvey, error_A: Float[Array, "..."]) -> BusSurvey:
    return eqx.tree_at(lambda s: s.noise_A, readings, jnp.hypot(readings.noise_A, error_A))


@eqx.filter_jit
def _steepness_A_pm(
    readings: BusSurvey, flat: Float[Array, "rows buses unknowns"]
) -> Float[Array, "rows buses settings channels"]:
    """How much readings change by drifts of single rings, root of the sum of squares over rings, in A/pm."""

    def one_bus(bus, x):
        by_pm = bus.drift_slopes(x)[1].reshape(*bus.noise_A.shape, -1)
        return jnp.where(jnp.isfinite(bus.noise_A), bus.noise_A, 0.0) * jnp.linalg.norm(by_pm, axis=-1)

    return jax.vmap(jax.vmap(one_bus))(readings, flat)


def _wider(std: Unknowns, more: Float[Array, " unknowns"]) -> Unknowns:
    flat, unravel = ravel_pytree(std)
    return unravel(jnp.hypot(flat, more))


def _by_bus(of_chip: Float[ndarray, "some rows rings"], spec: ChipSpec) -> Float[Array, "rows buses some channels"]:
    """Numbers of every ring, bus by bus."""
    split = of_chip.reshape(-1, spec.chip.rows, spec.chip.buses, spec.chip.channels)
    return jnp.asarray(np.moveaxis(split, 0, 2))
