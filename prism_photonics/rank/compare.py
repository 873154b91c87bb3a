"""An exported bundle against float scores on the same cache."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prism_photonics.export.read import load
from prism_photonics.rank.evaluate import Evaluation, evaluate, ideal_scores
from prism_photonics.rank.keys import KeyCache
from prism_photonics.rank.signatures import mean_key, query_sketch


def bundle_scores(
    bundle: str | os.PathLike[str], cache: KeyCache, *, block: int, seed: int
) -> Float[np.ndarray, "sequences kv_heads queries blocks"]:
    """Scores of every query of a cache by an exported bundle; each KV head of a sequence is programmed once.

    Args:
        bundle: The bundle's folder.
        cache: Keys and queries.
        block: Tokens per block.
        seed: Seed of programming errors and read noise.

    Returns:
        Scores in units of query times key.
    """
    model = load(bundle)
    signatures, sketches = mean_key(cache.keys, block=block), query_sketch(cache.queries, cache.keys.shape[1])
    scores = np.empty((*signatures.shape[:2], sketches.shape[2], signatures.shape[2]))
    for number, bank in enumerate(np.ndindex(*signatures.shape[:2])):
        # Every bank is programmed and read on its own: its own errors, its own noise.
        scores[bank] = model.scores(sketches[bank], signatures[bank], seed * 2**20 + number)
    return scores


def compare(bundle: Path, keys: Path | None, *, block: int, k: int, seed: int) -> list[Evaluation]:
    """Float scores and an exported bundle on one cache.

    Args:
        bundle: The bundle's folder.
        keys: A keys file, or None for the built-in needle keys.
        block: Tokens per block.
        k: Blocks chosen per query.
        seed: Seed of programming errors and read noise.

    Returns:
        Lines per scorer and KV head.
    """
    cache = KeyCache.load(keys)
    scores = {
        "ideal": ideal_scores(cache, block=block),
        "behavioral": bundle_scores(bundle, cache, block=block, seed=seed),
    }
    return evaluate(cache, scores, block=block, k=k)
