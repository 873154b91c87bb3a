"""A chip moves with time as its spec and its film say, and the step of the clock does not matter."""

import numpy as np
import pytest

from prism_photonics.drift.process import HOUR_S, Drift

SEEDS = 3000
VOLTS = np.linspace(-9.0, 9.0, 6).reshape(2, 3)
LIGHT = np.array([1.0, 0.0, 0.6])


def relaxed_share(spec, seconds):
    """The closed form: what a step of voltage has lost after a time."""
    film = spec.profile.relaxation
    parts = (
        (film.fast_share, film.fast_s.value),
        (film.slow_share, film.slow_h.value * HOUR_S),
        (film.memory_share, film.memory_h.value * HOUR_S),
    )
    return sum(share.value * (1 - np.exp(-seconds / time_s)) for share, time_s in parts)


# ---------------------------------------------------------------- temperature


def test_temperature_has_the_specs_spread_at_all_times_and_forgets_itself_in_its_own_time(small):
    time_s = small.drift.thermal_time_s
    drifts = [Drift(small, np.random.default_rng(seed)) for seed in range(SEEDS)]
    seen = [np.array([d.kelvin for d in drifts])]
    for _ in range(3):
        for drift in drifts:
            drift.advance(0.5 * time_s, VOLTS)
        seen.append(np.array([d.kelvin for d in drifts]))
    for kelvin in seen:
        # 3,000 seeds know a spread to 1.3 %.
        assert kelvin.std() == pytest.approx(small.drift.temperature_K, rel=0.06)
        assert abs(kelvin.mean()) < 4 * small.drift.temperature_K / np.sqrt(SEEDS)
    for steps in (1, 2, 3):
        correlation = np.corrcoef(seen[0], seen[steps])[0, 1]
        assert correlation == pytest.approx(np.exp(-0.5 * steps), abs=0.06)


def test_a_common_temperature_moves_all_rings_alike_and_a_gradient_the_ends_against_each_other(small, altered):
    warm = altered(small, drift={"temperature_K": 1.0, "gradient_K": 0.0})
    shift_pm = Drift(warm, np.random.default_rng(0)).shift_pm()
    kelvin = Drift(warm, np.random.default_rng(0)).kelvin
    assert shift_pm == pytest.approx(np.full((2, 3), kelvin * warm.profile.optics.thermal_pm_K.value), rel=1e-12)

    tilted = altered(small, drift={"temperature_K": 0.0, "gradient_K": 1.0})
    shifts = np.array([Drift(tilted, np.random.default_rng(seed)).shift_pm() for seed in range(400)])
    assert shifts == pytest.approx(-shifts[:, ::-1, ::-1], abs=1e-12)
    # Across the die, between its corners: two independent gradients.
    corners = shifts[:, 0, 0] - shifts[:, -1, -1]
    assert corners.std() == pytest.approx(np.sqrt(2) * warm.profile.optics.thermal_pm_K.value, rel=0.15)


# ---------------------------------------------------------------- relaxation


@pytest.mark.parametrize("seconds", [1e-6, 3.0, 60.0, HOUR_S, 10 * HOUR_S, 1e9])
def test_a_step_of_voltage_fades_by_the_closed_form(small, seconds):
    drift = Drift(small, np.random.default_rng(0))
    assert drift.acting_V(VOLTS) == pytest.approx(VOLTS)
    drift.advance(seconds, VOLTS)
    assert drift.acting_V(VOLTS) == pytest.approx(VOLTS * (1 - relaxed_share(small, seconds)), rel=1e-12)


def test_after_a_voltage_its_charge_stays_behind_with_the_other_sign_and_leaves(small):
    drift = Drift(small, np.random.default_rng(0))
    drift.advance(HOUR_S, VOLTS)
    nothing = np.zeros((2, 3))
    left = drift.acting_V(nothing)
    assert left == pytest.approx(-VOLTS * relaxed_share(small, HOUR_S), rel=1e-12)
    drift.advance(1e4 * HOUR_S, nothing)
    assert drift.acting_V(nothing) == pytest.approx(nothing, abs=1e-12)


def test_two_half_steps_are_one_step(small, altered):
    still = altered(small, drift={"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.0})
    whole, halves = (Drift(still, np.random.default_rng(0)) for _ in range(2))
    for volts in (VOLTS, -0.3 * VOLTS):
        whole.advance(5000.0, volts)
        for _ in range(2):
            halves.advance(2500.0, volts)
    assert halves.acting_V(VOLTS) == pytest.approx(whole.acting_V(VOLTS), rel=1e-12)
    assert np.array_equal(halves.shift_pm(), np.zeros((2, 3)))


# ---------------------------------------------------------------- each ring's own wander


@pytest.mark.parametrize("steps", [1, 8])
def test_a_ring_wanders_with_the_root_of_time_whatever_the_step(small, altered, steps):
    alone = altered(small, drift={"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.5})
    found = []
    for seed in range(400):
        drift = Drift(alone, np.random.default_rng(seed))
        for _ in range(steps):
            drift.advance(4 * HOUR_S / steps, VOLTS)
        found.append(drift.shift_pm())
    # 2,400 rings know a spread to 1.5 %.
    assert np.std(found) == pytest.approx(0.5 * np.sqrt(4), rel=0.07)
    rings = np.corrcoef(np.reshape(found, (400, 6)).T)
    assert np.abs(rings - np.eye(6)).max() < 0.25
