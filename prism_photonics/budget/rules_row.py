"""Rule on what rings reach in their row, where `rules_ring.tuning_range` looks at rings that stand alone."""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.budget.carry import RingScatter, sigmas_carried
from prism_photonics.budget.coherence import coherence
from prism_photonics.budget.finding import Finding, at_least
from prism_photonics.budget.ring import row_figures
from prism_photonics.budget.ring_margins import (
    RingDemand,
    RingNumbers,
    detunings_pm,
    disturbance,
    ring_demand,
    row_numbers,
    weak_drop,
)
from prism_photonics.budget.row_reach import MOST_MISSED, Disturbance, upper_end
from prism_photonics.budget.trimming import SPREAD_SIGMAS
from prism_photonics.spec import ChipSpec

POINTS, ROUNDS = 21, 3
"""Weights at which the share is worked out, and times that they are refined: in the end they lie 0.00025 apart."""


def row_reach(spec: ChipSpec) -> Finding:
    """All but 2 % of a row's rings must reach ± weight_limit, with their neighbours' light and their own linewidths."""
    row, limit = _Row(spec), spec.ranking.weight_limit
    value, high, missed = -1.0, 1.0, np.ones(1)
    # No line is drawn between two weights: where one spec misses more than another at each, it reaches no more.
    for _ in range(ROUNDS):
        weights = np.linspace(value, high, POINTS)
        missed = row.missed(np.append(weights, limit))
        # The largest: what rings miss grows with the weight, but for some where not even 0 is reached.
        kept_all = np.flatnonzero(missed[:-1] <= MOST_MISSED)
        kept = int(kept_all[-1]) if len(kept_all) else 0
        value, high = float(weights[kept]), float(weights[min(kept + 1, POINTS - 1)])
    if missed[-1] <= MOST_MISSED:
        value = max(value, limit)
    disturbed = row.disturbed
    mean, sigma = row.upper_ends
    width, share = float(np.mean(disturbed.width_log)), min(float(missed[-1]), 1.0)
    reached = (
        f"all but {MOST_MISSED:.0%} reach ± {value:.3f}" if value >= 0.0 else f"too few reach even 0 ({value:.3f})"
    )
    return at_least(
        "row_reach",
        value,
        limit,
        "weight",
        explain=f"highest weights of a row's rings, beyond their lines: {mean:.3f} in the mean, where neighbours take "
        f"2·Σε² = {2.0 * float(disturbed.field2):.2g}, and {sigma:.2g} rms: the neighbours' fields, √Σε² = "
        f"{math.sqrt(float(disturbed.field2)):.2g}, linewidths off by {100.0 * width:.2g} %, "
        f"photocurrents of buses by {100.0 * disturbed.gain:.2g} %, and rest, slope and curvature (independent: in "
        f"quadrature); with the lower ends {reached}; at ± {limit:g} {100.0 * share:.3g} % miss, of which a good die "
        f"may have {MOST_MISSED:.0%} (design choice)",
    )


class _Row:
    """The rings of a spec's row, one of each channel."""

    def __init__(self, spec: ChipSpec) -> None:
        self._ring: RingNumbers = row_numbers(spec)
        self._demand: RingDemand = ring_demand(spec)
        limit_V = spec.drive.max_voltage_V
        self._bias_pm = np.abs([ring.bias_pm for ring in row_figures(spec)])
        self._swing_pm = limit_V * self._ring.tuning_pm_V
        self._scatter = RingScatter(
            self._demand.sigma_pm, self._demand.slope_sigma, self._demand.curvature_sigma * limit_V**2
        )
        self.disturbed: Disturbance = disturbance(self._demand, self._ring, field2=coherence(spec).fields ** 2)
        ends = upper_end(
            self._ring,
            bias_pm=self._bias_pm,
            swing_pm=self._swing_pm,
            scatter=self._scatter,
            disturbed=self.disturbed,
        )
        self._ends = np.array(ends).transpose(1, 0, 2)

    @property
    def upper_ends(self) -> tuple[float, float]:
        """Mean and standard deviation of the highest weights on the farther side of the lines, over the channels."""
        mean, sigma = self._ends[:, 0].mean(-1)
        return float(mean), float(sigma)

    def missed(self, weights: Float[ndarray, " weights"]) -> Float[ndarray, " weights"]:
        """Share of rings that miss ± each weight, mean over channels."""
        wanted = weights[:, None]
        means, sigmas = self._ends[:, :, None]
        above = ((means - wanted) / sigmas).max(0)
        return _beyond(self._carried_low(wanted)).mean(1) + _beyond(above).mean(1)

    def _carried_low(self, wanted: Float[ndarray, "weights 1"]) -> Float[ndarray, "weights channels"]:
        """Standard deviations with which rings come near enough to their lines."""
        ring, disturbed = self._ring, self.disturbed
        near_pm = detunings_pm(ring, -wanted)
        depth = 1.0 - ring.through_min + ring.drop_max
        u = np.maximum(2.0 * near_pm / ring.fwhm_pm, 1e-3)
        slope = 4.0 * u * depth / ring.fwhm_pm / (1.0 + u * u) ** 2
        light2 = (1.0 - wanted) ** 2 * (1.0 + np.abs(wanted)) * disturbed.field2
        weak_pm = (near_pm - detunings_pm(ring, -wanted - weak_drop(self._demand, ring))) / SPREAD_SIGMAS
        moved_pm = np.sqrt(
            weak_pm**2
            + (np.maximum(near_pm, 0.0) * disturbed.width_log) ** 2
            + (light2 + (disturbed.gain * wanted) ** 2) / slope**2
        )
        rest_pm = np.hypot(self._scatter.rest_pm, moved_pm)
        scatter = RingScatter(rest_pm, self._scatter.slope_relative, self._scatter.curved_pm)
        return sigmas_carried(near_pm - self._bias_pm, self._swing_pm, scatter)


def _beyond(sigmas: Float[ndarray, "weights channels"]) -> Float[ndarray, "weights channels"]:
    """Share of a normal distribution beyond so many standard deviations."""
    flat = [0.5 * math.erfc(one) for one in (sigmas / math.sqrt(2.0)).ravel().tolist()]
    return np.array(flat).reshape(sigmas.shape)
