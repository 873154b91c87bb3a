"""Decibels, the constants and the words of an error."""

import math

import pytest

from prism_photonics import units


@pytest.mark.parametrize(("dB", "ratio"), [(0.0, 1.0), (10.0, 10.0), (-30.0, 1e-3), (10 * math.log10(2), 2.0)])
def test_decibels_and_power_ratios_are_each_others_inverse(dB, ratio):
    assert units.ratio_from_dB(dB) == pytest.approx(ratio, rel=1e-14)
    assert units.dB_from_ratio(ratio) == pytest.approx(dB, abs=1e-12)


@pytest.mark.parametrize(("level_dBm", "power_W"), [(0.0, 1e-3), (30.0, 1.0), (-31.0, 7.943282347242816e-7)])
def test_zero_dBm_is_one_milliwatt(level_dBm, power_W):
    assert units.watt_from_dBm(level_dBm) == pytest.approx(power_W, rel=1e-14)
    assert units.dBm_from_watt(power_W) == pytest.approx(level_dBm, abs=1e-12)


def test_one_centimetre_at_3_dB_per_centimetre_passes_half_the_power():
    alpha_per_um = units.attenuation_per_um(10 * math.log10(2))
    assert math.exp(-alpha_per_um * 1e4) == pytest.approx(0.5, rel=1e-14)


def test_the_si_fixes_the_constants():
    assert units.ELEMENTARY_CHARGE_C == 1.602176634e-19
    assert units.BOLTZMANN_J_K == 1.380649e-23
    assert units.PM_PER_UM == 1e6


def test_an_error_names_the_nearest_key_or_else_all_of_them():
    assert units.nearest("radius", ["gap_um", "radius_um"]) == "did you mean 'radius_um'?"
    assert units.nearest("zzz", ["gap_um", "radius_um"]) == "known keys: gap_um, radius_um"


def test_an_input_error_is_a_value_error():
    assert issubclass(units.InputError, ValueError)


def test_one_of_a_kind_is_counted_in_the_singular():
    assert [units.counted(n, "resonance") for n in (0, 1, 2)] == ["0 resonances", "1 resonance", "2 resonances"]
