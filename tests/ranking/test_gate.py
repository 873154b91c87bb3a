"""What the gate refuses: attention that selection would change without a word."""

import numpy as np
import pytest
import torch
import transformers

from prism_photonics.ranking.attention import BlockSparse
from prism_photonics.ranking.features import MeanKey
from prism_photonics.ranking.interface import Call
from prism_photonics.ranking.needle.tokens import NeedleSequence
from prism_photonics.ranking.probe import Probe
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.units import InputError

CONTEXT = torch.arange(3, 43)
ASKED = NeedleSequence(CONTEXT.numpy(), np.array([7, 50, 81]), np.array([8, 9, 10]), np.array([5, 6, 7]))


def test_an_argument_that_would_be_dropped_is_refused():
    def call(**extra):
        module = torch.nn.Module()
        module.layer_idx = 3
        some = torch.ones(1, 2, 1, 4)
        return Call(module, some, some, some, None, extra, "sdpa")

    assert call(scaling=0.5, softcap=20.0, position_ids=1, output_attentions=False).form().softcap == 20.0
    assert call().form().scaling == 0.5
    with pytest.raises(InputError, match="of layer 3: got the argument 'position_bias'"):
        call(position_bias=torch.ones(1)).form()
    with pytest.raises(InputError, match=r"call model\.eval"):
        call(dropout=0.1).form()
    with pytest.raises(InputError, match="want causal attention"):
        call(is_causal=False).form()


def test_an_attention_that_its_arguments_do_not_explain_is_refused_and_the_model_left_as_it_was(tiny, monkeypatch):
    from transformers.models.llama import modeling_llama

    model, own = tiny("llama"), modeling_llama.eager_attention_forward
    model.set_attn_implementation("eager")
    before = [sorted(vars(module)) for module in model.modules()]

    def louder(module, query, *rest, **extra):
        return own(module, 1.2 * query, *rest, **extra)

    monkeypatch.setattr(modeling_llama, "eager_attention_forward", louder)
    with pytest.raises(InputError, match="layer 0: got an attention that scaling, softcap, sinks and biases do not"):
        BlockSparse(model, FeatureSelector("t", MeanKey()), k=2)
    assert [sorted(vars(module)) for module in model.modules()] == before
    assert model.config._attn_implementation == "eager"


def test_keys_that_are_not_those_of_the_cache_are_refused(tiny, monkeypatch):
    model = tiny("llama")
    update = transformers.DynamicCache.update
    monkeypatch.setattr(
        transformers.DynamicCache, "update", lambda *args, **more: tuple(1.5 * each for each in update(*args, **more))
    )
    with pytest.raises(InputError, match="got keys that are not those of its cache layer"):
        BlockSparse(model, FeatureSelector("t", MeanKey()), k=2)


def test_another_attention_set_behind_the_hooks_back_is_refused(tiny):
    model = tiny("llama")
    hook = BlockSparse(model, FeatureSelector("t", MeanKey()), k=2)
    model.set_attn_implementation("sdpa")
    with pytest.raises(InputError, match="got its attention set to 'sdpa' after the hook was attached"):
        model(torch.ones(1, 5, dtype=torch.long), past_key_values=hook.cache())


def test_the_table_takes_a_model_by_the_same_gate_and_only_if_it_attends_to_everything_in_all_layers(tiny):
    with pytest.raises(InputError, match="got full attention in 1 of 2 layers, want it in all"):
        Probe(tiny("gemma2"), ASKED)
    with pytest.raises(InputError, match="got no layer with full attention"):
        Probe(tiny("qwen2", use_sliding_window=True, sliding_window=8, max_window_layers=0), ASKED)


@pytest.mark.parametrize("kind", ["gpt_oss", "gemma2"])
def test_a_question_of_the_table_is_answered_as_by_the_model_itself_sinks_and_softcap_included(tiny, kind):
    model = tiny(kind, layer_types=["full_attention"] * 2)
    for name, weight in model.named_parameters():
        if name.endswith("sinks"):
            torch.nn.init.normal_(weight, 0.0, 3.0)
    context, question = CONTEXT, torch.tensor([7, 50, 81])
    said, _ = Probe(model, ASKED).ask(block=4)
    whole = torch.cat([context.expand(3, -1), question[:, None]], 1)
    with torch.no_grad():
        want = model(whole, use_cache=False).logits[:, -1].log_softmax(-1)
    assert said.numpy() == pytest.approx(want.numpy(), abs=1e-4)
