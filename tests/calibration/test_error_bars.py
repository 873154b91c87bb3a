"""Error bars where readings see a square, or a voltage that the model leaves out: pulls of many buses spread by one."""

from dataclasses import replace

import numpy as np
import pytest

from prism_photonics.calibration import error_bars
from prism_photonics.calibration.descent import descend, normal
from prism_photonics.calibration.error_bars import widened
from prism_photonics.calibration.fit import at_optimum
from prism_photonics.calibration.reading_model import reading_slopes, readings_A
from prism_photonics.calibration.reflecting import beyond_columns
from prism_photonics.calibration.reflecting_fit import reflecting_survey
from prism_photonics.calibration.survey_fit import AT_THE_LINE, bus_surveys
from prism_photonics.calibration.unknowns import columns

RINGS, SETTINGS, BUSES = 3, 12, 300
PLACES = columns(RINGS)
NONE_APART = np.zeros((BUSES, RINGS), dtype=bool)
# 300 buses of three rings: the rms of 900 pulls is one to 2.4 %, were they Gaussian and apart; five of that.
WITHIN = 0.12


@pytest.fixture(scope="module")
def unread(small):
    """As many like buses at voltages of their own, which nobody has read yet."""
    rng = np.random.default_rng(3)
    nothing = np.zeros((SETTINGS, RINGS, 2))
    own = np.broadcast_to(np.arange(RINGS), (2, 1, RINGS))
    volts = rng.uniform(-8.0, 8.0, (SETTINGS, 2, RINGS))
    _, two = bus_surveys(
        small, volts=volts, current_A=nothing, noise_A=nothing + 1.0, time_s=nothing[..., 0], channel_of_ring=own
    )
    many = two.take(np.zeros(BUSES, dtype=int))
    each = rng.uniform(-8.0, 8.0, (BUSES, SETTINGS, 1, RINGS))
    volts = np.broadcast_to(each, many.volts.shape).copy()
    return many.moved(volts, np.zeros_like(volts)).with_noise(
        np.broadcast_to(1e-3 * many.gain_A[:, None], volts.shape[:3])
    )


@pytest.fixture(scope="module")
def hidden():
    """What the buses are, as their priors say; only the phases are known, so that every fit finds its valley."""
    flat = np.random.default_rng(4).normal(0.0, 1.0, (BUSES, PLACES["drop_ratio"].stop))
    flat[:, PLACES["phase_rad"]] = 0.0
    return flat


def read(unread, hidden, *, far=0.0):
    """The buses read once, each ring seeing a share of the voltage of the ring after the next."""
    acting = unread.volts.copy()
    acting[..., 2:] += far * unread.volts[..., :-2]
    acting[..., :-2] += far * unread.volts[..., 2:]
    seen_A = readings_A(replace(unread, volts=acting), hidden)
    return replace(unread, current_A=seen_A + np.random.default_rng(5).normal(0.0, 1.0, seen_A.shape) * unread.noise_A)


def fitted(survey, hidden):
    """A fit that begins with couplers that are alike, as the design's are."""
    start = hidden.copy()
    start[:, PLACES["kappa1"]] = start[:, PLACES["kappa2"]] = 0.0
    return at_optimum(survey, descend(survey, start, steps=60, rtol=1e-7)[0])


def rms(fit, hidden, *names):
    """Root mean square of pulls, each unknown by itself."""
    pulls = (fit.flat - hidden) / fit.std
    return np.array([np.sqrt(np.mean(pulls[:, PLACES[name]] ** 2)) for name in names])


def test_couplers_of_which_readings_tell_a_square_have_error_bars_that_know_both_of_its_roots(unread, hidden):
    # Gaps that scatter three times as much as the spec's, read well: what bends is then more than what is straight.
    loose = replace(unread.scatter, kappa=np.array(0.15))
    survey = read(replace(unread.with_noise(0.1 * unread.noise_A), scatter=loose), hidden)
    straight = fitted(survey, hidden)
    found = widened(survey, straight, NONE_APART)
    assert (rms(straight, hidden, "kappa1", "kappa2") > 1.3).all()
    assert (abs(rms(found, hidden, "kappa1", "kappa2", "loss") - 1.0) < WITHIN).all()
    np.testing.assert_array_equal(found.flat, straight.flat)


@pytest.mark.parametrize("far", [-3e-3, 1e-2])
def test_a_voltage_that_acts_from_further_away_widens_the_error_bars_by_as_much_as_readings_tell(unread, hidden, far):
    survey = read(unread, hidden, far=far)
    straight = fitted(survey, hidden)
    found = widened(survey, straight, NONE_APART)
    assert rms(straight, hidden, "crosstalk") > 1.0 + 2.0 * WITHIN
    assert abs(rms(found, hidden, "crosstalk") - 1.0) < WITHIN


def test_where_no_such_voltage_acts_error_bars_of_crosstalk_stay(unread, hidden):
    survey = read(unread, hidden)
    straight = fitted(survey, hidden)
    found, of = widened(survey, straight, NONE_APART), PLACES["crosstalk"]
    np.testing.assert_allclose(found.std[:, of], straight.std[:, of], rtol=0.1)
    assert abs(rms(found, hidden, "crosstalk") - 1.0) < WITHIN


def test_a_fit_that_ends_before_its_minimum_has_error_bars_that_know_how_far_that_is(unread, small, monkeypatch):
    few = 20
    two = reflecting_survey(unread.take(np.arange(2)), small, node_pm=AT_THE_LINE)
    volts = unread.volts[:few]
    survey = two.take(np.zeros(few, dtype=int)).moved(volts, np.zeros_like(volts)).with_noise(unread.noise_A[:few])
    # Readings without noise of buses as designed: that is their minimum, and misfits are straight a little off it.
    ended = np.zeros((few, beyond_columns(RINGS)["end_im"].stop))
    survey = replace(survey, current_A=readings_A(survey, ended))
    by = (reading_slopes(survey, ended).by_unknown / survey.noise_A[:, None]).reshape(*ended.shape, -1)
    covariance = np.linalg.inv(normal(by, RINGS))
    spread, along = np.linalg.eigh(covariance)
    off = 5e-3 * np.sqrt(spread[:, -1:]) * along[..., -1]
    early = ended + off
    slopes = reading_slopes(survey, early)
    here = ((slopes.current_A - survey.current_A) / survey.noise_A).reshape(few, -1)
    by = (slopes.by_unknown / survey.noise_A[:, None]).reshape(*ended.shape, -1)
    back = error_bars._to_the_minimum(survey, early, here, by=by, covariance=np.linalg.inv(normal(by, RINGS)))
    missed = np.linalg.norm(back + off, axis=1) / np.linalg.norm(off, axis=1)
    # The matrix takes phases that readings do not tell for uniform: along them steps are short.
    assert (missed < 0.3).all()
    assert missed.min() < 0.05
    straight = at_optimum(survey, early)
    told = widened(survey, straight, NONE_APART[:few]).std
    monkeypatch.setattr(error_bars, "_to_the_minimum", lambda *_, **__: 0.0)
    without = widened(survey, straight, NONE_APART[:few]).std
    assert (told >= without).all()
    assert (told > without).any(1).all()


def test_a_bus_of_which_a_line_is_set_apart_keeps_its_error_bars(unread, hidden):
    survey = read(unread, hidden)
    straight, apart = fitted(survey, hidden), NONE_APART.copy()
    apart[7, 1] = True
    found = widened(survey, straight, apart)
    np.testing.assert_array_equal(found.std[7], straight.std[7])
    assert (found.std[8] != straight.std[8]).any()


def test_parts_of_a_variance_are_told_by_their_moments_and_none_is_negative():
    # Noise twice as large as it was taken for, and a share of 3; what each adds to the two squares by itself.
    of_white, of_both, of_far = 100.0, 40.0, 90.0
    misfit, along = 2.0 * of_white + 9.0 * of_both, 2.0 * of_both + 9.0 * of_far

    def told(misfit, along):
        return error_bars._components(misfit=misfit, along=along, of_white=of_white, of_both=of_both, of_far=of_far)

    even, share2 = told(misfit, along)
    assert share2 == pytest.approx(9.0)
    # Of the variance as white noise alone would have it.
    assert even == pytest.approx(2.0 / (misfit / of_white))
    assert told(100.0, 10.0) == (1.0, 0.0)
    assert told(0.0, 0.0) == (1.0, 0.0)
    assert told(40.0, 200.0) == (0.0, pytest.approx(200.0 / 90.0))
