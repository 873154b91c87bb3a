"""The hook on tiny random models: every block chosen gives SDPA's logits exactly; fewer give those of the mask."""

import copy
import itertools

import pytest
import torch
import transformers

from prism_photonics.ranking.attention import BlockSparse
from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.gather import Reach
from prism_photonics.ranking.readers import ChipReader
from prism_photonics.ranking.selectors import FeatureSelector, Oracle
from prism_photonics.units import InputError

KINDS = ("qwen2", "qwen3", "llama")
TOKENS, PREFILL, PAD = 47, 40, 9


@pytest.fixture(scope="module", params=KINDS)
def model(tiny, request):
    return tiny(request.param)


@pytest.fixture
def sparse():
    """``sparse(model, k=3)``: a hook that is taken off when the test ends."""
    made = []

    def make(model, features=None, selector=None, **settings):
        selector = selector or FeatureSelector("test", features or MeanKey())
        made.append(BlockSparse(model, selector, **({"block": 4, "sink": 2, "window": 5} | settings)))
        return made[-1]

    yield make
    for hook in reversed(made):
        hook.detach()


def batch(padded):
    ids = torch.randint(1, 97, (2, TOKENS), generator=torch.Generator().manual_seed(2))
    shown = torch.ones_like(ids)
    if padded:
        shown[0, :PAD], ids[0, :PAD] = 0, 0
    return ids, shown


@torch.no_grad()
def logits(model, ids, shown, cache, padded):
    """Prefill, then one token at a time."""
    parts = []
    for start, end in ((0, PREFILL), *((t, t + 1) for t in range(PREFILL, TOKENS))):
        mask = {"attention_mask": shown[:, :end]} if padded else {}
        parts.append(model(ids[:, start:end], past_key_values=cache, **mask).logits)
    return torch.cat(parts, 1)


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "left-padded"])
@pytest.mark.parametrize("k", [None, 100], ids=["all", "more-than-all"])
def test_every_block_chosen_gives_the_logits_of_sdpa_exactly(model, sparse, padded, k):
    ids, shown = batch(padded)
    want = logits(model, ids, shown, transformers.DynamicCache(), padded)
    hook = sparse(model, k=k)
    assert torch.equal(logits(model, ids, shown, hook.cache(), padded), want)
    assert hook.traffic.tokens_read == hook.traffic.tokens_full


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "left-padded"])
def test_the_gathered_blocks_give_the_logits_of_the_masked_ones(model, sparse, padded, monkeypatch):
    ids, shown = batch(padded)
    hook = sparse(model, Bound(), k=3)
    got = logits(model, ids, shown, hook.cache(), padded)

    def masked(query, keys, values, mask, *, scaling, **none):
        assert set(none.values()) == {None}
        spread = mask.repeat_interleave(2, 1)[:, :, None]
        keys, values = keys.repeat_interleave(2, 1), values.repeat_interleave(2, 1)
        attend = torch.nn.functional.scaled_dot_product_attention
        return attend(query, keys, values, attn_mask=spread, scale=scaling).transpose(1, 2)

    monkeypatch.setattr("prism_photonics.ranking.attention.attend_gathered", masked)
    want = logits(model, ids, shown, hook.cache(), padded)
    # The random weights are large: logits reach tens.
    assert (got - want).abs().max() < 2e-5 * want.abs().max()


def test_prefill_is_dense_and_decoding_reads_only_sink_window_and_chosen_blocks(model, sparse):
    ids, shown = batch(False)
    want = logits(model, ids, shown, transformers.DynamicCache(), False)
    hook = sparse(model, k=3)
    got = logits(model, ids, shown, hook.cache(), False)
    assert torch.equal(got[:, :PREFILL], want[:, :PREFILL])
    assert (got[:, PREFILL:] - want[:, PREFILL:]).abs().max() > 1e-3
    steps = 2 * 2 * (TOKENS - PREFILL)
    assert hook.traffic.steps == steps
    assert hook.traffic.gathered == hook.traffic.tokens_read <= steps * 2 * (2 + 3 * 4 + 5 + 3)
    assert hook.chosen[1].shape == (2, 2, 1, 3)


@torch.no_grad()
def test_a_window_that_is_changed_between_two_steps_counts_from_the_next(model, sparse):
    ids, _ = batch(False)
    hook, step = sparse(model, k=2), ids[:, PREFILL : PREFILL + 1]
    read = []
    for window in (5, 9):
        cache, before = hook.cache(), hook.traffic.tokens_read
        model(ids[:, :PREFILL], past_key_values=cache)
        hook.window = window
        model(step, past_key_values=cache)
        read.append(hook.traffic.tokens_read - before)
    assert read[0] < read[1]


@torch.no_grad()
def test_values_of_blocks_that_were_not_chosen_do_not_matter(tiny, sparse):
    model = tiny("llama", num_hidden_layers=1)
    ids, _ = batch(False)
    hook, step = sparse(model, k=2), ids[:, PREFILL : PREFILL + 1]
    cache, spoiled = hook.cache(), hook.cache()
    for each in (cache, spoiled):
        model(ids[:, :PREFILL], past_key_values=each)
    want = model(step, past_key_values=cache).logits
    valid = torch.ones(2, PREFILL + 1, dtype=torch.bool)
    read = Reach.at_end(valid, block=4, sink=2, window=5).tokens(hook.chosen[0][:, :, 0], valid)[..., :PREFILL]
    # Signatures stand already, so the choice stays; a token that is read would show in every logit.
    spoiled.layers[0].values = torch.where(read[..., None], spoiled.layers[0].values, torch.nan)
    assert read.sum() < read.numel()
    assert torch.equal(model(step, past_key_values=spoiled).logits, want)


def test_each_block_is_signed_once_and_as_if_signed_at_the_end(model, sparse):
    ids, shown = batch(True)
    hook = sparse(model, k=3)
    cache = hook.cache()
    logits(model, ids, shown, cache, True)
    blocks = TOKENS // 4
    for index, layer in enumerate(cache.layers):
        assert layer.written == blocks
        cut = layer.keys[:, :, : blocks * 4].unflatten(2, (blocks, 4))
        valid = shown[:, : blocks * 4].bool().unflatten(1, (blocks, 4))
        left, reference = layer.signatures.chunk(2, -1)
        real = valid.any(-1)[:, None, :, None]
        want = MeanKey().of_blocks(cut, valid, index)
        written = left + reference
        assert torch.allclose(torch.where(real, written, 0.0), want, atol=1e-5)


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "left-padded"])
@pytest.mark.parametrize("beams", [1, 3])
def test_generate_gives_the_same_tokens_when_every_block_is_chosen(model, sparse, padded, beams):
    ids, shown = batch(padded)
    settings = {"max_new_tokens": 12, "do_sample": False, "num_beams": beams, "attention_mask": shown}
    want = model.generate(ids, **settings)
    hook = sparse(model, k=None)
    assert torch.equal(model.generate(ids, past_key_values=hook.cache(), **settings), want)


def test_generate_works_with_a_chip_that_chooses(tiny, sparse, demo_bundle):
    model = tiny("qwen3")
    ids, shown = batch(False)
    hook = sparse(model, selector=FeatureSelector("chip", MeanKey(), ChipReader(demo_bundle(8))), k=2)
    told = model.generate(ids, past_key_values=hook.cache(), attention_mask=shown, max_new_tokens=8, do_sample=False)
    assert told.shape == (2, TOKENS + 8)
    assert 0 < hook.traffic.tokens_read < 0.7 * hook.traffic.tokens_full


def test_dense_layers_read_everything(tiny, sparse):
    model = tiny("qwen2")
    ids, shown = batch(False)
    hook = sparse(model, k=2, dense_layers=(0, 1))
    want = logits(model, ids, shown, hook.cache(), False)
    hook.detach()
    assert torch.equal(logits(model, ids, shown, transformers.DynamicCache(), False), want)


def test_a_cropped_cache_forgets_the_blocks_it_broke_and_signs_them_again(tiny, sparse):
    model = tiny("llama")
    ids, shown = batch(False)
    hook = sparse(model, k=3)
    cache, fresh = hook.cache(), hook.cache()
    logits(model, ids, shown, cache, False)
    for layer in cache.layers:
        layer.crop(-(TOKENS - PREFILL) - 2)
        assert layer.signatures.shape[2] == (PREFILL - 2) // 4
    with torch.no_grad():
        again = model(ids[:, PREFILL - 2 :], past_key_values=cache).logits
        want = model(ids, past_key_values=fresh).logits[:, PREFILL - 2 :]
    assert again.numpy() == pytest.approx(want.numpy(), abs=1e-4)
    signed = [each.layers[1].signatures.chunk(2, -1) for each in (cache, fresh)]
    written = [left + reference for left, reference in signed]
    assert torch.allclose(*written, atol=1e-4)
    cache.reset()
    assert [layer.signatures for layer in cache.layers] == [None, None]


def test_a_cache_without_signatures_and_other_misuse_is_refused(tiny, sparse):
    model = tiny("qwen2")
    hook = sparse(model, k=2)
    with pytest.raises(InputError, match=r"pass past_key_values=sparse.cache\(\)"):
        model(torch.ones(1, 5, dtype=torch.long))
    with pytest.raises(InputError, match="k: got 0, want a whole number of at least 1"):
        BlockSparse(model, FeatureSelector("t", MeanKey()), k=0, block=4)
    with pytest.raises(InputError, match="use it in the table"):
        BlockSparse(model, Oracle(), k=2)
    hook.detach()
    assert model.config._attn_implementation == "sdpa"
    assert model(torch.ones(1, 5, dtype=torch.long)).logits.shape == (1, 5, 97)


def test_a_model_with_sliding_windows_is_refused(tiny):
    model = tiny("qwen2", use_sliding_window=True, sliding_window=8, max_window_layers=0)
    with pytest.raises(InputError, match="got no layer with full attention"):
        BlockSparse(model, FeatureSelector("t", MeanKey()), k=2)


@torch.no_grad()
def one_by_one(model, ids, cache, first=PREFILL):
    """Logits of a prefill and of single steps, without a mask."""
    cuts = (0, *range(first, ids.shape[1] + 1))
    return torch.cat([model(ids[:, a:b], past_key_values=cache).logits for a, b in itertools.pairwise(cuts)], 1)


def masked_by(hook, monkeypatch, logits_of):
    """``logits_of(cache)`` with the gathered attention replaced by the model's own under the mask of what is read."""

    def own(query, keys, values, mask, *, scaling, softcap=None, sinks=None, bias=None):
        group = query.shape[1] // keys.shape[1]
        keys, values, mask = (each.repeat_interleave(group, 1) for each in (keys, values, mask))
        logits = scaling * query @ keys.mT
        logits = logits if softcap is None else softcap * (logits / softcap).tanh()
        logits = logits if bias is None else logits + bias[:, :, None]
        logits = logits.masked_fill(~mask[:, :, None], -torch.inf)
        more = torch.full((*logits.shape[:3], 1), -torch.inf)
        more = more if sinks is None else sinks.reshape(1, -1, 1, 1).expand_as(more)
        return (torch.cat([logits, more], -1).softmax(-1)[..., :-1] @ values).transpose(1, 2)

    monkeypatch.setattr("prism_photonics.ranking.attention.attend_gathered", own)
    return logits_of(hook.cache())


@pytest.mark.parametrize("kind", ["gpt_oss", "gemma2"])
def test_sinks_and_softcap_are_taken_as_the_model_takes_them(tiny, sparse, monkeypatch, kind):
    model = tiny(kind, layer_types=["full_attention"] * 2)
    for name, weight in model.named_parameters():
        if name.endswith("sinks"):
            torch.nn.init.normal_(weight, 0.0, 3.0)
    ids, _ = batch(False)
    want = one_by_one(model, ids, transformers.DynamicCache())
    every, some = sparse(model, k=None), sparse(model, k=3)
    assert torch.equal(one_by_one(model, ids, every.cache()), want)
    got = one_by_one(model, ids, some.cache())
    assert (got - want).abs().max() > 1e-3 * want.abs().max()
    masked = masked_by(some, monkeypatch, lambda cache: one_by_one(model, ids, cache))
    assert (got - masked).abs().max() < 2e-5 * want.abs().max()


@torch.no_grad()
def test_a_finite_negative_bias_is_a_bias_and_hides_nothing(tiny, sparse, monkeypatch):
    model, (ids, _) = tiny("llama"), batch(False)

    def biased(cache):
        parts = []
        for start, end in ((0, PREFILL), *((t, t + 1) for t in range(PREFILL, TOKENS))):
            back = torch.arange(start, end)[:, None] - torch.arange(end)
            bias = torch.where(back < 0, torch.finfo(torch.float32).min, -0.1 * back)
            parts.append(model(ids[:, start:end], attention_mask=bias[None, None], past_key_values=cache).logits)
        return torch.cat(parts, 1)

    want = biased(transformers.DynamicCache())
    every, some = sparse(model, k=None), sparse(model, k=3)
    assert torch.equal(biased(every.cache()), want)
    assert every.traffic.tokens_read == 2 * 2 * 2 * sum(range(PREFILL + 1, TOKENS + 1))
    got = biased(some.cache())
    masked = masked_by(some, monkeypatch, biased)
    assert (got - masked).abs().max() < 2e-5 * want.abs().max()


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_a_drafted_step_of_several_tokens_is_decoded_as_if_each_came_alone(tiny, sparse, kind):
    model, (ids, _) = tiny(kind), batch(False)
    hook = sparse(model, k=2)
    want = one_by_one(model, ids, hook.cache())
    seen, hook.traffic = hook.traffic, type(hook.traffic)()
    cache = hook.cache()
    cache.activate_past_recording()
    with torch.no_grad():
        # As assisted generation does it: the first draft comes with the prompt.
        first = model(ids[:, : PREFILL + 3], past_key_values=cache, logits_to_keep=4).logits
        rest = model(ids[:, PREFILL + 3 :], past_key_values=cache, logits_to_keep=4).logits
    assert torch.cat([first, rest], 1).numpy() == pytest.approx(want[:, PREFILL - 1 :].numpy(), abs=1e-4)
    assert hook.traffic == seen


@pytest.mark.parametrize("way", ["assistant", "prompt lookup"])
def test_assisted_decoding_gives_the_tokens_of_sparse_steps(tiny, sparse, way):
    model, ids = tiny("llama"), batch(False)[0][:1]
    more = {"assistant_model": tiny("llama")} if way == "assistant" else {"prompt_lookup_num_tokens": 4}
    hook = sparse(model, k=2)
    settings = {"max_new_tokens": 16, "do_sample": False}
    want = model.generate(ids, past_key_values=hook.cache(), **settings)
    steps = hook.traffic.steps
    assert torch.equal(model.generate(ids, past_key_values=hook.cache(), **settings, **more), want)
    assert hook.traffic.steps >= 2 * steps


def test_two_hooks_on_a_model_serve_their_own_caches_and_the_last_one_restores_it(tiny, sparse):
    model, (ids, _) = tiny("llama"), batch(False)
    before = [sorted(vars(module)) for module in model.modules()]
    plain = one_by_one(model, ids, transformers.DynamicCache())
    few, more = sparse(model, k=1), sparse(model, k=4)
    caches = few.cache(), more.cache(), more.cache()
    want = one_by_one(model, ids, caches[1])
    assert not torch.equal(one_by_one(model, ids, caches[0]), want)
    assert few.traffic.tokens_read < more.traffic.tokens_read
    few.detach()
    few.detach()
    assert torch.equal(one_by_one(model, ids, caches[2]), want)
    with pytest.raises(InputError, match="got a cache of another hook, which is not attached"):
        one_by_one(model, ids, caches[0])
    more.detach()
    assert [sorted(vars(module)) for module in model.modules()] == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert model.config._attn_implementation == "sdpa"
    assert torch.equal(one_by_one(model, ids, transformers.DynamicCache()), plain)


def test_a_copied_prompt_is_read_by_the_same_selector(tiny, sparse):
    model, (ids, _) = tiny("llama"), batch(False)
    hook = sparse(model, k=2)
    cache = hook.cache()
    one_by_one(model, ids[:, :PREFILL], cache)
    other = copy.deepcopy(cache)
    assert other.layers[0].selector is hook.selector
    assert other.layers[0].signatures is not cache.layers[0].signatures
    steps = ids[:, PREFILL:]
    assert torch.equal(one_by_one(model, steps, other, first=1), one_by_one(model, steps, cache, first=1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_models_in_half_precision_pass_the_gate_and_stay_exact(tiny, sparse, dtype):
    for kind in ("llama", "gpt_oss", "deepseek_v3"):
        model, (ids, _) = tiny(kind).to(dtype), batch(False)
        want = one_by_one(model, ids, transformers.DynamicCache(config=model.config))
        assert torch.equal(one_by_one(model, ids, sparse(model, k=None).cache()), want)


def test_latent_attention_is_selected_on_the_latents_as_on_the_expanded_keys(tiny, sparse):
    model, (ids, _) = tiny("deepseek_v3"), batch(False)
    seen = []

    class Watched(FeatureSelector):
        def score(self, queries, signatures, layer, evidence=None):
            seen.append((queries, signatures.shape[-1]))
            return super().score(queries, signatures, layer)

    hook = sparse(model, selector=Watched("test", MeanKey()), k=2)
    one_by_one(model, ids, hook.cache())
    assert {(queries.shape[1:], width >= 16) for queries, width in seen} == {((4, 1, 16), True)}
    assert hook.chosen[1].shape == (2, 1, 1, 2)
    assert hook.traffic.tokens_full == 2 * 2 * sum(range(PREFILL + 1, TOKENS + 1))
