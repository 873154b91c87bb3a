"""What a gate is distilled from: a prefilled text's keys, some of its queries, and their exact attention on blocks."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prism_photonics.ranking.gate import watching
from prism_photonics.ranking.interface import Call
from prism_photonics.ranking.pretrained.cached import SINK_TOKENS, WINDOW_TOKENS
from prism_photonics.ranking.pretrained.distilled import Lesson, grouped_queries, summaries
from prism_photonics.ranking.pretrained.rotary import turned

QUERIES = 768
"""Queries at random places of each text, beside its last ones; design choice."""
LAST = 24
"""Last tokens of each text whose queries all count: there the needles are asked for; design choice."""


@torch.no_grad()
def lessons(
    model: Any, ids: list[int], *, blocks: tuple[int, ...], frequency: Float[Tensor, " pairs"], seed: int
) -> dict[int, Lesson]:
    """Prefill one text, and take from it what a gate learns from.

    Args:
        model: The frozen model.
        ids: The text's tokens, with a question and its answer at their end.
        blocks: Block sizes.
        frequency: See ``rotary.frequencies``.
        seed: Seed of the queries' places.

    Returns:
        One lesson for each block size.
    """
    tokens = len(ids)
    place = drawn_places(tokens, last=LAST, queries=QUERIES, seed=seed)
    parts: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {block: [] for block in blocks}
    ranked = {block: opened(place, tokens, block) for block in blocks}

    def keep(call: Call) -> Tensor:
        kv_heads = call.key.shape[1]
        asked = call.query[:, :, place]
        grouped = asked.unflatten(1, (kv_heads, -1))
        logits = call.form().scaling * (grouped @ call.key[:, :, None].mT)
        logits = logits.masked_fill(torch.arange(tokens) > place[:, None], -torch.inf)
        weight = logits.softmax(-1)[0]
        queries = grouped_queries(turned(asked, -place.float(), frequency), kv_heads)[0]
        plain = turned(call.key, -torch.arange(tokens).float(), frequency)[0]
        for block in blocks:
            whole = tokens // block * block
            mass = weight[..., :whole].unflatten(-1, (-1, block)).sum(-1).amax(1)
            parts[block].append((summaries(plain[:, :whole].unflatten(1, (-1, block))), queries, mass * ranked[block]))
        return call.dense()[0]

    with watching(model, keep):
        model(torch.tensor(ids)[None], use_cache=False, logits_to_keep=1)
    found = {}
    for block in blocks:
        summary, queries, mass = (torch.cat(each) for each in zip(*parts[block], strict=True))
        found[block] = Lesson(summary, queries, place.float(), mass, ranked[block], block)
    return found


def drawn_places(tokens: int, *, last: int, queries: int, seed: int) -> Int[Tensor, " queries"]:
    """Queries at random places of a text's last three quarters, and all of its last ones."""
    drawn = torch.randperm(tokens - tokens // 4 - last, generator=torch.Generator().manual_seed(seed))[:queries]
    return torch.cat([tokens // 4 + drawn, torch.arange(tokens - last, tokens)])


def opened(
    place: Int[Tensor, " queries"], tokens: int, block: int, *, first: int = 0
) -> Bool[Tensor, "queries blocks"]:
    """Blocks, from token ``first`` on, that are to be ranked for queries at these places.

    Those that end before a query's window, and hold more than the sink.
    """
    end = first + (torch.arange((tokens - first) // block) + 1) * block
    return (end <= (place[:, None] + 1 - WINDOW_TOKENS)) & (end > SINK_TOKENS)
