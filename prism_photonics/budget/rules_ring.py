"""Rules on the ring: drive voltage, field and geometry."""

import math

from prism_photonics.budget.finding import Finding, at_least, at_most, exactly
from prism_photonics.budget.ring import RingFigures, lossy_drop_max, ring_figures, row_figures
from prism_photonics.budget.slopes import slopes
from prism_photonics.budget.trimming import SPREAD_SIGMAS
from prism_photonics.spec import ChipSpec

COERCIVE_SHARE = 0.5
"""Half the coercive field: a driver may overshoot, and repeated poling cycles start below the nominal field."""


def tuning_range(spec: ChipSpec) -> Finding:
    """The drive limit must carry every ring of a die through ± weight_limit, its fabrication error included."""
    v = spec.variation
    rings = row_figures(spec)
    spread_pm = SPREAD_SIGMAS * spec.resonance_pm
    weak = 1.0 - SPREAD_SIGMAS * v.slope_relative
    mismatch = SPREAD_SIGMAS * math.sqrt(2.0) * v.responsivity_relative
    # Of each channel's rings: the least |weight| that all reach on both sides, swing, what a lossy drop peak lacks.
    reaches = []
    for ring, lossy in zip(rings, lossy_drop_max(spec, math.exp(SPREAD_SIGMAS * v.loss_log)), strict=True):
        swing_pm = spec.drive.max_voltage_V * abs(ring.tuning_pm_V) * weak
        # Drop peaks differ by the rings' loss and by the two photodiodes' responsivities: independent, in quadrature.
        weak_drop = math.hypot(1.0 - lossy / ring.drop_max, mismatch)
        within = least_reach(ring, ring.bias_pm - spread_pm, ring.bias_pm + spread_pm, swing_pm, weak_drop=weak_drop)
        reaches.append((within, swing_pm, weak_drop))
    worst = reaches.index(min(reaches))
    ring, (value, swing_pm, weak_drop) = rings[worst], reaches[worst]
    limit = spec.ranking.weight_limit
    return at_least(
        "tuning_range",
        value,
        limit,
        "weight",
        explain=f"w = 1 − (1 − T_min + D_max)/(1 + u²), u = 2·δλ/{ring.fwhm_pm:.1f} pm, T_min {ring.through_min:.2g}, "
        f"D_max {ring.drop_max:.3g} (10.1002/lpor.201100017); worst ring, of channel {worst}: any within "
        f"{ring.bias_pm:.0f} ± {spread_pm:.0f} pm at 0 V ({SPREAD_SIGMAS:g} σ of {spec.resonance_pm:.0f} pm after "
        f"trimming), driven by ± {swing_pm:.0f} pm (±{spec.drive.max_voltage_V:g} V × {ring.tuning_pm_V:.2f} pm/V, "
        f"weak rings); drop peaks lower by {weak_drop:.3f} on lossy rings: ± {value:.3f}",
    )


def least_reach(ring: RingFigures, low_pm: float, high_pm: float, swing_pm: float, *, weak_drop: float = 0.0) -> float:
    """Weights ± this are within the drive of every ring that rests anywhere between two detunings.

    A ring at rest ``r`` reaches detunings of ``max(|r| − s, 0)`` to ``|r| + s``. The weight grows with |detuning|, so
    its lower end is held up by the ring farthest from the line, its upper end by the ring nearest to it: one that
    rests on the line, where the interval holds it.

    Args:
        ring: The line shape.
        low_pm: Least resonance minus line at 0 V.
        high_pm: Largest.
        swing_pm: Shift ``s`` at the drive limit, to either side.
        weak_drop: Shortfall of the lowest drop peak, in weight.

    Returns:
        The weight; negative where not even both signs are reached.
    """
    farthest = max(abs(low_pm), abs(high_pm))
    nearest = 0.0 if low_pm <= 0.0 <= high_pm else min(abs(low_pm), abs(high_pm))
    return min(-ring.weight(max(farthest - swing_pm, 0.0)) - weak_drop, ring.weight(nearest + swing_pm))


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
    value, least = min(spec.ring.radius_um, spec.waveguide.bend_radius_um), spec.profile.film.min_bend_radius_um
    return at_least(
        "bend_radius",
        value,
        least.value,
        "µm",
        explain=f"the tightest of ring ({spec.ring.radius_um:g} µm) and routing ({spec.waveguide.bend_radius_um:g} µm) "
        f"against {least.value:g} µm ({least.source})",
    )
