"""Which models and ways of generating the hook serves: docs/models_table.md is what this test finds.

To write the page anew after an update of transformers: ``python tests/ranking/test_models_table.py``.
"""

import copy
from pathlib import Path

import pytest
import torch
import transformers

from prism_photonics.ranking.attention import BlockSparse
from prism_photonics.ranking.features import MeanKey
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.units import InputError

PAGE = Path(__file__).parents[2] / "docs" / "models_table.md"
SHAPE = {
    "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512, "pad_token_id": 0,
    "initializer_range": 0.3,
}  # fmt: skip
OF_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
MIXED = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
LATENT = {
    "num_key_value_heads": 4, "head_dim": 4, "q_lora_rank": 16, "kv_lora_rank": 12, "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4, "v_head_dim": 6, "moe_intermediate_size": 16, "n_routed_experts": 4,
    "num_experts_per_tok": 2, "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
}  # fmt: skip
FAMILIES = {
    "Llama": {},
    "Qwen2": {},
    "Qwen3": {},
    "Qwen3Moe": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    "Mixtral": {"num_local_experts": 4},
    "Granite": {},
    "Glm4": {},
    "Starcoder2": {},
    "StableLm": {},
    "Nemotron": {},
    "SmolLM3": {},
    "OPT": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "Phi": {},
    "Phi3": {},
    "GPTNeoX": {},
    "GPT2": OF_GPT2,
    "GPTBigCode": OF_GPT2,
    "Persimmon": {},
    "DiffLlama": {},
    "DeepseekV2": LATENT,
    "DeepseekV3": LATENT,
    "MiniCPM3": LATENT,
    "Gemma2": {"sliding_window": 8},
    "Gemma3Text": MIXED,
    "GptOss": {"sliding_window": 8, **EXPERTS},
    "Cohere2": MIXED,
    "Olmo3": MIXED,
    "Exaone4": MIXED,
    "Llama4Text": {
        "layer_types": ["chunked_attention", "full_attention"], "attention_chunk_size": 8, "intermediate_size_mlp": 48,
        "num_local_experts": 2, "num_experts_per_tok": 1,
    },
    "Qwen3Next": {
        "layer_types": ["linear_attention", "full_attention"], "linear_num_value_heads": 4, "linear_num_key_heads": 2,
        "linear_key_head_dim": 8, "linear_value_head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
        "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16,
    },
    "Jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "Bamba": {"attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_expand": 2},
    "Lfm2": {"layer_types": ["conv", "full_attention"]},
    "FalconH1": {},
    "Mistral": {"sliding_window": 8},
    "DeepseekV32": LATENT | {"index_n_heads": 2, "index_head_dim": 8, "index_topk": 8},
    "Falcon": {"head_dim": None},
    "Bloom": {},
    "Mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2},
    "GPTJ": {"rotary_dim": 4},
    "T5": {"d_model": 32, "num_layers": 2, "num_heads": 4},
}  # fmt: skip
HEAD = """# Models that the hook serves

This page is written by `tests/ranking/test_models_table.py`, which runs every line on a tiny random model of its family
with transformers {version}. *Exact* means: with every block chosen, prefill and single steps give the logits of the
model's own attention, bit for bit. *Selected* are the layers in which blocks are chosen; all others stay as they are.
Any other model is tried when the hook is attached (`ranking.gate`), and taken or refused by the same rule.

"""


def made(family):
    """A tiny random model of a family."""
    torch.manual_seed(0)
    settings = {name: value for name, value in (SHAPE | FAMILIES[family]).items() if value is not None}
    config = getattr(transformers, f"{family}Config")(**settings)
    names = (f"{family.removesuffix('Text')}{kind}" for kind in ("ForCausalLM", "LMHeadModel"))
    of = next((name for name in names if hasattr(transformers, name)), f"{family}ForConditionalGeneration")
    return getattr(transformers, of)(config).eval()


def hooked(model, k=None):
    """The hook on a model, with blocks of four tokens."""
    return BlockSparse(model, FeatureSelector("test", MeanKey()), k=k, block=4, sink=2, window=5)


def tokens(batch=2, length=30):
    """Prompts."""
    return torch.randint(1, 97, (batch, length), generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def decoded(model, cache):
    """Logits of a prefill and of single steps."""
    ids = tokens()
    steps = ((0, 24), *((t, t + 1) for t in range(24, 30)))
    return torch.cat([model(ids[:, start:end], past_key_values=cache).logits for start, end in steps], 1)


def refusal(error):
    """What was got, and what was wanted, out of an error's line."""
    text = str(error)
    return text[text.index("got ") + 4 : text.index("; ")].replace(", want ", "; want ").replace("|", "\\|")


def family_row(family):
    """One line of the first table."""
    model = made(family)
    kinds = getattr(model.config.get_text_config(), "layer_types", None)
    try:
        hook = hooked(model)
    except InputError as error:
        return f"| {family} | refused | {refusal(error)} |"
    got = decoded(model, hook.cache())
    hook.detach()
    same = torch.equal(got, decoded(model, transformers.DynamicCache(config=model.config)))
    full = {layer.latent for layer in hook.layers.values()}
    beside = sorted({kind for index, kind in enumerate(kinds or ()) if index not in hook.layers})
    what = "the latents" if full == {True} else "full attention"
    rest = f" (dense: {', '.join(beside)})" if beside else ""
    return f"| {family} | {'exact' if same else 'NOT EXACT'} | {what}{rest} |"


def generated(ids, prepare=lambda cache: None, **settings):
    """Whether all blocks chosen give the tokens of the model without the hook."""

    def told(model, cache):
        settled = {"max_new_tokens": 8, "do_sample": False} | settings
        torch.manual_seed(0)
        prepare(cache)
        return model.generate(ids, past_key_values=cache, **settled)

    model = made("Llama")
    want = told(model, transformers.DynamicCache(config=model.config))
    hook = hooked(model)
    return torch.equal(told(model, hook.cache()), want)


def two_turns():
    """A second prompt on the cache of the first, and both from a copied prompt."""

    def told(model, cache):
        first = model.generate(tokens(1, 20), past_key_values=cache, max_new_tokens=6, do_sample=False)
        ids = torch.cat([first, tokens(1, 9)], 1)
        other = copy.deepcopy(cache)
        answers = [model.generate(ids, past_key_values=c, max_new_tokens=6, do_sample=False) for c in (cache, other)]
        return torch.stack(answers)

    model = made("Llama")
    want = told(model, transformers.DynamicCache(config=model.config))
    hook = hooked(model)
    return torch.equal(told(model, hook.cache()), want)


def refused_cache(make):
    """What the hook says to a cache that is not its own."""
    model = made("Llama")
    hook = hooked(model)
    try:
        model(tokens(), past_key_values=make(model, hook))
    except InputError as error:
        return refusal(error)
    return "NOT REFUSED"


def offloaded(model, hook):
    """An offloaded cache, as far as it can be made without an accelerator."""
    cache = transformers.DynamicCache(config=model.config)
    cache.offloading = True
    return cache


def another_attention(model, hook):
    """What continuous batching does: an attention of its own."""
    model.set_attn_implementation("paged|eager")
    return hook.cache()


def way_rows():
    """The second table."""
    ids, shown = tokens(), torch.ones(2, 30, dtype=torch.long)
    shown[0, :9], ids[0, :9] = 0, 0
    batch = {"attention_mask": shown}
    exact = {
        "greedy, a batch of unequal lengths padded on the left": generated(ids, **batch),
        "beam search": generated(ids, num_beams=3, **batch),
        "sampling": generated(ids, do_sample=True, top_k=0, **batch),
        "chunked prefill": generated(tokens(1), prefill_chunk_size=7),
        "assisted decoding": generated(tokens(1), assistant_model=made("Llama")),
        "prompt lookup": generated(tokens(1), prompt_lookup_num_tokens=4),
        "a second turn on one cache, and on a copy of it": two_turns(),
    }
    refused = {
        "`StaticCache`": refused_cache(
            lambda model, hook: transformers.StaticCache(config=model.config, max_cache_len=40)
        ),
        "offloaded cache": refused_cache(offloaded),
        "continuous batching": refused_cache(another_attention),
    }
    rows = [f"| {name} | {'exact' if same else 'NOT EXACT'} | |" for name, same in exact.items()]
    return rows + [f"| {name} | refused | {why} |" for name, why in refused.items()]


def page():
    """The page."""
    lines = ["| family | all blocks chosen | selected |", "|---|---|---|", *map(family_row, FAMILIES)]
    ways = ["", "| way of generating (Llama) | all blocks chosen | why not |", "|---|---|---|", *way_rows()]
    return HEAD.format(version=transformers.__version__) + "\n".join(lines + ways) + "\n"


@pytest.mark.slow
def test_the_page_of_models_is_what_the_models_do_and_none_is_silently_wrong():
    found = page()
    assert "NOT " not in found
    assert found == PAGE.read_text()


if __name__ == "__main__":
    PAGE.write_text(page())
