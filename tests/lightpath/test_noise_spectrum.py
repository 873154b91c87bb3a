"""Noise that is 1/f, or rises as f²: closed forms against an integral and against drawn series."""

import math

import numpy as np
import pytest
from scipy.special import sici

from prism_photonics.budget.snr import score_noise_A2, score_snr_dB
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.reading import LineCurrents, Receiver
from prism_photonics.lightpath.detector.model import coloured_noise_A2, noisy_current_A, white_noise_A2
from prism_photonics.lightpath.detector.noise_spectrum import LONGEST_S, Flicker, flicker_variance, rising_variance
from prism_photonics.seeds import die_key

COLOURED = {
    "detector": {"tia_corner_kHz": 2.0, "tia_rise_GHz": 1e-6, "bandwidth_GHz": 1e-6, "adc_bits": 24},
    "comb": {"rin_dB_Hz": -110.0, "rin_corner_kHz": 1.0, "linewidth_MHz": 0.0},
}


@pytest.mark.parametrize("window_s", [1e-6, 1e-3, 1.0])
def test_one_over_f_averaged_over_a_window_is_its_integral_over_the_windows_spectrum(window_s):
    """∫ sinc²(πfT)/f df from x/T up is sin²(πx)/2π²x² + sin(2πx)/2πx − Ci(2πx); the slowest part begins at 1/2πτ."""
    x = window_s / (2.0 * math.pi * LONGEST_S)
    angle = 2.0 * math.pi * x
    integral = math.sin(0.5 * angle) ** 2 / (0.5 * angle**2) + math.sin(angle) / angle - sici(angle)[1]
    found = flicker_variance(3e3, bandwidth_Hz=1e9, window_s=window_s)
    assert found == pytest.approx(3e3 * integral, rel=0.02)


def test_a_drawn_series_has_the_variance_of_the_closed_form_however_it_is_cut():
    many = np.ones(4000)
    halves = Flicker(many, bandwidth_Hz=1e3, rng=np.random.default_rng(0))
    halves.advance(7.0)
    first, second = (halves.mean_over(0.05) for _ in range(2))
    assert np.var(first) == pytest.approx(flicker_variance(1.0, bandwidth_Hz=1e3, window_s=0.05), rel=0.07)
    assert np.var(0.5 * (first + second)) == pytest.approx(
        flicker_variance(1.0, bandwidth_Hz=1e3, window_s=0.1), rel=0.07
    )
    # What is slower than the time between is in both.
    assert np.corrcoef(first, second)[0, 1] > 0.8


def test_what_rises_as_f_squared_averages_away_with_the_square_of_the_samples():
    one = rising_variance(2e8, bandwidth_Hz=1e9)
    frequency = (np.arange(1_000_000) + 0.5) * 1e3
    assert one == pytest.approx(float(((frequency / 2e8) ** 2).sum() * 1e3), rel=1e-6)
    assert rising_variance(2e8, bandwidth_Hz=1e9, samples=10) == pytest.approx(one / 100.0)
    assert rising_variance(math.inf, bandwidth_Hz=1e9) == 0.0


@pytest.mark.parametrize("averages", [1, 8])
def test_readings_scatter_by_white_and_coloured_noise_together(small, altered, averages):
    spec = altered(small, **COLOURED)
    die = draw_die(spec, die_key(0))
    rows, rings, phase_rad = spec.chip.rows, spec.chip.rings, die.inl_phase_rad
    lines = LineCurrents(np.full((rows, rings), 2e-6), np.full((rows, rings), 1e-6), np.zeros((rows, rings)))
    light = np.ones(rings)
    receivers = [Receiver(spec, phase_rad, np.random.default_rng(seed)) for seed in range(700)]
    reads = np.array([receiver.read(lines, light, averages=averages) for receiver in receivers])
    detector, comb = spec.detector_design, spec.comb_design
    through, drop = lines.through_A[0], lines.drop_A[0]
    noisy_A = noisy_current_A(through, drop, detector)
    white = white_noise_A2(detector, (through + drop).sum()) + 1e3 * (
        10.0 ** (comb.rin_dB_Hz / 10.0) * (noisy_A**2).sum()
        + 10.0 ** (comb.rin_common_dB_Hz / 10.0) * noisy_A.sum() ** 2
    )
    coloured = coloured_noise_A2(detector, comb, noisy_A, samples=averages)
    assert coloured > white / averages
    # Rows share the light's part: of 700 receivers the variance is known to 5 %.
    assert np.var(reads, axis=0).mean() == pytest.approx(white / averages + coloured, rel=0.15)


def test_a_reading_remembers_the_one_before_and_less_so_after_a_pause(small, altered):
    spec = altered(small, detector=COLOURED["detector"] | {"tia_corner_kHz": 500.0}, comb=COLOURED["comb"])
    die = draw_die(spec, die_key(0))
    dark = LineCurrents(*np.zeros((3, spec.chip.rows, spec.chip.rings)))

    def together(pause_s):
        pairs = []
        for seed in range(300):
            receiver = Receiver(spec, die.inl_phase_rad, np.random.default_rng(seed))
            first = receiver.read(dark, np.zeros(spec.chip.rings), averages=8)
            receiver.wait(8.0 / spec.detector_design.bandwidth_Hz + pause_s)
            pairs.append((first, receiver.read(dark, np.zeros(spec.chip.rings), averages=8)))
        first, second = np.moveaxis(np.array(pairs), 1, 0).reshape(2, -1)
        return np.corrcoef(first, second)[0, 1]

    assert together(0.0) > together(1e3) + 0.2 > 0.2


def test_white_is_the_default_and_leaves_a_spec_the_same_chip(demo, altered):
    same = altered(demo, detector={"tia_corner_kHz": 0.0, "tia_rise_GHz": 0.0}, comb={"rin_corner_kHz": 0.0})
    assert same.hash == demo.hash
    assert coloured_noise_A2(demo.detector_design, demo.comb_design, np.ones(8)) == 0.0


def test_the_budget_counts_what_is_not_white(demo, altered):
    noisy = altered(demo, detector={"tia_corner_kHz": 1e4, "tia_rise_GHz": 1.0}, comb={"rin_corner_kHz": 1e4})
    white, coloured = score_noise_A2(demo), score_noise_A2(noisy)
    bandwidth = demo.detector_design.bandwidth_Hz
    flicker = flicker_variance(1e7, bandwidth_Hz=bandwidth, window_s=1.0 / bandwidth)
    rising = rising_variance(1e9, bandwidth_Hz=bandwidth)
    assert coloured["tia"] / white["tia"] == pytest.approx(1.0 + (flicker + rising) / bandwidth)
    assert coloured["rin"] / white["rin"] == pytest.approx(1.0 + flicker / bandwidth)
    assert coloured["common_rin"] / white["common_rin"] == pytest.approx(1.0 + flicker / bandwidth)
    assert coloured["shot"] == white["shot"]
    assert score_snr_dB(noisy) < score_snr_dB(demo)
