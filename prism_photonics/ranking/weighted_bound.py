"""The min/max bound with weights fitted to a model: how far each dimension's middle, mean and width of a block count.

A block's bound is q·middle + |q|·half-width: what it could hold at most. What it does hold is less, in every dimension
by a factor of its own. With three weights per dimension the score

    Σ q·(a·middle + c·mean) + |q|·b·half-width  =  Σ q⁺·(centre + width) + q⁻·(width - centre)

stays a dot product of what is written once, by the two halves of the query: the light of the plain bound, and as many
channels. Plain is a = b = 1, c = 0.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from prism_photonics.files import write_bytes
from prism_photonics.ranking.features import Bound, Features, valid_mean
from prism_photonics.ranking.per_head import PerHead
from prism_photonics.ranking.readers import Reader
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.units import InputError


@dataclass(frozen=True)
class BoundWeights:
    """Weights of all layers and KV heads; ``heads`` counts layers times KV heads.

    Attributes:
        middle: a, of the middle between largest and smallest key.
        mean: c, of the mean key.
        width: b, of half the distance between largest and smallest key.
        query: Factor of each query head's dimensions, the softmax's temperature in it.
        rest: Logit of all that is no ranked block (sink, window), for each query head.
    """

    middle: Float[Tensor, "heads dims"]
    mean: Float[Tensor, "heads dims"]
    width: Float[Tensor, "heads dims"]
    query: Float[Tensor, "heads group dims"]
    rest: Float[Tensor, "heads group"]

    @classmethod
    def plain(cls, heads: int, *, group: int, dims: int, width: float = 1.0) -> "BoundWeights":
        """The plain bound, or one whose widths count less."""
        one = torch.ones(heads, dims)
        return cls(
            one, torch.zeros(heads, dims), width * one, torch.full((heads, group, dims), dims**-0.5),
            torch.zeros(heads, group),
        )  # fmt: skip

    def of_rows(
        self,
        mean: Float[Tensor, "*some dims"],
        top: Float[Tensor, "*some dims"],
        low: Float[Tensor, "*some dims"],
        *,
        heads: slice = slice(None),
    ) -> Float[Tensor, "*some two_dims"]:
        """What is written of rows over (…, heads, rows, dims): the weights of a query's positive and negative half."""
        middle, share, width = (each[heads][:, None] for each in (self.middle, self.mean, self.width))
        centre, half = middle * (top + low) / 2 + share * mean, width * (top - low) / 2
        return torch.cat([half + centre, half - centre], -1)

    def save(self, path: Path) -> None:
        """Write a safetensors file."""
        write_bytes(path, save({each.name: getattr(self, each.name).contiguous() for each in fields(self)}))

    @classmethod
    def load(cls, path: Path) -> "BoundWeights":
        """Read one.

        Raises:
            InputError: The file is missing or damaged, or holds other tensors.
        """
        try:
            held = load(path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: got no readable safetensors file, want weights of a bound; fit them") from error
        names = {each.name for each in fields(cls)}
        shapes = {name: tuple(tensor.shape) for name, tensor in held.items()}
        want = None
        if set(held) == names and held["query"].ndim == 3:
            heads, group, dims = held["query"].shape
            plain = (heads, dims)
            want = {
                "middle": plain,
                "mean": plain,
                "width": plain,
                "query": (heads, group, dims),
                "rest": (heads, group),
            }
        if shapes != want or not all(bool(torch.isfinite(tensor).all()) for tensor in held.values()):
            raise InputError(
                f"{path}: got {shapes}, want finite {', '.join(sorted(names))} of one model; fit them anew"
            )
        return cls(**{name: tensor.float() for name, tensor in held.items()})


class _Weighted(Features):
    """A block's weighted bound; queries come one head at a time."""

    def __init__(self, weights: BoundWeights):
        self.weights = weights

    def of_blocks(self, keys, valid, layer):
        """What is written of each block."""
        top, negated = Bound().of_blocks(keys, valid, layer).chunk(2, -1)
        kv_heads = keys.shape[1]
        heads = slice(layer * kv_heads, (layer + 1) * kv_heads)
        return self.weights.of_rows(valid_mean(keys, valid), top, -negated, heads=heads)

    def of_queries(self, queries, kv_heads, layer):
        """The positive and the negative half."""
        return Bound().of_queries(queries, kv_heads, layer)

    def width(self, dims):
        """Two per dimension."""
        return 2 * dims


class WeightedBound(PerHead):
    """Blocks by their weighted bounds, read by each query head alone; the heads' shares of attention are added.

    Attributes:
        weights: Fitted by ``pretrained.fit_bound``.
    """

    def __init__(self, name: str, weights: BoundWeights, reader: Reader | None = None):
        super().__init__(name, FeatureSelector(name, _Weighted(weights), reader), group=weights.query.shape[1])
        self.weights = weights

    def sign(self, keys, valid, place):
        """See ``Selector.sign``."""
        self._require(place.layer, keys.shape[1], keys.shape[-1])
        return super().sign(keys, valid, place)

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``."""
        heads, steps, dims = queries.shape[1:]
        kv_heads = signatures.shape[1]
        mine = self._require(layer, kv_heads, dims)
        if heads != kv_heads * self.group:
            raise InputError(
                f"{self.name}: got {heads} query heads, want {kv_heads * self.group}; fit it on this model"
            )
        weighted = queries.unflatten(1, (kv_heads, self.group)) * self.weights.query[mine][None, :, :, None]
        scores = self.base.score(weighted.flatten(2, 3), signatures, layer).unflatten(2, (self.group, steps))
        return added_shares(scores, self.weights.rest[mine])

    def _require(self, layer: int, kv_heads: int, dims: int) -> slice:
        found = self.weights.query.shape
        if (layer + 1) * kv_heads > found[0] or dims != found[2]:
            raise InputError(
                f"{self.name}: got layer {layer} of {kv_heads} KV heads and {dims} dimensions, want weights of it; fit "
                "them on this model"
            )
        return slice(layer * kv_heads, (layer + 1) * kv_heads)


def added_shares(
    scores: Float[Tensor, "*batch kv_heads group steps blocks"], rest: Float[Tensor, "kv_heads group"]
) -> Float[Tensor, "*batch kv_heads steps blocks"]:
    """Every head's softmax over the blocks and the rest, added over the group.

    Scores are known up to one number per query: their mean is taken off, so that the rest has a place among them.
    """
    real = scores > -torch.inf
    mean = scores.masked_fill(~real, 0.0).sum(-1, keepdim=True) / real.sum(-1, keepdim=True).clamp(min=1)
    beside = rest[:, :, None, None].expand(*scores.shape[:-1], 1)
    shares = torch.cat([scores - mean, beside], -1).softmax(-1)[..., :-1].sum(-3)
    return torch.where(real.any(-3), shares, -torch.inf)
