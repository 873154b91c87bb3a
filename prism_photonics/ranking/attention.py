"""Block-sparse decoding of a Hugging Face model: prefill dense, every later step over the chosen blocks only.

    sparse = BlockSparse(model, selector, block=16, k=8)
    model.generate(ids, past_key_values=sparse.cache())

Works with causal decoders whose layers all keep a full KV cache of post-RoPE keys (Llama, Qwen2, Qwen3 and their kin),
grouped queries and left-padded batches included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import Cache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from prism_photonics.ranking.gather import Reach, attend_gathered
from prism_photonics.ranking.probe import attention_modules
from prism_photonics.ranking.selectors import Selector
from prism_photonics.ranking.signature_cache import SignatureLayer, signature_cache
from prism_photonics.units import InputError

NAME = "prism_block_sparse"


@dataclass
class Traffic:
    """What decoding has read so far, summed over layers, KV heads, sequences and steps.

    Attributes:
        steps: Attention calls of one query token each, times sequences.
        tokens_read: Keys that were read, times KV heads.
        tokens_full: Keys that full attention would have read, times KV heads.
        gathered: Keys that were copied out of the cache; none while every block is chosen.
    """

    steps: int = 0
    tokens_read: int = 0
    tokens_full: int = 0
    gathered: int = 0


class BlockSparse:
    """Hooks a model; ``detach`` gives it back as it was.

    Attributes:
        model: The model.
        selector: Signs, scores and chooses blocks, per layer, KV head and step.
        block: Tokens per block, counted from the cache's first slot.
        k: Blocks chosen per step; None for all.
        sink: First tokens of a sequence that are always read.
        window: Last tokens that are always read.
        dense_layers: Layers that always attend to everything.
        traffic: What was read.
        chosen: Blocks of each layer's last decode step, (batch, kv_heads, 1, k), best first, -1 for none.
    """

    def __init__(
        self,
        model: Any,
        selector: Selector,
        *,
        k: int | None,
        block: int = 16,
        sink: int = 4,
        window: int = 16,
        dense_layers: Sequence[int] = (),
    ):
        if (k is not None and k < 1) or block < 1 or window < 1 or sink < 0:
            raise InputError(
                f"k {k}, block {block}, window {window}, sink {sink}: want k, block and window of at least 1 and no "
                "negative sink; choose others"
            )
        if selector.evidence:
            raise InputError(
                f"selector {selector.name}: needs the exact attention ({selector.evidence}), which decoding does not "
                "have; use it in the table"
            )
        self.model, self.selector = model, selector
        self.block, self.k, self.sink, self.window = block, k, sink, window
        self.dense_layers = frozenset(dense_layers)
        self.traffic = Traffic()
        self.chosen: dict[int, Int[Tensor, "batch kv_heads 1 chosen"]] = {}
        AttentionInterface.register(NAME, _attention)
        # Without a mask function of the same name the mask handed over would be None, padding or not.
        AttentionMaskInterface.register(NAME, sdpa_mask)
        self._before = model.config._attn_implementation
        self._hooks = []
        modules = attention_modules(model)
        self._layers = len(modules)
        for module in modules:
            self._hooks.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
            self._hooks.append(module.register_forward_hook(self._leave, always_call=True))
        model.set_attn_implementation(NAME)

    def cache(self) -> Cache:
        """An empty cache for one batch of sequences; hand it to the model as ``past_key_values``."""
        return signature_cache(self.selector, block=self.block, layers=self._layers)

    def detach(self) -> None:
        """Take the hooks off and restore the attention that the model had."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self.model.set_attn_implementation(self._before)

    def _enter(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        # The attention function is not told the cache: it is left here for it.
        cache = kwargs.get("past_key_values")
        layers = [] if cache is None else cache.layers
        layer = layers[module.layer_idx] if module.layer_idx < len(layers) else None
        if cache is not None and not isinstance(layer, SignatureLayer):
            raise InputError(
                f"layer {module.layer_idx}: got a cache {type(cache).__name__} without signatures, want one with; pass "
                "past_key_values=sparse.cache(), or use_cache=False"
            )
        module.prism = (self, layer)

    def _leave(self, module: Any, args: Any, output: Any) -> None:
        module.__dict__.pop("prism", None)

    def read(
        self, layer: SignatureLayer, index: int, query: Tensor, valid: Bool[Tensor, "batch tokens"], *, kv_heads: int
    ) -> Bool[Tensor, "batch kv_heads tokens"]:
        """The tokens that a decode step reads.

        Args:
            layer: The cache layer, the step's own key in it.
            index: Index of the layer.
            query: Post-RoPE queries (batch, heads, 1, dims).
            valid: Tokens that are no padding.
            kv_heads: KV heads.

        Returns:
            The mask.
        """
        reach = Reach.at_end(valid, block=self.block, sink=self.sink, window=self.window)
        signatures = layer.sign_complete_blocks(valid, layer=index)
        if index in self.dense_layers or signatures is None:
            return valid[:, None].expand(-1, kv_heads, -1)
        scores = self.selector.score(query, signatures, index)
        k = scores.shape[-1] if self.k is None else min(self.k, scores.shape[-1])
        chosen = self.selector.choose(scores, k, reach.candidates[:, None, None].expand_as(scores))
        self.chosen[index] = chosen
        return reach.tokens(chosen[:, :, 0], valid)


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    sparse, layer = getattr(module, "prism", (None, None))
    if sparse is None or layer is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    if attention_mask is None:
        valid = torch.ones(key.shape[0], key.shape[2], dtype=torch.bool, device=key.device)
    else:
        # The last query sees every token that is no padding.
        shown = attention_mask[:, 0, -1, : key.shape[2]]
        valid = (shown if shown.dtype == torch.bool else shown >= 0).expand(key.shape[0], -1)
    if query.shape[2] > 1:
        layer.sign_complete_blocks(valid, layer=module.layer_idx)
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    heads = key.shape[1]
    mask = sparse.read(layer, module.layer_idx, query, valid, kv_heads=heads)
    sparse.traffic.steps += len(key)
    sparse.traffic.tokens_read += int(mask.sum())
    sparse.traffic.tokens_full += int(valid.sum()) * heads
    if bool((mask == valid[:, None]).all()):
        # Every block is chosen: nothing is to be gathered, and the answer is SDPA's own, bit for bit.
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    sparse.traffic.gathered += int(mask.sum())
    return attend_gathered(query, key, value, mask, scaling=kwargs["scaling"]), None
