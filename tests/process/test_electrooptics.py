"""An X-cut ring tunes where its field points along z, and an electrode all the way round tunes nothing."""

import math
from dataclasses import replace

import pytest

from prism_photonics.process.electrooptics import (
    Arc,
    PockelsTensor,
    Segment,
    coverage,
    coverage_of_path,
    effective_pockels_pm_V,
    racetrack,
    racetrack_coverage,
    tuning_pm_V,
    two_lobes,
    vpil_single_V_cm,
    z_cut_coverage,
)
from prism_photonics.units import InputError

LN = PockelsTensor(r33_pm_V=30.9, r13_pm_V=9.6, r51_pm_V=32.6, r22_pm_V=6.7)


def test_a_concentric_electrode_tunes_nothing():
    assert coverage((Arc(-180.0, 180.0, 1),), LN) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize(("half_angle_deg", "expected"), [(60.0, 0.374), (90.0, 0.469)])
def test_one_lobe_covers(half_angle_deg, expected):
    assert coverage((Arc(-half_angle_deg, half_angle_deg, 1),), LN) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("half_angle_deg", [1.0, 30.0, 60.0, 90.0])
def test_two_lobes_of_opposite_polarity_cover_twice_as_much(half_angle_deg):
    one = coverage((Arc(-half_angle_deg, half_angle_deg, 1),), LN)
    assert coverage(two_lobes(half_angle_deg), LN) == pytest.approx(2 * one, rel=1e-12)


def test_two_lobes_of_the_same_polarity_cancel():
    east, west = two_lobes(60.0)
    assert coverage((east, Arc(west.start_deg, west.stop_deg, east.polarity)), LN) == pytest.approx(0, abs=1e-14)


def test_the_lobe_integral_has_a_closed_form():
    # ∫cos³ = s − s³/3 and ∫cos·sin² = s³/3 with s = sin θ; the r22 term is odd and drops out.
    s = math.sin(math.radians(60))
    integral = 2 * (30.9 * (s - s**3 / 3) + (9.6 + 2 * 32.6) * s**3 / 3)
    assert coverage((Arc(-60.0, 60.0, 1),), LN) == pytest.approx(integral / (2 * math.pi * 30.9), rel=1e-12)


def test_along_z_the_field_sees_r33_and_along_y_r22():
    assert effective_pockels_pm_V(0.0, LN) == 30.9
    assert effective_pockels_pm_V(math.pi, LN) == pytest.approx(-30.9)
    assert effective_pockels_pm_V(math.pi / 2, LN) == pytest.approx(6.7)


def test_full_coverage_at_2_2_V_cm_push_pull_tunes_12_pm_per_volt():
    tuning = tuning_pm_V(wl=1.55, n_g=2.316, coverage=1.0, vpil_single_V_cm=2 * 2.2)
    assert tuning == pytest.approx(12, abs=0.3)
    assert tuning == pytest.approx(1.55e-6**2 / (2 * 2.316 * 4.4e-2) * 1e12, rel=1e-12)


def test_a_whole_turn_at_v_pi_moves_the_resonance_by_half_a_free_spectral_range():
    wl, n_g, length_cm = 1.55, 2.316, 0.0126
    v_pi = 4.4 / length_cm
    fsr_pm = wl**2 / (n_g * length_cm * 1e4) * 1e6
    assert tuning_pm_V(wl=wl, n_g=n_g, coverage=1.0, vpil_single_V_cm=4.4) * v_pi == pytest.approx(fsr_pm / 2)


def test_a_real_x_cut_circle_tunes_4_to_10_pm_per_volt_and_never_28():
    one = tuning_pm_V(wl=1.55, n_g=2.316, coverage=coverage((Arc(-60.0, 60.0, 1),), LN), vpil_single_V_cm=4.4)
    two = tuning_pm_V(wl=1.55, n_g=2.316, coverage=coverage(two_lobes(90.0), LN), vpil_single_V_cm=4.4)
    assert 4 < one < 6
    assert two < 12 < 28.5


def test_a_circle_is_one_path_among_others():
    lobe, rest = Segment(2.0 / 3.0, -60.0, 60.0, 1), Segment(4.0 / 3.0, 60.0, 300.0, 0)
    assert coverage_of_path((lobe, rest), LN) == pytest.approx(coverage((Arc(-60.0, 60.0, 1),), LN), rel=1e-12)


@pytest.mark.parametrize("straight_um", [0.0, 5.0, 40.0, 1e6])
def test_a_racetrack_along_y_covers_as_much_as_its_straights_are_long(straight_um):
    length = 2 * straight_um + 2 * math.pi * 20.0
    covered = racetrack_coverage(LN, straight_um=straight_um, radius_um=20.0)
    assert covered == pytest.approx(2 * straight_um / length, rel=1e-12)


@pytest.mark.parametrize("angle_deg", [0.0, 17.0, 45.0, 90.0])
def test_a_racetrack_whose_straights_share_one_polarity_tunes_nothing(angle_deg):
    wrong = racetrack_coverage(LN, straight_um=40.0, radius_um=20.0, angle_deg=angle_deg, polarities=(1, 1))
    assert wrong == pytest.approx(0, abs=1e-14)


def test_a_turned_racetrack_sees_the_turned_coefficient():
    def covered(angle_deg):
        return racetrack_coverage(LN, straight_um=40.0, radius_um=20.0, angle_deg=angle_deg)

    for angle in (10.0, 30.0, 90.0):
        seen = effective_pockels_pm_V(math.radians(angle), LN) / LN.r33_pm_V
        assert covered(angle) == pytest.approx(covered(0.0) * seen, rel=1e-12)
    assert covered(90.0) == pytest.approx(covered(0.0) * 6.7 / 30.9, rel=1e-12)


def test_any_closed_path_with_one_polarity_all_round_tunes_nothing():
    # The field turns with the path's outward normal, so ∮ r_eff ds is the circle's integral plus opposite straights.
    track = racetrack(straight_um=12.0, radius_um=20.0, angle_deg=25.0, polarities=(1, 1))
    all_round = tuple(replace(piece, polarity=1) for piece in track)
    assert coverage_of_path(all_round, LN) == pytest.approx(0, abs=1e-14)


def test_a_z_cut_ring_tunes_alike_all_round_and_more_in_tm():
    assert z_cut_coverage(LN, "TM") == 1.0
    assert z_cut_coverage(LN, "TE") == pytest.approx(9.6 / 30.9)
    assert z_cut_coverage(LN, "TM", covered=0.25) == 0.25
    with pytest.raises(InputError, match="TE or TM"):
        z_cut_coverage(LN, "te")
    with pytest.raises(InputError, match="share from 0 to 1"):
        z_cut_coverage(LN, "TM", covered=1.5)


def test_v_pi_turns_the_phase_by_pi():
    gap_um, length_um, n, factor = 5.0, 1e4, 2.1376, 0.4
    v_pi = vpil_single_V_cm(wl=1.55, gap_um=gap_um, n_film=n, r33_pm_V=30.9, field_factor=factor) / (length_um * 1e-4)
    dn = 0.5 * n**3 * 30.9e-6 * v_pi / gap_um * factor
    assert 2 * math.pi * dn * length_um / 1.55 == pytest.approx(math.pi, rel=1e-12)
