"""The fit of a survey during which the chip drifted: rows and drift, by turns."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, Light
from prism_photonics.calibration.crossings import with_crossings
from prism_photonics.calibration.drift_noise import blur_A, drift_matters, wandered_pm
from prism_photonics.calibration.error_bars import widened
from prism_photonics.calibration.fit import OUTLYING, ROUGH_RTOL, RTOL, BusFit, fit_buses, refit_buses, try_again
from prism_photonics.calibration.laser_turns import evened, misses_settled
from prism_photonics.calibration.leftover import Leftover, leftover
from prism_photonics.calibration.portions import READINGS_AT_ONCE, in_portions
from prism_photonics.calibration.reading_model import reading_slopes
from prism_photonics.calibration.reflecting_fit import (
    BEGUN_ROUNDS,
    LACKING,
    LACKING_UNSETTLED,
    ROUNDS,
    SETTLED_TRIES,
    counted,
    fit_reflecting,
    fuller,
    only_where_asked_for,
    reflecting_survey,
)
from prism_photonics.calibration.spoiled_lines import contained, counted_beside, refitted, weighed
from prism_photonics.calibration.survey_drift import DriftTerms, SurveyDrift, drift_std, lost_volts, update_drift
from prism_photonics.calibration.survey_readings import FitReadings
from prism_photonics.calibration.unknowns import RowModel, Scatter, Unknowns, columns, designed_gain_A
from prism_photonics.circuit.params import assigned_bank
from prism_photonics.drift.state import thermal_patterns_pm
from prism_photonics.files.datasets import Dataset
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import generator
from prism_photonics.units import PM_PER_UM

AT_THE_LINE = np.zeros(1)
"""Where a channel is read by a comb: at its own wavelength."""
# Turns of drift and rows, and how closely the rows are fitted in each: the elimination leaves little to a second one.
RTOLS = (ROUGH_RTOL, ROUGH_RTOL, RTOL)
# And once lines that no fit explains are set apart.
TURNS_APART = 2
# A bus's χ² beyond which it is taken for a wrong local minimum: of a chip that stands still, with the drift counted as
# noise, and where the drift may not be settled yet (design choices). Of the last up to 10 was seen, of wrong minima 5
# to 550.
WRONG_MINIMUM, BLURRED, UNSETTLED = 4.0, 2.0, 30.0
# With the drift counted as noise, a χ² from which a bus does not tell the drift: a ring of it sits on a crossing of TE
# and TM, or its minimum is wrong. One such bus of eight spoiled the drift, and by it the others (design choice).
SPOILED = 10.0
# With few readings and the drift not settled, more buses stand out than are wrong: those that are by far are begun anew
# while the survey goes on, the others after it (design choice).
OUTLYING_HEAD = 4.0


class RowFit(eqx.Module):
    """The fit of every bus of every row, its error bars, and how well it explains the survey.

    Leaves lead with (rows, buses): each bus is a circuit of its own, lit alone.
    """

    model: RowModel
    unknowns: Unknowns
    std: Unknowns
    residual_rms: Float[Array, "rows buses"]
    chi2: Float[Array, "rows buses"]
    left: Leftover | None = None

    @classmethod
    def of(cls, fit: BusFit, readings: BusSurvey, *, rows: int, apart: Bool[ndarray, "all lines"]) -> "RowFit":
        """A chip's fit from that of all of its buses, row by row, and what it leaves of the readings.

        Lines that are ``apart`` were not to be explained (`spoiled_lines`).
        """

        def by_row(leaf: Shaped[ndarray, "all ..."]) -> Shaped[Array, "rows buses ..."]:
            return jnp.asarray(leaf.reshape(rows, -1, *leaf.shape[1:]))

        left = leftover(readings, fit.flat, apart=apart)
        parts = (fit.model, fit.unknowns, fit.unknowns_std, fit.residual_rms, fit.chi2, left)
        return cls(*jax.tree.map(by_row, parts))


def rough_start(
    head: Dataset, spec: ChipSpec, readings: FitReadings, *, key: PRNGKeyArray
) -> Float[ndarray, "all unknowns"]:
    """Unknowns of every bus that roughly explain a survey's first settings.

    Args:
        head: Those settings.
        spec: The chip.
        readings: What of them a fit may use.
        key: JAX random key of the starts.
    """
    terms, buses = _of_survey(head, spec, readings)
    # Starts of its own: those of the whole survey's fit stay what they are.
    (rng,) = generator(key).spawn(1)
    if not drift_matters(head, spec):
        return _first(buses, spec, readings, rng=rng, wrong_chi2=WRONG_MINIMUM, rtol=ROUGH_RTOL)[0].flat
    fit, _, applied = _settled(buses, terms, spec, rng=rng, given=readings, rtols=(ROUGH_RTOL,), outlying=OUTLYING_HEAD)
    # The fit of all readings begins without drift: each ring where it was on average meanwhile, or it starts so far off
    # that buses end in wrong minima.
    flat = fit.flat.copy()
    flat[:, columns(applied.rings.t1.shape[1])["offset"]] += applied.drift_pm.mean((1, 2)) / applied.scatter.offset_pm
    return flat


def fit_survey(
    survey: Dataset,
    spec: ChipSpec,
    given: FitReadings,
    *,
    key: PRNGKeyArray,
    start: Float[ndarray, "all unknowns"] | None = None,
) -> tuple[RowFit, SurveyDrift]:
    """Fit every bus of every row, and the drift meanwhile where that shows.

    Args:
        survey: Result of `take_survey`.
        spec: The chip: where the fit starts, and how much it scatters and drifts.
        given: What of the survey a fit may use.
        key: JAX random key of the starts.
        start: Unknowns of every bus to begin with; by default they are searched.

    Returns:
        The fit and the drift, which is none where it stays below the noise.
    """
    rng, rows = generator(key), spec.chip.rows
    terms, readings = _of_survey(survey, spec, given)
    still = SurveyDrift.none(given.time_s)
    # A laser misses by more than noise, whether the chip drifts or not.
    if given.laser is None and not drift_matters(survey, spec):
        fit, readings = _first(readings, spec, given, rng=rng, wrong_chi2=WRONG_MINIMUM, start=start, each=True)
        fit = fit if readings.reflecting is None else only_where_asked_for(readings, fit)
        fit, _, apart = contained(readings, fit)
        fit, readings, apart = with_crossings(readings, fit, apart, spec=spec, node_pm=_node_pm(given), rng=rng)
        return RowFit.of(widened(readings, fit, apart), readings, rows=rows, apart=apart), still
    fit, drift, applied = _settled(readings, terms, spec, rng=rng, given=given, rtols=RTOLS, start=start)
    sure = applied
    if applied.reflecting is not None:
        fit = only_where_asked_for(applied, fit)
    fit, sure, apart = contained(applied, fit)
    # The other lines of those buses tell the drift too, as buses that bend to a spoiled line do not. Where plain rows
    # are among buses that reflect, one engine does not tell it from all of them.
    plain = columns(apart.shape[1])["drop_ratio"].stop
    alike = applied.reflecting is None or bool(fit.flat[:, plain:].any(1).all())
    for _ in range(TURNS_APART if apart.any() and alike else 0):
        believed = counted_beside(sure, fit.flat, apart)
        drift = update_drift(believed, fit.flat, terms=terms, drift=drift, spec=spec)
        applied, sure = terms.applied(applied, drift), terms.applied(sure, drift)
        fit = refitted(applied, sure, fit, apart)
    fit, applied, apart = with_crossings(applied, fit, apart, spec=spec, node_pm=_node_pm(given), rng=rng)
    if applied.polarized is not None:
        sure = weighed(applied, fit.flat, apart)
    sure = sure if applied.reflecting is None else counted_beside(sure, fit.flat, apart)
    more = drift_std(sure, fit.flat, terms=terms, drift=drift, spec=spec)
    fit = widened(applied, fit, apart)
    return RowFit.of(dataclasses.replace(fit, std=np.hypot(fit.std, more)), applied, rows=rows, apart=apart), drift


def _first(
    readings: BusSurvey,
    spec: ChipSpec,
    given: FitReadings,
    *,
    rng: np.random.Generator,
    wrong_chi2: float,
    start: Float[ndarray, "all unknowns"] | None = None,
    rtol: float = RTOL,
    each: bool = False,
    errors: bool = True,
) -> tuple[BusFit, BusSurvey]:
    """The fit of the readings by the plain row, or by one that reflects where most buses ask for it, or with ``each``
    any; and the readings as they are then explained.
    """
    plain = columns(readings.rings.t1.shape[1])["drop_ratio"].stop
    (of_seeds,) = rng.spawn(1)
    if start is not None and start.shape[1] > plain:
        reflecting = _reflecting(readings, spec, given)
        # Where the drift is found next, further rounds follow with it.
        rounds = 2 if errors else 1
        return fit_reflecting(reflecting, start, of_seeds, rounds=rounds, rtol=rtol, errors=errors), reflecting
    fit = fit_buses(
        readings,
        rng,
        wrong_chi2=wrong_chi2,
        start=start,
        rtol=rtol,
        errors=errors,
        # Draws of its own: those of the plain row's starts stay what they are.
        instead=lambda fit: fuller(lambda: _reflecting(readings, spec, given), fit, of_seeds, rtol=rtol, errors=errors),
    )
    if each and fit.flat.shape[1] == plain:
        fit = fuller(lambda: _reflecting(readings, spec, given), fit, of_seeds, each=True) or fit
    return fit, _reflecting(readings, spec, given) if fit.flat.shape[1] > plain else readings


def _reflecting(readings: BusSurvey, spec: ChipSpec, given: FitReadings) -> BusSurvey:
    return reflecting_survey(readings, spec, node_pm=_node_pm(given))


def _node_pm(given: FitReadings) -> Float[ndarray, " nodes"]:
    return AT_THE_LINE if given.laser is None else given.laser.node_pm


def _settled(
    readings: BusSurvey,
    terms: DriftTerms,
    spec: ChipSpec,
    *,
    rng: np.random.Generator,
    given: FitReadings,
    rtols: tuple[float, ...],
    start: Float[ndarray, "all unknowns"] | None = None,
    outlying: float = OUTLYING,
) -> tuple[BusFit, SurveyDrift, BusSurvey]:
    """Rows and drift by turns, as many as there are ``rtols``: the fit, the drift, and the readings with both."""
    # Which local minimum the bus phases are in shows with the drift counted as noise; its bottom, without.
    took_s = float(np.ptp(given.time_s))
    blurred_A = np.repeat(blur_A(took_s, spec).reshape(readings.count, 1, -1), readings.nodes, axis=2)
    if given.laser is not None:
        blurred_A = np.hypot(blurred_A, _by_bus(given.laser.missed_A.swapaxes(1, 2), spec))
    walked = _less_sure(readings, blurred_A)
    drift = SurveyDrift.none(given.time_s, patterns=terms.patterns_pm.shape[1])
    fit, walked = _first(walked, spec, given, rng=rng, wrong_chi2=BLURRED, start=start, rtol=ROUGH_RTOL, errors=False)
    readings = dataclasses.replace(readings, reflecting=walked.reflecting)

    def by_pm(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some settings channels"]]:
        slopes = reading_slopes(readings.take(some), fit.flat[some])
        return (np.linalg.norm(slopes.by_shift, axis=1),)

    # Each ring wanders for itself too, which no reading tells apart from noise: most on the flanks.
    (flanks,) = in_portions(readings, by_pm, readings=READINGS_AT_ONCE)
    readings = _less_sure(readings, wandered_pm(took_s, spec) * flanks)
    applied = terms.applied(readings, drift)
    for turn, rtol in enumerate(rtols):
        closing = 0 < turn == len(rtols) - 1
        if given.laser is not None:
            readings = evened(readings, applied, fit.flat, buses=spec.chip.buses)
            applied = terms.applied(readings, drift)
        # What no fit knows is not the drift's to explain.
        sure = _explained(applied, fit, wrong_chi2=UNSETTLED if turn else SPOILED)
        drift = update_drift(sure, fit.flat, terms=terms, drift=drift, spec=spec)
        applied = terms.applied(readings, drift)
        if readings.reflecting is not None:
            tries = SETTLED_TRIES if closing else 0
            fit = fit_reflecting(applied, fit.flat, rng, rounds=1, tries=tries, rtol=rtol, errors=closing)
            continue
        fit = refit_buses(applied, fit.flat, rtol=rtol, errors=turn == len(rtols) - 1)
        if given.laser is not None and len(rtols) > 1:
            # What its misses leave is no reason either, until they have settled.
            if turn == 0:
                fit = try_again(applied, fit, rng, wrong_chi2=UNSETTLED, rtol=rtol, outlying=outlying)
            continue
        # One turn alone settles no drift: what is left of it is no reason to ask for rings that reflect.
        lacking = LACKING if closing else LACKING_UNSETTLED
        of_all = partial(_reflecting, applied, spec, given)
        rounds, seeds = ROUNDS if closing else BEGUN_ROUNDS, rng.spawn(1)[0]
        options = {"each": closing, "rounds": rounds, "rtol": rtol, "errors": closing}
        richer = fuller(of_all, fit, seeds, lacking=lacking, **options)
        if richer is not None:
            fit, applied = richer, _reflecting(applied, spec, given)
            readings = dataclasses.replace(readings, reflecting=applied.reflecting)
        elif turn == 0:
            fit = try_again(applied, fit, rng, wrong_chi2=UNSETTLED, rtol=rtol, outlying=outlying)
    if given.laser is None or len(rtols) == 1 or readings.reflecting is not None:
        return fit, drift, applied
    explained = partial(_explained, wrong_chi2=UNSETTLED)
    reflecting = partial(_reflecting, spec=spec, given=given)
    return misses_settled(
        readings, applied, fit, drift, terms=terms, spec=spec, explained=explained, reflecting=reflecting, rng=rng
    )


def bus_surveys(
    spec: ChipSpec,
    *,
    volts: Float[ndarray, "settings rows rings"],
    current_A: Float[ndarray, "settings wavelengths rows"],
    noise_A: Float[ndarray, "settings wavelengths rows"],
    time_s: Float[ndarray, "settings wavelengths"],
    channel_of_ring: Int[ndarray, "rows buses channels"],
    node_pm: Float[ndarray, " nodes"] = AT_THE_LINE,
    laser_pm: Float[ndarray, "settings wavelengths"] | None = None,
) -> tuple[DriftTerms, BusSurvey]:
    """The inputs of the drift, and the readings, corrected for the film alone; leaves lead with all buses.

    A channel may be read at several ``node_pm`` from its wavelength, by a laser that misses by ``laser_pm``.
    """
    design = assigned_bank(spec, channel_of_ring, xp=np)
    lost_V = _flat(lost_volts(volts, time_s, spec))
    patterns_pm = thermal_patterns_pm(spec)
    if laser_pm is not None:
        patterns_pm = np.concatenate([patterns_pm, np.ones_like(patterns_pm[:1])])
    terms = DriftTerms(_by_bus(patterns_pm, spec), _by_bus(volts, spec), lost_V, laser_pm)
    read_A, sigma_A = (_by_bus(part.swapaxes(1, 2), spec) for part in (current_A, noise_A))
    wl_um = (design.wl_um[:, None] + node_pm / PM_PER_UM).ravel()
    rings, paths = jax.tree.map(_flat, (design.rings, design.buses))
    readings = BusSurvey(
        channel_of_ring=_flat(channel_of_ring),
        rings=rings,
        paths=paths,
        gain_A=np.repeat(_flat(designed_gain_A(spec, laser=laser_pm is not None)), node_pm.size, axis=1),
        scatter=Scatter.from_spec(spec),
        volts=lost_V,
        drift_pm=lost_V,
        current_A=np.where(np.isfinite(sigma_A), read_A, 0.0),
        noise_A=sigma_A,
        light=Light.of(wl_um, rings, paths),
    )
    return terms, terms.applied(readings, SurveyDrift.none(time_s, patterns=len(patterns_pm)))


def _of_survey(survey: Dataset, spec: ChipSpec, given: FitReadings) -> tuple[DriftTerms, BusSurvey]:
    return bus_surveys(
        spec,
        volts=given.volts,
        current_A=given.current_A,
        noise_A=given.noise_A,
        time_s=given.time_s,
        channel_of_ring=survey.channel_of_ring.values,
        node_pm=_node_pm(given),
        laser_pm=None if given.laser is None else given.laser.missed_pm,
    )


def _explained(readings: BusSurvey, fit: BusFit, *, wrong_chi2: float) -> BusSurvey:
    """The readings, what their fit misses counted as noise: of buses that reflect, of others where χ² is high."""
    if readings.reflecting is not None:
        return counted(readings, fit.flat)
    wrong = np.flatnonzero(fit.chi2 > wrong_chi2)
    if not wrong.size:
        return readings
    noise_A = readings.noise_A.copy()
    noise_A[wrong] = counted(readings.take(wrong), fit.flat[wrong]).noise_A
    return readings.with_noise(noise_A)


def _less_sure(readings: BusSurvey, error_A: Float[ndarray, "..."]) -> BusSurvey:
    return readings.with_noise(np.hypot(readings.noise_A, error_A))


def _flat(by_row: Shaped[ndarray, "rows buses ..."]) -> Shaped[ndarray, "all ..."]:
    """Every bus of every row, one after the other."""
    return by_row.reshape(-1, *by_row.shape[2:])


def _by_bus(of_chip: Float[ndarray, "some rows each"], spec: ChipSpec) -> Float[ndarray, "all some mine"]:
    """Numbers of every ring, or of every reading, bus by bus."""
    split = of_chip.reshape(len(of_chip), spec.chip.rows, spec.chip.buses, -1)
    return _flat(np.moveaxis(split, 0, 2))
