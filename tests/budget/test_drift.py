"""The report's drift against the drift of the virtual chip: two roads to the same picometres."""

import numpy as np
import pytest

from prism_photonics.budget.error_budget import weight_error_allowed
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.rules_drift import REFRESH_S, drift, drift_common, movement_pm
from prism_photonics.budget.slopes import slopes
from prism_photonics.budget.snr import query_rms, weight_rms
from prism_photonics.drift.process import Drift


@pytest.fixture(scope="module")
def moved(demo):
    """Shift of every ring from one refresh to the next, (draws, rows, rings), in pm."""
    rng = np.random.default_rng(0)
    still = np.zeros((demo.chip.rows, demo.chip.rings))

    def once():
        state = Drift(demo, rng)
        before = state.shift_pm()
        state.advance(REFRESH_S, still)
        return state.shift_pm() - before

    return np.array([once() for _ in range(400)])


def test_the_common_part_is_the_virtual_chips(demo, moved):
    assert movement_pm(demo).common == pytest.approx(np.std(moved.mean((1, 2))), rel=0.1)


def test_what_each_ring_does_by_itself_is_the_virtual_chips(demo, moved):
    own = moved - moved.mean((1, 2), keepdims=True)
    expected = movement_pm(demo)
    assert np.hypot(expected.gradient, expected.wander) == pytest.approx(np.std(own), rel=0.1)


def test_the_steady_voltages_that_correct_a_ring_relax_as_on_the_virtual_chip(demo, altered):
    quiet = altered(demo, system={"query_rate_Hz": 1e9})
    film, volts = Drift(demo, np.random.default_rng(0)), np.full((demo.chip.rows, demo.chip.rings), 1.0)
    # The fast part passes before the first refresh.
    film.advance(20 * demo.profile.relaxation.fast_s.value, volts)
    before = film.acting_V(volts)
    film.advance(REFRESH_S, volts)
    lost = (before - film.acting_V(volts))[0, 0]
    assert movement_pm(quiet).relaxation == pytest.approx(lost * demo.resonance_pm, rel=0.02)


def test_weights_that_stay_for_hours_relax_with_their_swing(demo, altered):
    rate = demo.system.query_rate_Hz
    held = altered(demo, system={"queries_per_program": 4 * 3600 * rate})
    assert movement_pm(held).age_s == pytest.approx(4 * 3600)
    assert movement_pm(held).relaxation > 10 * movement_pm(demo).relaxation
    assert not drift(held).passed


def test_lithium_tantalate_relaxes_less(circles, altered):
    held = {"system": {"queries_per_program": 3600 * circles.system.query_rate_Hz}}
    tantalate = altered(
        circles,
        process="ltoi300",
        ring={"radius_um": 80.0, "pitch_um": 300.0, "gap_through_um": 0.6, "gap_drop_um": 0.6},
    )
    share = [movement_pm(altered(s, **held)).relaxation / ring_figures(s).fwhm_pm for s in (circles, tantalate)]
    assert share[1] < 0.5 * share[0]


def test_an_error_as_large_as_allowed_leaves_just_the_required_snr(demo, altered):
    """Scores of Gaussian signatures and queries, their weights disturbed: the definition, by drawing."""
    rng = np.random.default_rng(1)
    for encoding in ("two_shot", "offset"):
        spec = altered(demo, modulator={"encoding": encoding})
        weights = weight_rms(spec) * rng.standard_normal((4000, spec.chip.rings))
        query = query_rms(spec) * rng.standard_normal((200, spec.chip.rings))
        error = weight_error_allowed(spec) * rng.standard_normal(weights.shape)
        # The pedestal of 'offset' reads every weight's error, whatever the query.
        light = query + 1.0 if encoding == "offset" else query
        ratio = np.var(weights @ query.T) / np.var(error @ light.T)
        assert 10 * np.log10(ratio) == pytest.approx(spec.ranking.required_snr_dB, abs=0.3)


def test_the_steepest_slope_is_the_lorentzians(demo):
    ring, at = ring_figures(demo), np.linspace(0.0, 40.0, 4001)
    numeric = np.gradient([ring.weight(detuning) for detuning in at], at)
    assert slopes(demo).steepest == pytest.approx(numeric.max(), rel=1e-4)
    assert 0 < slopes(demo).spread < slopes(demo).steepest


def test_a_common_movement_may_be_larger_than_an_independent_one(demo):
    assert drift_common(demo).limit > 2 * drift(demo).limit
