"""One ring for every channel at the least total tuning, wherever in the FSR the rings rest."""

import itertools

import numpy as np
import pytest

from prism_photonics.calibration.assign import assign, by_place, inverse
from prism_photonics.units import InputError

FSR_PM = np.array([7900.0])
TARGET_PM = 950.0 * np.arange(5.0)[None]


@pytest.fixture(scope="module")
def resonance_pm():
    return np.random.default_rng(0).uniform(0.0, 7900.0, (6, 2, 5))


def way(resonance, target, direction):
    red = (target - resonance) % FSR_PM[0]
    return red if direction == "red" else min(red, FSR_PM[0] - red)


@pytest.mark.parametrize("direction", ["red", "either"])
def test_no_other_order_takes_less_tuning(resonance_pm, direction):
    found = assign(resonance_pm, TARGET_PM, fsr_pm=FSR_PM, direction=direction)
    for place in np.ndindex(6, 2):
        totals = [
            sum(way(resonance_pm[place][i], TARGET_PM[0, c], direction) for i, c in enumerate(order))
            for order in itertools.permutations(range(5))
        ]
        assert np.abs(found.tuning_pm[place]).sum() == pytest.approx(min(totals))


@pytest.mark.parametrize("direction", ["red", "either"])
def test_each_ring_lands_on_its_channel_in_some_order(resonance_pm, direction):
    found = assign(resonance_pm, TARGET_PM, fsr_pm=FSR_PM, direction=direction)
    assert (np.sort(found.channel_of_ring, axis=-1) == np.arange(5)).all()
    turns = (resonance_pm + found.tuning_pm - TARGET_PM[0, found.channel_of_ring]) / FSR_PM
    assert turns == pytest.approx(np.round(turns), abs=1e-9)
    assert np.abs(found.tuning_pm).max() <= FSR_PM[0] * (1.0 if direction == "red" else 0.5)
    assert (found.tuning_pm.min() < 0.0) == (direction == "either")


def test_rings_just_below_their_channels_keep_their_order():
    found = assign(TARGET_PM[:, None] - 80.0, TARGET_PM, fsr_pm=FSR_PM, direction="red")
    assert found.channel_of_ring.tolist() == [[[0, 1, 2, 3, 4]]]
    assert found.tuning_pm == pytest.approx(np.full((1, 1, 5), 80.0))


def test_a_bus_of_which_all_rings_are_too_red_shifts_them_by_one_channel():
    """Red only, a step to the next channel costs less than nearly one FSR for each."""
    found = assign(TARGET_PM[:, None] + 300.0, TARGET_PM, fsr_pm=FSR_PM, direction="red")
    assert found.channel_of_ring.tolist() == [[[1, 2, 3, 4, 0]]]
    assert found.tuning_pm[0, 0] == pytest.approx([650.0] * 4 + [7900.0 - 4 * 950.0 - 300.0])
    trimmed = assign(TARGET_PM[:, None] + 300.0, TARGET_PM, fsr_pm=FSR_PM, direction="either")
    assert trimmed.tuning_pm == pytest.approx(np.full((1, 1, 5), -300.0))


def test_heat_moves_to_the_red_alone(resonance_pm):
    red, either = (assign(resonance_pm, TARGET_PM, fsr_pm=FSR_PM, direction=d) for d in ("red", "either"))
    assert (red.tuning_pm >= 0.0).all()
    assert (either.tuning_pm < 0.0).any()


def test_what_cannot_be_assigned_is_refused(resonance_pm):
    lost = resonance_pm.copy()
    lost[3, 1, 2] = np.nan
    with pytest.raises(InputError, match="ring 2 of row 3, bus 1: resonance nan pm"):
        assign(lost, TARGET_PM, fsr_pm=FSR_PM, direction="red")
    with pytest.raises(InputError, match="FSR 0 pm"):
        assign(resonance_pm, TARGET_PM, fsr_pm=0.0 * FSR_PM, direction="red")


def test_what_belongs_to_channels_goes_to_their_rings_and_back():
    rng = np.random.default_rng(1)
    own = rng.permuted(np.tile(np.arange(3), (4, 2, 1)), axis=-1)
    weights = rng.normal(size=(7, 4, 6))
    placed = by_place(weights, own)
    for n, b, i in np.ndindex(4, 2, 3):
        assert (placed[:, n, 3 * b + i] == weights[:, n, 3 * b + own[n, b, i]]).all()
    assert (by_place(placed, inverse(own)) == weights).all()
