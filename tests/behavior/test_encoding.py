"""A signed query written as light comes back signed, and the converters are the ones described."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from prism_photonics.codec.encoding import (
    RAILS,
    SHOTS,
    common_share,
    decode,
    encode,
    quantize,
    quantizer_step,
    rails,
)
from prism_photonics.units import InputError


@pytest.mark.parametrize("scheme", SHOTS)
@pytest.mark.parametrize("leak", [0.0, 0.02])
def test_light_is_never_negative_and_decoding_returns_the_signed_dot_product(scheme, leak):
    rng = np.random.default_rng(0)
    signatures, query_hat = rng.uniform(-0.4, 0.9, (5, 8)), rng.uniform(-1, 1, (3, 8))
    weights, light = rails(signatures, scheme), encode(query_hat, scheme)
    assert light.shape == (SHOTS[scheme], 3, 8 * RAILS[scheme])
    assert light.min() >= 0
    assert light.max() <= 1
    found = decode((light + leak) @ weights.T, weights.sum(1), scheme, leak=leak)
    assert found == pytest.approx(query_hat @ signatures.T, abs=1e-12)


@pytest.mark.parametrize("scheme", SHOTS)
def test_a_weight_common_to_all_channels_adds_its_share_of_every_score(scheme):
    rng = np.random.default_rng(2)
    signatures, query_hat = rng.uniform(-0.5, 0.5, (5, 8)), rng.uniform(-1, 1, (3, 8))
    weights = 0.15 + rails(signatures, scheme)
    found = decode(encode(query_hat, scheme) @ weights.T, weights.sum(1), scheme)
    assert found - 0.15 * common_share(query_hat, scheme) == pytest.approx(query_hat @ signatures.T, abs=1e-12)


def test_two_rails_weigh_the_halves_of_a_query_by_any_two_numbers():
    """The bound of a block of keys: Σ max(q·max, q·min), for max and min of any sign."""
    rng = np.random.default_rng(3)
    keys, query_hat = rng.normal(0.1, 0.3, (5, 16, 8)), rng.uniform(-1, 1, (3, 8))
    top, bottom = keys.max(1), keys.min(1)
    weights = np.concatenate([top, -bottom], axis=-1)
    found = decode(encode(query_hat, "dual_rail") @ weights.T, weights.sum(1), "dual_rail")
    bound = np.maximum(query_hat[:, None] * top, query_hat[:, None] * bottom).sum(-1)
    assert found == pytest.approx(bound, abs=1e-12)
    assert (found >= np.einsum("qd,bkd->qbk", query_hat, keys).max(-1) - 1e-12).all()


@pytest.mark.parametrize("scheme", SHOTS)
def test_every_array_library_gives_the_same_light_and_codes(scheme):
    query_hat = np.random.default_rng(1).uniform(-1, 1, (2, 8))
    results = [
        quantize(encode(library(query_hat), scheme), 6, 0.0, 1.0)
        for library in (np.asarray, jnp.asarray, torch.as_tensor)
    ]
    assert np.array_equal(results[0], np.asarray(results[1]))
    assert np.array_equal(results[0], np.asarray(results[2]))


def test_an_unknown_scheme_is_refused_with_the_nearest_one():
    with pytest.raises(InputError, match="did you mean 'two_shot'"):
        encode(np.zeros(4), "twoshot")


@pytest.mark.parametrize("bits", [1, 2, 3, 8, 12])
def test_the_converter_is_monotone_idempotent_and_symmetric(bits):
    x = np.linspace(-3.5, 3.5, 20000)  # none of them halfway between two codes
    y = quantize(x, bits, -3.0, 3.0)
    assert (np.diff(y) >= 0).all()
    assert np.array_equal(quantize(y, bits, -3.0, 3.0), y)
    assert len(np.unique(np.round(y, 12))) == max(2**bits - 1, 2)
    assert quantize(-x, bits, -3.0, 3.0) == pytest.approx(-y, abs=1e-12)


def test_inside_the_range_the_converter_errs_by_at_most_half_a_step_and_outside_it_clips():
    x = np.linspace(-3.0, 3.0, 5001)
    assert np.abs(quantize(x, 6, -3.0, 3.0) - x).max() <= quantizer_step(6, -3.0, 3.0) / 2 + 1e-12
    assert quantize(np.array([-9.0, 9.0]), 6, -3.0, 3.0) == pytest.approx([-3.0, 3.0])


def test_dark_half_and_full_light_are_exact_codes():
    levels = np.array([0.0, 0.5, 1.0])
    for bits in (2, 5, 8):
        assert quantize(levels, bits, 0.0, 1.0) == pytest.approx(levels, abs=1e-15)
