"""Tiny random language models, the built-in ones, and bundles with the statistics of the demonstrator."""

import numpy as np
import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny():
    """``tiny("llama")``: a random two-layer model of another kind each, grouped queries, on SDPA."""
    import transformers

    kinds = {
        "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "gemma2": (transformers.Gemma2Config, transformers.Gemma2ForCausalLM),
        "gpt_oss": (transformers.GptOssConfig, transformers.GptOssForCausalLM),
        "deepseek_v3": (transformers.DeepseekV3Config, transformers.DeepseekV3ForCausalLM),
    }
    latent = {
        "num_key_value_heads": 4, "head_dim": 4, "q_lora_rank": 16, "kv_lora_rank": 12, "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 4, "v_head_dim": 6, "moe_intermediate_size": 16, "n_routed_experts": 4,
        "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
    }  # fmt: skip
    own = {
        "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8},
        "gemma2": {"sliding_window": 8},
        "deepseek_v3": latent,
    }

    def make(kind, **changes):
        config, model = kinds[kind]
        shape = {
            "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
            "pad_token_id": 0, "initializer_range": 0.3,
        }  # fmt: skip
        torch.manual_seed(0)
        made = model(config(**(shape | own.get(kind, {}) | changes))).eval()
        if kind not in ("gemma2", "gpt_oss"):  # SDPA knows neither softcap nor sinks
            made.set_attn_implementation("sdpa")
        return made

    return make


@pytest.fixture(scope="session")
def selectable():
    """The built-in model that was trained with selection in the loop, and its vocabulary."""
    from prism_photonics.ranking.needle.models import load_model

    return load_model("needle:selectable")


@pytest.fixture(scope="session")
def demo_bundle():
    """``demo_bundle(32)``: the demonstrator's statistics at that many channels, a what-if and no measured chip."""
    from prism_photonics.export.read import Bundle
    from prism_photonics.export.schema import ideal

    def make(channels, **changes):
        numbers = {
            "weight_bias": np.linspace(-4e-5, 8e-5, channels),
            "weight_error_std": np.full(channels, 1.8e-4),
            "noise_floor": np.asarray(5.3e-3 * (channels / 8) ** 0.5),
            "noise_shot": np.asarray(2.9e-3),
            "noise_rin": np.asarray(2.1e-3),
            "noise_common": np.asarray(5e-4),
            "leak": np.asarray(3e-3),
            "weight_centre": np.asarray(0.027),
            "weight_span": np.asarray(0.844),
            "adc_full_scale": np.linspace(4.4, 4.9, 8) * channels / 8,
            "report": {},
            "rows": 8,
            "channels": channels,
            "dac_bits": 10,
            "adc_bits": 12,
            "encoding": "two_shot",
            "spec_hash": "0" * 64,
        }
        return Bundle(**(ideal(8, channels) | numbers | changes))

    return make


@pytest.fixture(scope="session")
def quiet_bundle(demo_bundle):
    """``quiet_bundle(32)``: the same without any error, noise or visible conversion."""

    def make(channels):
        none = {name: np.asarray(0.0) for name in ("noise_floor", "noise_shot", "noise_rin", "noise_common")}
        exact = {name: np.zeros(channels) for name in ("weight_bias", "weight_error_std")}
        return demo_bundle(channels, dac_bits=30, adc_bits=32, **none, **exact)

    return make


@pytest.fixture
def bank():
    """Keys of 6 blocks of 4 tokens for 2 sequences and 2 KV heads, and queries of 4 heads at 3 steps."""
    generator = torch.Generator().manual_seed(1)
    keys = torch.randn(2, 2, 6, 4, 8, generator=generator)
    return keys, torch.ones(2, 6, 4, dtype=torch.bool), torch.randn(2, 4, 3, 8, generator=generator)
