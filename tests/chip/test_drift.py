"""A virtual chip's drift at its door: it reads differently after a time, by its key, and time goes forwards only."""

import numpy as np
import pytest

from prism_photonics.units import InputError

VOLTS = np.linspace(-9.0, 9.0, 6).reshape(2, 3)
LIGHT = np.array([1.0, 0.0, 0.6])


def test_a_chip_of_a_film_that_does_not_relax_in_a_steady_room_stays_where_it_is(steady):
    chip = steady()
    chip.set(VOLTS)
    before = chip.measure(LIGHT)
    chip.wait(1e8)
    assert chip.measure(LIGHT) == pytest.approx(before, rel=1e-6)


def test_a_chip_left_alone_for_an_hour_reads_differently(fabricate):
    chip = fabricate()
    chip.set(VOLTS)
    before = chip.measure(LIGHT, averages=4096)
    soon = chip.measure(LIGHT, averages=4096)
    chip.wait(3600.0)
    later = chip.measure(LIGHT, averages=4096)
    assert np.abs(later - before).min() > 20 * np.abs(soon - before).max()


@pytest.mark.parametrize("seconds", [-1.0, -1e-12, np.nan, np.inf, -np.inf])
def test_time_that_does_not_pass_forwards_is_refused(fabricate, seconds):
    with pytest.raises(InputError, match="time passes forwards") as caught:
        fabricate().wait(seconds)
    assert "\n" not in str(caught.value)


def test_no_time_at_all_may_pass(fabricate):
    chip = fabricate()
    chip.wait(0.0)
    assert np.isfinite(chip.measure(LIGHT)).all()


def test_the_same_key_gives_the_same_drift_and_another_key_another(fabricate):
    def history(seed):
        chip = fabricate(seed)
        chip.set(VOLTS)
        seen = []
        for seconds in (10.0, 3600.0, 86400.0):
            chip.wait(seconds)
            seen.append(chip.measure(LIGHT, averages=1024))
        return np.array(seen)

    one, again, other = history(5), history(5), history(6)
    assert np.array_equal(one, again)
    assert np.abs(one - other).max() > 0.05 * np.abs(one).max()
