"""The table of a guide's second TE mode: the film's own law in it, the solver behind it, bends in their limits."""

import numpy as np
import pytest

from prism_photonics.process.bends import load_bends
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.modes import load_modes
from prism_photonics.process.profile import load_profile
from prism_photonics.process.second_mode import FILMS, second_mode_table
from prism_photonics.process.solver.mesh import Grid
from prism_photonics.process.solver.second_mode import bends, couplings
from prism_photonics.process.solver.tables import stack_of

COARSE = Grid(near=0.12, growth=0.35, far=0.4, side=1.6, below=1.1, above=0.9)


@pytest.fixture(scope="module")
def table():
    return second_mode_table("tfln600")


def test_a_film_is_there_where_its_guide_holds_a_second_mode_well_above_its_slab():
    # ltoi300 holds it by 0.05 and its bends let it go.
    for film in ("tfln600", "lnoi400", "ltoi300"):
        way = load_bends(film).file.angle_deg["90"]
        assert (way.line_n_eff[0] - way.slab_n_eff > 0.1) == (film in FILMS) == (second_mode_table(film) is not None)


def test_te0_of_the_table_is_that_of_the_films_own_tables(table):
    profile, modes = load_profile("tfln600"), load_modes("tfln600")
    law, found = profile.gap_law, table.file.laws["first"]
    assert found.decay_um == pytest.approx(law.decay_um, rel=0.01)
    assert found.coupling_per_um == pytest.approx(law.at(found.gap_um), rel=0.04)
    (n0, g0), (n1, _) = table.indices(90.0)
    assert n0 == pytest.approx(modes.n_eff(1.4, 1.55, angle_deg=90.0), abs=1e-5)
    assert g0 == pytest.approx(modes.n_g(1.4, 1.55, angle_deg=90.0), abs=1e-3)
    assert n1 == pytest.approx(load_bends("tfln600").file.angle_deg["90"].line_n_eff[0], abs=1e-5)


def test_tails_fall_as_the_couplings_of_either_mode(table):
    decays = table.decay_1_um(table.beta_1_um)
    laws = (table.file.laws["first"].decay_um, table.second.decay_um)
    assert decays == pytest.approx(1.0 / np.array(laws), rel=0.02)


def test_bends_are_as_solved_at_the_nodes_and_straight_where_they_are_wide(table):
    for solved in table.file.bends:
        found = table.bend(solved.radius_um, 0.2)
        assert found.tail == pytest.approx(solved.tail["0.2"], rel=1e-12)
        assert found.beta_1_um * 1.55 / (2.0 * np.pi) == pytest.approx(solved.n_eff, rel=1e-12)
    wide = table.bend(1e6, 0.25)
    assert wide.tail == pytest.approx(np.ones(2), abs=1e-4)
    assert wide.beta_1_um == pytest.approx(table.beta_1_um, rel=1e-9)
    # What a bend adds to TE0's tail is in first order what leans to TE1, and some from the modes beyond.
    lean = 1.0 + table.lean_um / 60.0 * np.sqrt(table.file.gaps[0]["second"] / table.file.gaps[0]["first"])
    assert table.bend(60.0, 0.2).tail[0] == pytest.approx(lean, abs=0.03)


@pytest.mark.parametrize("film", FILMS)
def test_a_bend_in_a_table_holds_both_modes_each_near_its_own(film):
    film_table = second_mode_table(film)
    assert film_table is not None
    for bend in film_table.file.bends:
        assert bend.n_eff == pytest.approx(film_table.file.angle_deg["90"].n_eff, abs=0.015)
        assert min(min(tail) for tail in bend.tail.values()) > 1.0


def test_a_bend_that_lets_the_second_mode_go_is_in_no_table():
    profile = load_profile("tfln400")
    found = bends(stack_of(profile), crystal_named(profile.crystal), (30.0, 20.0), grid=COARSE)
    assert [bend["radius_um"] for bend in found] == [30.0]


def test_a_coarse_solve_gives_the_table(table):
    profile = load_profile("tfln600")
    stack, crystal = stack_of(profile), crystal_named(profile.crystal)
    found, kept = couplings(stack, crystal, 0.45, grid=COARSE), table.file.gaps[1]
    assert found["first"] == pytest.approx(kept["first"], rel=0.03)
    assert found["second"] == pytest.approx(kept["second"], rel=0.03)
    (bend,) = bends(stack, crystal, (30.0,), grid=COARSE)
    assert bend["tail"]["0.2"] == pytest.approx(table.file.bends[1].tail["0.2"], rel=0.02)
    assert bend["n_eff"] == pytest.approx(table.file.bends[1].n_eff, abs=2e-3)
