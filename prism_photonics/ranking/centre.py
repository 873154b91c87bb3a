"""Block features less the vector that they all share, so that the chip's range is kept for what tells blocks apart.

A score is the dot product of a query's features with a block's. A vector c that all blocks share adds q·c to all scores
of the query, and no ranking sees it; written on a chip it would eat the range. So each block is written less a
*reference*, the running median of its KV head (a mean would be led astray by the few blocks of attention sinks). Blocks
that were written against an older reference get the difference back after reading, one dot product per query and
reference: q·(reference - first reference). The ranking is exact whatever the references are, for mean keys as for
bounds and projections of both.

A row holds its reference beside what was written, so that rows may be cut, reordered and put together. A machine would
keep each reference once: a sequence that does not drift takes a handful of them.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prism_photonics.ranking.features import Features

MEMORY_BLOCKS = 64
"""Blocks over which the median runs; a design choice, 1024 tokens in blocks of 16."""
TOLERANCE = 0.5
"""How far the median may move from the reference, in the blocks' own spread; it costs an eighth of the range."""

_MOST = 20
"""Powers of two that a scale may differ from 1."""


class Centre:
    """The running median of one layer's block features, and the reference that new blocks are written against.

    Attributes:
        reference: Per sequence and KV head; None before the first block.
    """

    def __init__(self) -> None:
        self.reference: Float[Tensor, "batch kv_heads width"] | None = None
        self._recent: Float[Tensor, "batch kv_heads recent width"] | None = None

    def take(
        self, features: Float[Tensor, "batch kv_heads blocks width"], shown: Bool[Tensor, "batch blocks"]
    ) -> Float[Tensor, "batch kv_heads width"]:
        """Let the median run over new blocks.

        Args:
            features: Their features.
            shown: Blocks that hold any token; the others do not count.

        Returns:
            The reference to write them against.
        """
        fresh = features.masked_fill(~shown[:, None, :, None], torch.nan)
        known = fresh if self._recent is None else torch.cat([self._recent, fresh], 2)
        self._recent = known[:, :, -MEMORY_BLOCKS:]
        median = known.nanmedian(2).values.nan_to_num()
        spread = (known - median[:, :, None]).square().sum(-1).nanmedian(2).values.nan_to_num()
        if self.reference is None:
            self.reference = median
        moved = (median - self.reference).square().sum(-1)
        self.reference = torch.where((moved > TOLERANCE**2 * spread)[..., None], median, self.reference)
        return self.reference

    def rearrange(self, move: Callable[[Tensor], Tensor]) -> None:
        """Follow sequences that are reordered, repeated or dropped."""
        for name, value in vars(self).items():
            if value is not None:
                setattr(self, name, move(value))


def channel_scales(
    features: Features,
    keys: Float[Tensor, "batch kv_heads blocks tokens dims"],
    valid: Bool[Tensor, "batch blocks tokens"],
    layer: int,
) -> Float[Tensor, "kv_heads width"]:
    """How much wider each feature spreads than most: blocks are written less it, queries with it, to the same score.

    A channel that spreads a hundred times wider than the others, and that queries weigh little, would take the whole
    range. The scales are powers of two, so that float scores do not change by a bit.

    Args:
        features: Makes the features; of single tokens here, whose spread is there from the first block on.
        keys: Post-RoPE keys of the first blocks.
        valid: Tokens that are no padding.
        layer: Layer of the model.

    Returns:
        One scale per feature, 1 for the median one.

    Source: the shift of scale between the factors is that of SmoothQuant, arXiv 2211.10438.
    """
    tokens = keys.flatten(2, 3)[:, :, :, None]
    each = features.of_blocks(tokens, valid.flatten(1)[:, :, None], layer)
    each = each.masked_fill(~valid.flatten(1)[:, None, :, None], torch.nan).transpose(0, 1).flatten(1, 2)
    spread = (each - each.nanmedian(1, keepdim=True).values).abs().nanmedian(1).values.nan_to_num()
    usual = spread.median(-1, keepdim=True).values
    even = (spread > 0) & (usual > 0)
    ratio = torch.where(even, spread, 1.0) / torch.where(even, usual.expand_as(spread), 1.0)
    return torch.exp2(ratio.log2().round().clamp(-_MOST, _MOST))


def centred(
    features: Float[Tensor, "batch kv_heads blocks width"], shown: Bool[Tensor, "batch blocks"], centre: Centre | None
) -> tuple[Float[Tensor, "batch kv_heads blocks width"], Float[Tensor, "batch kv_heads blocks width"]]:
    """Features less their reference, and the reference of each block; a block of padding is left zero.

    Args:
        features: Features of blocks.
        shown: Blocks that hold any token.
        centre: Running median of their layer; None for the median of these blocks alone.

    Returns:
        What is to be written, and the references.
    """
    reference = (centre or Centre()).take(features, shown)[:, :, None].expand_as(features)
    return torch.where(shown[:, None, :, None], features - reference, 0.0), reference


def shared_part(
    sketches: Float[Tensor, "batch kv_heads steps width"], references: Float[Tensor, "batch kv_heads blocks width"]
) -> Float[Tensor, "batch kv_heads steps blocks"]:
    """What makes scores of blocks with different references comparable: 0 while all have the first one's."""
    return sketches @ (references - references[:, :, :1]).mT


def widened(numbers: Tensor) -> Tensor:
    """At least single precision: sums of half-precision keys overflow, and block numbers are rounded."""
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))
