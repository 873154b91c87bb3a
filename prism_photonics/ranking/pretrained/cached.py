"""A long text prefilled once, densely; its questions are asked under any selector, each on its own copy of the cache.

A question's tokens are dense as well, but for its last: that one and the answer's are decode steps, every one of which
chooses blocks in every layer and KV head. The answer is handed in, so that all of its steps are one call: greedy
decoding gives exactly this answer if and only if every token of it is the most likely one after those before it. All
selections answer as one batch: what the model's weights cost is paid once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prism_photonics.ranking.gate import full_attention, watching
from prism_photonics.ranking.gather import Reach
from prism_photonics.ranking.interface import Call
from prism_photonics.ranking.pretrained.attended import Attended
from prism_photonics.ranking.readers import Place
from prism_photonics.ranking.selectors import Selector, top_candidates
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
        covered: Share of the exact attention on all blocks that lies on the chosen ones, by layer and KV head.
    """

    right: Bool[Tensor, " answer"]
    nll: float
    tokens_read: float
    tokens_full: float
    recall: Float[Tensor, " layers"]
    covered: Float[Tensor, "layers kv_heads"]

    @property
    def coverage(self) -> Float[Tensor, " layers"]:
        """What is covered, mean of the KV heads."""
        return self.covered.mean(-1)


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
        """The selector's signatures of every layer's complete blocks, computed once.

        Raises:
            InputError: The text has no complete block.
        """
        known = self._signed.get((selector, block))
        if known is None:
            blocks = self.tokens // block
            if not blocks:
                raise InputError(
                    f"block: got {block} tokens, want at most the text's {self.tokens}; choose shorter ones"
                )
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
            self._forward([asked[:-1]], self._keep)

    @property
    def tokens(self) -> int:
        """Tokens before the first decode step."""
        return self._keys[0].shape[2]

    def answer(self, answer: list[int], selection: Selection | None = None) -> Answer:
        """Decode an answer that is handed in, under one selection; none: full attention."""
        return self.answers(answer, [selection])[0]

    @torch.no_grad()
    def answers(self, answer: list[int], selections: Sequence[Selection | None]) -> list[Answer]:
        """Decode an answer that is handed in, under every selection, in one batch.

        Args:
            answer: Its tokens.
            selections: How blocks are chosen; none: full attention.

        Returns:
            What was right, in the order of the selections.
        """
        ids = [self._last, *answer[:-1]]
        full = self.tokens + (len(ids) + 1) / 2
        seen: list[list[Seen]] = [[] for _ in selections]

        def attend(layer: int, call: Call) -> Tensor:
            attended = Attended(call, self._keys[layer], self._values[layer])
            for which, selection in enumerate(selections):
                if selection is None or layer in selection.dense_layers:
                    continue
                reach = self._reach(self.tokens + len(ids), selection.block)
                seen[which].append(self._choose(attended, which, layer, selection=selection, reach=reach))
            return attended.output()

        logits = self._forward([ids] * len(selections), attend).log_softmax(-1)
        wanted = torch.tensor(answer)
        found, layers = [], len(self._keys)
        for mine, steps in zip(logits, seen, strict=True):
            nll = -mine.gather(1, wanted[:, None]).mean()
            read = (sum(step.read for step in steps) + full * (layers - len(steps))) / layers
            recall = torch.tensor([step.recall for step in steps])
            covered = torch.stack([step.covered for step in steps]) if steps else torch.zeros(0, 1)
            found.append(Answer(mine.argmax(-1) == wanted, float(nll), read, full, recall, covered))
        return found

    def _choose(self, attended: Attended, which: int, layer: int, *, selection: Selection, reach: Reach) -> "Seen":
        """Let one selection choose, and hide from its sequence of the batch what it has not chosen."""
        selector, queries = selection.selector, attended.queries[which : which + 1]
        signatures = self._text.signatures(selector, selection.block)[layer]
        mass = attended.block_mass(which, block=selection.block, blocks=signatures.shape[2])
        evidence: dict[str, Tensor | None] = {"": None, "mass": mass}
        evidence["position"] = torch.arange(self.tokens, self.tokens + queries.shape[2])[None].float()
        if selector.evidence not in evidence:
            raise InputError(
                f"selector {selector.name}: needs {selector.evidence}, which a prefilled text has not kept"
            )
        scores = selector.score(queries, signatures, layer, evidence[selector.evidence])
        allowed = reach.candidates[:, None, None].expand_as(scores)
        chosen = selector.choose(scores, selection.k, allowed)
        best = top_candidates(mass, min(selection.k, int(reach.candidates.sum())), allowed)
        found = (chosen[..., :, None] == best[..., None, :]).any(-2).float().mean()
        covered = (mass.gather(-1, chosen.clamp(min=0)) * (chosen >= 0)).sum(-1)
        covered = covered / (mass * allowed).sum(-1).clamp(min=1e-30)
        valid = torch.ones(1, reach.always.shape[1], dtype=torch.bool)
        shown = reach.tokens(chosen.flatten(1, 2), valid).unflatten(1, chosen.shape[1:3])[0]
        return Seen(attended.show(which, shown), float(found), covered.mean((0, 2)))

    def _reach(self, length: int, block: int) -> Reach:
        """What is read in any case: sink, window, and what came after the last complete block of the text."""
        complete = self._text.tokens // block * block
        place = torch.arange(length)
        always = (place < SINK_TOKENS) | (place >= min(self.tokens + 1 - WINDOW_TOKENS, complete))
        return Reach(always[None], (~always[:complete].view(-1, block)).any(-1)[None], block)

    def _keep(self, layer: int, call: Call) -> Tensor:
        """Dense attention of a question's tokens, which are kept."""
        out = Attended(call, self._keys[layer], self._values[layer]).output()
        self._keys[layer] = torch.cat([self._keys[layer], call.key], 2)
        self._values[layer] = torch.cat([self._values[layer], call.value], 2)
        return out

    @torch.no_grad()
    def _forward(
        self, ids: list[list[int]], attend: Callable[[int, Call], Tensor]
    ) -> Float[Tensor, "sequences tokens vocabulary"]:
        layer, start = iter(range(len(self._keys))), self.tokens
        places = torch.arange(start, start + len(ids[0])).expand(len(ids), -1)
        with watching(self._model, lambda call: attend(next(layer), call)):
            return self._model(torch.tensor(ids), position_ids=places, use_cache=False).logits


@dataclass(frozen=True)
class Seen:
    """What one selection read in one layer: mean tokens, recall and what is covered as in ``Answer``."""

    read: float
    recall: float
    covered: Float[Tensor, " kv_heads"]
