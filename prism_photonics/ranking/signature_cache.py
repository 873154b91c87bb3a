"""A KV cache layer that also keeps block signatures, each written once, when its block completes."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.selectors import Selector


class SignatureLayer(DynamicLayer):
    """Keys and values of one layer, and the signatures of its complete blocks.

    Attributes:
        selector: Signs the blocks.
        block: Tokens per block, counted from the cache's first slot.
        signatures: What the selector signed, or None before the first complete block.
        written: Blocks that were signed since the cache was made; each block counts once.
    """

    def __init__(self, selector: Selector, block: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.selector, self.block = selector, block
        self.signatures: Tensor | None = None
        self.written = 0

    def sign_complete_blocks(
        self, valid: Bool[Tensor, "batch tokens"], *, layer: int
    ) -> Float[Tensor, "batch kv_heads blocks width"] | None:
        """Sign the blocks that were completed since the last call.

        Args:
            valid: Tokens that are no padding.
            layer: Index of the layer.

        Returns:
            All signatures, or None when no block is complete.
        """
        done = 0 if self.signatures is None else self.signatures.shape[2]
        complete = self.get_seq_length() // self.block
        if complete > done and self.keys is not None:
            part = slice(done * self.block, complete * self.block)
            shape = (complete - done, self.block)
            fresh = self.selector.sign(
                self.keys[:, :, part].unflatten(2, shape), valid[:, part].unflatten(1, shape), Place(layer, done)
            )
            self.written += complete - done
            self.signatures = fresh if self.signatures is None else torch.cat([self.signatures, fresh], 2)
        return self.signatures

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.signatures, self.written = None, 0

    def crop(self, tokens_to_remove: int) -> None:
        """Drop the last tokens, and the signatures of the blocks that they break."""
        super().crop(tokens_to_remove)
        if self.signatures is not None:
            self.signatures = self.signatures[:, :, : self.get_seq_length() // self.block]

    def reorder_cache(self, beam_idx: Any) -> None:
        """Follow the beams."""
        super().reorder_cache(beam_idx)
        self._rearrange(lambda kept: kept.index_select(0, beam_idx.to(kept.device)))

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every sequence."""
        super().batch_repeat_interleave(repeats)
        self._rearrange(lambda kept: kept.repeat_interleave(repeats, dim=0))

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some sequences."""
        super().batch_select_indices(indices)
        self._rearrange(lambda kept: kept[indices])

    def _rearrange(self, move: Any) -> None:
        if self.signatures is not None:
            self.signatures = move(self.signatures)


def signature_cache(selector: Selector, *, block: int, layers: int) -> Cache:
    """An empty cache for a model's forward or ``generate()``.

    Args:
        selector: Signs the blocks.
        block: Tokens per block.
        layers: Layers of the model.

    Returns:
        A cache whose layers are ``SignatureLayer``.
    """
    return Cache(layers=[SignatureLayer(selector, block) for _ in range(layers)])
