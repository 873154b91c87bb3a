"""Signal-to-noise ratio of a score: how far signatures' scores spread against the receiver's noise."""

import math
from statistics import NormalDist

from prism_photonics.budget.link import line_current_A
from prism_photonics.lightpath.detector.model import adc_step_A, thermal_noise_A2_Hz
from prism_photonics.spec import ChipSpec
from prism_photonics.units import ELEMENTARY_CHARGE_C, dB_from_ratio


def expected_maximum(count: int) -> float:
    """Expected largest magnitude of ``count`` standard Gaussian numbers (Blom's approximation, 1958)."""
    return NormalDist().inv_cdf(1.0 - 0.5 * (1.0 - (count - 0.375) / (count + 0.25)))


def score_snr_dB(spec: ChipSpec) -> float:
    """Score-referred SNR of one tile (rows × channels) read once, in dB (10·log10 of the power ratio).

    Signatures and query are Gaussian and scaled by their largest entries (N·d and d of them) to ±weight_limit and ±1.
    Signal: the standard deviation over signatures of Σ w·q̂ in units of a line's current. Noise: thermal, shot and
    intensity noise and the converter's step of every shot, through the query encoding's recovery formula.

    Args:
        spec: The chip.

    Returns:
        SNR in dB.
    """
    channels, rows = spec.chip.channels, spec.chip.rows
    detector = spec.detector_design
    line_A = line_current_A(spec)
    weight_rms = spec.ranking.weight_limit / max(expected_maximum(rows * channels), 1.0)
    query_rms = 1.0 / max(expected_maximum(channels), 1.0)
    signal_A2 = channels * (weight_rms * query_rms * line_A) ** 2

    if spec.modulator.encoding == "offset":
        light_sum, light2_sum, shots, recovery = channels / 2.0, channels * (1.0 + query_rms**2) / 4.0, 1, 2.0
    else:
        mean_magnitude = query_rms * math.sqrt(2.0 / math.pi)
        light_sum, light2_sum, shots, recovery = (
            channels * mean_magnitude / 2.0,
            channels * query_rms**2 / 2.0,
            2,
            1.0,
        )
    shot = 2.0 * ELEMENTARY_CHARGE_C * (light_sum * line_A + 2.0 * detector.dark_current_A)
    rin = 10.0 ** (spec.comb.rin_dB_Hz / 10.0) * light2_sum * (weight_rms * line_A) ** 2
    white_A2 = detector.bandwidth_Hz * (thermal_noise_A2_Hz(detector) + shot + rin)
    step_A = adc_step_A(detector)
    noise_A2 = shots * recovery**2 * (white_A2 + step_A**2 / 12.0)
    return dB_from_ratio(signal_A2 / noise_A2)
