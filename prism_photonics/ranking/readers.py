"""Readers, which compute dot products in float, by an exported bundle, or by a chip tile by tile."""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.codec import encoding as sign
from prism_photonics.codec.checks import require_drift
from prism_photonics.export.read import Bundle, Programmed
from prism_photonics.ranking.centre import Centre
from prism_photonics.units import InputError


@dataclass(frozen=True)
class Place:
    """Position of signatures: layer, first block and sequences.

    Attributes:
        layer: Layer of the model.
        block: Index of the first of the blocks.
        sequence: Number of the first sequence of the batch.
        centre: Running median of the layer's blocks, updated with these; None for their own median.
        pages: Index of every block, where they do not follow one another; None where they do.
    """

    layer: int
    block: int = 0
    sequence: int = 0
    centre: Centre | None = None
    pages: tuple[int, ...] | None = None

    def indices(self, blocks: int) -> tuple[int, ...]:
        """Index of each of so many blocks."""
        return tuple(range(self.block, self.block + blocks)) if self.pages is None else self.pages


class Reader(abc.ABC):
    """Writes signatures once and reads them with any number of queries.

    Attributes:
        ranged: Whether what is written has a range, which channels that spread far would eat; see ``ranking.centre``.
    """

    ranged: bool = True

    def write(
        self, signatures: Float[Tensor, "batch kv_heads blocks width"], place: Place
    ) -> Float[Tensor, "batch kv_heads blocks state"]:
        """State of the chip after the signatures have been written, one row per block.

        Args:
            signatures: Features of blocks, any unit.
            place: Where the blocks stand.

        Returns:
            The written state, to which later blocks are appended.
        """
        return signatures

    @abc.abstractmethod
    def read(
        self,
        queries: Float[Tensor, "batch kv_heads steps width"],
        state: Float[Tensor, "batch kv_heads blocks state"],
    ) -> Float[Tensor, "batch kv_heads steps blocks"]:
        """Scores in units of query times signature."""

    def restart(self, number: int) -> None:  # noqa: B027  exact readers draw nothing
        """See ``Selector.restart``."""

    @abc.abstractmethod
    def cost(self, blocks: int, width: int) -> dict[str, float]:
        """See ``Selector.cost``."""


class FloatReader(Reader):
    """Exact dot products; an electronic scan reads every signature in two bytes per number."""

    ranged = False

    def read(self, queries, state):
        """Dot products."""
        return queries @ state.transpose(-1, -2)

    def cost(self, blocks, width):
        """Bytes of a 16-bit scan."""
        return {"signature_bytes": 2.0 * blocks * width, "pages": 0.0, "passes": 0.0}


class ChipReader(Reader):
    """Dot products by the behavioral model of a bundle.

    Each block is written at the chip's full span, and its own scale multiplies its score after the converter: a block
    that arrives later never changes how an earlier one was written. Every block has its own programming error, drawn
    from (seed, layer, sequence and KV head, block) once and for all; every reading has its own noise.

    Attributes:
        bundle: The chip.
        seed: Seed of programming errors and read noise.
        levels: Bits of the signatures before they are written; 0 for no rounding.
        halves: Whether features come as two halves, one for q⁺ and one for q⁻, each on a rail of its own; for the
            bound on a chip with the dual-rail encoding.
        t_since_program_s: How long after its writing every block is read; its drift, measured on the chip, is drawn
            as its programming error is, and one number for all blocks of a layer, sequence and KV head.
        dies: The chip and further dies of its design, which take turns from text to text, see ``restart``.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        seed: int = 0,
        levels: int = 0,
        halves: bool = False,
        t_since_program_s: float = 0.0,
        others: Sequence[Bundle] = (),
    ):
        for number, die in enumerate(others, 1):
            got, want = ((each.rows, each.channels, each.encoding) for each in (die, bundle))
            if got != want:
                raise InputError(
                    f"die {number}: got a chip of (rows, channels, encoding) {got}, want {want} as of the first; "
                    "calibrate dies of one design"
                )
            require_drift(t_since_program_s, longest_s=die.longest_s, drawn=True)
        self.dies = (bundle, *others)
        if halves and bundle.encoding != "dual_rail":
            raise InputError(f"halves: got a chip with the encoding '{bundle.encoding}', want dual_rail; leave it out")
        require_drift(t_since_program_s, longest_s=bundle.longest_s, drawn=True)
        self.bundle, self.seed, self.levels, self.halves = bundle, seed, levels, halves
        self.t_since_program_s = t_since_program_s
        self._part = self._readings = 0

    def write(self, signatures, place):
        """Realised weights, what was commanded of each slice, scale and row of each block, and how it drifts.

        Programmed here, once: reading takes the weights as they stand.
        """
        batch, kv_heads, blocks, width = signatures.shape
        # A block of zeros has the scale 0: its score is 0, without noise.
        scale = signatures.abs().amax(-1, keepdim=True)
        unit = signatures / torch.where(scale > 0, scale, 1.0)
        if self.levels:
            unit = sign.quantize(unit, self.levels, -1.0, 1.0)
        indices = place.indices(blocks)
        row = np.array(indices, int) % self.bundle.rows
        wanted = unit.detach().cpu().double().numpy()
        slices, channels = self._shape(width)
        size, drifts = slices * channels, self.t_since_program_s > 0
        written = np.empty((batch, kv_heads, blocks, size + slices + (size + 1 if drifts else 0)))
        stream = _Stream(self.seed)
        for sequence, head in np.ndindex(batch, kv_heads):
            bank = (place.sequence + sequence) * kv_heads + head
            drawn = np.empty((blocks, (2 if drifts else 1) * size))
            for block, index in enumerate(indices):
                drawn[block] = stream.at(0, index, bank, place.layer).standard_normal(drawn.shape[1])
            error = drawn[:, :size].reshape(blocks, slices, channels)
            stands = self.bundle.program(
                self._on_rails(wanted[sequence, head]), 0, error=error, signature_scale=1.0, row=row
            )
            written[sequence, head, :, :size] = stands.weights.reshape(blocks, size)
            written[sequence, head, :, size : size + slices] = stands.row_sum
            if drifts:
                written[sequence, head, :, size + slices : -1] = drawn[:, size:]
                written[sequence, head, :, -1] = stream.at(1, 0, bank, place.layer).standard_normal()
        row_of = torch.as_tensor(row).to(scale)[:, None].expand_as(scale)
        return torch.cat([scale, row_of, torch.as_tensor(written).to(unit)], -1)

    def read(self, queries, state):
        """Readings of every (sequence, KV head) bank, each with its own noise."""
        batch, kv_heads, steps, width = queries.shape
        blocks = state.shape[2]
        scores = np.empty((batch, kv_heads, steps, blocks))
        slices, channels = self._shape(width)
        size, dims = slices * channels, width // 2 if self.halves else width
        light = queries.detach().cpu().double().numpy()
        if self.halves:
            # The chip splits the query itself: one shot of (q⁺, q⁻).
            light = light[..., :dims] - light[..., dims:]
        held = state.detach().cpu().double().numpy()
        centre = np.zeros((2, dims) if self.halves else dims)
        for bank in np.ndindex(batch, kv_heads):
            scale, row, weights, row_sum, drawn = np.split(held[bank], [1, 2, 2 + size, 2 + size + slices], -1)
            drift, common = None, None
            if self.t_since_program_s:
                drift, common = drawn[:, :-1].reshape(blocks, slices, channels), float(drawn[0, -1])
            written = Programmed(
                weights.reshape(blocks, slices, channels), row_sum, 1.0, drift, common, centre, dims,
                row[:, 0].astype(int),
            )  # fmt: skip
            self._readings += 1
            key = (self._part << 104) + (self.seed << 40) + self._readings
            read = self.bundle.read(light[bank], written, key=key, t_since_program_s=self.t_since_program_s)
            # On a dead row a block of zeros scores minus infinity too, not minus infinity times zero.
            dead = np.isneginf(read)
            scores[bank] = np.where(dead, -np.inf, np.where(dead, 0.0, read) * scale.T)
        return torch.as_tensor(scores).to(queries)

    def cost(self, blocks, width):
        """Pages of rows; every page takes its slices, each its shots of light."""
        pages = -(-blocks // self.bundle.rows)
        slices = self._shape(width)[0]
        passes = pages * slices * sign.shots(self.bundle.encoding)
        return {"signature_bytes": 0.0, "pages": float(pages), "passes": float(passes)}

    def restart(self, number):
        """Read noise from here on, and the die whose turn it is; errors follow from where a block stands on it."""
        self._part, self._readings = number, 0
        self.bundle = self.dies[number % len(self.dies)]

    def _shape(self, width: int) -> tuple[int, int]:
        """Slices of a row, and channels of each."""
        _, slices, channels = self.bundle.error_shape(self._on_rails(np.empty((1, width))))
        return slices, channels

    def _on_rails(self, signatures: np.ndarray) -> np.ndarray:
        return signatures.reshape(len(signatures), 2, -1) if self.halves else signatures


class _Stream:
    """Random numbers by their place: as ``Philox(key=seed, counter=place)``, which takes longer to make than to use."""

    def __init__(self, seed: int):
        self._source = np.random.Philox(key=seed)
        self._generator, self._state = np.random.Generator(self._source), self._source.state

    def at(self, *place: int) -> np.random.Generator:
        """The generator, set to a place; good until the next call."""
        self._state["state"]["counter"][:] = place
        self._source.state = self._state
        return self._generator


ScoreBank = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""(signatures (blocks, width), queries (steps, width), number of the bank) -> scores (steps, blocks)."""


class BankReader(Reader):
    """Dot products by a callable that a higher room hands in, such as the whole circuit of a virtual chip.

    Attributes:
        score_bank: Writes the signatures of one KV head and scores its queries; called once per read.
        rows: Blocks that are scored at once.
        channels: Dimensions that are scored at once.
        shots: Readings that one tile takes for a query.
    """

    def __init__(self, score_bank: ScoreBank, *, rows: int, channels: int, shots: int = 1):
        self.score_bank, self.rows, self.channels, self.shots = score_bank, rows, channels, shots
        self._banks = 0

    def read(self, queries, state):
        """Scores bank by bank."""
        banks = []
        for bank in np.ndindex(*queries.shape[:2]):
            scores = np.asarray(
                self.score_bank(state[bank].double().numpy(), queries[bank].double().numpy(), self._banks)
            )
            want = (queries.shape[2], state.shape[2])
            if scores.shape != want:
                raise InputError(f"score_bank: got shape {scores.shape}, want {want}; one score per query and block")
            self._banks += 1
            banks.append(torch.as_tensor(scores))
        return torch.stack(banks).reshape(*queries.shape[:3], state.shape[2]).to(queries)

    def cost(self, blocks, width):
        """Pages of rows; every page takes its slices, each its shots of light."""
        pages = -(-blocks // self.rows)
        passes = pages * -(-width // self.channels) * self.shots
        return {"signature_bytes": 0.0, "pages": float(pages), "passes": float(passes)}
