"""The exact attention mass obeys the laws of a softmax, signatures and sketches those of a mean and a sum."""

import numpy as np
import pytest

from prism_photonics.ranking.mass import attention_mass
from prism_photonics.ranking.signatures import mean_key, query_sketch
from prism_photonics.units import InputError

RNG = np.random.default_rng(0)
KEYS = RNG.standard_normal((2, 2, 50, 8))
QUERIES = RNG.standard_normal((2, 4, 3, 8))
POSITION = np.array([[5, 31, 49], [16, 17, 48]])


def mass(**changes):
    return attention_mass(QUERIES, KEYS, **({"query_position": POSITION, "block": 16, "scale": 0.35} | changes))


def test_the_mass_of_all_blocks_is_one_and_the_future_holds_none():
    found = mass()
    assert found.shape == (2, 2, 3, 4)
    assert found.sum(-1) == pytest.approx(np.ones((2, 2, 3)))
    future = np.arange(4) * 16 > POSITION[:, None, :, None]
    assert (found[np.broadcast_to(future, found.shape)] == 0).all()


def test_the_mass_equals_a_softmax_written_out_head_by_head():
    expected = np.zeros((2, 2, 3, 4))
    for s, h, q in np.ndindex(2, 4, 3):
        seen = POSITION[s, q] + 1
        weight = np.exp(0.35 * KEYS[s, h // 2, :seen] @ QUERIES[s, h, q])
        for t, w in enumerate(weight / weight.sum()):
            expected[s, h // 2, q, t // 16] += w / 2
    assert mass() == pytest.approx(expected, abs=1e-12)


def test_large_logits_do_not_overflow_and_no_scale_means_even_attention():
    assert np.isfinite(mass(scale=1e4)).all()
    even = mass(scale=1e-12)[0, 0, 2]
    assert even == pytest.approx(np.array([16, 16, 16, 2]) / 50, abs=1e-9)


def test_a_position_beyond_the_sequence_is_refused():
    with pytest.raises(InputError, match="want 0 to 49"):
        mass(query_position=POSITION + 10)


def test_signatures_are_block_means_also_of_a_last_short_block():
    signatures = mean_key(KEYS, block=16)
    assert signatures.shape == (2, 2, 4, 8)
    assert signatures[1, 0, 1] == pytest.approx(KEYS[1, 0, 16:32].mean(0))
    assert signatures[1, 0, 3] == pytest.approx(KEYS[1, 0, 48:].mean(0))


def test_a_sketch_sums_the_queries_of_its_group():
    sketch = query_sketch(QUERIES, 2)
    assert sketch.shape == (2, 2, 3, 8)
    assert sketch[0, 1] == pytest.approx(QUERIES[0, 2] + QUERIES[0, 3])


def test_heads_that_do_not_group_are_refused():
    with pytest.raises(InputError, match="4 heads for 3 KV heads"):
        query_sketch(QUERIES, 3)
