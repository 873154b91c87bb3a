"""A Salca-like electronic selector: few-bit keys and queries on heavy channels, and a histogram instead of a sort."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prism_photonics.ranking.centre import widened, widened_keys, widened_queries
from prism_photonics.ranking.features import sketch
from prism_photonics.ranking.selectors import Selector
from prism_photonics.units import InputError

BINS = 256


class SalcaLike(Selector):
    """Scores every token on a quarter of the channels; a block is worth its best token or neighbour of one.

    What follows the publication: 2-bit asymmetric keys and 3-bit symmetric queries on the heavy channels, scores in 8
    bits, a 256-bin histogram that is added up from the top, ties included, and a stride-1 maximum over neighbours.
    What is ours: heavy channels are those of the largest mean |key| of the calibration, a key's range is its own, and
    tokens are fetched by blocks, so that the row reads what the others read.

    Attributes:
        share: Share of the channels that are heavy.
        neighbours: Tokens that the maximum reaches to each side.

    Source: arXiv 2604.24820, read as a digest.
    """

    name = "salca_like"
    trained = True

    def __init__(self, share: float = 0.25, neighbours: int = 1):
        if not 0 < share <= 1 or neighbours < 0:
            raise InputError(f"share {share}, neighbours {neighbours}: want (0, 1] and no negative number")
        self.share, self.neighbours = share, neighbours
        self._heavy: dict[int, Tensor] = {}

    def fit(self, keys, queries, *, layer, block, scaling=None, softcap=None):
        """Find the heavy channels of each KV head."""
        count = max(1, round(self.share * keys.shape[-1]))
        self._heavy[layer] = widened(keys).abs().mean((0, 2)).topk(count, -1).indices.sort(-1).values

    def sign(self, keys, valid, place):
        """The heavy channels of all tokens of a block as their 2-bit codes stand for, padding marked by NaN."""
        heavy = self._channels(place.layer)[None, :, None, None].expand(*keys.shape[:4], -1)
        picked = widened_keys(keys, valid, place.layer).gather(-1, heavy)
        low = picked.amin(-1, keepdim=True)
        step = ((picked.amax(-1, keepdim=True) - low) / 3).clamp(min=1e-12)
        coded = low + step * ((picked - low) / step).round()
        return torch.where(valid[:, None, :, :, None], coded, torch.nan).flatten(3)

    def score(self, queries, signatures, layer, evidence=None):
        """The best token score of each block and its neighbours, in 8 bits."""
        heavy = self._channels(layer)
        kv_heads, blocks = signatures.shape[1:3]
        picked = sketch(widened_queries(queries, layer), kv_heads).gather(
            -1, heavy[None, :, None].expand(len(queries), -1, queries.shape[2], -1)
        )
        step = (picked.abs().amax(-1, keepdim=True) / 3).clamp(min=1e-12)
        coded = step * (picked / step).round()
        tokens = signatures.unflatten(-1, (-1, heavy.shape[-1])).flatten(2, 3)
        scores = torch.einsum("bhqd,bhtd->bhqt", coded, tokens)
        scores = torch.where(torch.isnan(scores), -torch.inf, scores).flatten(0, 1)
        pooled = torch.nn.functional.max_pool1d(scores, 2 * self.neighbours + 1, stride=1, padding=self.neighbours)
        best_token = pooled.unflatten(0, signatures.shape[:2]).unflatten(-1, (blocks, -1)).amax(-1)
        return eight_bits(best_token)

    def choose(
        self, scores: Float[Tensor, "*batch blocks"], k: int, candidates: Bool[Tensor, "*batch blocks"]
    ) -> Int[Tensor, "*batch chosen"]:
        """All candidates from the bin on in which the k-th lies: at least k, more when it is crowded.

        Args:
            scores: Scores in 8 bits.
            k: Blocks to choose.
            candidates: Blocks that may be chosen.

        Returns:
            Block indices, ascending, -1 where there are fewer.
        """
        barred = torch.where(candidates, scores, -1.0)
        bins = barred.clamp(min=0).long()
        histogram = torch.zeros(*scores.shape[:-1], BINS, dtype=torch.long, device=scores.device)
        histogram.scatter_add_(-1, bins, (barred >= 0).long())
        from_top = histogram.flip(-1).cumsum(-1)
        threshold = BINS - 1 - (from_top < k).sum(-1, keepdim=True).clamp(max=BINS - 1)
        taken = (bins >= threshold) & (barred >= 0)
        most = int(taken.sum(-1).max())
        order = torch.sort((~taken).to(torch.uint8), dim=-1, stable=True).indices[..., :most]
        return torch.where(taken.gather(-1, order), order, -1)

    def cost(self, blocks, *, dims, block):
        """2 bits per heavy channel and two 16-bit numbers per token."""
        heavy = max(1, round(self.share * dims))
        return {"signature_bytes": blocks * block * (heavy / 4 + 4.0), "pages": 0.0, "passes": 0.0}

    def _channels(self, layer: int) -> Int[Tensor, "kv_heads heavy"]:
        if layer not in self._heavy:
            raise InputError(f"{self.name} of layer {layer}: got no calibration, want keys; call fit() first")
        return self._heavy[layer]


def eight_bits(scores: Float[Tensor, "*batch blocks"]) -> Float[Tensor, "*batch blocks"]:
    """Scores as whole numbers 0 to 255 between each query's smallest and largest; -1 for -inf."""
    real = scores > -torch.inf
    low = torch.where(real, scores, torch.inf).amin(-1, keepdim=True)
    high = scores.amax(-1, keepdim=True)
    step = ((high - low) / (BINS - 1)).clamp(min=1e-12)
    return torch.where(real, ((scores - low) / step).round().clamp(0, BINS - 1), -1.0)
