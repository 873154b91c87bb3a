"""A projection of keys and queries, learned through the chip's behavioral model, converters and noise included."""

import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.export.read import Bundle
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.ranking.centre import centred
from prism_photonics.ranking.features import Features
from prism_photonics.ranking.signatures import group_size
from prism_photonics.units import InputError

STEPS = 200
LEARNING_RATE = 1e-3


class LearnedProjection(Features):
    """Two matrices per layer and KV head, one for block features and one for query features.

    They start by passing ``rank`` of the base's features on, and are trained on calibration sequences so that the
    softmax of the scores follows the exact attention mass. With a bundle the scores are read through its behavioral
    model, with fresh programming errors and read noise at every step. A quarter of the sequences is held out: the
    matrices whose best eighth of the blocks holds most of their attention are kept, the start among them.

    Attributes:
        base: The features that are projected.
        rank: Dimensions that are left, the channels of the chip for one.
        first: First of the base's features that are passed on at the start.
        bundle: The chip to learn through; none: exact dot products.
        steps: Training steps per layer.
    """

    trained = True

    def __init__(
        self,
        base: Features,
        rank: int,
        bundle: Bundle | None = None,
        *,
        first: int = 0,
        steps: int = STEPS,
        seed: int = 0,
    ):
        if rank < 1 or steps < 1 or first < 0:
            raise InputError(f"rank {rank}, steps {steps}, first {first}: want at least 1, 1 and 0")
        self.base, self.rank, self.bundle, self.first = base, rank, bundle, first
        self.steps, self.seed = steps, seed
        self.coverages: dict[int, tuple[float, float]] = {}
        self._matrices: dict[int, tuple[Tensor, Tensor]] = {}

    def of_blocks(self, keys, valid, layer):
        """Projected features of blocks."""
        return self.project_blocks(self.base.of_blocks(keys, valid, layer), layer)

    def project_blocks(
        self, plain: Float[Tensor, "batch kv_heads blocks width"], layer: int
    ) -> Float[Tensor, "batch kv_heads blocks rank"]:
        """Project block features of the base that are at hand already."""
        return torch.einsum("bhnw,hwr->bhnr", plain, self._trained(layer)[0])

    def of_queries(self, queries, kv_heads, layer):
        """Projected features of queries."""
        return torch.einsum("bhnw,hwr->bhnr", self.base.of_queries(queries, kv_heads, layer), self._trained(layer)[1])

    def width(self, dims: int) -> int:
        """The rank."""
        return self.rank

    def fit(self, keys, queries, *, layer, block, scaling=None, softcap=None):
        """Learn from calibration keys and queries; ``coverages[layer]`` is the held-out coverage before and after."""
        blocks, sequences, kv_heads = keys.shape[2] // block, len(keys), keys.shape[1]
        cut = keys[:, :, : blocks * block].unflatten(2, (blocks, block))
        whole = torch.ones(sequences, blocks, block, dtype=torch.bool, device=keys.device)
        # As they are written: less what all blocks share, which no score tells them apart by.
        block_features, _ = centred(self.base.of_blocks(cut, whole, layer), whole.any(-1), None)
        query_features = self.base.of_queries(queries, kv_heads, layer)
        wanted = _mass(queries, cut, scaling=scaling, softcap=softcap)
        held_out = range(max(1, sequences // 4)) if sequences > 1 else range(1)
        studied = range(len(held_out), sequences) if sequences > 1 else range(1)
        generator = torch.Generator().manual_seed(self.seed)
        width = block_features.shape[-1]
        passed = torch.eye(width)[:, (self.first + torch.arange(self.rank)) % width]
        matrices = [passed.repeat(kv_heads, 1, 1).requires_grad_() for _ in range(2)]

        def scores(number: int) -> Float[Tensor, "kv_heads steps blocks"]:
            signatures = torch.einsum("hnw,hwr->hnr", block_features[number], matrices[0])
            sketches = torch.einsum("hnw,hwr->hnr", query_features[number], matrices[1])
            return torch.stack([self._read(q, s, generator) for q, s in zip(sketches, signatures, strict=True)])

        def loss(number: int, log_gain: Tensor) -> Tensor:
            return -(wanted[number] * (log_gain.exp() * scores(number)).log_softmax(-1)).sum(-1).mean()

        def coverage() -> float:
            with torch.no_grad():
                best = [scores(number).topk(max(1, blocks // 8), -1).indices for number in held_out]
                parts = [wanted[n].gather(-1, top).sum(-1).mean() for n, top in zip(held_out, best, strict=True)]
                return float(torch.stack(parts).mean())

        # The softmax's temperature first, by search: else training would spend its steps on it.
        with torch.no_grad():
            trial = scores(studied[0])
            gains = torch.logspace(-2, 2, 33).log() - trial.std().clamp(min=1e-12).log()
            fits = torch.stack(
                [-(wanted[studied[0]] * (g.exp() * trial).log_softmax(-1)).sum(-1).mean() for g in gains]
            )
        log_gain = gains[fits.argmin()].clone().requires_grad_()
        optimizer = torch.optim.Adam([*matrices, log_gain], lr=LEARNING_RATE)
        before = highest = coverage()
        kept = tuple(matrix.detach().clone() for matrix in matrices)
        for step in range(self.steps):
            optimizer.zero_grad()
            number = studied[int(torch.randint(len(studied), (1,), generator=generator))]
            loss(number, log_gain).backward()
            optimizer.step()
            if step % 10 == 9 and (now := coverage()) > highest:
                highest, kept = now, tuple(matrix.detach().clone() for matrix in matrices)
        self.coverages[layer] = (before, highest)
        self._matrices[layer] = (kept[0], kept[1])

    def _read(
        self, queries: Float[Tensor, "steps rank"], signatures: Float[Tensor, "blocks rank"], generator: torch.Generator
    ) -> Float[Tensor, "steps blocks"]:
        if self.bundle is None:
            return queries @ signatures.T
        chip = PhotonicSelector(self.bundle, 1)
        # As ``readers.ChipReader`` writes them: each block at full span, its scale taken back afterwards.
        scale = signatures.detach().abs().amax(-1, keepdim=True).clamp(min=1e-12)
        unit = signatures / scale
        chip.program(unit, chip.draw_error(unit, generator), signature_scale=1.0)
        scores, _ = chip(queries, chip.draw_noise(queries, generator))
        return scores * scale.T

    def _trained(self, layer: int) -> tuple[Float[Tensor, "kv_heads width rank"], Float[Tensor, "kv_heads width rank"]]:
        if layer not in self._matrices:
            raise InputError(f"learned projection of layer {layer}: got no calibration, want some; call fit() first")
        return self._matrices[layer]


def _mass(
    queries: Float[Tensor, "batch heads steps dims"],
    keys: Float[Tensor, "batch kv_heads blocks tokens dims"],
    *,
    scaling: float | None,
    softcap: float | None,
) -> Float[Tensor, "batch kv_heads steps blocks"]:
    """Exact attention over complete blocks, averaged over the group; a sink would take the same off all of them."""
    _, kv_heads, blocks, tokens, dims = keys.shape
    grouped = queries.unflatten(1, (kv_heads, group_size(queries.shape[1], kv_heads=kv_heads)))
    logits = torch.einsum("bhgqd,bhtd->bhgqt", grouped, keys.flatten(2, 3))
    logits = logits * (dims**-0.5 if scaling is None else scaling)
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    return logits.softmax(-1).mean(2).unflatten(-1, (blocks, tokens)).sum(-1)
