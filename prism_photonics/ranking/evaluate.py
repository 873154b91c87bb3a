"""How well scorers choose blocks of a real cache, per KV head, with chance and intervals beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.mass import attention_mass
from prism_photonics.ranking.recall import chance_level, recall_at_k, standard_error, top_k, wilson_interval
from prism_photonics.ranking.signatures import mean_key, query_sketch
from prism_photonics.units import InputError


@dataclass(frozen=True)
class Evaluation:
    """One line of the table: one scorer on one KV head, or on all of them.

    All but the counts are shares, 0 to 1. The queries of one sequence share its blocks and the KV heads share
    its queries, so the intervals, which take trials as independent, are somewhat too narrow.

    Attributes:
        scorer: Name of the scores.
        kv_head: KV head, or "all".
        hit: Share of queries whose needle's block was chosen.
        hit_low: Lower end of its Wilson 95 % interval.
        hit_high: Upper end.
        recall: Mean recall@k against the exact attention mass.
        recall_error: Its standard error.
        recall_vs_ideal: Mean recall@k against exact mean-key scores.
        recall_vs_ideal_error: Its standard error.
        mass_coverage: Mean share of the exact attention that the chosen blocks hold.
        chance: Recall and hit of a random choice, k / blocks.
        k: Blocks chosen.
        blocks: Blocks ranked.
        trials: Queries, times KV heads for "all".
    """

    scorer: str
    kv_head: int | str
    hit: float
    hit_low: float
    hit_high: float
    recall: float
    recall_error: float
    recall_vs_ideal: float
    recall_vs_ideal_error: float
    mass_coverage: float
    chance: float
    k: int
    blocks: int
    trials: int


def ideal_scores(cache: KeyCache, *, block: int = 16) -> Float[np.ndarray, "sequences kv_heads queries blocks"]:
    """Float mean-key scores: what a scorer without any error would say."""
    sketch = query_sketch(cache.queries, cache.keys.shape[1])
    return np.einsum("shqd,shbd->shqb", sketch, mean_key(cache.keys, block=block))


def evaluate(
    cache: KeyCache,
    score_sets: Mapping[str, Float[np.ndarray, "sequences kv_heads queries blocks"]],
    *,
    block: int = 16,
    k: int = 8,
) -> list[Evaluation]:
    """Compare scorers on every query of a cache, per KV head, with no union over heads and no fallback.

    All blocks of the cache are ranked, also the few that lie in a query's future: they hold no attention, so
    choosing one costs recall. (On the built-in keys, whose queries stand in the last 4 of 64 blocks, masking
    them changes no hit of the ideal scorer.) All queries count, also those that full attention did not
    recall.

    Args:
        cache: Keys, queries and where the needles are.
        score_sets: Scores by name.
        block: Tokens per block.
        k: Blocks chosen, fewer than there are.

    Returns:
        For each scorer one line per KV head, then one for all.

    Raises:
        InputError: Scores of another shape, NaN scores, or k not below the number of blocks.
    """
    ideal = ideal_scores(cache, block=block)
    blocks = ideal.shape[-1]
    if not 1 <= k < blocks:
        raise InputError(f"k: got {k}, want 1 to {blocks - 1}; with every block chosen nothing is selected")
    mass = attention_mass(
        cache.queries,
        cache.keys,
        query_position=cache.query_position,
        block=block,
        scale=cache.attention_scale,
    )
    needle = (cache.needle_position // block)[:, None, :, None]
    lines = []
    for name, scores in score_sets.items():
        if scores.shape != ideal.shape:
            raise InputError(
                f"scores '{name}': got shape {scores.shape}, want {ideal.shape} (sequences, KV heads, "
                "queries, blocks); score every query of the cache"
            )
        chosen = top_k(scores, k)
        hit = (chosen == needle).any(-1)
        recall = recall_at_k(scores, mass, k=k)
        versus_ideal = recall_at_k(scores, ideal, k=k)
        covered = np.take_along_axis(mass, chosen, axis=-1).sum(-1)
        for head in (*range(ideal.shape[1]), "all"):
            part = (slice(None), slice(None) if head == "all" else head)
            low, high = wilson_interval(int(hit[part].sum()), trials=hit[part].size)
            lines.append(
                Evaluation(
                    scorer=name,
                    kv_head=head,
                    hit=float(hit[part].mean()),
                    hit_low=low,
                    hit_high=high,
                    recall=float(recall[part].mean()),
                    recall_error=standard_error(recall[part]),
                    recall_vs_ideal=float(versus_ideal[part].mean()),
                    recall_vs_ideal_error=standard_error(versus_ideal[part]),
                    mass_coverage=float(covered[part].mean()),
                    chance=chance_level(k, blocks=blocks),
                    k=k,
                    blocks=blocks,
                    trials=int(hit[part].size),
                )
            )
    return lines
