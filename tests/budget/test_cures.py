"""Whoever does what `prism check` says is done with that rule, and does not go round in circles."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prism_photonics.budget.cures import applied
from prism_photonics.budget.feasibility import RULES, check
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

designs = st.fixed_dictionaries(
    {
        "channels": st.sampled_from((1, 2, 4, 8, 12)),
        "rows": st.sampled_from((1, 8, 32)),
        "spacing_nm": st.floats(0.1, 2.0),
        "line_power_dBm": st.floats(-10.0, 20.0),
        "gap_um": st.floats(0.39, 0.6),
        "bias_pm": st.floats(-50.0, 100.0),
        "max_voltage_V": st.floats(3.0, 60.0),
        "dac_bits": st.integers(6, 16),
        "adc_bits": st.integers(6, 14),
        "residual_pm": st.floats(0.0, 30.0),
    }
)


def designed(demo, altered, d):
    return altered(
        demo,
        chip={"channels": d["channels"], "rows": d["rows"]},
        comb={"spacing_nm": d["spacing_nm"], "line_power_dBm": d["line_power_dBm"]},
        ring={"gap_through_um": d["gap_um"], "gap_drop_um": d["gap_um"], "bias_pm": d["bias_pm"]},
        drive={"max_voltage_V": d["max_voltage_V"], "dac_bits": d["dac_bits"]},
        detector={"adc_bits": d["adc_bits"]},
        trim={"residual_pm": d["residual_pm"]},
    )


@pytest.mark.slow
@given(design=designs)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_cure_mends_its_rule_and_following_clean_ones_comes_to_an_end(demo, altered, design):
    spec = designed(demo, altered, design)
    rule_of = {rule(spec).rule: rule for rule in RULES}
    report = check(spec)
    for finding in report.violations:
        for cure in finding.cures:
            assert rule_of[finding.rule](applied(spec, cure)).passed
    while clean := [cure for finding in report.violations for cure in finding.cures if not cure.spoils]:
        before = len(report.violations)
        spec = applied(spec, clean[0])
        report = check(spec)
        assert len(report.violations) < before
    assert all("no single change" in finding.cure for finding in report.violations)


@pytest.mark.parametrize(
    "ring",
    [
        {"gap_through_um": 1.2, "gap_drop_um": 1.2},
        {"gap_through_um": 3.0, "gap_drop_um": 3.0},
        {"lobe_half_angle_deg": 1e-9},
        {"lobe_half_angle_deg": 1e-300},
        {"straight_um": 60.0, "gap_through_um": 0.39, "gap_drop_um": 0.39, "neck_um": 0.0},
        {"electrode_gap_um": 1e-300},
    ],
)
def test_rings_at_the_ends_of_what_a_spec_may_say_get_a_report_or_one_line(demo, altered, ring):
    try:
        lines = [finding.cure for finding in check(altered(demo, ring=ring)).violations]
    except InputError as error:
        lines = [str(error)]
    assert lines
    assert all(line and "\n" not in line for line in lines)


def followed(spec, plan):
    for cure in plan.changes:
        spec = applied(spec, cure)
    return spec


def test_the_plan_for_several_broken_rules_makes_the_spec_feasible_with_all_its_rings(demo, altered):
    spec = altered(demo, drive={"max_voltage_V": 15.0, "dac_bits": 8}, comb={"line_power_dBm": -25.0})
    report = check(spec)
    assert len(report.violations) >= 3
    changed = followed(spec, report.plan)
    assert report.plan.remaining == ()
    assert check(changed).feasible
    assert changed.chip == spec.chip
    # What the ranking needs is no knob of a plan.
    assert changed.ranking == spec.ranking
    assert all(f"{n}. set {change}" in report.text() for n, change in enumerate(report.plan.changes, 1))
    assert check(changed).plan is None


def test_too_many_lines_for_one_bus_are_shared_out_over_more_buses(demo, altered):
    (split,) = [
        cure
        for finding in check(altered(demo, chip={"channels": 32})).violations
        if finding.rule == "band"
        for cure in finding.cures
        if "chip.buses" in cure.keys
    ]
    assert split.values == (8, 4)
    assert str(split).startswith("chip.channels = 8 and chip.buses = 4")


@pytest.mark.slow
def test_a_plan_that_falls_short_says_which_rules_it_leaves(demo, altered):
    # No designer turns a ring's own random walk, and no refresh is that frequent.
    report = check(altered(demo, drift={"wander_pm_rthour": 5000.0}))
    assert "drift" in report.plan.remaining
    assert "no 6 changes that were tried make it feasible" in report.text(plan=True)


@pytest.mark.parametrize("ring_um", [10.0, 20.0])
def test_a_cure_is_printed_once(demo, altered, ring_um):
    spec = altered(demo, ring={"radius_um": ring_um}, waveguide={"bend_radius_um": 5.0 if ring_um == 20.0 else 30.0})
    for finding in check(spec).violations:
        changes = [(cure.keys, cure.values) for cure in finding.cures]
        assert len(changes) == len(set(changes))


def test_rings_that_nothing_trims_are_told_to_be_trimmed(demo, altered):
    report = check(altered(demo, trim={"method": "none"}))
    broken = {finding.rule: finding for finding in report.violations}
    assert broken.keys() == {"tuning_range", "row_reach", "drift"}
    assert broken["tuning_range"].cure == broken["drift"].cure.split(",")[0] == "set trim.method = 'permanent'"
    # What is left by trimming is no key of a chip that is not trimmed.
    assert "trim.residual_pm" not in str([finding.cures for finding in broken.values()])
    assert str(report.plan) == "feasible with all of these: set trim.method = 'permanent'"


def test_drift_of_badly_trimmed_rings_is_mended_by_better_trimming(demo, altered):
    (drift,) = [f for f in check(altered(demo, trim={"residual_pm": 1e4})).violations if f.rule == "drift"]
    (residual_pm,) = [cure.values[0] for cure in drift.cures if cure.keys == ("trim.residual_pm",)]
    assert 14.0 <= residual_pm < 1e4


def test_twelve_rows_with_too_little_light_become_eight_as_six_would_get_no_more(demo, altered):
    report = check(altered(demo, chip={"rows": 12}, comb={"line_power_dBm": -3.5}))
    (found,) = report.violations
    assert [cure.values for cure in found.cures if cure.keys == ("chip.rows",)] == [(8,)]


@pytest.mark.parametrize(
    ("name", "rows", "rings"),
    [
        pytest.param("paper_32x256", 256, 32, marks=pytest.mark.slow),
        # 1,024 rows of 64 rings are no die of one stepper field. Of 256, eight buses' photocurrents, each by the
        # splitters and photodiodes of its own, would leave a third of the rings short: test_row_reach.
        pytest.param("paper_64x1024", 128, 64, marks=pytest.mark.slow),
    ],
)
def test_what_the_papers_chips_need_together(layouts, name, rows, rings):
    spec = ChipSpec.from_toml(layouts / name / "spec.toml")
    plan = check(spec).plan
    assert plan.remaining == ()
    assert len(plan.changes) <= 3
    changed = followed(spec, plan)
    assert check(changed).feasible
    assert (changed.chip.rows, changed.chip.rings) == (rows, rings)
    assert changed.ranking == spec.ranking
