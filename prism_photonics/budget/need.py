"""What the ranking can stand: the weight error that the required score SNR allows, and how steeply a ring turns drift
into it.
"""

import math
from dataclasses import dataclass

from prism_photonics.budget.ring import RingFigures, ring_figures
from prism_photonics.budget.snr import query_rms, weight_rms
from prism_photonics.spec import ChipSpec

ERROR_SHARE = 0.5
"""Part of the allowed error that one cause may take; design choice: four equal causes then fill it."""
STEPS = 65
"""Weights, evenly spread over ± weight_limit, that means are taken over."""


def weight_error_allowed(spec: ChipSpec) -> float:
    """Rms weight error, independent from ring to ring, that alone would leave just the required score SNR.

    Signal ``dims·(w·q)²``, error ``rings·δ²·light²``: δ = w_rms·10^(−SNR/20) where a query is truly signed. ``offset``
    reads every error with its pedestal too, ``2·Σ δ·p``: ``q_rms/√(1 + q_rms²)`` times less.
    """
    allowed = weight_rms(spec) * 10.0 ** (-spec.ranking.required_snr_dB / 20.0)
    if spec.modulator.encoding == "offset":
        allowed *= query_rms(spec) / math.hypot(1.0, query_rms(spec))
    return allowed


def shared_error(spec: ChipSpec) -> float:
    """What one cause may take of `weight_error_allowed`."""
    return ERROR_SHARE * weight_error_allowed(spec)


@dataclass(frozen=True)
class Slopes:
    """Slope dw/dλ of a Lorentzian ring over its programmed weights, per pm.

    Attributes:
        steepest: ``3√3/4·A·… = 1.299·A/FWHM`` with the depth ``A = 1 − T_min + D_max``.
        spread: Standard deviation over weights evenly spread over ± weight_limit.
    """

    steepest: float
    spread: float


def slopes(spec: ChipSpec) -> Slopes:
    """The slopes of channel 0's ring (the line shape: 10.1002/lpor.201100017)."""
    ring = ring_figures(spec)
    depth = 1.0 - ring.through_min + ring.drop_max
    values = []
    for detuning_pm in detunings_pm(spec, ring):
        u = 2.0 * detuning_pm / ring.fwhm_pm
        values.append(4.0 * u * depth / ring.fwhm_pm / (1.0 + u * u) ** 2)
    return Slopes(0.75 * math.sqrt(3.0) * depth / ring.fwhm_pm, spread(values))


def detunings_pm(spec: ChipSpec, ring: RingFigures) -> list[float]:
    """Resonance minus line for weights evenly spread over ± weight_limit; none farther than one FSR."""
    limit = spec.ranking.weight_limit
    weights = [limit * (2.0 * step / (STEPS - 1) - 1.0) for step in range(STEPS)]
    return [min(ring.detuning_pm(weight), ring.fsr_nm * 1e3) for weight in weights]


def spread(values: list[float]) -> float:
    """Standard deviation."""
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
