"""Scores of every token by index heads, as a lightning indexer gives them: what a block signature is compared with.

    score of a token = Σ_h max(0, q_h · k),   h: the heads of a group

The key of a token is one for all heads and held in 8 bits; a block is worth its best token, and with blocks of one
token it is the choice of tokens itself. It reads a byte per number of every key: no signature, and near the oracle.

Source: the lightning indexer of DeepSeek-V3.2 and the maximum over a block's tokens of MSA, arXiv 2606.13392, read as
digests. There the index heads are trained, each with a weight; here they are the model's own, all of weight 1.
"""

import torch

from prism_photonics.ranking.centre import widened_keys, widened_queries
from prism_photonics.ranking.selectors import Selector

_LARGEST = 448.0
"""The largest number of the 8-bit floats (e4m3)."""


class TokenIndexer(Selector):
    """Keys of all tokens in 8-bit floats, each over a scale of its own; the best token of a block counts."""

    def __init__(self, name: str = "indexer_like"):
        self.name = name

    def sign(self, keys, valid, place):
        """Every key as 8 bits hold it; NaN for padding."""
        wide = widened_keys(keys, valid, place.layer)
        scale = wide.abs().amax(-1, keepdim=True) / _LARGEST
        over = torch.where(scale > 0, scale, 1.0)
        held = (wide / over).to(torch.float8_e4m3fn).to(wide) * over
        return held.masked_fill(~valid[:, None, :, :, None], torch.nan).flatten(3)

    def score(self, queries, signatures, layer, evidence=None):
        """The largest sum over the heads of the positive parts of their products."""
        dims, (kv_heads, blocks) = queries.shape[-1], signatures.shape[1:3]
        grouped = widened_queries(queries, layer).unflatten(1, (kv_heads, -1))
        tokens = signatures.unflatten(3, (-1, dims)).flatten(2, 3)
        products = (grouped @ tokens[:, :, None].mT).relu().sum(2)
        products = torch.where(products.isnan(), -torch.inf, products)
        return products.unflatten(-1, (blocks, -1)).amax(-1)

    def cost(self, blocks, *, dims, block):
        """A byte per number and a 32-bit scale of every token."""
        return {"signature_bytes": blocks * block * (dims + 4.0), "pages": 0.0, "passes": 0.0}
