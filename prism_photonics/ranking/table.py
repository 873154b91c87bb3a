"""The table of selectors: needle recall of a language model under block selection, with chance and intervals beside it.

Selection is per layer, per KV head and per decode step; no union over heads, no fallback to full attention, and no
point where all blocks are chosen. Beside the chosen blocks every row reads the same sink and local window.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from prism_photonics.ranking.gather import Reach
from prism_photonics.ranking.needle.tokens import Vocabulary, needle_sequence
from prism_photonics.ranking.probe import LayerStep, Probe
from prism_photonics.ranking.recall import wilson_interval
from prism_photonics.ranking.selectors import Selector, top_candidates
from prism_photonics.units import InputError

LEAST_TRIALS = 100
SINK_TOKENS = 4
WINDOW_TOKENS = 16
CALIBRATION_SEED = 10**6
"""Sequences that selectors are trained on are drawn from here on, those of the table below."""


@dataclass(frozen=True)
class TableRow:
    """One selector at one context, block size and k. Shares run from 0 to 1.

    Attributes:
        model: Name of the language model.
        selector: Name of the selector; "full" is full attention.
        context: Tokens of the context.
        block: Tokens per block.
        k: Blocks that are chosen.
        blocks: Blocks that could be chosen.
        chance: Hit of as many blocks chosen at random: blocks really chosen / blocks.
        accuracy: Share of needles whose value is the most likely next token.
        accuracy_low: Lower end of its Wilson 95 % interval.
        accuracy_high: Upper end.
        hit: Share of (needle, KV head) pairs of the retrieval layer whose needle's block is chosen.
        hit_low: Lower end of its Wilson 95 % interval; pairs of one needle are not independent.
        hit_high: Upper end.
        recall: Mean recall@k of the retrieval layer against the exact attention mass of the same queries.
        mass_coverage: Mean share of that mass on the chosen blocks, of what lies on all blocks that could be chosen.
        tokens_read: Mean tokens read per layer, KV head and step, sink and window included.
        tokens_full: Tokens that full attention reads.
        signature_bytes: Bytes of signatures read per query and KV head.
        pages: Pages of chip rows read per query and KV head.
        passes: Readings of the chip per query and KV head: pages times slices times shots.
        delta_nll: Mean negative log-likelihood of the answers less that of full attention, nats.
        trials: Needles asked.
        needles: Needles in each sequence.
        retrieval_layer: The layer whose exact attention finds the needles.
    """

    model: str
    selector: str
    context: int
    block: int
    k: int
    blocks: int
    chance: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    hit: float
    hit_low: float
    hit_high: float
    recall: float
    mass_coverage: float
    tokens_read: float
    tokens_full: int
    signature_bytes: float
    pages: float
    passes: float
    delta_nll: float
    trials: int
    needles: int
    retrieval_layer: int


@dataclass
class _Sums:
    """Running sums of one row."""

    trials: int = 0
    right: int = 0
    pairs: int = 0
    hits: int = 0
    chance: float = 0.0
    recall: float = 0.0
    coverage: float = 0.0
    read: float = 0.0
    delta_nll: float = 0.0
    choices: int = 0


@dataclass(frozen=True)
class Point:
    """Where the table is computed.

    Attributes:
        context: Tokens of the context.
        block: Tokens per block.
        k: Blocks chosen; fewer than a context has.
        trials: Needles asked at least; ``LEAST_TRIALS`` for a row that is quoted.
        spacing: Tokens of context per needle. Needles that crowd one block hide one another, so the density decides
            as much as the block size.
    """

    context: int
    block: int
    k: int
    trials: int = 128
    spacing: int = 128

    def __post_init__(self):
        blocks = self.context // self.block
        if not 1 <= self.k < blocks:
            raise InputError(
                f"k: got {self.k}, want 1 to {blocks - 1}: a context of {self.context} tokens has {blocks} blocks of "
                f"{self.block}; with every block chosen nothing is selected"
            )

    @property
    def needles(self) -> int:
        """Needles in one sequence, at most 96."""
        return max(1, min(96, self.context // self.spacing))

    @property
    def sequences(self) -> int:
        """Sequences that hold the trials."""
        return -(-self.trials // self.needles)


def table(
    name: str,
    model: Any,
    vocabulary: Vocabulary,
    *,
    selectors: Mapping[str, Selector],
    points: Sequence[Point],
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> list[TableRow]:
    """Rows of all selectors at all points, full attention first.

    Each sequence is prefilled once, densely, and feeds every selector and every point of its length.

    Args:
        name: The model's name in the rows.
        model: A causal language model of Hugging Face.
        vocabulary: Its needle vocabulary.
        selectors: Selectors by the names that the rows shall have.
        points: Contexts, block sizes and k.
        seed: Seed of the sequences.
        tell: Told what is being done.

    Returns:
        The rows, point by point.
    """
    for selector in selectors.values():
        for block in dict.fromkeys(point.block for point in points):
            selector.require_block(block)
    rows = []
    sequences = dict.fromkeys((point.context, point.trials, point.spacing) for point in points)
    for context, trials, spacing in sequences:
        mine = [point for point in points if (point.context, point.trials, point.spacing) == (context, trials, spacing)]
        rows += _rows_of_one_context(name, model, vocabulary, selectors, points=mine, seed=seed, tell=tell)
    return rows


def _rows_of_one_context(
    name: str,
    model: Any,
    vocabulary: Vocabulary,
    selectors: Mapping[str, Selector],
    *,
    points: Sequence[Point],
    seed: int,
    tell: Callable[[str], None],
) -> list[TableRow]:
    first = points[0]
    tell(f"{first.context} tokens: prefill of {first.sequences} sequences")
    asked = list(probes(model, vocabulary, first, seed=seed))
    # Judged on the queries of full attention, which need no selector.
    layer = retrieval_layer(asked[0], asked[0].ask(block=first.block)[1], block=first.block)
    dims = asked[0].keys[layer].shape[-1]
    trained = [selector for selector in selectors.values() if selector.trained]
    studied = list(probes(model, vocabulary, first, seed=CALIBRATION_SEED)) if trained else []
    rows = []
    for block in dict.fromkeys(point.block for point in points):
        _train(trained, studied, block=block)
        mine = [point for point in points if point.block == block]
        sums = {(point, label): _Sums() for point in mine for label in ("full", *selectors)}
        for number, probe in enumerate(asked):
            tell(f"{first.context} tokens, block {block}: sequence {number + 1} of {len(asked)}")
            probe.forget()
            full, steps = probe.ask(block=block)
            for point in mine:
                _add(sums[point, "full"], probe, full, full, steps=steps, layer=layer, point=point)
                for label, selector in selectors.items():
                    said, used = probe.ask(selector, k=point.k, block=block, sink=SINK_TOKENS, window=WINDOW_TOKENS)
                    _add(sums[point, label], probe, said, full, steps=used, layer=layer, point=point)
        rows += [
            _row(name, label, selectors.get(label), point, sums=sums[point, label], layer=layer, dims=dims)
            for point in mine
            for label in ("full", *selectors)
        ]
    return rows


def probes(model: Any, vocabulary: Vocabulary, point: Point, *, seed: int) -> Iterator[Probe]:
    """The prefilled sequences of a point, one at a time."""
    for number in range(point.sequences):
        sequence = needle_sequence(vocabulary, tokens=point.context, needles=point.needles, seed=seed + number)
        yield Probe(model, sequence, number=number)


def retrieval_layer(probe: Probe, steps: Sequence[LayerStep], *, block: int) -> int:
    """The layer whose exact attention puts the most on the needles' blocks, KV heads averaged."""
    needle = torch.as_tensor(probe.sequence.answer_position) // block
    inside = needle < steps[0].mass.shape[-1]
    question = torch.arange(len(needle))[inside]
    found = [float(step.mass[0][:, question, needle[inside]].mean()) for step in steps]
    return max(range(len(found)), key=found.__getitem__)


def _train(selectors: Sequence[Selector], studied: Sequence[Probe], *, block: int) -> None:
    if not selectors:
        return
    steps = [probe.ask(block=block)[1] for probe in studied]
    for layer in range(len(studied[0].keys)):
        keys = torch.cat([probe.keys[layer] for probe in studied])
        queries = torch.cat([step[layer].queries for step in steps])
        form = studied[0].forms[layer]
        for selector in selectors:
            selector.fit(keys, queries, layer=layer, block=block, scaling=form.scaling, softcap=form.softcap)


def _add(
    sums: _Sums,
    probe: Probe,
    said: torch.Tensor,
    full: torch.Tensor,
    *,
    steps: Sequence[LayerStep],
    layer: int,
    point: Point,
) -> None:
    answer = torch.as_tensor(probe.sequence.answer)[:, None]
    sums.trials += len(answer)
    sums.right += int((said.argmax(-1) == answer[:, 0]).sum())
    sums.delta_nll += float((full.gather(1, answer) - said.gather(1, answer)).sum())
    sums.read += float(sum(step.tokens_read for step in steps)) / len(steps)
    sums.choices += 1
    step = steps[layer]
    candidates = _candidates(probe, point)
    allowed = candidates.expand_as(step.mass)
    chosen = step.chosen if step.chosen.shape[-1] else top_candidates(step.mass, int(candidates.sum()), allowed)
    needle = (torch.as_tensor(probe.sequence.answer_position) // point.block)[None, None, :, None]
    rankable = candidates[needle.clamp(max=candidates.numel() - 1)] & (needle < candidates.numel())
    hit = ((chosen == needle).any(-1, keepdim=True) & rankable).sum()
    sums.hits += int(hit)
    sums.pairs += int(rankable.sum()) * chosen.shape[1]
    real = chosen >= 0
    count = real.sum(-1).float()
    sums.chance += float(count.mean()) / int(candidates.sum())
    wanted = top_candidates(step.mass, min(point.k, int(candidates.sum())), allowed)
    found = (chosen[..., :, None] == wanted[..., None, :]).any(-2).float().mean(-1)
    sums.recall += float(found.mean())
    covered = (step.mass.gather(-1, chosen.clamp(min=0)) * real).sum(-1)
    sums.coverage += float((covered / (step.mass * allowed).sum(-1).clamp(min=1e-30)).mean())


def _candidates(probe: Probe, point: Point) -> torch.Tensor:
    valid = torch.ones(1, probe.tokens + 1, dtype=torch.bool)
    reach = Reach.at_end(valid, block=point.block, sink=SINK_TOKENS, window=WINDOW_TOKENS)
    return reach.candidates[0, : probe.tokens // point.block]


def _row(
    name: str, label: str, selector: Selector | None, point: Point, *, sums: _Sums, layer: int, dims: int
) -> TableRow:
    low, high = wilson_interval(sums.right, trials=sums.trials)
    hit_low, hit_high = wilson_interval(sums.hits, trials=max(sums.pairs, 1))
    blocks = point.context // point.block
    nothing = {"signature_bytes": 0.0, "pages": 0.0, "passes": 0.0}
    cost = selector.cost(blocks, dims=dims, block=point.block) if selector else nothing
    return TableRow(
        model=name,
        selector=label,
        context=point.context,
        block=point.block,
        k=point.k if selector else blocks,
        blocks=blocks,
        chance=sums.chance / sums.choices,
        accuracy=sums.right / sums.trials,
        accuracy_low=low,
        accuracy_high=high,
        hit=sums.hits / max(sums.pairs, 1),
        hit_low=hit_low,
        hit_high=hit_high,
        recall=sums.recall / sums.choices,
        mass_coverage=sums.coverage / sums.choices,
        tokens_read=sums.read / sums.choices,
        tokens_full=point.context + 1,
        delta_nll=sums.delta_nll / sums.trials,
        trials=sums.trials,
        needles=point.needles,
        retrieval_layer=layer,
        **cost,
    )
