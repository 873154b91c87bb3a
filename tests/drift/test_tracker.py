"""A chip that drifts is kept true through its photocurrents, and no ring is ever driven beyond its limit."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism_photonics.calibration.calibration import blank_calibration, from_survey
from prism_photonics.characterize.stability import StabilityTest, run_stability_test
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.drift.estimate import corrected_volts, drifted_calibration, kalman_update, predicted_A
from prism_photonics.drift.state import FILM_SCATTER, HOUR_S, DriftModel, DriftState, thermal_patterns_pm
from prism_photonics.drift.tracker import Tracker
from prism_photonics.units import InputError

KEY = jax.random.key(3)
SHAPE = (2, 3)


@pytest.fixture(scope="module")
def designed(small):
    """The design with curved tuning: a chip whose every number is known."""
    blank = blank_calibration(small, triggers=1)
    curvature = jnp.asarray(np.random.default_rng(1).normal(0.0, 0.03, (2, 1, 3)))
    return eqx.tree_at(lambda c: c.rows.rings.curvature_pm_V2, blank, curvature)


@pytest.fixture(scope="module")
def patterns_pm(small):
    return jnp.asarray(thermal_patterns_pm(small))


def drifted(**changes):
    """A state of which everything has moved."""
    rng = np.random.default_rng(2)
    moved = {
        "temperatures": jnp.array([1.2, -0.5, 0.8]),
        "film": jnp.asarray(0.11),
        "own_pm": jnp.asarray(rng.normal(0.0, 0.3, SHAPE)),
        "lost_V": jnp.asarray(rng.uniform(-0.8, 0.8, SHAPE)),
    }
    return dataclasses.replace(DriftState.rest(SHAPE), **moved | changes)


# ---------------------------------------------------------------- the model of the drift


def test_a_drifted_calibration_is_the_old_one_at_what_is_left_of_the_voltages(designed, patterns_pm):
    state = drifted(temperatures=jnp.zeros(3), own_pm=jnp.zeros(SHAPE))
    volts = np.random.default_rng(3).uniform(-8.0, 8.0, SHAPE)
    now = drifted_calibration(designed, state, patterns_pm).weights(jnp.asarray(volts))
    assert np.asarray(now) == pytest.approx(np.asarray(designed.weights(volts - state.relaxed_V)), abs=1e-12)


def test_corrected_volts_give_the_weights_that_the_old_ones_gave(designed, patterns_pm):
    state, volts = drifted(), jnp.asarray(np.random.default_rng(4).uniform(-8.0, 8.0, SHAPE))
    now = drifted_calibration(designed, state, patterns_pm)
    uncorrected = np.asarray(now.weights(volts) - designed.weights(volts))
    corrected = np.asarray(now.weights(corrected_volts(designed, volts, state, patterns_pm)) - designed.weights(volts))
    assert np.abs(uncorrected).max() > 0.1
    assert np.abs(corrected).max() < 1e-6


@pytest.mark.parametrize("mode", ["common", "full"])
def test_the_drift_is_found_from_the_readings_alone(designed, small, patterns_pm, mode):
    """The film's factor too, which only voltages that differ from ring to ring part from the temperature."""
    model = DriftModel.from_spec(small, film_var=FILM_SCATTER**2)
    truth = drifted() if mode == "full" else drifted(own_pm=jnp.zeros(SHAPE))
    volts = jnp.asarray(np.random.default_rng(5).uniform(-6.0, 6.0, SHAPE))
    lines, dark = np.tile(np.arange(3), 8), jnp.zeros((1, 3))
    lights = jnp.eye(3)[lines] * designed.light_scale
    current_A = predicted_A(designed, truth, patterns_pm, volts=volts, lights=lights)
    current_A -= predicted_A(designed, truth, patterns_pm, volts=volts, lights=dark)
    before = dataclasses.replace(model.prior(4 * HOUR_S if mode == "full" else 0.0), lost_V=truth.lost_V)
    found = kalman_update(
        designed, before, model, volts=volts, lines=jnp.asarray(lines), current_A=current_A,
        sigma_A=jnp.full(current_A.shape, 1e-10), seconds=jnp.zeros(len(lines)), own=mode == "full",
    )  # fmt: skip
    slope_pm_V = designed.rows.rings.slope_pm_V[:, 0]
    shift_pm = np.asarray(found.shift_pm(patterns_pm) - slope_pm_V * found.relaxed_V)
    want_pm = np.asarray(truth.shift_pm(patterns_pm) - slope_pm_V * truth.relaxed_V)
    # Temperature and relaxation trade against each other; what a ring sees of both together is what counts.
    assert shift_pm == pytest.approx(want_pm, abs=0.06)
    if mode == "common":
        assert float(found.film) == pytest.approx(0.11, abs=0.02)


# ---------------------------------------------------------------- on a chip


@pytest.fixture(scope="module")
def warm(small, altered):
    """The small chip in a bad room."""
    return altered(small, drift={"temperature_K": 0.1, "thermal_time_s": 300.0, "wander_pm_rthour": 2.0})


@pytest.fixture(scope="module")
def calibration(survey, small, warm):
    found = from_survey(survey, small, key=KEY)
    # The same die in another room: the survey takes milliseconds.
    return dataclasses.replace(found, spec_hash=warm.hash)


@pytest.fixture(scope="module")
def tests(calibration, warm):
    def run(mode):
        chip = VirtualChip.fabricate(warm, jax.random.key(0))
        return run_stability_test(
            chip, calibration, warm, key=KEY, mode=mode, seconds=300.0, interval_s=1.0, check_s=30.0, averages=256
        )

    return {mode: run(mode) for mode in ("none", "common", "full")}


def test_without_tracking_the_weights_are_lost_and_with_it_they_are_held(tests):
    found = {mode: test.summary() for mode, test in tests.items()}
    assert found["none"]["held_bits_median"] < 5.0
    for mode in ("common", "full"):
        assert found[mode]["held_bits_median"] > found["none"]["held_bits_median"] + 1.0
        assert found[mode]["duty"] < 0.01
        assert found[mode]["duty_laboratory"] < 0.01
    # This die's weights span 0.83 only, which costs a bit, and a drifted ring may miss a fresh target at their end.
    assert found["full"]["held_bits_median"] > 7.0
    assert found["full"]["fresh_bits_median"] > 6.5
    assert found["full"]["fresh_bits_median"] > found["none"]["fresh_bits_median"] + 2.0


def test_the_films_lost_share_is_followed(tests, warm):
    film = warm.profile.relaxation
    lost = film.fast_share.value + film.slow_share.value * (1.0 - np.exp(-300.0 / 3600.0 / film.slow_h.value))
    assert tests["full"].lost_share[-1] == pytest.approx(lost, rel=0.15)


def test_the_record_of_a_stability_test_comes_back(tests, small, tmp_path):
    tests["full"].write(tmp_path / "full.nc", small)
    again = StabilityTest.read(tmp_path / "full.nc")
    assert again.summary() == tests["full"].summary()
    assert again.held_bits.tolist() == tests["full"].held_bits.tolist()


def test_a_reading_that_is_no_number_and_an_excluded_ring_do_not_disturb(calibration, warm, spoiled):
    chip = spoiled(current=lambda current_A: np.array([np.nan, current_A[1]]))
    out = dataclasses.replace(calibration, excluded=jnp.asarray(np.array([[True, True, True], [False, False, True]])))
    tracker = Tracker(chip, out, warm, mode="full")
    tracker.hold(np.full(SHAPE, 2.0))
    chip.wait(10.0)
    for _ in range(3):
        tracker.refresh()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tracker.state))
    assert tracker.volts[0] == pytest.approx(2.0, abs=warm.voltage_step_V)
    assert (np.abs(tracker.volts[1, :2] - 2.0) > 0.01).all()


def test_a_ring_that_cannot_be_held_within_the_limit_is_named(designed, small):
    tracker = Tracker(VirtualChip.fabricate(small, KEY), designed, small, mode="common")
    base = np.zeros(SHAPE)
    base[1, 2] = 9.9
    tracker.hold(base)
    assert tracker.pinned == []
    # A warm chip goes to the red: more voltage brings it back, of one sign or the other.
    tracker.state = dataclasses.replace(tracker.state, own_pm=jnp.full(SHAPE, -30.0))
    tracker.restore()
    assert tracker.pinned == [(1, 2)]
    assert np.abs(tracker.volts).max() == small.drive.max_voltage_V


@given(
    shared=st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4),
    own=st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6),
    volts=st.lists(st.floats(-10.0, 10.0), min_size=6, max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_estimated_no_ring_is_driven_beyond_its_limit(designed, small, shared, own, volts):
    # The chip refuses any voltage beyond the limit, so that it takes them all is the proof.
    tracker = Tracker(VirtualChip.fabricate(small, KEY), designed, small, mode="common")
    tracker.hold(np.reshape(volts, SHAPE))
    own_pm = jnp.asarray(np.reshape(own, SHAPE))
    tracker.state = dataclasses.replace(
        tracker.state, temperatures=jnp.array(shared[:3]), film=jnp.asarray(shared[3]), own_pm=own_pm
    )
    tracker.restore()
    assert np.abs(tracker.volts).max() <= small.drive.max_voltage_V


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "some"}, "mode 'some' is unknown; use one of none, common, full"),
        ({"interval_s": 0.0}, "interval = 0 s"),
        ({"seconds": np.inf}, "seconds = inf s"),
        ({"check_s": -1.0}, "check = -1 s"),
        ({"share": 0.0}, "share = 0 of the weight range, want above 0 up to 1"),
        ({"share": float("nan")}, "share = nan of the weight range"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(designed, small, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        run_stability_test(VirtualChip.fabricate(small, KEY), designed, small, **{"key": KEY, "mode": "none"} | changes)
    assert "\n" not in str(caught.value)


def test_the_calibration_of_another_chip_is_refused(designed, small, altered):
    other = altered(small, name="other")
    with pytest.raises(InputError, match=r"belongs to spec .* not to other"):
        Tracker(VirtualChip.fabricate(other, KEY), designed, other, mode="common")
