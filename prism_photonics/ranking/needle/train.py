"""The recipe of the built-in needle models: from random weights to recall at 16,384 tokens, on one core.

A two-layer Qwen2 learns to repeat random segments, then to recall needles in contexts of doubling length; a stage ends
when its recall is good. The *selectable* model is trained with block selection in the loop: a cross-entropy on layer-1
mean-key block scores names the needle's block. The start is structured, and that is disclosed wherever the models are
quoted: the bias of one layer-0 head makes it attend to the previous token.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from prism_photonics.files import make_folder, write_text
from prism_photonics.ranking.gate import watching
from prism_photonics.ranking.interface import Call
from prism_photonics.ranking.needle.models import import_transformers, quiet
from prism_photonics.ranking.needle.tokens import Vocabulary, filler
from prism_photonics.units import InputError

SECONDS: dict[str, float] = {"selectable": 2900.0, "plain": 1500.0}
"""Seconds of processor time that the built-in models took, one thread."""

LEARNING_RATE = 3e-3
LAST_STAGE_RATE = 6e-4
LAST_STAGE_SHARE = 0.37
"""Share of a selectable model's time that is spent at 16,384 tokens, at a lower rate."""
SELECTION_WEIGHT = 0.3
GOOD = 0.97
_ROPE_THETA = 1e6


@dataclass(frozen=True)
class Stage:
    """One step of the curriculum.

    Attributes:
        tokens: Length of a sequence.
        needles: Needles in it; 0 for repeated random segments.
        questions: Questions at its end.
    """

    tokens: int
    needles: int
    questions: int


STAGES = (
    *(Stage(64, 0, 0), Stage(128, 0, 0), Stage(128, 16, 24), Stage(256, 24, 48), Stage(512, 32, 64)),
    *(Stage(1024, 48, 96), Stage(2048, 64, 128), Stage(4096, 96, 192), Stage(8192, 128, 256)),
)
LAST_STAGE = Stage(16384, 128, 256)


@dataclass(frozen=True)
class Batch:
    """Training sequences.

    Attributes:
        ids: Tokens.
        position: Where a token is to be predicted from: the one after it is the target.
        needle: Place of the value that is asked for; empty for repeated segments.
        haystack: Tokens before the questions.
    """

    ids: Int[Tensor, "sequences tokens"]
    position: Int[Tensor, " questions"]
    needle: Int[Tensor, "sequences answers"]
    haystack: int


def needle_batch(stage: Stage, sequences: int, rng: np.random.Generator) -> Batch:
    """Needle sequences whose questions stand in the same sequence, one after the other.

    Args:
        stage: Length, needles and questions.
        sequences: How many.
        rng: Source of randomness.

    Returns:
        The batch.
    """
    vocabulary = Vocabulary.needle()
    haystack = stage.tokens - 2 - 2 * stage.questions
    ids = np.empty((sequences, stage.tokens), np.int64)
    needle = np.empty((sequences, stage.questions), np.int64)
    position = 2 + haystack + 2 * np.arange(stage.questions)
    for line, where in zip(ids, needle, strict=True):
        line[:] = filler(vocabulary, stage.tokens, rng)
        line[0], line[1 + haystack] = vocabulary.start, vocabulary.separator
        place = 1 + 2 * rng.permutation(haystack // 2)[: stage.needles]
        keys = rng.permutation(vocabulary.keys)[: stage.needles]
        values = rng.choice(vocabulary.values, stage.needles)
        line[place], line[place + 1] = keys, values
        asked = rng.integers(stage.needles, size=stage.questions)
        line[position], line[position + 1] = keys[asked], values[asked]
        where[:] = place[asked] + 1
    return Batch(torch.as_tensor(ids), torch.as_tensor(position), torch.as_tensor(needle), haystack)


def repeated_batch(tokens: int, sequences: int, rng: np.random.Generator) -> Batch:
    """Random segments that repeat, so that a model learns to copy what followed last time.

    Args:
        tokens: Length of a sequence.
        sequences: How many.
        rng: Source of randomness.

    Returns:
        The batch; at most 1,024 places of it are asked.
    """
    segment = int(rng.integers(tokens // 4, tokens // 2))
    ids = np.tile(rng.integers(3, 512, (sequences, segment)), (1, -(-tokens // segment)))[:, :tokens]
    position = rng.permutation(np.arange(segment, tokens - 1))[:1024]
    return Batch(torch.as_tensor(ids), torch.as_tensor(position), torch.empty(sequences, 0, dtype=torch.long), 0)


def fresh_model(seed: int) -> Any:
    """The untrained model: 131,904 parameters, structured start."""
    transformers = import_transformers()
    torch.manual_seed(seed)
    dims = 32
    config = transformers.Qwen2Config(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=dims,
        max_position_embeddings=65536,
        rope_parameters={"rope_type": "default", "rope_theta": _ROPE_THETA},
        tie_word_embeddings=True,
        initializer_range=0.05,
    )
    model = transformers.Qwen2ForCausalLM(config)
    attention = model.model.layers[0].self_attn
    turn = _ROPE_THETA ** (-torch.arange(0, dims, 2) / dims)
    with torch.no_grad():
        # A constant query against a constant key that is turned on by one position: the previous token wins.
        attention.q_proj.bias[: dims // 2], attention.q_proj.bias[dims // 2 : dims] = 6.0, 0.0
        attention.k_proj.bias[: dims // 2] = 6.0 * turn.cos()
        attention.k_proj.bias[dims // 2 : dims] = 6.0 * turn.sin()
    return model


def selection_loss(
    queries: Float[Tensor, "sequences heads tokens dims"],
    keys: Float[Tensor, "sequences kv_heads tokens dims"],
    batch: Batch,
    *,
    block: int,
    log_gain: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Cross-entropy of the needle's block under the softmax of mean-key scores, per KV head.

    Args:
        queries: Post-RoPE queries of the retrieving layer.
        keys: Post-RoPE keys.
        batch: Where the questions and needles are.
        block: Tokens per block.
        log_gain: Logarithm of the softmax's inverse temperature; it is trained too.

    Returns:
        The loss, nats.
    """
    kv_heads, blocks = keys.shape[1], batch.haystack // block
    asked = queries[:, :, batch.position].unflatten(1, (kv_heads, -1)).sum(2)
    means = keys[:, :, : blocks * block].unflatten(2, (blocks, block)).mean(3)
    scores = torch.einsum("bhqd,bhnd->bhqn", asked, means) * log_gain.exp()
    wanted = (batch.needle // block)[:, None].expand(scores.shape[:3])
    inside = wanted < blocks
    return functional.cross_entropy(scores[inside], wanted[inside])


def train(
    out: Path,
    *,
    kind: str = "selectable",
    seconds: float | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train a needle model from nothing and save it.

    Args:
        out: Folder for config.json, model.safetensors and needle.json.
        kind: With block selection in the loop, or plain.
        seconds: Processor time to spend; by default what the built-in model of that kind took.
        seed: Seed of weights and data.
        tell: Told of progress.

    Returns:
        Steps, tokens, seconds, the longest stage reached and its running recall; as in needle.json.

    Raises:
        InputError: Another kind, or no time.
    """
    if kind not in SECONDS:
        raise InputError(f"kind: got '{kind}', want selectable or plain; choose one")
    budget = SECONDS[kind] if seconds is None else seconds
    if not budget > 0:
        raise InputError(f"seconds: got {budget}, want more than 0; give it time")
    make_folder(out)
    first_budget = budget * (1 - LAST_STAGE_SHARE) if kind == "selectable" else budget
    run = _Run(fresh_model(seed), kind, np.random.default_rng(seed), tell)
    run.curriculum(first_budget)
    if kind == "selectable":
        run.last_stage(budget - first_budget)
    run.model.eval()
    with quiet():
        run.model.save_pretrained(str(out))
    summary = {
        "kind": kind,
        "seed": seed,
        "steps": run.steps,
        "tokens": run.tokens,
        "seconds": round(run.clock(), 1),
        "longest_stage": run.stage.tokens,
        "running_recall": round(run.recall, 4),
    }
    # Its presence says that the model speaks the needle vocabulary.
    write_text(out / "needle.json", json.dumps(summary, indent=2) + "\n")
    return summary


class _Run:
    """Model, optimiser and the running numbers of one training."""

    def __init__(self, model: Any, kind: str, rng: np.random.Generator, tell: Callable[[str], None]):
        self.model, self.kind, self.rng, self.tell = model.train(), kind, rng, tell
        self.log_gain = torch.zeros((), requires_grad=True)
        self.steps = self.tokens = 0
        self.stage, self.recall = STAGES[0], 0.0
        self._start = time.process_time()
        self._renew()

    def clock(self) -> float:
        """Processor seconds since the start: another's load on the machine does not shorten the recipe."""
        return time.process_time() - self._start

    def curriculum(self, budget: float) -> None:
        """All stages up to 8,192 tokens; the rate falls over the second half of the time."""
        number = inside = 0
        while (spent := self.clock() / budget) < 1:
            stage = self.stage = STAGES[number]
            rate = LEARNING_RATE * min(1.0, (self.steps + 1) / 50) * min(1.0, max(0.03, 2 * (1 - spent)))
            if stage.needles == 0 or self.rng.random() < 0.1:
                batch = repeated_batch(stage.tokens, max(4096, stage.tokens) // stage.tokens, self.rng)
            else:
                # Shorter contexts are kept alive.
                shorter = number > 4 and self.rng.random() < (0.4 if self.kind == "selectable" else 0.3)
                drawn = STAGES[number - 1] if shorter else stage
                batch = needle_batch(drawn, max(1, max(4096, stage.tokens) // drawn.tokens), self.rng)
            self._step(batch, rate, blocks=(16, 32, 64) if batch.ids.shape[1] >= 512 else (16,))
            inside += 1
            if self.recall > GOOD and inside > (60 if number < 5 else 150) and number < len(STAGES) - 1:
                self.tell(f"{stage.tokens} tokens, {stage.needles} needles: done after {self.steps} steps")
                number, inside, self.recall = number + 1, 0, 0.0

    def last_stage(self, budget: float) -> None:
        """16,384 tokens, blocks up to 128, at a lower rate that falls to nothing."""
        begun = self.clock()
        self._renew()
        number = 0
        while (spent := (self.clock() - begun) / budget) < 1:
            self.stage = LAST_STAGE
            drawn = LAST_STAGE if number % 3 else STAGES[-2]
            rate = LAST_STAGE_RATE * min(1.0, (number + 1) / 10) * max(0.03, 1 - spent)
            self._step(needle_batch(drawn, max(1, 8192 // drawn.tokens), self.rng), rate, blocks=(16, 32, 64, 128))
            number += 1

    def _renew(self) -> None:
        parameters = [*self.model.parameters(), self.log_gain]
        self._optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0)

    def _step(self, batch: Batch, rate: float, *, blocks: tuple[int, ...]) -> None:
        seen: list[tuple[Tensor, Tensor]] = []

        def attend(call: Call) -> Tensor:
            seen.append((call.query, call.key))
            return call.dense()[0]

        with watching(self.model, attend):
            hidden = self.model.model(batch.ids, use_cache=False).last_hidden_state
        logits = self.model.lm_head(hidden[:, batch.position])
        target = batch.ids[:, batch.position + 1]
        loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        if self.kind == "selectable" and batch.needle.numel():
            block = int(self.rng.choice(blocks))
            loss = loss + SELECTION_WEIGHT * selection_loss(*seen[-1], batch, block=block, log_gain=self.log_gain)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        self.steps += 1
        self.tokens += batch.ids.numel()
        right = float((logits.argmax(-1) == target).float().mean())
        self.recall = 0.95 * self.recall + 0.05 * right
        if self.steps % 100 == 0:
            self.tell(
                f"{self.clock():.0f} s, step {self.steps}, {self.stage.tokens} tokens: loss {loss.item():.3f}, "
                f"running recall {self.recall:.3f}"
            )
