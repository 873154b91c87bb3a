"""Random numbers drawn by NumPy are JAX's own, key by key and bit by bit."""

import jax
import numpy as np
import pytest

from prism_photonics import threefry
from prism_photonics.units import InputError

SEEDS = (0, 1, 2**31 - 1, 2**40 + 17)
SHAPES = ((), (1,), (7,), (3, 4, 5))


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_and_their_splits_are_jaxs(seed):
    ours, theirs = threefry.make_key(seed), jax.random.key(seed)
    assert ours == theirs
    for count in (1, 2, 16):
        assert (jax.numpy.stack(threefry.split(ours, count)) == jax.random.split(theirs, count)).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", SEEDS)
def test_uniform_numbers_are_jaxs_to_the_last_bit(seed, shape):
    key = jax.random.key(seed)
    assert np.array_equal(threefry.uniform(key, shape), jax.random.uniform(key, shape))
    turns = jax.random.uniform(key, shape, maxval=2.0 * np.pi)
    assert np.array_equal(threefry.uniform(key, shape, top=2.0 * np.pi), turns)


@pytest.mark.parametrize("seed", SEEDS)
def test_normal_numbers_are_jaxs_to_round_off(seed):
    key = jax.random.key(seed)
    ours, theirs = threefry.normal(key, (50, 40)), np.asarray(jax.random.normal(key, (50, 40)))
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)
    assert ours.std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("settings", [1, 14, 32])
def test_shuffled_values_are_jaxs_and_every_column_keeps_its_own(settings):
    key = jax.random.key(settings)
    values = np.broadcast_to(np.arange(settings)[:, None, None], (settings, 4, 6))
    ours = threefry.shuffled(key, values)
    assert np.array_equal(ours, jax.random.permutation(key, values, axis=0, independent=True))
    assert np.array_equal(np.sort(ours, axis=0), values)


@pytest.mark.parametrize("seed", SEEDS)
def test_numpys_generator_of_a_key_is_seeded_by_its_two_words(seed):
    key = jax.random.key(seed)
    theirs = np.random.default_rng([int(word) for word in jax.random.key_data(key)])
    assert np.array_equal(threefry.generator(key).normal(size=5), theirs.normal(size=5))


def test_a_key_of_another_generator_is_refused():
    with pytest.raises(InputError, match=r"key: .*rbg.*, want threefry2x32; make it by jax.random.key\(seed"):
        threefry.uniform(jax.random.key(0, impl="rbg"), (2,))


def test_many_keys_at_once_give_each_keys_own_numbers():
    words = threefry.seed_words(SEEDS)
    keys = [threefry.key_words(threefry.make_key(seed)) for seed in SEEDS]
    assert np.array_equal(words, keys)
    assert np.array_equal(threefry.splits(words, 3), [threefry.split(key, 3) for key in keys])
    drawn = threefry.uniforms(words, 5, top=2.0)
    assert np.array_equal(drawn, [threefry.uniform(key, (5,), top=2.0) for key in keys])
    parts = threefry.splits(words, 2)
    found = threefry.normals_each(parts, (7, 4))
    for n, two in enumerate(parts):
        for ours, theirs in zip(found, threefry.normals(list(two), [(7,), (4,)]), strict=True):
            assert np.array_equal(ours[n], theirs)
