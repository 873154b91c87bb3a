"""Turns in which a laser's misses, its power and the rows find each other.

A miss shifts all rows alike, and so does part of what a wrong row makes of its readings: the fewer rows share a miss,
the more of it each turn leaves to the next one.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.fit import OUTLYING, BusFit, at_optimum, refit_buses, try_again
from prism_photonics.calibration.portions import READINGS_AT_ONCE, in_portions
from prism_photonics.calibration.reading_model import readings_A
from prism_photonics.calibration.reflecting_fit import SETTLED_TRIES, fit_reflecting, fuller
from prism_photonics.calibration.survey_drift import DriftTerms, SurveyDrift, update_drift
from prism_photonics.spec import ChipSpec

# Design choices, as are those below. Most turns of plain rows, and the share by which one must lower χ² so that another
# follows: of four rows each leaves two thirds of the χ² before.
TURNS, SETTLING = 15, 0.05
# A laser misses by so much that all bus phases explain the blurred readings alike: which are wrong shows first when its
# misses are found. Of 20 dies of eight rows three kept a wrong minimum after three tries, none after these, while no
# turns followed; no more are made once no bus stands out.
WRONG_MINIMUM, TRIES = 4.0, 15
# How often buses that stand out are begun anew in each turn of rows that reflect.
REFLECTING_TRIES = (0, 0, SETTLED_TRIES)
# A laser's power within a ring's linewidth is even to so much: what seems more is a wrong minimum.
POWER_RANGE = (0.9, 1.1)


def misses_settled(
    readings: BusSurvey,
    applied: BusSurvey,
    fit: BusFit,
    drift: SurveyDrift,
    *,
    terms: DriftTerms,
    spec: ChipSpec,
    explained: Callable[[BusSurvey, BusFit], BusSurvey],
    reflecting: Callable[[BusSurvey], BusSurvey],
    rng: np.random.Generator,
) -> tuple[BusFit, SurveyDrift, BusSurvey]:
    """Further turns of plain rows, as long as they explain more; then of rows that reflect, where these are asked for.

    Args:
        readings: The survey, without the drift.
        applied: The same with ``drift``.
        fit: Fit of the plain rows.
        drift: Temperatures and misses.
        terms: Inputs of the drift.
        spec: The chip.
        explained: Readings with what a fit does not explain counted as noise.
        reflecting: Readings to be explained by rows that reflect.
        rng: Draws starts.

    Returns:
        The fit, the drift, and the readings with it.
    """

    def turned(fit: BusFit, tries: int = 0) -> BusFit:
        nonlocal readings, applied, drift
        readings = evened(readings, applied, fit.flat, buses=spec.chip.buses)
        sure = explained(terms.applied(readings, drift), fit)
        drift = update_drift(sure, fit.flat, terms=terms, drift=drift, spec=spec)
        applied = terms.applied(readings, drift)
        if readings.reflecting is None:
            return refit_buses(applied, fit.flat, errors=False)
        return fit_reflecting(applied, fit.flat, rng, rounds=1, tries=tries)

    def settled(fit: BusFit) -> BusFit:
        for _ in range(TURNS):
            before, fit = fit.chi2.mean(), turned(fit)
            if fit.chi2.mean() > (1.0 - SETTLING) * before:
                break
        return at_optimum(applied, fit.flat)

    fit = settled(fit)
    # Buses are alike: where one is explained, the others are in wrong minima, and lack nothing.
    if fit.chi2.min() < OUTLYING < fit.chi2.max():
        fit = settled(try_again(applied, fit, rng, wrong_chi2=WRONG_MINIMUM, tries=TRIES))
    richer = fuller(lambda: reflecting(applied), fit, rng.spawn(1)[0], each=True)
    if richer is None:
        return fit, drift, applied
    light = reflecting(applied).reflecting
    readings, applied = (dataclasses.replace(part, reflecting=light) for part in (readings, applied))
    for tries in REFLECTING_TRIES:
        richer = turned(richer, tries)
    return richer, drift, applied


def evened(readings: BusSurvey, applied: BusSurvey, flat: Float[ndarray, "all unknowns"], *, buses: int) -> BusSurvey:
    """The readings with the laser's power at each wavelength about a line, as seen by all rows and settings alike.

    Facets and lasers ripple; over a channel's middle wavelength nothing is said: that is the line's gain.
    """

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some wavelengths"], ...]:
        now = applied.take(some)
        found_A, weight = readings_A(now, flat[some]), now.noise_A**-2.0
        return (weight * found_A * now.current_A).sum(1), (weight * found_A**2).sum(1)

    seen, wanted = in_portions(applied, one_portion, readings=READINGS_AT_ONCE)
    seen, wanted = (part.reshape(-1, buses, part.shape[1]).sum(0) for part in (seen, wanted))
    power = np.divide(seen, wanted, out=np.ones_like(seen), where=wanted > 0.0)
    by_line = np.clip(power, *POWER_RANGE).reshape(buses, -1, readings.nodes)
    by_line = by_line / np.exp(np.log(by_line).mean(2, keepdims=True))
    gain_A = readings.gain_A.reshape(-1, buses, power.shape[1]) * by_line.reshape(buses, -1)
    return dataclasses.replace(readings, gain_A=gain_A.reshape(readings.gain_A.shape))
