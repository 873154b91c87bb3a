"""Block features less the vector that they all share, so that the chip's range is kept for what tells blocks apart.

A score is the dot product of a query's features with a block's. A vector c that all blocks share adds q·c to all scores
of the query, and no ranking sees it; written on a chip it would eat the range. So each block is written less a
*reference*, the running median of its KV head (a mean would be led astray by the few blocks of attention sinks). Blocks
that were written against an older reference get the difference back after reading, one dot product per query and
reference: q·(reference - first reference). The ranking is exact whatever the references are, for mean keys as for
bounds and projections of both.

A channel that spreads far wider than the others would eat the range as well: each is written over a scale of its own,
which the query takes over.

A row holds its reference and scales beside what was written, so that rows may be cut, reordered and put together. A
machine would keep each once: a sequence that does not drift takes a handful of them.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prism_photonics.ranking.features import Features
from prism_photonics.units import InputError

MEMORY_BLOCKS = 64
"""Blocks before new ones over which the median runs; a design choice, 1024 tokens in blocks of 16."""
TOLERANCE = 0.5
"""How far the median may move from the reference, in the blocks' own spread; it costs an eighth of the range."""

_MOST = 20
"""Powers of two that a scale may differ from 1."""
_FAR = 2
"""Powers of two by which one feature's scale must be off before all of a KV head's are set anew.

A design choice: each setting costs one more reading of every query. Of the built-in keys, 64 blocks written page by
page, 2 leaves 18 readings at most, and 3 falls below 0.95 of float's choice; were each scale to follow at once and
alone, it were 52 readings.
"""
_LEAST_TOKENS, _LEAST_BLOCKS = 8, 4
"""Fewest tokens and blocks from which a spread is estimated; design choice."""


class Centre:
    """The running median of one layer's block features, and the reference and scales that new blocks are written with.

    Attributes:
        reference: Per sequence and KV head; None before the first block.
        exponent: Powers of two of each feature's scale; None before the first block.
    """

    def __init__(self) -> None:
        self.reference: Float[Tensor, "batch kv_heads width"] | None = None
        self.exponent: Float[Tensor, "batch kv_heads width"] | None = None
        self._of_tokens: Float[Tensor, "batch kv_heads width"] | None = None
        self._recent: Float[Tensor, "batch kv_heads recent width"] | None = None
        self._parts: dict[int, Centre] = {}

    def of(self, part: int) -> "Centre":
        """The centre of another kind of signature of the same layer; it follows its sequences as this one does."""
        return self._parts.setdefault(part, Centre())

    @property
    def awaits_tokens(self) -> bool:
        """Whether ``scales`` would still look at single tokens."""
        return self._of_tokens is None or bool(self._of_tokens.isnan().any())

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
        every = bool(shown.all())
        fresh = features if every else features.masked_fill(~shown[:, None, :, None], torch.nan)
        # Where as many come at once as the median runs over, they tell it without those before them.
        before = None if every and fresh.shape[2] >= MEMORY_BLOCKS else self._recent
        known = fresh if before is None else torch.cat([before, fresh], 2)
        self._recent = known[:, :, -MEMORY_BLOCKS:]
        median = _median(known)[:, :, 0].nan_to_num()
        apart = known - median[:, :, None]
        spread = _median(apart.square_().sum(-1, keepdim=True))[:, :, 0, 0].nan_to_num()
        if self.reference is None:
            self.reference = median
        moved = (median - self.reference).square().sum(-1)
        self.reference = torch.where((moved > TOLERANCE**2 * spread)[..., None], median, self.reference)
        return self.reference

    def scales(
        self,
        features: Float[Tensor, "batch kv_heads blocks width"],
        shown: Bool[Tensor, "batch blocks"],
        tokens: Float[Tensor, "batch kv_heads tokens width"] | None,
    ) -> Float[Tensor, "batch kv_heads width"]:
        """How much wider each feature spreads than most: blocks are written over it, queries times it.

        The spread of single tokens is there from the first block on. Blocks that come to spread far wider, by a drift
        or a jump of what they share, move the scales with them: all of a KV head's together, for each set of scales is
        a reading of its own. Powers of two, so that float scores do not change by a bit.

        Args:
            features: Features of new blocks, which ``take`` has counted already.
            shown: Blocks that hold any token.
            tokens: Features of their single tokens, NaN for padding; None where there are none.

        Returns:
            The scale of every feature, 1 for the usual one.

        Source: the shift of scale between the factors is that of SmoothQuant, arXiv 2211.10438.
        """
        first = self.exponent is None
        if self.exponent is None:
            self.exponent = torch.zeros_like(features[:, :, 0])
            self._of_tokens = torch.full_like(self.exponent, torch.nan)
        assert self._of_tokens is not None
        assert self._recent is not None
        if tokens is not None and self.awaits_tokens:
            found = _exponents(_deviation(tokens), 0.5, _LEAST_TOKENS)
            fresh = self._of_tokens.isnan() & ~found.isnan()
            self._of_tokens = torch.where(fresh, found.round(), self._of_tokens)
            self.exponent = torch.where(fresh, self._of_tokens, self.exponent)
        known = features.masked_fill(~shown[:, None, :, None], torch.nan)
        known = self._recent if known.shape[2] < self._recent.shape[2] else known
        wanted = _exponents(_deviation(known), 0.9, _LEAST_BLOCKS).round()
        # Never below the tokens': what a block averages out costs no range.
        wanted = wanted.maximum(self._of_tokens.nan_to_num())
        # Where nothing was written before, no reading is saved by what stands.
        off = ((wanted - self.exponent).abs() >= (0 if first else _FAR)).any(-1, keepdim=True)
        self.exponent = torch.where(off & ~wanted.isnan(), wanted, self.exponent)
        return torch.exp2(self.exponent.clamp(-_MOST, _MOST))

    def rearrange(self, move: Callable[[Tensor], Tensor]) -> None:
        """Follow sequences that are reordered, repeated or dropped."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, move(value))
        for part in self._parts.values():
            part.rearrange(move)


def token_features(
    features: Features,
    keys: Float[Tensor, "batch kv_heads blocks tokens dims"],
    valid: Bool[Tensor, "batch blocks tokens"],
    layer: int,
    *,
    centre: Centre | None = None,
) -> Float[Tensor, "batch kv_heads all_tokens width"] | None:
    """Features of single tokens as if each were a block, NaN for padding; None where the centre needs them no more."""
    if centre is not None and not centre.awaits_tokens:
        return None
    tokens = keys.flatten(2, 3)[:, :, :, None]
    each = features.of_blocks(tokens, valid.flatten(1)[:, :, None], layer)
    return each.masked_fill(~valid.flatten(1)[:, None, :, None], torch.nan)


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
    left = features - reference
    return left if bool(shown.all()) else left.masked_fill(~shown[:, None, :, None], 0.0), reference


def shared_part(
    sketches: Float[Tensor, "batch kv_heads steps width"], references: Float[Tensor, "batch kv_heads blocks width"]
) -> Float[Tensor, "batch kv_heads steps blocks"]:
    """Score of each block's reference less the first one's, which makes blocks with different references comparable."""
    return sketches @ (references - references[:, :, :1]).mT


def widened(numbers: Tensor) -> Tensor:
    """At least single precision: sums of half-precision keys overflow, and block numbers are rounded."""
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))


def widened_keys(
    keys: Float[Tensor, "batch kv_heads blocks tokens dims"], valid: Bool[Tensor, "batch blocks tokens"], layer: int
) -> Float[Tensor, "batch kv_heads blocks tokens dims"]:
    """Keys in at least single precision, padding zero.

    Raises:
        InputError: A key that counts is not finite.
    """
    shown = valid[:, None, :, :, None]
    _require_finite(f"layer {layer}: keys (sequence, KV head, block, token, dim)", keys, shown)
    return widened(keys) if bool(valid.all()) else torch.where(shown, widened(keys), 0.0)


def widened_queries(
    queries: Float[Tensor, "batch heads steps dims"], layer: int
) -> Float[Tensor, "batch heads steps dims"]:
    """Queries in at least single precision.

    Raises:
        InputError: One is not finite.
    """
    _require_finite(f"layer {layer}: queries (sequence, head, step, dim)", queries, True)
    return widened(queries)


def _require_finite(name: str, values: Tensor, counts: Tensor | bool) -> None:
    # NaN and infinity rank no block: the choice that they leave is one that nobody made. Nearly always the sum tells
    # that there is none; where it does not, padding or overflow may be why.
    if bool(torch.isfinite(values.sum(dtype=torch.promote_types(values.dtype, torch.float32)))):
        return
    bad = ~torch.isfinite(values) & counts
    if bool(bad.any()):
        place = tuple(int(index) for index in bad.nonzero()[0])
        raise InputError(
            f"{name} {place}: got {float(values[place])}, want finite numbers; the model overflows there: run it in "
            "bfloat16 or float32"
        )


def _deviation(values: Float[Tensor, "batch kv_heads some width"]) -> Float[Tensor, "batch kv_heads some width"]:
    """Distance from the median; NaN stays."""
    return (values - _median(values)).abs()


def _median(values: Float[Tensor, "batch kv_heads some width"]) -> Float[Tensor, "batch kv_heads 1 width"]:
    """Median along the third axis without NaN, of two middle ones the lower; NaN where there is nothing else."""
    ascending = _ascending(values)
    # NaN comes last: where the last is a number, all are.
    if values.shape[2] and not bool(ascending[:, :, -1].isnan().any()):
        middle = (values.shape[2] - 1) // 2
        return ascending[:, :, middle : middle + 1]
    count = (~values.isnan()).sum(2, keepdim=True)
    return ascending.gather(2, (count - 1).clamp(min=0) // 2)


def _exponents(
    deviation: Float[Tensor, "batch kv_heads some width"], share: float, least: int
) -> Float[Tensor, "batch kv_heads width"]:
    """Powers of two by which a quantile of each feature's deviation exceeds that of the usual feature.

    Args:
        deviation: Distances from the median, NaN for what does not count.
        share: Which quantile.
        least: Numbers that must count; else the exponent is NaN.
    """
    count = (~deviation.isnan()).sum(2, keepdim=True)
    place = ((count - 1).clamp(min=0) * share).long()
    spread = _ascending(deviation).gather(2, place).nan_to_num()[:, :, 0]
    usual = spread.median(-1, keepdim=True).values.expand_as(spread)
    even = (spread > 0) & (usual > 0)
    exponent = torch.where(even, spread.log2() - usual.log2(), 0.0)
    return torch.where(count[:, :, 0] >= least, exponent, torch.nan)


def _ascending(values: Float[Tensor, "batch kv_heads some width"]) -> Float[Tensor, "batch kv_heads some width"]:
    """Sorted along the third axis, NaN last."""
    if values.device.type != "cpu" or not values.numel():
        return values.sort(2).values
    # NumPy sorts thousands of tokens some 25 times as fast as torch does on a CPU, if they lie side by side.
    side_by_side = np.array(values.detach().transpose(2, 3).numpy(), order="C")
    side_by_side.sort(axis=-1)
    return torch.from_numpy(side_by_side).transpose(2, 3)
