"""A virtual chip behaves like a die on a bench: it can be set and read, and nothing more."""

import jax
import numpy as np
import pytest

from prism_photonics.calibration.calibration import designed_gain_A
from prism_photonics.chip.fabricate import Die
from prism_photonics.chip.reading import LineCurrents, Receiver
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.params import BankParams
from prism_photonics.drift.process import Drift
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

ALL = np.ones(3)
TRUTH = (Die, BankParams, RingParams, Drift, Receiver, LineCurrents)


def readings(chip, averages=1):
    lights = [*np.eye(3), ALL, 0.5 * ALL]
    rest = [chip.measure(light, averages=averages) for light in lights]
    chip.set(np.linspace(-9, 9, 6).reshape(2, 3))
    return np.stack(rest + [chip.measure(light, averages=averages) for light in lights])


# ---------------------------------------------------------------- dies


def test_the_same_key_gives_the_same_die_and_the_same_noise(fabricate):
    assert np.array_equal(readings(fabricate(3)), readings(fabricate(3)))


def test_a_seed_names_the_die_that_its_key_draws_and_the_box_says_which(small, fabricate):
    assert np.array_equal(readings(VirtualChip(small, seed=3)), readings(fabricate(3)))
    assert repr(VirtualChip(small, seed=3)) == "<VirtualChip (virtual:3): small_2x3, 2 × 3 rings>"
    assert VirtualChip(small, seed=3, trimmed=False).label == "untrimmed:3"
    assert fabricate(3).label == ""


@pytest.mark.parametrize("seed", [-1, 2**31, True])
def test_a_seed_that_is_no_whole_number_from_zero_is_refused(small, seed):
    with pytest.raises(InputError, match=r"VirtualChip: seed = .*, want a whole number of 0 to 2147483647"):
        VirtualChip(small, seed=seed)


def test_another_key_gives_another_die(fabricate):
    one, other = readings(fabricate(3), 4096), readings(fabricate(4), 4096)
    # Far beyond the noise of an average.
    assert np.abs(one - other).max() > 0.05 * np.abs(one).max()


def test_a_chip_says_what_is_printed_on_its_box(fabricate, small):
    chip = fabricate()
    assert (chip.rows, chip.channels, chip.max_voltage_V) == (2, 3, small.drive.max_voltage_V)
    assert (chip.max_heater_mW, chip.channel_of_ring.tolist()) == (0.0, [[[0, 1, 2]]] * 2)
    assert {name for name in dir(chip) if not name.startswith("_")} == {
        "rows", "channels", "max_voltage_V", "max_heater_mW", "over_voltage_attempts", "channel_of_ring",
        "heater_mW", "over_power_attempts",
        "set", "heat", "assign", "measure", "time_s", "wait", "paused", "fabricate", "spec", "label", "open", "laser",
        "sweep",
    }  # fmt: skip


def test_no_public_attribute_leads_to_the_truth(fabricate):
    seen, queue = set(), [fabricate()]
    while queue:
        thing = queue.pop()
        assert not isinstance(thing, TRUTH)
        # The spec is what its maker wrote, and no die.
        if id(thing) in seen or isinstance(thing, (int, float, str, type, np.ndarray, ChipSpec)):
            continue
        seen.add(id(thing))
        queue += [getattr(thing, name) for name in dir(thing) if not name.startswith("_")]
        if isinstance(thing, (list, tuple)):
            queue += thing
        elif isinstance(thing, dict):
            queue += thing.values()
    assert len(seen) > 3
    assert not any(isinstance(value, TRUTH) for value in vars(fabricate()).values())


# ---------------------------------------------------------------- the door refuses


@pytest.mark.parametrize("wrong", [10.1, -10.1, 1e6, np.inf, -np.inf, np.nan])
def test_a_voltage_beyond_the_limit_is_refused_by_ring_and_nothing_is_written(steady, wrong):
    chip = steady()
    chip.set(np.full((2, 3), 2.0))
    before = chip.measure(ALL)
    volts = np.full((2, 3), -3.0)
    volts[1, 2] = wrong
    with pytest.raises(InputError, match=r"ring 2 of row 1: .* nothing was written") as caught:
        chip.set(volts)
    assert "\n" not in str(caught.value)
    assert chip.over_voltage_attempts == 1
    assert chip.measure(ALL) == pytest.approx(before, rel=1e-6)


def test_the_limit_itself_is_allowed(fabricate):
    chip = fabricate()
    chip.set(np.full((2, 3), 10.0))
    chip.set(np.full((2, 3), -10.0))
    assert np.isfinite(chip.measure(ALL)).all()


@pytest.mark.parametrize("shape", [(3, 2), (2, 4), (1, 3)])
def test_volts_of_another_shape_are_refused(fabricate, shape):
    with pytest.raises(InputError, match=r"this chip takes \(2, 3\)"):
        fabricate().set(np.zeros(shape))


@pytest.mark.parametrize("wrong", [-0.01, 1.01, np.nan, np.inf])
def test_light_that_is_no_transmission_is_refused_by_channel(fabricate, wrong):
    with pytest.raises(InputError, match=r"channel 1: light .* is not within 0 to 1"):
        fabricate().measure(np.array([0.5, wrong, 0.5]))


def test_light_for_another_number_of_channels_is_refused(fabricate):
    with pytest.raises(InputError, match="this chip has 3"):
        fabricate().measure(np.ones(4))


@pytest.mark.parametrize("averages", [0, -1])
def test_no_sample_is_no_reading(fabricate, averages):
    with pytest.raises(InputError, match=f"averages = {averages}; use 1 or more"):
        fabricate().measure(ALL, averages=averages)


# ---------------------------------------------------------------- physics of the reading


def test_in_the_dark_a_row_reads_the_share_of_its_lines_that_the_modulators_leak(fabricate, small):
    chip = fabricate()
    chip.set(np.full((2, 3), 10.0))
    lit = chip.measure(ALL, averages=4096)
    dark = np.mean([chip.measure(np.zeros(3), averages=4096) for _ in range(20)], axis=0)
    # 80,000 readings of 0.2 µA of noise.
    assert dark == pytest.approx(10 ** (-small.modulator.extinction_dB / 10) * lit, rel=0.02, abs=4e-9)


def test_a_parked_line_gives_about_the_designed_current(fabricate, small):
    chip = fabricate()
    chip.set(np.full((2, 3), 10.0))
    gain = np.asarray(designed_gain_A(small))[:, 0]
    for c, channel in enumerate(np.eye(3)):
        current = chip.measure(channel, averages=64)
        # 10 V carry a ring by 42 pm: one that trimming left 28 pm short is not quite clear of its line.
        assert current == pytest.approx(gain[:, c], rel=0.5)


def test_currents_add_over_channels_and_scale_with_light(steady):
    chip = steady()
    each = np.array([chip.measure(light) for light in np.eye(3)])
    assert chip.measure(ALL) == pytest.approx(each.sum(0), rel=1e-4, abs=1e-10)
    assert chip.measure(0.25 * ALL) == pytest.approx(0.25 * each.sum(0), rel=1e-4, abs=1e-10)


def test_the_driver_rounds_to_its_grid(steady, silent):
    chip = steady()
    step = silent.voltage_step_V
    code = -silent.drive.max_voltage_V + 20 * step

    def read(volt):
        chip.set(np.full((2, 3), volt))
        return chip.measure(np.eye(3)[1])

    on_grid = read(code)
    assert read(code + 0.4 * step) == pytest.approx(on_grid, rel=1e-6)
    assert read(code - 0.4 * step) == pytest.approx(on_grid, rel=1e-6)
    assert np.abs(read(code + 0.6 * step) / on_grid - 1).max() > 1e-3
    assert read(code + 0.6 * step) == pytest.approx(read(code + step), rel=1e-6)


def test_the_voltage_limit_cannot_be_moved_nor_stepped_around(small):
    chip = VirtualChip.fabricate(small, jax.random.key(0))
    for name in ("max_voltage_V", "rows", "channels"):
        with pytest.raises(AttributeError):
            setattr(chip, name, 1e6)
    before = chip.measure(np.ones(3), averages=4096)
    chip._max_voltage_V = 1e6  # even a caller who breaks in meets the driver's own guard
    with pytest.raises(InputError, match="nothing was written"):
        chip.set(np.full((2, 3), 60.0))
    assert chip.measure(np.ones(3), averages=4096) == pytest.approx(before, rel=0.01)
