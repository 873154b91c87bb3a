"""A slow instrument on a drifting chip: rows and temperatures are told apart, and what is programmed stays true."""

import dataclasses

import jax
import numpy as np
import pytest

from prism_photonics.calibration.bus import prior_weight
from prism_photonics.calibration.bus_slopes import readings_A
from prism_photonics.calibration.calibration import blank_calibration, from_survey
from prism_photonics.calibration.drift_noise import blur_A, drift_matters, steady_samples
from prism_photonics.calibration.fit import OUTLYING, at_optimum, fit_buses, try_again
from prism_photonics.calibration.survey import averages_for, settings_for, survey_volts, take_survey
from prism_photonics.calibration.survey_drift import (
    SurveyDrift,
    _ByDrift,
    _Equations,
    _ou_precision,
    drift_std,
    film_after,
    lost_volts,
    update_drift,
)
from prism_photonics.calibration.survey_fit import bus_surveys
from prism_photonics.calibration.unknowns import columns, designed_gain_A
from prism_photonics.characterize.accuracy import validate
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.drift.process import FilmCharge
from prism_photonics.drift.state import thermal_patterns_pm
from prism_photonics.drift.tracker import Tracker
from prism_photonics.lightpath.detector.model import sample_noise_A

from .test_round_trip import pulls

DIES = 8
KEY = jax.random.key(0)
# A reading takes a millisecond; the common temperature walks 3 mK while a die is surveyed.
BENCH = {
    "drive": {"dac_bits": 16},
    "detector": {"tia_noise_pA_rtHz": 5.0, "bandwidth_GHz": 1e-6, "adc_bits": 18},
    "drift": {"temperature_K": 0.1, "gradient_K": 0.005, "thermal_time_s": 600.0},
}


@pytest.fixture(scope="module")
def slow(demo, altered):
    """Four rows of four rings on slow instruments in a room that drifts."""
    return altered(demo, name="slow_4x4", chip={"rows": 4, "channels": 4}, comb={"line_power_dBm": 0.0}, **BENCH)


@pytest.fixture(scope="module")
def dies(slow):
    """(truth, calibration, chip, survey) of many dies."""
    found = []
    for seed in range(DIES):
        key = jax.random.key(seed)
        chip = VirtualChip.fabricate(slow, key)
        survey = take_survey(chip, slow, key=jax.random.key(100 + seed))
        found.append((draw_die(slow, jax.random.split(key)[0]), from_survey(survey, slow, key=KEY), chip, survey))
    return found


def test_a_reading_takes_no_longer_than_its_noise_asks(demo, slow):
    assert (averages_for(demo), averages_for(slow)) == (1024, 1)
    assert averages_for(demo, noise=1e-2) == 1


def test_between_two_looks_a_reading_is_averaged_until_drift_is_as_large_as_its_noise(demo, slow, altered):
    noisy = altered(slow, detector={"bandwidth_GHz": 1e-3})
    samples = steady_samples(noisy, 4)
    line_A = designed_gain_A(noisy).mean()
    noise_A = float(sample_noise_A(noisy.detector_design, line_A)) / samples**0.5
    assert samples > 10
    assert blur_A(4 * samples / noisy.detector_design.bandwidth_Hz, noisy).mean() == pytest.approx(noise_A, rel=0.1)
    assert steady_samples(demo, 4) > 1024
    assert steady_samples(altered(slow, drift={"temperature_K": 0.0}), 4) == 10**9


def test_settings_keep_to_sixty_readings_per_ring(demo, slow, altered):
    assert (settings_for(demo), settings_for(slow)) == (32, 32)
    many = altered(demo, chip={"buses": 4})
    assert settings_for(many) * 33 / 8 <= 60


def test_drift_matters_to_slow_instruments_only(demo, slow, dies):
    assert drift_matters(dies[0][3], slow)
    chip = VirtualChip.fabricate(demo, KEY)
    assert not drift_matters(take_survey(chip, demo, key=KEY, settings=2), demo)


def test_the_rows_explain_a_drifting_survey_to_the_noise(dies):
    chi2 = np.array([calibration.chi2 for _, calibration, _, _ in dies])
    assert 0.6 < chi2.mean() < 1.3
    assert chi2.max() < 2.0


def test_the_error_bars_are_honest_although_the_chip_drifted(dies, slow):
    for name, pull in pulls([(truth, calibration, None) for truth, calibration, _, _ in dies], slow).items():
        assert 0.75 < pull.std() < 1.25, name
        assert np.abs(pull).max() < 5, name


def test_a_line_that_no_fit_explains_spoils_neither_the_drift_nor_the_other_rows(dies, slow):
    _, sound, _, survey = dies[0]
    current_A, dark_A, volts_V = survey.current_A.values.copy(), survey.dark_A.values.copy(), survey.volts_V.values
    # A second resonance beside that of ring 1, as where an order of TM crosses it.
    dip_A = 0.5 * np.abs(current_A[:, 1, 0]).max() / (1.0 + ((volts_V[:, 0, 1] - 2.0) / 1.5) ** 2)
    current_A[:, 1, 0] -= dip_A
    # Dark modulators let as much of it through, which every reading of the row has in it.
    current_A[:, :, 0] -= float(sound.leak) * dip_A[:, None]
    dark_A[:, 0] -= float(sound.leak) * dip_A
    read = {"current_A": (survey.current_A.dims, current_A), "dark_A": (survey.dark_A.dims, dark_A)}
    struck = from_survey(survey.assign(read), slow, key=KEY)
    assert struck.left is not None
    print(struck.chi2.ravel(), sound.chi2.ravel(), np.asarray(struck.left.chi2)[0])
    assert np.argwhere(struck.spoiled).tolist() == [[0, 1]]
    assert np.asarray(struck.chi2)[1:].max() < 2.0
    others = np.delete(np.asarray(struck.left.chi2)[0, 0], 1)
    assert others.max() < 4.0
    assert abs(float(struck.film) - float(sound.film)) < 0.1


def test_the_film_is_found_as_its_profile_says(dies):
    film = np.array([float(calibration.film) for _, calibration, _, _ in dies])
    assert np.abs(film).max() < 0.1


def test_targets_are_met_while_the_chip_drifts_and_only_when_it_is_tracked(dies, slow):
    _, calibration, chip, survey = dies[0]
    tracker = Tracker.after_survey(chip, calibration, slow, survey)
    tracked = validate(chip, calibration, slow, key=KEY, targets=6, settings=1, repeats=2, tracker=tracker)
    chip.wait(120.0)
    alone = validate(chip, calibration, slow, key=KEY, targets=6, settings=1, repeats=2)
    assert tracked.accuracy_bits > 10.5
    assert tracked.drift_readings > 0
    assert alone.accuracy_bits < tracked.accuracy_bits - 2.0
    assert alone.drift_readings == 0


def test_a_tracker_leaves_a_chip_alone_that_does_not_drift(demo):
    chip = VirtualChip.fabricate(demo, KEY)
    survey = take_survey(chip, demo, key=KEY, settings=2)
    of_demo = blank_calibration(demo, triggers=1)
    tracker = Tracker.after_survey(chip, of_demo, demo, survey)
    before = chip.time_s
    tracker.correct(np.zeros((8, 8)))
    assert (tracker.active, tracker.triggers, chip.time_s) == (False, 0, before)


# ---------------------------------------------------------------- the parts


def test_a_known_path_of_the_temperature_is_found_up_to_its_mean(slow, dies):
    """Readings made with known rows and a known path: one step finds the path, whatever the rows explain of it."""
    survey = dies[0][3]
    time_s = survey.time_s.values
    volts = survey_volts(slow, time_s.shape[0], KEY)
    own = survey.channel_of_ring.values
    nothing, noise = np.zeros(survey.current_A.shape), np.full(survey.current_A.shape, 3e-10)
    terms, readings = bus_surveys(
        slow, volts=volts, current_A=nothing, noise_A=noise, time_s=time_s, channel_of_ring=own
    )
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(0.0, 2e-3, (time_s.size, 3)), axis=0).reshape(*time_s.shape, 3)
    true = SurveyDrift(time_s, walk, 0.1)
    flat = np.zeros((4, prior_weight(4).size))
    read_A = readings_A(terms.applied(readings, true), flat) + rng.normal(0.0, 3e-10, readings.current_A.shape)
    measured = np.moveaxis(read_A, 0, 2)
    terms, readings = bus_surveys(
        slow, volts=volts, current_A=measured, noise_A=noise, time_s=time_s, channel_of_ring=own
    )
    drift = SurveyDrift.none(time_s)
    for _ in range(2):
        drift = update_drift(terms.applied(readings, drift), flat, terms=terms, drift=drift, spec=slow)
    common = drift.temperatures[..., 0] - walk[..., 0]
    assert np.std(common) < 0.1 * np.std(walk[..., 0])
    assert drift.film == pytest.approx(0.1, abs=0.05)


def test_a_bus_in_a_wrong_minimum_is_tried_again_and_no_other_is_touched(slow, dies):
    survey = dies[0][3]
    still_s, own = np.zeros(survey.time_s.shape), survey.channel_of_ring.values
    noise_A = np.full(survey.current_A.shape, 3e-10)
    flat = np.zeros((4, prior_weight(4).size))
    _, readings = bus_surveys(
        slow,
        volts=survey.volts_V.values,
        current_A=np.zeros(survey.current_A.shape),
        noise_A=noise_A,
        time_s=still_s,
        channel_of_ring=own,
    )
    readings = dataclasses.replace(readings, current_A=readings_A(readings, flat))
    fit = fit_buses(readings, np.random.default_rng(0), wrong_chi2=4.0)
    assert fit.chi2.max() < 1.0
    offsets, lost = columns(4)["offset"], dataclasses.replace(fit, flat=fit.flat.copy(), chi2=fit.chi2.copy())
    lost.chi2[2] = 105.0
    lost.flat[:, offsets] += 3.0
    found = try_again(readings, lost, np.random.default_rng(1), wrong_chi2=30.0)
    assert found.chi2[2] < 1.0
    assert np.abs(found.flat[2, offsets]).max() < 0.1
    assert np.array_equal(found.flat[1, offsets], lost.flat[1, offsets])
    assert try_again(readings, fit, np.random.default_rng(1), wrong_chi2=30.0) is fit


def test_what_noise_makes_of_a_chi2_of_few_readings_is_no_wrong_minimum(twelve_buses):
    survey, flat = twelve_buses
    few_A = np.where(np.arange(survey.current_A.shape[1])[:, None] < 12, survey.noise_A, np.inf)
    readings = survey.with_noise(few_A)
    freedom = np.isfinite(few_A[0]).sum() - (survey.rings.t1.shape[1] - 1)
    fit = at_optimum(readings, flat)
    for deviations, tried in ((4.9, False), (5.1, True)):
        chi2 = np.where(np.arange(12) == 2, 1.0 + deviations * np.sqrt(2.0 / freedom), 1.0)
        assert chi2[2] > OUTLYING
        begun = dataclasses.replace(fit, chi2=chi2)
        found = try_again(readings, begun, np.random.default_rng(1), wrong_chi2=30.0, tries=1)
        assert (found is not begun) == tried


def test_error_bars_by_drift_are_those_of_every_temperature_at_every_reading(slow, dies):
    """The rows' answer to each drift unknown, knot by knot, with the covariance of all of them."""
    survey = dies[0][3]
    time_s, rng = survey.time_s.values, np.random.default_rng(2)
    terms, readings = bus_surveys(
        slow,
        volts=survey.volts_V.values,
        current_A=np.zeros(survey.current_A.shape),
        noise_A=np.full(survey.current_A.shape, 3e-10),
        time_s=time_s,
        channel_of_ring=survey.channel_of_ring.values,
    )
    flat, drift = rng.normal(0.0, 0.3, (4, prior_weight(4).size)), SurveyDrift.none(time_s)
    found = drift_std(readings, flat, terms=terms, drift=drift, spec=slow)
    equations = _Equations.of(readings, flat, terms=terms, drift=drift, spec=slow)
    by = _ByDrift.of(readings, flat, terms, some=np.arange(4))
    by_knot = [by.shared[..., p, None] * spread.toarray() for p, spread in enumerate(equations.spreads)]
    answer = np.linalg.solve(by.normal, by.rows @ np.concatenate([*by_knot, by.film[..., None]], axis=2))
    variance = np.einsum("nuk,kl,nul->nu", answer, np.linalg.inv(equations.normal), answer)
    assert found == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_the_prior_of_the_temperature_is_an_ornstein_uhlenbeck_process():
    times_s = np.array([0.0, 0.1, 0.15, 2.0, 7.0])
    covariance = np.exp(-np.abs(times_s[:, None] - times_s) / 3.0)
    assert np.linalg.inv(_ou_precision(times_s, 3.0)) == pytest.approx(covariance, abs=1e-12)


def test_the_patterns_are_what_the_chip_drifts_by(slow):
    patterns = thermal_patterns_pm(slow)
    pm_K = slow.profile.optics.thermal_pm_K.value
    assert patterns.shape == (3, 4, 4)
    assert patterns[0] == pytest.approx(0.1 * pm_K)
    assert patterns[1, :, 3] - patterns[1, :, 0] == pytest.approx(0.005 * pm_K)
    assert patterns[2, 3] - patterns[2, 0] == pytest.approx(0.005 * pm_K)


def test_the_film_is_charged_by_the_survey_that_it_sees(slow, dies):
    survey = dies[0][3]
    lost_V = lost_volts(survey.volts_V.values, survey.time_s.values, slow)
    at_the_end = film_after(survey, slow).lost_V
    last = int(survey.time_s.values[-1].argmax())
    assert lost_V[:, 0, -1, last] == pytest.approx(at_the_end, rel=1e-9)
    film = FilmCharge(slow.profile, (1,))
    film.advance(1e12, np.array([10.0]))
    shares = slow.profile.relaxation
    whole = shares.fast_share.value + shares.slow_share.value + shares.memory_share.value
    assert film.lost_V == pytest.approx([10.0 * whole])
