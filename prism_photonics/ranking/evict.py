"""Eviction policies as rows of the same table: they keep the same blocks for every query.

StreamingLLM and H2O throw tokens away before the query is known; here they keep k blocks per KV head, beside the sink
and window that every row has.
"""

import torch

from prism_photonics.ranking.selectors import Oracle, Selector


class Streaming(Selector):
    """Keeps the most recent blocks.

    Source: StreamingLLM, arXiv 2309.17453.
    """

    name = "streaming_llm"

    def sign(self, keys, valid, place):
        """The block's index."""
        index = torch.tensor(place.indices(keys.shape[2]), dtype=torch.float32, device=keys.device)
        return index[:, None].expand(*keys.shape[:3], 1)

    def score(self, queries, signatures, layer, evidence=None):
        """Later is better."""
        return signatures[..., 0][:, :, None].expand(-1, -1, queries.shape[2], -1)


class HeavyHitters(Oracle):
    """Keeps the blocks that received the most attention during prefill.

    The policy's accumulated attention decides once, at the end of the prefill and per block; the original evicts
    single tokens at every step.

    Source: H2O, arXiv 2306.14048.
    """

    name = "h2o"
    evidence = "received"

    def cost(self, blocks, *, dims, block):
        """No signature is read."""
        return {"signature_bytes": 0.0, "pages": 0.0, "passes": 0.0}
