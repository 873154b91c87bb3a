"""What selectors choose: ties, coarse to fine, the histogram, chance."""

import pytest
import torch

from prism_photonics.ranking.catalog import NAMES, make_selectors
from prism_photonics.ranking.centre import Centre
from prism_photonics.ranking.evict import Streaming
from prism_photonics.ranking.features import Bound, MeanAndBound, MeanKey, SoftenedBound
from prism_photonics.ranking.hierarchical import Hierarchical
from prism_photonics.ranking.learned import LearnedProjection
from prism_photonics.ranking.readers import ChipReader, Place
from prism_photonics.ranking.recall import top_k
from prism_photonics.ranking.salca import BINS, SalcaLike, eight_bits
from prism_photonics.ranking.selectors import FeatureSelector, Oracle, RandomChoice, top_candidates
from prism_photonics.units import InputError


class StandingCentre(Centre):
    """One whose first reference stands."""

    def take(self, features, shown):
        return super().take(features, shown) if self.reference is None else self.reference


def everywhere(scores):
    return torch.ones_like(scores, dtype=torch.bool)


def test_ties_follow_the_rule_of_the_numpy_room():
    scores = torch.randint(0, 4, (50, 20), generator=torch.Generator().manual_seed(0)).float()
    assert torch.equal(top_candidates(scores, 7, everywhere(scores)), torch.as_tensor(top_k(scores.numpy(), 7)))


def test_blocks_that_may_not_be_chosen_are_not_and_missing_ones_are_minus_one():
    scores = torch.tensor([[5.0, 4.0, 3.0, -torch.inf]])
    allowed = torch.tensor([[False, True, True, True]])
    assert top_candidates(scores, 4, allowed).tolist() == [[1, 2, -1, -1]]
    with pytest.raises(InputError, match="want a whole number of at least 1"):
        top_candidates(scores, 0, allowed)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("oracle", "h2o")])
def test_every_selector_signs_blocks_one_by_one_as_at_once(bank, demo_bundle, name):
    keys, valid, queries = bank
    selector = make_selectors([name], demo_bundle(8), dims=8, group=2)[name]
    for part in [selector, *vars(selector).values()]:
        if isinstance(getattr(part, "steps", None), int):
            part.steps = 5
    if selector.trained:
        selector.fit(keys.flatten(2, 3), queries, layer=0, block=4)
    centre = StandingCentre()
    whole = selector.sign(keys, valid, Place(0, centre=centre))
    parts = [selector.sign(keys[:, :, n : n + 2], valid[:, n : n + 2], Place(0, n, centre=centre)) for n in (0, 2, 4)]
    assert torch.equal(torch.cat(parts, 2), whole)
    scores = selector.score(queries, whole, 0)
    assert scores.shape == (2, 2, 3, 6)
    chosen = selector.choose(scores, 2, everywhere(scores))
    assert ((chosen >= -1) & (chosen < 6)).all()


@pytest.mark.parametrize("coarse", ["bound", "mean"])
def test_a_hierarchy_that_opens_every_group_scores_as_the_flat_selector(bank, coarse):
    keys, valid, queries = bank
    flat, deep = (
        FeatureSelector("flat", MeanKey()),
        Hierarchical("deep", MeanKey(), coarse=coarse, children=2, keep=1.0),
    )
    want = flat.score(queries, flat.sign(keys, valid, Place(0)), 0)
    assert torch.equal(deep.score(queries, deep.sign(keys, valid, Place(0)), 0), want)


def test_a_bounded_group_holds_the_block_with_the_best_bound_when_it_is_opened(bank):
    keys, valid, queries = bank
    deep = Hierarchical("deep", Bound(), children=2, keep=0.34)
    scores = deep.score(queries, deep.sign(keys, valid, Place(0)), 0)
    assert (torch.isfinite(scores).sum(-1) == 2).all()
    # The group's own bound, from its keys at once.
    group = Bound().of_blocks(keys.unflatten(2, (3, 2)).flatten(3, 4), torch.ones(2, 3, 8, dtype=torch.bool), 0)
    wanted = (Bound().of_queries(queries, 2, 0) @ group.transpose(-1, -2)).argmax(-1)
    assert torch.equal(torch.isfinite(scores).float().argmax(-1) // 2, wanted)


def test_a_group_of_several_rows_is_opened_by_its_best_one_and_pays_for_all(bank, demo_bundle):
    keys, valid, queries = bank
    deep = Hierarchical("deep", Bound(), coarse="softened", rows=2, children=2, keep=0.34)
    opened = torch.isfinite(deep.score(queries, deep.sign(keys, valid, Place(0)), 0)).float().argmax(-1) // 2
    # A row for each block here: the group of the block that is best between its mean and its bound.
    rows = SoftenedBound().of_queries(queries, 2, 0) @ SoftenedBound().of_blocks(keys, valid, 0).mT
    assert torch.equal(opened, rows.argmax(-1) // 2)
    reader, share = ChipReader(demo_bundle(64)), {"children": 8, "keep": 0.25}
    pages = [
        Hierarchical("d", Bound(), rows=rows, reader=reader, **share).cost(512, dims=32, block=16)["pages"]
        for rows in (1, 2)
    ]
    assert pages == [64 / 8 + 16, 2 * 64 / 8 + 16]
    with pytest.raises(InputError, match="rows: got 3 for groups of 8 blocks"):
        Hierarchical("deep", Bound(), rows=3)


def test_a_group_that_is_not_complete_is_always_scored(bank):
    keys, valid, queries = bank
    deep = Hierarchical("deep", MeanKey(), children=4, keep=0.5)
    scores = deep.score(queries, deep.sign(keys, valid, Place(0)), 0)
    assert torch.isfinite(scores[..., 4:]).all()


def test_a_hierarchy_reads_fewer_pages_of_the_same_chip(demo_bundle):
    made = make_selectors(["photonic_bound", "photonic_hierarchical"], demo_bundle(64), dims=32)
    flat, deep = (selector.cost(512, dims=32, block=16)["pages"] for selector in made.values())
    assert (flat, deep) == (64, 64 / 8 + 16)


def test_only_a_projection_that_adds_up_to_groups_may_be_coarse():
    with pytest.raises(InputError, match="want MeanAndBound"):
        Hierarchical("deep", MeanKey(), coarse=LearnedProjection(MeanKey(), 4))
    assert Hierarchical("deep", MeanKey(), coarse=LearnedProjection(MeanAndBound(), 4)).trained


def test_the_histogram_takes_all_blocks_of_the_bin_where_the_kth_lies():
    scores = torch.tensor([[9.0, 7.0, 7.0, 7.0, 1.0, 255.0]])
    assert SalcaLike().choose(scores, 2, everywhere(scores)).tolist() == [[0, 5]]
    assert SalcaLike().choose(scores, 3, everywhere(scores)).tolist() == [[0, 1, 2, 3, 5]]
    barred = torch.tensor([[True, True, True, True, True, False]])
    assert SalcaLike().choose(scores, 1, barred).tolist() == [[0]]


def test_the_histogram_finds_what_a_sort_finds_when_no_two_share_a_bin():
    scores = torch.stack([torch.randperm(BINS, generator=torch.Generator().manual_seed(s)) for s in range(20)]).float()
    chosen = SalcaLike().choose(scores, 32, everywhere(scores))
    assert torch.equal(chosen, top_candidates(scores, 32, everywhere(scores)).sort(-1).values)


def test_scores_in_eight_bits_keep_the_order_and_the_ends():
    scores = torch.tensor([[-3.0, 0.0, 5.0, -torch.inf]])
    assert eight_bits(scores).tolist() == [[0.0, 96.0, 255.0, -1.0]]


def test_a_token_beside_the_best_one_is_worth_as_much(bank):
    keys, valid, queries = bank
    keys = keys * 1e-3
    keys[:, :, 2, -1] = 50 * sketch_of(queries)
    near, alone = SalcaLike(share=1.0, neighbours=1), SalcaLike(share=1.0, neighbours=0)
    for salca in (near, alone):
        salca.fit(keys.flatten(2, 3), queries, layer=0, block=4)
    scores = {s: s.score(queries[:, :, :1], s.sign(keys, valid, Place(0)), 0) for s in (near, alone)}
    # The last token of block 2 neighbours the first of block 3.
    assert (scores[near][..., 3] == BINS - 1).all()
    assert (scores[alone][..., 3] < BINS - 1).all()


def sketch_of(queries):
    return queries[:, :, 0].unflatten(1, (2, 2)).sum(2)


def test_streaming_keeps_the_last_blocks_whatever_is_asked(bank):
    keys, valid, queries = bank
    scores = Streaming().score(queries, Streaming().sign(keys, valid, Place(0)), 0)
    assert top_candidates(scores, 2, everywhere(scores)).unique().tolist() == [4, 5]


def test_a_random_choice_hits_as_often_as_chance_says():
    chooser = RandomChoice(0)
    signatures, queries = torch.zeros(1, 1, 16, 1), torch.zeros(1, 1, 4000, 1)
    scores = chooser.score(queries, signatures, 0)
    hit = (top_candidates(scores, 4, everywhere(scores)) == 7).any(-1).float().mean()
    assert float(hit) == pytest.approx(0.25, abs=3 * (0.25 * 0.75 / 4000) ** 0.5)


def test_an_oracle_without_evidence_and_an_unknown_name_are_refused(bank, demo_bundle):
    keys, valid, queries = bank
    with pytest.raises(InputError, match="oracle: got no evidence, want mass"):
        Oracle().score(queries, Oracle().sign(keys, valid, Place(0)), 0)
    with pytest.raises(InputError, match="did you mean 'mean_key'"):
        make_selectors(["mean_keys"], demo_bundle(8), dims=8)
