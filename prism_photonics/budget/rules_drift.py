"""Rules on changes after the calibration: coherent interference with neighbours, and drift.

Programming anew does not undo drift: the voltages come from the calibration. What does is a refresh, measuring the
resonances' offsets anew with the weights in place. The spec knows no interval for it; `REFRESH_S` is assumed.
"""

import math
from dataclasses import dataclass

import numpy as np

from prism_photonics.budget.coherence import coherence
from prism_photonics.budget.error_budget import ERROR_SHARE, error_of_one_cause
from prism_photonics.budget.finding import Finding, at_most
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.slopes import programmed_detunings_pm, slopes
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import PM_PER_UM

REFRESH_S = 600.0
"""Offsets are measured anew every ten minutes; design choice."""
HOUR_S = 3600.0
SHARED_SOURCE = (
    "ranking.required_snr_dB allows a weight error of {allowed:.2g}, half of it to one cause (design choice)"
)


@dataclass(frozen=True)
class Movement:
    """Rms movement of a resonance between two refreshes, in pm.

    Attributes:
        common: Of all rings together, with the die's temperature.
        gradient: By the temperature's gradients along x and y.
        wander: Each ring's own random walk.
        relaxation: The film's relaxation under the voltages that correct the fabrication error, from refresh to
            refresh, and under the programmed swing, from load to load.
        age_s: Time between two refreshes.
        held_s: Time between two loads of the weights.
    """

    common: float
    gradient: float
    wander: float
    relaxation: float
    age_s: float
    held_s: float

    @property
    def own(self) -> float:
        """All that rings do independently, in quadrature."""
        return math.hypot(self.gradient, self.wander, self.relaxation)


@cached_by_spec
def movement_pm(spec: ChipSpec) -> Movement:
    """Movement by the laws of `chip.drift`: Ornstein–Uhlenbeck temperature, random walk, exponential relaxation."""
    drift, pm_K = spec.drift, spec.profile.optics.thermal_pm_K.value
    age_s, held_s = _age_and_held_s(spec)
    # Difference of two states of a stationary process.
    changed = math.sqrt(-2.0 * math.expm1(-age_s / drift.thermal_time_s))

    of_error, of_swing = relaxation_shares(spec)
    swing_pm = float(np.std(programmed_detunings_pm(spec, ring_figures(spec))))
    return Movement(
        common=drift.temperature_K * pm_K * changed,
        # Places are even over −1/2 … 1/2 of the die in x and in y: 1/12 of variance each.
        gradient=drift.gradient_K * pm_K * changed / math.sqrt(6.0),
        wander=drift.wander_pm_rthour * math.sqrt(age_s / HOUR_S),
        relaxation=math.hypot(spec.resonance_pm * of_error, swing_pm * of_swing),
        age_s=age_s,
        held_s=held_s,
    )


def relaxation_shares(spec: ChipSpec) -> tuple[float, float]:
    """Share of a fabrication error's correction, and share of a programmed swing, that the film gives back.

    The former between two refreshes, the latter between two loads of the weights.
    """
    film, (age_s, held_s) = spec.profile.relaxation, _age_and_held_s(spec)

    def lost(seconds: float, *, fast: bool) -> float:
        share = film.slow_share.value * -math.expm1(-seconds / (film.slow_h.value * HOUR_S))
        share += film.memory_share.value * -math.expm1(-seconds / (film.memory_h.value * HOUR_S))
        # The fast part of a steady voltage has passed before the first refresh.
        return share - (film.fast_share.value * math.expm1(-seconds / film.fast_s.value) if fast else 0.0)

    return lost(age_s, fast=False), lost(held_s, fast=True)


def drift(spec: ChipSpec) -> Finding:
    """Rule on independent drift of rings between refreshes: within the error budget, on a ring's steepest slope too."""
    moved, steepest, allowed = movement_pm(spec), slopes(spec).steepest, error_of_one_cause(spec)
    limit_pm = allowed / steepest
    return at_most(
        "drift",
        moved.own,
        limit_pm,
        "pm",
        explain=f"in {moved.age_s:g} s (a refresh of the offsets; loads every {moved.held_s:.2g} s): gradient "
        f"{moved.gradient:.2g}, wander {moved.wander:.2g}, relaxation {moved.relaxation:.2g} pm, together "
        f"{moved.own:.2g} pm × steepest slope {steepest:.3g}/pm; {_error_budget_text(allowed)}",
    )


def drift_common(spec: ChipSpec) -> Finding:
    """Rule on common drift: the mean slope moves all scores alike, only the spread of slopes disturbs the ranking."""
    moved, slope, allowed = movement_pm(spec), slopes(spec), error_of_one_cause(spec)
    limit_pm = allowed / slope.spread
    return at_most(
        "drift_common",
        moved.common,
        limit_pm,
        "pm",
        explain=f"{spec.drift.temperature_K:g} K × {spec.profile.optics.thermal_pm_K.value:g} pm/K × √(2·(1 − "
        f"e^(−{moved.age_s:g} s/{spec.drift.thermal_time_s:g} s))) = {moved.common:.2g} pm × standard deviation of the "
        f"slopes over weights, {slope.spread:.3g}/pm; {_error_budget_text(allowed)}",
    )


def neighbours(spec: ChipSpec) -> Finding:
    """Rule on coherent neighbours, whose tuning and drift change a weight that is set from a table per ring.

    A bank that is loaded anew for every query is set from tables, ring by ring; a solve through the whole row would
    take longer than the query.
    """
    found, moved, allowed = coherence(spec), movement_pm(spec), error_of_one_cause(spec)
    drifted = found.per_pm * math.hypot(moved.common, moved.own)
    o = spec.profile.optics
    # Through and drop bus between two rings, light along layout x.
    rad_pm = 2.0 * math.pi * o.n_g_along_x.value * 2.0 * spec.ring.pitch_um / o.wl0_um.value**2 / PM_PER_UM
    rad = moved.common / o.thermal_pm_K.value * o.thermal_along_x_pm_K.value * rad_pm
    value = math.hypot(found.tabled, drifted, found.per_rad * rad)
    return at_most(
        "coherence",
        value,
        allowed,
        "weight",
        explain=f"δw = 4·T·√D·Σ ε·cos φ, ε = neighbour's drop field: {found.uncalibrated:.3g} rms uncalibrated "
        f"(√(1 − L²/3)·√Σε², √Σε² = {found.fields:.3g}); calibrated by a table per ring, neighbours' travel leaves "
        f"{found.tabled:.2g}, {math.hypot(moved.common, moved.own):.2g} pm of drift {drifted:.2g}, {rad:.2g} rad of "
        f"bus phase {found.per_rad * rad:.2g}, together {value:.2g}; {_error_budget_text(allowed)}",
    )


def _age_and_held_s(spec: ChipSpec) -> tuple[float, float]:
    """Time between two refreshes of the offsets, and between two loads of the weights."""
    held_s = spec.system.queries_per_program / spec.system.query_rate_Hz
    return max(REFRESH_S, held_s), held_s


def _error_budget_text(allowed: float) -> str:
    return "limit: " + SHARED_SOURCE.format(allowed=allowed / ERROR_SHARE)
