"""The receiver's noise, term by term against the hand formulas."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.lightpath.detector.design import DetectorDesign
from prism_photonics.lightpath.detector.model import noise_variance_A2, thermal_noise_A2_Hz

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
)
NO_RIN = -400.0


def variance(design, sum_A=0.0, line_A=0.0, rin_dB_Hz=NO_RIN):
    return float(noise_variance_A2(design, jnp.asarray(sum_A), jnp.asarray([line_A]), rin_dB_Hz))


def test_a_quiet_receiver_in_the_dark_is_silent():
    assert variance(QUIET) == 0


def test_the_amplifiers_10_pA_per_root_hertz_give_316_nA_in_a_gigahertz():
    assert np.sqrt(variance(replace(QUIET, tia_noise_A_rtHz=10e-12))) == pytest.approx(316.2e-9, rel=1e-4)


def test_johnson_noise_of_5_kilohm_at_300_K_is_1_82_pA_per_root_hertz():
    warm = replace(QUIET, temperature_K=300.0)
    assert np.sqrt(thermal_noise_A2_Hz(warm)) == pytest.approx(1.82e-12, rel=1e-3)
    assert variance(warm) == pytest.approx(4 * 1.380649e-23 * 300 / 5000 * 1e9, rel=1e-12)


def test_shot_noise_follows_the_sum_of_both_currents_and_of_both_dark_currents():
    assert variance(QUIET, 1e-6) == pytest.approx(2 * 1.602176634e-19 * 1e-6 * 1e9, rel=1e-12)
    assert variance(replace(QUIET, dark_current_A=0.5e-6)) == pytest.approx(variance(QUIET, 1e-6), rel=1e-12)


def test_intensity_noise_follows_the_balanced_current_of_each_line():
    assert variance(QUIET, line_A=1e-5, rin_dB_Hz=-150.0) == pytest.approx(1e-15 * 1e-10 * 1e9, rel=1e-12)
    two = float(noise_variance_A2(QUIET, jnp.asarray(0.0), jnp.asarray([1e-5, -2e-5]), -150.0))
    assert two == pytest.approx(5 * variance(QUIET, line_A=1e-5, rin_dB_Hz=-150.0), rel=1e-12)


def test_independent_noises_add_in_variance_and_grow_with_bandwidth():
    loud = replace(QUIET, tia_noise_A_rtHz=5e-12, temperature_K=300.0, dark_current_A=1e-8)
    parts = [
        variance(replace(QUIET, tia_noise_A_rtHz=5e-12)),
        variance(replace(QUIET, temperature_K=300.0)),
        variance(replace(QUIET, dark_current_A=1e-8)),
        variance(QUIET, 2e-5),
        variance(QUIET, line_A=1e-5, rin_dB_Hz=-150.0),
    ]
    assert variance(loud, 2e-5, 1e-5, -150.0) == pytest.approx(sum(parts), rel=1e-12)
    assert variance(replace(loud, bandwidth_Hz=2e9), 2e-5, 1e-5, -150.0) == pytest.approx(2 * sum(parts), rel=1e-12)
