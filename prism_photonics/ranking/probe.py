"""One dense prefill, then any number of questions asked of the same cache, one decode step each, under any selector."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prism_photonics.ranking.gather import Reach
from prism_photonics.ranking.needle.tokens import NeedleSequence
from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.selectors import Selector
from prism_photonics.ranking.signatures import group_size
from prism_photonics.units import InputError

if TYPE_CHECKING:  # it needs transformers, which the selectors do without
    from prism_photonics.ranking.interface import Call, Form

_CHUNK = 1 << 26
"""Logits that are held at once while the received attention is added up."""


@dataclass
class LayerStep:
    """Record of one layer in a decode step.

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
        forms: Terms of every layer's attention: scaling, softcap, sinks.
    """

    def __init__(self, model: Any, sequence: NeedleSequence, *, number: int = 0):
        self.sequence, self.number = sequence, number
        self._model = model
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self._queries: list[Tensor] = []
        self._signed: dict[tuple[Selector, int], list[Tensor]] = {}
        self.forms: list[Form] = []
        from prism_photonics.ranking.gate import full_attention, watching

        layers = model.config.get_text_config().num_hidden_layers
        if len(full := full_attention(model)) != layers:
            raise InputError(
                f"model {type(model).__name__}: got full attention in {len(full)} of {layers} layers, want it in all, "
                "for the table selects in every layer; switch sliding windows off, or use another model"
            )
        with torch.no_grad(), watching(model, self._prefill):
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

        def attend(call: "Call") -> Tensor:
            out, step = self._attend(len(steps), call, selector=selector, k=k, reach=reach)
            steps.append(step)
            return out

        from prism_photonics.ranking.gate import watching

        question = torch.as_tensor(self.sequence.question)[:, None]
        with watching(self._model, attend):
            logits = self._model(question, position_ids=torch.full_like(question, self.tokens), use_cache=False).logits
        return logits[:, -1].log_softmax(-1), steps

    def signatures(self, selector: Selector, *, block: int) -> list[Tensor]:
        """The selector's signatures of every layer's complete blocks, computed once per block size."""
        known = self._signed.get((selector, block))
        if known is None:
            known = []
            blocks = self.tokens // block
            valid = torch.ones(1, blocks, block, dtype=torch.bool)
            for layer, keys in enumerate(self.keys):
                cut = keys[:, :, : blocks * block].unflatten(2, (blocks, block))
                known.append(selector.sign(cut, valid, Place(layer, 0, self.number)))
            self._signed[selector, block] = known
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
            logits = torch.einsum("hgqd,htd->hgqt", grouped[:, :, part], keys)
            hidden = place > place[part, None]
            total += self._weight(logits, hidden, self.forms[layer]).sum((1, 2))
        blocks = tokens // block
        return total[:, : blocks * block].unflatten(1, (blocks, block)).sum(-1)[None, :, None]

    def _prefill(self, call: "Call") -> Tensor:
        self.keys.append(call.key)
        self.values.append(call.value)
        self._queries.append(call.query)
        self.forms.append(call.form())
        return call.dense()[0]

    @staticmethod
    def _weight(
        products: Float[Tensor, "kv_heads group questions tokens"], hidden: Bool[Tensor, "*rows tokens"], form: "Form"
    ) -> Float[Tensor, "kv_heads group questions tokens"]:
        """Attention weights of dot products; what a sink takes is not among them."""
        logits = form.scaling * products
        if form.softcap is not None:
            logits = form.softcap * torch.tanh(logits / form.softcap)
        logits = logits.masked_fill(hidden, -torch.inf)
        if form.sinks is None:
            return logits.softmax(-1)
        sinks = form.sinks.reshape(*logits.shape[:2], 1, 1).expand(*logits.shape[:3], 1).to(logits)
        return torch.cat([logits, sinks], -1).softmax(-1)[..., :-1]

    def _attend(
        self, layer: int, call: "Call", *, selector: Selector | None, k: int, reach: Reach
    ) -> tuple[Float[Tensor, "questions 1 heads dims"], LayerStep]:
        query, key, value, form = call.query, call.key, call.value, call.form()
        keys, values = self.keys[layer][0], self.values[layer][0]
        questions, heads, _, dims = query.shape
        kv_heads, tokens, _ = keys.shape
        grouped = query.reshape(questions, kv_heads, group_size(heads, kv_heads=kv_heads), dims).permute(1, 2, 0, 3)
        past = torch.einsum("hgqd,htd->hgqt", grouped, keys)
        own = torch.einsum("hgqd,qhsd->hgqs", grouped, key)
        products = torch.cat([past, own], -1)
        blocks = tokens // reach.block
        hidden = torch.zeros(tokens + 1, dtype=torch.bool)
        exact = self._weight(products, hidden, form).mean(1)[None, ..., : blocks * reach.block]
        mass = exact.unflatten(-1, (blocks, reach.block)).sum(-1)
        queries = query[:, :, 0].transpose(0, 1)[None]
        chosen = torch.empty(1, kv_heads, questions, 0, dtype=torch.long)
        read = float(tokens + 1)
        if selector is not None:
            place = torch.full((1, questions), float(tokens))
            evidence = {"mass": mass, "position": place, "received": None, "": None}[selector.evidence]
            if selector.evidence == "received":
                evidence = self.received(layer, reach.block).expand_as(mass)
            signatures = self.signatures(selector, block=reach.block)[layer]
            scores = selector.score(queries, signatures, layer, evidence)
            chosen = selector.choose(scores, k, reach.candidates[:, None, None, :blocks].expand_as(scores))
            valid = torch.ones(1, tokens + 1, dtype=torch.bool)
            mask = reach.tokens(chosen.flatten(1, 2), valid).reshape(kv_heads, 1, questions, tokens + 1)
            read = float(mask.sum(-1).float().mean())
            hidden = ~mask
        weight = self._weight(products, hidden, form)
        out = torch.einsum("hgqt,htd->qhgd", weight[..., :tokens], values)
        out = out + torch.einsum("hgqs,qhsd->qhgd", weight[..., tokens:], value)
        return out.reshape(questions, 1, heads, values.shape[-1]), LayerStep(queries, mass, chosen, read)
