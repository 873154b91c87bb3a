"""Feasibility: every rule is a function of the spec that answers with a value, a limit and a cure."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from prism_photonics.budget.link import line_current_A, link_budget
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.snr import score_snr_dB
from prism_photonics.lightpath.detector.model import adc_step_A
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

# A die has tens of rings: 2.5 standard deviations cover about 99 % of them.
SPREAD_SIGMAS = 2.5
# Half the coercive field: a driver may overshoot, and repeated poling cycles start below the nominal field.
COERCIVE_SHARE = 0.5
TE_TM_GAP = 0.01


@dataclass(frozen=True)
class Finding:
    """What one rule found.

    Attributes:
        rule: Name of the rule.
        value: What the spec gives.
        limit: What it may be.
        unit: Unit of both.
        passed: Whether the spec keeps the rule.
        cure: What to change.
    """

    rule: str
    value: float
    limit: float
    unit: str
    passed: bool
    cure: str


@dataclass(frozen=True)
class Feasibility:
    """All findings on a spec, and remarks that do not refuse it."""

    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]

    @property
    def feasible(self) -> bool:
        """Whether every rule is kept."""
        return all(finding.passed for finding in self.findings)

    @property
    def violations(self) -> tuple[Finding, ...]:
        """The rules that are broken."""
        return tuple(finding for finding in self.findings if not finding.passed)

    def to_json(self) -> dict[str, Any]:
        """``feasible``, ``violations``, ``findings`` and ``warnings`` as plain data."""
        return {
            "feasible": self.feasible,
            "violations": [_plain(f) for f in self.violations],
            "findings": [asdict(f) for f in self.findings],
            "warnings": list(self.warnings),
        }


def fsr_aliasing(spec: ChipSpec) -> Finding:
    """No ring's other orders may meet another channel: the band, one spacing of guard included, fits one FSR."""
    fsr_nm = ring_figures(spec).fsr_nm
    band_nm = spec.chip.channels * spec.comb.spacing_nm
    fit = int(fsr_nm / spec.comb.spacing_nm)
    cure = f"at most {fit} channels of {spec.comb.spacing_nm:g} nm fit; use more buses or a closer spacing"
    return Finding("fsr_aliasing", band_nm, fsr_nm, "nm", band_nm <= fsr_nm, cure)


def spacing_linewidths(spec: ChipSpec) -> Finding:
    """Neighbouring rings interfere coherently: the spacing in linewidths has a floor."""
    fwhm_pm = ring_figures(spec).fwhm_pm
    value = spec.comb.spacing_nm * 1e3 / fwhm_pm
    cure = f"raise comb.spacing_nm or widen the gaps (FWHM is {fwhm_pm:.0f} pm)"
    return Finding(
        "spacing_linewidths",
        value,
        spec.ranking.spacing_linewidths,
        "FWHM",
        value >= spec.ranking.spacing_linewidths,
        cure,
    )


def tuning_range(spec: ChipSpec) -> Finding:
    """The drive limit must carry every ring of a die through ± weight_limit, its fabrication error included."""
    ring, v = ring_figures(spec), spec.variation
    biases_pm = [ring_figures(spec, channel).bias_pm for channel in range(spec.chip.channels)]
    spread_pm = SPREAD_SIGMAS * spec.resonance_pm
    swing_pm = spec.drive.max_voltage_V * abs(ring.tuning_pm_V) * (1.0 - SPREAD_SIGMAS * v.slope_relative)

    # Drop peaks differ by the rings' loss and by the two photodiodes' responsivities: independent, so in quadrature.
    lossy = ring_figures(spec, loss_factor=math.exp(SPREAD_SIGMAS * v.loss_log)).drop_max / ring.drop_max
    weak_drop = math.hypot(1.0 - lossy, SPREAD_SIGMAS * math.sqrt(2.0) * v.responsivity_relative)

    def half_range(rest_pm: float) -> float:
        near, far = rest_pm - swing_pm, rest_pm + swing_pm
        closest = 0.0 if near <= 0.0 <= far else min(abs(near), abs(far))
        return min(-ring.weight(closest) - weak_drop, ring.weight(max(abs(near), abs(far))))

    value = min(half_range(max(biases_pm) + spread_pm), half_range(min(biases_pm) - spread_pm))
    limit = spec.ranking.weight_limit
    needed_pm = ring.detuning_pm(limit) - ring.detuning_pm(-limit) + max(biases_pm) - min(biases_pm) + 2.0 * spread_pm
    needed_V = needed_pm / (2.0 * abs(ring.tuning_pm_V) * (1.0 - SPREAD_SIGMAS * v.slope_relative))
    cure = (
        f"{ring.tuning_pm_V:.1f} pm/V needs ±{needed_V:.1f} V, bias centred, for ±{limit:g} at FWHM "
        f"{ring.fwhm_pm:.0f} pm and ±{spread_pm:.0f} pm spread; raise drive.max_voltage_V, raise Q (wider gaps), "
        "trim better, or move ring.bias_pm"
    )
    return Finding("tuning_range", value, limit, "weight", value >= limit, cure)


def coercive_field(spec: ChipSpec) -> Finding:
    """The field between the electrodes must stay well below the film's coercive field."""
    value = spec.drive.max_voltage_V / spec.ring.electrode_gap_um
    limit = COERCIVE_SHARE * spec.profile.electrooptics.coercive_field_V_um.value
    return Finding(
        "coercive_field",
        value,
        limit,
        "V/µm",
        value <= limit,
        "lower drive.max_voltage_V or widen ring.electrode_gap_um",
    )


def electrode_gap(spec: ChipSpec) -> Finding:
    """V_πL is quoted for one electrode gap; another gap needs another figure."""
    value, limit = spec.ring.electrode_gap_um, spec.profile.electrooptics.electrode_gap_um.value
    cure = f"set ring.electrode_gap_um = {limit:g}, or use a process whose V_πL holds for {value:g} µm"
    return Finding("electrode_gap", value, limit, "µm", abs(value - limit) < 1e-9, cure)


def electrode_lobe(spec: ChipSpec) -> Finding:
    """The electrodes that are simulated must be the ones that can be drawn: clear of both buses."""
    value, limit = spec.ring.lobe_half_angle_deg, spec.ring_designs[0].widest_lobe_deg
    return Finding(
        "electrode_lobe", value, limit, "deg", value <= limit, f"lower ring.lobe_half_angle_deg to {int(limit)}"
    )


def driver_step(spec: ChipSpec) -> Finding:
    """One driver code at a ring's steepest slope must move its weight by less than one level of eight bits."""
    ring = ring_figures(spec)
    # The Lorentzian's steepest slope, 3√3/4 of depth per FWHM (10.1002/lpor.201100017 gives the line shape).
    slope_pm = 0.75 * math.sqrt(3.0) * (1.0 - ring.through_min + ring.drop_max) / ring.fwhm_pm
    value = slope_pm * abs(ring.tuning_pm_V) * spec.voltage_step_V
    limit = 2.0 * spec.ranking.weight_limit / 2**8
    return Finding("driver_step", value, limit, "weight", value <= limit, "raise drive.dac_bits")


def bend_radius(spec: ChipSpec) -> Finding:
    """Bends below the film's least radius radiate."""
    value = min(spec.ring.radius_um, spec.waveguide.bend_radius_um)
    limit = spec.profile.film.min_bend_radius_um.value
    return Finding(
        "bend_radius",
        value,
        limit,
        "µm",
        value >= limit,
        f"raise ring.radius_um and waveguide.bend_radius_um to {limit:g} µm",
    )


def converter_range(spec: ChipSpec) -> Finding:
    """The converter must hold the brightest fully lit line of a die, or calibration clips."""
    v = spec.variation
    spread = math.hypot(
        v.line_power_dB * math.log(10.0) / 10.0,
        v.responsivity_relative,
        v.splitter_imbalance * math.sqrt(tree_levels(spec.chip.rows)),
    )
    value = line_current_A(spec) * 1e6 * math.exp(SPREAD_SIGMAS * spread)
    limit = spec.detector.adc_full_scale_uA
    return Finding(
        "converter_range",
        value,
        limit,
        "µA",
        value <= limit,
        "raise detector.adc_full_scale_uA or lower comb.line_power_dBm",
    )


def link(spec: ChipSpec) -> Finding:
    """A fully lit line must stand out of the converter: at least 16 codes, or no weight can be read in one shot."""
    level_dBm = link_budget(spec)[-1].cumulative_dBm
    step_A = adc_step_A(spec.detector_design)
    limit_dBm = level_dBm + 10.0 * math.log10(16.0 * step_A / line_current_A(spec))
    cure = "raise comb.line_power_dBm, use fewer rows per laser, or lower detector.adc_full_scale_uA"
    return Finding("link_budget", level_dBm, limit_dBm, "dBm", level_dBm >= limit_dBm, cure)


def score_snr(spec: ChipSpec) -> Finding:
    """The scores must stand out of the receiver's noise by what the ranking needs."""
    value = score_snr_dB(spec)
    cure = "raise comb.line_power_dBm, lower detector.bandwidth_GHz or tia_noise_pA_rtHz, or use fewer rows per laser"
    return Finding("score_snr", value, spec.ranking.required_snr_dB, "dB", value >= spec.ranking.required_snr_dB, cure)


RULES: tuple[Callable[[ChipSpec], Finding], ...] = (
    fsr_aliasing,
    spacing_linewidths,
    tuning_range,
    coercive_field,
    electrode_gap,
    electrode_lobe,
    driver_step,
    bend_radius,
    link,
    converter_range,
    score_snr,
)


def check(spec: ChipSpec) -> Feasibility:
    """Try every rule on a spec."""
    return Feasibility(tuple(rule(spec) for rule in RULES), tuple(_mode_warnings(spec)))


def require_feasible(spec: ChipSpec) -> Feasibility:
    """Check a spec and refuse one that breaks a rule, naming the first and how many more.

    Raises:
        InputError: A rule is broken.
    """
    feasibility = check(spec)
    if not feasibility.feasible:
        first = feasibility.violations[0]
        raise InputError(
            f"{spec.name}: not feasible, {len(feasibility.violations)} rules broken, first {first.rule}: "
            f"{first.value:.3g} {first.unit} against {first.limit:.3g}; {first.cure} ('prism check' lists all)"
        )
    return feasibility


def _mode_warnings(spec: ChipSpec) -> list[str]:
    optics = spec.profile.optics
    gap = optics.n_eff_TE_along_y_vectorial.value - optics.n_eff_TM_along_y.value
    if gap >= TE_TM_GAP:
        return []
    return [
        f"TE and TM differ by {gap:.3f} in n_eff where light runs along layout y (limit {TE_TM_GAP}): a bend can mix "
        "them; check the rings' extinction on a test die, or change rib width or film thickness"
    ]


def _plain(finding: Finding) -> dict[str, Any]:
    return {key: value for key, value in asdict(finding).items() if key != "passed"}
