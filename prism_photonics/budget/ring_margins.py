"""How well rings of any geometry would keep the rules on rings: closed forms for whole arrays of designs at once.

The same formulas as the rules of `prism check`, but of plain numbers instead of a spec, so that NumPy judges thousands
of rings in a millisecond and JAX gives the exact gradient. What is found this way is tried by the rules themselves.

A *headroom* is how far a rule is from being broken, as a share: 0 at the limit, 0.1 where the value could change by
10 % (for the drive's reach: where fabrication could scatter by 10 % more), negative where the rule is broken.

Source: the formulas are those of `rules_ring`, `rules_comb`, `rules_drift` and `coherence`, whose tests hold them
against the exact row; ``tests/budget/test_sizing.py`` holds these against the rules.
"""

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from prism_photonics.budget.carry import RingScatter, sigmas_carried
from prism_photonics.budget.error_budget import error_of_one_cause
from prism_photonics.budget.ring import lossy_drop_max, row_figures
from prism_photonics.budget.row_reach import UPPER_SIGMAS, Disturbance, linewidth_scatter, upper_end
from prism_photonics.budget.rules_drift import movement_pm, relaxation_shares
from prism_photonics.budget.trimming import SPREAD_SIGMAS
from prism_photonics.lightpath.ring.figures import extreme_transmissions, free_spectral_range_um, linewidth_um
from prism_photonics.lightpath.ring.place import coupler_um, lobes_on_ramps, optical_lengths_um
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.process.electrooptics import PockelsTensor, tuning_pm_V
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import PM_PER_UM, attenuation_per_um

WEIGHTS = 65
"""Weights, evenly spread over ± weight_limit, that means are taken over: as many as the rules take."""
MOST_HEADROOM = 3.0
"""Beyond this much a rule tells nothing more."""


@dataclass(frozen=True)
class RingNumbers:
    """Figures of many rings, arrays of one shape: see `budget.ring.RingFigures`.

    ``grid_pm`` is how far from the wanted one a resonance may come to lie on the 1 nm grid of the drawing; 0 for rings
    whose resonance is known as drawn.
    """

    fwhm_pm: Any
    fsr_pm: Any
    through_min: Any
    drop_max: Any
    lossy_drop_max: Any
    tuning_pm_V: Any
    grid_pm: Any = 0.0


@dataclass(frozen=True)
class RingDemand:
    """What a spec asks of its rings, whatever their geometry.

    Attributes:
        channels: Lines of a bus.
        spacing_pm: Distance of neighbouring lines.
        weight_limit: Reach, in weight.
        least_spacing_fwhm: Least spacing in linewidths.
        sigma_pm: Scatter of the resonances after trimming.
        slope_sigma: Relative scatter of the tuning.
        curvature_sigma: Scatter of its quadratic part, in pm/V².
        mismatch: Relative scatter of the two photodiodes, 2.5 σ.
        gaps: Relative scatter of a lossless ring's linewidth by both gaps.
        loss_log: Scatter of the logarithm of the loss.
        gain: Relative scatter of a bus's photocurrents against the row's other buses.
        common_pm: Drift of all rings together between refreshes.
        wander_pm: Each ring's own drift, without the film's relaxation.
        relaxing: Share of a correction and share of the programmed swing that the film gives back.
        allowed: Weight error that one cause may make.
    """

    channels: int
    spacing_pm: Any
    weight_limit: float
    least_spacing_fwhm: float
    sigma_pm: float
    slope_sigma: float
    curvature_sigma: float
    mismatch: float
    gaps: float
    loss_log: float
    gain: float
    common_pm: float
    wander_pm: float
    relaxing: tuple[float, float]
    allowed: float


@cached_by_spec
def ring_demand(spec: ChipSpec) -> RingDemand:
    """What a spec's lines, ranking, drift and fabrication ask of its rings."""
    moved, v = movement_pm(spec), spec.variation
    return RingDemand(
        channels=spec.chip.channels,
        spacing_pm=spec.comb_design.spacing_um * PM_PER_UM,
        weight_limit=spec.ranking.weight_limit,
        least_spacing_fwhm=spec.ranking.spacing_linewidths,
        sigma_pm=spec.resonance_pm,
        slope_sigma=v.slope_relative,
        curvature_sigma=v.curvature_pm_V2,
        mismatch=SPREAD_SIGMAS * math.sqrt(2.0) * v.responsivity_relative,
        # A coupler's angle falls as exp(−gap/d), and a linewidth goes as the squares of both.
        gaps=math.sqrt(2.0) * 1e-3 * v.gap_nm / spec.profile.gap_law.decay_um,
        loss_log=v.loss_log,
        # Lines are evened out over the rows; a row's unit is the mean over its buses.
        gain=math.sqrt(1.0 - 1.0 / spec.chip.buses)
        * math.hypot(v.responsivity_relative, v.splitter_imbalance * math.sqrt(tree_levels(spec.chip.rows))),
        common_pm=moved.common,
        wander_pm=math.hypot(moved.gradient, moved.wander),
        relaxing=relaxation_shares(spec),
        allowed=error_of_one_cause(spec),
    )


def two_lobe_coverage(half_angle_deg: Any, tensor: PockelsTensor, xp: ModuleType = np) -> Any:
    """Electrode coverage F of two lobes of opposite polarity, as `process.electrooptics.coverage` has it, for arrays.

    ``F = 4·(r33·(s − s³/3) + (r13 + 2·r51)·s³/3)/(2π·r33)`` with ``s = sin`` of the half angle: r22 drops out.
    """
    s = xp.sin(half_angle_deg * math.pi / 180.0)
    cross = tensor.r13_pm_V + 2.0 * tensor.r51_pm_V
    return 4.0 * (tensor.r33_pm_V * (s - s**3 / 3.0) + cross * s**3 / 3.0) / (2.0 * math.pi * tensor.r33_pm_V)


def ring_numbers(
    spec: ChipSpec,
    *,
    radius_um: Any,
    arm_um: Any,
    straight_um: Any,
    gap_um: Any,
    lobe_deg: Any,
    xp: ModuleType = np,
) -> RingNumbers:
    """Figures of rings with equal gaps to both buses on a spec's film, from their geometry."""
    profile = spec.profile
    wl_um, rings = profile.optics.wl0_um.value, spec.chip.channels
    turn = spec.ring.turn(radius_um)
    lengths = Lengths(2.0 * straight_um, 2.0 * arm_um, 4.0 * turn.length_um)
    _, gpl_um = optical_lengths_um(profile, lengths)
    law = profile.gap_law
    reach_um = coupler_um(turn, straight_um, law.decay_um, xp)
    t = xp.cos(law.at(gap_um, xp) * reach_um)
    per_um = attenuation_per_um(spec.waveguide.loss_dB_cm)
    lossier = math.exp(SPREAD_SIGMAS * spec.variation.loss_log)
    a, a_lossy = (xp.exp(-0.5 * per_um * times * lengths.total_um) for times in (1.0, lossier))
    through_min, drop_max = extreme_transmissions(t, t, a)
    if turn.euler_p:
        share = lobes_on_ramps(lobe_deg, turn, profile.tensor) * lengths.bend_um + lengths.y_um
    else:
        share = two_lobe_coverage(lobe_deg, profile.tensor, xp) * lengths.bend_um + lengths.y_um
    return RingNumbers(
        fwhm_pm=linewidth_um(t, t, a, wl_um=wl_um, gpl_um=gpl_um, xp=xp) * PM_PER_UM,
        fsr_pm=free_spectral_range_um(wl_um=wl_um, gpl_um=gpl_um) * PM_PER_UM,
        through_min=through_min,
        drop_max=drop_max,
        lossy_drop_max=extreme_transmissions(t, t, a_lossy)[1],
        tuning_pm_V=_tuned_pm_V(profile, share / gpl_um),
        # Half a step of both straights; of few rings the bias can be chosen so that none lies so far off.
        grid_pm=0.5e-3 * 2.0 * profile.optics.n_eff_along_x.value * wl_um / gpl_um * PM_PER_UM * rings / (rings + 1.0),
    )


@cached_by_spec
def row_numbers(spec: ChipSpec) -> RingNumbers:
    """Figures of the rings of a spec's row as drawn, one of each channel."""
    lossy = lossy_drop_max(spec, math.exp(SPREAD_SIGMAS * spec.variation.loss_log))
    columns = (
        [ring.fwhm_pm, ring.fsr_nm * 1e3, ring.through_min, ring.drop_max, weak, abs(ring.tuning_pm_V)]
        for ring, weak in zip(row_figures(spec), lossy, strict=True)
    )
    return RingNumbers(*np.array(list(columns)).T)


def detunings_pm(ring: RingNumbers, weight: Any, xp: ModuleType = np) -> Any:
    """Detuning that gives a weight; where no detuning does, minus what is missing, so that it goes on smoothly."""
    depth = 1.0 - ring.through_min + ring.drop_max
    u2 = depth / xp.maximum(1.0 - weight, 1e-9) - 1.0
    size = xp.sqrt(xp.maximum(xp.abs(u2), 1e-12))
    return 0.5 * ring.fwhm_pm * xp.where(u2 >= 0.0, size, -size)


def best_bias_pm(demand: RingDemand, ring: RingNumbers, xp: ModuleType = np) -> Any:
    """Resonance minus line at 0 V from which the drive carries most fabrication error to both ends of the reach.

    It is the middle of the two detunings of ± weight_limit.
    """
    low_pm, high_pm = _ends_pm(demand, ring, xp)
    return 0.5 * (xp.maximum(low_pm, 0.0) + high_pm)


def reach_headroom(demand: RingDemand, ring: RingNumbers, *, bias_pm: Any, voltage_V: Any, xp: ModuleType = np) -> Any:
    """Standard deviations of fabrication that the drive holds at full reach, over those that the rule asks, minus 1.

    A ring at rest r, driven by ± s, reaches |r| − s to |r| + s: the lower end is held up by the ring farthest from its
    line, the upper end by the nearest one. How far the drive carries beyond the scatter: `carry`.
    """
    low_pm, high_pm = _ends_pm(demand, ring, xp)
    swing_pm = voltage_V * xp.abs(ring.tuning_pm_V)
    at_pm = xp.abs(bias_pm)
    low_pm, high_pm = low_pm - ring.grid_pm, high_pm + ring.grid_pm

    scatter = RingScatter(demand.sigma_pm, demand.slope_sigma, demand.curvature_sigma * voltage_V**2)
    to_low = sigmas_carried(low_pm - at_pm, swing_pm, scatter, xp)
    beside = xp.minimum(to_low, sigmas_carried(at_pm - high_pm, swing_pm, scatter, xp))
    # A ring that may rest on its line needs the whole way to the upper end.
    on_line = xp.minimum(to_low, (swing_pm - high_pm) / (swing_pm * demand.slope_sigma + 1e-9))
    # No drive makes up for a drop peak that is too low on the line itself.
    deep = (ring.drop_max - ring.through_min - demand.weight_limit) / weak_drop(demand, ring, xp) - 1.0
    return xp.minimum(xp.minimum(xp.maximum(beside, on_line) / SPREAD_SIGMAS - 1.0, deep), MOST_HEADROOM)


def row_headroom(demand: RingDemand, ring: RingNumbers, *, bias_pm: Any, voltage_V: Any, xp: ModuleType = np) -> Any:
    """The same of rings in their row: of the highest weight, which neighbours' light, linewidths and buses move.

    See `row_reach`.
    """
    swing_pm = voltage_V * xp.abs(ring.tuning_pm_V)
    ends = upper_end(
        ring,
        bias_pm=xp.maximum(xp.abs(bias_pm) - ring.grid_pm, 0.0),
        swing_pm=swing_pm,
        scatter=RingScatter(demand.sigma_pm, demand.slope_sigma, demand.curvature_sigma * voltage_V**2),
        disturbed=disturbance(demand, ring, field2=_field2(demand, ring, xp), xp=xp),
        xp=xp,
    )
    carried = xp.max(xp.stack([(mean - demand.weight_limit) / sigma for mean, sigma in ends]), axis=0)
    return xp.minimum(carried / UPPER_SIGMAS - 1.0, MOST_HEADROOM)


def disturbance(demand: RingDemand, ring: RingNumbers, *, field2: Any, xp: ModuleType = np) -> Disturbance:
    """What rings do not know alone.

    Args:
        demand: What their spec asks.
        ring: The rings.
        field2: See `Disturbance`.
        xp: NumPy, or JAX's.
    """
    width = linewidth_scatter(ring.drop_max, gaps=demand.gaps, loss_log=demand.loss_log, xp=xp)
    return Disturbance(width, demand.gain, field2)


def weak_drop(demand: RingDemand, ring: RingNumbers, xp: ModuleType = np) -> Any:
    """Weight that the lowest drop peaks lack: of lossy rings, and by unequal photodiodes."""
    lacking = 1.0 - ring.lossy_drop_max / ring.drop_max
    return xp.sqrt(lacking**2 + demand.mismatch**2 + 1e-12)


def shape_headrooms(demand: RingDemand, ring: RingNumbers, xp: ModuleType = np) -> dict[str, Any]:
    """Headrooms of the rules on line shape, lines and drift, by the rules' names."""
    travel_pm, slope = _travel(demand, ring, xp)
    swing_pm = xp.std(travel_pm, axis=-1)
    of_error, of_swing = demand.relaxing
    own_pm = xp.sqrt(demand.wander_pm**2 + (demand.sigma_pm * of_error) ** 2 + (swing_pm * of_swing) ** 2)
    depth = 1.0 - ring.through_min + ring.drop_max
    steepest = 0.75 * math.sqrt(3.0) * depth / ring.fwhm_pm
    image_pm = ring.fsr_pm - (demand.channels - 1) * demand.spacing_pm - travel_pm[..., -1]
    headrooms = {
        "drift": demand.allowed / (own_pm * steepest + 1e-300),
        "drift_common": demand.allowed / (demand.common_pm * xp.std(slope, axis=-1) + 1e-300),
        "spacing_linewidths": demand.spacing_pm / (demand.least_spacing_fwhm * ring.fwhm_pm + 1e-300),
        "band": ring.fsr_pm / (demand.channels * demand.spacing_pm),
        "fsr_aliasing": image_pm / (demand.least_spacing_fwhm * ring.fwhm_pm + 1e-300),
    }
    if demand.channels > 1:
        error = _coherent_error(
            demand, ring, xp, moved_pm=swing_pm, own_pm=own_pm, slope=_field_slope(ring, travel_pm, xp)
        )
        headrooms["coherence"] = demand.allowed / (error + 1e-300)
    return {rule: xp.minimum(share - 1.0, MOST_HEADROOM) for rule, share in headrooms.items()}


def _tuned_pm_V(profile: Profile, share_per_um: Any) -> Any:
    """Tuning of rings whose tuned length over group length is given: `lightpath.ring.figures.tuning_slope_pm_V`."""
    return tuning_pm_V(
        wl=profile.optics.wl0_um.value,
        n_g=1.0,
        coverage=share_per_um,
        vpil_single_V_cm=2.0 * profile.electrooptics.vpil_push_pull_V_cm.value,
    )


def _ends_pm(demand: RingDemand, ring: RingNumbers, xp: ModuleType) -> tuple[Any, Any]:
    """Detunings of the lowest and of the highest weight that rings must reach, weak drop peaks included."""
    low_pm = detunings_pm(ring, -demand.weight_limit - weak_drop(demand, ring, xp), xp)
    return low_pm, detunings_pm(ring, min(demand.weight_limit, 1.0 - 1e-9), xp)


def _travel(demand: RingDemand, ring: RingNumbers, xp: ModuleType) -> tuple[Any, Any]:
    """Detunings in pm of evenly spread weights, and the slopes dw/dλ there per pm; the weights are the last axis."""
    weights = demand.weight_limit * np.linspace(-1.0, 1.0, WEIGHTS)
    depth = (1.0 - ring.through_min + ring.drop_max)[..., None]
    fwhm_pm = ring.fwhm_pm[..., None]
    # At the least detuning itself the root has no gradient.
    u = xp.sqrt(xp.maximum(depth / np.maximum(1.0 - weights, 1e-9) - 1.0, 1e-12))
    travel_pm = xp.minimum(0.5 * fwhm_pm * u, ring.fsr_pm[..., None])
    u = 2.0 * travel_pm / fwhm_pm
    return travel_pm, 4.0 * u * depth / fwhm_pm / (1.0 + u * u) ** 2


def _field_slope(ring: RingNumbers, travel_pm: Any, xp: ModuleType) -> Any:
    """Rms slope of ``T·√D`` with the detuning, per pm; see `coherence`."""
    u = 2.0 * travel_pm / ring.fwhm_pm[..., None]
    slope = u * (2.0 - u * u) / (1.0 + u * u) ** 2.5
    return xp.sqrt(xp.mean(slope**2, axis=-1)) * 2.0 / ring.fwhm_pm


def _coherent_error(
    demand: RingDemand, ring: RingNumbers, xp: ModuleType, *, moved_pm: Any, own_pm: Any, slope: Any
) -> Any:
    """Weight error by coherent neighbours as `coherence` has it, of evenly spaced lines; bus phases are left out."""
    at_pm, pairs = _apart(demand, xp)
    end_pm = moved_pm[..., None]
    ends = [xp.sqrt(_dropped(ring, at_pm + end, xp)) for end in (-end_pm, end_pm)]
    tabled2 = (pairs * (0.5 * (ends[1] - ends[0])) ** 2).sum(axis=-1)
    field2 = _field2(demand, ring, xp)
    over_weights2 = max(1.0 - demand.weight_limit**2 / 3.0, 0.0)
    drifted2 = 8.0 * field2 * slope**2 * (demand.common_pm**2 + own_pm**2)
    return xp.sqrt(over_weights2 * tabled2 + drifted2 + 1e-300)


def _field2(demand: RingDemand, ring: RingNumbers, xp: ModuleType) -> Any:
    """Share of a line's light that all its neighbours drop, mean over evenly spaced lines."""
    at_pm, pairs = _apart(demand, xp)
    return (pairs * _dropped(ring, at_pm, xp)).sum(axis=-1)


def _apart(demand: RingDemand, xp: ModuleType) -> tuple[Any, Any]:
    """Distances of lines in pm, and for each line how many lie so far off, to both sides."""
    apart = np.arange(1, demand.channels)
    return apart * xp.asarray(demand.spacing_pm)[..., None], 2.0 * (demand.channels - apart) / demand.channels


def _dropped(ring: RingNumbers, detuning_pm: Any, xp: ModuleType) -> Any:
    """Share of a line's power that a ring drops, as `coherence` has it."""
    finesse = 2.0 * ring.fsr_pm / (math.pi * ring.fwhm_pm)
    u = finesse[..., None] * xp.sin(math.pi * detuning_pm / ring.fsr_pm[..., None])
    return ring.drop_max[..., None] / (1.0 + u * u)
