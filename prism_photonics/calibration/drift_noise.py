"""Drift against noise: change of a reading by drift within a time, over the reading's noise."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.unknowns import designed_gain_A
from prism_photonics.circuit.params import designed_bank
from prism_photonics.drift.state import HOUR_S, thermal_patterns_pm
from prism_photonics.files.datasets import Dataset
from prism_photonics.lightpath.detector.model import sample_noise_A
from prism_photonics.lightpath.ring.model import fwhm_pm
from prism_photonics.spec import ChipSpec

# A Lorentzian of swing 1.8 between through and drop, over voltages that reach x half widths to either side, has the rms
# slope 1.8·√(π/2x) per width: 1.0 for the demo's drive, which reaches 2.6 widths.
FLANK = 1.0


def blur_A(seconds: float, spec: ChipSpec) -> Float[ndarray, "rows buses channels"]:
    """Rms change of a reading by the common temperature within a time, on the flank of a ring, in A."""
    # From the middle of an Ornstein–Uhlenbeck process either way.
    went_pm = thermal_patterns_pm(spec)[0].max() * np.sqrt(-np.expm1(-seconds / spec.drift.thermal_time_s))
    # A typical slope of a reading where voltages are random.
    return FLANK * went_pm * designed_gain_A(spec) / fwhm_pm(designed_bank(spec, xp=np).rings)


def steady_samples(spec: ChipSpec, readings: int) -> int:
    """Most converter samples worth averaging where several readings pass before the chip is looked at again.

    Noise falls with the samples, and what the temperature does meanwhile grows: they are equal there.
    """
    sample_A = sample_noise_A(spec.detector_design, designed_gain_A(spec).mean(), pairs=spec.chip.buses)
    blurred_A = blur_A(readings / spec.detector_design.bandwidth_Hz, spec).mean()
    return max(1, int(min(float(sample_A) / max(float(blurred_A), 1e-30), 1e9)))


def wandered_pm(seconds: float, spec: ChipSpec) -> float:
    """Rms distance of a ring's random walk from its mean over a time, in pm."""
    return spec.drift.wander_pm_rthour * np.sqrt(seconds / HOUR_S / 6.0)


def drift_matters(survey: Dataset, spec: ChipSpec, *, seconds: float | None = None) -> bool:
    """Whether a chip drifts by more than its survey's noise, while that is taken or in another time in s."""
    seconds = float(np.ptp(survey.time_s.values)) if seconds is None else seconds
    shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    noise_A = np.median(survey.noise_A.values, axis=0).T.reshape(shape)
    return bool(np.median(blur_A(seconds, spec) / noise_A) > 1.0)
