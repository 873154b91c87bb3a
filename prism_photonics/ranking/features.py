"""Features of blocks and queries, which are compared by a dot product.

The sketch of a query is the sum of the queries that share a KV head. Features are written in float; what a chip makes
of them is the reader's business.
"""

import abc

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prism_photonics.ranking.signatures import group_size
from prism_photonics.units import InputError


def sketch(
    queries: Float[Tensor, "batch heads steps dims"], kv_heads: int
) -> Float[Tensor, "batch kv_heads steps dims"]:
    """The sum of the queries of each KV head's group; as ``ranking.signatures.query_sketch``, on torch tensors."""
    batch, heads, steps, dims = queries.shape
    return queries.reshape(batch, kv_heads, group_size(heads, kv_heads=kv_heads), steps, dims).sum(2)


def valid_mean(
    keys: Float[Tensor, "batch kv_heads blocks tokens dims"], valid: Bool[Tensor, "batch blocks tokens"]
) -> Float[Tensor, "batch kv_heads blocks dims"]:
    """Mean key of each block's valid tokens; zero where there is none."""
    weight = valid[:, None, :, :, None].to(keys.dtype)
    counted = keys if bool(valid.all()) else keys * weight
    return counted.sum(3) / weight.sum(3).clamp(min=1)


class Features(abc.ABC):
    """A pair of maps, block → vector and query → vector, whose dot product is the score.

    Attributes:
        trained: Whether ``fit`` must be called first.
    """

    trained: bool = False

    @abc.abstractmethod
    def of_blocks(
        self,
        keys: Float[Tensor, "batch kv_heads blocks tokens dims"],
        valid: Bool[Tensor, "batch blocks tokens"],
        layer: int,
    ) -> Float[Tensor, "batch kv_heads blocks width"]:
        """Features of complete blocks of post-RoPE keys."""

    @abc.abstractmethod
    def of_queries(
        self, queries: Float[Tensor, "batch heads steps dims"], kv_heads: int, layer: int
    ) -> Float[Tensor, "batch kv_heads steps width"]:
        """Features of post-RoPE queries."""

    def width(self, dims: int) -> int:
        """Length of a feature vector for keys of ``dims`` dimensions."""
        return dims

    def fit(  # noqa: B027  most need none
        self, keys, queries, *, layer: int, block: int, scaling: float | None = None, softcap: float | None = None
    ) -> None:
        """Learn from calibration keys (batch, kv_heads, tokens, dims) and queries (batch, heads, steps, dims).

        What ``scaling`` and ``softcap`` are: see ``selectors.Selector.fit``.
        """


class MeanKey(Features):
    """The mean key against the summed query."""

    def of_blocks(self, keys, valid, layer):
        """Mean keys."""
        return valid_mean(keys, valid)

    def of_queries(self, queries, kv_heads, layer):
        """Sketches."""
        return sketch(queries, kv_heads)


class Bound(Features):
    """The min/max bound as a dot product: Σ max(q·min, q·max) = q⁺·max + q⁻·(-min).

    The two halves of the query are not negative, so each is light as it stands: the dual-rail code, at the price of
    two channels per dimension.

    Source: the bound is that of Quest, arXiv 2406.10774; the split is its rearrangement.
    """

    def of_blocks(self, keys, valid, layer):
        """Largest and negated smallest key of each dimension; zero for a block of padding."""
        if keys.shape[3] and bool(valid.all()):
            return torch.cat([keys.amax(3), -keys.amin(3)], -1)
        shown = valid[:, None, :, :, None]
        top = torch.where(shown, keys, -torch.inf).amax(3)
        low = torch.where(shown, -keys, -torch.inf).amax(3)
        both = torch.cat([top, low], -1)
        return torch.where(torch.isfinite(both), both, 0.0)

    def of_queries(self, queries, kv_heads, layer):
        """The positive and the negative half of the sketch."""
        whole = sketch(queries, kv_heads)
        return torch.cat([whole.clamp(min=0), (-whole).clamp(min=0)], -1)

    def width(self, dims: int) -> int:
        """Two per dimension."""
        return 2 * dims


class SoftenedBound(Features):
    """Between the mean key and the bound: (1 - share)·Σ q·mean + share·Σ max(q·min, q·max).

    A bound promises what hardly any token holds, and a mean drowns the one that is asked for. By the two halves of the
    query it is one dot product, as the bound is.

    Attributes:
        share: Of the bound; 0 is the mean key, 1 the bound. The usual 0.3 is a design choice.
    """

    def __init__(self, share: float = 0.3):
        if not 0 <= share <= 1:
            raise InputError(f"share: got {share:g}, want one from 0 to 1; 0 is the mean key, 1 the bound")
        self.share = share

    def of_blocks(self, keys, valid, layer):
        """What a query's positive and negative half are weighted by."""
        return self.of_both(valid_mean(keys, valid), Bound().of_blocks(keys, valid, layer))

    def of_both(
        self, mean: Float[Tensor, "*blocks dims"], bound: Float[Tensor, "*blocks two_dims"]
    ) -> Float[Tensor, "*blocks two_dims"]:
        """The same, of mean keys and the features of ``Bound``."""
        return (1 - self.share) * torch.cat([mean, -mean], -1) + self.share * bound

    def of_queries(self, queries, kv_heads, layer):
        """The positive and the negative half of the sketch."""
        return Bound().of_queries(queries, kv_heads, layer)

    def width(self, dims: int) -> int:
        """Two per dimension."""
        return 2 * dims


class MeanAndBound(Features):
    """Mean key and bound side by side, for a learned projection to choose from; three numbers per dimension."""

    def of_blocks(self, keys, valid, layer):
        """Mean keys, then the features of ``Bound``."""
        return torch.cat([MeanKey().of_blocks(keys, valid, layer), Bound().of_blocks(keys, valid, layer)], -1)

    def of_queries(self, queries, kv_heads, layer):
        """Sketches, then the features of ``Bound``."""
        return torch.cat(
            [MeanKey().of_queries(queries, kv_heads, layer), Bound().of_queries(queries, kv_heads, layer)], -1
        )

    def width(self, dims: int) -> int:
        """Three per dimension."""
        return 3 * dims


class Projected(Features):
    """Another pair of features, both projected onto ``rank`` dimensions by one matrix per layer and KV head.

    Attributes:
        base: The features that are projected.
        rank: Dimensions that are left.
    """

    def __init__(self, base: Features, rank: int):
        if rank < 1:
            raise InputError(f"rank: got {rank}, want at least 1; choose how many dimensions are left")
        self.base, self.rank = base, rank

    @abc.abstractmethod
    def matrix(self, layer: int, kv_heads: int, width: int) -> Float[Tensor, "kv_heads width rank"]:
        """The projection of both sides."""

    def of_blocks(self, keys, valid, layer):
        """Projected features of blocks."""
        plain = self.base.of_blocks(keys, valid, layer)
        return torch.einsum("bhnw,hwr->bhnr", plain, self.matrix(layer, plain.shape[1], plain.shape[-1]).to(plain))

    def of_queries(self, queries, kv_heads, layer):
        """Projected features of queries."""
        plain = self.base.of_queries(queries, kv_heads, layer)
        return torch.einsum("bhnw,hwr->bhnr", plain, self.matrix(layer, kv_heads, plain.shape[-1]).to(plain))

    def width(self, dims: int) -> int:
        """The rank."""
        return self.rank


class RandomProjection(Projected):
    """A Gaussian projection, the same for every layer and head: dot products are kept on average.

    Source: W. B. Johnson, J. Lindenstrauss, Contemp. Math. 26, 189 (1984), 10.1090/conm/026/737400.
    """

    def __init__(self, base: Features, rank: int, seed: int = 0):
        super().__init__(base, rank)
        self.seed = seed

    def matrix(self, layer, kv_heads, width):
        """Entries of variance 1/rank."""
        generator = torch.Generator().manual_seed(self.seed)
        return (torch.randn(width, self.rank, generator=generator) / self.rank**0.5).expand(kv_heads, -1, -1)


class PrincipalProjection(Projected):
    """The directions in which the calibration's block features vary most (PCA), per layer and KV head."""

    trained = True

    def __init__(self, base: Features, rank: int):
        super().__init__(base, rank)
        self._axes: dict[int, Tensor] = {}

    def fit(self, keys, queries, *, layer, block, scaling=None, softcap=None):
        """Principal axes of the features of the calibration's complete blocks."""
        blocks = keys.shape[2] // block
        cut = keys[:, :, : blocks * block].unflatten(2, (blocks, block))
        valid = torch.ones(len(cut), blocks, block, dtype=torch.bool, device=keys.device)
        plain = self.base.of_blocks(cut, valid, layer).transpose(0, 1).flatten(1, 2)
        # Taking off the mean moves all scores of a query alike, so it need not be kept.
        centred = plain - plain.mean(1, keepdim=True)
        axes = torch.linalg.eigh(centred.transpose(1, 2) @ centred).eigenvectors.flip(-1)
        if self.rank > axes.shape[-1]:
            raise InputError(f"rank: got {self.rank}, want at most {axes.shape[-1]}; choose fewer dimensions")
        self._axes[layer] = axes[..., : self.rank]

    def matrix(self, layer, kv_heads, width):
        """The fitted axes."""
        if layer not in self._axes:
            raise InputError(f"PCA of layer {layer}: got no calibration, want keys and queries; call fit() first")
        return self._axes[layer]
