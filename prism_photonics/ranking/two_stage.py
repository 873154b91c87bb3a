"""Two stages: a signature leaves a share of the blocks, and of those the exact attention to every token decides."""

import torch

from prism_photonics.ranking.centre import widened_keys, widened_queries
from prism_photonics.ranking.selectors import Derived, Selector, top_candidates
from prism_photonics.units import InputError


class TwoStage(Derived):
    """Another selector's best blocks, ranked anew by the keys of their tokens; all others are out.

    The keys of the survivors are read, their values are not: a survivor that is dropped costs half a block.

    Attributes:
        base: Scores all blocks.
        survivors: Share of the blocks whose keys are read; at least one block.
        scaling: Factor of the products before the softmax; 1/√dims by default.

    Source: HISA's pooled filter before token scores, arXiv 2603.28458, read as a digest; here blocks are chosen in both
        stages, so that the row reads what the others read.
    """

    def __init__(self, name: str, base: Selector, *, survivors: float = 0.25, scaling: float | None = None):
        if not 0 < survivors <= 1:
            raise InputError(f"survivors: got {survivors}, want a share in (0, 1]; choose how many blocks are left")
        super().__init__(name, base)
        self.survivors, self.scaling = survivors, scaling

    def sign(self, keys, valid, place):
        """Tokens of a block, their keys (which a machine reads where they lie), NaN for padding, and the base's."""
        shown = valid[:, None, :, :, None]
        held = widened_keys(keys, valid, place.layer).masked_fill(~shown, torch.nan).flatten(3)
        tokens = torch.full_like(held[..., :1], keys.shape[3])
        return torch.cat([tokens, held, self.base.sign(keys, valid, place).to(held)], -1)

    def score(self, queries, signatures, layer, evidence=None):
        """Exact attention on the survivors, added over the group's heads; -inf for all other blocks."""
        kv_heads, blocks = signatures.shape[1:3]
        dims, tokens = queries.shape[-1], int(signatures[0, 0, 0, 0]) if signatures.numel() else 0
        held, signed = signatures[..., 1:].tensor_split([tokens * dims], -1)
        first = self.base.score(queries, signed, layer, evidence)
        count = max(1, round(self.survivors * blocks))
        left = top_candidates(first, count, torch.ones_like(first, dtype=torch.bool))
        kept = torch.zeros(*first.shape[:-1], blocks + 1, dtype=torch.bool, device=first.device)
        kept = kept.scatter(-1, torch.where(left < 0, blocks, left), True)[..., :blocks]
        grouped = widened_queries(queries, layer).unflatten(1, (kv_heads, -1))
        keys = held.unflatten(3, (tokens, dims)).flatten(2, 3)
        logits = (dims**-0.5 if self.scaling is None else self.scaling) * (grouped @ keys[:, :, None].mT)
        shown = kept[:, :, None, :, :, None] & ~logits.isnan().unflatten(-1, (blocks, tokens))
        logits = logits.unflatten(-1, (blocks, tokens)).masked_fill(~shown, -torch.inf)
        mass = logits.flatten(-2).softmax(-1).nan_to_num().unflatten(-1, (blocks, tokens)).sum((2, -1))
        return torch.where(kept, mass, -torch.inf)

    def cost(self, blocks, *, dims, block):
        """The base's, and the survivors' keys in two bytes per number."""
        one = self.base.cost(blocks, dims=dims, block=block)
        read = 2.0 * max(1, round(self.survivors * blocks)) * block * dims
        return one | {"signature_bytes": one["signature_bytes"] + read}
