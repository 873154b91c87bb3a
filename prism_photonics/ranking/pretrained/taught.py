"""Selectors taught by a frozen model's own keys and queries, on text that no table asks about."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prism_photonics.ranking.gate import watching
from prism_photonics.ranking.interface import Call
from prism_photonics.ranking.pretrained.lessons import drawn_places
from prism_photonics.ranking.pretrained.tasks import ask
from prism_photonics.ranking.selectors import Selector

QUERIES, LAST = 400, 24
"""Queries of a text at random places, and its last ones, with which a needle is asked for; design choice."""


@torch.no_grad()
def teach(
    model: Any,
    tokenizer: Any,
    selectors: Sequence[Selector],
    *,
    context: int,
    block: int,
    texts: Sequence[int],
    task: str = "multi_key",
) -> None:
    """Let selectors that are ``trained`` learn from every layer; texts and templates are those to learn from.

    Args:
        model: The frozen model.
        tokenizer: Its tokenizer.
        selectors: What learns, see ``selectors.Selector.fit``.
        context: Tokens of a text, question and answer apart.
        block: Tokens per block, for those whose features of blocks are learned from.
        texts: Numbers of the texts.
        task: Kind of question at the end of each.
    """
    found: list[list[tuple[Tensor, Tensor, Any]]] = []
    for number in texts:
        asked = ask(task, tokenizer, tokens=context, seed=number, train=True)
        ids = (asked.context + asked.questions[0] + asked.answers[0])[-context:]
        place = drawn_places(len(ids), last=LAST, queries=QUERIES, seed=number)
        mine: list[tuple[Tensor, Tensor, Any]] = []

        def keep(call: Call, mine: list[Any] = mine, place: Tensor = place) -> Tensor:
            mine.append((call.key, call.query[:, :, place], call.form()))
            return call.dense()[0]

        with watching(model, keep):
            model(torch.tensor(ids)[None], use_cache=False, logits_to_keep=1)
        found.append(mine)
    for layer, of_texts in enumerate(zip(*found, strict=True)):
        keys, queries = (torch.cat([each[part] for each in of_texts]) for part in (0, 1))
        form = of_texts[0][2]
        for selector in selectors:
            selector.fit(keys, queries, layer=layer, block=block, scaling=form.scaling, softcap=form.softcap)
