"""The receiver: its noise term by term against the hand formulas, and its saturation."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.lightpath.detector.design import DetectorDesign
from prism_photonics.lightpath.detector.model import (
    intensity_noise_A2,
    noisy_current_A,
    saturated_A,
    thermal_noise_A2_Hz,
    white_noise_A2,
)
from prism_photonics.lightpath.source.design import CombDesign

QUIET = DetectorDesign(
    responsivity_A_W=0.6,
    loss_dB=1.0,
    dark_current_A=0.0,
    tia_noise_A_rtHz=0.0,
    feedback_ohm=5000.0,
    temperature_K=0.0,
    bandwidth_Hz=1e9,
    adc_bits=12,
    adc_full_scale_A=1e-4,
    cmrr_dB=30.0,
    saturation_A=0.05,
)
NO_RIN = -400.0
COMB = CombDesign((1.55, 1.551), 1e-3, 1e-3, rin_dB_Hz=-150.0, tilt_dB=0.0, rin_common_dB_Hz=NO_RIN, linewidth_Hz=0.0)
COMMON = replace(COMB, rin_dB_Hz=NO_RIN, rin_common_dB_Hz=-150.0)


def white(design, sum_A=0.0, **options):
    return float(white_noise_A2(design, np.asarray(sum_A), **options))


def intensity(lines_A, *, comb=COMB, design=QUIET):
    return float(intensity_noise_A2(design, comb, np.asarray(lines_A)))


# ---------------------------------------------------------------- amplifier and shot noise


def test_a_quiet_receiver_in_the_dark_is_silent():
    assert white(QUIET) == 0
    assert intensity([0.0, 0.0]) == 0


def test_the_amplifiers_10_pA_per_root_hertz_give_316_nA_in_a_gigahertz():
    assert np.sqrt(white(replace(QUIET, tia_noise_A_rtHz=10e-12))) == pytest.approx(316.2e-9, rel=1e-4)


def test_johnson_noise_of_5_kilohm_at_300_K_is_1_82_pA_per_root_hertz():
    warm = replace(QUIET, temperature_K=300.0)
    assert np.sqrt(thermal_noise_A2_Hz(warm)) == pytest.approx(1.82e-12, rel=1e-3)
    assert white(warm) == pytest.approx(4 * 1.380649e-23 * 300 / 5000 * 1e9, rel=1e-12)


def test_shot_noise_follows_the_sum_of_both_currents_and_of_both_dark_currents():
    assert white(QUIET, 1e-6) == pytest.approx(2 * 1.602176634e-19 * 1e-6 * 1e9, rel=1e-12)
    assert white(replace(QUIET, dark_current_A=0.5e-6)) == pytest.approx(white(QUIET, 1e-6), rel=1e-12)


def test_every_further_pair_on_an_amplifier_adds_its_dark_shot_noise_and_no_amplifier():
    dark = replace(QUIET, dark_current_A=1e-8)
    assert white(dark, pairs=3) == pytest.approx(3 * white(dark), rel=1e-12)
    amplifier = replace(QUIET, tia_noise_A_rtHz=5e-12)
    assert white(amplifier, pairs=3) == white(amplifier)


def test_independent_noises_add_in_variance_and_grow_with_bandwidth():
    loud = replace(QUIET, tia_noise_A_rtHz=5e-12, temperature_K=300.0, dark_current_A=1e-8)
    parts = [
        white(replace(QUIET, tia_noise_A_rtHz=5e-12)),
        white(replace(QUIET, temperature_K=300.0)),
        white(replace(QUIET, dark_current_A=1e-8)),
        white(QUIET, 2e-5),
    ]
    assert white(loud, 2e-5) == pytest.approx(sum(parts), rel=1e-12)
    wide = replace(loud, bandwidth_Hz=2e9)
    assert white(wide, 2e-5) == pytest.approx(2 * sum(parts), rel=1e-12)
    assert intensity([1e-5, 2e-5], design=wide) == pytest.approx(2 * intensity([1e-5, 2e-5]), rel=1e-12)


# ---------------------------------------------------------------- intensity noise


def test_the_intensity_noise_of_independent_lines_adds_in_power_whatever_their_sign():
    assert intensity([1e-5, 0.0]) == pytest.approx(1e-15 * 1e-10 * 1e9, rel=1e-12)
    assert intensity([1e-5, -2e-5]) == pytest.approx(5 * intensity([1e-5, 0.0]), rel=1e-12)


@pytest.mark.parametrize("count", [2, 8, 32])
def test_common_intensity_noise_of_equal_lines_grows_with_the_square_of_their_number(count):
    one = intensity([1e-5], comb=COMMON)
    assert intensity(np.full(count, 1e-5), comb=COMMON) == pytest.approx(count**2 * one, rel=1e-12)
    assert intensity(np.full(count, 1e-5)) == pytest.approx(count * intensity([1e-5]), rel=1e-12)
    # Opposite weights cancel what all lines have in common.
    assert intensity(1e-5 * (-1.0) ** np.arange(count), comb=COMMON) == pytest.approx(0, abs=1e-12 * one)


def test_a_perfect_pair_leaves_the_balanced_current_and_a_real_one_a_share_of_the_sum():
    through, drop = np.array([3e-5, 1e-5]), np.array([1e-5, 1e-5])
    perfect = noisy_current_A(through, drop, replace(QUIET, cmrr_dB=400.0))
    assert perfect == pytest.approx(through - drop, abs=1e-20)
    # 20 dB as a current ratio is one tenth.
    assert noisy_current_A(through, drop, replace(QUIET, cmrr_dB=20.0)) == pytest.approx([2.4e-5, 0.2e-5], rel=1e-12)


# ---------------------------------------------------------------- saturation


def test_a_photodiode_gives_small_currents_unchanged_half_at_its_saturation_and_never_more():
    assert saturated_A(np.array(1e-9), QUIET) == pytest.approx(1e-9, rel=1e-7)
    assert saturated_A(np.array(QUIET.saturation_A), QUIET) == pytest.approx(QUIET.saturation_A / 2)
    assert saturated_A(np.array(1e6), QUIET) == pytest.approx(QUIET.saturation_A, rel=1e-6)
    current = saturated_A(np.linspace(0.0, 10.0, 1001), QUIET)
    assert (np.diff(current) > 0).all()
    assert current.max() < QUIET.saturation_A


@pytest.mark.parametrize("share", [0.0, 0.3, 2.0])
def test_the_slope_of_saturation_is_one_over_the_square_of_one_plus_the_share(share):
    slope = jax.grad(lambda i: saturated_A(i, QUIET))(jnp.asarray(share * QUIET.saturation_A))
    assert float(slope) == pytest.approx((1 + share) ** -2, rel=1e-12)
