"""The k best blocks by the tie rule: the higher score first, of equal scores the lower block index."""

import numpy as np
from jaxtyping import Int, Num

from prism_photonics.codec.checks import require_count
from prism_photonics.units import InputError


def top_k(scores: Num[np.ndarray, "*batch blocks"], k: int) -> Int[np.ndarray, "*batch k"]:
    """Indices of the k best blocks, best first.

    The tie rule (a coarse converter makes many ties): the higher score first; of equal scores, such as zeros of either
    sign, the lower block index.

    Args:
        scores: One score per block, any unit; -inf for a block that must not be chosen.
        k: Blocks to choose, 1 to all of them.

    Returns:
        Block indices.

    Raises:
        InputError: k is no whole number or out of range, or a score is NaN.
    """
    k = require_count("k", k, most=scores.shape[-1])
    if np.isnan(scores).any():
        place = np.argwhere(np.isnan(scores))[0].tolist()
        raise InputError(f"scores at {place}: got NaN, want a number; mend the scorer")
    return np.argsort(-np.asarray(scores, float), axis=-1, kind="stable")[..., :k]
