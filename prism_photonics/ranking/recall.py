"""The k best blocks under one tie rule, how many of the true ones they hold, and how sure that number is."""

import math

import numpy as np
from jaxtyping import Float, Num

from prism_photonics.codec.topk import top_k


def recall_at_k(
    scores: Num[np.ndarray, "*batch blocks"], reference: Num[np.ndarray, "*batch blocks"], *, k: int
) -> Float[np.ndarray, "*batch"]:
    """The share of the reference's k best blocks that are among the k best by score (0 to 1).

    Chance is k / blocks.

    Args:
        scores: One score per block, any unit.
        reference: True scores of the blocks, any unit.
        k: Blocks chosen.

    Returns:
        Recall of every query.

    Raises:
        InputError: k is out of range, or a score is NaN.
    """
    chosen, wanted = top_k(scores, k), top_k(reference, k)
    return np.asarray((chosen[..., :, None] == wanted[..., None, :]).any(-1).mean(-1))


def chance_level(k: int, *, blocks: int) -> float:
    """Recall and hit rate of a random choice of k blocks: k / blocks."""
    return k / blocks


def wilson_interval(successes: int, *, trials: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a proportion; unlike ±2 standard errors it stays inside 0 to 1.

    Args:
        successes: Trials that succeeded.
        trials: All trials, at least 1.
        z: Quantile of the normal distribution; the default gives 95 %.

    Returns:
        Lower and upper end.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927), 10.1080/01621459.1927.10502953.
    """
    p, n = successes / trials, trials
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # At p = 0 and p = 1 the closed form touches the end, but for rounding.
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == trials else centre + half


def standard_error(values: Num[np.ndarray, "*axes"]) -> float:
    """Standard error of the mean over all elements, taken as independent; 0 for a single one."""
    return float(np.std(values, ddof=1) / math.sqrt(values.size)) if values.size > 1 else 0.0
