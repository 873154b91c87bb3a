"""The one interface of all selectors, and those that are features plus a dot product, an oracle, or chance.

A selector signs each complete block once, scores all signed blocks for a query, and chooses. Keys, queries and
signatures are torch tensors over (batch, KV heads, …); the same object serves any number of layers and sequences.
"""

import abc

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prism_photonics.codec.checks import require_count
from prism_photonics.deprecation import UNTIL, moved_names
from prism_photonics.export.topk import top_k
from prism_photonics.ranking.centre import token_features, widened, widened_keys, widened_queries
from prism_photonics.ranking.features import Features
from prism_photonics.ranking.readers import FloatReader, Place, Reader
from prism_photonics.ranking.written import read_rows, write_rows
from prism_photonics.units import InputError


class Selector(abc.ABC):
    """Signs blocks, scores them, chooses.

    Attributes:
        name: Its name in the table.
        trained: Whether ``fit`` must see keys and queries of the model first.
        evidence: Further input besides signatures: "" for nothing, "position" for the token index of each query,
            "mass" for the query's exact attention (the oracle), "received" for the attention that each block received
            during prefill.
    """

    name: str
    trained: bool = False
    evidence: str = ""

    def require_block(self, block: int) -> None:  # noqa: B027  most take blocks of any size
        """Raise unless blocks of so many tokens can be signed; asked before anything is prefilled.

        Raises:
            InputError: They cannot.
        """

    @abc.abstractmethod
    def sign(
        self,
        keys: Float[Tensor, "batch kv_heads blocks tokens dims"],
        valid: Bool[Tensor, "batch blocks tokens"],
        place: Place,
    ) -> Float[Tensor, "batch kv_heads blocks width"]:
        """The signatures of complete blocks; each block is signed once.

        Args:
            keys: Post-RoPE keys.
            valid: Tokens that are no padding.
            place: Where the blocks stand.

        Returns:
            Whatever ``score`` needs of a block; blocks signed later are appended.
        """

    @abc.abstractmethod
    def score(
        self,
        queries: Float[Tensor, "batch heads steps dims"],
        signatures: Float[Tensor, "batch kv_heads blocks width"],
        layer: int,
        evidence: Float[Tensor, "batch kv_heads steps blocks"] | Float[Tensor, "batch steps"] | None = None,
    ) -> Float[Tensor, "batch kv_heads steps blocks"]:
        """Scores of all signed blocks, the higher the better.

        Args:
            queries: Post-RoPE queries; consecutive heads share a KV head.
            signatures: Result of ``sign``.
            layer: Layer of the model.
            evidence: See the attribute.

        Returns:
            Scores in any unit.
        """

    def choose(
        self, scores: Float[Tensor, "*batch blocks"], k: int, candidates: Bool[Tensor, "*batch blocks"]
    ) -> Int[Tensor, "*batch chosen"]:
        """The k best candidates, best first, -1 where there are fewer; ties go to the lower index.

        Args:
            scores: One score per block.
            k: Blocks to choose.
            candidates: Blocks that may be chosen.

        Returns:
            Block indices.
        """
        return top_candidates(scores, k, candidates)

    def fit(  # noqa: B027  most need none
        self,
        keys: Float[Tensor, "batch kv_heads tokens dims"],
        queries: Float[Tensor, "batch heads steps dims"],
        *,
        layer: int,
        block: int,
        scaling: float | None = None,
        softcap: float | None = None,
    ) -> None:
        """Learn from calibration sequences; selectors that are not ``trained`` ignore it.

        Args:
            keys: Post-RoPE keys.
            queries: Post-RoPE queries, asked after all keys.
            layer: Layer of the model.
            block: Tokens per block.
            scaling: Factor of the dot products in this layer's attention; 1/√dims by default.
            softcap: Bound of its logits, or none.
        """

    def restart(self, number: int) -> None:  # noqa: B027  most draw nothing
        """Draw from here on what only this number and the seed decide, whatever was drawn before.

        Args:
            number: Of a text, say, so that a table that was broken off goes on with the numbers of a whole one.
        """

    def cost(self, blocks: int, *, dims: int, block: int) -> dict[str, float]:
        """Cost of one query of one KV head: signature bytes read, pages of rows read, passes of light.

        Args:
            blocks: Blocks that are ranked.
            dims: Dimensions of a key.
            block: Tokens per block.

        Returns:
            ``signature_bytes``, ``pages``, ``passes``.
        """
        return {"signature_bytes": 0.0, "pages": 0.0, "passes": 0.0}


def top_candidates(
    scores: Float[Tensor, "*batch blocks"], k: int, candidates: Bool[Tensor, "*batch blocks"]
) -> Int[Tensor, "*batch chosen"]:
    """The k best candidates above -inf, under the tie rule of ``ranking.recall.top_k``; -1 where there are fewer."""
    k = require_count("k", k)
    barred = torch.where(candidates, scores, -torch.inf)
    if barred.numel() and not bool(barred.amax() < torch.inf):  # NaN is not below it either
        raise InputError(
            "scores: got NaN or infinity, want numbers; products of keys and queries are beyond the largest float, and "
            "so are the attention's: run the model in bfloat16 or float32"
        )
    order = top_k(barred, min(k, barred.shape[-1]))
    return torch.where(torch.gather(barred, -1, order) > -torch.inf, order, -1)


class FeatureSelector(Selector):
    """Scores are dot products of block features and query features, read in float or by a chip.

    What all blocks share is taken off before they are written, and each feature is written over the scale of its spread
    (see ``ranking.centre``).

    Attributes:
        features: Features of blocks and queries.
        reader: Computes the dot products.
    """

    def __init__(self, name: str, features: Features, reader: Reader | None = None):
        self.name, self.features, self.reader = name, features, reader or FloatReader()
        self.trained = features.trained

    def sign(self, keys, valid, place):
        """See ``Selector.sign``."""
        keys = widened_keys(keys, valid, place.layer)
        plain = self.features.of_blocks(keys, valid, place.layer)
        tokens = None
        if self.reader.ranged:
            tokens = token_features(self.features, keys, valid, place.layer, centre=place.centre)
        return write_rows(self.reader, plain, valid.any(-1), place, tokens=tokens)

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``."""
        sketch = self.features.of_queries(widened_queries(queries, layer), signatures.shape[1], layer)
        return read_rows(self.reader, sketch, signatures)

    def fit(self, keys, queries, *, layer, block, scaling=None, softcap=None):
        """See ``Selector.fit``."""
        self.features.fit(widened(keys), widened(queries), layer=layer, block=block, scaling=scaling, softcap=softcap)

    def restart(self, number):
        """See ``Selector.restart``."""
        self.reader.restart(number)

    def cost(self, blocks, *, dims, block):
        """See ``Selector.cost``."""
        return self.reader.cost(blocks, self.features.width(dims))


class Derived(Selector):
    """A selector derived from another: what it does not do in a way of its own, the other does.

    Attributes:
        base: The other.
        reader: Of the other, if it has one.
    """

    def __init__(self, name: str, base: Selector):
        self.name, self.base, self.reader = name, base, getattr(base, "reader", None)
        self.trained, self.evidence = base.trained, base.evidence

    def require_block(self, block):
        """See ``Selector.require_block``."""
        self.base.require_block(block)

    def sign(self, keys, valid, place):
        """See ``Selector.sign``."""
        return self.base.sign(keys, valid, place)

    def fit(self, keys, queries, *, layer, block, scaling=None, softcap=None):
        """See ``Selector.fit``."""
        self.base.fit(keys, queries, layer=layer, block=block, scaling=scaling, softcap=softcap)

    def restart(self, number):
        """See ``Selector.restart``."""
        self.base.restart(number)


class Oracle(Selector):
    """Chooses by the query's exact attention mass: the upper bound of every signature."""

    name = "oracle"
    evidence = "mass"

    def sign(self, keys, valid, place):
        """An empty signature."""
        return keys.new_zeros(*keys.shape[:3], 1)

    def score(self, queries, signatures, layer, evidence=None):
        """The evidence itself."""
        if evidence is None:
            raise InputError(f"{self.name}: got no evidence, want {self.evidence}; it works in the table only")
        return evidence

    def cost(self, blocks, *, dims, block):
        """Every key is read."""
        return {"signature_bytes": 2.0 * blocks * block * dims, "pages": 0.0, "passes": 0.0}


class RandomChoice(Selector):
    """Chooses at random, anew at every step: the chance row."""

    name = "random"

    def __init__(self, seed: int = 0):
        self._seed = seed
        self._generator = torch.Generator().manual_seed(seed)

    def sign(self, keys, valid, place):
        """An empty signature."""
        return keys.new_zeros(*keys.shape[:3], 1)

    def score(self, queries, signatures, layer, evidence=None):
        """Uniform random numbers."""
        batch, kv_heads, blocks, _ = signatures.shape
        return torch.rand(batch, kv_heads, queries.shape[2], blocks, generator=self._generator).to(queries.device)

    def restart(self, number):
        """See ``Selector.restart``."""
        self._generator.manual_seed((self._seed << 32) + number)


__getattr__ = moved_names(__name__, {"best": "ranking.selectors:top_candidates"}, until=UNTIL)
