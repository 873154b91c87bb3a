"""Block size by head: groups are chosen as longer blocks are, and rows are shared out where they cover most."""

import itertools

import pytest
import torch

from prism_photonics.ranking.attention import BlockSparse
from prism_photonics.ranking.centre import Centre
from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.pretrained.cached import CachedText, Selection
from prism_photonics.ranking.readers import ChipReader, Place
from prism_photonics.ranking.selectors import FeatureSelector, Oracle
from prism_photonics.ranking.several_rows import SeveralRows
from prism_photonics.ranking.sized import SizedByHead, share_out
from prism_photonics.units import InputError

DIMS, BLOCKS, TOKENS = 8, 12, 4


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def keys():
    """Two KV heads."""
    return drawn(1, 2, BLOCKS, TOKENS, DIMS)


@pytest.fixture(scope="module")
def queries():
    """Four heads, three steps."""
    return drawn(1, 4, 3, DIMS, seed=1)


def shown(keys):
    return torch.ones(keys.shape[0], *keys.shape[2:4], dtype=torch.bool)


def bound(reader=None):
    return FeatureSelector("bound", Bound(), reader)


def scored(selector, keys, queries):
    return selector.score(queries, selector.sign(keys, shown(keys), Place(0)), 0)


def apart(scores):
    """Scores are known up to one number per query."""
    return scores - scores[..., :1]


def test_each_head_chooses_as_if_its_blocks_were_of_its_own_size(keys, queries):
    sized = scored(SizedByHead("sized", bound(), [(1, 4)]), keys, queries)
    long = keys.unflatten(2, (3, 4)).flatten(3, 4)
    assert torch.allclose(apart(sized)[:, 0], apart(scored(bound(), keys, queries))[:, 0], atol=1e-5)
    alike = apart(scored(bound(), long, queries)).repeat_interleave(4, -1)
    assert torch.allclose(apart(sized)[:, 1], alike[:, 1], atol=1e-5)
    chosen = SizedByHead("sized", bound(), [(1, 4)]).choose(sized, 4, torch.ones_like(sized, dtype=torch.bool))
    assert (chosen[:, 1].sort(-1).values // 4 == chosen[:, 1, :, :1] // 4).all()  # one whole group


def test_a_chip_reads_one_row_for_a_group_and_fewer_rows_where_groups_are_long(keys, queries, demo_bundle):
    chip = ChipReader(demo_bundle(16), seed=3)
    sized = scored(SizedByHead("sized", bound(chip), [(2, 4)]), keys, queries)
    for head, size in enumerate((2, 4)):
        groups = sized[:, head].unflatten(-1, (-1, size))
        assert torch.equal(groups, groups[..., :1].expand_as(groups))
        assert len(groups[0, 0, :, 0].unique()) > 1
    exact = scored(SizedByHead("sized", bound(), [(2, 4)]), keys, queries)
    assert torch.corrcoef(torch.stack([apart(sized).flatten(), apart(exact).flatten()]))[0, 1] > 0.99
    of_size = [bound(chip).cost(BLOCKS // size, dims=DIMS, block=TOKENS)["passes"] for size in (2, 4)]
    cost = SizedByHead("sized", bound(chip), [(2, 4)]).cost(BLOCKS, dims=DIMS, block=TOKENS)
    assert cost["passes"] == sum(of_size) / 2


def test_blocks_that_come_later_make_groups_of_their_own_and_follow_their_sequence(keys, queries):
    sized, centre = SizedByHead("sized", FeatureSelector("mean", MeanKey()), [(2, 4)]), Centre()
    pieces = [
        sized.sign(keys[:, :, start:stop], shown(keys[:, :, start:stop]), Place(0, start, centre=centre))
        for start, stop in ((0, 8), (8, 9), (9, 12))
    ]
    scores = apart(sized.score(queries, torch.cat(pieces, 2), 0))
    # What each row stands for: whole groups, the block that came alone, and what came after it.
    groups = {
        0: ((0, 1), (2, 3), (4, 5), (6, 7), (8,), (9,), (10, 11)),
        1: ((0, 1, 2, 3), (4, 5, 6, 7), (8,), (9, 10, 11)),
    }
    for head, of_head in groups.items():
        sketch = queries[0, 2 * head : 2 * head + 2].sum(0)
        means = torch.cat([keys[0, head, list(g)].flatten(0, 1).mean(0).expand(len(g), -1) for g in of_head])
        assert torch.allclose(scores[0, head], apart(sketch @ means.mT), atol=1e-4)
    centre.rearrange(lambda kept: kept.repeat_interleave(2, 0))
    assert centre.of(2).reference.shape[0] == centre.of(4).reference.shape[0] == 2


def test_with_every_block_chosen_the_answer_is_that_of_full_attention():
    model = load_model("needle")[0]
    ids = torch.randint(3, 500, (1, 200), generator=torch.Generator().manual_seed(0))
    sized = SizedByHead("sized", bound(), [(1, 2), (4, 1)])
    question = CachedText(model, ids[0].tolist()).question([7, 8, 9])
    full, every = question.answer([11, 12]), question.answer([11, 12], Selection(sized, 16, 12))
    assert every.nll == pytest.approx(full.nll, abs=1e-5)
    assert question.answer([11, 12], Selection(sized, 16, 4)).covered.shape == (2, 2)
    with torch.no_grad():
        dense = model.generate(ids, max_new_tokens=20, do_sample=False)
        sparse = BlockSparse(model, sized, block=16, k=14)
        same = model.generate(ids, past_key_values=sparse.cache(), max_new_tokens=20, do_sample=False)
        sparse.detach()
    assert torch.equal(dense, same)


def test_rows_are_shared_out_as_the_best_of_all_shares():
    rising = drawn(2, 2, 3, seed=5).abs().sort(-1).values  # the attention that 4, 2 and 1 blocks together cover
    rising[..., 1] = rising[..., (0, 2)].mean(-1)  # a row gains less the more there are
    covered = dict(zip((4, 2, 1), rising.unbind(-1), strict=True))

    def value(sizes):
        return sum(float(covered[size][head // 2, head % 2]) for head, size in enumerate(sizes))

    def rows_of(sizes):
        return sum(1 / size for size in sizes) / len(sizes)

    every, exact = list(itertools.product((1, 2, 4), repeat=4)), set()
    for price in torch.linspace(0.0, 4.0, 81).tolist():
        # At a price for a row the best of all shares is the best for its rows too.
        bought = max(every, key=lambda sizes: value(sizes) - price * len(sizes) * rows_of(sizes))
        exact.add(round(rows_of(bought), 4))
        taken = [size for of_heads in share_out(covered, rows=rows_of(bought)) for size in of_heads]
        assert rows_of(taken) == pytest.approx(rows_of(bought))
        assert value(taken) == pytest.approx(value(bought), abs=1e-5)
    assert len(exact) > 5
    for rows in (0.3, 0.45, 0.7):
        taken = [size for of_heads in share_out(covered, rows=rows) for size in of_heads]
        assert rows_of(taken) <= rows


def test_a_head_that_gains_nothing_by_short_blocks_keeps_long_ones():
    covered = {4: torch.tensor([[0.5, 0.2]]), 2: torch.tensor([[0.5, 0.4]]), 1: torch.tensor([[0.4, 0.6]])}
    assert share_out(covered, rows=1.0) == [[4, 1]]
    with pytest.raises(InputError, match=r"rows: got 0\.2 for a block, want at least 0\.25"):
        share_out(covered, rows=0.2)


def test_what_cannot_be_sized_is_refused(keys, queries):
    with pytest.raises(InputError, match="needs mass block by block"):
        SizedByHead("sized", Oracle(), [(1, 2)])
    with pytest.raises(InputError, match="got 0 blocks for layer 0, KV head 1, want at least 1"):
        SizedByHead("sized", bound(), [(1, 0)])
    with pytest.raises(InputError, match="got layer 1 of 2 KV heads, want sizes for them, not for 1 layers of 2"):
        SizedByHead("sized", bound(), [(1, 2)]).sign(keys, shown(keys), Place(1))
    with pytest.raises(InputError, match="got an engine's pages"):
        SizedByHead("sized", bound(), [(1, 2)]).sign(keys, shown(keys), Place(0, pages=tuple(range(BLOCKS))))
    rows = SizedByHead("sized", SeveralRows("rows", bound(), tokens=4), [(1, 2)])
    with pytest.raises(InputError, match="want one row for each"):
        rows.sign(keys, shown(keys), Place(0))
