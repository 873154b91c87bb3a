"""A reading for every query head instead of one for its group: shares of attention are added, not queries.

The sum of a group's queries finds what all of its heads look for; a head that looks for something of its own drowns in
it. Read by itself, each head's scores make its own softmax over the blocks, as its attention does. The price is as many
readings as a group has heads.
"""

import torch

from prism_photonics.codec.checks import require_count
from prism_photonics.ranking.selectors import Derived, Selector
from prism_photonics.units import InputError


class PerHead(Derived):
    """Another selector, asked by every query head alone; a block is worth the sum of its shares.

    Attributes:
        base: Signs, and scores in units of a key times a query.
        group: Query heads of a KV head.
        scaling: Factor of the scores before the softmax; 1/√dims by default, as in most models' attention.
    """

    def __init__(self, name: str, base: Selector, *, group: int, scaling: float | None = None):
        super().__init__(name, base)
        self.scaling = scaling
        self.group = require_count("group", group, cure="give the query heads of a KV head")

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``."""
        batch, heads, steps, dims = queries.shape
        kv_heads, group = signatures.shape[1], self.group
        if heads != group * kv_heads:
            raise InputError(f"{self.name}: got {heads} heads for {kv_heads} KV heads, want {group} each; mend group")
        alone = queries.reshape(batch, kv_heads, group * steps, dims)
        if self.evidence == "position" and evidence is not None:
            evidence = evidence.repeat(1, group)
        scores = self.base.score(alone, signatures, layer, evidence)
        scaled = scores * (dims**-0.5 if self.scaling is None else self.scaling)
        # Blocks of padding and on dead rows score -inf; a query that sees none but those has no shares.
        shares = scaled.softmax(-1).nan_to_num()
        summed = shares.unflatten(2, (group, steps)).sum(2)
        return torch.where((scores > -torch.inf).unflatten(2, (group, steps)).any(2), summed, -torch.inf)

    def cost(self, blocks, *, dims, block):
        """Electronics reads signatures once for all heads of the group; light reads them once for each."""
        one = self.base.cost(blocks, dims=dims, block=block)
        return one | {"passes": self.group * one["passes"]}
