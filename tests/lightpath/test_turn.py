"""Quarter turns that clothoids lead into and out of: gdsfactory's, as long as drawn, none too sharp."""

import math
from dataclasses import replace

import gdsfactory as gf
import jax
import jax.numpy as jnp
import kfactory as kf
import klayout.db as kdb
import numpy as np
import pytest

from prism_photonics.layout.measure import measure_um
from prism_photonics.lightpath.drawing import CHORD_ERROR_UM
from prism_photonics.lightpath.sizes import require_film, require_sizes
from prism_photonics.lightpath.waveguide.cell import branch, uturn
from prism_photonics.lightpath.waveguide.design import BranchDesign, QuarterTurn, UTurnDesign
from prism_photonics.lightpath.waveguide.turned import (
    CLOTHOIDS,
    ENOUGH,
    MORE,
    bends_dB,
    bends_passed,
    best_euler_p,
    quarter_turned,
)
from prism_photonics.process.layers import LAYERS
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.units import InputError

SHARES = (0.2, 0.5, 1.0)


@pytest.fixture
def kcl(request: pytest.FixtureRequest) -> kf.KCLayout:
    return kf.KCLayout(request.node.name)


def region(cell: gf.Component, layer: tuple[int, int]) -> kdb.Region:
    return kdb.Region(cell.kdb_cell.begin_shapes_rec(cell.kcl.layer(*layer))).merged()


@pytest.mark.parametrize("euler_p", SHARES)
def test_a_turn_is_gdsfactorys_with_the_same_ends(euler_p):
    gf.gpdk.PDK.activate()
    theirs = gf.path.euler(radius=30.0, angle=90.0, p=euler_p, use_eff=True, npoints=20_000)
    ours = QuarterTurn(30.0, euler_p)
    points_um, angle = ours.points_um(400)
    assert ours.length_um == pytest.approx(theirs.length(), abs=1e-3)
    assert points_um[-1] == pytest.approx([30.0, 30.0], abs=1e-4)
    assert points_um[200] == pytest.approx(theirs.points[len(theirs.points) // 2], abs=5e-3)
    assert angle[[0, 200, 400]] == pytest.approx(np.radians([0.0, 45.0, 90.0]), abs=1e-6)


@pytest.mark.parametrize("euler_p", [0.0, *SHARES])
def test_a_turns_curvature_adds_up_to_a_right_angle_and_is_largest_in_its_middle(euler_p):
    turn = QuarterTurn(30.0, euler_p)
    curvature = turn.curvature_1_um(4000)
    assert curvature.sum() * turn.length_um / 4000 == pytest.approx(math.pi / 2.0, rel=1e-6)
    assert curvature.max() == pytest.approx(1.0 / turn.least_radius_um, rel=1e-3)
    points_um, _ = turn.points_um(4000)
    assert np.hypot(*np.diff(points_um, axis=0).T).sum() == pytest.approx(turn.length_um, rel=1e-6)
    # Symmetric about its middle, so that light runs as far along x as along y.
    assert points_um[::-1] == pytest.approx(30.0 - points_um[:, ::-1], abs=1e-5)


def test_without_clothoids_a_turn_is_the_arc():
    arc = QuarterTurn(30.0)
    assert (arc.length_um, arc.least_radius_um) == (0.5 * math.pi * 30.0, 30.0)
    assert QuarterTurn(30.0, 1e-4).length_um == pytest.approx(arc.length_um, rel=1e-4)
    assert UTurnDesign(30.0).lengths.bend_um == math.pi * 30.0


@pytest.mark.parametrize("euler_p", SHARES)
@pytest.mark.parametrize("dy_um", [82.4, -82.4, 60.0])
def test_a_branch_with_clothoids_is_as_long_as_its_design_says(kcl, dy_um, euler_p):
    design = BranchDesign(80.0, dy_um, 30.0, euler_p=euler_p)
    cell = branch(design, kcl=kcl)
    rib, slab = region(cell, LAYERS.ridge), region(cell, LAYERS.slab)
    assert rib.count() == slab.count() == 1
    assert rib.area() / 1e6 / 1.4 == pytest.approx(design.lengths.total_um, rel=1e-4)
    assert measure_um("branch", rib, kdb.Region(), {})["dy_um"] == dy_um
    # Two rounded corners and two chords may lie as far off.
    assert rib.width_check(round(1400 - 2e3 * CHORD_ERROR_UM - 2), False, kdb.Metrics.Euclidian, 80.0).is_empty()
    assert (rib - slab).is_empty()


@pytest.mark.parametrize("euler_p", SHARES)
def test_a_uturn_with_clothoids_is_as_long_as_its_design_says(kcl, euler_p):
    design = UTurnDesign(30.0, euler_p=euler_p)
    cell = uturn(design, kcl=kcl)
    rib = region(cell, LAYERS.ridge)
    assert rib.area() / 1e6 / 1.4 == pytest.approx(design.lengths.bend_um, rel=1e-4)
    assert measure_um("uturn", rib, kdb.Region(), {}) == {"radius_um": 30.0, "width_um": 1.4}
    assert (rib - region(cell, LAYERS.slab)).is_empty()
    # It stays in the arc's box.
    assert rib.bbox() == region(uturn(UTurnDesign(30.0), kcl=kcl), LAYERS.ridge).bbox()


def test_a_turn_that_is_too_sharp_in_its_middle_is_refused_with_the_radius_that_is_not():
    film = load_profile("tfln600")
    sharp = UTurnDesign(20.0, euler_p=1.0)
    with pytest.raises(
        InputError, match=r"uturn: radius_um = 20; want at least 28\.052, the least radius of .* it is 10\.69"
    ):
        require_film("uturn", sharp, film)
    require_film("uturn", replace(sharp, radius_um=28.052), film)
    for euler_p in (-0.1, 1.1, math.nan):
        with pytest.raises(InputError, match="euler_p"):
            require_sizes("branch", BranchDesign(80.0, 80.0, 30.0, euler_p=euler_p))


@pytest.mark.parametrize("film", profile_names())
def test_the_solver_says_which_clothoid_and_it_turns_least(film):
    profile = load_profile(film)
    for times in (1.0, 2.0):
        radius_um = times * profile.film.min_bend_radius_um.value
        best = QuarterTurn(radius_um, best_euler_p(profile, radius_um))
        arc = QuarterTurn(radius_um)
        assert best.least_radius_um >= profile.film.min_bend_radius_um.value
        assert quarter_turned(profile, best).most <= quarter_turned(profile, arc).most
        if times == 2.0:
            assert quarter_turned(profile, best).most <= ENOUGH < quarter_turned(profile, arc).most


def test_a_bend_with_little_room_takes_the_clothoid_that_turns_least():
    # An arc of 18 µm turns less than twice what the sharpest clothoid does that the film bears: a quarter of a dB more.
    film = load_profile("tfln600")
    for radius_um in (17.0, 18.0, 19.0):
        borne = [turn for p in CLOTHOIDS if (turn := QuarterTurn(radius_um, p)).least_radius_um >= 15.0]
        best = quarter_turned(film, QuarterTurn(radius_um, best_euler_p(film, radius_um))).most
        assert best <= min(quarter_turned(film, turn).most for turn in borne) + MORE


def test_a_half_turn_of_arcs_has_two_ends_and_every_other_bend_has_its_own():
    film = load_profile("tfln600")
    one = -10.0 * math.log10(1.0 - quarter_turned(film, QuarterTurn(30.0)).mean)
    assert bends_dB(film, UTurnDesign(30.0)) == pytest.approx(one)
    assert bends_dB(film, BranchDesign(80.0, 80.0, 30.0)) == pytest.approx(2.0 * one)
    smooth = -10.0 * math.log10(1.0 - quarter_turned(film, QuarterTurn(30.0, 0.3)).mean)
    assert bends_dB(film, UTurnDesign(30.0, euler_p=0.3)) == pytest.approx(2.0 * smooth)


def test_what_a_bend_of_a_traced_radius_passes_has_the_gradient_of_differences():
    film = load_profile("tfln600")

    def passed(radius_um, xp=jnp):
        return bends_passed(film, UTurnDesign(radius_um, euler_p=0.3), xp)

    step = 1e-3
    difference = (passed(28.0 + step, np) - passed(28.0 - step, np)) / (2.0 * step)
    assert float(jax.jit(passed)(28.0)) == pytest.approx(float(passed(28.0, np)), rel=1e-9)
    assert float(jax.grad(passed)(28.0)) == pytest.approx(difference, rel=1e-4)
    for euler_p in (0.0, 0.3):
        design = UTurnDesign(30.0, euler_p=euler_p)
        jitted, length_um = jax.jit(
            lambda p: (bends_passed(film, d := UTurnDesign(30.0, euler_p=p), jnp), d.lengths.bend_um)
        )(euler_p)
        assert float(jitted) == pytest.approx(float(bends_passed(film, design)), rel=1e-9)
        assert float(length_um) == pytest.approx(design.lengths.bend_um, rel=1e-12)


@pytest.mark.parametrize(("euler_p", "least_um"), [(0.5, 84.976), (1.0, 112.206)])
def test_the_kits_bends_of_80_um_are_too_sharp_in_their_middle_for_its_own_film(euler_p: float, least_um: float):
    """`bend_euler` and `L_turn_bend` of lnoi400 2.1.1 as they are by default."""
    film = load_profile("lnoi400")
    with pytest.raises(InputError, match=f"want at least {least_um:g}, the least radius of lnoi400"):
        require_film("uturn", UTurnDesign(80.0, width_um=1.0, euler_p=euler_p), film)
    require_film("uturn", UTurnDesign(math.ceil(least_um), width_um=1.0, euler_p=euler_p), film)
