"""The query modulator: what light its driver's codes can set."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from prism_photonics.codec.modulation import drive_codes, inl_codes, modulate, transmitted

BITS = (1, 4, 8, 10)


@pytest.mark.parametrize("bits", BITS)
def test_dark_and_full_light_are_exact(bits):
    assert np.array_equal(modulate(np.array([0.0, 1.0]), bits), [0.0, 1.0])


@pytest.mark.parametrize("bits", BITS[1:])
def test_half_light_is_a_code_so_a_query_of_zero_is_no_tie(bits):
    """An unused channel of 'offset' carries half light: between two codes, rounding would be each library's own."""
    assert modulate(np.array(0.5), bits) == pytest.approx(0.5, abs=1e-15)


def levels(bits):
    return np.unique(modulate(np.linspace(0.0, 1.0, 200_001), bits))


def volts(light):
    """The share of V_π: what a sin² interferometer needs for its light."""
    return 2 / np.pi * np.arcsin(np.sqrt(light))


@pytest.mark.parametrize("bits", BITS)
def test_more_wanted_light_is_never_less_light(bits):
    assert (np.diff(modulate(np.linspace(0.0, 1.0, 10_001), bits)) >= 0).all()


@pytest.mark.parametrize("bits", BITS)
def test_codes_are_even_in_voltage_and_light_is_off_by_at_most_half_a_code(bits):
    found = levels(bits)
    assert 2**bits - 1 <= len(found) <= 2**bits or len(found) == 2
    step = 1 / (len(found) - 1)
    assert volts(found) == pytest.approx(np.linspace(0.0, 1.0, len(found)), abs=1e-9)
    wanted = np.linspace(0.0, 1.0, 10_001)
    assert np.abs(volts(modulate(wanted, bits)) - volts(wanted)).max() <= step / 2 + 1e-9


@pytest.mark.parametrize("bits", BITS)
def test_every_code_is_the_nearest_to_its_own_light(bits):
    codes = np.arange(float(len(levels(bits))))
    assert np.array_equal(drive_codes(transmitted(codes, bits), bits), codes)


def test_light_near_dark_and_full_is_set_more_finely_than_half_light():
    steps = np.diff(levels(8))
    assert steps[0] < 1e-4
    assert steps[-1] < 1e-4
    assert steps.max() == pytest.approx(np.pi / 2 / 255, rel=0.01)


@pytest.mark.parametrize("phase", [0.0, 1.0, 2.5, 4.0])
def test_a_nonlinear_driver_is_right_at_both_ends_and_never_off_by_more_than_its_figure(phase):
    codes = np.arange(drive_codes(np.array(1.0), 10) + 1)
    off = inl_codes(codes, 10, 0.5, phase) - codes
    assert off[[0, -1]] == pytest.approx(0, abs=1e-12)
    assert 0.2 < np.abs(off).max() <= 0.5
    assert np.array_equal(inl_codes(codes, 10, 0.0, phase), codes)
    assert (np.diff(codes + off) > 0).all()


def test_every_array_library_gives_the_same_light():
    wanted = np.random.default_rng(0).uniform(size=(4, 5))
    by_numpy = modulate(wanted, 8)
    assert np.asarray(modulate(jnp.asarray(wanted), 8)) == pytest.approx(by_numpy, abs=1e-15)
    assert modulate(torch.as_tensor(wanted), 8).numpy() == pytest.approx(by_numpy, abs=1e-15)
