"""What fits are made of, against the slow roads to the same numbers: matrices written out."""

import numpy as np
import pytest
from scipy.linalg import toeplitz

from prism_photonics.laboratory.noise import ALIKE, Wander, evidence, score_covariance


def test_error_bars_are_of_the_covariance_that_their_docstring_writes_out():
    rng, ports, wl, numbers = np.random.default_rng(2), 2, 157, 6
    j = np.cumsum(rng.normal(size=(ports, wl, numbers)), axis=1)
    r, tilts, filled = (np.cumsum(rng.normal(size=(ports, wl)), axis=1) for _ in range(3))
    wander = Wander(0.3, -0.35, 0.2)
    whole = np.zeros((ports * wl, ports * wl))
    lags = np.arange(wl)
    for port, row in enumerate(r):
        kernel = np.correlate(row, row, "full")[wl - 1 :] / wl
        kernel[np.flatnonzero(kernel < 0.05 * kernel[0])[0] :] = 0.0
        own = slice(port * wl, (port + 1) * wl)
        whole[own, own] += toeplitz(kernel)
    alike = wander.std_nm**2 / (1.0 - wander.unsure**2) * toeplitz(wander.alike**lags)
    bent = 2.0 * toeplitz(wander.alike ** (2.0 * lags)) + wander.unsure**2
    whole += np.outer(tilts, tilts) * np.tile(alike, (ports, ports))
    whole += np.outer(filled, filled) * np.tile(bent, (ports, ports))
    flat = j.reshape(-1, numbers)
    expected = flat.T @ whole @ flat
    assert score_covariance(j, r, tilts, wander, filled=filled) == pytest.approx(expected, rel=1e-9)


def test_evidence_of_a_wander_is_that_of_the_covariance_of_what_it_leaves():
    rng, wl = np.random.default_rng(3), 61
    away = np.linspace(-3.0, 3.0, wl)
    slopes = (away * np.exp(-(away**2)))[None] * np.array([[1.0], [-0.7]])
    weights = np.ones((2, wl))
    weights[:, ::9] = 0.0
    lowered = 0.05 * rng.normal(size=(2, wl, 4))
    told = evidence(rng.normal(size=(2, wl)), slopes, weights=weights, variance=np.ones((2, wl)), lowered=lowered)
    steep = np.sum(slopes**2 * weights, axis=0)
    core = np.flatnonzero(steep > 0.16 * steep.max())
    shared = np.einsum("pw,pwn->wn", slopes * weights, lowered)[core]
    kept = np.diag(steep[core]) - shared @ shared.T
    assert (np.diff(core) > 1).any()
    for n, alike in enumerate(ALIKE):
        left = kept @ alike ** np.abs(core[:, None] - core) @ kept
        assert told.squares_1nm[n] == pytest.approx(np.trace(left))
        assert told.neighbours_1nm[n] == pytest.approx(np.diag(left, 1)[np.diff(core) == 1].sum())
        assert told.variance_1nm[n] == pytest.approx(2.0 * np.sum(left**2))


def test_a_window_without_slopes_is_no_evidence_of_a_wander():
    still = np.zeros((2, 40))
    told = evidence(still, still, weights=still + 1.0, variance=still + 1.0, lowered=np.zeros((2, 40, 3)))
    assert told.squares == 0.0
    assert not told.squares_1nm.any()
    assert not told.variance_1nm.any()
