"""What bends turn to other modes is told, with what mends it, and is what the law of bends says."""

import numpy as np
import pytest

from prism_photonics.budget.cures import applied
from prism_photonics.budget.feasibility import check, judged
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.ring_modes import mixed_rings
from prism_photonics.budget.second_mode import (
    arm_turned,
    bend_warnings,
    guides_turned,
    keeps_its_mode,
    smooth_cure,
    straights_turned,
)
from prism_photonics.circuit.params import designed_feed
from prism_photonics.lightpath.waveguide.design import UTurnDesign
from prism_photonics.lightpath.waveguide.turned import bends_dB, best_euler_p
from prism_photonics.process.bends import load_bends
from prism_photonics.spec import load_spec
from prism_photonics.spec.geometry import euler_p, quarters, tree_branches, uturn_design


def arcs(altered, demo):
    return altered(demo, waveguide={"euler_p": 0.0})


def test_a_rows_way_in_is_two_bends_a_level_and_its_way_back_one_half_turn(demo, altered):
    found = guides_turned(arcs(altered, demo))
    one = bends_dB(demo.profile, UTurnDesign(demo.waveguide.bend_radius_um))
    assert found.feed_dB == pytest.approx(3 * 2 * one)
    assert found.return_dB == pytest.approx(one)
    assert guides_turned(altered(demo, waveguide={"euler_p": 0.0}, detector={"sides": "both"})).return_dB == 0.0
    two = guides_turned(altered(demo, waveguide={"euler_p": 0.0}, chip={"buses": 2}))
    assert two.feed_dB == pytest.approx(4 * 2 * one)


def test_arcs_are_told_and_the_clothoid_that_is_named_mends_them(demo, altered):
    said = bend_warnings(arcs(altered, demo))[0]
    assert "bends of 30 µm turn 1.2 dB" in said
    best = best_euler_p(demo.profile, 30.0)
    assert f"waveguide.euler_p = {best:g}, as without the key, leaves 0.011 dB" in said
    smooth = altered(demo, waveguide={"euler_p": best})
    assert guides_turned(smooth).loss_dB < 0.02
    assert not any("bends of 30 µm" in line for line in bend_warnings(smooth))
    assert check(smooth).feasible == check(demo).feasible
    assert said in check(arcs(altered, demo)).warnings


def test_where_a_clothoid_would_be_too_sharp_wider_bends_are_named(demo, altered):
    film = demo.profile.film.min_bend_radius_um.value
    narrow = altered(demo, waveguide={"bend_radius_um": film, "euler_p": 0.0})
    assert best_euler_p(demo.profile, film) == euler_p(altered(narrow, waveguide={"euler_p": None})) == 0.0
    assert "raise waveguide.bend_radius_um" in bend_warnings(narrow)[0]


def test_a_rings_straight_turns_as_much_as_its_missing_curvature(circles):
    # 4·c²·sin²(π·s/beat) of one line, c² a junction's share.
    table, ring = load_bends(circles.process), circles.ring_designs[0]
    way = table.file.angle_deg["90"]
    beats = [(way.n_eff - n) * ring.straight_um / table.file.wl_um for n in way.line_n_eff]
    closed = sum(
        4.0 * (a / ring.radius_um) ** 2 * np.sin(np.pi * beat) ** 2 for a, beat in zip(way.line_um, beats, strict=True)
    )
    assert max(straights_turned(circles)) >= straights_turned(circles)[0] == pytest.approx(closed, rel=1e-3)


def test_rings_whose_straights_turn_much_are_told_and_others_are_not(circles, altered):
    (said,) = [line for line in check(circles).warnings if "each straight" in line]
    assert "turns 9 to 11 % of the ring's light" in said
    mixed = mixed_rings(circles)
    assert f"lines come out {mixed.linewidth.mean():.2g} times as broad as designed" in said
    assert f"dips keep {mixed.through.mean():.2f} of the light where {mixed.designed_through:.2g} is " in said
    assert f"and {100.0 * mixed.spoiled:.2g} % of the rings less than half of their range" in said
    # The cures that it names are some.
    cure = smooth_cure(circles, judged)
    assert f"turns whose curvature grows and falls mend it: set {cure}; so do rings of 100 µm" in said
    assert {"ring.euler_p", "ring.ramp", "ring.radius_um", "ring.arm_um", "ring.neck_um"} <= set(cure.keys)
    smooth = applied(circles, cure)
    (left,) = check(smooth).warnings
    assert left.startswith("on films 2 nm rms off")  # no ring of this film is without it
    assert mixed_rings(smooth).spoiled == 0.0
    assert set(cure.spoils) == {found.rule for found in check(smooth).violations}
    wide = altered(
        circles, ring={"radius_um": 100.0, "straight_um": load_bends(circles.process).beat_um, "pitch_um": 400.0}
    )
    assert mixed_rings(wide).linewidth.mean() < 1.2
    assert mixed_rings(wide).spoiled == 0.0
    assert not any("each straight" in line for line in bend_warnings(wide))
    # A circle has no straight that turns, and is told all the same.
    circle = altered(circles, ring={"straight_um": 0.0})
    shortest = min(ring.straight_um for ring in circle.ring_designs)
    assert shortest < 0.8
    assert any("of the rings less than half of their range" in line for line in bend_warnings(circle))
    gentle = altered(circles, ring={"radius_um": 200.0, "pitch_um": 600.0})
    assert not any("each straight" in line for line in bend_warnings(gentle))
    assert max(straights_turned(gentle)) < 0.02 * max(straights_turned(circles))


def test_wide_circles_are_cured_by_turns_no_longer_than_they_are(circles, altered):
    """From 60 µm on the least arm that undoes TM was 205 µm long, and left half of the free spectral range."""
    wide = altered(circles, ring={"radius_um": 60.0, "pitch_um": 400.0}, comb={"spacing_nm": 0.3})
    cure = smooth_cure(wide)
    made = applied(wide, cure)
    assert keeps_its_mode(made)
    assert made.ring.arm_um < 30.0
    assert ring_figures(made).fsr_nm > ring_figures(wide).fsr_nm
    # Lines stay about as broad.
    assert ring_figures(made).fwhm_pm == pytest.approx(ring_figures(wide).fwhm_pm, rel=0.1)


@pytest.mark.parametrize("arm_um", [0.0, 30.0])
def test_where_no_such_turns_are_found_the_remark_names_none(circles, altered, monkeypatch, arm_um):
    monkeypatch.setattr("prism_photonics.budget.second_mode.smooth_cure", lambda spec, judge: None)
    (said,) = [line for line in bend_warnings(altered(circles, ring={"arm_um": arm_um})) if "each straight" in line]
    assert "curvature" not in said
    assert "; ;" not in said
    assert not said.endswith("; ")


def test_the_wide_rings_that_the_remark_names_make_a_chip_that_keeps_every_rule(circles, altered):
    ring = {"radius_um": 100.0, "straight_um": 10.27, "pitch_um": 400.0, "gap_through_um": 0.44, "gap_drop_um": 0.44}
    comb = {"spacing_nm": 0.19, "first_wl_nm": 1549.3}
    report = check(altered(circles, ring=ring | {"lobe_half_angle_deg": 70.0}, comb=comb))
    assert report.feasible
    assert not any("each straight" in line for line in report.warnings)


def test_a_film_whose_bends_let_the_second_mode_go_is_told_to_shorten_its_straights(altered):
    long = altered(load_spec("single_mode_8x8"), ring={"straight_um": 3.0, "gap_through_um": 0.75, "gap_drop_um": 0.75})
    (said,) = [line for line in bend_warnings(long) if "each straight" in line]
    assert "straight guides hold them, bends let them go; shorten ring.straight_um" in said
    assert "racetrack" not in said


def test_the_arms_of_a_racetrack_turn_light_as_its_coupling_straights_do(circles, altered):
    assert arm_turned(circles) == 0.0
    long = altered(circles, ring={"arm_um": 60.0})
    # Two junctions of light along layout y, over all phases between them: 2·(a/R)² of each line.
    lines_um = load_bends(circles.process).file.angle_deg["0"].line_um
    assert arm_turned(long) == pytest.approx(2.0 * sum((a / circles.ring.radius_um) ** 2 for a in lines_um), rel=1e-9)
    (said,) = [line for line in bend_warnings(long) if "each straight" in line]
    assert "twice a turn, and each arm of 60 µm 9.9 % in the mean, where both couplers" in said
    # No straight is the worst of all for the couplers of such a rib: it is no cure here.
    assert "of racetracks of arcs no model has them; turns whose curvature grows and falls mend it" in said
    assert "shorten" not in said
    assert not any("each arm" in line for line in bend_warnings(circles))


def test_a_clothoid_that_a_spec_states_may_not_be_sharper_than_the_film_bears(demo, altered):
    def rule(**keys):
        (found,) = [one for one in check(altered(demo, waveguide=keys)).findings if one.rule == "bend_radius"]
        return found

    assert rule(bend_radius_um=19.0).passed
    sharp = rule(bend_radius_um=19.0, euler_p=1.0)
    assert not sharp.passed
    assert sharp.value == pytest.approx(UTurnDesign(19.0, euler_p=1.0).quarter.least_radius_um)
    assert "10.2 µm between its clothoids" in sharp.explain


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8])
def test_the_row_with_the_most_bends_is_one_that_is_drawn_and_its_light_has_lost_as_much(demo, altered, rows):
    def feed_dB(spec):
        return -20.0 * np.log10(np.asarray(designed_feed(spec, xp=np).amplitude).min())

    for buses in (1, 2):
        arcs, smooth = (
            altered(demo, chip={"rows": rows, "buses": buses}, waveguide={"euler_p": p, "loss_dB_cm": 0.0})
            for p in (0.0, 0.3)
        )
        most = max(quarters(arcs, way) for way in tree_branches(arcs))
        assert guides_turned(arcs).feed_dB == pytest.approx(most * bends_dB(arcs.profile, uturn_design(arcs)))
        turned_dB = guides_turned(arcs).feed_dB - guides_turned(smooth).feed_dB
        assert feed_dB(arcs) - feed_dB(smooth) == pytest.approx(turned_dB, abs=1e-12)
