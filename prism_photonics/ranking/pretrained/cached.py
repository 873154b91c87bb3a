"""A long text prefilled once, densely; its questions are asked under any selector, each on its own copy of the cache.

A question's tokens are dense as well, but for its last: that one and the answer's are decode steps, every one of which
chooses blocks in every layer and KV head. The answer is handed in, so that all of its steps are one call: greedy
decoding gives exactly this answer if and only if every token of it is the most likely one after those before it.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prism_photonics.ranking.gate import full_attention, watching
from prism_photonics.ranking.gather import Reach
from prism_photonics.ranking.interface import Call
from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.selectors import Selector, top_candidates
from prism_photonics.ranking.signatures import group_size
from prism_photonics.units import InputError

SINK_TOKENS, WINDOW_TOKENS = 4, 64
"""Tokens that are read in any case; design choice, of every row alike."""


@dataclass(frozen=True)
class Selection:
    """How blocks are chosen.

    Attributes:
        selector: Chooses.
        block: Tokens per block.
        k: Blocks chosen.
        dense_layers: Layers that attend to everything.
    """

    selector: Selector
    block: int
    k: int
    dense_layers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Answer:
    """What became of one question.

    Attributes:
        right: Tokens of the answer that were the most likely ones, after the right ones before them.
        nll: Mean negative log-likelihood of the answer's tokens, nats.
        tokens_read: Mean tokens read per layer, KV head and step.
        tokens_full: Tokens that full attention reads.
        recall: Share of the k blocks with most exact attention that were chosen, by layer.
        coverage: Share of the exact attention on all blocks that lies on the chosen ones, by layer.
    """

    right: Bool[Tensor, " answer"]
    nll: float
    tokens_read: float
    tokens_full: float
    recall: Float[Tensor, " layers"]
    coverage: Float[Tensor, " layers"]


class CachedText:
    """A text's keys and values in every layer.

    Attributes:
        tokens: Length of the text.
        keys: Post-RoPE keys of every layer, (1, kv_heads, tokens, dims).
        values: Values of every layer.
        number: Number of the text.
    """

    def __init__(self, model: Any, context: list[int], *, number: int = 0):
        self._model, self.tokens, self.number = model, len(context), number
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self._signed: dict[tuple[Selector, int], list[Tensor]] = {}
        layers = model.config.get_text_config().num_hidden_layers
        if len(found := full_attention(model)) != layers:
            raise InputError(
                f"model {type(model).__name__}: got full attention in {len(found)} of {layers} layers, want it in all"
            )

        def keep(call: Call) -> Tensor:
            self.keys.append(call.key)
            self.values.append(call.value)
            return call.dense()[0]

        with torch.no_grad(), watching(model, keep):
            model(torch.tensor(context)[None], use_cache=False, logits_to_keep=1)

    def question(self, asked: list[int]) -> "CachedQuestion":
        """The cache with all but the last token of a question, dense."""
        return CachedQuestion(self, self._model, asked)

    def signatures(self, selector: Selector, block: int) -> list[Tensor]:
        """The selector's signatures of every layer's complete blocks, computed once."""
        known = self._signed.get((selector, block))
        if known is None:
            blocks = self.tokens // block
            valid = torch.ones(1, blocks, block, dtype=torch.bool)
            known = [
                selector.sign(
                    keys[:, :, : blocks * block].unflatten(2, (blocks, block)), valid, Place(layer, 0, self.number)
                )
                for layer, keys in enumerate(self.keys)
            ]
            self._signed[selector, block] = known
        return known


class CachedQuestion:
    """A question on a copy of its text's cache."""

    def __init__(self, text: CachedText, model: Any, asked: list[int]):
        self._text, self._model, self._last = text, model, asked[-1]
        self._keys, self._values = list(text.keys), list(text.values)
        if len(asked) > 1:
            self._forward(asked[:-1], lambda layer, call: _attended(call, *self._grown(layer, call), None), keep=True)

    @property
    def tokens(self) -> int:
        """Tokens before the first decode step."""
        return self._keys[0].shape[2]

    @torch.no_grad()
    def answer(self, answer: list[int], selection: Selection | None = None) -> Answer:
        """Decode an answer that is handed in.

        Args:
            answer: Its tokens.
            selection: How blocks are chosen; none: full attention.

        Returns:
            What was right.
        """
        ids = [self._last, *answer[:-1]]
        full = self.tokens + (len(ids) + 1) / 2
        read: list[float] = []
        recall: list[float] = []
        coverage: list[float] = []

        def attend(layer: int, call: Call) -> Tensor:
            keys, values = self._grown(layer, call)
            if selection is None or layer in selection.dense_layers:
                read.append(full)
                return _attended(call, keys, values, None)
            reach = self._reach(keys.shape[2], selection.block)
            chosen, found, covered = self._choose(call, keys, layer, selection=selection, reach=reach)
            recall.append(found)
            coverage.append(covered)
            valid = torch.ones(1, keys.shape[2], dtype=torch.bool)
            shown = reach.tokens(chosen.flatten(1, 2), valid).unflatten(1, chosen.shape[1:3])
            shown = shown & _causal(keys.shape[2], call.query.shape[2])
            read.append(float(shown.sum(-1).float().mean()))
            return _attended(call, keys, values, shown)

        logits = self._forward(ids, attend)[0].log_softmax(-1)
        wanted = torch.tensor(answer)
        nll = -logits.gather(1, wanted[:, None]).mean()
        mean_read = sum(read) / len(read)
        return Answer(
            logits.argmax(-1) == wanted, float(nll), mean_read, full, torch.tensor(recall), torch.tensor(coverage)
        )

    def _choose(
        self, call: Call, keys: Tensor, layer: int, *, selection: Selection, reach: Reach
    ) -> tuple[Int[Tensor, "1 kv_heads steps k"], float, float]:
        selector, steps = selection.selector, call.query.shape[2]
        signatures = self._text.signatures(selector, selection.block)[layer]
        blocks = signatures.shape[2]
        mass = block_mass(call, keys, block=selection.block, blocks=blocks)
        evidence: dict[str, Tensor | None] = {"": None, "mass": mass}
        evidence["position"] = torch.arange(self.tokens, self.tokens + steps)[None].float()
        if selector.evidence not in evidence:
            raise InputError(
                f"selector {selector.name}: needs {selector.evidence}, which a prefilled text has not kept"
            )
        scores = selector.score(call.query, signatures, layer, evidence[selector.evidence])
        allowed = reach.candidates[:, None, None].expand_as(scores)
        chosen = selector.choose(scores, selection.k, allowed)
        best = top_candidates(mass, min(selection.k, int(reach.candidates.sum())), allowed)
        found = (chosen[..., :, None] == best[..., None, :]).any(-2).float().mean()
        covered = (mass.gather(-1, chosen.clamp(min=0)) * (chosen >= 0)).sum(-1)
        covered = covered / (mass * allowed).sum(-1).clamp(min=1e-30)
        return chosen, float(found), float(covered.mean())

    def _reach(self, length: int, block: int) -> Reach:
        """What is read in any case: sink, window, and what came after the last complete block of the text."""
        complete = self._text.tokens // block * block
        place = torch.arange(length)
        always = (place < SINK_TOKENS) | (place >= min(self.tokens + 1 - WINDOW_TOKENS, complete))
        return Reach(always[None], (~always[:complete].view(-1, block)).any(-1)[None], block)

    def _grown(self, layer: int, call: Call) -> tuple[Tensor, Tensor]:
        return torch.cat([self._keys[layer], call.key], 2), torch.cat([self._values[layer], call.value], 2)

    @torch.no_grad()
    def _forward(self, ids: list[int], attend: Any, *, keep: bool = False) -> Float[Tensor, "1 tokens vocabulary"]:
        layer, start = iter(range(len(self._keys))), self.tokens

        def watch(call: Call) -> Tensor:
            index = next(layer)
            out = attend(index, call)
            if keep:
                self._keys[index], self._values[index] = self._grown(index, call)
            return out

        places = torch.arange(start, start + len(ids))[None]
        with watching(self._model, watch):
            return self._model(torch.tensor(ids)[None], position_ids=places, use_cache=False).logits


def block_mass(call: Call, keys: Tensor, *, block: int, blocks: int) -> Float[Tensor, "1 kv_heads steps blocks"]:
    """Exact attention of a call's queries over complete blocks, averaged over each KV head's group."""
    steps, (heads, kv_heads) = call.query.shape[2], (call.query.shape[1], keys.shape[1])
    grouped = call.query.unflatten(1, (kv_heads, group_size(heads, kv_heads=kv_heads)))
    logits = call.form().scaling * (grouped @ keys[:, :, None].mT)
    logits = logits.masked_fill(~_causal(keys.shape[2], steps), -torch.inf)
    weight = logits.softmax(-1).mean(2)[..., : blocks * block]
    return weight.unflatten(-1, (blocks, block)).sum(-1)


def _causal(tokens: int, steps: int) -> Bool[Tensor, "steps tokens"]:
    """Which tokens the last ``steps`` of them see."""
    place = torch.arange(tokens)
    return place <= place[-steps:, None]


def _attended(
    call: Call, keys: Tensor, values: Tensor, shown: Bool[Tensor, "1 kv_heads steps tokens"] | None
) -> Tensor:
    """Attention of a call's queries over the tokens that are shown, in the layout of transformers."""
    form, steps = call.form(), call.query.shape[2]
    if form.softcap is not None or form.sinks is not None:
        raise InputError(
            f"{type(call.module).__name__}: got a softcap or sinks, want plain softmax attention here; use 'prism rank'"
        )
    group = group_size(call.query.shape[1], kv_heads=keys.shape[1])
    mask = _causal(keys.shape[2], steps) if shown is None else shown.repeat_interleave(group, 1)
    out = torch.nn.functional.scaled_dot_product_attention(
        call.query, keys, values, attn_mask=mask, scale=form.scaling, enable_gqa=group > 1
    )
    return out.transpose(1, 2).contiguous()
