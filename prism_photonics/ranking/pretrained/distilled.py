"""A block signature distilled from a frozen model: linear in a block's keys before rotation, made for the chip.

    signature = R_b · W_k · [mean, max, min of the block's pre-RoPE keys],   b: the block's middle
    sketch    = R_t · W_q · [the group's pre-RoPE queries],                  t: the query's place

Written once per block, one dot product per query. W_k and W_q, one pair per layer and KV head, are trained so that the
softmax of the scores follows the exact attention mass of the blocks, through the chip's converters and noise.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from prism_photonics.codec.checks import require_count
from prism_photonics.export.read import Bundle
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.files import write_bytes
from prism_photonics.ranking.heads import heads_of
from prism_photonics.ranking.pretrained.rotary import turned
from prism_photonics.ranking.readers import FloatReader, Reader
from prism_photonics.ranking.selectors import Selector
from prism_photonics.ranking.written import read_rows, write_rows
from prism_photonics.units import InputError

STEPS, RATE = 480, 1e-2
"""Training steps and the largest rate of Adam, which falls as a cosine; design choice."""
QUERIES = 128
"""Queries of a text in one training step; design choice."""


@dataclass(frozen=True)
class Lesson:
    """One text to learn from, all layers and KV heads; ``heads`` counts layers times KV heads.

    Attributes:
        blocks: Mean, largest and smallest pre-RoPE key of each block.
        queries: Pre-RoPE queries of each KV head's group, one after the other.
        place: Token index of each query.
        mass: Exact attention on each block, largest of the group's heads; zero on blocks that are not to be ranked.
        open_: Blocks that are to be ranked: complete, and neither sink nor window of the query.
        block: Tokens per block.
    """

    blocks: Float[Tensor, "heads blocks three_dims"]
    queries: Float[Tensor, "heads queries group_dims"]
    place: Float[Tensor, " queries"]
    mass: Float[Tensor, "heads queries blocks"]
    open_: Bool[Tensor, "queries blocks"]
    block: int


@dataclass(frozen=True)
class Gate:
    """The trained matrices, with the numbers that whiten what they take.

    Attributes:
        of_blocks: W_k.
        of_queries: W_q.
        block_mean: Mean of the blocks' numbers.
        block_scale: Their standard deviation.
        query_scale: Root mean square of the queries' numbers.
        frequency: Angle per token of each pair of the keys' dimensions, rad.
        own_frequency: The same of the signature's.
        kv_heads: KV heads of a layer.
        block: Tokens per block.
    """

    of_blocks: Float[Tensor, "heads three_dims rank"]
    of_queries: Float[Tensor, "heads group_dims rank"]
    block_mean: Float[Tensor, "heads three_dims"]
    block_scale: Float[Tensor, "heads three_dims"]
    query_scale: Float[Tensor, "heads group_dims"]
    frequency: Float[Tensor, " pairs"]
    own_frequency: Float[Tensor, " own_pairs"]
    kv_heads: int
    block: int

    def signatures(
        self, blocks: Float[Tensor, "some blocks three_dims"], first: int = 0, heads: slice = slice(None)
    ) -> Float[Tensor, "some blocks rank"]:
        """Signatures of blocks, of which the first is block number ``first`` of its text."""
        white = (blocks - self.block_mean[heads, None]) / self.block_scale[heads, None]
        middle = (first + torch.arange(blocks.shape[1]) + 0.5) * self.block - 0.5
        return turned(white @ self.of_blocks[heads], middle, self.own_frequency)

    def sketches(
        self,
        queries: Float[Tensor, "some queries group_dims"],
        place: Float[Tensor, " queries"],
        heads: slice = slice(None),
    ) -> Float[Tensor, "some queries rank"]:
        """Sketches of queries at their places."""
        return turned((queries / self.query_scale[heads, None]) @ self.of_queries[heads], place, self.own_frequency)

    def save(self, path: Path) -> None:
        """Write a safetensors file."""
        held = {each.name: torch.as_tensor(getattr(self, each.name)).contiguous() for each in fields(self)}
        write_bytes(path, save(held))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Layers, KV heads of a layer, query heads of a KV head, and dimensions of a key."""
        heads, three_dims = self.block_mean.shape
        return heads // self.kv_heads, self.kv_heads, 3 * self.query_scale.shape[1] // three_dims, three_dims // 3

    @classmethod
    def load(cls, path: Path, *, config: Any = None) -> "Gate":
        """Read one.

        Args:
            path: The file.
            config: Config of the model that it is to serve, which must then have its layers, heads and dimensions.

        Raises:
            InputError: The file is missing or damaged, holds other tensors, or is of another model.
        """
        try:
            held = load(path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: got no readable safetensors file, want a distilled gate; distil one") from error
        names = [each.name for each in fields(cls)]
        shapes = {name: tuple(tensor.shape) for name, tensor in held.items()}
        want = None
        if set(held) == set(names) and held["of_blocks"].ndim == held["of_queries"].ndim == 3:
            heads, block_dims, rank = held["of_blocks"].shape
            query_dims, pairs = held["of_queries"].shape[1], block_dims // 6
            sizes = ((heads, block_dims, rank), (heads, query_dims, rank), (heads, block_dims), (heads, block_dims))
            sizes += ((heads, query_dims), (pairs,), (rank // 2,), (), ())
            want = dict(zip(names, sizes, strict=True))
        if shapes != want or not all(tensor.numel() and bool(torch.isfinite(tensor).all()) for tensor in held.values()):
            raise InputError(f"{path}: got {shapes}, want finite {', '.join(names)} of one gate; distil anew")
        kv_heads, block = (
            require_count(f"{path}: {name}", held.pop(name).item(), cure="distil anew")
            for name in ("kv_heads", "block")
        )
        (heads, three_dims), asked = held["block_mean"].shape, held["query_scale"].shape[1]
        if heads % kv_heads or three_dims % 6 or asked % (three_dims // 3):
            raise InputError(
                f"{path}: got {heads} heads in layers of {kv_heads}, of {three_dims} and {asked} numbers, want whole "
                "layers, three even parts, and whole groups of queries; distil anew"
            )
        gate = cls(**{name: tensor.float() for name, tensor in held.items()}, kv_heads=kv_heads, block=block)
        if config is not None:
            text, of_it = config.get_text_config(), heads_of(config.get_text_config())
            want_shape = (text.num_hidden_layers, of_it.kv, of_it.group, of_it.dims)
            if gate.shape != want_shape:
                raise InputError(
                    f"{path}: got a gate of (layers, KV heads, query heads of each, dimensions) {gate.shape}, want "
                    f"{want_shape} as of {type(config).__name__}; distil one from this model"
                )
        return gate


class DistilledGate(Selector):
    """Chooses by a distilled signature, in float or read by a chip.

    Attributes:
        name: Its name in the table.
        gate: The trained matrices.
        reader: Computes the dot products.
    """

    evidence = "position"

    def __init__(self, name: str, gate: Gate, reader: Reader | None = None):
        self.name, self.gate, self.reader = name, gate, reader or FloatReader()

    def require_block(self, block):
        """See ``Selector.require_block``."""
        if block != self.gate.block:
            raise InputError(f"{self.name}: got blocks of {block} tokens, want {self.gate.block}; distil anew")

    def sign(self, keys, valid, place):
        """See ``Selector.sign``; blocks of padding have no place, and are refused."""
        self.require_block(keys.shape[3])
        layers, _, _, dims = self.gate.shape
        if (keys.shape[1], keys.shape[-1]) != (self.gate.kv_heads, dims) or place.layer >= layers:
            raise InputError(
                f"{self.name}, layer {place.layer}: got {keys.shape[1]} KV heads of {keys.shape[-1]} dimensions, want "
                f"{self.gate.kv_heads} of {dims} in each of {layers} layers, as the gate's model has; distil anew"
            )
        if not bool(valid.all()):
            raise InputError(f"{self.name}: got padding, want none: places are counted from the cache's first slot")
        if place.pages is not None:
            raise InputError(
                f"{self.name}: got pages in any order, want blocks that follow one another: it needs places"
            )
        start = place.block * self.gate.block
        where = torch.arange(start, start + keys.shape[2] * keys.shape[3]).reshape(keys.shape[2:4]).float()
        summary = summaries(turned(keys, -where, self.gate.frequency))
        heads = self._heads(place.layer)
        rows = torch.stack([self.gate.signatures(each, place.block, heads) for each in summary])
        return write_rows(self.reader, rows, valid.any(-1), place)

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``; the evidence is the token index of each query."""
        if evidence is None:
            raise InputError(f"{self.name}: got no places of the queries, want them; decode through BlockSparse")
        if queries.shape[1] != (want := self.gate.kv_heads * self.gate.shape[2]):
            raise InputError(f"{self.name}: got {queries.shape[1]} query heads, want {want}, the gate's; distil anew")
        grouped = grouped_queries(turned(queries, -evidence[:, None], self.gate.frequency), self.gate.kv_heads)
        heads = self._heads(layer)
        pairs = zip(grouped, evidence, strict=True)
        return read_rows(self.reader, torch.stack([self.gate.sketches(q, p, heads) for q, p in pairs]), signatures)

    def restart(self, number):
        """See ``Selector.restart``."""
        self.reader.restart(number)

    def cost(self, blocks, *, dims, block):
        """See ``Selector.cost``."""
        return self.reader.cost(blocks, self.gate.of_blocks.shape[-1])

    def _heads(self, layer: int) -> slice:
        return slice(layer * self.gate.kv_heads, (layer + 1) * self.gate.kv_heads)


def summaries(keys: Float[Tensor, "*batch tokens dims"]) -> Float[Tensor, "*batch three_dims"]:
    """Mean, largest and smallest key of a block."""
    return torch.cat([keys.mean(-2), keys.amax(-2), keys.amin(-2)], -1)


def grouped_queries(
    queries: Float[Tensor, "batch heads steps dims"], kv_heads: int
) -> Float[Tensor, "batch kv_heads steps group_dims"]:
    """The queries of each KV head's group, one after the other."""
    return queries.unflatten(1, (kv_heads, -1)).transpose(2, 3).flatten(3)


def distil(
    lessons: list[Lesson],
    *,
    rank: int,
    frequency: Float[Tensor, " pairs"],
    kv_heads: int,
    bundle: Bundle | None = None,
    steps: int = STEPS,
    held_out: Sequence[Lesson] = (),
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Gate:
    """Train the matrices of all layers and KV heads at once.

    They start as the mean key of the pairs that turn least, against the sum of the group's queries.

    Args:
        lessons: Texts to learn from.
        rank: Numbers of a signature, even and at most the keys' dimensions.
        frequency: See ``rotary.frequencies``.
        kv_heads: KV heads of a layer.
        bundle: The chip to learn through, its errors and noise drawn anew at every step; none: exact dot products.
        steps: Training steps.
        held_out: Texts that are not learned from: each head keeps the matrices that came nearest to its attention on
            them, the start among them, so that no head learns its lessons by heart; none: the last ones.
        seed: Seed of everything.
        tell: Told how far it is.

    Returns:
        The gate.

    Source: the gate of SeerAttention-R, arXiv 2506.08889, made linear for the chip.
    """
    pairs = len(frequency)
    rank, steps = require_count("rank", rank), require_count("steps", steps)
    if rank % 2 or rank > 2 * pairs:
        raise InputError(f"rank: got {rank}, want an even number of at most {2 * pairs}, the keys' dimensions")
    generator = torch.Generator().manual_seed(seed)
    every = torch.cat([lesson.blocks for lesson in lessons], 1)
    asked = torch.cat([lesson.queries for lesson in lessons], 1)
    start = _start(every, asked, frequency, rank=rank, kv_heads=kv_heads, block=lessons[0].block)
    of_blocks, of_queries = start.of_blocks.clone().requires_grad_(), start.of_queries.clone().requires_grad_()
    log_gain = torch.full((len(every), 1, 1), -0.5 * math.log(2.0 * pairs)).requires_grad_()
    optimizer = torch.optim.Adam([of_blocks, of_queries, log_gain], lr=RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    kept, least = (of_blocks.detach().clone(), of_queries.detach().clone()), torch.full((len(every),), torch.inf)

    def judge() -> Tensor:
        """What every head misses of its attention on the texts held out, read by a chip with the same errors."""
        with torch.no_grad():
            gate, same = replace(start, of_blocks=of_blocks, of_queries=of_queries), torch.Generator()
            same.manual_seed(seed + 1)
            missed = []
            for lesson in held_out:
                scores = _read(gate, lesson, torch.arange(len(lesson.place)), bundle=bundle, generator=same)
                missed.append(_missed(log_gain.exp() * scores, lesson.mass, lesson.open_).mean(-1))
            return torch.stack(missed).mean(0)

    if held_out:
        least = judge()
    for step in range(steps):
        lesson = lessons[int(torch.randint(len(lessons), (1,), generator=generator))]
        some = torch.randperm(len(lesson.place), generator=generator)[:QUERIES]
        gate = replace(start, of_blocks=of_blocks, of_queries=of_queries)
        scores = _read(gate, lesson, some, bundle=bundle, generator=generator)
        optimizer.zero_grad()
        loss = divergence(log_gain.exp() * scores, lesson.mass[:, some], lesson.open_[some])
        loss.backward()
        optimizer.step()
        falling.step()
        if step % 40 == 39 or step == steps - 1:
            told = f"step {step + 1} of {steps}: {loss.item():.3f} nats from the exact attention"
            if held_out:
                now = judge()
                better = (now < least)[:, None, None]
                kept = tuple(
                    torch.where(better, x.detach(), k) for x, k in zip((of_blocks, of_queries), kept, strict=True)
                )
                least = torch.minimum(least, now)
                told += f", {now.mean():.3f} held out, {least.mean():.3f} at best"
            tell(told)
    if held_out:
        return replace(start, of_blocks=kept[0], of_queries=kept[1])
    return replace(start, of_blocks=of_blocks.detach(), of_queries=of_queries.detach())


def divergence(
    scores: Float[Tensor, "heads queries blocks"],
    mass: Float[Tensor, "heads queries blocks"],
    open_: Bool[Tensor, "queries blocks"],
) -> Float[Tensor, ""]:
    """Mean Kullback–Leibler divergence of the scores' softmax from the attention on the blocks to be ranked, nats."""
    return _missed(scores, mass, open_).mean()


def _missed(scores: Tensor, mass: Tensor, open_: Tensor) -> Float[Tensor, "heads queries"]:
    wanted = mass / mass.sum(-1, keepdim=True).clamp(min=1e-30)
    found = scores.masked_fill(~open_, -torch.inf).log_softmax(-1).masked_fill(~open_, 0.0)
    return (torch.xlogy(wanted, wanted) - wanted * found).sum(-1)


def _start(blocks: Tensor, queries: Tensor, frequency: Tensor, *, rank: int, kv_heads: int, block: int) -> Gate:
    heads, dims = len(blocks), 2 * len(frequency)
    # The pairs that turn least from token to token carry what a block is about.
    slow = torch.arange(len(frequency) - rank // 2, len(frequency))
    passed = torch.eye(dims)[:, torch.cat([slow, slow + len(frequency)])]
    block_scale, query_scale = blocks.std(1).clamp(min=1e-6), queries.square().mean(1).sqrt().clamp(min=1e-6)
    group = queries.shape[-1] // dims
    of_blocks = torch.cat([passed, torch.zeros(2 * dims, rank)]).expand(heads, -1, -1) * block_scale[..., None]
    of_queries = passed.repeat(group, 1).expand(heads, -1, -1) * query_scale[..., None]
    return Gate(
        of_blocks, of_queries, blocks.mean(1), block_scale, query_scale, frequency, frequency[slow], kv_heads, block
    )  # fmt: skip


def _read(
    gate: Gate, lesson: Lesson, some: Tensor, *, bundle: Bundle | None, generator: torch.Generator
) -> Float[Tensor, "heads queries blocks"]:
    signatures = gate.signatures(lesson.blocks)
    sketches = gate.sketches(lesson.queries[:, some], lesson.place[some])
    left = signatures - signatures.mean(1, keepdim=True)
    if bundle is None:
        return sketches @ left.mT
    chip = PhotonicSelector(bundle, 1)
    # As ``readers.ChipReader`` writes them: each block at full span, its scale taken back afterwards.
    scale = left.detach().abs().amax(-1, keepdim=True).clamp(min=1e-12)
    unit = left / scale
    chip.program(unit, chip.draw_error(unit, generator, bank_axes=1), signature_scale=1.0, bank_axes=1)
    scores, _ = chip(sketches, chip.draw_noise(sketches, generator))
    return scores * scale.mT
