"""How far rings reach in their row: what neighbours' light, linewidths and buses do to both ends of the weights.

At the far end of its drive a ring stands ``δ`` from its line, ``u = 2δ/FWHM``, its weight is ``w = 1 − A/(1 + u²)``.
There the line shape is flat, and what a ring alone does not know decides: each neighbour takes ``ε²`` of the line's
light to the other photodiode, ``−2·Σε²``, and the field that it drops interferes, which is ``(1 + w)·√(1 − w)·√Σε²``
rms over the phases between the rings (`coherence`). A linewidth off by a share ``s`` moves the weight by
``(1 − w)·2u²/(1 + u²)·s``; both gaps make it, ``s = √2·σ_gap/d`` of a coupling that falls as ``exp(−gap/d)``, and the
loss. A bus whose photocurrents are larger by a share than the row's other buses' moves it by ``w`` times that. Rest,
slope and curvature of the ring move δ. All of these are independent: in quadrature.

A ring that rests at b beside its line comes to ``S + (b + r + q·V²)`` on one side of it and to ``S − (b + r + q·V²)``
on the other, r its own rest and q its curvature; programming takes the side that rises higher. The larger of two
weights is at least any mixture of them, ``λ·w₁ + (1 − λ)·w₂``, and in a mixture much cancels: rest and curvature, which
move the sides apart, and the neighbours' fields, whose phases lie ``θ₁ + θ₂`` apart, ``tan θ = u``. The best counts.
Whatever its rest, a ring also comes to S on one side at least. The lower end, near the line, is that of `carry`, with
the same disturbances there.

Source: derived here from `budget.coherence` and B. E. Little et al., J. Lightwave Technol. 15, 998 (1997);
``tests/budget/test_row_reach.py`` holds it against rows of drawn dies.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from types import ModuleType
from typing import Any

import numpy as np

from prism_photonics.budget.carry import RingScatter
from prism_photonics.budget.trimming import SPREAD_SIGMAS

MOST_MISSED = 0.02
"""Share of rings that may miss their weights at either end: what a good die of `prism yield` keeps (design choice)."""
UPPER_SIGMAS = NormalDist().inv_cdf(1.0 - MOST_MISSED + 0.5 * math.erfc(SPREAD_SIGMAS / math.sqrt(2.0)))
"""Standard deviations that the upper end has for itself where the lower end just keeps `tuning_range`: 2.2."""
MIXTURES = (1.0, 0.85, 0.7, 0.6, 0.5)
"""Shares of the farther side in the mixtures that are tried."""


@dataclass(frozen=True)
class Disturbance:
    """What rings do not know alone.

    Attributes:
        width_log: Standard deviation of their linewidths, as a share.
        gain: Of a bus's photocurrents against the row's other buses, as a share.
        field2: Σε² of a line, the share of its light that all its neighbours drop, mean over lines.
    """

    width_log: Any
    gain: float
    field2: Any


def upper_end(
    ring: Any, *, bias_pm: Any, swing_pm: Any, scatter: RingScatter, disturbed: Disturbance, xp: ModuleType = np
) -> list[tuple[Any, Any]]:
    """Mean and standard deviation of bounds on rings' highest weights from below; the one that is met best counts.

    Args:
        ring: Their figures, such as `budget.ring_margins.RingNumbers`.
        bias_pm: Resonance minus line as designed.
        swing_pm: Shift by the slope at the drive's limit.
        scatter: Of their rests, slopes and curvatures.
        disturbed: What else moves their weights.
        xp: NumPy, or JAX's.

    Returns:
        (mean, standard deviation) of each: first of the side that lies farther from the line.
    """
    apart_pm2 = scatter.curved_pm**2 + scatter.rest_pm**2
    slope_pm = scatter.slope_relative * swing_pm
    far, near = (
        _side(ring, pm, place_pm2=apart_pm2 + slope_pm**2, disturbed=disturbed, xp=xp)
        for pm in (swing_pm + xp.abs(bias_pm), xp.maximum(swing_pm - xp.abs(bias_pm), 0.0))
    )
    # cos(θ₁ + θ₂)
    alike = (1.0 - far.u * near.u) / xp.sqrt((1.0 + far.u**2) * (1.0 + near.u**2))

    def mixed(share: float) -> tuple[Any, Any]:
        a, b = share, 1.0 - share
        common2 = (a * far.per_pm + b * near.per_pm) ** 2 * slope_pm**2
        common2 = common2 + ((a * far.per_width + b * near.per_width) * disturbed.width_log) ** 2
        mean = a * far.mean + b * near.mean
        parting2 = (a * far.per_pm - b * near.per_pm) ** 2 * apart_pm2
        fields2 = (a * far.field) ** 2 + (b * near.field) ** 2 + 2.0 * a * b * alike * far.field * near.field
        return mean, xp.sqrt(common2 + parting2 + fields2 + (disturbed.gain * mean) ** 2 + 1e-18)

    line = _side(ring, swing_pm, place_pm2=slope_pm**2, disturbed=disturbed, xp=xp)
    on_line = (line.per_pm * slope_pm) ** 2 + (line.per_width * disturbed.width_log) ** 2 + line.field**2
    return [
        *(mixed(share) for share in MIXTURES),
        (line.mean, xp.sqrt(on_line + (disturbed.gain * line.mean) ** 2 + 1e-18)),
    ]


@dataclass(frozen=True)
class _Side:
    """Weight on one side of a line: its mean, its slopes with place (pm) and linewidth (share), rms of the fields."""

    u: Any
    mean: Any
    per_pm: Any
    per_width: Any
    field: Any


def _side(ring: Any, at_pm: Any, *, place_pm2: Any, disturbed: Disturbance, xp: ModuleType) -> _Side:
    u = 2.0 * at_pm / ring.fwhm_pm
    below = 1.0 + u * u
    short = (1.0 - ring.through_min + ring.drop_max) / below
    # The line shape bends down: scatter of places lowers the mean, ½·w″·σ².
    bent = short * xp.minimum(1.0 - 3.0 * u * u, 0.0) / below**2 * 4.0 * place_pm2 / ring.fwhm_pm**2
    mean = 1.0 - short - 2.0 * disturbed.field2 + bent
    return _Side(
        u,
        mean,
        per_pm=4.0 * short * u / below / ring.fwhm_pm,
        per_width=2.0 * short * u * u / below,
        field=xp.maximum(1.0 + mean, 0.0) * xp.sqrt(xp.maximum(1.0 - mean, 0.0) * disturbed.field2),
    )


def linewidth_scatter(drop_max: Any, *, gaps: float, loss_log: float, xp: ModuleType = np) -> Any:
    """Relative standard deviation of linewidths.

    Args:
        drop_max: Drop transmission on resonance: the share of a linewidth that is loss is ``1 − √D_max``.
        gaps: What both gaps make, of a lossless ring.
        loss_log: Standard deviation of the logarithm of the loss.
        xp: NumPy, or JAX's.
    """
    return xp.sqrt(gaps**2 + ((1.0 - xp.sqrt(xp.maximum(drop_max, 1e-12))) * loss_log) ** 2)
