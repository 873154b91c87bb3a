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
from prism_photonics.characterize.stability import Hour, keep_true
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.drift.tracker import Moved, Tracker, estimate, held_volts, moved_calibration
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
def patterns_pm(designed, small):
    return Tracker(VirtualChip.fabricate(small, KEY), designed, small, mode="full").patterns_pm


def drifted(**changes):
    rng = np.random.default_rng(2)
    own_pm = jnp.asarray(rng.normal(0.0, 0.3, SHAPE))
    charge_V = jnp.asarray(rng.uniform(-8.0, 8.0, SHAPE))
    kept_V = jnp.asarray(rng.normal(0.0, 0.2, SHAPE))
    return dataclasses.replace(Moved(jnp.array([1.2, -0.5, 0.8, 0.11]), own_pm, charge_V, kept_V), **changes)


def readings_A(calibration, lights, volts):
    """What a chip reads that is exactly as a calibration says."""
    full_A = calibration.weights(jnp.asarray(volts)) * calibration.unit_A[:, None] / calibration.light_scale
    return np.asarray(calibration.dark_A + (lights + calibration.leak) @ full_A.T)


# ---------------------------------------------------------------- the model of what moved


def test_a_moved_calibration_is_the_old_one_at_what_is_left_of_the_voltages(designed, patterns_pm):
    moved = drifted(common=jnp.array([0.0, 0.0, 0.0, 0.11]), own_pm=jnp.zeros(SHAPE))
    volts = np.random.default_rng(3).uniform(-8.0, 8.0, SHAPE)
    now = moved_calibration(designed, moved, patterns_pm).weights(jnp.asarray(volts))
    assert np.asarray(now) == pytest.approx(np.asarray(designed.weights(volts - moved.relaxed_V)), abs=1e-12)


def test_held_volts_give_the_weights_that_the_old_ones_gave(designed, patterns_pm):
    moved, volts = drifted(), jnp.asarray(np.random.default_rng(4).uniform(-8.0, 8.0, SHAPE))
    now = moved_calibration(designed, moved, patterns_pm)
    uncorrected = np.asarray(now.weights(volts) - designed.weights(volts))
    corrected = np.asarray(now.weights(held_volts(designed, volts, moved, patterns_pm)) - designed.weights(volts))
    assert np.abs(uncorrected).max() > 0.1
    assert np.abs(corrected).max() < 1e-6


@pytest.mark.parametrize("mode", ["common", "full"])
def test_what_moved_is_found_from_the_readings_alone(designed, small, patterns_pm, mode):
    own = mode == "full"
    lights = np.eye(3) if own else np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    truth = drifted() if own else drifted(own_pm=jnp.zeros(SHAPE))
    volts = np.random.default_rng(5).uniform(-6.0, 6.0, SHAPE)
    current_A = readings_A(moved_calibration(designed, truth, patterns_pm), lights, volts)
    found = drifted(common=jnp.zeros(4), own_pm=jnp.zeros(SHAPE))
    for _ in range(4):
        found = estimate(
            designed, found, patterns_pm, jnp.asarray(volts), jnp.asarray(lights), jnp.asarray(current_A),
            jnp.full(current_A.shape, 1e-10), 0.5, jnp.full(SHAPE, 1.0), own=own,
        )  # fmt: skip
    shift_pm = np.asarray(found.shift_pm(patterns_pm) - designed.rows.rings.slope_pm_V[:, 0] * found.relaxed_V)
    want_pm = np.asarray(truth.shift_pm(patterns_pm) - designed.rows.rings.slope_pm_V[:, 0] * truth.relaxed_V)
    # Temperature and relaxation trade against each other; what a ring sees of both together is what counts.
    assert shift_pm == pytest.approx(want_pm, abs=0.06)


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
def hours(calibration, warm):
    def run(mode):
        chip = VirtualChip.fabricate(warm, jax.random.key(0))
        return keep_true(
            chip, calibration, warm, key=KEY, mode=mode, seconds=300.0, interval_s=1.0, check_s=30.0, averages=256
        )

    return {mode: run(mode) for mode in ("none", "common", "full")}


def test_without_tracking_the_weights_are_lost_and_with_it_they_are_held(hours):
    told = {mode: hour.summary() for mode, hour in hours.items()}
    assert told["none"]["held_bits_median"] < 5.0
    for mode in ("common", "full"):
        assert told[mode]["held_bits_median"] > told["none"]["held_bits_median"] + 1.0
        assert told[mode]["duty"] < 0.01
        assert told[mode]["duty_laboratory"] < 0.01
    # This die's weights span 0.83 only, which costs a bit, and a drifted ring may miss a fresh target at their end.
    assert told["full"]["held_bits_median"] > 7.0
    assert told["full"]["fresh_bits_median"] > 6.5
    assert told["full"]["fresh_bits_median"] > told["none"]["fresh_bits_median"] + 2.0


def test_the_films_lost_share_is_found(hours, warm):
    film = warm.profile.relaxation
    lost = film.fast_share.value + film.slow_share.value * (1.0 - np.exp(-300.0 / 3600.0 / film.slow_h.value))
    assert hours["full"].lost_share[-1] == pytest.approx(lost, rel=0.15)


def test_the_record_of_an_hour_comes_back(hours, small, tmp_path):
    hours["full"].write(tmp_path / "full.nc", small)
    again = Hour.read(tmp_path / "full.nc")
    assert again.summary() == hours["full"].summary()
    assert again.held_bits.tolist() == hours["full"].held_bits.tolist()


def test_a_reading_that_is_no_number_and_an_excluded_ring_do_not_disturb(calibration, warm, spoiled):
    chip = spoiled(current=lambda current_A: np.array([np.nan, current_A[1]]))
    out = dataclasses.replace(calibration, excluded=jnp.asarray(np.array([[True, True, True], [False, False, True]])))
    tracker = Tracker(chip, out, warm, mode="full")
    tracker.hold(np.full(SHAPE, 2.0))
    chip.wait(10.0)
    tracker.refresh(10.0)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tracker.moved))
    assert tracker.now_V[0] == pytest.approx(2.0, abs=warm.voltage_step_V)
    assert (np.abs(tracker.now_V[1, :2] - 2.0) > 0.01).all()


def test_a_ring_that_cannot_be_held_within_the_limit_is_named(designed, small):
    tracker = Tracker(VirtualChip.fabricate(small, KEY), designed, small, mode="common")
    base = np.zeros(SHAPE)
    base[1, 2] = 9.9
    tracker.hold(base)
    assert tracker.pinned == []
    tracker.moved = dataclasses.replace(tracker.moved, common=jnp.array([0.0, 0.0, 0.0, 0.1]))
    tracker.restore()
    assert tracker.pinned == [(1, 2)]
    assert np.abs(tracker.now_V).max() == small.drive.max_voltage_V


@given(
    common=st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4),
    own=st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6),
    volts=st.lists(st.floats(-10.0, 10.0), min_size=6, max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_estimated_no_ring_is_driven_beyond_its_limit(designed, small, common, own, volts):
    # The chip refuses any voltage beyond the limit, so that it takes them all is the proof.
    tracker = Tracker(VirtualChip.fabricate(small, KEY), designed, small, mode="common")
    tracker.hold(np.reshape(volts, SHAPE))
    tracker.moved = dataclasses.replace(
        tracker.moved, common=jnp.array(common), own_pm=jnp.asarray(np.reshape(own, SHAPE))
    )
    tracker.restore()
    assert np.abs(tracker.now_V).max() <= small.drive.max_voltage_V


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "some"}, "mode 'some' is unknown; use one of none, common, full"),
        ({"interval_s": 0.0}, "interval = 0 s"),
        ({"seconds": np.inf}, "seconds = inf s"),
        ({"check_s": -1.0}, "check = -1 s"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(designed, small, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        keep_true(VirtualChip.fabricate(small, KEY), designed, small, **{"key": KEY, "mode": "none"} | changes)
    assert "\n" not in str(caught.value)


def test_the_calibration_of_another_chip_is_refused(designed, small, altered):
    other = altered(small, name="other")
    with pytest.raises(InputError, match=r"belongs to spec .* not to other"):
        Tracker(VirtualChip.fabricate(other, KEY), designed, other, mode="common")
