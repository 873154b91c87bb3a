"""One reading, from light to code: every noise and every nonlinearity of the receiver alone."""

import jax
import numpy as np
import pytest

from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.reading import LineCurrents, Receiver
from prism_photonics.lightpath.detector.model import adc_step_A
from prism_photonics.lightpath.source.model import frequency_noise_pm

ALL, ONE = np.ones(3), np.eye(3)[1]
LINES = LineCurrents(
    through_A=np.array([[2e-5, 1e-5, 3e-5], [1e-5, 1e-5, 1e-5]]),
    drop_A=np.array([[1e-5, 2e-5, 0.0], [2e-5, 0.5e-5, 0.0]]),
    slope_A_pm=np.array([[1e-6, 0.0, 0.0], [-2e-6, 0.0, 0.0]]),
)
NET_A = LINES.through_A - LINES.drop_A
# A receiver that adds nothing of its own but the law under test.
SILENT = {
    "detector": {
        "tia_noise_pA_rtHz": 0.0,
        "temperature_K": 1e-9,
        "dark_current_nA": 0.0,
        "bandwidth_GHz": 1e-9,
        "adc_bits": 24,
        "saturation_mA": 1e6,
        "cmrr_dB": 100.0,
    },
    "comb": {"rin_dB_Hz": -200.0, "rin_common_dB_Hz": -200.0, "linewidth_MHz": 0.0},
    "modulator": {"dac_bits": 24, "extinction_dB": 80.0, "dac_inl_lsb": 0.0},
}


@pytest.fixture(scope="module")
def die(small):
    return draw_die(small, jax.random.key(0))


@pytest.fixture(scope="module")
def receiver(small, altered, die):
    """A silent receiver, but for the given changes."""

    def make(seed=0, **changes):
        merged = {table: keys | changes.get(table, {}) for table, keys in SILENT.items()}
        spec = altered(small, **merged)
        return Receiver(spec, die.inl_phase_rad, np.random.default_rng(seed))

    return make


def many(receiver, light=ALL, *, count=2000, averages=1, lines=LINES):
    return np.array([receiver.read(lines, light, averages=averages) for _ in range(count)])


# ---------------------------------------------------------------- light and photodiodes


def test_a_silent_receiver_reads_through_less_drop(receiver):
    for light in (*np.eye(3), ALL, np.array([0.0, 0.3, 0.9])):
        read = receiver().read(LINES, light, averages=1)
        assert read == pytest.approx(NET_A @ light, rel=1e-5, abs=1e-11)


@pytest.mark.parametrize("extinction_dB", [10.0, 20.0, 40.0])
def test_a_dark_modulator_leaks_its_extinction_and_a_full_one_is_full(receiver, extinction_dB):
    leaky = receiver(modulator={"extinction_dB": extinction_dB})
    dark = 10 ** (-extinction_dB / 10)
    assert leaky.read(LINES, 0 * ALL, averages=1) == pytest.approx(dark * NET_A.sum(1), rel=1e-4, abs=1e-11)
    assert leaky.read(LINES, ALL, averages=1) == pytest.approx(NET_A.sum(1), rel=1e-5)
    assert leaky.read(LINES, ONE, averages=1) == pytest.approx(NET_A @ (dark + (1 - dark) * ONE), rel=1e-4, abs=1e-11)


def test_each_photodiode_is_compressed_by_its_own_light(receiver):
    read = receiver(detector={"saturation_mA": 0.1}).read(LINES, ALL, averages=1)
    plus, minus = LINES.through_A.sum(1), LINES.drop_A.sum(1)
    assert read == pytest.approx(plus / (1 + plus / 1e-4) - minus / (1 + minus / 1e-4), rel=1e-5)


def test_a_modulators_driver_errs_between_its_ends_and_not_at_them(receiver):
    bowed = receiver(modulator={"dac_bits": 8, "dac_inl_lsb": 2.0})
    straight = receiver(modulator={"dac_bits": 8})
    for light in (ALL, 0 * ALL):
        assert bowed.read(LINES, light, averages=1) == pytest.approx(
            straight.read(LINES, light, averages=1), rel=1e-6, abs=1e-11
        )
    half = [r.read(LINES, 0.4 * ALL, averages=1) for r in (bowed, straight)]
    # Two of 255 codes, π/2 of phase over all of them: 1.2 % of full light at the most.
    assert 0 < np.abs(np.subtract(*half)).max() < 0.0125 * LINES.through_A.sum(1).max()


# ---------------------------------------------------------------- noise


def test_the_noise_in_the_dark_is_the_amplifiers(receiver):
    reads = many(receiver(detector={"tia_noise_pA_rtHz": 200.0, "bandwidth_GHz": 1.0}), 0 * ALL)
    assert reads.std() == pytest.approx(200e-12 * np.sqrt(1e9), rel=0.06)


def test_shot_noise_is_that_of_the_light_on_both_photodiodes(receiver):
    reads = many(receiver(detector={"bandwidth_GHz": 1.0}))
    lit_A = (LINES.through_A + LINES.drop_A).sum(1)
    assert reads.std(0) == pytest.approx(np.sqrt(2 * 1.602176634e-19 * lit_A * 1e9), rel=0.06)
    assert abs(np.corrcoef(reads.T)[0, 1]) < 0.1  # each row its own


@pytest.mark.parametrize("averages", [16, 256])
def test_noise_falls_with_the_root_of_the_averages(receiver, averages):
    loud = receiver(detector={"tia_noise_pA_rtHz": 200.0, "bandwidth_GHz": 1.0})
    single, mean = many(loud), many(loud, averages=averages)
    ratio = np.sqrt(single.var(0).mean() / mean.var(0).mean())
    # 4,000 readings of each: 2 % of standard error.
    assert ratio == pytest.approx(np.sqrt(averages), rel=0.07)


def test_a_lines_own_intensity_noise_adds_up_in_power_and_is_common_to_all_rows(receiver):
    reads = many(receiver(comb={"rin_dB_Hz": -80.0}))
    # A hertz of −80 dB/Hz is a ten-thousandth of the light.
    assert reads.std(0) == pytest.approx(1e-4 * np.sqrt((NET_A**2).sum(1)), rel=0.06)
    by_row = (NET_A[0] * NET_A[1]).sum() / np.prod(np.sqrt((NET_A**2).sum(1)))
    assert np.corrcoef(reads.T)[0, 1] == pytest.approx(by_row, abs=0.08)


def test_common_intensity_noise_adds_up_in_current(receiver):
    reads = many(receiver(comb={"rin_common_dB_Hz": -80.0}))
    assert reads.std(0) == pytest.approx(1e-4 * np.abs(NET_A.sum(1)), rel=0.06)
    assert np.corrcoef(reads.T)[0, 1] == pytest.approx(np.sign(NET_A.sum(1)).prod(), abs=0.01)


def test_a_pair_that_rejects_little_shows_the_noise_of_light_that_it_balances_away(receiver):
    lines = LineCurrents(LINES.through_A, LINES.through_A, 0 * NET_A)  # all weights zero
    for cmrr_dB in (20.0, 30.0):
        noisy = receiver(comb={"rin_common_dB_Hz": -80.0}, detector={"cmrr_dB": cmrr_dB})
        reads = many(noisy, lines=lines)
        share = 10 ** (-cmrr_dB / 20)
        assert reads.std(0) == pytest.approx(1e-4 * share * 2 * lines.through_A.sum(1), rel=0.06)
        assert np.abs(reads.mean(0)).max() < 4 * reads.std() / np.sqrt(2000)


def test_a_wandering_line_is_noise_where_the_weight_has_a_slope_and_none_where_it_is_flat(receiver, small, altered):
    wide = receiver(comb={"linewidth_MHz": 1e5})
    comb = altered(small, comb={"linewidth_MHz": 1e5}).comb_design
    wander_pm = frequency_noise_pm(comb, bandwidth_Hz=1.0)
    reads = many(wide)
    assert reads.std(0) == pytest.approx(wander_pm * np.abs(LINES.slope_A_pm[:, 0]), rel=0.06)
    assert np.corrcoef(reads.T)[0, 1] == pytest.approx(-1, abs=0.01)  # one laser, opposite slopes
    assert many(wide, ONE, count=200).std(0).max() < 0.02 * reads.std(0).min()


# ---------------------------------------------------------------- converter


def test_a_reading_beyond_full_scale_sticks_at_full_scale(receiver):
    coarse = receiver(detector={"adc_bits": 6, "adc_full_scale_uA": 5.0})
    assert coarse.read(LINES, ALL, averages=7) == pytest.approx([5e-6, 5e-6], rel=1e-9)
    swapped = LineCurrents(LINES.drop_A, LINES.through_A, LINES.slope_A_pm)
    assert coarse.read(swapped, ALL, averages=7) == pytest.approx([-5e-6, -5e-6], rel=1e-9)


def test_single_readings_are_whole_steps_of_the_converter_and_averages_lie_between(receiver, small, altered):
    change = {"adc_bits": 6, "adc_full_scale_uA": 50.0, "tia_noise_pA_rtHz": 50.0, "bandwidth_GHz": 1.0}
    step_A = adc_step_A(altered(small, detector=change).detector_design)
    coarse = receiver(detector=change)
    codes = many(coarse, count=200) / step_A
    assert codes == pytest.approx(np.round(codes), abs=1e-6)
    assert len(np.unique(np.round(codes[:, 0]))) > 3
    # Noise of a step dithers the converter: the mean is finer than its code.
    assert many(coarse, averages=4096, count=20).mean(0) == pytest.approx(NET_A.sum(1), abs=0.05 * step_A)


def test_the_same_seed_gives_the_same_noise(receiver):
    loud = {"detector": {"tia_noise_pA_rtHz": 200.0, "bandwidth_GHz": 1.0}}
    one, again, other = (many(receiver(seed, **loud), count=5) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
