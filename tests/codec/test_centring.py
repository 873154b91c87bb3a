"""What all signatures share is taken off exactly, and its share of a score is what was taken off."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from prism_photonics.codec.centring import centre_score, centred

LIBRARIES = {"numpy": np.asarray, "jax": jnp.asarray, "torch": torch.as_tensor}


@pytest.fixture(params=LIBRARIES.values(), ids=LIBRARIES)
def library(request):
    return request.param


def test_what_is_left_and_the_centre_are_the_signatures(library):
    signatures = np.random.default_rng(0).standard_normal((2, 20, 6)) + 300.0
    left, centre = centred(library(signatures), axis=1)
    assert np.asarray(left) + np.asarray(centre)[:, None] == pytest.approx(signatures, rel=1e-15)
    assert np.abs(np.asarray(left).mean(1)).max() < 1e-12


def test_equal_signatures_leave_exact_zeros_whatever_they_are(library):
    left, centre = centred(library(np.tile(np.array([0.1, -1 / 3, 605.3]), (7, 1))))
    assert np.array_equal(left, np.zeros((7, 3)))
    assert np.array_equal(centre, [0.1, -1 / 3, 605.3])


def test_a_large_common_vector_costs_no_digit_of_the_spread(library):
    spread = np.random.default_rng(1).integers(-512, 512, (16, 4)) / 1024.0  # exact beside 2^20 in double precision
    plain, _ = centred(library(spread))
    moved, _ = centred(library(spread + 2.0**20))
    assert np.array_equal(plain, moved)


@pytest.mark.parametrize("halves", [False, True])
def test_the_centre_adds_the_same_to_every_score(library, halves):
    rng = np.random.default_rng(2)
    signatures, query = rng.standard_normal((20, 2, 6) if halves else (20, 6)) + 5.0, rng.standard_normal((3, 6))
    light = np.concatenate([np.maximum(query, 0), np.maximum(-query, 0)], -1) if halves else query
    left, centre = centred(library(signatures))
    scores = light @ np.asarray(left).reshape(20, -1).T + np.asarray(
        centre_score(library(query), centre, halves=halves)
    )
    assert scores == pytest.approx(light @ signatures.reshape(20, -1).T, abs=1e-12)
