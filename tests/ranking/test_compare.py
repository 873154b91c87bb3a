"""A bundle against float scores on one cache: how its blocks are written."""

import numpy as np
import pytest

from prism_photonics.ranking.compare import bundle_scores
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.signatures import at_full_span, centred_at_full_span, mean_key, query_sketch


def one_sequence(keys):
    """A cache of one sequence, one head and a few random queries."""
    rng = np.random.default_rng(1)
    tokens = keys.shape[0]
    return KeyCache(
        keys=keys[None, None], values=keys[None, None], queries=rng.standard_normal((1, 1, 20, keys.shape[1])),
        needle_position=np.zeros((1, 20), int), query_position=np.full((1, 20), tokens - 1),
        token_ids=np.zeros((1, tokens), int), recalled=np.ones((1, 20), bool), attention_scale=1.0, source="made up",
    )  # fmt: skip


def test_a_block_of_large_keys_does_not_drown_the_others_in_noise(demo_bundle):
    rng = np.random.default_rng(0)
    keys = rng.standard_normal((64 * 16, 32))
    loud = keys.copy()
    loud[:16] *= 100.0
    error = {}
    for name, each in (("even", keys), ("loud", loud)):
        cache = one_sequence(each)
        exact = query_sketch(cache.queries, 1)[0, 0] @ mean_key(cache.keys, block=16)[0, 0].T
        scores = bundle_scores(demo_bundle(32), cache, block=16)[0, 0]
        error[name] = np.std((scores - exact)[:, 1:]) / np.std(exact[:, 1:])
    assert error["loud"] < 1.2 * error["even"] < 0.2


def test_every_block_takes_the_whole_span_and_a_block_of_zeros_stays_one():
    signatures = np.array([[1.0, -4.0], [0.0, 0.0], [0.25, 0.5]])
    unit, scale = at_full_span(signatures)
    assert np.array_equal(scale, [4.0, 1.0, 0.5])
    assert np.array_equal(unit * scale[:, None], signatures)
    assert np.abs(unit).max(1).tolist() == [1.0, 0.0, 1.0]


def test_what_all_blocks_share_takes_none_of_the_span():
    signatures = np.random.default_rng(0).standard_normal((9, 4))
    unit, scale, centre, wide = centred_at_full_span(signatures)
    assert np.abs(unit).max(1) == pytest.approx(1.0)
    assert unit * scale[:, None] + centre == pytest.approx(signatures)
    assert wide.tolist() == [1.0] * 4
    moved, same_scale, moved_centre, _ = centred_at_full_span(signatures + 64.0)
    assert moved == pytest.approx(unit)
    assert same_scale == pytest.approx(scale)
    assert moved_centre == pytest.approx(centre + 64.0)


def test_a_block_that_is_the_median_is_scored_without_a_reading():
    unit, scale, centre, _ = centred_at_full_span(np.array([[3.0, -2.0]]))
    assert (unit.tolist(), scale.tolist(), centre.tolist()) == ([[0.0, 0.0]], [0.0], [3.0, -2.0])
