"""The comb's lines: their powers, and how far a line of finite width wanders."""

from dataclasses import replace

import numpy as np
import pytest

from prism_photonics.lightpath.source.design import CombDesign, lines_equal_in_wavelength
from prism_photonics.lightpath.source.model import frequency_noise_pm

COMB = CombDesign(
    lines_equal_in_wavelength(1.55, 1e-3, 5),
    1e-3,
    1e-3,
    rin_dB_Hz=-150.0,
    tilt_dB=2.0,
    rin_common_dB_Hz=-155.0,
    linewidth_Hz=1e5,
)


def test_a_line_wanders_with_the_root_of_its_width_times_the_bandwidth():
    one = frequency_noise_pm(COMB, bandwidth_Hz=1e9)
    # √(100 kHz · 1 GHz / π) = 5.64 MHz, and 1 GHz is 8.03 pm at 1552 nm.
    assert one == pytest.approx(5.64e-3 * 8.034, rel=1e-3)
    assert frequency_noise_pm(COMB, bandwidth_Hz=4e9) == pytest.approx(2 * one)
    assert frequency_noise_pm(replace(COMB, linewidth_Hz=9e5), bandwidth_Hz=1e9) == pytest.approx(3 * one)
    assert frequency_noise_pm(replace(COMB, linewidth_Hz=0.0), bandwidth_Hz=1e9) == 0


def test_the_tilt_is_the_last_line_over_the_first_and_leaves_the_mean_in_dB():
    dB = 10 * np.log10(COMB.line_powers_W)
    assert dB[-1] - dB[0] == pytest.approx(2.0)
    assert np.diff(dB) == pytest.approx(np.full(4, 0.5))
    assert dB.mean() == pytest.approx(10 * np.log10(COMB.line_power_W))


@pytest.mark.parametrize("channels", [1, 2])
def test_a_comb_of_one_line_has_no_tilt_and_one_of_two_has_all_of_it(channels):
    powers = replace(COMB, wl_um=COMB.wl_um[:channels]).line_powers_W
    assert len(powers) == channels
    assert np.prod(powers) ** (1 / channels) == pytest.approx(COMB.line_power_W)
    assert 10 * np.log10(powers[-1] / powers[0]) == pytest.approx(2.0 * (channels - 1))
