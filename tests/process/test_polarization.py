"""How much light a bend turns from TE to TM: laws of the half turn, and what the film's mode table says of it."""

from itertools import pairwise

import numpy as np
import pytest

from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.modes import load_modes
from prism_photonics.process.polarization import (
    bend_coupling_per_um,
    conversion_on_film_rad,
    films_farther_apart,
    half_turn_conversion_rad,
    index_apart,
    most_converted_rad,
    tm_table,
    unmixing_arm_um,
)

WL = np.array([1.55])


@pytest.fixture(scope="module")
def table():
    return load_modes("tfln600")


def converted(table, radius_um, arm_um=0.0, width_um=1.4, turn=None):
    turn = turn or QuarterTurn(radius_um)
    return float(np.sin(half_turn_conversion_rad(table, WL, width_um=width_um, turn=turn, arm_um=arm_um)[0]) ** 2)


def test_the_bends_coupling_goes_as_one_over_the_radius(table):
    # At the table's radii, between them, and beyond.
    radii = (10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 500.0)
    across = [radius * bend_coupling_per_um(table, radius, 90.0) for radius in radii]
    assert across == pytest.approx([0.305] * len(radii), rel=0.03)
    # Where TE and TM nearly meet the bent modes lie further apart than the straight ones, and less simply.
    along = [radius * bend_coupling_per_um(table, radius, 0.0) for radius in (20.0, 30.0, 40.0, 60.0)]
    assert along == pytest.approx([0.25] * 4, rel=0.1)


def test_a_half_turn_of_20_um_converts_the_four_percent_that_the_modes_page_estimates(table):
    assert converted(table, 20.0) == pytest.approx(0.037, abs=0.004)


def test_straight_along_crystal_y_nothing_converts(table):
    assert converted(table, 1e6, arm_um=200.0) < 1e-6


@pytest.mark.parametrize("radius_um", [15.0, 20.0, 40.0])
def test_an_arm_after_which_the_two_quarter_turns_cancel_converts_least(table, radius_um):
    arms = np.arange(0.0, 80.0, 2.0)
    share = [converted(table, radius_um, float(arm)) for arm in arms]
    assert min(share) < 0.005 * share[0]


def test_two_quarter_turns_convert_as_coupled_mode_theory_integrated_step_by_step_does(table):
    """A second road: scipy's integrator through the same local modes, with no palindrome and no exact step."""
    from scipy.integrate import solve_ivp

    radius_um, arm_um = 20.0, 17.0
    along_y, along_x = (bend_coupling_per_um(table, radius_um, angle) for angle in (0.0, 90.0))
    grid = np.linspace(0.0, 90.0, 2001)
    te, tm = (np.asarray(table.n_eff(1.4, 1.55, angle_deg=grid, polarization=mode)) for mode in ("TE", "TM"))
    quarter_um = 0.5 * np.pi * radius_um

    def slope(s_um, fields):
        into_um = np.clip(s_um, 0.0, quarter_um) + np.clip(s_um - quarter_um - arm_um, 0.0, quarter_um)
        angle_deg = abs(90.0 - np.degrees(into_um / radius_um))
        straight = quarter_um < s_um < quarter_um + arm_um
        sin2 = np.sin(np.radians(angle_deg)) ** 2
        mixing = 0.0 if straight else along_y + (along_x - along_y) * sin2
        apart = np.pi * np.interp(angle_deg, grid, te - tm) / 1.55
        return 1j * np.array([apart * fields[0] + mixing * fields[1], mixing * fields[0] - apart * fields[1]])

    start = np.array([1.0 + 0j, 0.0])
    for stop_um in (quarter_um, quarter_um + arm_um, 2.0 * quarter_um + arm_um):
        begin_um = stop_um - (arm_um if stop_um == quarter_um + arm_um else quarter_um)
        start = solve_ivp(slope, (begin_um + 1e-9, stop_um - 1e-9), start, rtol=1e-9, atol=1e-11).y[:, -1]
    assert abs(start[1]) ** 2 == pytest.approx(converted(table, radius_um, arm_um), rel=1e-3)


def test_where_tm_runs_slower_than_te_along_y_bends_mix_as_much_and_the_arm_that_undoes_it_is_one():
    """Of the narrow rib TE and TM cross on the way from bus to bus: the second road is `benchmarks/narrow_rib.py`."""
    narrow = load_modes("tfln600_narrow")
    at = {"angle_deg": 0.0}
    assert narrow.n_eff(0.8, 1.55, polarization="TM", **at) > narrow.n_eff(0.8, 1.55, **at)
    assert bend_coupling_per_um(narrow, 20.0, 0.0) > 0.0
    for radius_um, turned in ((20.0, 0.0448), (25.0, 0.0416)):
        # There of the bend's own modes at seven directions; here g comes from two, and the indices from straight ribs.
        assert converted(narrow, radius_um, width_um=0.8) == pytest.approx(turned, rel=0.25)
    arm_um = unmixing_arm_um(narrow, 1.55, width_um=0.8, turn=QuarterTurn(20.0))
    assert arm_um > 0.0
    assert converted(narrow, 20.0, arm_um, width_um=0.8) < 1e-6


@pytest.mark.parametrize("turn", [QuarterTurn(40.4, 1.0, True), QuarterTurn(30.0, 0.7)], ids=["raised", "clothoid"])
def test_turns_of_growing_curvature_convert_as_scipys_integrator_has_it_and_an_arm_undoes_it(table, turn):
    """The same second road, along a curve of which only the curvature is known."""
    from scipy.integrate import solve_ivp

    steps = 20_000
    way = (np.arange(steps) + 0.5) / steps * turn.length_um
    curvature = turn.curvature_1_um(steps)
    angle = 90.0 - np.degrees(turn.angle_rad(way))
    grid = np.linspace(0.0, 90.0, 2001)
    te, tm = (np.asarray(table.n_eff(1.4, 1.55, angle_deg=grid, polarization=mode)) for mode in ("TE", "TM"))
    along_y, along_x = (bend_coupling_per_um(table, 1.0 / curvature, one) for one in (0.0, 90.0))
    mixing = along_y + (along_x - along_y) * np.sin(np.radians(angle)) ** 2
    apart = np.pi / 1.55 * np.interp(angle, grid, te - tm)
    apart_on_arm = np.pi / 1.55 * (te - tm)[0]

    def mixed(arm_um):
        def slope(s, fields):
            # Down to layout y, along the arm, and the mirrored way back.
            at = s if s < turn.length_um else max(0.0, 2.0 * turn.length_um + arm_um - s)
            on_arm = turn.length_um <= s <= turn.length_um + arm_um
            delta, g = (apart_on_arm, 0.0) if on_arm else (np.interp(at, way, apart), np.interp(at, way, mixing))
            return 1j * np.array([delta * fields[0] + g * fields[1], g * fields[0] - delta * fields[1]])

        fields = np.array([1.0 + 0j, 0.0])
        ends = (0.0, turn.length_um, turn.length_um + arm_um, 2.0 * turn.length_um + arm_um)
        for begin, stop in pairwise(ends):
            if stop > begin:
                fields = solve_ivp(slope, (begin + 1e-9, stop - 1e-9), fields, rtol=1e-7, atol=1e-9).y[:, -1]
        return abs(fields[1]) ** 2

    arm_um = unmixing_arm_um(table, 1.55, width_um=1.4, turn=turn)
    assert mixed(0.0) == pytest.approx(converted(table, 0.0, turn=turn), rel=5e-3)
    assert mixed(arm_um) < 1e-4
    assert converted(table, 0.0, arm_um, turn=turn) < 1e-9


@pytest.mark.parametrize("radius_um", [36.7, 40.4, 48.0])
def test_on_the_thin_film_bends_that_grow_convert_nothing_that_shows_at_any_arm_and_on_any_film(table, radius_um):
    thin, turn = load_modes("tfln400"), QuarterTurn(radius_um, 1.0, True)
    most = most_converted_rad(thin, 1.55, width_um=1.2, turn=turn)
    assert most < 0.004
    assert most < 0.015 * most_converted_rad(table, 1.55, width_um=1.4, turn=turn)
    off_nm = np.array([-8.0, -4.0, 0.0, 4.0, 8.0])
    for arm_um in (0.0, 5.0, 12.0):
        at = {"width_um": np.full(5, 1.2), "thicker_nm": off_nm, "turn": turn, "arm_um": arm_um}
        found = conversion_on_film_rad(thin, np.full(5, 1.55), **at)
        # The film's own slope moves what is most at any arm, too.
        assert np.abs(found).max() < 1.5 * most
        assert np.ptp(found) < 0.003


def test_the_most_that_any_arm_converts_is_the_largest_of_many_arms(table):
    turn = QuarterTurn(40.4, 1.0, True)
    share = [converted(table, 40.4, float(arm), turn=turn) for arm in np.arange(0.0, 205.0, 5.0)]
    most = np.sin(most_converted_rad(table, 1.55, width_um=1.4, turn=turn)) ** 2
    assert max(share) == pytest.approx(most, rel=0.01)
    assert max(share) <= most * (1.0 + 1e-9)


def test_a_film_is_a_cure_where_te_and_tm_lie_three_times_as_far_apart():
    assert films_farther_apart("tfln600") == [("tfln400", index_apart("tfln400"))]
    assert index_apart("tfln400") > 10.0 * index_apart("tfln600") > 0.05
    assert films_farther_apart("tfln400") == []


@pytest.mark.parametrize("film", ["lnoi400", "ltoi300"])
def test_films_whose_tm_leaks_have_no_second_polarisation(film):
    assert tm_table(film) is None
    assert tm_table("tfln600") is not None
