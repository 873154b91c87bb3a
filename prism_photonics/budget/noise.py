"""Noise of one score, term by term, and the score's signal-to-noise ratio."""

import math

from prism_photonics.budget.entry import Entry
from prism_photonics.budget.link import line_current_A
from prism_photonics.budget.snr import score_noise_A2, score_snr_dB
from prism_photonics.spec import ChipSpec

SOURCES = {
    "tia": "shots·recovery²·B·i_n²; detector.tia_noise_pA_rtHz, tia_corner_kHz, tia_rise_GHz",
    "johnson": "shots·recovery²·B·4kT/R; detector.feedback_ohm",
    "shot": "shots·recovery²·B·2q·(I⁺ + I⁻ + 2·I_dark)",
    "rin": "shots·recovery²·B·RIN·Σ I_c²; comb.rin_dB_Hz, each line's own, rin_corner_kHz",
    "common_rin": "shots·recovery²·B·RIN_common·(Σ I_c)²; comb.rin_common_dB_Hz, detector.cmrr_dB",
    "line_width": "shots·recovery²·(dw/dλ·σ_λ)²·Σ I_c²; comb.linewidth_MHz on the rings' slopes",
    "converter": "shots·recovery²·step²/12; detector.adc_bits",
    "intersymbol": "√2·r(T) of the scores' scatter: what the symbol before left in the chain after one symbol T",
}
"""Formula and source of each noise term, by name."""


def noise_entries(spec: ChipSpec) -> list[Entry]:
    """The noise of a score in weight units (rms), term by term and together, and the score's SNR in dB."""
    line_A = line_current_A(spec)
    terms = score_noise_A2(spec)
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
