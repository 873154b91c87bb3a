"""Text questions asked of a language model under many selectors, and the rows of their table.

Each text is prefilled once; all selectors and block sizes are asked on it. The outcomes of each text are a file, so
that a survey that was broken off goes on where it stood, and one with more selectors asks only those.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prism_photonics.files import make_folder, write_text
from prism_photonics.ranking.pretrained.cached import Answer, CachedText, Selection
from prism_photonics.ranking.pretrained.tasks import Asked, ask
from prism_photonics.ranking.recall import wilson_interval
from prism_photonics.units import InputError

FULL = "full"
RESAMPLES = 2000
"""Bootstrap samples of texts; design choice."""


@dataclass(frozen=True)
class Outcome:
    """One question under one selector.

    Attributes:
        selector: Its name; "full" for full attention.
        block: Tokens per block; 0 for full attention.
        right: Tokens of the answer that were right.
        tokens: Tokens of the answer.
        nll: Mean negative log-likelihood of them, nats.
        read: Mean tokens read per layer, KV head and step.
        recall: Mean recall of the k blocks with most exact attention, all layers.
        coverage: Mean share of the exact attention on blocks that lies on the chosen ones, all layers.
    """

    selector: str
    block: int
    right: int
    tokens: int
    nll: float
    read: float
    recall: float
    coverage: float


Questions = dict[str, list[Outcome]]
"""The outcomes of a text's questions by selector."""


@dataclass(frozen=True)
class Row:
    """One selector on one kind of question.

    Attributes:
        task: Kind of question.
        context: Tokens of a text.
        selector: Name of the selector.
        block: Tokens per block.
        chance: Chosen blocks over all.
        trials: Questions.
        texts: Texts that they were asked of.
        all_right: Share of questions whose answer greedy decoding gives.
        low: Lower end of its Wilson 95 % interval.
        high: Upper end.
        text_low: Lower end of a 95 % interval that resamples whole texts, for questions of one text are not
            independent.
        text_high: Upper end.
        tokens_right: Share of the answers' tokens that are right after right ones.
        delta_nll: Mean over the questions of the negative log-likelihood less that of full attention, nats.
        nll_low: Lower end of its 95 % interval, which resamples whole texts.
        nll_high: Upper end.
        tokens_read: Mean tokens read per layer, KV head and step.
        recall: See ``Outcome``.
        coverage: See ``Outcome``.
    """

    task: str
    context: int
    selector: str
    block: int
    chance: float
    trials: int
    texts: int
    all_right: float
    low: float
    high: float
    text_low: float
    text_high: float
    tokens_right: float
    delta_nll: float
    nll_low: float
    nll_high: float
    tokens_read: float
    recall: float
    coverage: float


def survey(
    model: Any,
    tokenizer: Any,
    selections: Mapping[str, Selection],
    *,
    task: str,
    context: int,
    texts: Sequence[int],
    folder: Path,
    of: Mapping[str, str | int],
    text: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Ask one kind of question of several texts.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        selections: How blocks are chosen, by the selectors' names; one of several block sizes has several names.
        task: Kind of question.
        context: Tokens of a text.
        texts: Numbers of the texts; several surveys may share a folder, each with texts of its own.
        folder: Holds a file for each text; what stands there is not asked anew.
        of: What else decides the outcomes, such as model, chip and seed; it stands in every file.
        text: Text to hide the sentences in; by default the language reference.
        tell: Told what is done.

    Returns:
        The rows, full attention first.

    Raises:
        InputError: A file there is damaged, or of another model, another chip or other questions, or a selector cannot
            sign blocks of a size.
    """
    for each in selections.values():
        each.selector.require_block(each.block)
    make_folder(folder)
    found: list[Questions] = []
    for place, number in enumerate(texts, 1):
        file = folder / f"{task}_{context}_{number}.json"
        known = _read(file, of)
        missing = {name: each for name, each in selections.items() if name not in known}
        # Where nothing is missing too: rows of fewer questions would look whole.
        asked = ask(task, tokenizer, tokens=context, seed=number, text=text)
        _require_all(file, known, questions=len(asked.questions))
        if missing or FULL not in known:
            for each in missing.values():
                each.selector.restart(number)
            known |= _asked(CachedText(model, asked.context, number=number), asked, missing)
            outcomes = {name: [asdict(outcome) for outcome in each] for name, each in known.items()}
            write_text(file, json.dumps({"of": dict(of), "outcomes": outcomes}) + "\n")
        found.append(known)
        right = {name: sum(o.right == o.tokens for o in known[name]) for name in (FULL, *selections)}
        told = ", ".join(f"{name} {count}" for name, count in right.items())
        tell(f"{task}, {context} tokens, text {place} of {len(texts)}: right of {len(known[FULL])}: {told}")
    chance = {name: each.k / (context // each.block) for name, each in selections.items()}
    return [_row(task, context, name, found=found, chance=chance.get(name, 1.0)) for name in (FULL, *selections)]


def _asked(text: CachedText, asked: Asked, selections: Mapping[str, Selection]) -> Questions:
    blocks = {FULL: 0} | {name: each.block for name, each in selections.items()}
    made: Questions = {name: [] for name in blocks}
    for question, answer in zip(asked.questions, asked.answers, strict=True):
        said = text.question(question).answers(answer, [None, *selections.values()])
        for (name, block), each in zip(blocks.items(), said, strict=True):
            made[name].append(_outcome(name, block, each, len(answer)))
    return made


def _read(file: Path, of: Mapping[str, str | int]) -> Questions:
    """What is known of a text; nothing of one that was not asked yet."""
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text())
        known = {name: content["of"].get(name) for name in {**of, **content["of"]}}
        found = {name: [Outcome(**each) for each in outcomes] for name, outcomes in content["outcomes"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{file}: got no outcomes of questions, want them; remove it to ask anew") from error
    for name, got in known.items():
        if got != of.get(name):
            raise InputError(f"{file}: got those of {name} {got}, want {of.get(name)}; name another folder")
    return found


def _require_all(file: Path, known: Questions, *, questions: int) -> None:
    """Refuse outcomes of another release, which asked other questions of a text."""
    for name, outcomes in known.items():
        if len(outcomes) != questions:
            raise InputError(
                f"{file}: got {len(outcomes)} outcomes of {name}, want those of {questions} questions; an earlier "
                "release asked fewer of a text: remove it to ask anew"
            )


def _outcome(name: str, block: int, answer: Answer, tokens: int) -> Outcome:
    recall, coverage = (float(each.mean()) if len(each) else 1.0 for each in (answer.recall, answer.coverage))
    return Outcome(name, block, int(answer.right.sum()), tokens, answer.nll, answer.tokens_read, recall, coverage)


def _row(task: str, context: int, name: str, *, found: list[Questions], chance: float) -> Row:
    mine = [known[name] for known in found]
    flat = [outcome for text in mine for outcome in text]
    right = [outcome.right == outcome.tokens for outcome in flat]
    low, high = wilson_interval(sum(right), trials=len(right))
    whole = [known[FULL] for known in found]
    of_text = [[o.nll - full.nll for o, full in zip(*each, strict=True)] for each in zip(mine, whole, strict=True)]
    text_low, text_high = text_interval([[float(o.right == o.tokens) for o in text] for text in mine])
    nll_low, nll_high = text_interval(of_text)

    def mean(values: Any) -> float:
        return float(np.mean(list(values)))

    return Row(
        task, context, name, flat[0].block, chance, len(flat), len(mine),
        *(sum(right) / len(right), low, high, text_low, text_high),
        sum(o.right for o in flat) / sum(o.tokens for o in flat),
        *(mean(nll for text in of_text for nll in text), nll_low, nll_high),
        *(mean(o.read for o in flat), mean(o.recall for o in flat), mean(o.coverage for o in flat)),
    )  # fmt: skip


def text_interval(of_text: Sequence[Sequence[float]]) -> tuple[float, float]:
    """95 % interval of the mean over all questions, for questions of one text are not independent.

    Args:
        of_text: One number for each question, text by text.

    Returns:
        Its ends. Texts are drawn with replacement, their questions together.
    """
    sums = np.array([[sum(text), len(text)] for text in of_text], float)
    drawn = sums[np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))].sum(1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return float(low), float(high)
