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

MEMORY_BLOCKS = 64
"""Blocks over which the median runs; a design choice, 1024 tokens in blocks of 16."""
TOLERANCE = 0.5
"""How far the median may move from the reference, in the blocks' own spread; it costs an eighth of the range."""


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
