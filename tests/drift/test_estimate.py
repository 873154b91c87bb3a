"""The drift is estimated reading by reading, with honest variances, through jumps and broken rows."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.drift.estimate import kalman_update, predicted_A
from prism_photonics.drift.state import DriftModel, DriftState, thermal_patterns_pm

ROWS, RINGS = 8, 4
SIGMA_A, STEP_S = 3e-9, 0.05


@pytest.fixture(scope="module")
def wandering(demo, altered):
    return altered(
        demo,
        chip={"rows": ROWS, "channels": RINGS // 2, "buses": 2},
        drift={"temperature_K": 0.1, "gradient_K": 0.02, "thermal_time_s": 600.0, "wander_pm_rthour": 2.0},
    )


@pytest.fixture(scope="module")
def calibration(wandering):
    return blank_calibration(wandering, triggers=1)


@pytest.fixture(scope="module")
def patterns_pm(wandering):
    return jnp.asarray(thermal_patterns_pm(wandering))


@eqx.filter_jit
def read_A(calibration, shared, own_pm, patterns_pm, volts, light):
    state = eqx.tree_at(lambda s: (s.temperatures, s.own_pm), DriftState.rest(own_pm.shape), (shared, own_pm))
    lit, dark = predicted_A(
        calibration, state, patterns_pm, volts=volts, lights=jnp.stack([light, jnp.zeros_like(light)])
    )
    return lit - dark


class Room:
    """A chip that is exactly as calibrated but for its drift, and the estimate of that."""

    def __init__(self, calibration, patterns_pm, spec, seed):
        self.calibration, self.patterns_pm, self.model = calibration, patterns_pm, DriftModel.from_spec(spec)
        self.rng = np.random.default_rng(seed)
        self.shared = self.rng.standard_normal(3)
        self.own_pm = np.zeros((ROWS, RINGS))
        # The resonance flank, where shifts show.
        self.volts = jnp.full((ROWS, RINGS), 3.0)
        self.state = self.model.prior(0.0)

    def read(self, line, broken=()):
        kept = np.exp(-STEP_S / self.model.thermal_time_s)
        self.shared = kept * self.shared + np.sqrt(1.0 - kept**2) * self.rng.standard_normal(3)
        self.own_pm += np.sqrt(self.model.wander_pm2_s * STEP_S) * self.rng.standard_normal(self.own_pm.shape)
        light = jnp.eye(RINGS)[line] * self.calibration.light_scale
        current_A = read_A(self.calibration, self.shared, self.own_pm, self.patterns_pm, self.volts, light)
        current_A = np.asarray(current_A) + SIGMA_A * self.rng.standard_normal(ROWS)
        current_A[list(broken)] += 1e-6
        self.state = kalman_update(
            self.calibration, self.state, self.model, volts=self.volts, lines=jnp.array([line]),
            current_A=jnp.asarray(current_A)[None], sigma_A=jnp.full((1, ROWS), SIGMA_A), seconds=jnp.array([STEP_S]),
        )  # fmt: skip

    def off(self):
        """Errors of the common temperature, and of every ring's whole shift in pm."""
        shared = np.asarray(self.state.temperatures) - self.shared
        own_pm = np.asarray(self.state.own_pm) - self.own_pm
        return shared, np.tensordot(shared, np.asarray(self.patterns_pm), 1) + own_pm


def test_a_ring_is_off_by_what_the_variances_say(calibration, patterns_pm, wandering):
    """Of its whole shift: which part of it is temperature is less sure than they say."""
    patterns, pulls = np.asarray(patterns_pm), []
    for seed in range(10):
        room = Room(calibration, patterns_pm, wandering, seed)
        for r in range(24):
            room.read(r % RINGS)
        shared_pm2 = np.einsum("pnr,pq,qnr->nr", patterns, np.asarray(room.state.shared_cov[:3, :3]), patterns)
        pulls.append(room.off()[1] / np.sqrt(shared_pm2 + np.asarray(room.state.own_var_pm2)))
    assert 0.8 < np.std(pulls) < 1.2


def test_every_ring_is_followed_better_than_by_temperatures_alone(calibration, patterns_pm, wandering):
    room = Room(calibration, patterns_pm, wandering, 0)
    for r in range(400):
        room.read(r % RINGS)
    wandered_pm = room.own_pm.std()
    assert wandered_pm > 0.1
    assert room.off()[1].std() < 0.3 * wandered_pm


def test_a_sudden_jump_of_the_temperature_is_believed_at_once(calibration, patterns_pm, wandering):
    room = Room(calibration, patterns_pm, wandering, 1)
    for r in range(12):
        room.read(r % RINGS)
    room.shared[0] += 1.0
    jump_pm = float(patterns_pm[0].mean())
    for r in range(4):
        room.read(r)
    assert np.abs(room.off()[1]).max() < 0.05 * jump_pm


def test_a_broken_row_leads_no_other_astray(calibration, patterns_pm, wandering):
    room = Room(calibration, patterns_pm, wandering, 2)
    for r in range(12):
        room.read(r % RINGS)
    before_pm = np.abs(room.off()[1][1:]).max()
    for r in range(8):
        room.read(r % RINGS, broken=[0])
    assert np.abs(room.off()[1][1:]).max() < before_pm + 0.1


def test_time_without_readings_forgets_temperatures_and_widens_what_is_known(calibration, patterns_pm, wandering):
    room = Room(calibration, patterns_pm, wandering, 3)
    for r in range(8):
        room.read(r % RINGS)
    later = room.model.predict(room.state, jnp.asarray(1e5))
    assert np.asarray(later.shared_cov[:3, :3]) == pytest.approx(np.eye(3), abs=1e-9)
    assert np.abs(np.asarray(later.temperatures)).max() < 1e-9
    hours = 1e5 / 3600.0
    assert np.asarray(later.own_var_pm2 - room.state.own_var_pm2) == pytest.approx(2.0**2 * hours)
