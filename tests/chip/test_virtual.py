"""A virtual chip behaves like a die on a bench: it can be set and read, and nothing more."""

import jax
import numpy as np
import pytest

from prism_photonics.budget.link import line_current_A
from prism_photonics.calibrate.calibration import designed_gain_A
from prism_photonics.chip.virtual import VirtualChip, _draw, _Truth
from prism_photonics.circuit.params import BankParams
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.units import InputError

ALL = np.ones(3)


@pytest.fixture(scope="module")
def fabricate(small):
    def make(seed=0, spec=small):
        return VirtualChip.fabricate(spec, jax.random.key(seed))

    return make


@pytest.fixture(scope="module")
def silent(small, altered):
    """The small chip with a receiver whose noise and converter cannot be seen."""
    return altered(
        small,
        detector={"bandwidth_GHz": 1e-15, "adc_bits": 24},
        drive={"dac_bits": 6},
        modulator={"dac_bits": 24},
    )


def readings(chip, averages=1):
    lights = [*np.eye(3), ALL, 0.5 * ALL]
    rest = [chip.measure(light, averages=averages) for light in lights]
    chip.set(np.linspace(-9, 9, 6).reshape(2, 3))
    return np.stack(rest + [chip.measure(light, averages=averages) for light in lights])


@pytest.fixture(scope="module")
def loud(small, altered):
    """The small chip with a noisy amplifier and a fine converter."""
    return altered(small, detector={"adc_bits": 20, "tia_noise_pA_rtHz": 200.0})


@pytest.fixture(scope="module")
def coarse(small, altered):
    """The small chip with a converter of few codes that a full line overflows."""
    return altered(small, detector={"adc_bits": 6, "adc_full_scale_uA": 5.0})


# ---------------------------------------------------------------- dies


def test_the_same_key_gives_the_same_die_and_the_same_noise(fabricate):
    assert np.array_equal(readings(fabricate(3)), readings(fabricate(3)))


def test_another_key_gives_another_die(fabricate):
    one, other = readings(fabricate(3), 4096), readings(fabricate(4), 4096)
    # Far beyond the noise of an average.
    assert np.abs(one - other).max() > 0.05 * np.abs(one).max()


def test_a_chip_says_what_is_printed_on_its_box(fabricate, small):
    chip = fabricate()
    assert (chip.rows, chip.channels, chip.max_voltage_V) == (2, 3, small.drive.max_voltage_V)
    assert {name for name in dir(chip) if not name.startswith("_")} == {
        "rows", "channels", "max_voltage_V", "set", "measure", "fabricate",
    }  # fmt: skip


def test_no_public_attribute_leads_to_the_truth(fabricate):
    seen, queue = set(), [fabricate()]
    while queue:
        thing = queue.pop()
        assert not isinstance(thing, (_Truth, BankParams, RingParams))
        if id(thing) in seen or isinstance(thing, (int, float, str, type)):
            continue
        seen.add(id(thing))
        queue += [getattr(thing, name) for name in dir(thing) if not name.startswith("_")]
        if isinstance(thing, (list, tuple)):
            queue += thing
        elif isinstance(thing, dict):
            queue += thing.values()
    assert len(seen) > 3
    assert not any(isinstance(value, (_Truth, BankParams)) for value in vars(fabricate()).values())


def test_dies_scatter_as_the_spec_says(small):
    truths = [_draw(small, jax.random.key(seed)) for seed in range(60)]
    offsets = np.array([t.bank.rings.offset_pm for t in truths])
    slopes = np.array([t.bank.rings.slope_pm_V for t in truths])
    v = small.variation
    # The correlated part is one number for so small a die: 60 independent draws.
    assert offsets.std() == pytest.approx(np.hypot(v.resonance_local_pm, v.resonance_correlated_pm), rel=0.2)
    assert (offsets - offsets.mean((1, 2), keepdims=True)).std() == pytest.approx(v.resonance_local_pm, rel=0.25)
    assert slopes.std() / slopes.mean() == pytest.approx(v.slope_relative, rel=0.15)
    assert all(float(t.bank.rings.a.max()) < 1 for t in truths)
    assert all(float(t.bank.rings.t1.max()) < 1 for t in truths)


# ---------------------------------------------------------------- the door refuses


@pytest.mark.parametrize("wrong", [10.1, -10.1, 1e6, np.inf, -np.inf, np.nan])
def test_a_voltage_beyond_the_limit_is_refused_by_ring_and_nothing_is_written(fabricate, silent, wrong):
    chip = fabricate(spec=silent)
    chip.set(np.full((2, 3), 2.0))
    before = chip.measure(ALL)
    volts = np.full((2, 3), -3.0)
    volts[1, 2] = wrong
    with pytest.raises(InputError, match=r"ring 2 of row 1: .* nothing was written") as caught:
        chip.set(volts)
    assert "\n" not in str(caught.value)
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


def test_in_the_dark_a_row_reads_zero_but_for_its_noise(fabricate, small):
    chip = fabricate()
    dark = np.array([chip.measure(np.zeros(3), averages=1024) for _ in range(20)])
    assert np.abs(dark).max() < 1e-3 * line_current_A(small)


def test_a_parked_line_gives_about_the_designed_current(fabricate, small):
    chip = fabricate()
    chip.set(np.full((2, 3), 10.0))
    gain = np.asarray(designed_gain_A(small))
    for channel in np.eye(3):
        current = chip.measure(channel, averages=64)
        assert current == pytest.approx(gain, rel=0.35)


def test_currents_add_over_channels_and_scale_with_light(fabricate, silent):
    chip = fabricate(spec=silent)
    each = np.array([chip.measure(light) for light in np.eye(3)])
    assert chip.measure(ALL) == pytest.approx(each.sum(0), rel=1e-4, abs=1e-10)
    assert chip.measure(0.25 * ALL) == pytest.approx(0.25 * each.sum(0), rel=1e-4, abs=1e-10)


@pytest.mark.parametrize("averages", [16, 256])
def test_noise_falls_with_the_root_of_the_averages(fabricate, loud, averages):
    chip = fabricate(spec=loud)
    single = np.array([chip.measure(ALL) for _ in range(600)])
    mean = np.array([chip.measure(ALL, averages=averages) for _ in range(600)])
    ratio = np.sqrt(single.var(0).mean() / mean.var(0).mean())
    # 1,200 readings of each: 3 % of standard error.
    assert ratio == pytest.approx(np.sqrt(averages), rel=0.12)


def test_the_noise_in_the_dark_is_the_amplifiers(fabricate, loud):
    chip = fabricate(spec=loud)
    reads = np.array([chip.measure(np.zeros(3)) for _ in range(1500)])
    assert reads.std() == pytest.approx(200e-12 * np.sqrt(loud.detector.bandwidth_GHz * 1e9), rel=0.06)


def test_the_driver_rounds_to_its_grid(fabricate, silent):
    chip = fabricate(spec=silent)
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


def test_a_reading_beyond_full_scale_sticks_at_full_scale(fabricate, coarse):
    chip = fabricate(spec=coarse)
    chip.set(np.full((2, 3), 10.0))
    assert chip.measure(ALL) == pytest.approx(np.full(2, 5e-6), rel=1e-9)


def test_readings_are_whole_steps_of_the_converter(fabricate, coarse):
    chip = fabricate(spec=coarse)
    codes = np.array([chip.measure(0.1 * ALL) for _ in range(50)]) / (2 * 5e-6 / (2**6 - 2))
    assert codes == pytest.approx(np.round(codes), abs=1e-6)


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


def test_a_lines_intensity_noise_is_common_to_all_rows(small, altered):
    noisy = altered(small, comb={"rin_dB_Hz": -105.0})
    chip = VirtualChip.fabricate(noisy, jax.random.key(1))
    chip.set(np.full((2, 3), 10.0))
    reads = np.array([chip.measure(np.ones(3)) for _ in range(400)])
    assert np.corrcoef(reads.T)[0, 1] > 0.9
