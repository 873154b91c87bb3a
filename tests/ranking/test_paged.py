"""Signatures in an engine's physical pages: the scores are those of the same blocks in a row."""

import pytest
import torch

from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.paged import PagedSignatures
from prism_photonics.ranking.readers import ChipReader, Place
from prism_photonics.ranking.selectors import FeatureSelector, Oracle, RandomChoice
from prism_photonics.ranking.several_rows import SeveralRows
from prism_photonics.ranking.two_stage import TwoStage
from prism_photonics.units import InputError

PAGES, TOKENS, KV_HEADS, DIMS = 12, 4, 2, 8


def buffer():
    return torch.randn(PAGES, TOKENS, KV_HEADS, DIMS, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("features", [MeanKey, Bound])
def test_each_request_is_scored_on_its_own_pages_as_on_a_cache_of_its_own(features):
    keys, queries = buffer(), torch.randn(2, 4, DIMS, generator=torch.Generator().manual_seed(1))
    selector = FeatureSelector("test", features())
    paged = PagedSignatures(selector, PAGES)
    owned = torch.tensor([[7, 2, 11, 4], [0, 9, -1, -1]])
    for request in owned:
        mine = request[request >= 0]
        paged.sign(3, mine, keys[mine])
    scores = paged.scores(3, owned, queries)
    for number, request in enumerate(owned):
        mine = request[request >= 0]
        valid = torch.ones(1, len(mine), TOKENS, dtype=torch.bool)
        signed = selector.sign(keys[mine].movedim(2, 0)[None], valid, Place(3))
        alone = selector.score(queries[None, number, :, None], signed, 3)[0, :, 0]
        # Up to one number per KV head: both are relative to what their blocks share.
        level = scores[number, :, : len(mine)] - alone
        assert torch.allclose(level, level[:, :1].expand_as(level), atol=1e-5)
        assert (scores[number, :, len(mine) :] == -torch.inf).all()


def test_pages_of_a_cache_in_half_precision_are_signed_whatever_a_selector_keeps_of_them():
    for selector in (RandomChoice(), FeatureSelector("t", MeanKey())):
        paged = PagedSignatures(selector, PAGES)
        paged.sign(0, torch.arange(3), buffer()[:3].bfloat16())
        scores = paged.scores(0, torch.tensor([[0, 2, 5]]), torch.ones(1, 4, DIMS).bfloat16())
        assert scores.isfinite().tolist() == [[[True, True, False]] * KV_HEADS]


def test_a_page_keeps_its_programming_error_until_it_is_written_anew(demo_bundle):
    keys, queries = buffer(), torch.randn(1, 4, DIMS, generator=torch.Generator().manual_seed(1))
    noiseless = {name: torch.tensor(0.0).numpy() for name in ("noise_floor", "noise_shot", "noise_rin", "noise_common")}
    chip = FeatureSelector("chip", MeanKey(), ChipReader(demo_bundle(DIMS, **noiseless)))
    paged, listed = PagedSignatures(chip, PAGES), torch.tensor([[5, 6, 1, 7]])
    paged.sign(0, torch.tensor([5, 6, 7]), keys[[5, 6, 7]])
    first = paged.scores(0, listed, queries)
    assert (first[..., 2] == -torch.inf).all()  # page 1 is not full yet
    assert torch.equal(paged.scores(0, listed, queries), first)
    paged.sign(0, torch.tensor([5]), keys[[3]])
    again = paged.scores(0, listed, queries)
    assert torch.allclose(again[..., 1] - again[..., 3], first[..., 1] - first[..., 3], atol=1e-5)
    assert not torch.allclose(again[..., 0] - again[..., 3], first[..., 0] - first[..., 3], atol=1e-2)


@pytest.mark.parametrize(
    "made_of",
    [
        lambda base: base,
        lambda base: SeveralRows("rows", base, rows=2),
        lambda base: TwoStage("two", base),
        lambda base: SeveralRows("parts", TwoStage("two", base), rows=2, added=True),
    ],
)
def test_a_request_without_a_full_page_yet_takes_nothing_from_those_that_have_some(made_of):
    keys, queries = buffer(), torch.randn(2, 4, DIMS, generator=torch.Generator().manual_seed(1))
    paged = PagedSignatures(made_of(FeatureSelector("t", MeanKey())), PAGES)
    paged.sign(0, torch.tensor([3, 4]), keys[[3, 4]])
    scores = paged.scores(0, torch.tensor([[5, -1], [3, 4]]), queries)
    assert (scores[0] == -torch.inf).all()
    assert torch.equal(scores[1:], paged.scores(0, torch.tensor([[3, 4]]), queries[1:]))
    table, tokens = paged.cut(0, torch.tensor([[5, -1], [3, 4]]), torch.tensor([3, 2 * TOKENS]), queries, k=1)
    assert (table.tolist(), tokens.tolist()) == ([[5, -1], [3, 4]], [3, 2 * TOKENS])


def test_what_an_engine_cannot_give_is_refused():
    with pytest.raises(InputError, match="needs mass"):
        PagedSignatures(Oracle(), PAGES)
    with pytest.raises(InputError, match="pages: got 0"):
        PagedSignatures(FeatureSelector("t", MeanKey()), 0)
    with pytest.raises(InputError, match="pages: got -1 to 3, want 0 to 11; leave out what pads"):
        PagedSignatures(FeatureSelector("t", MeanKey()), PAGES).sign(0, torch.tensor([3, -1]), buffer()[:2])
    with pytest.raises(InputError, match="call sign"):
        PagedSignatures(FeatureSelector("t", MeanKey()), 1).scores(0, torch.zeros(1, 1).long(), torch.zeros(1, 2, 8))


def test_a_page_table_is_cut_to_the_first_page_the_latest_and_the_best_others_in_their_order():
    keys = buffer()
    keys[[9, 3]] += 3.0  # the pages that the query asks for
    paged = PagedSignatures(FeatureSelector("t", MeanKey()), PAGES)
    paged.sign(0, torch.arange(PAGES - 1), keys[:-1])  # the last page is not full
    listed = torch.tensor([[7, 2, 9, 4, 3, 11, 0], [5, 11, -1, -1, -1, -1, -1]])
    table, tokens = paged.cut(0, listed, torch.tensor([5 * TOKENS + 1, TOKENS + 2]), torch.ones(2, 4, DIMS), k=2)
    assert table.tolist() == [[7, 9, 3, 11], [5, 11, -1, -1]]
    assert tokens.tolist() == [3 * TOKENS + 1, TOKENS + 2]
    # A full page that nobody signed is read, not lost.
    paged = PagedSignatures(FeatureSelector("t", MeanKey()), PAGES)
    paged.sign(0, torch.tensor([7, 2, 9, 3]), keys[[7, 2, 9, 3]])
    table, tokens = paged.cut(0, listed[:1], torch.tensor([5 * TOKENS + 1]), torch.ones(1, 4, DIMS), k=1)
    assert set(table[0].tolist()) > {7, 4, 11}
    assert (table.shape[1], tokens.tolist()) == (4, [3 * TOKENS + 1])
    with pytest.raises(InputError, match="k: got 0"):
        paged.cut(0, listed, torch.tensor([4, 4]), torch.ones(2, 4, DIMS), k=0)
