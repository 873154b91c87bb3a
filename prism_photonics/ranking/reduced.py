"""Fewer dimensions than a key has: the axes on which what queries ask of keys varies most, by layer and KV head.

What a chip holds of a block is as wide as the base's features of one key, so half the dimensions are half the channels
or half the slices. Of all maps of that rank, one for keys and one for queries, these keep most of the products' spread:

    E[(q·k - (Aᵀq)·(Bᵀk))²]  is least for  C_q^½·C_k^½ = U·S·Vᵀ,   A = C_q^-½·U·S^½,   B = C_k^-½·V·S^½

with C_k the covariance of the keys (what all keys share adds the same to all scores of a query), C_q the second moment
of the queries, and the largest singular values kept; queries and keys are taken as independent of one another.

Source: that keys after rotation lie on few axes is Loki's, arXiv 2406.02542, which takes the keys' own axes; the best
pair of maps is the Eckart–Young theorem, 10.1007/BF02288367.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.codec.checks import require_count
from prism_photonics.ranking.centre import widened, widened_keys, widened_queries
from prism_photonics.ranking.selectors import Derived, Selector
from prism_photonics.units import InputError

SINK_TOKENS = 4
"""First tokens that the axes do not follow: their keys are far from all others, and they are read in any case."""


class ReducedKeys(Derived):
    """Another selector that is shown keys and queries of ``rank`` dimensions.

    Attributes:
        base: Signs and scores; its scores must be in units of a key times a query.
        rank: Dimensions that are left.
    """

    def __init__(self, name: str, base: Selector, *, rank: int):
        super().__init__(name, base)
        self.rank, self.trained = require_count("rank", rank, cure="choose how many dimensions are left"), True
        self._axes: dict[int, tuple[Tensor, Tensor]] = {}

    def sign(self, keys, valid, place):
        """See ``Selector.sign``."""
        of_keys = self._of(place.layer)[0]
        return self.base.sign(widened_keys(keys, valid, place.layer) @ of_keys[:, None], valid, place)

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``."""
        asked = _by_group(widened_queries(queries, layer), self._of(layer)[1])
        return self.base.score(asked, signatures, layer, evidence)

    def fit(self, keys, queries, *, layer, block, scaling=None, softcap=None):
        """See ``Selector.fit``."""
        kv_heads, dims = keys.shape[1], keys.shape[-1]
        if self.rank > dims:
            raise InputError(f"rank: got {self.rank}, want at most the {dims} of a key; choose fewer dimensions")
        if keys.shape[2] <= SINK_TOKENS:
            raise InputError(
                f"{self.name}, layer {layer}: got keys of {keys.shape[2]} tokens, want more than the {SINK_TOKENS} "
                "first ones, which the axes do not follow; fit on longer texts"
            )
        held = widened(keys[:, :, SINK_TOKENS:]).transpose(0, 1).flatten(1, 2)
        asked = widened(queries).unflatten(1, (kv_heads, -1)).transpose(0, 1).flatten(1, 3)
        held = held - held.mean(1, keepdim=True)
        key_root, key_inverse = _roots(held.mT @ held / held.shape[1])
        query_root, query_inverse = _roots(asked.mT @ asked / asked.shape[1])
        left, size, right = torch.linalg.svd(query_root @ key_root)
        kept = slice(0, self.rank)
        root = size[:, None, kept].sqrt()
        of_keys = key_inverse @ right.mT[..., kept] * root
        of_queries = query_inverse @ left[..., kept] * root
        self._axes[layer] = of_keys, of_queries
        if self.base.trained:
            self.base.fit(
                keys @ of_keys.to(keys), _by_group(queries, of_queries), layer=layer, block=block, scaling=scaling,
                softcap=softcap,
            )  # fmt: skip

    def cost(self, blocks, *, dims, block):
        """That of keys of fewer dimensions."""
        return self.base.cost(blocks, dims=self.rank, block=block)

    def _of(self, layer: int) -> tuple[Tensor, Tensor]:
        """Maps of keys and of queries, (kv_heads, dims, rank) each."""
        if layer not in self._axes:
            raise InputError(f"{self.name}, layer {layer}: got no calibration, want keys and queries; call fit() first")
        return self._axes[layer]


def _by_group(
    queries: Float[Tensor, "batch heads steps dims"], maps: Float[Tensor, "kv_heads dims rank"]
) -> Float[Tensor, "batch heads steps rank"]:
    """Queries of every group by the map of its KV head."""
    return (queries.unflatten(1, (len(maps), -1)) @ maps[:, None].to(queries)).flatten(1, 2)


def _roots(moment: Float[Tensor, "kv_heads dims dims"]) -> tuple[Tensor, Tensor]:
    """Square root of a second moment, and its inverse on the directions that it has."""
    values, axes = torch.linalg.eigh(moment)
    root = values.clamp(min=0).sqrt()
    # A direction that nothing varies along (rank-deficient keys) has no inverse, and needs none.
    there = root > root.amax(-1, keepdim=True) * torch.finfo(root.dtype).eps ** 0.5
    inverse = torch.where(there, 1.0 / root.where(there, 1.0), 0.0)
    return (axes * root[:, None]) @ axes.mT, (axes * inverse[:, None]) @ axes.mT
