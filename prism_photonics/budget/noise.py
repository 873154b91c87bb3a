"""Noise of one score, term by term: what the score's signal-to-noise ratio is made of."""

import math

from prism_photonics.budget.entry import Entry
from prism_photonics.budget.link import line_current_A
from prism_photonics.budget.snr import expected_maximum, score_snr_dB
from prism_photonics.lightpath.detector.model import adc_step_A
from prism_photonics.lightpath.modulator.encoding import shots
from prism_photonics.spec import ChipSpec
from prism_photonics.units import BOLTZMANN_J_K, ELEMENTARY_CHARGE_C

SOURCES = {
    "tia": "shots·recovery²·B·i_n²; detector.tia_noise_pA_rtHz",
    "johnson": "shots·recovery²·B·4kT/R; detector.feedback_ohm",
    "shot": "shots·recovery²·B·2q·(I⁺ + I⁻ + 2·I_dark)",
    "rin": "shots·recovery²·B·RIN·Σ I_c²; comb.rin_dB_Hz, each line's own",
    "converter": "shots·recovery²·step²/12; detector.adc_bits",
}
"""What each term is, by its name."""


def noise_terms_A2(spec: ChipSpec) -> dict[str, float]:
    """Variance of one score by cause, in A² of the balanced current: all shots, through the encoding's recovery.

    Signatures and query are scaled as in `budget.snr.score_snr_dB`, and the terms add up to its noise.

    Args:
        spec: The chip.

    Returns:
        ``tia``, ``johnson``, ``shot``, ``rin``, ``converter``.

    Source: white noise of a photodiode receiver (thermal, shot, relative intensity), uniform error of a converter's
        step; the recovery factor is 2 for ``offset`` (Σ w·q̂ = 2·y − Σ w) and 1 for ``two_shot``.
    """
    detector, line_A = spec.detector_design, line_current_A(spec)
    channels = spec.chip.buses * spec.chip.channels
    weight_rms = spec.ranking.weight_limit / max(expected_maximum(spec.chip.rows * channels), 1.0)
    query_rms = 1.0 / max(expected_maximum(channels), 1.0)
    if spec.modulator.encoding == "offset":
        light, light2, recovery = channels / 2.0, channels * (1.0 + query_rms**2) / 4.0, 2.0
    else:
        light, light2, recovery = channels * query_rms / math.sqrt(2.0 * math.pi), channels * query_rms**2 / 2.0, 1.0
    dark_A = 2.0 * spec.chip.buses * detector.dark_current_A
    densities_A2_Hz = {
        "tia": detector.tia_noise_A_rtHz**2,
        "johnson": 4.0 * BOLTZMANN_J_K * detector.temperature_K / detector.feedback_ohm,
        "shot": 2.0 * ELEMENTARY_CHARGE_C * (light * line_A + dark_A),
        "rin": 10.0 ** (spec.comb.rin_dB_Hz / 10.0) * light2 * (weight_rms * line_A) ** 2,
    }
    terms = {name: detector.bandwidth_Hz * density for name, density in densities_A2_Hz.items()}
    terms["converter"] = adc_step_A(detector) ** 2 / 12.0
    factor = shots(spec.modulator.encoding) * recovery**2
    return {name: factor * term for name, term in terms.items()}


def noise_entries(spec: ChipSpec) -> list[Entry]:
    """The noise of a score in weight units (rms), term by term and together, and the score's SNR in dB."""
    line_A = line_current_A(spec)
    terms = noise_terms_A2(spec)
    entries = [
        Entry("noise", name, math.sqrt(term) / line_A, None, "weight rms", SOURCES[name])
        for name, term in terms.items()
    ]
    entries.append(
        Entry("noise", "total", math.sqrt(sum(terms.values())) / line_A, None, "weight rms", "root of the terms' sum")
    )
    entries.append(
        Entry(
            "noise",
            "score_snr",
            score_snr_dB(spec),
            None,
            "dB",
            "spread of the scores over the terms' sum",
            "Gaussian signatures and query, scaled by their largest entries",
        )
    )
    return entries
