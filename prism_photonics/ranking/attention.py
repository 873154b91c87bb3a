"""Block-sparse decoding of a Hugging Face model: prefill dense, every later step over the chosen blocks only.

    sparse = BlockSparse(model, selector, block=16, k=8)
    model.generate(ids, past_key_values=sparse.cache())

Selection is in the layers that attend to everything; layers with a window, chunks or a recurrent state stay as they
are. Which models that covers, and which are refused and why, is the table of docs/models_table.md.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers.cache_utils import Cache

from prism_photonics.codec.checks import require_count
from prism_photonics.ranking.gate import TICKETS, full_attention
from prism_photonics.ranking.gather import Reach, attend_gathered
from prism_photonics.ranking.interface import Call, Switch, override_attention, restore_attention
from prism_photonics.ranking.latent import absorbed_query
from prism_photonics.ranking.selectors import Selector
from prism_photonics.ranking.signature_cache import SignatureLayer, signature_cache
from prism_photonics.units import InputError


@dataclass
class Traffic:
    """Count of keys read while decoding, summed over layers, KV heads, sequences and steps.

    Attributes:
        steps: Query tokens that were decoded, times layers and sequences.
        tokens_read: Keys that were read, times KV heads.
        tokens_full: Keys that full attention would have read, times KV heads.
        gathered: Keys that were copied out of the cache; none while every block is chosen.
    """

    steps: int = 0
    tokens_read: int = 0
    tokens_full: int = 0
    gathered: int = 0


class BlockSparse:
    """Hooks a model; ``detach`` gives it back as it was. Several hooks may share a model: a cache says whose it is.

    Attributes:
        model: The model.
        selector: Signs, scores and chooses blocks, per layer, KV head and step.
        block: Tokens per block, counted from the cache's first slot.
        k: Blocks chosen per step; None for all.
        sink: First tokens of a sequence that are always read.
        window: Last tokens that are always read.
        dense_layers: Layers that always attend to everything.
        layers: The layers with full attention, where blocks are chosen.
        traffic: Count of keys read.
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
        if not isinstance(selector, Selector):
            raise InputError(
                f"selector: got {type(selector).__name__}, want a Selector; see prism_photonics.ranking.selectors"
            )
        k = k if k is None else require_count("k", k)
        block = require_count("block", block, cure="choose the tokens of a block")
        window = require_count("window", window, cure="a query reads itself at least")
        sink = require_count("sink", sink, least=0, cure="choose how many first tokens are always read")
        selector.require_block(block)
        if selector.evidence not in ("", "position"):
            raise InputError(
                f"selector {selector.name}: needs the exact attention ({selector.evidence}), which decoding does not "
                "have; use it in the table"
            )
        self.model, self.selector = model, selector
        self.block, self.k, self.sink, self.window = block, k, sink, window
        if not isinstance(dense_layers, Iterable):
            raise InputError(f"dense_layers: got {dense_layers!r}, want a sequence of layer numbers; write [3]")
        self.dense_layers = frozenset(dense_layers)
        self.traffic = Traffic()
        self.chosen: dict[int, Int[Tensor, "batch kv_heads 1 chosen"]] = {}
        self.layers = full_attention(model)
        number = model.config.get_text_config(decoder=True).num_hidden_layers
        for index in self.dense_layers:
            if index not in range(number):
                raise InputError(f"dense_layers: got {index}, want layers 0 to {number - 1} of this model; mend it")
        # By thread: several may decode on one model, each with a cache of its own.
        self._kept: dict[int, int | None] = {}
        self._entered: dict[int, Any] = {}
        self._last_reach: tuple[Any, Reach] | None = None
        self._ticket = next(TICKETS)
        self._switch = Switch.over(model, self._ticket)
        self._switch.checked_layers = self.layers
        # A compiler need not look inside: what is chosen depends on values.
        begin, enter, leave = (torch.compiler.disable(part) for part in (self._begin, self._enter, self._leave))
        self._hooks = [model.register_forward_pre_hook(begin, with_kwargs=True)]
        for attention in self.layers.values():
            self._hooks.append(attention.module.register_forward_pre_hook(enter, with_kwargs=True))
            self._hooks.append(attention.module.register_forward_hook(leave, always_call=True))

    def cache(self) -> Cache:
        """An empty cache for one batch of sequences; hand it to the model as ``past_key_values``."""
        if not self._hooks:
            raise InputError("cache: got a detached hook, want an attached one; make a new BlockSparse")
        latent = {index: attention.latent for index, attention in self.layers.items()}
        return signature_cache(self.model, self.selector, block=self.block, latent=latent, ticket=self._ticket)

    def detach(self) -> None:
        """Take the hooks off; with the model's last hook, restore the attention that it had."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._switch.back(self.model, self._ticket)

    def _begin(self, model: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self._switch.require(model)
        asked = kwargs.get("output_attentions")
        if self._switch.base == "eager" and (model.config.output_attentions if asked is None else asked):
            raise InputError(
                f"model {type(model).__name__}: got output_attentions, want none: gathered attention has no weights of "
                "all tokens; detach the hook to look at them"
            )
        # Assisted generation hands over prompt and draft at once; the logits that it keeps tell them apart.
        kept = kwargs.get("logits_to_keep")
        self._kept[threading.get_ident()] = kept if isinstance(kept, int) and kept > 0 else None

    def _enter(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        # The attention function is not told the cache: it is left here for it.
        cache = next((each for each in (*args, *kwargs.values()) if isinstance(each, Cache)), None)
        if cache is None:
            return
        index, layers = module.layer_idx, getattr(cache, "layers", ())
        layer = layers[index] if index < len(layers) else None
        if not isinstance(layer, SignatureLayer):
            what = type(cache).__name__ + (" (offloaded)" if getattr(cache, "offloading", False) else "")
            raise InputError(
                f"layer {index}: got a cache {what} without signatures, want one with; pass "
                "past_key_values=sparse.cache(), or use_cache=False"
            )
        if layer.ticket == self._ticket:
            self._entered[threading.get_ident()] = module
            layer.awaited = True
            override_attention(module, lambda call: self._attend(call, layer, index))
        elif layer.ticket not in self._switch.tickets:
            raise InputError(
                f"layer {index}: got a cache of another hook, which is not attached to this model, want one of this "
                "hook's; pass past_key_values=sparse.cache()"
            )

    def _leave(self, module: Any, args: Any, output: Any) -> None:
        if self._entered.get(threading.get_ident()) is module:
            del self._entered[threading.get_ident()]
            restore_attention(module)

    def _attend(self, call: Call, layer: SignatureLayer, index: int) -> Tensor:
        queries, form = call.query.shape[2], call.form()
        layer.sign_complete_blocks(call.seen(queries - 1)[0], layer=index)
        decoded = range(queries - layer.decoded(queries, kept=self._kept.get(threading.get_ident())), queries)
        if not decoded:
            return call.dense()[0]
        masks = {step: self.read(call, layer, index, step) for step in decoded}
        count = {step: int(mask.sum()) for step, mask in masks.items()}
        self.traffic.tokens_read += sum(count.values())
        every = {step: int(call.seen(step)[0].sum()) * mask.shape[1] for step, mask in masks.items()}
        self.traffic.tokens_full += sum(every.values())
        if count == every:
            # Every block is chosen: nothing is to be gathered, and the answer is the model's own, bit for bit.
            return call.dense()[0]
        parts = [call.dense()[0][:, : decoded.start]] if decoded.start else []
        for step, mask in masks.items():
            self.traffic.gathered += count[step]
            tokens = mask.shape[-1]
            parts.append(
                attend_gathered(
                    call.query[:, :, step : step + 1],
                    call.key[:, :, :tokens],
                    call.value[:, :, :tokens],
                    # Latents are shared by all heads.
                    mask.expand(-1, call.key.shape[1], -1),
                    scaling=form.scaling,
                    softcap=form.softcap,
                    sinks=form.sinks,
                    bias=call.seen(step)[1],
                )
            )
        return torch.cat(parts, 1)

    def read(self, call: Call, layer: SignatureLayer, index: int, step: int) -> Bool[Tensor, "batch kv_heads tokens"]:
        """The tokens that a query reads.

        Args:
            call: The attention call.
            layer: The cache layer, the call's own keys in it.
            index: Index of the layer.
            step: Number of the query among those of the call; it sees what it would see if it came alone.

        Returns:
            The mask, over the tokens up to the query's own.
        """
        valid, _ = call.seen(step)
        reach = self._reach(call, valid)
        query = call.query[:, :, step : step + 1]
        kv_heads = 1 if layer.latent else call.key.shape[1]
        complete = valid.shape[1] // self.block
        if index in self.dense_layers or layer.signatures is None or not complete:
            mask = valid[:, None].expand(-1, kv_heads, -1)
        else:
            met = absorbed_query(call.module, query) if layer.latent else query
            evidence = None
            if self.selector.evidence:
                evidence = torch.full((len(valid), 1), float(valid.shape[1] - 1), device=valid.device)
            scores = self.selector.score(met, layer.signatures[:, :, :complete], index, evidence)
            k = scores.shape[-1] if self.k is None else min(self.k, scores.shape[-1])
            chosen = self.selector.choose(scores, k, reach.candidates[:, None, None].expand_as(scores))
            self.chosen[index] = chosen
            mask = reach.tokens(chosen[:, :, 0], valid)
        self.traffic.steps += len(valid)
        return mask

    def _reach(self, call: Call, valid: Bool[Tensor, "batch tokens"]) -> Reach:
        """The reach of a step; without padding it is the same in all layers."""
        sizes = (self.block, self.sink, self.window)
        key = (*valid.shape, *sizes, valid.device, torch.is_inference_mode_enabled()) if call.mask is None else None
        known = self._last_reach
        if key is None or known is None or known[0] != key:
            known = key, Reach.at_end(valid, block=self.block, sink=self.sink, window=self.window)
            self._last_reach = known
        return known[1]
