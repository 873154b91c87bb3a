"""Several buses in a row: circuits of their own, added up by the row's amplifier."""

import numpy as np
import pytest

BUS_0, BUS_1 = np.repeat(np.eye(2), 3, axis=1)


@pytest.fixture(scope="module")
def made(steady, quiet, two_bus):
    return steady(spec=quiet(two_bus))


@pytest.fixture
def chip(made):
    chip = made
    chip.set(np.linspace(-9.0, 9.0, 12).reshape(2, 6))
    return chip


def test_a_row_has_the_rings_of_all_its_buses(chip):
    assert (chip.rows, chip.channels) == (2, 6)


def test_both_buses_lit_read_the_sum_of_each(chip):
    alone = chip.measure(BUS_0) + chip.measure(BUS_1)
    assert chip.measure(BUS_0 + BUS_1) == pytest.approx(alone, rel=1e-5)


def test_a_buss_reading_does_not_depend_on_the_other_buss_voltages(chip):
    seen = []
    for other in (-10.0, 0.0, 7.0):
        volts = np.full((2, 6), 1.5)
        volts[:, 3:] = other
        chip.set(volts)
        seen.append([chip.measure(BUS_0), chip.measure(BUS_1)])
    of_bus_0, of_bus_1 = np.moveaxis(seen, 1, 0)
    assert of_bus_0 == pytest.approx(np.broadcast_to(of_bus_0[0], of_bus_0.shape), rel=1e-5)
    assert np.ptp(of_bus_1, axis=0).min() > 0.05 * np.abs(of_bus_0).max()


def test_channel_c_of_bus_b_is_number_3b_plus_c(chip):
    """Each ring alone answers to the light of its own number."""
    for ring in range(6):
        rest, moved = np.full((2, 6), 10.0), np.full((2, 6), 10.0)
        moved[:, ring] = -4.0
        change = []
        for volts in (rest, moved):
            chip.set(volts)
            change.append([chip.measure(light) for light in np.eye(6)])
        answers = np.abs(np.subtract(*change)).mean(1)
        assert answers.argmax() == ring
        # The rings of the other bus do not notice at all, those of its own a little.
        other = slice(3, 6) if ring < 3 else slice(0, 3)
        assert answers[other].max() < 1e-5 * answers[ring]
