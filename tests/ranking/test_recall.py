"""Top-k keeps its tie rule, recall counts what it says, and the interval covers as it promises."""

import numpy as np
import pytest

from prism_photonics.ranking.recall import chance_level, recall_at_k, standard_error, top_k, wilson_interval
from prism_photonics.units import InputError


def test_higher_scores_come_first_and_equal_ones_by_block_index():
    assert top_k(np.array([1.0, 3.0, 3.0, 2.0, 3.0]), 4).tolist() == [1, 2, 4, 3]
    assert top_k(np.zeros(6), 3).tolist() == [0, 1, 2]
    assert top_k(np.array([0.0, -0.0, -np.inf]), 3).tolist() == [0, 1, 2]


def test_recall_is_one_for_the_reference_itself_and_zero_for_its_opposite():
    scores = np.random.default_rng(0).standard_normal((5, 64))
    assert (recall_at_k(scores, scores, k=8) == 1).all()
    assert (recall_at_k(-scores, scores, k=8) == 0).all()


def test_recall_counts_the_shared_blocks():
    assert recall_at_k(np.array([4.0, 3, 2, 1]), np.array([4.0, 1, 3, 2]), k=2) == 0.5


def test_a_random_choice_recalls_at_the_chance_level():
    rng = np.random.default_rng(1)
    recall = recall_at_k(rng.standard_normal((4000, 64)), rng.standard_normal((4000, 64)), k=8)
    assert recall.mean() == pytest.approx(chance_level(8, blocks=64), abs=4 * standard_error(recall))


@pytest.mark.parametrize("k", [0, 65, -1])
def test_a_k_that_cannot_be_chosen_is_refused(k):
    with pytest.raises(InputError, match="whole number from 1 to 64"):
        top_k(np.zeros(64), k)


def test_nan_scores_are_refused_by_place():
    scores = np.zeros((2, 8))
    scores[1, 3] = np.nan
    with pytest.raises(InputError, match=r"scores at \[1, 3\]"):
        top_k(scores, 2)


def test_wilson_agrees_with_its_published_shape():
    # 81 of 263: a standard worked example (Newcombe 1998, 10.1002/(SICI)1097-0258(19980430)17:8<857).
    assert wilson_interval(81, trials=263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    low, high = wilson_interval(256, trials=256)
    assert high == 1.0
    assert 0.98 < low < 1


def test_wilson_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(2)
    covered = [
        low <= 0.97 <= high
        for low, high in (wilson_interval(int(s), trials=256) for s in rng.binomial(256, 0.97, 2000))
    ]
    assert 0.92 < np.mean(covered) < 0.98
