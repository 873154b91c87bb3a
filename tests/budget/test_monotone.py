"""What can only harm a chip never mends a rule: scatter, noise, drift, loss and demands, tried rule by rule.

Each rule names the keys of the spec in which physics allows one direction alone. A key of which more can help and harm,
such as the waveguides' loss for the tuning range (broader lines are nearer, and shallower), stands in no list.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism_photonics.budget.feasibility import RULES
from prism_photonics.units import InputError

DRIFT = ("drift.gradient_K", "drift.wander_pm_rthour", "system.queries_per_program", "trim.residual_pm")
DEMAND = ("ranking.required_snr_dB",)
COUNTS = ("chip.rows", "chip.buses", "chip.channels")
LOSSES = ("coupler.loss_dB", "modulator.loss_dB", "splitter.excess_loss_dB", "detector.loss_dB")
FILM = ("variation.thickness_nm", "variation.width_nm", "variation.resonance_local_pm")
# More of it never helps the rule.
HARMS = {
    # More lines only add images; a longer travel and a broader line are nearer to every image.
    "fsr_aliasing": ("chip.channels", "ranking.spacing_linewidths", "ranking.weight_limit", "waveguide.loss_dB_cm"),
    "band": ("chip.channels", "comb.spacing_nm"),
    # Lines are added at the long end: the farthest of first and last only moves out.
    "comb_range": ("chip.channels",),
    "spacing_linewidths": ("ranking.spacing_linewidths", "waveguide.loss_dB_cm"),
    "coherence": (*DEMAND, "drift.temperature_K", *DRIFT),
    "tuning_range": (
        "trim.residual_pm",
        "ranking.weight_limit",
        "variation.loss_log",
        "variation.slope_relative",
        "variation.curvature_pm_V2",
        "variation.responsivity_relative",
    ),
    "row_reach": (
        "trim.residual_pm",
        "ranking.weight_limit",
        "variation.gap_nm",
        "variation.loss_log",
        "variation.slope_relative",
        "variation.curvature_pm_V2",
        "variation.responsivity_relative",
        "variation.splitter_imbalance",
    ),
    "coercive_field": ("drive.max_voltage_V",),
    "electrode_lobe": ("ring.lobe_half_angle_deg",),
    "driver_step": ("drive.max_voltage_V",),
    "trimming_power": ("trim.heater_mW_nm", *COUNTS, *FILM),
    "drift": (*DEMAND, *DRIFT),
    "drift_common": (*DEMAND, "drift.temperature_K", "system.queries_per_program"),
    "link_budget": (*LOSSES, "waveguide.loss_dB_cm", "chip.rows", "detector.adc_full_scale_uA", "comb.tilt_dB"),
    "line_swing": (
        *LOSSES,
        "chip.rows",
        "comb.tilt_dB",
        "detector.bandwidth_GHz",
        "detector.tia_noise_pA_rtHz",
        "variation.line_power_dB",
        "variation.splitter_imbalance",
        "variation.responsivity_relative",
    ),
    "bus_power": ("comb.line_power_dBm", "chip.channels", "comb.tilt_dB"),
    "ring_power": ("comb.line_power_dBm", "comb.tilt_dB"),
    "converter_range": (
        "comb.line_power_dBm",
        "comb.tilt_dB",
        "variation.line_power_dB",
        "variation.responsivity_relative",
        "variation.splitter_imbalance",
    ),
    "query_dac": (*DEMAND, "modulator.dac_inl_lsb"),
    "adc_noise": (*DEMAND, *LOSSES, "detector.adc_full_scale_uA", "variation.line_power_dB", "comb.tilt_dB"),
    "score_snr": (
        *DEMAND,
        *LOSSES,
        "detector.adc_full_scale_uA",
        "detector.tia_noise_pA_rtHz",
        "detector.dark_current_nA",
        "detector.temperature_K",
        "detector.bandwidth_GHz",
        "comb.rin_dB_Hz",
        "comb.rin_common_dB_Hz",
        "comb.linewidth_MHz",
        "comb.tilt_dB",
        "variation.line_power_dB",
    ),
    "connections": COUNTS,
    "die_area": (*COUNTS, "ring.pitch_um"),
}
# More of it never harms the rule.
HELPS = {
    "spacing_linewidths": ("comb.spacing_nm",),
    "coherence": ("drift.thermal_time_s", "system.query_rate_Hz"),
    "tuning_range": ("drive.max_voltage_V",),
    "coercive_field": ("ring.electrode_gap_um",),
    "driver_step": ("drive.dac_bits", "ranking.weight_limit"),
    "bend_radius": ("ring.radius_um", "waveguide.bend_radius_um"),
    "drift": ("drift.thermal_time_s", "system.query_rate_Hz"),
    "drift_common": ("drift.thermal_time_s", "system.query_rate_Hz"),
    "link_budget": ("comb.line_power_dBm", "detector.adc_bits", "detector.responsivity_A_W"),
    "line_swing": ("comb.line_power_dBm", "detector.adc_bits", "detector.responsivity_A_W", "ranking.weight_limit"),
    "bus_power": ("coupler.loss_dB", "modulator.loss_dB"),
    # Not more rows: they share the light, but ask for finer weights too, which the light's own shift must not spoil.
    "ring_power": ("coupler.loss_dB", "modulator.loss_dB", "splitter.excess_loss_dB"),
    "converter_range": (*LOSSES, "detector.adc_full_scale_uA"),
    "query_dac": ("modulator.dac_bits",),
    "adc_noise": ("detector.adc_bits", "comb.line_power_dBm", "detector.responsivity_A_W"),
    "score_snr": (
        "comb.line_power_dBm",
        "detector.adc_bits",
        "detector.cmrr_dB",
        "detector.feedback_ohm",
        "detector.responsivity_A_W",
    ),
    "connections": ("ring.pitch_um",),
}
# Has but one value that is right.
EXACT = {"electrode_gap"}
PAIRS = [
    (rule, key, harms) for table, harms in ((HARMS, True), (HELPS, False)) for rule in table for key in table[rule]
]
# What nobody designs: no more of it may ever make a refused chip feasible.
NATURE = (
    *(f"variation.{key}" for key in ("gap_nm", "loss_log", "slope_relative", "curvature_pm_V2", "crosstalk_relative")),
    *("variation.splitter_imbalance", "variation.responsivity_relative", "variation.line_power_dB", *FILM),
    *("drift.temperature_K", "drift.gradient_K", "drift.wander_pm_rthour", "trim.residual_pm"),
    *("detector.tia_noise_pA_rtHz", "detector.dark_current_nA", "detector.temperature_K"),
    *("comb.rin_dB_Hz", "comb.rin_common_dB_Hz", "comb.linewidth_MHz", "modulator.dac_inl_lsb"),
)

bases = st.fixed_dictionaries(
    {
        "chip": st.fixed_dictionaries(
            {"channels": st.sampled_from((2, 4, 8, 12)), "rows": st.sampled_from((1, 8, 32)), "buses": st.just(1)}
        ),
        "comb": st.fixed_dictionaries(
            {
                "spacing_nm": st.floats(0.1, 1.2),
                "line_power_dBm": st.floats(-20.0, 20.0),
                "tilt_dB": st.floats(0.0, 6.0),
                "rin_dB_Hz": st.floats(-170.0, -120.0),
                "rin_common_dB_Hz": st.floats(-170.0, -120.0),
            }
        ),
        "gap_um": st.floats(0.39, 0.6),
        "ring": st.fixed_dictionaries({"bias_pm": st.floats(-100.0, 150.0)}),
        "drive": st.fixed_dictionaries({"max_voltage_V": st.floats(2.0, 60.0), "dac_bits": st.integers(6, 16)}),
        "detector": st.fixed_dictionaries(
            {
                "adc_bits": st.integers(4, 14),
                "adc_full_scale_uA": st.floats(1.0, 500.0),
                "tia_noise_pA_rtHz": st.floats(0.0, 100.0),
                "cmrr_dB": st.floats(0.0, 60.0),
            }
        ),
        "modulator": st.fixed_dictionaries(
            {"dac_bits": st.integers(2, 12), "encoding": st.sampled_from(("offset", "two_shot", "dual_rail"))}
        ),
        "trim": st.fixed_dictionaries(
            {"residual_pm": st.floats(0.0, 40.0), "method": st.sampled_from(("none", "permanent", "heater"))}
        ),
        "drift": st.fixed_dictionaries({"temperature_K": st.floats(0.0, 1.0), "gradient_K": st.floats(0.0, 0.1)}),
        "system": st.fixed_dictionaries({"queries_per_program": st.floats(1.0, 1e12)}),
        "ranking": st.fixed_dictionaries(
            {"required_snr_dB": st.floats(0.0, 30.0), "weight_limit": st.floats(0.3, 0.95)}
        ),
    }
)
shares = st.floats(0.01, 1.0)


def chip(demo, altered, base):
    gaps = {"gap_through_um": base["gap_um"], "gap_drop_um": base["gap_um"]}
    changes = {table: values for table, values in base.items() if table != "gap_um"}
    return altered(demo, **changes | {"ring": base["ring"] | gaps})


def raised(altered, spec, key, share):
    """The spec with a key raised by a share of what lies between it and something large; None if no spec is that."""
    table, name = key.split(".")
    value = getattr(getattr(spec, table), name)
    if name == "rows":
        more = value * 2 ** (1 + int(3 * share))
    elif isinstance(value, int):
        more = value + 2 * (1 + int(3 * share))
    elif name.endswith(("_dB", "_dBm", "_dB_Hz")):
        more = value + 10.0 * share
    elif name in ("weight_limit",):
        more = value + (0.999 - value) * share
    else:
        more = value * (1.0 + 3.0 * share) + 0.01 * share
    try:
        return altered(spec, **{table: {name: more}})
    except (ValueError, InputError):
        return None


@pytest.fixture(scope="module")
def judges(demo):
    """Every rule by the name that its findings carry."""
    return {judge(demo).rule: judge for judge in RULES}


def test_every_rule_is_in_the_lists(judges):
    assert set(judges) == {*HARMS, *HELPS, *EXACT}


@pytest.mark.parametrize(
    ("rule", "key", "harms"), PAIRS, ids=[f"{r}-{'more' if h else 'less'}-{k}" for r, k, h in PAIRS]
)
def test_a_rule_moves_one_way_with_what_can_only_harm_or_only_help_it(demo, altered, judges, rule, key, harms):
    judge = judges[rule]

    @given(base=bases, share=shares)
    @settings(max_examples=15, deadline=None, database=None)
    def moves_one_way(base, share):
        spec = chip(demo, altered, base)
        more = raised(altered, spec, key, share)
        if more is None or spec.flip_chip != more.flip_chip:
            return
        good, bad = (judge(spec), judge(more)) if harms else (judge(more), judge(spec))
        assert bad.passed <= good.passed
        # Within the digits of a double.
        assert bad.margin <= good.margin + 1e-9 * (abs(good.value) + abs(good.limit))

    moves_one_way()


@given(base=bases, key=st.sampled_from(NATURE), share=shares)
@settings(max_examples=150, deadline=None)
def test_more_scatter_noise_or_drift_never_makes_a_refused_chip_feasible(demo, altered, base, key, share):
    spec = chip(demo, altered, base)
    more = raised(altered, spec, key, share)
    if more is None:
        return
    broken = {rule(spec).rule for rule in RULES if not rule(spec).passed}
    worse = {rule(more).rule for rule in RULES if not rule(more).passed}
    assert broken <= worse
