"""How far a needle's block stands out of the others by its mean key: MoBA's estimate, and what is measured.

A mean of B keys holds a B-th of what its one token has more than others, and their spread averages out as √B. So for
tokens that have nothing to do with one another the block of the needle beats another one by, in standard deviations,

    SNR = Δ / (σ·√(2·B)),    Δ: the needle's dot product above the mean,    σ: spread of the dot products.

Where neighbours resemble one another their spread averages out more slowly, and the estimate promises too much. On the
built-in keys it promises a little less than is measured, see docs/benchmarks.md.

Source: FlashMoBA, arXiv 2511.11571, read as a digest; there σ² = 1/d of unit vectors.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import binom

from prism_photonics.codec.checks import require_count
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.signatures import query_sketch
from prism_photonics.units import InputError

_STEPS = np.linspace(-6.0, 6.0, 481)
"""Where the needle block's own deviation is looked at, in standard deviations."""


@dataclass(frozen=True)
class BlockSignal:
    """Means over all queries and KV heads.

    Attributes:
        block: Tokens per block.
        chance: Chosen blocks over all, for the usual query.
        estimated_snr: By the formula, from single tokens.
        measured_snr: Of the mean keys' scores: needle's block less the others' mean, over √2 of their spread.
        estimated_hit: How often k of such blocks would hold the needle's.
        measured_hit: How often they do.
        queries: Queries times KV heads that were asked.
    """

    block: int
    chance: float
    estimated_snr: float
    measured_snr: float
    estimated_hit: float
    measured_hit: float
    queries: int


def block_signal(cache: KeyCache, *, block: int, k: int) -> BlockSignal:
    """Estimate and measure, for the mean key against the summed query.

    Args:
        cache: Keys and queries of a layer that looks for needles.
        block: Tokens per block.
        k: Blocks chosen.

    Returns:
        Both signal-to-noise ratios, and the hits that go with them.

    Raises:
        InputError: No query has more than k whole blocks before it, its needle in one of them.
    """
    block, k = require_count("block", block), require_count("k", k)
    found = []
    kv_heads = cache.keys.shape[1]
    sketches = query_sketch(cache.queries, kv_heads)
    for sequence, head in np.ndindex(len(cache.keys), kv_heads):
        scores = sketches[sequence, head] @ np.asarray(cache.keys[sequence, head], float).T
        for row, asked, needle in zip(
            scores, cache.query_position[sequence], cache.needle_position[sequence], strict=True
        ):
            blocks, mine = int(asked) // block, int(needle) // block
            if blocks > k and mine < blocks:
                found.append(_of_query(row[: blocks * block], int(needle), block=block, k=k))
    if not found:
        raise InputError(
            f"block, k: got {block} tokens and {k}, want more than k whole blocks before a query; choose fewer"
        )
    mean = np.mean(found, axis=0)
    return BlockSignal(block, *(float(each) for each in mean), queries=len(found))


def _of_query(scores: np.ndarray, needle: int, *, block: int, k: int) -> tuple[float, float, float, float, float]:
    """Chance, both ratios and both hits of one query, by its dot products with all tokens before it."""
    others = np.delete(scores, needle)
    estimated = (scores[needle] - others.mean()) / (others.std() * np.sqrt(2 * block))
    means = scores.reshape(-1, block).mean(1)
    mine, rest = means[needle // block], np.delete(means, needle // block)
    measured = (mine - rest.mean()) / (np.sqrt(2) * rest.std())
    # The needle's block deviates too; given by how much, each of the others passes it by itself.
    passes = ndtr(-(np.sqrt(2) * estimated + _STEPS))
    weight = np.exp(-(_STEPS**2) / 2)
    hit = float((binom.cdf(k - 1, len(rest), passes) * weight).sum() / weight.sum())
    return k / len(means), float(estimated), float(measured), hit, float((rest > mine).sum() < k)
