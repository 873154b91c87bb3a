"""What of a survey a fit is given: voltages, currents less their dark level, and how sure each is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.assign import by_place
from prism_photonics.calibration.faults import Fault, Usable, lit_currents_A, usable
from prism_photonics.calibration.survey import SPECTRUM
from prism_photonics.files.datasets import Dataset
from prism_photonics.spec import ChipSpec


class FitReadings(NamedTuple):
    """The readings of a survey as a fit takes them: of each channel one, or of a spectrum several side by side.

    Attributes:
        volts: Voltages in V, 0 for rings that stand still.
        current_A: Readings less their dark level, in A.
        noise_A: Their expected standard deviations in A; infinite where a reading carries no weight.
        time_s: When each was taken, in s.
        use: What of the survey is used.
        laser: What is known of a tunable laser; None of a comb.
    """

    volts: Float[ndarray, "settings rows rings"]
    current_A: Float[ndarray, "settings wavelengths rows"]
    noise_A: Float[ndarray, "settings wavelengths rows"]
    time_s: Float[ndarray, "settings wavelengths"]
    use: Usable
    laser: "LaserReadings | None"


class LaserReadings(NamedTuple):
    """Where a tunable laser was, and how far it may have missed.

    Attributes:
        node_pm: Places about each line at which it was read, in pm.
        missed_pm: Standard deviation of each reading's wavelength in pm, which all rows share.
        missed_A: What that does to each row, in A.
    """

    node_pm: Float[ndarray, " nodes"]
    missed_pm: Float[ndarray, "settings wavelengths"]
    missed_A: Float[ndarray, "settings wavelengths rows"]


def fit_readings(survey: Dataset, faults: tuple[Fault, ...], spec: ChipSpec) -> FitReadings:
    """Leave out of a survey what its faults spoil."""
    use = usable(survey, faults, spec)
    # A ring that stands still is a ring at one voltage; its offset tells which.
    volts = np.where(by_place(use.stuck, survey.channel_of_ring.values), 0.0, survey.volts_V.values)
    if SPECTRUM not in survey:
        noise_A = np.where(use.readings, survey.noise_A.values, np.inf)
        return FitReadings(volts, lit_currents_A(survey), noise_A, survey.time_s.values, use, None)

    def side_by_side(name: str) -> Float[ndarray, "settings wavelengths ..."]:
        array = survey[name].values
        return array.reshape(array.shape[0], -1, *array.shape[3:])

    node_pm, missed_pm = survey.node_pm.values, side_by_side("laser_pm")
    lit_A = side_by_side(SPECTRUM) - survey.dark_A.values[:, None]
    used = np.repeat(use.readings, node_pm.size, axis=1) & np.isfinite(lit_A)
    noise_A = np.where(used, side_by_side("spectrum_noise_A"), np.inf)
    missed_A = np.where(used, np.abs(side_by_side("spectrum_slope_A_pm")) * missed_pm[..., None], 0.0)
    laser = LaserReadings(node_pm, missed_pm, missed_A)
    return FitReadings(volts, np.where(used, lit_A, 0.0), noise_A, side_by_side("spectrum_time_s"), use, laser)
