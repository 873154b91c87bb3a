"""Currents of a survey's buses and their slopes, by the solver that their unknowns ask for."""

from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration import bus_slopes
from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.polarized_slopes import polarized_readings_A, polarized_slopes
from prism_photonics.calibration.reflecting_slopes import reflecting_readings_A, reflecting_slopes


def readings_A(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, relaxed: bool = False
) -> Float[ndarray, "buses settings wavelengths"]:
    """The currents that the unknowns predict, in A; arguments as of `bus_slopes.readings_A`."""
    if survey.reflecting is None:
        return bus_slopes.readings_A(survey, flat, relaxed=relaxed)
    if survey.polarized is not None:
        return polarized_readings_A(survey, flat)
    return reflecting_readings_A(survey, flat)


def reading_slopes(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, relaxed: bool = False
) -> bus_slopes.Slopes:
    """The currents that the unknowns predict and their slopes; arguments as of `bus_slopes.readings_A`."""
    if survey.reflecting is None:
        return bus_slopes.reading_slopes(survey, flat, relaxed=relaxed)
    if survey.polarized is not None:
        return polarized_slopes(survey, flat)
    return reflecting_slopes(survey, flat)
