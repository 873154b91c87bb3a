"""The needle task's tokens: a haystack of topical filler that hides (key, value) pairs, and the keys asked afterwards.

Context: start, filler with needles, separator. Each question is one key token, asked right after the context; the
answer is its value. Filler comes in stretches of one topic: neighbouring tokens share content, as in real text.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from prism_photonics.units import InputError

SYMBOLS_PER_TOPIC = 15
TOPICS = 16
TOPIC_SHARE = 0.85
"""Share of the tokens of a stretch that belong to its topic."""
STRETCH_TOKENS = 128
"""Mean length of a stretch of one topic."""


@dataclass(frozen=True)
class Vocabulary:
    """Which token ids play which part.

    Attributes:
        start: Id of the first token of a sequence.
        separator: Id of the token between context and questions.
        keys: Ids of the key symbols.
        values: Ids of the value symbols.
        filler: Ids of the filler symbols, topic by topic.
    """

    start: int
    separator: int
    keys: Int[np.ndarray, " keys"]
    values: Int[np.ndarray, " values"]
    filler: Int[np.ndarray, " fillers"]

    @classmethod
    def needle(cls) -> "Vocabulary":
        """That of the built-in models: 0 start, 1 separator, 3–130 keys, 131–258 values, 259–511 filler."""
        return cls(0, 1, np.arange(3, 131), np.arange(131, 259), np.arange(259, 512))

    @classmethod
    def of_any(cls, size: int, *, seed: int = 0) -> "Vocabulary":
        """A fixed random choice from the ids of another model's vocabulary.

        Args:
            size: Tokens of the vocabulary, at least 64.
            seed: Seed of the choice.

        Returns:
            A quarter of the ids (at most 128) are keys, as many values, up to 253 filler.

        Raises:
            InputError: The vocabulary is too small.
        """
        if size < 64:
            raise InputError(f"vocabulary: got {size} tokens, want at least 64; use a model with a larger vocabulary")
        ids = np.random.default_rng(seed).permutation(np.arange(2, size))
        symbols = min(128, size // 4)
        return cls(0, 1, ids[:symbols], ids[symbols : 2 * symbols], ids[2 * symbols : 2 * symbols + 253])


@dataclass(frozen=True)
class NeedleSequence:
    """One context and its questions, which are asked independently of one another.

    Attributes:
        context: Token ids of the context.
        question: Key token of each question.
        answer: Value token that each asks for.
        answer_position: Place of that value in the context.
    """

    context: Int[np.ndarray, " tokens"]
    question: Int[np.ndarray, " questions"]
    answer: Int[np.ndarray, " questions"]
    answer_position: Int[np.ndarray, " questions"]


def needle_sequence(vocabulary: Vocabulary, *, tokens: int, needles: int, seed: int) -> NeedleSequence:
    """A context with distinct needles, every one of which is asked once.

    Args:
        vocabulary: Which ids play which part.
        tokens: Length of the context.
        needles: Needles, at most one per four tokens and one per key symbol.
        seed: Seed of everything.

    Returns:
        The sequence.

    Raises:
        InputError: More needles than fit.
    """
    most = min((tokens - 2) // 4, len(vocabulary.keys))
    if not 1 <= needles <= most:
        raise InputError(
            f"needles: got {needles}, want 1 to {most} in {tokens} tokens; choose fewer or a longer context"
        )
    rng = np.random.default_rng([seed, tokens, needles])
    context = np.empty(tokens, np.int64)
    context[0], context[-1] = vocabulary.start, vocabulary.separator
    context[1:-1] = filler(vocabulary, tokens - 2, rng)
    place = 1 + 2 * rng.permutation((tokens - 2) // 2)[:needles]
    question = rng.permutation(vocabulary.keys)[:needles]
    answer = rng.choice(vocabulary.values, needles)
    context[place], context[place + 1] = question, answer
    return NeedleSequence(context, question, answer, place + 1)


def filler(vocabulary: Vocabulary, tokens: int, rng: np.random.Generator) -> Int[np.ndarray, " tokens"]:
    """Filler tokens in stretches of one topic.

    Args:
        vocabulary: Its filler ids are cut into topics of ``SYMBOLS_PER_TOPIC``.
        tokens: How many.
        rng: Source of randomness.

    Returns:
        Token ids.
    """
    size = len(vocabulary.filler)
    topics = max(1, min(TOPICS, size // SYMBOLS_PER_TOPIC))
    stretch = np.cumsum(rng.random(tokens) < 1 / STRETCH_TOKENS)
    topic = rng.integers(topics, size=stretch[-1] + 1)[stretch]
    own = topic * SYMBOLS_PER_TOPIC + rng.integers(min(SYMBOLS_PER_TOPIC, size), size=tokens)
    mine = rng.random(tokens) < TOPIC_SHARE
    return vocabulary.filler[np.where(mine, own, rng.integers(size, size=tokens))]
