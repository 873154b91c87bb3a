"""Fitting the weights of a bound to a frozen model: what it learns from, and how.

Three weights per dimension cannot learn a text by heart: ten texts and 9 s of one core are enough for SmolLM2
(`benchmarks/smollm2_bound.py`), where a distilled gate's matrices overfit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prism_photonics.codec.checks import require_count
from prism_photonics.export.read import Bundle
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.ranking.gate import watching
from prism_photonics.ranking.interface import Call
from prism_photonics.ranking.pretrained.lessons import drawn_places, opened
from prism_photonics.ranking.weighted_bound import BoundWeights

STEPS, RATE = 160, 2e-2
"""Training steps and the largest rate of Adam, which falls as a cosine; design choice."""
QUERIES, DRAWN = 400, 80
"""Queries of a text beside its last ones, and how many of them count in one training step; design choice."""
SHIFT = 32
"""Tokens by which blocks are shifted, so that one text makes several lessons; design choice."""
START_WIDTH = 0.5
"""Weight of the widths at the start; a design choice: of SmolLM2, half of them recalls more than all or none."""
REST = 0.3
"""What it counts how much attention lies outside the blocks, against where it lies inside; design choice."""


@dataclass(frozen=True)
class BoundLesson:
    """One text to learn from, all layers and KV heads; ``heads`` counts layers times KV heads.

    Attributes:
        mean: Mean post-RoPE key of each block.
        top: Largest key of each dimension.
        low: Smallest key of each dimension.
        queries: Post-RoPE queries of each query head.
        mass: Their exact attention on each block; zero on blocks that are not to be ranked.
        open_: Blocks that are to be ranked, see ``lessons.opened``.
        last: How many of the queries, at the end, ask for a needle.
    """

    mean: Float[Tensor, "heads blocks dims"]
    top: Float[Tensor, "heads blocks dims"]
    low: Float[Tensor, "heads blocks dims"]
    queries: Float[Tensor, "heads group queries dims"]
    mass: Float[Tensor, "heads group queries blocks"]
    open_: Bool[Tensor, "queries blocks"]
    last: int


@torch.no_grad()
def bound_lessons(
    model: Any, ids: list[int], *, blocks: tuple[int, ...], last: int, seed: int, queries: int = QUERIES
) -> dict[int, list[BoundLesson]]:
    """Prefill one text, and take from it what a bound's weights are fitted to.

    Args:
        model: The frozen model.
        ids: The text's tokens, with a question and its answer at their end.
        blocks: Block sizes, the largest a multiple of all.
        last: Tokens of question and answer, whose queries all count.
        seed: Seed of the other queries' places.
        queries: How many others there are.

    Returns:
        Lessons of each block size: one for blocks from the first token on, and one for each shift of them.
    """
    tokens, kept = len(ids), len(ids) // max(blocks) * max(blocks)
    place = drawn_places(tokens, last=last, queries=queries, seed=seed)
    cuts = [(block, first) for block in blocks for first in range(0, block, min(block, SHIFT))]
    parts: dict[tuple[int, int], list[tuple[Tensor, ...]]] = {cut: [] for cut in cuts}

    def keep(call: Call) -> Tensor:
        asked = call.query[0, :, place].unflatten(0, (call.key.shape[1], -1))
        logits = call.form().scaling * (asked @ call.key[0, :, None].mT)
        weight = logits.masked_fill(torch.arange(tokens) > place[:, None], -torch.inf).softmax(-1)
        for block, first in cuts:
            part = slice(first, first + (kept - first) // block * block)
            keys = call.key[0, :, part].unflatten(1, (-1, block))
            mass = weight[..., part].unflatten(-1, (-1, block)).sum(-1)
            mass = mass * opened(place, kept, block, first=first)
            parts[block, first].append((keys.mean(2), keys.amax(2), keys.amin(2), asked, mass))
        return call.dense()[0]

    with watching(model, keep):
        model(torch.tensor(ids)[None], use_cache=False, logits_to_keep=1)
    made: dict[int, list[BoundLesson]] = {block: [] for block in blocks}
    for block, first in cuts:
        mean, top, low, asked, mass = (torch.cat(each) for each in zip(*parts[block, first], strict=True))
        open_ = opened(place, kept, block, first=first)
        made[block].append(BoundLesson(mean, top, low, asked, mass, open_, last))
    return made


def fit_bound(
    lessons: list[BoundLesson],
    *,
    bundle: Bundle | None = None,
    steps: int = STEPS,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> BoundWeights:
    """Fit the weights of all layers and heads at once, so that each head's shares follow its attention.

    Args:
        lessons: Texts to learn from, of one block size.
        bundle: The chip to learn through, its errors and noise drawn anew at every step; none: exact dot products.
        steps: Training steps.
        seed: Seed of everything.
        tell: Told how far it is.

    Returns:
        The weights.
    """
    steps = require_count("steps", steps)
    heads, group, _, dims = lessons[0].queries.shape
    plain = BoundWeights.plain(heads, group=group, dims=dims, width=START_WIDTH)
    middle, mean, width = (each.clone().requires_grad_() for each in (plain.middle, plain.mean, plain.width))
    log_query, rest = torch.zeros(heads, group, dims).requires_grad_(), plain.rest.clone().requires_grad_()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam([middle, mean, width, log_query, rest], lr=RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        lesson = lessons[int(torch.randint(len(lessons), (1,), generator=generator))]
        others = lesson.queries.shape[2] - lesson.last
        drawn = torch.randperm(others, generator=generator)[:DRAWN]
        some = torch.cat([drawn, torch.arange(others, others + lesson.last)])
        weights = BoundWeights(middle, mean, width, plain.query * log_query.exp(), rest)
        scores = scores_of(weights, lesson, some, bundle=bundle, generator=generator)
        loss = _loss(scores, rest, lesson.mass[:, :, some], lesson.open_[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
        if step % 20 == 19:
            tell(f"step {step + 1} of {steps}: {loss.item():.3f} nats")
    query = (plain.query * log_query.exp()).detach()
    return BoundWeights(middle.detach(), mean.detach(), width.detach(), query, rest.detach())


def scores_of(
    weights: BoundWeights,
    lesson: BoundLesson,
    some: Tensor,
    *,
    bundle: Bundle | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "heads group queries blocks"]:
    """Scores of some of a lesson's queries, less their mean over the blocks."""
    rows = weights.of_rows(lesson.mean, lesson.top, lesson.low)
    left = rows - rows.mean(1, keepdim=True)
    asked = lesson.queries[:, :, some] * weights.query[:, :, None]
    sketches = asked.flatten(1, 2)
    halves = torch.cat([sketches.clamp(min=0), (-sketches).clamp(min=0)], -1)
    scores = halves @ left.mT if bundle is None else _read(bundle, sketches, halves, rows=left, generator=generator)
    scores = scores.unflatten(1, asked.shape[1:3])
    return scores - scores.mean(-1, keepdim=True)


def _read(
    bundle: Bundle, queries: Tensor, halves: Tensor, *, rows: Tensor, generator: torch.Generator | None
) -> Float[Tensor, "heads queries blocks"]:
    chip = PhotonicSelector(bundle, 1)
    # As ``readers.ChipReader`` writes them: each block at full span, its scale taken back afterwards.
    scale = rows.detach().abs().amax(-1, keepdim=True).clamp(min=1e-12)
    unit, light = rows / scale, halves
    if bundle.encoding == "dual_rail":
        unit, light = unit.unflatten(-1, (2, -1)), queries
    chip.program(unit, chip.draw_error(unit, generator, bank_axes=1), signature_scale=1.0, bank_axes=1)
    scores, _ = chip(light, chip.draw_noise(light, generator))
    return scores * scale.mT


def _loss(scores: Tensor, rest: Tensor, mass: Tensor, open_: Tensor) -> Float[Tensor, ""]:
    """Divergence of each head's shares from its attention on the blocks, and of what it leaves to the rest.

    A query counts by the root of its attention on the blocks: one that looks at the sink alone teaches little.
    """
    barred = scores.masked_fill(~open_, -torch.inf)
    inside = mass.sum(-1)
    wanted = mass / inside[..., None].clamp(min=1e-9)
    where = -(wanted * barred.log_softmax(-1).masked_fill(~open_, 0.0)).sum(-1)
    beside = rest[:, :, None, None].expand(*barred.shape[:-1], 1)
    # Where attention lies is learned from the blocks alone; how much lies outside moves nothing but ``rest``.
    outside = torch.cat([barred.detach(), beside], -1).log_softmax(-1)[..., -1]
    within = torch.log1p(1e-6 - outside.exp())
    inside = inside.clamp(max=1.0)
    return (inside.sqrt() * where).mean() - REST * (inside * within + (1 - inside) * outside).mean()
