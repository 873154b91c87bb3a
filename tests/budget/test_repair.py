"""The edits that `prism check` prints last make a refused spec feasible, in their order, and are three at most."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prism_photonics.budget.cures import applied
from prism_photonics.budget.feasibility import check
from prism_photonics.budget.finding import Cure
from prism_photonics.budget.ring_sizing import size_rings
from prism_photonics.budget.rules_chip import die_area
from prism_photonics.spec import ChipSpec, load_spec

broken_designs = st.fixed_dictionaries(
    {
        "process": st.sampled_from(("tfln600", "ltoi300", "lnoi400")),
        "chip": st.fixed_dictionaries({"channels": st.sampled_from((1, 2, 4, 8)), "rows": st.sampled_from((1, 8, 32))}),
        "comb": st.fixed_dictionaries({"spacing_nm": st.floats(0.1, 2.0), "line_power_dBm": st.floats(-10.0, 20.0)}),
        "drive": st.fixed_dictionaries({"max_voltage_V": st.floats(3.0, 60.0), "dac_bits": st.integers(6, 16)}),
        "detector": st.fixed_dictionaries({"adc_bits": st.integers(6, 14)}),
        "trim": st.fixed_dictionaries({"residual_pm": st.floats(0.0, 30.0)}),
    }
)


def made(spec, edits):
    for edit in edits:
        spec = applied(spec, edit)
        assert spec is not None, edit
    return spec


@given(design=broken_designs)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_any_refused_design_is_feasible_after_at_most_three_edits(demo, altered, design):
    # Necks are known of the demonstrator's film alone.
    spec = altered(demo, **design, ring={"neck_um": 0.0})
    report = check(spec)
    if report.feasible:
        assert report.edits == ()
        return
    assert 1 <= len(report.edits) <= 3
    mended = made(spec, report.edits)
    assert check(mended).feasible
    # No edit asks less of the chip.
    assert mended.ranking == spec.ranking
    assert mended.chip.rows * mended.chip.rings == spec.chip.rows * spec.chip.rings


def test_the_demonstrators_file_with_another_films_name_in_it_is_brought_to_that_film(demo, altered):
    # As a new user begins; no single key mends it.
    spec = altered(demo, process="ltoi300", ring={"neck_um": 0.0})
    report = check(spec)
    assert {"bend_radius", "electrode_gap", "tuning_range"} <= {found.rule for found in report.violations}
    mended = made(spec, report.edits)
    assert check(mended).feasible
    assert mended.ring.radius_um >= 100.0
    assert mended.ring.electrode_gap_um == 5.6
    assert mended.chip.rings == 8


def test_edits_change_no_more_than_is_needed(demo, altered):
    report = check(altered(demo, drive={"dac_bits": 8}))
    (edit,) = report.edits
    assert edit.keys == ("drive.dac_bits",)
    assert report.text().endswith(f"not feasible: 1 rule broken; feasible after this edit:\n  1. set {edit}")
    (edit,) = check(altered(demo, comb={"line_power_dBm": 10.0}, detector={"adc_full_scale_uA": 300.0})).edits
    assert edit.keys == ("comb.line_power_dBm",)


def test_edits_say_what_the_cure_of_a_single_broken_rule_says(demo, altered):
    # One row has all of the light: the edit went down to -9.5 dBm, the cure to the least that mends it.
    report = check(altered(demo, chip={"rows": 1}, detector={"adc_full_scale_uA": 400.0}))
    (found,), (edit,) = report.violations, report.edits
    assert edit == found.cures[0]
    assert edit.keys == ("comb.line_power_dBm",)
    assert -0.1 < edit.values[0] < demo.comb.line_power_dBm


def test_bends_with_ramps_are_made_so_wide_that_the_film_bears_their_middle(altered):
    sharp = altered(load_spec("demo_8x8"), ring={"radius_um": 24.0})
    result = check(sharp)
    assert "bend_radius" in {found.rule for found in result.findings if not found.passed}
    mended = made(sharp, result.edits)
    assert check(mended).feasible
    # No wider than that asks for, and the arm that undoes the mixing of TE and TM stays.
    assert mended.ring_designs[0].quarter.least_radius_um == pytest.approx(15.0, abs=0.01)
    assert mended.ring.arm_um == sharp.ring.arm_um
    sized = size_rings(sharp, voltages_V=[20.0]).keys
    assert sharp.ring.turn(sized["ring.radius_um"]).least_radius_um >= 15.0


def test_rows_are_taken_away_one_by_one_where_room_is_short(layouts):
    bank = ChipSpec.from_toml(layouts / "bank_32x256" / "spec.toml")
    large = made(bank, [Cure(("chip.rows",), (512,))])
    (found,) = (found for found in check(large).violations if found.rule == "die_area")
    (rows,) = (cure.values[0] for cure in found.cures if cure.keys == ("chip.rows",))
    assert 256 < rows < 512
    assert not die_area(made(large, [Cure(("chip.rows",), (rows + 1,))])).passed


def test_a_comb_on_the_itu_grid_stays_on_it(demo, altered):
    comb = demo.comb.model_dump() | {"first_itu_channel": 33, "spacing_GHz": 300.0}
    data = demo.model_dump() | {"comb": {k: v for k, v in comb.items() if k not in ("first_wl_nm", "spacing_nm")}}
    spec = ChipSpec.model_validate(data)
    report = check(spec)
    assert "band" in {found.rule for found in report.violations}
    mended = made(spec, report.edits)
    assert check(mended).feasible
    assert mended.comb.first_itu_channel == 33
    assert mended.comb.spacing_GHz % 25.0 == 0.0


def test_what_no_edit_mends_says_so_and_offers_the_longer_search(demo, altered):
    # No designer turns a ring's own random walk, and no refresh is that frequent.
    report = check(altered(demo, drift={"wander_pm_rthour": 5000.0}))
    assert report.edits == ()
    assert "no three edits mend them (--plan looks for more)" in report.text()
