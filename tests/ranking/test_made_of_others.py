"""Selectors made of others: rows of a block, a reading per head, two stages, one per layer; and codes of tokens."""

import pytest
import torch

from prism_photonics.ranking.attention import BlockSparse
from prism_photonics.ranking.catalog import make_selectors, that_take
from prism_photonics.ranking.features import Bound, MeanKey, SoftenedBound
from prism_photonics.ranking.indexer import TokenIndexer
from prism_photonics.ranking.per_head import PerHead
from prism_photonics.ranking.per_layer import PerLayer, best_of_layers
from prism_photonics.ranking.pretrained.cached import Selection
from prism_photonics.ranking.pretrained.survey import survey
from prism_photonics.ranking.readers import ChipReader, Place
from prism_photonics.ranking.selectors import FeatureSelector, Oracle, RandomChoice
from prism_photonics.ranking.several_rows import SeveralRows
from prism_photonics.ranking.sign_codes import SignCodes
from prism_photonics.ranking.table import Point, table
from prism_photonics.ranking.two_stage import TwoStage
from prism_photonics.units import InputError

DIMS = 8


@pytest.fixture(scope="module")
def keys():
    """Two KV heads, six blocks of 16 tokens; the last block holds a key far along the first dimension."""
    drawn = torch.randn(1, 2, 6, 16, DIMS, generator=torch.Generator().manual_seed(0))
    drawn[:, :, 5, 3, 0] = 9.0
    return drawn


@pytest.fixture(scope="module")
def queries():
    """Four heads, three steps."""
    return torch.randn(1, 4, 3, DIMS, generator=torch.Generator().manual_seed(1))


def mean(reader=None):
    return FeatureSelector("mean", MeanKey(), reader)


def shown(keys):
    return torch.ones(keys.shape[0], *keys.shape[2:4], dtype=torch.bool)


def scored(selector, keys, queries, evidence=None):
    return selector.score(queries, selector.sign(keys, shown(keys), Place(0)), 0, evidence)


def apart(scores):
    """Scores are known up to one number per query."""
    return scores - scores[..., :1]


def test_a_block_is_worth_the_best_of_the_small_blocks_that_it_is_made_of(keys, queries):
    small = keys.unflatten(3, (4, 4)).flatten(2, 3)
    best = scored(mean(), small, queries).unflatten(-1, (6, 4)).amax(-1)
    rows = SeveralRows("rows", mean(), rows=4)
    assert torch.allclose(apart(scored(rows, keys, queries)), apart(best), atol=1e-5)
    assert (
        rows.cost(6, dims=DIMS, block=16)["signature_bytes"]
        == 4 * mean().cost(6, dims=DIMS, block=16)["signature_bytes"]
    )


def test_rows_of_so_many_tokens_are_as_many_as_a_block_has_room_for(keys, queries):
    rows = SeveralRows("rows", mean(), tokens=4)
    four = SeveralRows("rows", mean(), rows=4)
    assert torch.equal(scored(rows, keys, queries), scored(four, keys, queries))
    long = keys.unflatten(2, (3, 2)).flatten(3, 4)
    assert torch.equal(scored(rows, long, queries), scored(SeveralRows("r", mean(), rows=8), long, queries))
    assert rows.cost(3, dims=DIMS, block=32) == four.cost(6, dims=DIMS, block=16)
    assert [rows.rows_of(block) for block in (2, 4, 8)] == [1, 1, 2]
    with pytest.raises(InputError, match="blocks of 6 tokens, want a multiple of 4"):
        rows.require_block(6)
    with pytest.raises(InputError, match="rows None, tokens None: want one of them"):
        SeveralRows("rows", mean())


def test_a_softened_bound_lies_between_the_mean_key_and_the_bound(keys, queries):
    by = {share: apart(scored(FeatureSelector("s", SoftenedBound(share)), keys, queries)) for share in (0.0, 0.25, 1.0)}
    bound = apart(scored(FeatureSelector("b", Bound()), keys, queries))
    assert torch.allclose(by[0.0], apart(scored(mean(), keys, queries)), atol=1e-4)
    assert torch.allclose(by[1.0], bound, atol=1e-4)
    assert torch.allclose(by[0.25], 0.75 * by[0.0] + 0.25 * bound, atol=1e-4)
    with pytest.raises(InputError, match="share: got -1"):
        SoftenedBound(-1.0)


def test_rows_that_overlap_reach_to_the_middle_of_the_next(keys, queries):
    halves = [keys[:, :, :, start : start + 8] for start in (0, 4, 8)]
    each = torch.cat([part.mean(3, keepdim=True) for part in halves], 3)
    best = (queries.unflatten(1, (2, 2)).sum(2)[:, :, :, None, None] * each[:, :, None]).sum(-1).amax(-1)
    rows = SeveralRows("rows", mean(), rows=3, overlap=True)
    assert torch.allclose(apart(scored(rows, keys, queries)), apart(best), atol=1e-4)


def test_a_row_of_padding_never_counts(keys, queries):
    rows, valid = SeveralRows("rows", mean(), rows=4), shown(keys)
    valid[:, 0, :8] = False
    left = torch.where(valid[:, None, :, :, None], keys, 1e3)
    scores = rows.score(queries, rows.sign(left, valid, Place(0)), 0)
    assert torch.isfinite(scores).all()
    nothing = torch.zeros_like(valid)
    assert (rows.score(queries, rows.sign(left, nothing, Place(0)), 0) == -torch.inf).all()


def test_rows_that_do_not_fill_a_block_are_refused(keys):
    with pytest.raises(InputError, match="blocks of 16 tokens, want a multiple of 3"):
        SeveralRows("rows", mean(), rows=3).sign(keys, shown(keys), Place(0))


def test_rows_that_do_not_fill_a_block_are_refused_before_anything_is_prefilled(
    tmp_path, tiny, selectable, demo_bundle
):
    made = make_selectors(["infllm_like", "mean_key"], demo_bundle(DIMS), dims=DIMS, group=2)
    refused = "infllm_like: got blocks of 30 tokens, want a multiple of 4"
    with pytest.raises(InputError, match=refused):
        survey(
            None,
            None,
            {"a": Selection(made["infllm_like"], 30, 2)},
            task="pass_key",
            context=1024,
            texts=[0],
            folder=tmp_path / "none",
            of={},
        )
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match=refused):
        table("m", *selectable, selectors=made, points=[Point(1024, 16, 2), Point(1024, 30, 2)])
    model = tiny("llama")
    with pytest.raises(InputError, match=refused):
        BlockSparse(model, made["infllm_like"], k=2, block=30)
    fit, left_out = that_take([16, 30], made)
    assert (list(fit), len(left_out)) == (["mean_key"], 1)
    assert refused in left_out[0]
    last = PerLayer("layers", [made["mean_key"], made["infllm_like"]])
    with pytest.raises(InputError, match=refused):
        last.require_block(30)
    last.require_block(32)


def test_every_row_of_a_chip_has_an_error_of_its_own(keys, queries, demo_bundle):
    rows = SeveralRows("rows", mean(ChipReader(demo_bundle(DIMS))), rows=4)
    same = keys[:, :, :1, :4].repeat(1, 1, 6, 4, 1)
    state = rows.sign(same, shown(same), Place(0))[..., 1:].unflatten(3, (4, -1))
    assert not torch.equal(state[:, :, 0, 0], state[:, :, 0, 1])
    assert not torch.equal(state[:, :, 0, 0], state[:, :, 1, 0])


def test_what_a_selector_made_of_others_costs_is_told_by_the_chip_that_it_reads(demo_bundle):
    wide, names = demo_bundle(2 * DIMS), ["photonic_bound", "photonic_bound_of_halves"]
    made = make_selectors(names, demo_bundle(DIMS), dual_rail=wide, dims=DIMS, group=2)
    assert all(vars(made[name])["reader"].bundle is wide for name in names)


def test_shares_of_heads_that_are_read_alone_are_added(keys, queries):
    products = queries.unflatten(1, (2, 2)) @ keys.mean(3)[:, :, None].mT * DIMS**-0.5
    alone = PerHead("alone", mean(), group=2)
    assert torch.allclose(scored(alone, keys, queries), products.softmax(-1).sum(2), atol=1e-5)
    with pytest.raises(InputError, match="4 heads for 2 KV heads, want 3 each"):
        scored(PerHead("alone", mean(), group=3), keys, queries)


def test_of_all_blocks_as_survivors_exact_attention_decides(keys, queries):
    logits = queries.unflatten(1, (2, 2)) @ keys.flatten(2, 3)[:, :, None].mT * DIMS**-0.5
    exact = logits.softmax(-1).unflatten(-1, (6, 16)).sum((2, -1))
    assert torch.allclose(scored(TwoStage("two", mean(), survivors=1.0), keys, queries), exact, atol=1e-5)


def test_what_the_first_stage_drops_stays_dropped_and_its_keys_are_not_billed(keys, queries):
    two = TwoStage("two", mean(), survivors=0.5)
    scores, first = scored(two, keys, queries), scored(mean(), keys, queries)
    assert ((scores > -torch.inf).sum(-1) == 3).all()
    dropped = first.masked_fill(scores == -torch.inf, torch.inf).amin(-1) > first.masked_fill(
        scores > -torch.inf, -torch.inf
    ).amax(-1)
    assert dropped.all()
    cost = two.cost(6, dims=DIMS, block=16)["signature_bytes"]
    assert cost == mean().cost(6, dims=DIMS, block=16)["signature_bytes"] + 2 * 3 * 16 * DIMS
    with pytest.raises(InputError, match="survivors: got 0"):
        TwoStage("two", mean(), survivors=0.0)


def test_each_layer_has_the_selector_that_recalled_most_there(keys, queries):
    among = {"mean": mean(), "bound": FeatureSelector("bound", Bound())}
    chosen = best_of_layers("best", among, {"mean": [0.3, 0.8], "bound": [0.5, 0.2]})
    assert chosen.of_layer == (among["bound"], among["mean"])
    assert torch.equal(scored(chosen, keys, queries), scored(among["bound"], keys, queries))
    with pytest.raises(InputError, match="layer 2, want one below 2"):
        chosen.sign(keys, shown(keys), Place(2))
    with pytest.raises(InputError, match="want one kind in all layers"):
        PerLayer("mixed", [Oracle(), RandomChoice()])


def test_signs_of_turned_keys_find_a_token_that_stands_out(keys):
    along = torch.zeros(1, 2, 1, DIMS)
    along[..., 0] = 1.0
    assert (scored(SignCodes(), keys, along).argmax(-1) == 5).all()
    assert SignCodes().cost(6, dims=DIMS, block=16)["signature_bytes"] == 6 * 16 * 3


def test_an_indexer_adds_what_heads_find_alike_and_takes_nothing_off(keys, queries):
    products = queries.unflatten(1, (2, 2)) @ keys.flatten(2, 3)[:, :, None].mT
    exact = products.clamp(min=0).sum(2).unflatten(-1, (6, 16)).amax(-1)
    scores = scored(TokenIndexer(), keys, queries)
    assert torch.allclose(scores, exact, rtol=0.05, atol=0.3)  # three bits of mantissa
    assert not torch.allclose(scores, exact, atol=1e-3)
    tokens = keys.flatten(2, 3)[:, :, :, None]
    best = scored(TokenIndexer(), tokens, queries).unflatten(-1, (6, 16)).amax(-1)
    assert torch.equal(best, scores)  # blocks of one token: the choice of tokens
    valid = shown(keys)
    valid[:, 5] = False
    padded = TokenIndexer().score(queries, TokenIndexer().sign(keys, valid, Place(0)), 0)
    assert (padded[..., 5] == -torch.inf).all()
    assert torch.equal(padded[..., :5], scores[..., :5])
    assert TokenIndexer().cost(6, dims=DIMS, block=16)["signature_bytes"] == 6 * 16 * (DIMS + 4)


def test_an_outlying_token_is_found_by_a_row_and_drowns_in_a_block(keys):
    along = torch.zeros(1, 2, 1, DIMS)
    along[..., 0] = 1.0
    rows = scored(SeveralRows("rows", mean(), rows=8), keys, along)
    assert (rows.argmax(-1) == 5).all()
    margin = rows[..., 5] - rows[..., :5].amax(-1)
    whole = scored(mean(), keys, along)
    assert (margin > 2 * (whole[..., 5] - whole[..., :5].amax(-1))).all()


def parts(share):
    """Rows of four tokens, of which the keys of the best are read."""
    return SeveralRows("parts", TwoStage("parts", mean(), survivors=share), tokens=4, added=True)


def test_of_all_parts_as_survivors_exact_attention_decides(keys, queries):
    logits = queries.unflatten(1, (2, 2)) @ keys.flatten(2, 3)[:, :, None].mT * DIMS**-0.5
    exact = logits.softmax(-1).unflatten(-1, (6, 16)).sum((2, -1))
    assert torch.allclose(scored(parts(1.0), keys, queries), exact, atol=1e-5)
    assert torch.allclose(
        scored(parts(1.0), keys, queries), scored(TwoStage("two", mean(), survivors=1.0), keys, queries)
    )


def test_a_block_is_worth_the_attention_of_those_of_its_parts_whose_keys_were_read(keys, queries):
    small = keys.unflatten(3, (4, 4)).flatten(2, 3)
    first = scored(mean(), small, queries)
    read = first >= first.sort(-1, descending=True).values[..., 5:6]  # 6 of 24
    logits = (queries.unflatten(1, (2, 2)) @ small.flatten(2, 3)[:, :, None].mT) * DIMS**-0.5
    left = logits.masked_fill(~read.repeat_interleave(4, -1)[:, :, None], -torch.inf)
    mass = left.softmax(-1).sum(2).unflatten(-1, (6, 16)).sum(-1)
    want = torch.where(read.unflatten(-1, (6, 4)).any(-1), mass, -torch.inf)
    scores = scored(parts(0.25), keys, queries)
    assert torch.allclose(scores, want, atol=1e-5)
    assert (scores == -torch.inf).any()
    assert (scores > -torch.inf).sum(-1).float().mean() > 2  # more blocks than a quarter of them


def test_keys_of_parts_are_billed_as_those_of_as_many_tokens(keys):
    rows = SeveralRows("rows", mean(), tokens=4).cost(6, dims=DIMS, block=16)["signature_bytes"]
    assert parts(0.25).cost(6, dims=DIMS, block=16)["signature_bytes"] == rows + 2 * 6 * 4 * DIMS
    with pytest.raises(InputError, match="overlap and are added, want one of them"):
        SeveralRows("parts", mean(), rows=3, overlap=True, added=True)


def test_what_a_second_stage_reads_stands_behind_its_name(demo_bundle, keys, queries):
    names = [
        "two_stage:1",
        "soft_rows_refined:1",
        "soft_parts_refined:1",
        "soft_parts_refined",
        "soft_parts_refined:0.5",
    ]
    made = make_selectors(names, demo_bundle(DIMS), dims=DIMS, group=2)
    all_read = [scored(made[name], keys, queries) for name in names[:3]]
    assert torch.allclose(all_read[0], all_read[1], atol=1e-5)
    assert torch.allclose(all_read[0], all_read[2], atol=1e-5)
    assert torch.equal(scored(made[names[3]], keys, queries), scored(made[names[4]], keys, queries))
    for name, told in (
        ("soft_rows:0.5", "soft_rows has no second stage"),
        ("soft_rows_refined:", "got a share of '', want a number"),
        ("soft_rows_refined:nan", "got a share of 'nan'"),
        ("two_stage:2", "got a share of '2'"),
        ("soft_row_refined:0.5", "did you mean"),
    ):
        with pytest.raises(InputError, match=told):
            make_selectors([name], demo_bundle(DIMS), dims=DIMS, group=2)
