"""One dense prefill, then any number of questions asked of the same cache, one decode step each, under any selector."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from prism_photonics.ranking.gather import Reach
from prism_photonics.ranking.needle.models import import_transformers
from prism_photonics.ranking.needle.tokens import NeedleSequence
from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.selectors import Selector
from prism_photonics.ranking.signatures import group_size
from prism_photonics.units import InputError

NAME = "prism_probe"
_CHUNK = 1 << 26
"""Logits that are held at once while the received attention is added up."""


@dataclass
class LayerStep:
    """What happened in one layer of a decode step.

    Attributes:
        queries: Post-RoPE queries, as this step really had them.
        mass: Their exact attention over each complete block of the context.
        chosen: Blocks that were chosen, -1 for none; empty without a selector.
        tokens_read: Mean tokens read per query and KV head.
    """

    queries: Float[Tensor, "1 heads questions dims"]
    mass: Float[Tensor, "1 kv_heads questions blocks"]
    chosen: Int[Tensor, "1 kv_heads questions chosen"]
    tokens_read: float


class Probe:
    """A context's KV cache, and questions asked of it independently.

    Attributes:
        sequence: Context, questions and answers.
        number: Number of the sequence.
        keys: Post-RoPE keys of every layer.
        values: Values of every layer.
    """

    def __init__(self, model: Any, sequence: NeedleSequence, *, number: int = 0):
        self.sequence, self.number = sequence, number
        self._model = model
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self._queries: list[Tensor] = []
        self._signed: dict[tuple[int, int], list[Tensor]] = {}
        with torch.no_grad(), listening(model, self._prefill):
            model(torch.as_tensor(sequence.context)[None], use_cache=False, logits_to_keep=1)

    @property
    def tokens(self) -> int:
        """Length of the context."""
        return self.keys[0].shape[2]

    def forget(self) -> None:
        """Drop the signatures of all selectors."""
        self._signed.clear()

    @torch.no_grad()
    def ask(
        self, selector: Selector | None = None, *, k: int = 0, block: int = 16, sink: int = 4, window: int = 16
    ) -> tuple[Float[Tensor, "questions vocabulary"], list[LayerStep]]:
        """Ask every question after the context, in one decode step each, with selection in every layer.

        Args:
            selector: Chooses per layer, KV head and question; none: full attention.
            k: Blocks that it chooses.
            block: Tokens per block.
            sink: First tokens that are always read.
            window: Last tokens that are always read, the question itself among them.

        Returns:
            Log-probabilities of the next token, and what happened in each layer.
        """
        steps: list[LayerStep] = []
        valid = torch.ones(1, self.tokens + 1, dtype=torch.bool)
        reach = Reach.at_end(valid, block=block, sink=sink, window=window)

        def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
            layer = len(steps)
            out, step = self._attend(layer, query, key, value, scaling, selector=selector, k=k, reach=reach)
            steps.append(step)
            return out

        question = torch.as_tensor(self.sequence.question)[:, None]
        with listening(self._model, attend):
            logits = self._model(question, position_ids=torch.full_like(question, self.tokens), use_cache=False).logits
        return logits[:, -1].log_softmax(-1), steps

    def signatures(self, selector: Selector, *, block: int) -> list[Tensor]:
        """What the selector keeps of every layer's complete blocks; signed once per block size."""
        known = self._signed.get((id(selector), block))
        if known is None:
            known = []
            blocks = self.tokens // block
            valid = torch.ones(1, blocks, block, dtype=torch.bool)
            for layer, keys in enumerate(self.keys):
                cut = keys[:, :, : blocks * block].unflatten(2, (blocks, block))
                known.append(selector.sign(cut, valid, Place(layer, 0, self.number)))
            self._signed[id(selector), block] = known
        return known

    @functools.cache  # noqa: B019  a probe lives as long as its cache
    def received(self, layer: int, block: int) -> Float[Tensor, "1 kv_heads 1 blocks"]:
        """Attention that each complete block received from all tokens of the context, summed over the group."""
        query, keys = self._queries[layer][0], self.keys[layer][0]
        kv_heads, tokens, dims = keys.shape
        grouped = query.reshape(kv_heads, -1, tokens, dims)
        total = torch.zeros(kv_heads, tokens)
        rows = max(1, _CHUNK // (query.shape[0] * tokens))
        place = torch.arange(tokens)
        for start in range(0, tokens, rows):
            part = slice(start, start + rows)
            logits = torch.einsum("hgqd,htd->hgqt", grouped[:, :, part], keys) * dims**-0.5
            logits = logits.masked_fill(place > place[part, None], -torch.inf)
            total += logits.softmax(-1).sum((1, 2))
        blocks = tokens // block
        return total[:, : blocks * block].unflatten(1, (blocks, block)).sum(-1)[None, :, None]

    def _prefill(self, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        self.keys.append(key)
        self.values.append(value)
        self._queries.append(query)
        attend = torch.nn.functional.scaled_dot_product_attention
        out = attend(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)
        return out.transpose(1, 2).contiguous()

    def _attend(
        self,
        layer: int,
        query: Float[Tensor, "questions heads 1 dims"],
        key: Float[Tensor, "questions kv_heads 1 dims"],
        value: Float[Tensor, "questions kv_heads 1 dims"],
        scaling: float,
        *,
        selector: Selector | None,
        k: int,
        reach: Reach,
    ) -> tuple[Float[Tensor, "questions 1 heads dims"], LayerStep]:
        keys, values = self.keys[layer][0], self.values[layer][0]
        questions, heads, _, dims = query.shape
        kv_heads, tokens, _ = keys.shape
        grouped = query.reshape(questions, kv_heads, group_size(heads, kv_heads=kv_heads), dims).permute(1, 2, 0, 3)
        past = scaling * torch.einsum("hgqd,htd->hgqt", grouped, keys)
        own = scaling * torch.einsum("hgqd,qhsd->hgqs", grouped, key)
        logits = torch.cat([past, own], -1)
        blocks = tokens // reach.block
        exact = logits.softmax(-1).mean(1)[None, ..., : blocks * reach.block]
        mass = exact.unflatten(-1, (blocks, reach.block)).sum(-1)
        queries = query[:, :, 0].transpose(0, 1)[None]
        chosen = torch.empty(1, kv_heads, questions, 0, dtype=torch.long)
        read = float(tokens + 1)
        if selector is not None:
            evidence = {"mass": mass, "received": None, "": None}[selector.evidence]
            if selector.evidence == "received":
                evidence = self.received(layer, reach.block).expand_as(mass)
            signatures = self.signatures(selector, block=reach.block)[layer]
            scores = selector.score(queries, signatures, layer, evidence)
            chosen = selector.choose(scores, k, reach.candidates[:, None, None, :blocks].expand_as(scores))
            valid = torch.ones(1, tokens + 1, dtype=torch.bool)
            mask = reach.tokens(chosen.flatten(1, 2), valid).reshape(kv_heads, 1, questions, tokens + 1)
            read = float(mask.sum(-1).float().mean())
            logits = logits.masked_fill(~mask, -torch.inf)
        weight = logits.softmax(-1)
        out = torch.einsum("hgqt,htd->qhgd", weight[..., :tokens], values)
        out = out + torch.einsum("hgqs,qhsd->qhgd", weight[..., tokens:], value)
        return out.reshape(questions, 1, heads, dims), LayerStep(queries, mass, chosen, read)


@contextmanager
def listening(model: Any, attend: Any) -> Iterator[None]:
    """While it lasts, ``attend(module, query, key, value, scaling)`` computes every attention of the model."""
    transformers = import_transformers()
    transformers.AttentionInterface.register(NAME, _dispatch)
    before = model.config._attn_implementation
    modules = attention_modules(model)
    try:
        model.set_attn_implementation(NAME)
        for module in modules:
            module.prism_attend = attend
        yield
    finally:
        for module in modules:
            module.__dict__.pop("prism_attend", None)
        model.set_attn_implementation(before)


def attention_modules(model: Any) -> list[Any]:
    """The attention modules of a causal language model, layer by layer.

    Args:
        model: A Hugging Face model.

    Returns:
        One module per layer.

    Raises:
        InputError: The layers are not all plain causal attention with a full KV cache.
    """
    config = model.config.get_text_config()
    found = [m for m in model.modules() if hasattr(m, "layer_idx") and hasattr(m, "k_proj") and hasattr(m, "q_proj")]
    found.sort(key=lambda module: module.layer_idx)
    if [module.layer_idx for module in found] != list(range(config.num_hidden_layers)):
        raise InputError(
            f"model {type(model).__name__}: got {len(found)} attention modules for {config.num_hidden_layers} layers, "
            "want one each; use a decoder such as Llama or Qwen"
        )
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        raise InputError(
            f"model {type(model).__name__}: got layers of type {', '.join(sorted(kinds))}, want full_attention only; "
            "switch sliding windows off"
        )
    return found


def _dispatch(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **kw: Any) -> Any:
    return module.prism_attend(module, query, key, value, kw["scaling"]), None
