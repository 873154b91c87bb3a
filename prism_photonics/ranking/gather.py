"""Exact attention of a decode step over the chosen tokens alone, which are gathered, not masked."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prism_photonics.ranking.growing import rows_of
from prism_photonics.ranking.signatures import group_size
from prism_photonics.units import InputError


@dataclass(frozen=True)
class Reach:
    """Candidates for selection in a decode step at the end of a cache, and tokens that are read in any case.

    Attributes:
        always: Tokens that are read in any case: sink, local window, the block that is not complete yet.
        candidates: Complete blocks that hold a valid token which is not read in any case.
        block: Tokens per block.
    """

    always: Bool[Tensor, "batch tokens"]
    candidates: Bool[Tensor, "batch blocks"]
    block: int

    @classmethod
    def at_end(cls, valid: Bool[Tensor, "batch tokens"], *, block: int, sink: int, window: int) -> "Reach":
        """The reach of the query that stands on the last token.

        Args:
            valid: Tokens that are no padding; padding is on the left.
            block: Tokens per block, counted from the cache's first slot.
            sink: First valid tokens that are always read.
            window: Last tokens that are always read, the query's own among them.

        Returns:
            The reach.

        Raises:
            InputError: An empty block or window, or a negative sink.
        """
        if block < 1 or window < 1 or sink < 0:
            raise InputError(
                f"block {block}, window {window}, sink {sink}: want at least 1, 1 and 0 tokens; a query reads itself"
            )
        length = valid.shape[1]
        complete = length // block * block
        place = torch.arange(length, device=valid.device)
        first = valid.cumsum(1) <= sink
        always = valid & (first | (place >= min(length - window, complete)))
        open_ = (valid & ~always)[:, :complete].reshape(len(valid), -1, block)
        return cls(always, open_.any(-1), block)

    def tokens(
        self, chosen: Int[Tensor, "batch kv_heads k"], valid: Bool[Tensor, "batch tokens"]
    ) -> Bool[Tensor, "batch kv_heads tokens"]:
        """All tokens that are read when these blocks are chosen.

        Args:
            chosen: Block indices; -1 stands for none.
            valid: Tokens that are no padding.

        Returns:
            The mask.
        """
        batch, heads, _ = chosen.shape
        blocks = self.candidates.shape[1]
        picked = torch.zeros(batch, heads, blocks + 1, dtype=torch.bool, device=chosen.device)
        picked.scatter_(2, torch.where(chosen < 0, blocks, chosen), True)
        spread = picked[..., :blocks, None].expand(-1, -1, -1, self.block).flatten(2)
        tail = valid.shape[1] - spread.shape[-1]
        spread = torch.nn.functional.pad(spread, (0, tail))
        return (spread & valid[:, None]) | self.always[:, None]


def gather_tokens(
    mask: Bool[Tensor, "batch kv_heads tokens"],
) -> tuple[Int[Tensor, "batch kv_heads read"], Bool[Tensor, "batch kv_heads read"]]:
    """Indices of the set tokens in ascending order, padded to the longest row.

    Args:
        mask: Tokens to read.

    Returns:
        Indices, and which of them are real (the others repeat token 0).
    """
    count = mask.sum(-1)
    most = int(count.max())
    if int(count.min()) == most:
        # All rows read as many tokens: what is set lies row by row already.
        index = mask.nonzero()[:, -1].view(*mask.shape[:2], most)
        return index, torch.ones_like(index, dtype=torch.bool)
    place = mask.cumsum(-1) - 1
    # Unset tokens all land in one column more, which is cut off again.
    place = torch.where(mask, place, most)
    index = torch.zeros(*mask.shape[:2], most + 1, dtype=torch.long, device=mask.device)
    index.scatter_(2, place, torch.arange(mask.shape[-1], device=mask.device).expand_as(mask))
    return index[..., :most], torch.arange(most, device=mask.device) < count[..., None]


def attend_gathered(
    query: Float[Tensor, "batch heads 1 dims"],
    keys: Float[Tensor, "batch kv_heads tokens dims"],
    values: Float[Tensor, "batch kv_heads tokens value_dims"],
    mask: Bool[Tensor, "batch kv_heads tokens"],
    *,
    scaling: float,
    softcap: float | None = None,
    sinks: Float[Tensor, " heads"] | None = None,
    bias: Float[Tensor, "batch heads tokens"] | None = None,
) -> Float[Tensor, "batch 1 heads value_dims"]:
    """Exact softmax attention of one query per sequence over the tokens of the mask; no other key or value is touched.

    Args:
        query: Post-RoPE queries; consecutive heads share a KV head.
        keys: Post-RoPE keys.
        values: Values.
        mask: Tokens to read, per KV head.
        scaling: Factor of the dot product before the softmax.
        softcap: Bound c of the logits, which become c·tanh(logit / c); none for no bound.
        sinks: One logit more per head, of a token without value; none for no sink.
        bias: Added to the logits after the softcap; none for no bias.

    Returns:
        Attention outputs in the layout of transformers.

    Source: softmax attention, arXiv 1706.03762; groups as in arXiv 2305.13245; softcap as in Gemma 2, arXiv 2408.00118;
    sinks as in gpt-oss, arXiv 2508.10925.
    """
    index, real = gather_tokens(mask)
    picked_keys, picked_values = rows_of(keys, index), rows_of(values, index)
    batch, heads, _, dims = query.shape
    kv_heads = keys.shape[1]
    group = group_size(heads, kv_heads=kv_heads)
    grouped = query.reshape(batch, kv_heads, group, dims)
    shown: Tensor | None = None if bool(real.all()) else real[:, :, None, :]
    if bias is not None:
        each = bias.unflatten(1, (kv_heads, group))
        added = each.gather(3, index[:, :, None, :].expand(-1, -1, group, -1)).to(query.dtype)
        shown = added.masked_fill(~real[:, :, None, :], -torch.inf)
    if softcap is None and sinks is None:
        # As transformers does for one query: the group stands on the query axis, so no key is repeated.
        attend = torch.nn.functional.scaled_dot_product_attention
        out = attend(grouped, picked_keys, picked_values, attn_mask=shown, scale=scaling)
    else:
        logits = scaling * (grouped @ picked_keys.transpose(-1, -2)).float()
        if softcap is not None:
            logits = softcap * torch.tanh(logits / softcap)
        if shown is not None:
            logits = logits.masked_fill(~shown, -torch.inf) if shown.dtype == torch.bool else logits + shown
        if sinks is not None:
            last = sinks.float().reshape(kv_heads, group, 1).expand(batch, -1, -1, -1)
            logits = torch.cat([logits, last], -1)
        weight = logits.softmax(-1)[..., : index.shape[-1]]
        out = weight.to(values.dtype) @ picked_values
    return out.reshape(batch, heads, 1, values.shape[-1]).transpose(1, 2).contiguous()
