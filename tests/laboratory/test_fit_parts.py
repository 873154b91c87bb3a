"""What fits are made of, against the slow roads to the same numbers: SciPy's, and matrices written out."""

from typing import Any, cast

import numpy as np
import pytest
from scipy import optimize
from scipy.linalg import toeplitz
from scipy.signal import find_peaks

from prism_photonics.laboratory.noise import ALIKE, Wander, evidence, score_covariance
from prism_photonics.laboratory.prominent import prominent
from prism_photonics.laboratory.trust_region import least_squares


def lines(seed, *, split):
    """Residuals and slopes of one or two lines on a slope, begun far off; an amplitude of 0 leaves a column empty."""
    rng, x = np.random.default_rng(seed), np.linspace(-3.0, 3.0, 90)
    y = 1.0 / (1.0 + (x - 0.4) ** 2) + 0.1 * x + 0.02 * rng.standard_normal(len(x))

    def both(p):
        place, width, slope, height, other = p
        under, beside = 1.0 + ((x - place) / width) ** 2, 1.0 + (x - other) ** 2
        rows = [
            2.0 * (x - place) / (width * under) ** 2,
            2.0 * (x - place) ** 2 / width**3 / under**2,
            x,
            1.0 / beside,
            2.0 * height * (x - other) / beside**2,
        ]
        return 1.0 / under + slope * x + height / beside - y, np.array(rows)

    return both, np.array([rng.uniform(-2.0, 2.0), rng.uniform(0.3, 3.0), 0.0, 0.3 * split, rng.uniform(-2.0, 2.0)])


@pytest.mark.parametrize("split", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_steps_of_a_fit_are_those_of_minpack(seed, split):
    both, start = lines(seed, split=split)
    ours, theirs = [], []

    def noted(p):
        ours.append(p)
        return both(p)

    def of_theirs(p):
        theirs.append(p.copy())
        return both(p)[0]

    found, cost = least_squares(noted, start, most=40, ftol=1e-5, xtol=1e-6)
    slopes = cast(Any, lambda p: both(p)[1].T)  # SciPy's types know no function here
    known = optimize.least_squares(
        of_theirs, start, slopes, method="lm", x_scale="jac", max_nfev=40, ftol=1e-5, xtol=1e-6
    )
    assert len(ours) == known.nfev
    # SciPy asks once for a vector that comes twice.
    once = [p for n, p in enumerate(ours) if n == 0 or (p != ours[n - 1]).any()]
    assert np.array(once) == pytest.approx(np.array(theirs), rel=1e-6, abs=1e-8)
    assert found == pytest.approx(known.x, rel=1e-6, abs=1e-8)
    assert cost == pytest.approx(known.cost, rel=1e-9)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_of_two_numbers_that_do_the_same_neither_runs_away(seed):
    """As two sinusoids of one period; MINPACK sends them to thousands, one against the other."""
    both, start = lines(seed, split=1)

    def twice(p):
        residuals, columns = both(np.r_[p[:2], p[2] + p[5], p[3:5]])
        return residuals, np.vstack([columns, columns[2] * (1.0 + 1e-15)])

    found, _ = least_squares(twice, np.r_[start, 0.0], most=40, ftol=1e-5, xtol=1e-6)
    alone, _ = least_squares(both, start, most=40, ftol=1e-5, xtol=1e-6)
    assert found[2] == pytest.approx(found[5], abs=1e-9)
    assert found[2] + found[5] == pytest.approx(alone[2], abs=1e-5)


def test_a_fit_ends_after_as_many_vectors_as_it_may_try():
    both, start = lines(0, split=1)
    _, cost = least_squares(both, start, most=3, ftol=1e-12, xtol=1e-12)
    further = least_squares(both, start, most=40, ftol=1e-12, xtol=1e-12)[1]
    assert further < cost < 0.5 * np.sum(both(start)[0] ** 2)


@pytest.mark.parametrize("of", [lambda x: x, np.round, lambda x: np.round(x / 3.0)])
def test_peaks_are_those_of_scipy_flat_ones_and_equal_ones_too(of):
    rng = np.random.default_rng(1)
    for _ in range(300):
        values = of(np.cumsum(rng.normal(size=int(rng.integers(1, 400)))))
        for least in (0.5, 1.0, 3.3):
            assert prominent(values, least).tolist() == find_peaks(values, prominence=least)[0].tolist()


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
