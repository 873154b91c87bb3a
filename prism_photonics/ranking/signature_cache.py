"""A KV cache layer that also keeps block signatures, each written once, when its block completes."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from prism_photonics.ranking.centre import Centre
from prism_photonics.ranking.growing import Growing
from prism_photonics.ranking.latent import latent_keys
from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.selectors import Selector
from prism_photonics.units import InputError


class SignatureLayer(DynamicLayer):
    """Keys and values of one layer, and the signatures of its complete blocks.

    Attributes:
        selector: Signs the blocks.
        block: Tokens per block, counted from the cache's first slot.
        latent: Whether keys and values are the latents and rotated keys of latent attention.
        ticket: Number of the hook that the layer belongs to.
        signatures: The selector's signatures, or None before the first complete block.
        centre: Running median of the blocks' features.
        written: Blocks that were signed since the cache was made; each block counts once.
        awaited: Whether the hook knows of the keys that come next.
        record_past: Whether tokens are drafted and may be taken back; transformers sets it for assisted generation.
    """

    def __init__(self, selector: Selector, block: int, *, latent: bool = False, ticket: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.selector, self.block, self.latent, self.ticket = selector, block, latent, ticket
        self.signatures: Tensor | None = None
        self.centre = Centre()
        self.written = 0
        self.awaited = ticket < 0
        self.record_past = False
        self._grown = Growing(), Growing()

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Take in keys and values that the hook knows of; without it the step would be dense, and no block signed."""
        if not self.awaited:
            raise InputError(
                "cache: got keys of a model without its hook, want the model that the hook is attached to; for dense "
                "attention pass an ordinary cache such as DynamicCache"
            )
        self.awaited = self.ticket < 0
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        self.keys = self._grown[0].append(self.keys, key_states)
        self.values = self._grown[1].append(self.values, value_states)
        return self.keys, self.values

    def __deepcopy__(self, memo: dict[int, Any]) -> "SignatureLayer":
        """A copy with the same selector: copies of a cached prompt are read by one chip."""
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        memo[id(self.selector)] = self.selector
        for name, value in vars(self).items():
            setattr(made, name, copy.deepcopy(value, memo))
        return made

    def activate_past_recording(self) -> None:
        """From now on steps of several tokens are drafts, decoded as if each token came alone."""
        self.record_past = True

    def decoded(self, queries: int, *, kept: int | None) -> int:
        """How many of the last queries of a call are decode steps; the others are prefill, which is dense.

        Args:
            queries: Query tokens of the call, in the cache already.
            kept: Last tokens whose logits the model was asked for, None for all. Of drafts that come with their prompt
                it is all drafts, and the prompt's last token.

        Returns:
            0 to ``queries``.
        """
        if queries == 1:
            return 1
        if not self.record_past:
            return 0
        if kept is not None and kept < queries:
            return kept - 1
        return queries if self.get_seq_length() > queries else 0

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
        if complete > done and self.keys is not None and self.values is not None:
            part = slice(done * self.block, complete * self.block)
            shape = (complete - done, self.block)
            keys = self.keys[:, :, part]
            if self.latent:
                keys = latent_keys(keys, self.values[:, :, part])
            place = Place(layer, done, centre=self.centre)
            fresh = self.selector.sign(keys.unflatten(2, shape), valid[:, part].unflatten(1, shape), place)
            self.written += complete - done
            self.signatures = fresh if self.signatures is None else torch.cat([self.signatures, fresh], 2)
        return self.signatures

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.signatures, self.written, self.record_past, self.centre = None, 0, False, Centre()
        self._grown = Growing(), Growing()

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
            self.centre.rearrange(move)


def signature_cache(
    model: Any, selector: Selector, *, block: int, latent: Mapping[int, bool], ticket: int = -1
) -> Cache:
    """An empty cache for a model's forward or ``generate()``.

    Args:
        model: The model.
        selector: Signs the blocks.
        block: Tokens per block.
        latent: The layers whose blocks are signed, and whether they cache latents.
        ticket: Number of the hook that the cache belongs to.

    Returns:
        The model's own kind of cache, the layers named in ``latent`` replaced by ``SignatureLayer``.
    """
    cache = DynamicCache(config=model.config)
    for index, held in latent.items():
        cache.layers[index] = SignatureLayer(selector, block, latent=held, ticket=ticket)
    return cache
