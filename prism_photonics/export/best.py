"""The k best blocks in torch, ties by ``export.schema.TIE_RULE``: ``torch.topk`` leaves their order open."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def best(scores: Float[Tensor, "*batch blocks"], k: int) -> Int[Tensor, "*batch k"]:
    """Indices of the k largest scores, best first; of equal ones the lower index first.

    Single precision: score and index together are one whole number, and those are all different. Double precision is
    sorted.
    """
    if scores.dtype != torch.float32:
        return torch.sort(scores, dim=-1, descending=True, stable=True).indices[..., :k]
    # As integers, floats of the IEEE format are in their own order, the negative ones backwards. A zero has one sign.
    bits = (scores.detach() + 0.0).view(torch.int32)
    order = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    last = scores.shape[-1] - 1
    key = (order << 32) + (last - torch.arange(last + 1, device=scores.device))
    return last - (torch.topk(key, k, dim=-1).values & 0xFFFFFFFF)
