"""Keys of fewer dimensions keep what queries ask of them."""

import pytest
import torch

from prism_photonics.ranking.features import MeanKey, SoftenedBound
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.per_head import PerHead
from prism_photonics.ranking.pretrained.cached import CachedText, Selection
from prism_photonics.ranking.pretrained.tasks import ask
from prism_photonics.ranking.pretrained.taught import teach
from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.reduced import ReducedKeys
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.units import InputError

DIMS, KV_HEADS, GROUP = 16, 2, 3


def drawn(tokens, *, rank, heads=KV_HEADS, seed=0, shared=0.0):
    """Vectors that vary along so many directions of their own in each KV head, and share one."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(KV_HEADS, rank, DIMS, generator=generator)
    found = torch.randn(1, heads, tokens, rank, generator=generator)
    spread = (found.unflatten(1, (KV_HEADS, -1)) @ axes[:, None]).flatten(1, 2)
    return spread + shared * torch.randn(DIMS, generator=generator)


def scores(selector, keys, queries):
    blocks = keys.unflatten(2, (-1, 4))
    signed = selector.sign(blocks, torch.ones(1, blocks.shape[2], 4, dtype=torch.bool), Place(0))
    found = selector.score(queries, signed, 0)
    return found - found.mean(-1, keepdim=True)  # scores are known up to one number per query


@pytest.fixture
def mean():
    return FeatureSelector("mean", MeanKey())


def test_keys_that_lie_on_few_axes_lose_nothing_on_as_many(mean):
    keys, queries = drawn(64, rank=5, shared=30.0), torch.randn(1, KV_HEADS * GROUP, 7, DIMS)
    reduced = ReducedKeys("few", mean, rank=5)
    reduced.fit(keys, queries, layer=0, block=4)
    plain = scores(mean, keys, queries)
    assert torch.allclose(scores(reduced, keys, queries), plain, atol=1e-3 * float(plain.abs().max()))


def test_what_queries_never_ask_for_is_left_out_first_however_far_keys_spread_along_it(mean):
    generator = torch.Generator().manual_seed(1)
    keys = torch.randn(1, KV_HEADS, 256, DIMS, generator=generator)
    keys[..., :8] *= 50.0
    queries = torch.randn(1, KV_HEADS * GROUP, 40, DIMS, generator=generator)
    queries[..., :8] = 0.0
    reduced = ReducedKeys("asked", mean, rank=8)
    reduced.fit(keys, queries, layer=0, block=4)
    plain = scores(mean, keys, queries)
    assert torch.allclose(scores(reduced, keys, queries), plain, atol=1e-3 * float(plain.abs().max()))


def test_no_other_maps_of_that_rank_come_nearer_to_the_products():
    keys, queries = drawn(400, rank=12), drawn(400, rank=12, heads=KV_HEADS * GROUP, seed=3)
    reduced = ReducedKeys("best", FeatureSelector("mean", MeanKey()), rank=4)
    reduced.fit(keys, queries, layer=0, block=4)
    of_keys, of_queries = reduced._of(0)
    held = keys[0, :, 4:] - keys[0, :, 4:].mean(1, keepdim=True)
    asked = queries[0].unflatten(0, (KV_HEADS, -1)).flatten(1, 2)

    def missed(on_queries, on_keys):
        return float((asked @ held.mT - (asked @ on_queries) @ (held @ on_keys).mT).square().mean())

    least = missed(of_queries, of_keys)
    # Keys' own axes, Loki's, and neighbours of what was found.
    own = torch.linalg.eigh(held.mT @ held).eigenvectors[..., -4:]
    assert least < missed(own, own)
    generator = torch.Generator().manual_seed(5)
    for size in (1e-2, 1e-1):
        for _ in range(10):
            off = (torch.randn(each.shape, generator=generator) * size * each.std() for each in (of_queries, of_keys))
            assert least < missed(*(each + moved for each, moved in zip((of_queries, of_keys), off, strict=True)))


def test_a_signature_costs_as_much_as_one_of_keys_that_have_no_more_dimensions():
    soft = FeatureSelector("soft", SoftenedBound())
    whole = PerHead("whole", soft, group=GROUP)
    half = PerHead("half", ReducedKeys("half", soft, rank=DIMS // 2), group=GROUP)
    assert (
        half.cost(32, dims=DIMS, block=4)["signature_bytes"]
        == whole.cost(32, dims=DIMS, block=4)["signature_bytes"] / 2
    )
    keys = torch.randn(1, KV_HEADS, 32, DIMS)
    queries = torch.randn(1, KV_HEADS * GROUP, 5, DIMS)
    half.fit(keys, queries, layer=0, block=4)
    assert half.trained
    assert scores(half, keys, queries).shape == (1, KV_HEADS, 5, 8)


def test_a_layer_that_was_not_fitted_more_axes_than_a_key_has_and_texts_of_nothing_but_sinks_are_refused(mean):
    keys, queries = torch.randn(1, KV_HEADS, 32, DIMS), torch.randn(1, KV_HEADS * GROUP, 5, DIMS)
    with pytest.raises(InputError, match="layer 0: got no calibration"):
        scores(ReducedKeys("new", mean, rank=4), keys, queries)
    with pytest.raises(InputError, match="rank: got 17, want at most the 16"):
        ReducedKeys("wide", mean, rank=17).fit(keys, queries, layer=0, block=4)
    with pytest.raises(InputError, match="layer 3: got keys of 4 tokens, want more than the 4 first ones"):
        ReducedKeys("short", mean, rank=4).fit(keys[:, :, :4], queries, layer=3, block=4)


class Letters:
    """A tokenizer of one token per letter."""

    bos_token_id = 0

    def __call__(self, text, *, add_special_tokens):
        return {"input_ids": [1 + ord(letter) % 500 for letter in text]}


def test_maps_taught_by_a_models_own_text_choose_as_all_dimensions_do_where_as_many_are_left():
    model = load_model("needle")[0]
    soft = FeatureSelector("soft", SoftenedBound(0.0))
    reduced = {rank: ReducedKeys(f"{rank}", soft, rank=rank) for rank in (32, 8)}
    teach(model, Letters(), list(reduced.values()), context=600, block=16, texts=[0, 1])
    asked = ask("multi_key", Letters(), tokens=800, seed=5)
    question = CachedText(model, asked.context).question(asked.questions[0])
    plain, whole, few = question.answers(
        asked.answers[0], [Selection(each, 16, 6) for each in (soft, reduced[32], reduced[8])]
    )
    assert whole.nll == pytest.approx(plain.nll, abs=1e-4)
    assert whole.recall.mean() == pytest.approx(float(plain.recall.mean()), abs=0.01)
    assert plain.recall.mean() - 0.3 < few.recall.mean() < plain.recall.mean()
