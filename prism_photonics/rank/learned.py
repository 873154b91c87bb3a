"""A projection of keys and queries that is learned through the chip's behavioral model, converters and noise included."""

import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.export.read import Bundle
from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.rank.features import Features
from prism_photonics.rank.signatures import group_size
from prism_photonics.units import InputError

STEPS = 200
LEARNING_RATE = 3e-3


class LearnedProjection(Features):
    """Two matrices per layer and KV head, one for block features and one for query features.

    They start as the identity (cut to the rank) and are trained on calibration sequences so that the softmax of the
    scores follows the exact attention mass. With a bundle the scores are read through its behavioral model, with fresh
    programming errors and read noise at every step; a quarter of the sequences is held out, and the best matrices on
    those are kept, the start among them.

    Attributes:
        base: The features that are projected.
        rank: Dimensions that are left, the channels of the chip for one.
        bundle: The chip to learn through; none: exact dot products.
        steps: Training steps per layer.
    """

    trained = True

    def __init__(self, base: Features, rank: int, bundle: Bundle | None = None, *, steps: int = STEPS, seed: int = 0):
        if rank < 1 or steps < 1:
            raise InputError(f"rank {rank}, steps {steps}: want at least 1 of each")
        self.base, self.rank, self.bundle, self.steps, self.seed = base, rank, bundle, steps, seed
        self.losses: dict[int, tuple[float, float]] = {}
        self._matrices: dict[int, tuple[Tensor, Tensor]] = {}

    def of_blocks(self, keys, valid, layer):
        """Projected features of blocks."""
        return torch.einsum("bhnw,hwr->bhnr", self.base.of_blocks(keys, valid, layer), self._trained(layer)[0])

    def of_queries(self, queries, kv_heads, layer):
        """Projected features of queries."""
        return torch.einsum("bhnw,hwr->bhnr", self.base.of_queries(queries, kv_heads, layer), self._trained(layer)[1])

    def width(self, dims: int) -> int:
        """The rank."""
        return self.rank

    def fit(self, keys, queries, *, layer, block):
        """Learn from calibration keys and queries; ``losses[layer]`` holds the held-out loss before and after."""
        blocks, sequences, kv_heads = keys.shape[2] // block, len(keys), keys.shape[1]
        cut = keys[:, :, : blocks * block].unflatten(2, (blocks, block))
        whole = torch.ones(sequences, blocks, block, dtype=torch.bool, device=keys.device)
        block_features = self.base.of_blocks(cut, whole, layer)
        query_features = self.base.of_queries(queries, kv_heads, layer)
        wanted = _mass(queries, cut)
        held_out = max(1, sequences // 4) if sequences > 1 else 0
        generator = torch.Generator().manual_seed(self.seed)
        width = block_features.shape[-1]
        start = torch.eye(width)[:, torch.arange(self.rank) % width].expand(kv_heads, -1, -1)
        matrices = [start.clone().requires_grad_(), start.clone().requires_grad_()]
        scale = query_features.std() * block_features.std() * width**0.5
        log_gain = torch.log(1.0 / scale.clamp(min=1e-9)).requires_grad_()
        optimizer = torch.optim.Adam([{"params": matrices}, {"params": [log_gain], "lr": 0.05}], lr=LEARNING_RATE)

        def loss(numbers: range | list[int]) -> Tensor:
            parts = []
            for number in numbers:
                signatures = torch.einsum("hnw,hwr->hnr", block_features[number], matrices[0])
                sketches = torch.einsum("hnw,hwr->hnr", query_features[number], matrices[1])
                scores = torch.stack(
                    [self._read(q, s, generator) for q, s in zip(sketches, signatures, strict=True)]
                )
                parts.append(-(wanted[number] * (log_gain.exp() * scores).log_softmax(-1)).sum(-1).mean())
            return torch.stack(parts).mean()

        def judged() -> float:
            with torch.no_grad():
                return float(loss(range(held_out or sequences)))

        # The start is judged with its own best gain: only then is "better" about the matrices.
        for _ in range(30):
            optimizer.param_groups[0]["lr"] = 0.0
            _step(optimizer, loss([int(torch.randint(held_out, sequences, (1,), generator=generator))]))
        optimizer.param_groups[0]["lr"] = LEARNING_RATE
        before = lowest = judged()
        kept = tuple(matrix.detach().clone() for matrix in matrices)
        for step in range(self.steps):
            _step(optimizer, loss([int(torch.randint(held_out, sequences, (1,), generator=generator))]))
            if step % 10 == 9 and (now := judged()) < lowest:
                lowest, kept = now, tuple(matrix.detach().clone() for matrix in matrices)
        self.losses[layer] = (before, lowest)
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
    queries: Float[Tensor, "batch heads steps dims"], keys: Float[Tensor, "batch kv_heads blocks tokens dims"]
) -> Float[Tensor, "batch kv_heads steps blocks"]:
    """Exact attention over complete blocks, averaged over the group."""
    batch, kv_heads, blocks, tokens, dims = keys.shape
    grouped = queries.unflatten(1, (kv_heads, group_size(queries.shape[1], kv_heads=kv_heads)))
    logits = torch.einsum("bhgqd,bhtd->bhgqt", grouped, keys.flatten(2, 3)) * dims**-0.5
    return logits.softmax(-1).mean(2).unflatten(-1, (blocks, tokens)).sum(-1)


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
