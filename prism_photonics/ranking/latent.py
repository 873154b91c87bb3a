"""Latent attention (MLA): the cache holds one latent and one rotated key per token, and selection works on those.

The dot product of a head's query with its expanded key is that of its absorbed query with the latent, so all heads
share one KV head of ``kv_lora_rank + qk_rope_head_dim`` dimensions.

Source: DeepSeek-V2, arXiv 2405.04434, section 2.1 (the absorbed projections).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

_NAMES = ("kv_b_proj", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")


def is_latent(module: Any) -> bool:
    """Whether an attention module caches latents."""
    return all(hasattr(module, name) for name in _NAMES)


def absorbed_query(
    module: Any, query: Float[Tensor, "batch heads queries dims"]
) -> Float[Tensor, "batch heads queries latent_dims"]:
    """Queries as they meet the latents: the key half of the expansion moved over to them.

    Args:
        module: The attention module.
        query: Its queries, the part without position first.

    Returns:
        Queries of ``latent_keys``.
    """
    nope = module.qk_nope_head_dim
    expansion = module.kv_b_proj.weight.reshape(query.shape[1], nope + module.v_head_dim, module.kv_lora_rank)
    meets = torch.einsum("bhqn,hnr->bhqr", query[..., :nope], expansion[:, :nope].to(query.dtype))
    return torch.cat([meets, query[..., nope:]], -1)


def latent_keys(
    latents: Float[Tensor, "batch 1 tokens rank"], rotated: Float[Tensor, "batch 1 tokens rope_dims"]
) -> Float[Tensor, "batch 1 tokens latent_dims"]:
    """Latents and rotated keys side by side, as the cache holds them."""
    return torch.cat([latents, rotated], -1)
