"""Whose step it is: threads that share a model, hooks that are gone, models that are not hooked, and bad arguments."""

import sys
import threading

import jaxtyping
import pytest
import torch
import transformers

from prism_photonics.ranking.attention import BlockSparse
from prism_photonics.ranking.features import MeanKey
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.units import InputError

PREFILL, TOKENS = 30, 40


@pytest.fixture(autouse=True)
def untyped(monkeypatch):
    """The run-time type check of the tests would come before the refusals."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def hooked(model, **changes):
    settings = {"k": 2, "block": 4, "sink": 2, "window": 5} | changes
    return BlockSparse(model, FeatureSelector("test", MeanKey()), **settings)


def tokens(seed=2):
    return torch.randint(1, 97, (2, TOKENS), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def decoded(model, cache, ids):
    steps = ((0, PREFILL), *((t, t + 1) for t in range(PREFILL, TOKENS)))
    return torch.cat([model(ids[:, start:end], past_key_values=cache).logits for start, end in steps], 1)


def is_as_it_was(model):
    touched = any(
        m._forward_hooks or m._forward_pre_hooks or "prism_attend" in m.__dict__ or "prism_switch" in m.__dict__
        for m in model.modules()
    )
    return not touched and model.config._attn_implementation in ("sdpa", "eager")


def test_threads_that_decode_on_one_hooked_model_each_get_their_own_answer(tiny):
    model = tiny("llama")
    hook = hooked(model)
    want = [decoded(model, hook.cache(), tokens(seed)) for seed in range(3)]
    got, failed, before = [None] * 3, [], sys.getswitchinterval()

    def go(seed):
        try:
            for _ in range(3):
                got[seed] = decoded(model, hook.cache(), tokens(seed))
        except Exception as error:
            failed.append(error)

    sys.setswitchinterval(1e-5)  # so that they do meet
    try:
        threads = [threading.Thread(target=go, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert failed == []
    assert all(torch.equal(*pair) for pair in zip(got, want, strict=True))
    hook.detach()
    assert is_as_it_was(model)


def refused(attempt, message):
    with pytest.raises(InputError, match=message) as caught:
        attempt()
    assert "\n" not in str(caught.value)


def test_a_cache_is_never_decoded_densely_without_a_word(tiny):
    model, other, ids = tiny("llama"), tiny("qwen2"), tokens()
    hook = hooked(model)
    refused(lambda: decoded(other, hook.cache(), ids), "got keys of a model without its hook, want the model that")
    cache = hook.cache()
    with torch.no_grad():
        model(ids[:, :PREFILL], past_key_values=cache)
    hook.detach()
    hook.detach()
    refused(lambda: model(ids[:, PREFILL : PREFILL + 1], past_key_values=cache), "got keys of a model without its hook")
    refused(hook.cache, "got a detached hook, want an attached one")
    assert is_as_it_was(model)


def test_a_hook_that_is_detached_while_generate_runs_ends_it(tiny):
    model = tiny("llama")
    hook = hooked(model)

    class Detaches(transformers.LogitsProcessor):
        def __call__(self, input_ids, scores):
            hook.detach()
            return scores

    refused(
        lambda: model.generate(
            tokens(), past_key_values=hook.cache(), max_new_tokens=6, do_sample=False, logits_processor=[Detaches()]
        ),
        "got keys of a model without its hook",
    )
    assert is_as_it_was(model)


def test_a_step_that_fails_leaves_nothing_behind_and_the_next_is_right(tiny, monkeypatch):
    model, ids = tiny("llama"), tokens()
    hook = hooked(model)
    want = decoded(model, hook.cache(), ids)

    def fail(*_):
        raise InputError("chip: got no light, want some; switch it on")

    with monkeypatch.context() as patched:
        patched.setattr(hook.selector, "score", fail)
        refused(lambda: decoded(model, hook.cache(), ids), "chip: got no light")
    assert not any("prism_attend" in module.__dict__ for module in model.modules())
    assert torch.equal(decoded(model, hook.cache(), ids), want)


def test_weights_of_all_tokens_are_refused_where_the_model_would_give_them(tiny):
    model, ids = tiny("llama"), tokens()
    model.set_attn_implementation("eager")
    hook = hooked(model)
    refused(
        lambda: model(ids, past_key_values=hook.cache(), output_attentions=True), "got output_attentions, want none"
    )
    hook.detach()
    assert len(model(ids, output_attentions=True).attentions) == 2


BAD = [
    ({"k": True}, "k: got True, want a whole number of at least 1"),
    ({"k": 2.5}, "k: got 2.5, want a whole number"),
    ({"k": torch.tensor(True)}, r"k: got tensor\(True\), want a whole number"),
    ({"block": 4.0}, "block: got 4.0, want a whole number of at least 1"),
    ({"window": 5.0}, "window: got 5.0, want a whole number of at least 1"),
    ({"sink": True}, "sink: got True, want a whole number of at least 0"),
    ({"sink": -1}, "sink: got -1, want a whole number of at least 0"),
    ({"dense_layers": [7]}, "dense_layers: got 7, want layers 0 to 1"),
    ({"dense_layers": [-1]}, "dense_layers: got -1, want layers 0 to 1"),
    ({"dense_layers": 1}, "dense_layers: got 1, want a sequence"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[str(changes) for changes, _ in BAD])
def test_an_argument_that_counts_nothing_is_refused_and_the_model_is_left_alone(tiny, changes, message):
    model = tiny("llama")
    refused(lambda: hooked(model, **changes), message)
    assert is_as_it_was(model)


def test_what_is_no_model_no_selector_or_no_cache_of_layers_is_refused(tiny):
    model, ids = tiny("llama"), tokens()
    refused(lambda: hooked(torch.nn.Linear(2, 2)), "model Linear: got no model of Hugging Face, want one")
    refused(lambda: BlockSparse(model, None, k=2), "selector: got NoneType, want a Selector")
    hooked(model)
    made = transformers.DynamicCache(config=model.config)
    refused(
        lambda: model(ids, past_key_values=transformers.EncoderDecoderCache(made, made)),
        "got a cache EncoderDecoderCache without signatures, want one with",
    )


@pytest.mark.slow  # a compiler traces the model
def test_a_model_that_was_compiled_before_the_hook_came_is_sparse_with_it_and_dense_after_it(tiny, sparse_answer):
    model, ids = tiny("llama"), tokens()
    for layer in model.model.layers:
        layer.self_attn.compile(backend="eager")
    dense = decoded(model, transformers.DynamicCache(config=model.config), ids)
    hook = hooked(model)
    assert torch.allclose(decoded(model, hook.cache(), ids), sparse_answer, atol=1e-4)
    hook.detach()
    assert torch.allclose(decoded(model, transformers.DynamicCache(config=model.config), ids), dense, atol=1e-4)


@pytest.fixture
def sparse_answer(tiny):
    """What the hook gives on a model that is not compiled; it differs from the dense answer."""
    model, ids = tiny("llama"), tokens()
    dense = decoded(model, transformers.DynamicCache(config=model.config), ids)
    answer = decoded(model, hooked(model).cache(), ids)
    assert not torch.allclose(answer, dense, atol=1e-2)
    return answer
