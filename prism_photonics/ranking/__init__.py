"""From scores to chosen blocks: top-k, recall against exact attention, tiling, and real keys to try it on."""

from prism_photonics.codec.tiling import scores_by_tile, tiles
from prism_photonics.ranking.evaluate import Evaluation, evaluate, ideal_scores
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.mass import attention_mass
from prism_photonics.ranking.recall import recall_at_k, top_k
from prism_photonics.ranking.signatures import mean_key, query_sketch

__all__ = [
    "Evaluation",
    "KeyCache",
    "attention_mass",
    "evaluate",
    "ideal_scores",
    "mean_key",
    "query_sketch",
    "recall_at_k",
    "scores_by_tile",
    "tiles",
    "top_k",
]
