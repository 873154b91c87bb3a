"""Error budget: weight error that the required score SNR allows, and the share of one cause."""

import math

from prism_photonics.budget.snr import query_rms, weight_rms
from prism_photonics.spec import ChipSpec

ERROR_SHARE = 0.5
"""Part of the allowed error that one cause may take; design choice: four equal causes then fill it."""


def weight_error_allowed(spec: ChipSpec) -> float:
    """Rms weight error, independent from ring to ring, that alone would leave just the required score SNR.

    Signal ``dims·(w·q)²``, error ``rings·δ²·light²``: δ = w_rms·10^(−SNR/20) where a query is truly signed. ``offset``
    reads every error with its pedestal too, ``2·Σ δ·p``: ``q_rms/√(1 + q_rms²)`` times less.

    Source: derived here; ``tests/budget/test_drift.py`` draws the same scores at random.
    """
    allowed = weight_rms(spec) * 10.0 ** (-spec.ranking.required_snr_dB / 20.0)
    if spec.modulator.encoding == "offset":
        allowed *= query_rms(spec) / math.hypot(1.0, query_rms(spec))
    return allowed


def error_of_one_cause(spec: ChipSpec) -> float:
    """Share of `weight_error_allowed` for one cause, such as drift, as rms weight error."""
    return ERROR_SHARE * weight_error_allowed(spec)
