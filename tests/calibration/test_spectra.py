"""Calibration with one tunable laser: its jitter is no noise of a row, and single lines tell what a query reads."""

import dataclasses

import numpy as np
import pytest

from prism_photonics.calibration.bus import prior_weight
from prism_photonics.calibration.bus_slopes import reading_slopes, readings_A
from prism_photonics.calibration.faults import find_faults
from prism_photonics.calibration.record import recorded_light, require_same_light
from prism_photonics.calibration.spectra import line_nm, node_pm, ring_width_pm, spectra_and_faults, spectra_plan
from prism_photonics.calibration.survey_fit import bus_surveys
from prism_photonics.calibration.windows import half_width_pm, point_averages, points_of, reduced, window_points_nm
from prism_photonics.characterize.accuracy import validate
from prism_photonics.characterize.closed_loop import repeating_share, trim
from prism_photonics.characterize.weights import without_miss
from prism_photonics.chip.laser import LaserRange, Sweep
from prism_photonics.chip.tunable import TunableLaser
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.seeds import calibration_keys, trim_key, validation_key
from prism_photonics.spec import load_spec
from prism_photonics.units import InputError
from prism_photonics.workflow.session import CalibrationSession, calibrate_chip

LASER = LaserRange(1500.0, 1600.0, jitter_pm=1.0)


@pytest.fixture(scope="module")
def calm(small, altered):
    """The small chip, its temperature steady."""
    return altered(small, drift={"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.0})


@pytest.fixture(scope="module")
def calibrated(calm):
    """The calm chip under a laser with 1 pm of jitter, calibrated by few settings."""
    return calibrate_chip(VirtualChip(calm, seed=3, light="tunable_laser"), seed=1, settings=16)


def lorentz(x_pm, rows_pm=(0.0, 10.0, 40.0)):
    """Rows whose lines, 34 pm wide, rest at these places, in units of 1 µA: by default on the top, a flank, beside."""
    away_pm = np.atleast_1d(x_pm)[:, None] - np.asarray(rows_pm)
    return 1e-6 * (1.0 - 1.8 / (1.0 + (away_pm / 17.0) ** 2))


def one_window(rng, jitter_pm):
    asked_nm = window_points_nm(np.array([1550.0]), half_pm=half_width_pm(34.0)).ravel()
    x_pm = 1e3 * (asked_nm - 1550.0)
    moved = jitter_pm * rng.standard_normal(x_pm.size)
    current_A = lorentz(x_pm + moved) + 1e-11 * rng.standard_normal((x_pm.size, 3))
    found = reduced(
        Sweep(asked_nm, current_A, np.arange(x_pm.size, dtype=float)),
        np.array([1550.0]),
        LASER,
        noise_A=np.full(3, 1e-11),
    )
    return found, lorentz(np.zeros(1))


@pytest.mark.slow
def test_a_lasers_misses_settle_where_few_rows_share_them(altered):
    """Four rows of die 0 kept χ² of 75 and 28 in wrong minima, and rings that split, which this die has not."""
    spec = altered(load_spec("standard_8x8"), chip={"rows": 4})
    fit = calibrate_chip(VirtualChip(spec, seed=0, light="tunable_laser"), seed=0).fit
    assert np.asarray(fit.chi2).max() < 1.5
    assert fit.rows.beyond is None


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize("fwhm_pm", [5.0, 33.2, 200.0])
def test_a_window_asks_for_no_step_that_a_usual_laser_cannot_trigger(fwhm_pm):
    half_pm = half_width_pm(fwhm_pm)
    asked_pm = 1e3 * (window_points_nm(np.array([1550.0, 1551.0]), half_pm=half_pm) - [[1550.0], [1551.0]])
    assert np.diff(asked_pm).min() > 0.1 - 1e-6
    assert np.abs(asked_pm).max() < half_pm
    assert asked_pm.shape[1] <= 90


def test_a_quiet_window_reads_what_is_at_its_middle():
    found, wanted_A = one_window(np.random.default_rng(0), 0.0)
    assert found.current_A == pytest.approx(wanted_A, abs=4e-10)


def test_what_jitter_leaves_in_a_window_is_one_shift_of_all_rows_as_large_as_it_says():
    rng, shifts, left = np.random.default_rng(1), [], []
    for _ in range(60):
        found, wanted_A = one_window(rng, 1.0)
        error_A, slope = (found.current_A - wanted_A)[0], found.slope_A_pm[0]
        shifts.append((error_A @ slope) / (slope @ slope))
        left.append(error_A - slope * shifts[-1])
        assert found.jitter_pm == pytest.approx(1.0, rel=0.4)
    assert np.std(shifts) == pytest.approx(found.shift_pm[0], rel=0.3)
    # Without the shift the rows are known by far better than a point's jitter would let them.
    assert np.std(left) < 0.02 * np.abs(found.slope_A_pm).max()


@pytest.mark.parametrize("rows_pm", [[5.0, -5.0], [0.0, 10.0], [0.0, 0.0, 10.0, -12.0, 30.0, 40.0, 5.0, 7.0]])
def test_a_window_misses_by_what_its_errors_say_wherever_the_lines_lie(rows_pm):
    # The tops of lines have fourth powers, and points between two tops no flank that tells their jitter: χ² was 17 of
    # eight rows and up to 34 of two.
    noise_A, rows, rng, chi2 = 6e-10, np.array(rows_pm), np.random.default_rng(0), []
    asked_nm = window_points_nm(np.array([1550.0]), half_pm=half_width_pm(34.0)).ravel()
    for _ in range(60):
        x_pm = 1e3 * (asked_nm - 1550.0) + rng.standard_normal(asked_nm.size)
        current_A = lorentz(x_pm, rows) + noise_A * rng.standard_normal((x_pm.size, rows.size))
        swept = Sweep(asked_nm, current_A, np.arange(x_pm.size, dtype=float))
        found = reduced(swept, np.array([1550.0]), LASER, noise_A=np.full(rows.size, noise_A))
        error_A, slope = (found.current_A - lorentz(0.0, rows))[0], found.slope_A_pm[0]
        white_A = np.hypot(found.white_A[0], 1e-10)
        covariance = np.diag(white_A**2) + found.shift_pm[0] ** 2 * np.outer(slope, slope)
        chi2.append(error_A @ np.linalg.solve(covariance, error_A) / rows.size)
    assert 0.3 < np.mean(chi2) < 1.5


def test_no_window_of_two_rows_ends_in_a_wrong_minimum():
    # Joint steps alone drew the points of one in a hundred together, until a slope came out four times too steep.
    rng, noise_A = np.random.default_rng(5), 6e-11
    asked_nm = window_points_nm(np.array([1550.0]), half_pm=half_width_pm(34.0)).ravel()
    for _ in range(150):
        rows = rng.uniform(-30.0, 30.0, 2)
        x_pm = 1e3 * (asked_nm - 1550.0) + rng.standard_normal(asked_nm.size)
        current_A = lorentz(x_pm, rows) + noise_A * rng.standard_normal((x_pm.size, 2))
        swept = Sweep(asked_nm, current_A, np.arange(x_pm.size, dtype=float))
        found = reduced(swept, np.array([1550.0]), LASER, noise_A=np.full(2, noise_A))
        off_A = np.abs(found.current_A - lorentz(0.0, rows))[0]
        assert (off_A < 0.5 * np.abs(found.slope_A_pm[0]) + 6.0 * found.white_A[0] + 2e-9).all(), rows
        assert found.jitter_pm < 1.4


def test_a_row_that_gives_no_number_leaves_the_others_as_they_are():
    asked_nm = window_points_nm(np.array([1550.0]), half_pm=half_width_pm(34.0)).ravel()
    x_pm = 1e3 * (asked_nm - 1550.0) + np.random.default_rng(0).standard_normal(asked_nm.size)
    current_A = lorentz(x_pm)
    current_A[3, 1] = np.nan
    swept = Sweep(asked_nm, current_A, np.arange(x_pm.size, dtype=float))
    found = reduced(swept, np.array([1550.0]), LASER, noise_A=np.full(3, 1e-10))
    others = dataclasses.replace(swept, current_A=current_A[:, [0, 2]])
    alone = reduced(others, np.array([1550.0]), LASER, noise_A=np.full(2, 1e-10))
    assert np.isnan(found.current_A[0, 1])
    assert found.current_A[0, [0, 2]] == pytest.approx(alone.current_A[0], abs=1e-14)


# ---------------------------------------------------------------- the fit


def test_slopes_of_spectra_are_those_of_differences(demo, altered):
    spec = altered(demo, chip={"rows": 1, "channels": 3})
    rng, places = np.random.default_rng(0), np.array([-6.0, 0.0, 6.0])
    volts, shape = rng.uniform(-8.0, 8.0, (2, 1, 3)), (2, 9)
    terms, survey = bus_surveys(
        spec, volts=volts, current_A=np.zeros((*shape, 1)), noise_A=np.full((*shape, 1), 1e-9), time_s=np.zeros(shape),
        channel_of_ring=np.arange(3)[None, None], node_pm=places, laser_pm=np.ones(shape),
    )  # fmt: skip
    assert (survey.nodes, terms.patterns_pm.shape) == (3, (1, 4, 3))
    flat = rng.normal(0.0, 1.0, (1, prior_weight(3).size))
    slopes = reading_slopes(survey, flat).by_unknown[0]
    for k, slope in enumerate(slopes):
        step = 1e-5 * np.eye(flat.size)[k]
        ahead, behind = (readings_A(survey, flat + sign * step)[0] for sign in (1.0, -1.0))
        assert slope == pytest.approx((ahead - behind) / 2e-5, abs=1e-6 * np.abs(slopes).max())


def test_nodes_lie_about_the_line_and_their_windows_touch(small):
    places = node_pm(small)
    assert places.sum() == pytest.approx(0.0, abs=1e-9)
    assert np.diff(places) == pytest.approx(2.0 * half_width_pm(ring_width_pm(small)))
    assert line_nm(small).size == 3


def test_a_laser_with_jitter_calibrates_a_chip(calibrated, calm):
    found = validate(
        calibrated.chip, calibrated.fit, calm, key=validation_key(2), targets=8, settings=4, repeats=16,
        tracker=calibrated.tracker,
    )  # fmt: skip
    # With two rows, half of what is read tells the misses; eight give 10.6 bits (benchmarks/tunable_laser.py).
    assert found.accuracy_bits > 9.0
    # With the laser's misses left in, a window's jitter is most of it.
    assert 4.0 < found.absolute_bits < found.accuracy_bits
    assert calibrated.tracker.pinned == []
    assert found.noise_study == "lines one by one"
    assert 0.0 < found.noise_level.read_std < 0.1
    assert np.asarray(calibrated.fit.light_scale) == pytest.approx(1.0)
    assert float(calibrated.fit.leak) == 0.0
    assert calibrated.chip.over_voltage_attempts == 0


def test_a_laser_without_jitter_leaves_the_fit_nothing_to_explain(calm):
    # The film charges from the first setting on: counted from the first line only, χ² was 10, and 10.6 bits were left.
    session = calibrate_chip(
        VirtualChip(calm, seed=3, light="tunable_laser", laser=TunableLaser.ideal()), seed=1, settings=16
    )
    assert float(np.max(np.asarray(session.fit.chi2))) < 3.0
    found = validate(
        session.chip, session.fit, calm, key=validation_key(2), targets=8, settings=2, repeats=16,
        tracker=session.tracker,
    )  # fmt: skip
    assert found.accuracy_bits > 12.0
    assert found.absolute_bits == pytest.approx(found.accuracy_bits, abs=1.0)
    assert session.tracker.pinned == []


def test_lines_that_a_laser_lights_equally_are_not_taken_for_a_clipped_detector(calm):
    for seed in (1, 2, 4, 5, 6):
        chip = VirtualChip(calm, seed=seed, light="tunable_laser")
        survey, faults = spectra_and_faults(chip, calm, key=calibration_keys(1)[0], settings=16)
        assert faults == (), seed
    clipped = survey.assign(current_A=survey.current_A.clip(max=2.5e-5))
    assert [str(fault).startswith("the detector of row") for fault in find_faults(clipped, calm)] == [True, True]
    assert "saturated: readings of several lines end at 25 µA" in str(find_faults(clipped, calm)[0])


def test_the_record_of_a_laser_is_read_as_any_other(calibrated, tmp_path):
    from prism_photonics.calibration.calibration import from_survey
    from prism_photonics.calibration.record import read_record, recorded_survey

    path = calibrated.save(tmp_path)
    found, spec, _ = read_record(path)
    again = from_survey(recorded_survey(path), spec, key=calibration_keys(1)[1])
    assert np.asarray(again.offset_pm) == pytest.approx(np.asarray(found.offset_pm), abs=1e-6)


# ---------------------------------------------------------------- weights and noise


def test_a_miss_of_the_laser_is_taken_out_of_weights_and_errors_of_single_rows_stay():
    rng = np.random.default_rng(0)
    expected, slope = rng.uniform(-0.7, 0.7, (8, 400)), rng.normal(0.0, 0.03, (8, 400))
    own = 1e-3 * rng.standard_normal((8, 400))
    measured = expected + own + slope * rng.normal(0.0, 0.5, 400)
    mended, std = without_miss(measured, expected, slope, white=np.full((8, 400), 1e-5), used=np.ones((8, 400), bool))
    # As large as they are, although one of eight went with the shift.
    assert np.std(mended - expected) == pytest.approx(1e-3, rel=0.05)
    assert np.std(measured - expected) > 1e-2
    assert (std > 1e-5).all()


def test_the_shift_of_one_row_alone_is_not_told():
    one = np.ones((1, 3))
    mended, _ = without_miss(1.1 * one, one, 0.03 * one, white=1e-5 * one, used=one > 0)
    assert mended == pytest.approx(1.1 * one)


def test_the_plan_counts_a_stretch_for_each_line(small):
    plan = spectra_plan(small, settings=4)
    assert (plan.settings, plan.sweeps, plan.lights) == (4, 12, 0)
    assert (
        plan.points == plan.swept_samples / point_averages(small) == 36 * points_of(half_width_pm(ring_width_pm(small)))
    )


def test_an_ideal_laser_is_quiet():
    ideal = TunableLaser.ideal()
    assert (ideal.jitter_pm, ideal.offset_pm, ideal.ripple_dB) == (0.0, 0.0, 0.0)
    assert dataclasses.replace(ideal, jitter_pm=1.0).jitter_pm == 1.0


def test_what_does_not_repeat_is_not_corrected():
    error = 1e-3 * np.array([1.0, -1.0, 1.0, -1.0])
    assert repeating_share(error, 0.0) == 1.0
    assert repeating_share(error, 0.25e-6) == pytest.approx(0.75)
    assert repeating_share(error, 4e-6) == 0.0
    assert repeating_share(np.zeros(0), 1e-6) == 1.0


def test_a_closed_loop_under_a_laser_is_as_good_as_the_open_one(calibrated, calm):
    trimmed = trim(
        calibrated.chip, calibrated.fit, calm, key=trim_key(2), targets=6, corrections=1, tracker=calibrated.tracker
    )
    first, then = trimmed.closed_loop_bits
    assert then > first - 1.0
    assert then > 9.0


def test_a_record_of_a_laser_is_not_used_on_a_comb(calibrated, calm, tmp_path):
    path = calibrated.save(tmp_path, bench="virtual:3")
    assert recorded_light(path) == "tunable_laser"
    require_same_light(calibrated.chip, path)
    comb = VirtualChip(calm, seed=3)
    with pytest.raises(InputError, match=r"calibrated was by light = 'tunable_laser', this bench has light = 'comb'"):
        CalibrationSession.load(tmp_path, comb)
