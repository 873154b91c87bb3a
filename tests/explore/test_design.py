"""From wishes comes a spec that keeps every rule; or the law that forbids it, and the change that makes it possible."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from prism_photonics.budget.feasibility import RULES, check
from prism_photonics.budget.headroom import least_headroom
from prism_photonics.budget.ring_margins import ring_demand
from prism_photonics.budget.second_mode import LEAST_DB, guides_turned
from prism_photonics.cli.app import app
from prism_photonics.explore.design import Design, design
from prism_photonics.explore.drawn_reach import drawn_reach
from prism_photonics.explore.laws import LAWS
from prism_photonics.explore.polish import ring_rooms, ring_slopes
from prism_photonics.explore.wishes import Wishes
from prism_photonics.spec import ChipSpec

STORY = {"dims": 6, "rows": 12, "process": "ltoi300", "itu_grid_GHz": 100.0, "encoding": "two_shot"}


@pytest.fixture(scope="module")
def story():
    """Six values by twelve blocks on lithium tantalate with lasers on the ITU grid, as a new user wishes it."""
    return design(STORY)


def test_a_new_users_wish_becomes_a_chip_that_keeps_every_rule(story):
    assert story.feasible
    assert check(story.spec).feasible
    spec = story.spec
    assert (spec.chip.rows, spec.chip.rings) == (12, 6)
    assert spec.comb.first_itu_channel is not None
    assert spec.comb.spacing_GHz % 100.0 == 0.0
    assert spec.process == "ltoi300"
    assert spec.ring.electrode_gap_um == 5.6
    assert least_headroom(spec, check(spec).findings)[0] >= 0.2


def test_guides_of_a_designed_chip_bend_as_wide_as_clothoids_ask(story, altered):
    film_um = story.spec.profile.film.min_bend_radius_um.value
    assert guides_turned(story.spec).loss_dB < LEAST_DB
    assert film_um < story.spec.waveguide.bend_radius_um <= 1.25 * film_um
    # In the film's least bend they would find no room.
    assert guides_turned(altered(story.spec, waveguide={"bend_radius_um": film_um})).loss_dB > 3.0 * LEAST_DB
    laws = {reason.key: reason.law for reason in story.reasons}
    assert "room for clothoids: 0.00077 dB to a row and back" in laws["waveguide.bend_radius_um"]


def test_a_design_whose_rib_holds_a_second_mode_ends_in_a_note_of_what_becomes_of_its_rings(story, circles):
    assert "\nnote " not in str(story)
    said = str(Design(story.wishes, replace(story.best, spec=circles))).splitlines()
    assert said[-1].startswith("note each straight between a ring's arcs")
    assert "turns whose curvature grows and falls mend it" in said[-1]
    assert "set ring.euler_p = 1.0 and ring.ramp = 'raised_cosine'" in said[-1]
    assert "(spoils " in said[-1]


def test_every_designed_number_says_its_law(story):
    laws = {reason.key: reason.law for reason in story.reasons}
    assert laws["chip.rows"] == "wished; the splitter tree has 16 outputs"
    assert "ITU grid of 100 GHz" in laws["comb.spacing_GHz"]
    assert "FSR" in laws["chip.buses"]
    assert "FWHM" in laws["ring.gap_through_um"]
    assert all(laws.values())
    assert "feasible; least headroom" in str(story)
    assert json.loads(json.dumps(story.to_json(), allow_nan=False))["feasible"]


def test_the_written_spec_is_the_designed_one_with_its_laws_as_comments(story, tmp_path):
    path = story.write(tmp_path / "mine.toml")
    assert ChipSpec.from_toml(path) == story.spec
    assert "# middle of the detunings" in path.read_text()
    table = (tmp_path / "mine_tradeoff.csv").read_text().splitlines()
    assert table[0].startswith("max_voltage_V,headroom")
    assert len(table) == 1 + len(story.tradeoff)


def test_more_drive_reaches_more_and_the_trade_off_says_what_binds(story):
    reach = [point.reach for point in story.tradeoff]
    assert reach == sorted(reach)
    assert reach[0] == 0.0 < story.spec.ranking.weight_limit < reach[-1]
    assert {point.rule for point in story.tradeoff} <= set(LAWS)


def test_every_rule_has_its_law(demo):
    assert {rule(demo).rule for rule in RULES} == set(LAWS)


def test_the_slopes_along_which_rings_are_polished_are_the_exact_ones(demo):
    demand, at = ring_demand(demo), np.array([0.42, 25.0, 3.0])

    def rooms(x):
        return ring_rooms(demo, demand, x, jnp)

    assert ring_rooms(demo, demand, at) == pytest.approx(np.asarray(rooms(at)), rel=1e-6)
    exact = np.asarray(jax.jit(jax.jacfwd(rooms))(at))
    assert ring_slopes(demo, demand, at) == pytest.approx(exact, rel=1e-6, abs=1e-7)


@pytest.mark.slow
def test_a_5_V_drive_is_refused_by_V_pi_L_and_the_change_that_is_named_does():
    asked = {"dims": 2, "rows": 4, "process": "tfln600", "max_voltage_V": 5.0, "encoding": "two_shot"}
    found = design(asked)
    assert not found.feasible
    assert any("V_πL" in law for law in found.forbidden_by)
    assert "possible with any of" in str(found)
    assert check(found.spec).feasible
    named = {key for change in found.changes for key in change.wishes}
    # Rings of arcs would do with finer trimming; those that keep their light in its mode are tuned less.
    assert named == {"max_voltage_V"}
    # Whoever wishes so gets a chip.
    relaxed = design(found.relaxed)
    assert relaxed.feasible
    assert check(relaxed.spec).feasible


@pytest.mark.slow
def test_long_racetracks_make_a_chip_of_half_the_reach_for_5_V_on_the_film_that_takes_most_drive():
    found = design(dims=4, rows=4, process="tfln600", max_voltage_V=5.0, weight_limit=0.5)
    assert found.feasible
    assert check(found.spec).feasible
    assert found.spec.drive.max_voltage_V == 5.0
    # Lines that fill the range of a circle would leave them none.
    assert found.spec.ring.arm_um > 200.0
    assert drawn_reach(found.spec).passed


wished = st.fixed_dictionaries(
    {
        "dims": st.sampled_from((1, 2, 3, 8)),
        "rows": st.integers(1, 40),
        "process": st.sampled_from(("tfln600", "ltoi300", "lnoi400")),
        "encoding": st.sampled_from(("offset", "two_shot", "dual_rail")),
        "weight_limit": st.floats(0.3, 0.95),
        "residual_pm": st.floats(0.0, 40.0),
        "max_voltage_V": st.floats(1.0, 60.0),
        "most_line_power_dBm": st.floats(-10.0, 20.0),
        "required_snr_dB": st.floats(5.0, 30.0),
    }
)


@pytest.mark.slow
@given(wishes=wished)
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_any_wishes_end_in_a_feasible_spec_or_in_a_law_and_a_change_that_makes_one(wishes):
    found = design(wishes)
    assert check(found.spec).feasible
    if not found.feasible:
        assert found.forbidden_by
        assert found.changes[0].wishes
        assert found.relaxed != Wishes.of(wishes)


def test_the_command_writes_spec_table_and_figure(tmp_path):
    out = tmp_path / "spec.toml"
    run = CliRunner().invoke(
        app,
        ["design", "--channels", "2", "--rows", "3", "--process", "lnoi400", "--encoding", "two_shot", "-o", str(out)],
    )
    assert run.exit_code == 0, run.output
    report = check(ChipSpec.from_toml(out))
    assert report.feasible
    assert not any("bends of" in line for line in report.warnings)
    assert (tmp_path / "spec_tradeoff.svg").read_text().lstrip().startswith("<?xml")
    assert (tmp_path / "spec_tradeoff.csv").is_file()
    assert "wished; the splitter tree has 4 outputs" in run.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--channels", "2", "--rows", "3"], "missing wish 'process'"),
        (["--channels", "2", "--rows", "3", "--process", "lnoi400", "--itu-grid", "wide"], "no number of GHz"),
        (["no_such.toml"], "cannot read the wishes"),
    ],
)
def test_the_command_refuses_bad_wishes_in_one_line(arguments, said):
    run = CliRunner().invoke(app, ["design", *arguments])
    assert run.exit_code == 2
    assert said in run.output
    assert run.output.count("\n") == 1
