"""The table of scorers on real keys: the ideal finds the needle, chance is chance, the oracle is perfect."""

import numpy as np
import pytest

from prism_photonics.ranking import KeyCache, attention_mass, evaluate, ideal_scores
from prism_photonics.units import InputError


@pytest.fixture(scope="module")
def table():
    cache = KeyCache.load()
    ideal = ideal_scores(cache)
    mass = attention_mass(
        cache.queries, cache.keys, query_position=cache.query_position, block=16, scale=cache.attention_scale
    )
    rng = np.random.default_rng(0)
    lines = evaluate(
        cache,
        {
            "ideal": ideal,
            "oracle": mass,
            "random": rng.standard_normal(ideal.shape),
            "noisy": ideal + ideal.std() * rng.standard_normal(ideal.shape),
        },
    )
    return {(line.scorer, line.kv_head): line for line in lines}


def test_the_float_mean_key_finds_the_needle_in_99_of_100_queries(table):
    # ranking.md gives 0.99 and 0.98 per KV head on more sequences: both must lie inside our intervals.
    for head, published in ((0, 0.99), (1, 0.98)):
        line = table["ideal", head]
        assert line.trials == 256
        assert line.hit >= 0.99
        assert line.hit_low <= published <= line.hit_high
    assert table["ideal", "all"].hit == pytest.approx(511 / 512)
    assert table["ideal", "all"].recall_vs_ideal == 1


def test_the_oracle_is_perfect_and_covers_nearly_all_attention(table):
    line = table["oracle", "all"]
    assert line.recall == 1
    assert line.hit == 1
    assert line.mass_coverage > 0.999


def test_a_random_scorer_is_at_the_chance_level(table):
    line = table["random", "all"]
    assert line.chance == 0.125
    assert line.hit_low <= 0.125 <= line.hit_high
    assert line.recall == pytest.approx(0.125, abs=4 * line.recall_error)
    assert line.recall_vs_ideal == pytest.approx(0.125, abs=4 * line.recall_vs_ideal_error)


def test_noise_on_the_scores_costs_hits_recall_and_coverage(table):
    ideal, noisy, random = (table[name, "all"] for name in ("ideal", "noisy", "random"))
    for figure in ("hit", "recall", "recall_vs_ideal", "mass_coverage"):
        assert getattr(random, figure) < getattr(noisy, figure) < getattr(ideal, figure)


def test_all_heads_are_the_mean_of_the_heads(table):
    for figure in ("hit", "recall", "mass_coverage"):
        heads = [getattr(table["noisy", head], figure) for head in (0, 1)]
        assert getattr(table["noisy", "all"], figure) == pytest.approx(np.mean(heads))


def test_a_point_that_selects_nothing_and_scores_of_another_shape_are_refused():
    cache = KeyCache.load()
    with pytest.raises(InputError, match="want 1 to 63"):
        evaluate(cache, {}, k=64)
    with pytest.raises(InputError, match=r"scores 'short': got shape"):
        evaluate(cache, {"short": np.zeros((8, 2, 32, 63))})
    with pytest.raises(InputError, match="got NaN"):
        evaluate(cache, {"nan": np.full((8, 2, 32, 64), np.nan)})
