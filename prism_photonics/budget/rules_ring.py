"""Rules on the ring: drive voltage, field and geometry."""

import math

from prism_photonics.budget.carry import RingScatter, best_share
from prism_photonics.budget.finding import Finding, at_least, at_most, exactly
from prism_photonics.budget.ring import RingFigures, lossy_drop_max, ring_figures, row_figures
from prism_photonics.budget.slopes import slopes
from prism_photonics.budget.trimming import SPREAD_SIGMAS
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import uturn_design

COERCIVE_SHARE = 0.5
"""Half the coercive field: a driver may overshoot, and repeated poling cycles start below the nominal field."""


def tuning_range(spec: ChipSpec) -> Finding:
    """The drive limit must carry every ring of a die through ± weight_limit, its fabrication error included.

    That is where it rests and how its tuning bends: see `carry`.
    """
    v, limit_V = spec.variation, spec.drive.max_voltage_V
    rings = row_figures(spec)
    scatter = RingScatter(spec.resonance_pm, v.slope_relative, v.curvature_pm_V2 * limit_V**2)
    mismatch = SPREAD_SIGMAS * math.sqrt(2.0) * v.responsivity_relative
    # Of each channel's rings: the least |weight| that all reach on both sides, the share of the drive that carries the
    # worst of them farthest, what a lossy drop peak lacks.
    reaches = []
    for ring, lossy in zip(rings, lossy_drop_max(spec, math.exp(SPREAD_SIGMAS * v.loss_log)), strict=True):
        swing_pm = limit_V * abs(ring.tuning_pm_V)
        share = best_share(swing_pm, scatter, SPREAD_SIGMAS)
        carried_pm = swing_pm * share - SPREAD_SIGMAS * float(scatter.pm(swing_pm, share))
        # Drop peaks differ by the rings' loss and by the two photodiodes' responsivities: independent, in quadrature.
        weak_drop = math.hypot(1.0 - lossy / ring.drop_max, mismatch)
        # A ring on its line has the whole drive, but may have a weak slope.
        weak_pm = swing_pm * (1.0 - SPREAD_SIGMAS * v.slope_relative)
        reaches.append((least_reach(ring, carried_pm, weak_pm, weak_drop=weak_drop), share, weak_drop))
    worst = reaches.index(min(reaches))
    ring, (value, share, weak_drop) = rings[worst], reaches[worst]
    swing_pm = limit_V * abs(ring.tuning_pm_V)
    bent_pm, weak_pm = scatter.curved_pm * share**2, v.slope_relative * swing_pm * share
    limit = spec.ranking.weight_limit
    return at_least(
        "tuning_range",
        value,
        limit,
        "weight",
        explain=f"w = 1 − (1 − T_min + D_max)/(1 + u²), u = 2·δλ/{ring.fwhm_pm:.1f} pm, T_min {ring.through_min:.2g}, "
        f"D_max {ring.drop_max:.3g} (10.1002/lpor.201100017); worst ring, of channel {worst}: at "
        f"{ring.bias_pm:.0f} pm at 0 V, driven by ± {swing_pm * share:.0f} pm (±{limit_V * share:.3g} V of "
        f"{limit_V:g} V × {ring.tuning_pm_V:.2f} pm/V) less {SPREAD_SIGMAS:g} σ of {spec.resonance_pm:.3g} pm after "
        f"trimming, {weak_pm:.3g} pm of slope and {bent_pm:.3g} pm of curvature (independent: in quadrature); drop "
        f"peaks lower by {weak_drop:.3f} on lossy rings: ± {value:.3f}",
    )


def least_reach(ring: RingFigures, carried_pm: float, weak_pm: float, *, weak_drop: float = 0.0) -> float:
    """Weights ± this are within the drive of every ring of a design's scatter.

    The weight grows with |detuning|, so its lower end is held up by the ring farthest from the line, its upper end by
    the ring nearest to it: one that rests on the line, where the scatter holds it.

    Args:
        ring: The line shape, and where the design rests.
        carried_pm: How far the drive carries every ring from there, to either side; see `carry`.
        weak_pm: Shift of a weak ring at the drive limit.
        weak_drop: Shortfall of the lowest drop peak, in weight.

    Returns:
        The weight; negative where not even both signs are reached.
    """
    at_pm = abs(ring.bias_pm)
    low_pm, high_pm = max(at_pm - carried_pm, 0.0), max(at_pm + carried_pm, weak_pm)
    return min(-ring.weight(low_pm) - weak_drop, ring.weight(high_pm))


def coercive_field(spec: ChipSpec) -> Finding:
    """The field between the electrodes must stay well below the film's coercive field."""
    volts, gap_um = spec.drive.max_voltage_V, spec.ring.electrode_gap_um
    coercive = spec.profile.electrooptics.coercive_field_V_um
    value, limit = volts / gap_um, COERCIVE_SHARE * coercive.value
    return at_most(
        "coercive_field",
        value,
        limit,
        "V/µm",
        explain=f"{volts:g} V / {gap_um:g} µm = {value:.3g} V/µm against {COERCIVE_SHARE:g} × {coercive.value:g} V/µm "
        f"({coercive.source}); half of it for overshoot and poling fatigue: design choice",
    )


def electrode_gap(spec: ChipSpec) -> Finding:
    """V_πL is quoted for one electrode gap; another gap needs another figure."""
    value, eo = spec.ring.electrode_gap_um, spec.profile.electrooptics
    limit = eo.electrode_gap_um.value
    return exactly(
        "electrode_gap",
        value,
        limit,
        "µm",
        explain=f"V_πL = {eo.vpil_push_pull_V_cm.value:g} V·cm push-pull holds for {limit:g} µm "
        f"({eo.vpil_push_pull_V_cm.source}); drawn: {value:g} µm",
    )


def electrode_lobe(spec: ChipSpec) -> Finding:
    """The electrodes that are simulated must be the ones that can be drawn: clear of both buses."""
    value, limit = spec.ring.lobe_half_angle_deg, spec.ring_designs[0].widest_lobe_deg
    return at_most(
        "electrode_lobe",
        value,
        limit,
        "deg",
        explain=f"an outer electrode at R + gap/2 = {spec.ring.radius_um + 0.5 * spec.ring.electrode_gap_um:g} µm "
        f"keeps 2 µm from the buses' ribs up to ± {limit:.1f}°",
    )


def driver_step(spec: ChipSpec) -> Finding:
    """One driver code at a ring's steepest slope must move its weight by less than one level of eight bits."""
    tuning_pm_V, steepest = abs(ring_figures(spec).tuning_pm_V), slopes(spec).steepest
    value = steepest * tuning_pm_V * spec.voltage_step_V
    limit = 2.0 * spec.ranking.weight_limit / 2**8
    return at_most(
        "driver_step",
        value,
        limit,
        "weight",
        explain=f"1.299·(1 − T_min + D_max)/FWHM = {steepest:.3g}/pm × {tuning_pm_V:.2f} pm/V × step "
        f"{1e3 * spec.voltage_step_V:.3g} mV = {value:.2g}; limit: 2·{spec.ranking.weight_limit:g}/2^8 (signature "
        "weights of 8 bits: design choice)",
    )


def bend_radius(spec: ChipSpec) -> Finding:
    """Bends below the film's least radius radiate."""
    least, routed_um, where = spec.profile.film.min_bend_radius_um, spec.waveguide.bend_radius_um, ""
    if spec.waveguide.euler_p:  # clothoids that the film's table chooses keep to its least radius
        routed_um = uturn_design(spec).quarter.least_radius_um
        where = f", {routed_um:.3g} µm between its clothoids"
    ring_um, sharpest = spec.ring_designs[0].quarter.least_radius_um, ""
    if spec.ring.euler_p:
        sharpest = f", {ring_um:.4g} µm between its ramps"
    value = min(ring_um, routed_um)
    return at_least(
        "bend_radius",
        value,
        least.value,
        "µm",
        explain=f"the tightest of ring ({spec.ring.radius_um:g} µm{sharpest}) and routing "
        f"({spec.waveguide.bend_radius_um:g} µm{where}) "
        f"against {least.value:g} µm ({least.source})",
    )
