"""What of a survey a fit is given: voltages, currents less their dark level, and how sure each is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.assign import by_place
from prism_photonics.calibration.faults import Fault, Usable, lit_currents_A, usable
from prism_photonics.files.datasets import Dataset
from prism_photonics.spec import ChipSpec


class FitReadings(NamedTuple):
    """The readings of a survey as a fit takes them.

    Attributes:
        volts: Voltages in V, 0 for rings that stand still.
        current_A: Readings less their dark level, in A.
        noise_A: Their expected standard deviations in A; infinite where a reading carries no weight.
        use: What of the survey is used.
    """

    volts: Float[ndarray, "settings rows rings"]
    current_A: Float[ndarray, "settings rings rows"]
    noise_A: Float[ndarray, "settings rings rows"]
    use: Usable


def fit_readings(survey: Dataset, faults: tuple[Fault, ...], spec: ChipSpec) -> FitReadings:
    """Leave out of a survey what its faults spoil."""
    use = usable(survey, faults, spec)
    # A ring that stands still is a ring at one voltage; its offset tells which.
    volts = np.where(by_place(use.stuck, survey.channel_of_ring.values), 0.0, survey.volts_V.values)
    noise_A = np.where(use.readings, survey.noise_A.values, np.inf)
    return FitReadings(volts, lit_currents_A(survey), noise_A, use)
