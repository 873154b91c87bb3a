"""Error bars of what depends on numbers by their squares alone."""

from dataclasses import replace

import numpy as np
import pytest
from laboratory.simulated import DB, WL0_NM, one_window

from prism_photonics.laboratory.bent import bends, mean_covariance
from prism_photonics.laboratory.fit import fit_window, refit
from prism_photonics.laboratory.noise import Wander
from prism_photonics.laboratory.resonance import resonance


def variance_of(x, noise):
    """Of x from one reading of x², as `mean_covariance` has it."""
    slope = np.array([[[2.0 * x / noise]]])
    bent = bends(lambda p: np.array([[[2.0 * p[0] / noise]]]), np.array([x]), steps={0: 0.1})
    information = slope[0].T @ slope[0]
    groups = [([0], bent)]
    return float(mean_covariance(information, information, groups, score_of=lambda c: c[0].T @ c[0])[0, 0])


def test_a_number_that_is_seen_by_its_square_alone_has_an_error_where_its_derivative_vanishes():
    """By hand: C = 1/(4x² + 4C)·noise², which is noise/2 at 0 and noise²/4x² where x is sure."""
    noise = 1e-4
    assert variance_of(0.0, noise) == pytest.approx(noise / 2.0, rel=1e-3)
    assert variance_of(1.0, noise) == pytest.approx(noise**2 / 4.0, rel=1e-3)
    x = 0.008
    c = variance_of(x, noise)
    assert c == pytest.approx(noise**2 / (4.0 * x**2 + 4.0 * c), rel=1e-3)


@pytest.mark.parametrize("x", [0.004, 0.008, 0.02])
def test_its_error_is_what_it_scatters_by_where_an_error_by_the_derivative_has_no_end(x):
    rng, noise = np.random.default_rng(0), 1e-4
    found = np.sqrt(np.maximum(x**2 + noise * rng.standard_normal(200), 0.0))
    told = np.sqrt(np.mean([variance_of(one, noise) for one in found]))
    assert told == pytest.approx(np.sqrt(np.mean((found - x) ** 2)), rel=0.25)
    assert x > 0.01 or np.min(found) == 0.0


def test_without_bends_it_is_the_sandwich_of_weighted_least_squares():
    rng = np.random.default_rng(1)
    j = rng.standard_normal((50, 3))
    a, m = j.T @ j, j.T @ np.diag(rng.uniform(0.5, 2.0, 50)) @ j
    inverse = np.linalg.inv(a)
    np.testing.assert_allclose(mean_covariance(a, m, [], score_of=lambda c: c), inverse @ m @ inverse, rtol=1e-9)


@pytest.mark.parametrize(
    ("number", "ran_to", "known"),
    [(1, 400.0, False), (3, 800.0, True), (3, -800.0, True), (3, -3000.0, False), (4, 1e200, True), (4, 1e300, False)],
)
def test_a_fit_that_ran_away_is_told_by_its_errors_and_ends_nothing(number, ran_to, known):
    """Coupling, loss or splitting beyond all numbers: their bends are 0, or none at all."""
    jitter = Wander(1e-3, 0.4, 0.05)
    window, starts, meters = one_window(np.random.default_rng(0), split_pm=3.0, jitter=jitter, step_nm=0.002)
    fit = fit_window(window, starts, meters=meters, ripples=0)
    p = fit.p.copy()
    p[number] = ran_to
    found = refit(replace(fit, p=p), jitter, meters=meters)
    assert np.isfinite(found.covariance).all() == known
    if ran_to == -800.0:
        # A gain of e^800 a turn can be computed, and is no ring.
        assert not resonance(found, 0, fsr_known=True, split=True).sure


@pytest.mark.slow
def test_error_bars_hold_at_the_bottom_of_a_dip_that_is_nearly_dark():
    """A ring between two buses that loses almost nothing and splits by less than its noise."""
    rng, jitter, pulls, ends = np.random.default_rng(3), Wander(1e-3, 0.4, 0.05), [], []
    truth = np.array([WL0_NM, np.log(0.0123), 0.0, 0.006 / DB, 9.0, 0.0])
    for _ in range(40):
        window, starts, meters = one_window(rng, split_pm=3.0, jitter=jitter, step_nm=0.002, loss_dB=0.006)
        fit = refit(fit_window(window, starts, meters=meters, ripples=0), jitter, meters=meters)
        std = np.sqrt(np.diag(fit.covariance))
        ends.append(std[1])
        pulls.append((fit.p[[1, 3]] - truth[[1, 3]]) / std[[1, 3]])
    assert np.max(ends) < 4.0 * np.median(ends)
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(pulls), axis=0)), 1.0, atol=0.3)
