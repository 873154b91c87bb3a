"""A trench between sloping walls is narrower at its foot, and flatter walls close it."""

import math

import pytest

from prism_photonics.process.layers import load_deck
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.process.trench import closing_wall_deg, foot_um, least_gap_um


def test_the_flagships_gap_leaves_36_nm_at_its_foot():
    tfln = load_profile("tfln600")
    assert foot_um(tfln, 0.40) == pytest.approx(0.036, abs=5e-4)
    assert closing_wall_deg(tfln, 0.40) == pytest.approx(68.2, abs=0.05)


@pytest.mark.parametrize("name", profile_names())
def test_a_gap_whose_closing_angle_is_the_films_own_has_no_foot(name: str):
    profile = load_profile(name)
    assert foot_um(profile, profile.least_gap_um) == 0.0
    assert closing_wall_deg(profile, profile.least_gap_um) == pytest.approx(profile.film.wall_deg.value)
    wider = profile.least_gap_um + 0.1
    assert math.tan(math.radians(closing_wall_deg(profile, wider))) == pytest.approx(
        2.0 * profile.film.etch_um.value / wider
    )


def test_the_least_gap_is_the_rules_or_the_walls_whichever_is_wider():
    profile = load_profile("tfln600")
    assert least_gap_um(profile) == load_deck("tfln600").value_um("ridge_space") > profile.least_gap_um
    flatter = profile.film.model_copy(update={"wall_deg": profile.film.wall_deg.model_copy(update={"value": 60.0})})
    assert least_gap_um(profile.model_copy(update={"film": flatter})) == pytest.approx(2.0 * 0.5 / math.sqrt(3.0))
