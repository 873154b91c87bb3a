"""MoBA's signal-to-noise ratio of a needle's block: right for tokens that are strangers, too high for neighbours."""

import numpy as np
import pytest

from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.signal import block_signal
from prism_photonics.units import InputError

DIMS, TOKENS, QUERIES = 32, 1024, 48


def cache(*, alike, above=6.0):
    """Gaussian keys, 16 neighbours alike to a degree; each query's needle stands out by so many deviations."""
    rng = np.random.default_rng(0)
    keys = rng.standard_normal((2, 1, TOKENS, DIMS)) * np.sqrt(1 - alike)
    keys += np.sqrt(alike) * np.repeat(rng.standard_normal((2, 1, TOKENS // 16, DIMS)), 16, axis=2)
    queries = rng.standard_normal((2, 1, QUERIES, DIMS))
    needle = np.stack([rng.choice(TOKENS, QUERIES, replace=False) for _ in range(2)])
    unit = queries / np.linalg.norm(queries, axis=-1, keepdims=True)
    for sequence in range(2):
        keys[sequence, 0, needle[sequence]] += above * unit[sequence, 0]
    asked, ids = np.full((2, QUERIES), TOKENS), np.zeros((2, TOKENS), int)
    return KeyCache(keys, keys, queries, needle, asked, ids, np.ones((2, QUERIES), bool), 1.0, "made")


@pytest.mark.parametrize("block", [8, 16, 64])
def test_of_tokens_that_are_strangers_the_estimate_is_what_is_measured(block):
    found = block_signal(cache(alike=0.0), block=block, k=TOKENS // block // 8)
    assert found.chance == 0.125
    assert found.estimated_snr == pytest.approx(found.measured_snr, rel=0.15)
    assert found.estimated_hit == pytest.approx(found.measured_hit, abs=0.1)
    assert found.queries == 2 * QUERIES


def test_where_neighbours_resemble_one_another_the_estimate_promises_too_much():
    found = block_signal(cache(alike=0.5), block=16, k=8)
    assert found.estimated_snr > 1.5 * found.measured_snr
    assert found.estimated_hit > found.measured_hit + 0.1


def test_fewer_blocks_than_are_chosen_are_refused():
    with pytest.raises(InputError, match="got 64 tokens and 16, want more than k whole blocks"):
        block_signal(cache(alike=0.0), block=64, k=16)
