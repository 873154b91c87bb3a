"""The pilot: lines that are read under voltages of their own before a setting is used, their cost and their noise."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.drift_noise import steady_samples
from prism_photonics.calibration.spectra import swept_plan
from prism_photonics.calibration.survey import averages_for
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.lightpath.detector.model import white_noise_A2
from prism_photonics.spec import ChipSpec

# Design choice: lines read under the pilot; dimmed lines would tell of the modulators' drivers too.
PILOT_LINES = 4
# What a fitted row leaves on settings that it never saw, as rms weight: 12 bits on the demo.
MODEL_WEIGHT = 3e-4


def pilot_lines(spec: ChipSpec, *, laser: bool) -> int:
    """Lines that are read before a setting is used."""
    return spec.chip.rings if laser else min(PILOT_LINES, spec.chip.rings)


def pilot_samples(spec: ChipSpec) -> int:
    """Most converter samples of a reading between two readings of the pilot: drift spoils what takes longer."""
    return steady_samples(spec, PILOT_LINES)


def pilot_plan(spec: ChipSpec, *, laser: bool = False) -> MeasurementPlan:
    """Cost of one `Tracker.correct`: the pilot, its dark level and lines, and the corrected setting."""
    if laser:
        dark = MeasurementPlan(settings=2, triggers=1, samples=pilot_averages(spec))
        return dark + swept_plan(spec)
    readings = 1 + len(spread_lines(PILOT_LINES, spec.chip.rings))
    samples = readings * pilot_averages(spec)
    return MeasurementPlan(settings=2, lights=readings, triggers=readings, samples=samples)


def pilot_averages(spec: ChipSpec) -> int:
    """Converter samples of a reading of the pilot."""
    return min(averages_for(spec), pilot_samples(spec))


def spread_lines(count: int, lines: int) -> Int[ndarray, " some"]:
    """At most ``count`` of the lines, evenly spread."""
    return np.unique(np.arange(count) * lines // count)


def line_noise_A(calibration: Calibration, spec: ChipSpec, averages: int) -> Float[ndarray, "lines rows"]:
    """Expected error of a reading of each line against the fitted rows: noise and the model's.

    Infinite of what tells nothing: of excluded rings, and of lines that no fit explains (`Calibration.spoiled`), which
    readings miss by percents though nothing has drifted.
    """
    unit_A = np.asarray(calibration.unit_A)
    white_A2 = white_noise_A2(spec.detector_design, unit_A, pairs=spec.chip.buses)
    sigma_A = np.sqrt(white_A2 / averages + (MODEL_WEIGHT * unit_A) ** 2)
    return np.where((np.asarray(calibration.excluded) | calibration.spoiled).T, np.inf, sigma_A)
