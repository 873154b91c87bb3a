"""Rules on the light and its reading: level, noise, converters, and power in the guides."""

import math
from collections.abc import Callable, Iterable

from prism_photonics.budget.error_budget import ERROR_SHARE
from prism_photonics.budget.finding import Finding, at_least, at_most
from prism_photonics.budget.link import line_current_A, link_budget
from prism_photonics.budget.own_light import own_light, power_that_costs_bits_W
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.snr import query_rms, score_noise_A2, score_signal_A2, score_snr_dB
from prism_photonics.budget.trimming import SPREAD_SIGMAS
from prism_photonics.lightpath.detector.model import adc_step_A, sample_noise_A
from prism_photonics.lightpath.ring.place import coupling_angles
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.spec import ChipSpec
from prism_photonics.units import dB_from_ratio, ratio_from_dB, watt_from_dBm

BUS_LIMIT_W = 0.2
"""All lines together in the first splitter: design choice, a few 10 MW/cm² in a rib of half a µm²."""
LEAST_SWING_SIGMAS = 20.0
"""Swing of a live line in standard deviations of one sample in the dark: what a calibration goes by, too; design
choice."""
RING_LIMIT_W = 0.01
"""Circulating light of one line, where less does not cost bits already; design choice. Light moves TFLN resonances for
hours by the photorefractive effect (arXiv 2409.12354), which gives no threshold; 10 mW is a MW/cm²."""


def link(spec: ChipSpec) -> Finding:
    """The weakest line, fully lit, must stand out of the converter by 16 codes, or no weight is read in one shot."""
    entries = link_budget(spec)
    weakest_dB = dB_from_ratio(_line_over_mean(spec, min))
    level_dBm, step_A = entries[-1].cumulative_dBm + weakest_dB, adc_step_A(spec.detector_design)
    line_A = line_current_A(spec) * ratio_from_dB(weakest_dB)
    limit_dBm = level_dBm + dB_from_ratio(16.0 * step_A / line_A)
    losses = ", ".join(f"−{entry.loss_dB:.1f} {entry.element}" for entry in entries[1:])
    return at_least(
        "link_budget",
        level_dBm,
        limit_dBm,
        "dBm",
        explain=f"{spec.comb.line_power_dBm:g} dBm a line, {weakest_dB:+.2g} the weakest by the tilt, {losses} dB = "
        f"{level_dBm:.2f} dBm, {line_A * 1e6:.3g} µA; limit: 16 steps of {step_A * 1e6:.3g} µA",
    )


def least_swing_A(spec: ChipSpec) -> float:
    """Swing below which a calibration takes a line for dead, in A: `LEAST_SWING_SIGMAS` of one sample in the dark."""
    return LEAST_SWING_SIGMAS * float(sample_noise_A(spec.detector_design, 0.0, pairs=spec.chip.buses))


def line_swing(spec: ChipSpec) -> Finding:
    """The weakest line of a die, its ring driven through ± weight_limit, must not look dead to a calibration."""
    line_A = line_current_A(spec) * _line_over_mean(spec, min)
    scatter = _line_scatter(spec)
    value = 2.0 * spec.ranking.weight_limit * line_A * math.exp(-SPREAD_SIGMAS * scatter)
    limit = least_swing_A(spec)
    return at_least(
        "line_swing",
        1e6 * value,
        1e6 * limit,
        "µA",
        explain=f"2·{spec.ranking.weight_limit:g} × {1e6 * line_A:.3g} µA, the weakest line by comb.tilt_dB, × "
        f"e^(−{SPREAD_SIGMAS:g}·{scatter:.3f}) by the scatter of line power, responsivity and splitters = "
        f"{1e6 * value:.3g} µA; limit: {LEAST_SWING_SIGMAS:g} σ of one sample by amplifier, dark current and "
        "converter, below which a calibration calls a line or ring dead (design choice)",
    )


def converter_range(spec: ChipSpec) -> Finding:
    """The converter must hold the brightest fully lit line of a die, or calibration clips."""
    line_uA = line_current_A(spec) * 1e6
    brightest, scatter = _line_over_mean(spec, max), _line_scatter(spec)
    value = line_uA * brightest * math.exp(SPREAD_SIGMAS * scatter)
    return at_most(
        "converter_range",
        value,
        spec.detector.adc_full_scale_uA,
        "µA",
        explain=f"{line_uA:.3g} µA a line × {brightest:.3g}, the brightest by comb.tilt_dB, × e^({SPREAD_SIGMAS:g}·"
        f"{scatter:.3f}): scatter of line power, responsivity and {tree_levels(spec.chip.rows)} splitters in "
        f"quadrature = {value:.3g} µA against detector.adc_full_scale_uA",
    )


def score_snr(spec: ChipSpec) -> Finding:
    """The scores must stand out of the receiver's noise by what the ranking needs."""
    value, limit = score_snr_dB(spec), spec.ranking.required_snr_dB
    line_A, noise = line_current_A(spec), score_noise_A2(spec)
    parts = ", ".join(f"{name} {math.sqrt(part) / line_A:.2g}" for name, part in noise.items())
    return at_least(
        "score_snr",
        value,
        limit,
        "dB",
        explain=f"rms in units of a lit line of weight 1: scores {math.sqrt(score_signal_A2(spec)) / line_A:.3g}; "
        f"noise {parts}; together {value:.2f} dB against ranking.required_snr_dB = {limit:g}",
    )


def query_dac(spec: ChipSpec) -> Finding:
    """The query's DAC must not spoil the scores: a quarter of the allowed noise power is its to spend."""
    modulator = spec.modulator
    step = 1.0 / (2**modulator.dac_bits - 1)
    rms, offset = query_rms(spec), modulator.encoding == "offset"
    # Light p of the drive v is sin²(π·v/2), its slope π·√(p·(1 − p)); p is (1 + q)/2, or |q| in the one shot or rail
    # that is lit.
    slope2 = 0.25 * (1.0 - rms**2) if offset else rms * math.sqrt(2.0 / math.pi) - rms**2
    # Even over a step; the bow of the INL, `modulator.model.inl_codes`, has any phase and is widest at middle codes.
    code_error = math.hypot(1.0 / math.sqrt(12.0), modulator.dac_inl_lsb / math.sqrt(2.0))
    error = math.pi * math.sqrt(max(slope2, 0.0)) * step * code_error * (2.0 if offset else 1.0)
    value = 2.0 * dB_from_ratio(rms / max(error, 1e-12))
    limit = spec.ranking.required_snr_dB - 2.0 * dB_from_ratio(ERROR_SHARE)
    return at_least(
        "query_dac",
        value,
        limit,
        "dB",
        explain=f"rms query {rms:.3g} over error {error:.2g}: step 1/(2^{modulator.dac_bits} − 1), /√12, and an INL "
        f"of {modulator.dac_inl_lsb:g} LSB through sin² = {value:.1f} dB; limit: ranking.required_snr_dB "
        f"{-2.0 * dB_from_ratio(ERROR_SHARE):+.1f} dB (one cause takes {ERROR_SHARE:g} of the error: design choice)",
    )


def adc_noise(spec: ChipSpec) -> Finding:
    """The receiver's converter must not spoil the scores: a quarter of the allowed noise power is its to spend."""
    noise = score_noise_A2(spec)
    value = dB_from_ratio(score_signal_A2(spec) / noise["converter"])
    limit = spec.ranking.required_snr_dB - 2.0 * dB_from_ratio(ERROR_SHARE)
    largest = max(noise, key=lambda name: noise[name])
    return at_least(
        "adc_noise",
        value,
        limit,
        "dB",
        explain=f"spread of the scores over step²/12 of 2·{spec.detector.adc_full_scale_uA:g} µA in "
        f"{spec.detector.adc_bits} bits, through the encoding's recovery = {value:.1f} dB (the largest noise is "
        f"{largest}); limit: ranking.required_snr_dB {-2.0 * dB_from_ratio(ERROR_SHARE):+.1f} dB (one cause takes "
        f"{ERROR_SHARE:g} of the error: design choice)",
    )


def bus_power(spec: ChipSpec) -> Finding:
    """All lines of a bus together, where they enter the splitter tree."""
    lost_dB = sum(e.loss_dB for e in link_budget(spec) if e.element in ("coupling", "modulator"))
    value = sum(spec.comb_design.line_powers_W) * ratio_from_dB(-lost_dB)
    return at_most(
        "bus_power",
        value,
        BUS_LIMIT_W,
        "W",
        explain=f"{spec.chip.channels} lines × {spec.comb.line_power_dBm:g} dBm, {spec.comb.tilt_dB:g} dB of tilt, − "
        f"{lost_dB:g} dB of modulator and coupler = {1e3 * value:.3g} mW; limit {1e3 * BUS_LIMIT_W:g} mW: design "
        "choice",
    )


def ring_power(spec: ChipSpec) -> Finding:
    """Circulating light of one line in a ring on resonance: it heats the ring, and moves charges (photorefraction)."""
    ring, design = ring_figures(spec), spec.ring_designs[0]
    level_dBm = next(e.cumulative_dBm for e in link_budget(spec) if e.element == "waveguide")
    level_dBm += dB_from_ratio(_line_over_mean(spec, max))
    # D_max = κ1²·κ2²·a/(1 − x)²: the ring holds D_max/(κ2²·√a) at the drop coupler, after half a turn; √a is 1 here.
    kappa2 = math.sin(coupling_angles(spec.profile, design)[1])
    build_up = ring.drop_max / kappa2**2
    value = watt_from_dBm(level_dBm) * build_up
    moved, costly_W = own_light(spec), power_that_costs_bits_W(spec)
    limit_W = min(RING_LIMIT_W, costly_W)
    blue = moved.photorefraction_pm_W
    return at_most(
        "ring_power",
        value,
        limit_W,
        "W",
        explain=f"{level_dBm:.1f} dBm of the brightest line at the row × build-up D_max/κ2² = {build_up:.3g} gives "
        f"{1e3 * value:.3g} mW (10.1002/lpor.201100017); by heat of all that is lost it moves the ring "
        f"{value * moved.heat_pm_W:+.2g} pm, by photorefraction {value * blue:+.2g} pm (design choice); two stable "
        f"states from {1e3 * moved.bistable_W(moved.most_pm_W):.3g} mW, bits suffer from {1e3 * costly_W:.3g} mW "
        f"(on the steepest slope the shift then errs by what one cause may); limit {1e3 * limit_W:.3g} mW: the lesser "
        f"of that and {1e3 * RING_LIMIT_W:g} mW, design choice for photorefraction (arXiv 2409.12354)",
    )


def _line_scatter(spec: ChipSpec) -> float:
    """Standard deviation of the logarithm of a lit line's current over dies, lines and rows."""
    v = spec.variation
    return math.hypot(
        v.line_power_dB * math.log(10.0) / 10.0,
        v.responsivity_relative,
        v.splitter_imbalance * math.sqrt(tree_levels(spec.chip.rows)),
    )


def _line_over_mean(spec: ChipSpec, which: Callable[[Iterable[float]], float]) -> float:
    """Power of one line, the brightest (``max``) or the weakest (``min``) by the comb's tilt, over the lines' mean."""
    comb = spec.comb_design
    return which(comb.line_powers_W) / comb.line_power_W
