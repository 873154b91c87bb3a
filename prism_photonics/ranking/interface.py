"""One attention call of a Hugging Face model, as transformers' attention interface hands it over, and how to get it.

While a model is switched over, every attention call of it comes here. A module that carries ``prism_attend`` of the
calling thread is computed by that; all others by the function that the model had before.
"""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

from prism_photonics.units import InputError

NAMES = {"sdpa": "prism_block_sparse", "eager": "prism_block_sparse_eager"}
"""Name of the model's attention implementation while selection is on, by its original name."""
_UNDERSTOOD = ("scaling", "softcap", "s_aux", "sliding_window", "dropout", "is_causal")
_NEUTRAL = (
    *("position_ids", "cache_position", "use_cache", "output_attentions", "output_hidden_states"),
    *("output_router_logits", "num_items_in_batch", "logits_to_keep", "return_dict"),
)
"""Arguments that travel along and change no attention."""


@dataclass(frozen=True)
class Form:
    """Terms of an attention beside softmax(scaling · q·k) v.

    Attributes:
        scaling: Factor of the dot product.
        softcap: Bound of the logits, or none.
        sinks: A logit per head of a token without value, or none.
        window: Last tokens that a query sees, or none for all.
    """

    scaling: float
    softcap: float | None
    sinks: Float[Tensor, " heads"] | None
    window: int | None


@dataclass(frozen=True)
class Call:
    """One attention call.

    Attributes:
        module: The attention module.
        query: Queries (batch, heads, queries, dims), rotated.
        key: All keys (batch, kv_heads, tokens, dims), rotated; the queries' own are the last.
        value: All values.
        mask: Boolean mask or additive bias (batch, heads or 1, queries, tokens), or none for causal.
        extra: Everything else that the module handed over.
        base: The implementation that the model had before, "sdpa" or "eager".
    """

    module: Any
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    extra: dict[str, Any]
    base: str

    def dense(self) -> tuple[Tensor, Tensor | None]:
        """The model's own attention over everything."""
        if self.base == "sdpa":
            attend: Any = sdpa_attention_forward
        else:
            attend = getattr(sys.modules[type(self.module).__module__], "eager_attention_forward", None)
        if attend is None:
            raise InputError(
                f"{type(self.module).__name__}: got an eager attention that its file does not define, want one; load "
                "the model with attn_implementation='sdpa'"
            )
        return attend(self.module, self.query, self.key, self.value, self.mask, **self.extra)

    def form(self) -> Form:
        """Terms of this attention, with every argument accounted for.

        Raises:
            InputError: An argument that would be dropped.
        """
        where = f"{type(self.module).__name__} of layer {getattr(self.module, 'layer_idx', '?')}"
        for name, value in self.extra.items():
            if value is not None and name not in _UNDERSTOOD and name not in _NEUTRAL:
                raise InputError(
                    f"{where}: got the argument '{name}', want only {', '.join(_UNDERSTOOD)}; selection would drop "
                    "it: use another model, or leave the argument out"
                )
        if self.extra.get("dropout"):
            raise InputError(f"{where}: got dropout {self.extra['dropout']}, want none; call model.eval()")
        causal = self.extra.get("is_causal")
        if not (getattr(self.module, "is_causal", True) if causal is None else causal):
            raise InputError(f"{where}: got attention to later tokens, want causal attention; use a causal decoder")
        if self.query.shape[1] % self.key.shape[1]:
            raise InputError(
                f"{where}: got {self.query.shape[1]} heads for {self.key.shape[1]} KV heads, want a multiple; use "
                "another model"
            )
        scaling = self.extra.get("scaling")
        return Form(
            scaling=self.query.shape[-1] ** -0.5 if scaling is None else float(scaling),
            softcap=self.extra.get("softcap"),
            sinks=self.extra.get("s_aux"),
            window=self.extra.get("sliding_window"),
        )

    def seen(self, step: int) -> tuple[Bool[Tensor, "batch tokens"], Float[Tensor, "batch heads tokens"] | None]:
        """Tokens that the query number ``step`` may attend to, up to its own, and the bias of their logits.

        A finite entry of an additive mask is a bias, however negative; only what lies at the end of the number range
        hides a token.
        """
        batch, heads, queries, _ = self.query.shape
        tokens = self.key.shape[2] - queries + step + 1
        if self.mask is None:
            return torch.ones(batch, tokens, dtype=torch.bool, device=self.key.device), None
        row = self.mask[:, :, step, :tokens]
        if row.dtype == torch.bool:
            shown, bias = row, torch.zeros(row.shape, device=row.device).masked_fill(~row, -torch.inf)
            plain = row.shape[1] == 1
        else:
            shown, bias = row > torch.finfo(row.dtype).min / 2, row
            plain = row.shape[1] == 1 and not bool((row * shown).any())
        valid = shown.any(1).expand(batch, -1)
        return valid, None if plain else bias.expand(batch, heads, -1)


Attend = Callable[[Call], Tensor]
"""Computes a call; outputs in the layout of transformers, (batch, queries, heads, value_dims)."""


def override_attention(module: Any, attend: Attend) -> None:
    """From now on ``attend`` computes the calls of a module, as far as they come from this thread."""
    module.__dict__.setdefault("prism_attend", {})[threading.get_ident()] = attend


def restore_attention(module: Any) -> None:
    """Undo ``override_attention``."""
    left = module.__dict__.get("prism_attend", {})
    left.pop(threading.get_ident(), None)
    if not left:
        module.__dict__.pop("prism_attend", None)


def _dispatch(base: str) -> Any:
    # A compiler need not look inside: what is chosen depends on values.
    @torch.compiler.disable
    def attend(
        module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **extra: Any
    ) -> tuple[Tensor, Tensor | None]:
        call = Call(module, query, key, value, attention_mask, extra, base)
        mine: Attend | None = module.__dict__.get("prism_attend", {}).get(threading.get_ident())
        return call.dense() if mine is None else (mine(call), None)

    return attend


def base_of(model: Any) -> str:
    """The implementation of a model's attention, "sdpa" or "eager".

    Raises:
        InputError: Another one, or a model whose attention calls cannot come here.
    """
    name = f"model {type(model).__name__}"
    if not hasattr(model, "config") or not hasattr(model, "set_attn_implementation"):
        raise InputError(f"{name}: got no model of Hugging Face, want one; load it with transformers")
    switch: Switch | None = model.__dict__.get("prism_switch")
    if switch is not None:
        return switch.base
    if model.config.is_encoder_decoder or not model._can_set_attn_implementation():
        what = "an encoder beside its decoder" if model.config.is_encoder_decoder else "attention code of its own"
        raise InputError(
            f"{name}: got {what}, want a decoder that calls transformers' attention interface; use one such as Llama, "
            "Qwen, Phi-3 or GPT-NeoX"
        )
    base = getattr(model.config.get_text_config(decoder=True), "_attn_implementation", None)
    if base not in NAMES:
        raise InputError(
            f"{name}: got the attention implementation '{base}', want sdpa or eager; load it with "
            "attn_implementation='sdpa'"
        )
    return base


class Switch:
    """A model's attention, switched over until the last who asked for it lets go.

    Attributes:
        base: The implementation that the model had.
        tickets: Who holds it.
        checked_layers: Attention layers that the gate has checked, for the next hook; empty before.
    """

    def __init__(self, model: Any):
        self.base = base_of(model)
        self.tickets: set[int] = set()
        self.checked_layers: dict[int, Any] = {}
        # Sub-models may each have an implementation of their own.
        held = [m.config for m in model.modules() if hasattr(getattr(m, "config", None), "_attn_implementation")]
        self._before = [(config, config._attn_implementation) for config in {id(c): c for c in held}.values()]
        for name, mask in (("sdpa", sdpa_mask), ("eager", eager_mask)):
            AttentionInterface.register(NAMES[name], _dispatch(name))
            # Without a mask function of the same name the mask handed over would be None, padding or not.
            AttentionMaskInterface.register(NAMES[name], mask)

    @classmethod
    def over(cls, model: Any, ticket: int) -> "Switch":
        """Switch a model over for this ticket; a second one finds the first's switch."""
        switch = model.__dict__.get("prism_switch")
        if switch is None:
            switch = cls(model)
            model.set_attn_implementation(NAMES[switch.base])
            model.__dict__["prism_switch"] = switch
        switch.tickets.add(ticket)
        return switch

    def back(self, model: Any, ticket: int) -> None:
        """Let go; with the last ticket the model is as it was."""
        self.tickets.discard(ticket)
        if not self.tickets and model.__dict__.pop("prism_switch", None) is not None:
            for config, name in self._before:
                config._attn_implementation = name

    def require(self, model: Any) -> None:
        """Refuse a model whose attention somebody set anew in the meantime."""
        now = model.config.get_text_config(decoder=True)._attn_implementation
        if now != NAMES[self.base]:
            raise InputError(
                f"model {type(model).__name__}: got its attention set to '{now}' after the hook was attached, want "
                f"'{NAMES[self.base]}'; detach the hook first (continuous batching has its own attention)"
            )
