"""Check of a model's attention before selection: hook, probe and table accept exactly the same models.

A few tokens go through the model twice: as it is, and with every attention call watched. Each call is computed beside
the model's own function by the gathered attention with every token chosen, and the two must agree.
"""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from prism_photonics.ranking.gather import attend_gathered
from prism_photonics.ranking.interface import Attend, Call, Switch, base_of, override_attention, restore_attention
from prism_photonics.ranking.latent import absorbed_query, is_latent, latent_keys
from prism_photonics.units import InputError

TICKETS = itertools.count()
_PREFILL, _STEPS = 9, 2
"""Tokens of the trial: a prefill and single steps; odd, so that no block size fits."""
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
_HALF_TOLERANCE = 3e-2


@dataclass(frozen=True)
class Attention:
    """One layer's attention that selection can take over.

    Attributes:
        module: The attention module.
        latent: Whether its cache holds latents.
    """

    module: Any
    latent: bool


def full_attention(model: Any) -> dict[int, Attention]:
    """The layers of a causal language model that attend to everything they have seen, by index.

    Layers with windows, chunks or a state instead of keys are not among them; they may stand beside.

    Args:
        model: A Hugging Face model.

    Returns:
        At least one layer.

    Raises:
        InputError: An attention that is not understood, is not as the gathered one, or is computed elsewhere.
    """
    name = f"model {type(model).__name__}"
    base_of(model)
    switch: Switch | None = model.__dict__.get("prism_switch")
    if switch is not None and switch.checked_layers:
        return switch.checked_layers  # a hooked model takes the caches of its hooks only
    cache = DynamicCache(config=model.config)
    wanted = {index for index, layer in enumerate(cache.layers) if type(layer) is DynamicLayer}
    own = _decode(model, name, cache)
    found: dict[int, Attention] = {}
    windowed: set[int] = set()
    watched = DynamicCache(config=model.config)

    def watch(call: Call) -> Tensor:
        index = getattr(call.module, "layer_idx", None)
        out = call.dense()[0]
        if index not in wanted:
            return out
        if call.form().window is not None:
            windowed.add(index)
            return out
        latent = is_latent(call.module)
        _compare(call, out, watched.layers[index], latent=latent)
        found[index] = Attention(call.module, latent)
        return out

    with watching(model, watch):
        seen = _decode(model, name, watched)
    if _differs(seen, own):
        raise InputError(
            f"{name}: got other logits with its attention watched than without, want the same; they differ by "
            f"{_distance(seen, own):.1e} of the largest: it computes attention in a way of its own, use another model"
        )
    missing = sorted(wanted - windowed - set(found))
    if missing:
        raise InputError(
            f"{name}: got no attention call of layers {', '.join(map(str, missing))}, want one each through "
            "transformers' attention interface; it computes attention in code of its own, use another model"
        )
    if not found:
        raise InputError(
            f"{name}: got no layer with full attention, want at least one to select in; switch sliding windows off, or "
            "use another model"
        )
    return dict(sorted(found.items()))


@contextlib.contextmanager
def watching(model: Any, attend: Attend) -> Iterator[None]:
    """While it lasts, ``attend(call)`` computes every attention call of the model."""
    ticket = next(TICKETS)
    switch = Switch.over(model, ticket)
    modules = [module for module in model.modules() if hasattr(module, "layer_idx")]
    try:
        for module in modules:
            override_attention(module, attend)
        yield
    finally:
        for module in modules:
            restore_attention(module)
        switch.back(model, ticket)


@torch.no_grad()
def _decode(model: Any, name: str, cache: DynamicCache) -> Tensor:
    """Logits of the trial's tokens: a prefill, then single steps."""
    vocabulary = model.config.get_text_config(decoder=True).vocab_size
    ids = (torch.arange(_PREFILL + _STEPS, device=model.device)[None] * 7 + 3) % vocabulary
    cuts = [0, *range(_PREFILL, _PREFILL + _STEPS + 1)]
    parts = []
    for start, end in itertools.pairwise(cuts):
        try:
            out = model(ids[:, start:end], past_key_values=cache, use_cache=True)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{name}: got {type(error).__name__} ({str(error).splitlines()[0] if str(error) else 'no text'}) from "
                f"a prefill of {_PREFILL} tokens and single steps, want logits; try attn_implementation='eager'"
            ) from error
        parts.append(out.logits if hasattr(out, "logits") else out.last_hidden_state)
    return torch.cat(parts, 1)


def _compare(call: Call, own: Tensor, layer: Any, *, latent: bool) -> None:
    """Refuse a call that the gathered attention does not reproduce for its last query."""
    form, (valid, bias) = call.form(), call.seen(call.query.shape[2] - 1)
    where = f"{type(call.module).__name__} of layer {call.module.layer_idx}"
    last = call.query[:, :, -1:]
    got = attend_gathered(
        last,
        call.key,
        call.value,
        valid[:, None].expand(-1, call.key.shape[1], -1),
        scaling=form.scaling,
        softcap=form.softcap,
        sinks=form.sinks,
        bias=bias,
    )
    if _differs(got, own[:, -1:]):
        raise InputError(
            f"{where}: got an attention that scaling, softcap, sinks and biases do not explain, want one that they do; "
            f"it differs by {_distance(got, own[:, -1:]):.1e} of its largest output, use another model"
        )
    if latent:
        keys = latent_keys(layer.keys, layer.values)
        got, want = absorbed_query(call.module, last) @ keys.mT, last @ call.key.mT
        # A bias of the expansion adds one number to all logits of a query, which no ranking sees.
        same = not _differs(got - got.mean(-1, keepdim=True), want - want.mean(-1, keepdim=True))
    else:
        same = layer.keys.shape == call.key.shape and torch.equal(layer.keys, call.key)
    if not same:
        raise InputError(
            f"{where}: got keys that are not those of its cache layer, want the same; its cache holds something that "
            "is not known here, use another model"
        )


def _distance(got: Tensor, want: Tensor) -> float:
    return float((got - want).abs().max() / want.abs().max().clamp(min=torch.finfo(want.dtype).tiny))


def _differs(got: Tensor, want: Tensor) -> bool:
    # Written so that NaN differs.
    return not _distance(got, want) <= _TOLERANCE.get(want.dtype, _HALF_TOLERANCE)
