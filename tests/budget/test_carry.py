"""A drive carries every ring of the scatter as far as is said, each at the voltage that is best for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism_photonics.budget.carry import RingScatter, best_share, reached_pm, sigmas_carried

SHARES = np.linspace(0.0, 1.0, 4001)
swings_pm = st.floats(1.0, 500.0)
scatters = st.builds(RingScatter, st.floats(0.1, 100.0), st.floats(0.0, 0.3), st.floats(0.0, 500.0))


@given(swing_pm=swings_pm, scatter=scatters, sigmas=st.floats(0.1, 4.0))
@settings(max_examples=80, deadline=None)
def test_no_other_share_of_the_drive_carries_farther(swing_pm, scatter, sigmas):
    def carried_pm(share):
        return swing_pm * share - sigmas * scatter.pm(swing_pm, share)

    assert carried_pm(best_share(swing_pm, scatter, sigmas)) >= carried_pm(SHARES).max() - 1e-6 * swing_pm


@given(swing_pm=swings_pm, scatter=scatters, room_pm=st.floats(-400.0, 200.0))
@settings(max_examples=80, deadline=None)
def test_no_other_share_of_the_drive_holds_more_standard_deviations(swing_pm, scatter, room_pm):
    tried = ((room_pm + swing_pm * SHARES) / scatter.pm(swing_pm, SHARES)).max()
    found = float(sigmas_carried(room_pm, swing_pm, scatter))
    # Where even the whole drive leads nowhere, how far it misses is all that is told.
    assert found >= tried - 1e-3 * abs(tried) if room_pm + swing_pm > 0.0 else found <= 0.0


def test_the_worst_ring_at_its_own_best_voltage_is_carried_as_far_as_is_said():
    # Rings all over the ellipsoid of 2.5 standard deviations, each at every voltage.
    swing_pm, scatter = 150.0, RingScatter(14.0, 0.05, 60.0)
    rng = np.random.default_rng(0)
    at = rng.standard_normal((3, 20_000, 1))
    rest, slope, curved = 2.5 * at / np.linalg.norm(at, axis=0)
    volts = np.linspace(0.0, 1.0, 201)
    drawn_pm = (
        scatter.rest_pm * rest
        + swing_pm * (1.0 + scatter.slope_relative * slope) * volts
        + scatter.curved_pm * curved * volts**2
    ).max(1)
    share = best_share(swing_pm, scatter, 2.5)
    said_pm = swing_pm * share - 2.5 * scatter.pm(swing_pm, share)
    assert 0.3 < share < 0.9
    assert said_pm <= drawn_pm.min() == pytest.approx(said_pm, abs=1.5)


@given(rest_pm=st.floats(-200.0, 200.0), swing_pm=swings_pm, curved_pm=st.floats(-400.0, 400.0))
@settings(max_examples=60, deadline=None)
def test_the_ends_of_a_rings_reach_are_those_found_by_trying_every_voltage(rest_pm, swing_pm, curved_pm):
    volts = np.linspace(-1.0, 1.0, 20_001)
    tried_pm = rest_pm + swing_pm * volts + curved_pm * volts**2
    least_pm, most_pm = reached_pm(rest_pm, swing_pm, curved_pm)
    assert most_pm == pytest.approx(np.abs(tried_pm).max(), abs=0.01)
    assert least_pm == pytest.approx(np.abs(tried_pm).min(), abs=0.1)


def test_its_gradient_is_that_of_differences():
    def sigmas(at):
        return sigmas_carried(at[0], at[1], RingScatter(14.0, 0.05, 0.02 * at[1]), jnp)

    for at in (np.array([-30.0, 80.0]), np.array([-30.0, 3000.0]), np.array([20.0, 300.0])):
        exact = jax.jacfwd(sigmas)(jnp.asarray(at))
        steps = 1e-4 * np.abs(at)
        by_steps = [(sigmas(at + step) - sigmas(at - step)) / (2.0 * step.sum()) for step in np.diag(steps)]
        assert exact == pytest.approx(np.array(by_steps), rel=1e-4, abs=1e-9)
