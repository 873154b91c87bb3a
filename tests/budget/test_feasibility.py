"""What a spec promises: the demo and the bank pass, the paper's points do not, each rule stands on its own."""

import json
import re

import numpy as np
import pytest

from prism_photonics.budget import feasibility
from prism_photonics.budget.cures import KNOBS, applied
from prism_photonics.budget.feasibility import MEASURABLE, RULES, check, judged, require_feasible
from prism_photonics.budget.ring import ring_figures
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


@pytest.fixture(scope="module")
def bank(layouts):
    return ChipSpec.from_toml(layouts / "bank_32x256" / "spec.toml")


@pytest.fixture(scope="module")
def large_paper(layouts):
    return ChipSpec.from_toml(layouts / "paper_64x1024" / "spec.toml")


def broken_by(spec):
    return [finding.rule for finding in check(spec).violations]


def found(spec, rule):
    return next(finding for finding in check(spec).findings if finding.rule == rule)


def test_the_demo_keeps_every_rule(demo):
    feasibility = check(demo)
    assert feasibility.feasible
    assert feasibility.violations == ()
    assert len(feasibility.findings) == len(RULES)
    assert require_feasible(demo) == feasibility


def test_rules_that_are_asked_for_by_name_find_what_the_whole_report_finds(demo, paper):
    for spec in (demo, paper):
        whole = judged(spec)
        assert [(finding.rule, finding.value) for finding in check(spec).findings] == [
            (finding.rule, finding.value) for finding in whole
        ]
        for finding in whole:
            assert judged(spec, (finding.rule,)) == [finding]
        assert judged(spec, ("row_reach", "band")) == [one for one in whole if one.rule in ("row_reach", "band")]


def test_the_bank_of_32_by_256_keeps_every_rule(bank):
    assert broken_by(bank) == []


def test_the_papers_point_aliases_cannot_be_tuned_and_drowns_in_noise(paper):
    broken = broken_by(paper)
    light = {"link_budget", "line_swing", "query_dac", "adc_noise", "score_snr"}
    assert set(broken) == {"fsr_aliasing", "band", "coherence", "tuning_range", "row_reach", *light}
    with pytest.raises(InputError, match="fsr_aliasing") as caught:
        require_feasible(paper)
    assert "\n" not in str(caught.value)
    assert f"{len(broken)} rules broken" in str(caught.value)


def test_one_broken_rule_is_told_in_the_singular(demo, altered):
    """One rule breaks, and the line names its cure."""
    with pytest.raises(InputError, match=r"not feasible, 1 rule broken, first bend_radius: .*; set waveguide.bend_rad"):
        require_feasible(altered(demo, waveguide={"bend_radius_um": 12.0}))


def test_the_papers_larger_point_also_leaves_the_films_known_range_and_one_reticle(large_paper, paper):
    assert set(broken_by(large_paper)) == {*broken_by(paper), "comb_range", "die_area"}
    assert found(large_paper, "die_area").explain.endswith(": 2 of them")


def test_a_room_that_drifts_forbids_to_rank_and_not_to_measure(layouts, paper, altered):
    standard = ChipSpec.from_toml(layouts.parent / "calibration" / "standard_8x8" / "spec.toml")
    assert not broken_by(standard)
    room = altered(standard, drift={"temperature_K": 0.2})
    assert set(broken_by(room)) == {"drift_common"}
    assert [found.rule for found in require_feasible(room, rules=MEASURABLE).violations] == broken_by(room)
    with pytest.raises(InputError, match="first drift_common"):
        require_feasible(room)
    with pytest.raises(InputError, match="fsr_aliasing"):
        require_feasible(paper, rules=MEASURABLE)
    assert {finding.rule for finding in check(paper).findings} >= MEASURABLE


# What breaks one rule of the demo and no other, and a key that its first cure moves.
BREAKERS = {
    "fsr_aliasing": ({"comb": {"spacing_nm": 0.436}, "ranking": {"spacing_linewidths": 11.5}}, "chip.channels"),
    "band": ({"comb": {"spacing_nm": 0.44}}, "chip.channels"),
    "comb_range": ({"comb": {"first_wl_nm": 1495.0}}, "comb.first_wl_nm"),
    "spacing_linewidths": ({"ranking": {"spacing_linewidths": 11.9}}, "ring.gap_through_um"),
    # Lines so close leave a row little reach.
    "coherence": (
        {
            "comb": {"spacing_nm": 0.09},
            "ranking": {"spacing_linewidths": 2.0, "weight_limit": 0.35},
            "drift": {"wander_pm_rthour": 0.05, "temperature_K": 0.05},
        },
        "comb.spacing_nm",
    ),
    "tuning_range": ({"drive": {"max_voltage_V": 15.0}}, "drive.max_voltage_V"),
    "row_reach": ({"comb": {"spacing_nm": 0.12}, "ranking": {"spacing_linewidths": 2.0}}, "comb.spacing_nm"),
    "coercive_field": ({"drive": {"max_voltage_V": 60.0}}, "drive.max_voltage_V"),
    "electrode_gap": ({"ring": {"electrode_gap_um": 5.6}}, "ring.electrode_gap_um"),
    "electrode_lobe": ({"ring": {"lobe_half_angle_deg": 60.0}}, "ring.lobe_half_angle_deg"),
    "driver_step": ({"drive": {"dac_bits": 8}}, "drive.dac_bits"),
    "bend_radius": ({"waveguide": {"bend_radius_um": 12.0}}, "waveguide.bend_radius_um"),
    "trimming_power": ({"trim": {"method": "heater", "heater_mW_nm": 75.0}}, "trim.heater_mW_nm"),
    "drift": ({"drift": {"wander_pm_rthour": 2.0}}, "ranking.required_snr_dB"),
    "drift_common": ({"drift": {"temperature_K": 0.1}}, "drift.temperature_K"),
    "link_budget": ({"detector": {"adc_bits": 7, "tia_noise_pA_rtHz": 45.0}}, "comb.line_power_dBm"),
    "line_swing": (
        {"detector": {"tia_noise_pA_rtHz": 62.0}, "ranking": {"required_snr_dB": 12.0}},
        "comb.line_power_dBm",
    ),
    "bus_power": ({"comb": {"line_power_dBm": 23.4}, "splitter": {"excess_loss_dB": 7.0}}, "comb.line_power_dBm"),
    "ring_power": (
        {"comb": {"line_power_dBm": 10.0}, "detector": {"adc_full_scale_uA": 300.0}},
        "comb.line_power_dBm",
    ),
    "converter_range": ({"detector": {"adc_full_scale_uA": 30.0}}, "detector.adc_full_scale_uA"),
    "query_dac": ({"modulator": {"dac_bits": 3}}, "modulator.dac_bits"),
    "adc_noise": (
        {
            "detector": {"adc_bits": 8},
            "ranking": {"required_snr_dB": 23.0},
            "drift": {"wander_pm_rthour": 0.05},
            "trim": {"residual_pm": 1.0},
        },
        "detector.adc_bits",
    ),
    "score_snr": ({"comb": {"rin_dB_Hz": -105.0}}, "detector.bandwidth_GHz"),
    "connections": (
        {"chip": {"rows": 32}, "ring": {"pitch_um": 98.0, "electrode_width_um": 3.0, "neck_um": 0.0}},
        "ring.pitch_um",
    ),
    "die_area": (
        {
            "chip": {"buses": 21},
            "comb": {"line_power_dBm": 5.0},
            "ring": {"pitch_um": 5000.0},
            "drift": {"wander_pm_rthour": 0.3},
            "detector": {"tia_noise_pA_rtHz": 3.0},
        },
        "ring.pitch_um",
    ),
}


@pytest.fixture(scope="module")
def broken(demo, altered):
    return {rule: altered(demo, **changes) for rule, (changes, _) in BREAKERS.items()}


@pytest.fixture(scope="module")
def reports(broken):
    """Each is checked once: cures are searched when they are first asked for."""
    return {rule: check(spec) for rule, spec in broken.items()}


@pytest.mark.parametrize("rule", BREAKERS)
def test_one_change_breaks_one_rule_and_that_rule_says_so(reports, rule):
    assert [finding.rule for finding in reports[rule].violations] == [rule]


def test_every_rule_has_been_broken_once(demo):
    assert {finding.rule for finding in check(demo).findings} == set(BREAKERS)


@pytest.mark.parametrize("rule", BREAKERS)
def test_following_a_cure_that_spoils_nothing_makes_the_spec_feasible(broken, reports, rule):
    (finding,) = reports[rule].violations
    clean = [cure for cure in finding.cures if not cure.spoils]
    assert any(BREAKERS[rule][1] in cure.keys for cure in clean)
    for cure in clean:
        assert broken_by(applied(broken[rule], cure)) == []
        assert all(str(value) in str(cure) for value in cure.values)
    assert finding.cure.startswith("set ")
    assert str(clean[0]) in finding.cure


@pytest.mark.parametrize("rule", BREAKERS)
def test_a_violation_says_value_limit_unit_and_cure(reports, rule):
    plain = reports[rule].to_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["feasible"] is False
    (violation,) = plain["violations"]
    assert set(violation) == {"rule", "value", "limit", "unit", "cure"}
    assert violation["rule"] == rule
    assert violation["value"] != violation["limit"]
    assert violation["unit"]
    assert len(violation["cure"]) > 10


@pytest.mark.parametrize("name", ["demo_8x8", "bank_32x256", "paper_32x256", "paper_64x1024"])
def test_every_number_is_derived_in_words_that_hold_it(layouts, name):
    for finding in check(ChipSpec.from_toml(layouts / name / "spec.toml")).findings:
        assert np.isfinite([finding.value, finding.limit]).all()
        assert "\n" not in finding.explain
        # The derivation ends in the number that is compared, in the rule's unit or in m-.
        numbers = [abs(float(n)) for n in re.findall(r"\d+\.?\d*(?:e[+-]?\d+)?", finding.explain)]
        size = abs(finding.value)
        assert any(np.isclose(n, [size, size * 1e3], rtol=0.06, atol=1e-9).any() for n in numbers), finding


def test_the_derivation_is_in_the_json_only_where_it_is_asked_for(demo):
    plain, long = check(demo).to_json(), check(demo).to_json(explain=True)
    assert all("explain" not in f for f in plain["findings"])
    assert all(f["explain"] for f in long["findings"])
    assert [{k: v for k, v in f.items() if k != "explain"} for f in long["findings"]] == plain["findings"]


def test_an_image_two_orders_away_counts_as_one_next_door(demo, altered):
    # Two lines, as far apart as two orders of the first ring and a bit: far beyond one band, yet they collide.
    fsr_nm = ring_figures(demo).fsr_nm
    far = altered(demo, chip={"channels": 2}, comb={"spacing_nm": 2 * fsr_nm})
    assert found(far, "fsr_aliasing").value < 5
    beside = altered(demo, chip={"channels": 2}, comb={"spacing_nm": 1.5 * fsr_nm})
    assert found(beside, "fsr_aliasing").value == pytest.approx(fsr_nm * 1e3 / 2 / ring_figures(demo).fwhm_pm, rel=0.05)
    assert broken_by(beside) == ["band"]


def test_following_the_cure_for_aliasing_ends_the_aliasing(paper, altered):
    (fitting,) = [c.values[0] for c in found(paper, "fsr_aliasing").cures if c.keys == ("chip.channels",)]
    assert "fsr_aliasing" not in broken_by(altered(paper, chip={"channels": fitting}))
    assert "fsr_aliasing" in broken_by(altered(paper, chip={"channels": fitting + 1}))


def test_the_tuning_range_names_the_least_volts_that_do(demo, altered):
    weak = altered(demo, drive={"max_voltage_V": 15.0})
    (needed_V,) = [c.values[0] for c in found(weak, "tuning_range").cures if c.keys == ("drive.max_voltage_V",)]
    assert 15.0 < needed_V <= 20.0
    assert "tuning_range" in broken_by(altered(demo, drive={"max_voltage_V": needed_V - 0.2}))


def test_where_more_volts_do_not_help_a_narrower_gap_is_named(demo, altered):
    # Thin coupling: lossy rings drop too little, whatever the drive, the trimming and the bias.
    finding = found(altered(demo, ring={"gap_through_um": 0.56, "gap_drop_um": 0.56}), "tuning_range")
    assert finding.value == pytest.approx(0.743, abs=1e-3)
    moved = {key for cure in finding.cures for key in cure.keys}
    assert {"drive.max_voltage_V", "ring.bias_pm", "trim.residual_pm"} & moved == set()
    assert "ring.gap_through_um and ring.gap_drop_um = 0.55" in finding.cure


def test_a_cure_never_moves_a_property_of_nature():
    moved = {key for knobs in KNOBS.values() for knob in knobs for key in knob.keys}
    assert not any(key.startswith("variation.") for key in moved)
    assert "drift.wander_pm_rthour" not in moved


def test_more_than_sixteen_rows_are_not_wire_bonded(demo, altered):
    assert "104 wire bonds, 40 of them on the northern edge" in found(demo, "connections").explain
    assert "a bump per ring" in found(altered(demo, chip={"rows": 32}), "connections").explain


def test_a_die_whose_fullest_edge_has_no_room_for_its_pads_is_flipped(demo, altered):
    fits, full = (altered(demo, chip={"rows": 16, "channels": n}) for n in (44, 45))  # 9 pads a channel of 50 µm
    assert not fits.flip_chip
    assert found(fits, "connections").value == pytest.approx(20_000.0 / (44 * 9))
    assert full.flip_chip
    assert "a bump per ring" in found(full, "connections").explain


def test_pads_in_one_line_take_twice_the_edge(demo, altered):
    two, one = found(demo, "connections"), found(altered(demo, chip={"pad_lines": 1}), "connections")
    assert one.limit == 2.0 * two.limit == 100.0
    assert one.value == two.value
    with pytest.raises(ValueError, match="pads, here 225, need more than 20 mm"):
        altered(demo, chip={"pad_lines": 1, "channels": 45})


def test_the_report_counts_the_rings_on_which_te_and_tm_cross_and_names_an_arm_that_mends_it(circles, altered):
    warning, *_ = check(circles).warnings
    assert "turn 3.7 % of TE into TM" in warning
    assert "on 3.97 of 64 rings" in warning
    assert "ring.arm_um = 57.7 lets each bend undo" in warning
    assert "spoils band, tuning_range, drift" in warning
    # A film whose TM leaks has no TM mode to meet.
    shallow = altered(circles, process="lnoi400", ring={"radius_um": 80.0, "pitch_um": 300.0, "gap_through_um": 0.6})
    assert check(shallow).warnings[0] == (
        "lnoi400 guides no TM, or none whose coupling is known (docs/modes.md): crossings of TE and TM are not counted"
    )


def test_remarks_are_worked_out_when_somebody_asks_for_them(demo, altered, monkeypatch):
    asked = []
    monkeypatch.setattr(feasibility, "_remarks", lambda spec, findings: [str(asked.append(spec.name))])
    found = check(altered(demo, name="asked"))
    assert found.feasible
    assert asked == []
    assert found.warnings == found.warnings == ("None",)
    assert asked == ["asked"]


def test_a_spec_that_is_asked_about_again_is_not_searched_again_and_another_is(demo, altered, monkeypatch):
    searched, search = [], feasibility.find_cures
    monkeypatch.setattr(
        feasibility,
        "find_cures",
        lambda finding, rule, spec, **more: (searched.append(spec.name), search(finding, rule, spec, **more))[1],
    )
    first, again, other = (
        altered(demo, name=name, waveguide={"bend_radius_um": 12.0}) for name in ("twice", "twice", "once")
    )
    assert str(check(first)) == str(check(again))
    assert searched == ["twice"]
    assert [found.rule for found in check(other).violations if found.cures] == ["bend_radius"]
    assert searched == ["twice", "once"]


EXTREMES = {
    "a weight of one": {"ranking": {"weight_limit": 1.0}},
    "one ring": {"chip": {"rows": 1, "channels": 1}},
    "a silent amplifier": {"detector": {"tia_noise_pA_rtHz": 0.0, "dark_current_nA": 0.0}},
    "nothing drifts": {"drift": {"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.0}},
    "another film": {
        "process": "ltoi300",
        "ring": {"radius_um": 80.0, "pitch_um": 300.0, "gap_through_um": 0.6, "gap_drop_um": 0.6, "neck_um": 0.0},
    },
    "the largest chip": {"chip": {"rows": 4096, "channels": 256}, "comb": {"spacing_nm": 0.02}},
    "a comb over all the band": {"comb": {"first_wl_nm": 1400.0, "spacing_nm": 20.0}},
    "a racetrack": {"ring": {"arm_um": 200.0}},
    "a dark laser": {"comb": {"line_power_dBm": -60.0}},
}


@pytest.mark.parametrize("extreme", EXTREMES)
def test_any_valid_spec_gets_finite_numbers_and_one_line_cures(demo, altered, extreme):
    report = check(altered(demo, **EXTREMES[extreme]))
    plain = report.to_json(explain=True)
    json.dumps(plain, allow_nan=False)
    for finding in report.findings:
        assert not re.search(r"\b(nan|inf)\b", finding.cure + finding.explain)
        assert "\n" not in finding.cure
