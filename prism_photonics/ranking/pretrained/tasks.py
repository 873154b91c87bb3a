"""Questions about a long text, generated: numbers and names hidden in one of Python's own texts (``haystacks``).

The kinds are those of RULER's protocol (arXiv 2404.06654), in our own words and code. Needles stand at random tokens,
so that they straddle blocks as they may. Training and test take different halves of the text, different templates and
different names.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prism_photonics.ranking.pretrained.haystacks import haystack
from prism_photonics.units import InputError, nearest

PLACES = (0.05, 0.95)
"""Share of the text between which needles stand; design choice."""
CITIES = (
    *("Lisbon", "Nairobi", "Oslo", "Quito", "Seoul", "Cairo", "Dublin", "Lima", "Havana", "Madrid", "Tunis", "Prague"),
    *("Vienna", "Athens", "Bergen", "Geneva"),
)
NAMES = (
    *("Alice", "Bruno", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Irene", "James", "Karen", "Louis"),
    *("Maria", "Nora", "Oscar", "Peter"),
)
WORDS = (
    *("apple", "river", "candle", "mirror", "garden", "bottle", "window", "pencil", "basket", "ladder", "blanket"),
    *("button", "hammer", "pillow", "saddle", "tunnel"),
)
VARIABLES = (
    *("AXB", "QFR", "ZKL", "MNP", "TWO", "HJD", "CVB", "YUI", "RTS", "KLM", "BNH", "WVY", "LUT", "PLD"),
    *("DGB", "XSQ", "GYC", "NKV", "VTA", "FGH", "SMR", "JWE"),
)


@dataclass(frozen=True)
class Question:
    """What is asked after the text, and how it goes on when it is answered right.

    Attributes:
        asked: The question, with the beginning of the answer.
        answer: The rest of it.
    """

    asked: str
    answer: str


@dataclass(frozen=True)
class Needles:
    """Sentences to be hidden in a text, and the questions about them.

    Attributes:
        sentences: In the order in which they stand.
        questions: Each asked by itself.
    """

    sentences: tuple[str, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Asked:
    """One text in tokens with its questions.

    Attributes:
        context: Token ids of the text.
        questions: Token ids of each question.
        answers: Token ids of each answer.
    """

    context: list[int]
    questions: list[list[int]]
    answers: list[list[int]]


def pass_key(rng: np.random.Generator, train: bool) -> Needles:
    """One number, hidden once."""
    number = _number(rng)
    if train:
        return Needles(
            (f" The door opens with the code {number}.",), (Question("\nThe door opens with the code", f" {number}"),)
        )
    return Needles(
        (f" The pass key is {number}. Remember it. {number} is the pass key.",),
        (Question("\nWhat is the pass key? The pass key is", f" {number}"),),
    )


def multi_key(rng: np.random.Generator, train: bool) -> Needles:
    """Four numbers of four cities, each asked for."""
    cities, numbers = _some(rng, CITIES, 4, train), [_number(rng) for _ in range(4)]
    said = "The locker of {} has the number" if train else "The special magic number for {} is:"
    sentences = [f" {said.format(city)} {number}." for city, number in zip(cities, numbers, strict=True)]
    asked = [
        Question(f"\n{said.format(city)}", f" {number}")
        if train
        else Question(f"\nWhat is the special magic number for {city}? {said.format(city)}", f" {number}")
        for city, number in zip(cities, numbers, strict=True)
    ]
    return Needles(tuple(sentences), tuple(asked))


def multi_value(rng: np.random.Generator, train: bool) -> Needles:
    """Three numbers of one city, asked for in the order in which they stand."""
    (city,), numbers = _some(rng, CITIES, 1, train), [_number(rng) for _ in range(3)]
    if train:
        said, asked = "A locker of {} has the number", f"\nAs they come, the lockers of {city} have the numbers"
    else:
        said = "One of the special magic numbers for {} is:"
        asked = (
            f"\nWhat are all the special magic numbers for {city}? In order, the special magic numbers for {city} are:"
        )
    return Needles(
        tuple(f" {said.format(city)} {number}." for number in numbers),
        (Question(asked, " " + ", ".join(numbers)),),
    )


def multi_query(rng: np.random.Generator, train: bool) -> Needles:
    """The numbers of two of four cities in one answer; four such pairs, every city once first and once second."""
    cities, numbers = _some(rng, CITIES, 4, train), [_number(rng) for _ in range(4)]
    order = rng.permutation(4)
    if train:
        said, asked = "The locker of {} has the number", "\nThe lockers of {} have the numbers"
    else:
        said, asked = "The special magic number for {} is:", "\nThe special magic numbers for {} are:"
    pairs = [(order[first], order[second]) for first, second in ((0, 1), (2, 3), (1, 2), (3, 0))]
    return Needles(
        tuple(f" {said.format(city)} {number}." for city, number in zip(cities, numbers, strict=True)),
        tuple(
            Question(asked.format(f"{cities[one]} and {cities[other]}"), f" {numbers[one]} and {numbers[other]}")
            for one, other in pairs
        ),
    )


def variable_tracking(rng: np.random.Generator, train: bool) -> Needles:
    """A chain of three assignments, the last variable's value asked for; the question names the variables between."""
    number, names = _number(rng), _some(rng, VARIABLES[:8], 3, train)
    kind = "CELL" if train else "VAR"
    sentences = [f" {kind} {names[0]} = {number}."]
    sentences += [f" {kind} {new} = {kind} {old}." for old, new in itertools.pairwise(names)]
    chain = " = ".join(f"{kind} {name}" for name in reversed(names))
    asked = f"\n{chain} =" if train else f"\nWhat is the value of VAR {names[2]}? {chain} ="
    return Needles(tuple(sentences), (Question(asked, f" {number}"),))


def variable_chain(rng: np.random.Generator, train: bool) -> Needles:
    """All five variables of a chain of four hops, asked for by its number; a second chain has another number."""
    names, numbers = _some(rng, VARIABLES, 10, train), [_number(rng) for _ in range(2)]
    kind = "REG" if train else "VAR"
    chains = []
    for chain, number in zip((names[:5], names[5:]), numbers, strict=True):
        said = [f" {kind} {chain[0]} = {number}."]
        chains.append(said + [f" {kind} {new} = {kind} {old}." for old, new in itertools.pairwise(chain)])
    # Each chain in its order, in one another's gaps.
    turns = rng.permutation([0] * 5 + [1] * 5)
    sentences = tuple(chains[turn].pop(0) for turn in turns)
    if train:
        asked = f"\nIn the order of assignment, {numbers[0]} is held by"
    else:
        asked = f"\nFind all variables that are assigned the value {numbers[0]}. In order, they are the variables:"
    return Needles(sentences, (Question(asked, " " + ", ".join(names[:5])),))


def word_frequency(rng: np.random.Generator, train: bool) -> Needles:
    """The word that is noted six times, among three that are noted once each."""
    words = _some(rng, WORDS, 4, train)
    noted = [words[0]] * 6 + list(words[1:])
    said = "Marked term" if train else "Noted word"
    sentences = [f" {said}: {noted[place]}." for place in rng.permutation(len(noted))]
    asked = "\nMost often marked: " if train else "\nThe word that is noted most often is: "
    return Needles(tuple(sentences), (Question(f"{asked}{said}:", f" {words[0]}"),))


def two_hop(rng: np.random.Generator, train: bool) -> Needles:
    """The number of the city in which a person lives, for each of three; the question names the city again."""
    cities, people = _some(rng, CITIES, 3, train), _some(rng, NAMES, 3, train)
    numbers = [_number(rng) for _ in range(3)]
    at = "works at the station of" if train else "lives in"
    said = "The locker of {} has the number" if train else "The special magic number for {} is:"
    there = "the station" if train else "the city"
    lives = [f" {person} {at} {city}." for person, city in zip(people, cities, strict=True)]
    has = [f" {said.format(city)} {number}." for city, number in zip(cities, numbers, strict=True)]
    sentences = [*lives, *has]
    asked = [
        Question(f"\n{person} {at} {city}. {said.format(f'{there} of {person}')}", f" {number}")
        for person, city, number in zip(people, cities, numbers, strict=True)
    ]
    return Needles(tuple(sentences[i] for i in rng.permutation(6)), tuple(asked))


TASKS: dict[str, Callable[[np.random.Generator, bool], Needles]] = {
    "pass_key": pass_key,
    "multi_key": multi_key,
    "multi_value": multi_value,
    "multi_query": multi_query,
    "variable_tracking": variable_tracking,
    "word_frequency": word_frequency,
    "two_hop": two_hop,
    "variable_chain": variable_chain,
}
TEXT, TEXT_TOKENS = "text", 64
"""Not a question: how the text itself goes on, for its likelihood; so many tokens are a design choice."""


def require_task(task: str) -> str:
    """The same name.

    Raises:
        InputError: It is unknown.
    """
    known = (*TASKS, TEXT)
    if task not in known:
        raise InputError(f"task '{task}': unknown, want one of {', '.join(known)}; {nearest(task, known)}")
    return task


def ask(task: str, tokenizer: Any, *, tokens: int, seed: int, train: bool = False, text: str = "") -> Asked:
    """A text of an exact number of tokens, and its questions.

    Args:
        task: A key of ``TASKS``, or ``TEXT``.
        tokenizer: The model's tokenizer.
        tokens: Tokens of the text.
        seed: Seed of everything.
        train: Whether it is for training: then text, templates and names are others.
        text: Another text to hide the sentences in.

    Returns:
        The tokens.

    Raises:
        InputError: An unknown task, or more sentences than fit.
    """
    require_task(task)
    rng = np.random.default_rng([seed, tokens, train, [*TASKS, TEXT].index(task)])
    start, text = [tokenizer.bos_token_id], text or haystack(train=train)
    if task == TEXT:
        found = _stretch(tokenizer, tokens + TEXT_TOKENS, rng, text=text)
        return Asked(start + found[: tokens - 1], [[found[tokens - 1]]], [found[tokens : tokens + TEXT_TOKENS]])
    needles = TASKS[task](rng, train)
    hidden = [_ids(tokenizer, sentence) for sentence in needles.sentences]
    room = tokens - 1 - sum(map(len, hidden))
    if room < 4 * len(hidden):
        raise InputError(f"context: got {tokens} tokens, want more than {tokens - room + 4 * len(hidden)} for '{task}'")
    found = _stretch(tokenizer, room, rng, text=text)
    low, high = (int(share * room) for share in PLACES)
    places = np.sort(rng.choice(np.arange(low, high), len(hidden), replace=False))
    context, before = start, 0
    for place, sentence in zip(places, hidden, strict=True):
        context = context + found[before:place] + sentence
        before = place
    asked, answers = [], []
    space = _ids(tokenizer, " ")
    for question in needles.questions:
        before_it, answer = _ids(tokenizer, question.asked), _ids(tokenizer, question.answer)
        # A space that is a token of its own is asked with: whether a model would say "the" first is no matter here.
        cut = len(space) if answer[: len(space)] == space else 0
        asked.append(before_it + answer[:cut])
        answers.append(answer[cut:])
    return Asked(context + found[before:], asked, answers)


def _stretch(tokenizer: Any, tokens: int, rng: np.random.Generator, *, text: str) -> list[int]:
    """So many tokens of the text from a random place on."""
    # A token of this text has 4.3 letters on average (SmolLM2's tokenizer); nearly twice that is surely enough.
    letters = 8 * tokens
    first = int(rng.integers(max(1, len(text) - letters)))
    found = _ids(tokenizer, text[first : first + letters])
    if len(found) < tokens:
        raise InputError(f"context: got {tokens} tokens, want at most {len(found)}: the text is no longer")
    return found[:tokens]


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _number(rng: np.random.Generator) -> str:
    return str(rng.integers(10000, 100000))


def _some(rng: np.random.Generator, names: Sequence[str], count: int, train: bool) -> list[str]:
    own = list(names)[0 if train else 1 :: 2]
    return [own[place] for place in rng.permutation(len(own))[:count]]
