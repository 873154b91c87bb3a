"""What selections find in every layer and KV head of text to learn from, by which a selector of each is chosen.

``ranking.per_layer.best_of_layers`` takes recall by layer, ``ranking.sized.share_out`` what is covered by KV head.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.ranking.pretrained.cached import Answer, CachedText, Selection
from prism_photonics.ranking.pretrained.tasks import ask


def recall_by_layer(
    model: Any,
    tokenizer: Any,
    selections: Mapping[str, Selection],
    *,
    context: int,
    texts: Sequence[int],
    task: str = "multi_key",
    train: bool = True,
) -> dict[str, list[float]]:
    """Mean recall of the blocks with most exact attention, in every layer.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        selections: How blocks are chosen, by name.
        context: Tokens of a text.
        texts: Numbers of the texts; all their questions are asked.
        task: Kind of question.
        train: Whether text and templates are those to learn from, which no table asks about.

    Returns:
        Recall of each selection, by layer.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in selections}
    for name, said in _answers(model, tokenizer, selections, context=context, texts=texts, task=task, train=train):
        found[name].append(said.recall)
    return {name: torch.stack(each).mean(0).tolist() for name, each in found.items()}


def covered_by_head(
    model: Any,
    tokenizer: Any,
    selections: Mapping[str, Selection],
    *,
    context: int,
    texts: Sequence[int],
    task: str = "multi_key",
    train: bool = True,
) -> dict[str, Float[Tensor, "layers kv_heads"]]:
    """Mean share of the exact attention on blocks that the chosen ones hold, in every layer and KV head.

    Arguments as of ``recall_by_layer``.

    Returns:
        What each selection covers.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in selections}
    for name, said in _answers(model, tokenizer, selections, context=context, texts=texts, task=task, train=train):
        found[name].append(said.covered)
    return {name: torch.stack(each).mean(0) for name, each in found.items()}


def _answers(
    model: Any,
    tokenizer: Any,
    selections: Mapping[str, Selection],
    *,
    context: int,
    texts: Sequence[int],
    task: str,
    train: bool,
) -> Iterator[tuple[str, Answer]]:
    """Every question's answer under every selection."""
    for number in texts:
        asked = ask(task, tokenizer, tokens=context, seed=number, train=train)
        for each in selections.values():
            each.selector.restart(number)
        text = CachedText(model, asked.context, number=number)
        for question, answer in zip(asked.questions, asked.answers, strict=True):
            said = text.question(question).answers(answer, list(selections.values()))
            yield from zip(selections, said, strict=True)
