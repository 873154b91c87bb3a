"""An exported bundle against float scores on the same cache."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prism_photonics.codec.centring import centre_score
from prism_photonics.export.read import Bundle, load
from prism_photonics.ranking.evaluate import Evaluation, evaluate, ideal_scores
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.signatures import centred_at_full_span, mean_key, query_sketch
from prism_photonics.units import InputError

BLOCK = 16
"""Tokens per block."""
K = 8
"""Blocks chosen per query."""


def load_keys(path: Path | None, *, block: int = BLOCK, k: int = K) -> KeyCache:
    """Read a keys file, and refuse blocks so long, or so many of them chosen, that nothing is selected.

    Args:
        path: The file, or None for the built-in needle keys.
        block: Tokens per block.
        k: Blocks chosen per query.

    Returns:
        The cache.

    Raises:
        InputError: The file is damaged, or k is not below the number of blocks.
    """
    cache = KeyCache.load(path)
    tokens = cache.keys.shape[2]
    blocks = -(-tokens // block)
    if blocks < 2:
        raise InputError(
            f"block: got {block} tokens, want fewer than the {tokens} of {cache.source}; choose shorter blocks"
        )
    if k >= blocks:
        raise InputError(
            f"k: got {k}, want 1 to {blocks - 1}: {cache.source} has {blocks} blocks of {block} tokens; "
            "choose fewer, or give a longer context"
        )
    return cache


def bundle_scores(
    bundle: Bundle | str | os.PathLike[str], cache: KeyCache, *, block: int = BLOCK, seed: int = 0
) -> Float[np.ndarray, "sequences kv_heads queries blocks"]:
    """Scores of every query of a cache by an exported bundle; each KV head of a sequence is programmed once.

    Each block is written as ``ranking.signatures.centred_at_full_span`` says.

    Args:
        bundle: The bundle, or its folder.
        cache: Keys and queries.
        block: Tokens per block.
        seed: Seed of programming errors and read noise.

    Returns:
        Scores in units of query times key.
    """
    model = bundle if isinstance(bundle, Bundle) else load(bundle)
    signatures, sketches = mean_key(cache.keys, block=block), query_sketch(cache.queries, cache.keys.shape[1])
    scores = np.empty((*signatures.shape[:2], sketches.shape[2], signatures.shape[2]))
    for number, bank in enumerate(np.ndindex(*signatures.shape[:2])):
        # Every bank is programmed and read on its own: its own errors, its own noise.
        unit, scale, centre, wide = centred_at_full_span(signatures[bank])
        key = seed * 2**20 + number
        read = model.read(sketches[bank] * wide, model.program(unit, key, signature_scale=1.0), key=key)
        scores[bank] = read * scale + centre_score(sketches[bank], centre, halves=False)
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

    Raises:
        InputError: A damaged bundle or keys file, or k of the blocks would be all of them.
    """
    cache = load_keys(keys, block=block, k=k)
    scores = {
        "ideal": ideal_scores(cache, block=block),
        "behavioral": bundle_scores(bundle, cache, block=block, seed=seed),
    }
    return evaluate(cache, scores, block=block, k=k)
