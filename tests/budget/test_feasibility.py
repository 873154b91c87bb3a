"""What a spec promises: the demo passes, the paper's point does not, and each rule stands on its own."""

import json

import pytest

from prism_photonics.budget.feasibility import RULES, check, require_feasible
from prism_photonics.units import InputError


def broken_by(spec):
    return [finding.rule for finding in check(spec).violations]


def test_the_demo_keeps_every_rule(demo):
    feasibility = check(demo)
    assert feasibility.feasible
    assert feasibility.violations == ()
    assert len(feasibility.findings) == len(RULES)
    assert require_feasible(demo) == feasibility


def test_the_papers_point_aliases_cannot_be_tuned_and_drowns_in_noise(paper):
    broken = broken_by(paper)
    assert {"fsr_aliasing", "tuning_range", "score_snr"} <= set(broken)
    with pytest.raises(InputError, match="fsr_aliasing") as caught:
        require_feasible(paper)
    assert "\n" not in str(caught.value)
    assert f"{len(broken)} rules broken" in str(caught.value)


BREAKERS = {
    "fsr_aliasing": {"comb": {"spacing_nm": 1.1}},
    "spacing_linewidths": {"comb": {"spacing_nm": 0.15}},
    "tuning_range": {"drive": {"max_voltage_V": 5.0}},
    "coercive_field": {"drive": {"max_voltage_V": 60.0}},
    "electrode_gap": {"ring": {"electrode_gap_um": 5.6}},
    "electrode_lobe": {"ring": {"lobe_half_angle_deg": 60.0}},
    "driver_step": {"drive": {"dac_bits": 8}},
    "bend_radius": {"waveguide": {"bend_radius_um": 15.0}},
    "link_budget": {"detector": {"adc_bits": 6}},
    "converter_range": {"comb": {"line_power_dBm": 12.0}},
    "score_snr": {"detector": {"tia_noise_pA_rtHz": 500.0}},
}


@pytest.mark.parametrize("rule", BREAKERS)
def test_one_change_breaks_one_rule_and_that_rule_says_so(demo, altered, rule):
    assert broken_by(altered(demo, **BREAKERS[rule])) == [rule]


def test_every_rule_has_been_broken_once(demo):
    assert {finding.rule for finding in check(demo).findings} == set(BREAKERS)


@pytest.mark.parametrize("rule", BREAKERS)
def test_a_violation_says_value_limit_unit_and_cure(demo, altered, rule):
    plain = check(altered(demo, **BREAKERS[rule])).to_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["feasible"] is False
    (violation,) = plain["violations"]
    assert set(violation) == {"rule", "value", "limit", "unit", "cure"}
    assert violation["rule"] == rule
    assert violation["value"] != violation["limit"]
    assert violation["unit"]
    assert len(violation["cure"]) > 10


def test_following_the_cure_for_aliasing_ends_the_aliasing(paper, altered):
    cure = next(f.cure for f in check(paper).findings if f.rule == "fsr_aliasing")
    fitting = int(cure.split("at most ")[1].split(" ")[0])
    assert "fsr_aliasing" not in broken_by(altered(paper, chip={"channels": fitting}))
    assert "fsr_aliasing" in broken_by(altered(paper, chip={"channels": fitting + 1}))


def test_following_the_cure_for_the_tuning_range_ends_the_complaint(demo, altered):
    weak = altered(demo, drive={"max_voltage_V": 5.0})
    cure = next(f.cure for f in check(weak).findings if f.rule == "tuning_range")
    needed = float(cure.split("±")[1].split(" V")[0])
    assert 5 < needed <= 10
    # Bias centred means: as far from either end of the swing as from the other.
    biases = range(20, 60, 2)
    strong = [altered(demo, drive={"max_voltage_V": needed + 0.1}, ring={"bias_pm": float(b)}) for b in biases]
    assert any("tuning_range" not in broken_by(spec) for spec in strong)


def test_the_report_warns_where_te_and_tm_nearly_meet(demo):
    assert any("TE and TM" in warning for warning in check(demo).warnings)
