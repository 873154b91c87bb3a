"""A splitting is told where it stands out of noise and jitter; else it is a limit, not a value."""

import numpy as np
import pytest
from laboratory.simulated import DB, WL0_NM, one_window

from prism_photonics.laboratory.fit import fit_window, refit
from prism_photonics.laboratory.noise import Wander
from prism_photonics.laboratory.response import RingShape, ring_response
from prism_photonics.laboratory.ripple import around_rings
from prism_photonics.laboratory.splitting import UNKNOWN, SquaredSplitting, mean_of, splitting
from prism_photonics.laboratory.window import Window

JITTER = Wander(1e-3, 0.4, 0.05)


def fitted(seed, *, split_pm):
    """The squared splitting that a ring of 12 pm shows under a laser that jitters by 1 pm at steps of 1 pm."""
    window, starts, meters = one_window(np.random.default_rng(seed), split_pm=split_pm, jitter=JITTER)
    fit = refit(fit_window(window, starts, meters=meters, ripples=0), JITTER, meters=meters)
    return SquaredSplitting.of(fit.p[4:6], fit.covariance[4:6, 4:6])


def test_jitter_is_not_taken_for_a_splitting():
    squares = [fitted(seed, split_pm=0.0) for seed in range(60)]
    told = [splitting(one) for one in squares]
    assert np.mean([np.isfinite(one.pm) for one in told]) <= 0.05
    assert all(1.0 < one.limit_pm < 15.0 for one in told)
    # Left out of the model, jitter reads as 5 pm² of splitting, and weights by each fit's own covariance as 6 pm².
    mean = mean_of(squares)
    assert abs(mean.real_pm2) < 1.5 * np.sqrt(mean.real_variance_pm4)
    assert mean.real_variance_pm4 < 3.0**2


def test_a_splitting_is_found_under_jitter_and_lies_below_its_limit():
    told = [splitting(fitted(seed, split_pm=9.0)) for seed in range(20)]
    found = np.array([one.pm for one in told])
    assert np.mean(np.isfinite(found)) > 0.9
    pulls = np.array([(one.pm - 9.0) / one.std_pm for one in told])
    assert np.nanmedian(np.abs(found - 9.0)) < 1.0
    assert 0.6 < np.nanstd(pulls) < 1.4
    assert np.mean([one.limit_pm > 9.0 for one in told]) > 0.9


def test_a_meter_that_integrates_over_its_steps_widens_no_ring_once_that_is_known():
    # A laser that sweeps 4 pm while the meter averages, over a ring 12 pm wide.
    step_nm, kappa2, loss = 0.004, 0.0123, 0.02 / DB
    wl_nm = np.arange(WL0_NM - 0.3, WL0_NM + 0.3, step_nm)
    ring, within_nm = RingShape(WL0_NM, np.log(kappa2), 0.0, loss, 0.0, 0.0), step_nm * (np.arange(40) - 19.5) / 40
    through = np.mean([ring_response(wl_nm + each, ring, fsr_nm=2.6).through for each in within_nm], axis=0)
    through = through * (1.0 + 1e-4 * np.random.default_rng(0).standard_normal(len(wl_nm)))
    start = np.array([WL0_NM, np.log(kappa2), 0.0, loss, 0.0, 0.0])
    found = []
    for blur_nm in (step_nm / np.sqrt(12.0), 0.0):
        window = Window(wl_nm, through, (), (), (2.6,), blur_nm=blur_nm)
        fit = fit_window(window, [start], meters=(1e-5,), split=False, ripples=0)
        found.append(abs(fit.p[3] / loss - 1.0))
    assert found[0] < 0.03
    assert found[1] > 5.0 * found[0]


def test_a_mean_over_resonances_is_as_sure_as_they_agree():
    def squared(real):
        return SquaredSplitting(real, 0.0, 100.0, 100.0, 0.0)

    alike = mean_of([squared(real) for real in (20.0, 30.0, 25.0, 25.0)])
    assert alike.real_pm2 == pytest.approx(25.0)
    assert alike.real_variance_pm4 == pytest.approx(25.0)
    assert splitting(mean_of([SquaredSplitting(25.0, 0.0, 1.0, 1.0, 0.0)] * 4)).pm == pytest.approx(5.0, rel=1e-3)
    assert np.isnan(splitting(squared(25.0)).pm)
    apart = mean_of([squared(real) for real in (-60.0, 110.0, 25.0, 25.0)])
    assert apart.real_variance_pm4 > 2.0 * alike.real_variance_pm4
    assert np.isnan(splitting(mean_of([UNKNOWN])).limit_pm)


def test_splittings_that_are_told_are_no_larger_than_they_are():
    """Of small ones those stand out that noise made larger: by Re √s alone pulls scatter by 1.2 about 0.4."""
    rng, covariance = np.random.default_rng(3), np.array([[3600.0, 300.0], [300.0, 2300.0]])
    pulls, plain = [], []
    for true_pm in 8.0 * np.hypot(*rng.standard_normal((2, 1000))):
        s = np.array([true_pm**2, 0.0]) + np.linalg.cholesky(covariance) @ rng.standard_normal(2)
        told, root = splitting(SquaredSplitting.of(s, covariance)), np.sqrt(complex(*s))
        if np.isfinite(told.pm):
            by = np.real(np.array([1.0, 1.0j]) / (2.0 * root))
            pulls.append((told.pm - true_pm) / told.std_pm)
            plain.append((root.real - true_pm) / np.sqrt(by @ covariance @ by))
    assert len(pulls) > 250
    assert np.std(pulls) == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1.0, abs=0.12)
    assert np.sqrt(np.mean(np.square(plain))) > 1.15


def test_waves_that_differ_in_width_alone_are_not_told_to_split():
    told = splitting(SquaredSplitting(-400.0, 0.0, 100.0, 100.0, 0.0))
    assert np.isnan(told.pm)
    assert told.limit_pm < 2.0


def test_a_ripple_is_of_one_kind_all_over_a_sweep():
    windows = [([0.26, 0.8], (5.0, -1.0)), ([0.262], (-1.0,)), ([], ()), ([0.264, 0.85], (2.0, 0.5))]
    assert around_rings(windows) == [(True, False), (True,), (), (True, False)]
