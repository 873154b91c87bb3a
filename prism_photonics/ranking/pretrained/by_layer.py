"""Recall in every layer, from which ``ranking.per_layer.best_of_layers`` chooses the layer's selector."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from prism_photonics.ranking.pretrained.cached import CachedText, Selection
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
    found: dict[str, list[torch.Tensor]] = {name: [] for name in selections}
    for number in texts:
        asked = ask(task, tokenizer, tokens=context, seed=number, train=train)
        for each in selections.values():
            each.selector.restart(number)
        text = CachedText(model, asked.context, number=number)
        for question, answer in zip(asked.questions, asked.answers, strict=True):
            said = text.question(question).answers(answer, list(selections.values()))
            for name, each in zip(selections, said, strict=True):
                found[name].append(each.recall)
    return {name: torch.stack(each).mean(0).tolist() for name, each in found.items()}
