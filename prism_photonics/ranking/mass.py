"""Reference of all rankings: share of the exact attention on each block."""

import numpy as np
from jaxtyping import Float, Int, Num

from prism_photonics.ranking.signatures import block_starts, group_size
from prism_photonics.units import InputError


def attention_mass(
    queries: Num[np.ndarray, "*batch heads queries dims"],
    keys: Num[np.ndarray, "*batch kv_heads tokens dims"],
    *,
    query_position: Int[np.ndarray, "*batch queries"],
    block: int,
    scale: float,
) -> Float[np.ndarray, "*batch kv_heads queries blocks"]:
    """Exact causal softmax attention, summed over each block and averaged over a KV head's group.

    Args:
        queries: Post-RoPE queries; consecutive heads share a KV head.
        keys: Post-RoPE keys.
        query_position: Token index of each query; it sees itself and all before.
        block: Tokens per block.
        scale: Factor of the dot product, 1/√dims in most models.

    Returns:
        Shares of attention, ≥ 0; they sum to 1 over the blocks.

    Raises:
        InputError: The heads do not divide into groups, or a position is outside the sequence.

    Source: softmax attention, arXiv 1706.03762; groups as in arXiv 2305.13245.
    """
    *batch, heads, steps, dims = queries.shape
    kv_heads, tokens = keys.shape[-3:-1]
    group = group_size(heads, kv_heads=kv_heads)
    if query_position.min() < 0 or query_position.max() >= tokens:
        raise InputError(
            f"query_position: got {query_position.min()} to {query_position.max()}, want 0 to {tokens - 1}; "
            "count from the first token"
        )
    grouped = np.asarray(queries, float).reshape(*batch, kv_heads, group, steps, dims)
    logits = scale * np.einsum("...hgqd,...htd->...hgqt", grouped, np.asarray(keys, float))
    visible = np.arange(tokens) <= query_position[..., None, None, :, None]
    logits = np.where(visible, logits, -np.inf)
    weight = np.exp(logits - logits.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    return np.add.reduceat(weight, block_starts(tokens, block=block), axis=-1).mean(-3)
