"""Correlation along a row, gain and offset, drift: each comes back from records made with it, and none from nothing."""

import numpy as np
import pytest

from prism_photonics.behavior.drift import fit_drift
from prism_photonics.behavior.errors import fit_gain_offset, fit_weight_error
from prism_photonics.characterize.drift_study import DriftStudy

ALL = np.zeros((8, 8), bool)


def deviations(correlation, *, targets=60, std=0.003, own=0.0, seed=0):
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((targets, 8, 8)) @ np.linalg.cholesky(correlation).T
    return std * made + own * rng.standard_normal(made.shape), np.full(made.shape, own**2)


def neighbours(r):
    distance = np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
    return r**distance


def test_errors_of_neighbouring_rings_are_found_correlated_as_they_were_made():
    truth = neighbours(0.6)
    found = fit_weight_error(*deviations(truth, own=0.002, targets=240), ALL)
    assert found.mix.T @ found.mix == pytest.approx(truth, abs=0.12)
    assert found.std == pytest.approx(0.003, rel=0.15)
    assert np.allclose(found.mix, np.triu(found.mix))


def test_independent_errors_are_not_taken_for_correlated_ones():
    mix = fit_weight_error(*deviations(np.eye(8)), ALL).mix
    # A sample correlation of 480 pairs scatters by 0.046; shrinking leaves less than half of it.
    assert np.abs(mix.T @ mix - np.eye(8)).max() < 0.06


def test_errors_drawn_by_the_model_have_the_fitted_correlation():
    found = fit_weight_error(*deviations(neighbours(0.6)), ALL)
    drawn = np.random.default_rng(1).standard_normal((20000, 8)) @ found.mix
    assert np.corrcoef(drawn.T) == pytest.approx(found.mix.T @ found.mix, abs=0.03)


def test_an_excluded_ring_spoils_no_statistics():
    deviation, own = deviations(neighbours(0.6))
    clean = fit_weight_error(deviation, own, ALL)
    excluded = ALL.copy()
    excluded[2, 3] = True
    deviation[:, 2, 3] += 0.7
    found = fit_weight_error(deviation, own, excluded)
    assert found.bias == pytest.approx(clean.bias, abs=1e-4)
    assert found.std == pytest.approx(clean.std, rel=0.1)


def test_gain_and_offset_of_each_row_are_found():
    rng = np.random.default_rng(2)
    predicted = rng.uniform(-2, 2, (40, 8))
    gain, offset = np.linspace(0.97, 1.02, 8), np.linspace(-0.02, 0.01, 8)
    read = gain * predicted + offset + 5e-4 * rng.standard_normal(predicted.shape)
    found = fit_gain_offset(predicted, read, np.ones_like(predicted, bool))
    assert found[0] == pytest.approx(gain, abs=4e-4)
    assert found[1] == pytest.approx(offset, abs=4e-4)


def test_a_row_without_readings_takes_the_mean_and_noise_alone_makes_no_gain():
    rng = np.random.default_rng(3)
    predicted = rng.uniform(-2, 2, (40, 8))
    inside = np.ones_like(predicted, bool)
    inside[:, 5] = False
    gain, _ = fit_gain_offset(predicted, 1.03 * predicted, inside)
    assert gain == pytest.approx(np.full(8, 1.03), abs=1e-6)
    gain, offset = fit_gain_offset(predicted, predicted + 0.01 * rng.standard_normal(predicted.shape), inside)
    assert np.abs(gain - 1).max() < 2e-3  # a straight line alone would scatter by 1.4e-3 and reach 3e-3
    assert np.abs(offset).max() < 4e-3


def test_the_three_parts_of_a_drift_are_told_apart():
    rng = np.random.default_rng(4)
    commanded = rng.uniform(-0.5, 0.7, (200, 8, 8))
    s = (commanded - 0.1) / 0.6
    common, own, noise = np.linspace(0.004, 0.012, 8), np.linspace(0.01, 0.02, 8), 0.003
    z, xi, read = (rng.standard_normal(shape) for shape in ((200, 1, 1), commanded.shape, commanded.shape))
    change = 0.02 - 0.05 * s + common * z + own * xi + noise * read
    study = DriftStudy(commanded, np.array([10.0]), change[:, None], np.full((200, 1, 8, 8), noise), "f" * 64)
    found = fit_drift(study, centre=0.1, span=0.6, excluded=ALL)
    assert found.mean[0, 0] == pytest.approx(0.02, abs=0.003)
    assert found.mean[0, 1] == pytest.approx(-0.05, abs=0.003)
    assert found.common[0] == pytest.approx(common, rel=0.25)
    assert found.own[0] == pytest.approx(own, rel=0.1)
