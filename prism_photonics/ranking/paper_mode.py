"""The recall tables of arXiv 2603.21576 on Gaussian signatures: recall against bits and against weight noise."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prism_photonics.ranking.recall import recall_at_k, standard_error

QUOTED_BITS = {
    2: (0.457, 0.072),
    3: (0.693, 0.066),
    4: (0.841, 0.048),
    5: (0.927, 0.033),
    6: (0.960, 0.026),
    7: (0.980, 0.017),
    8: (0.988, 0.015),
}
"""Recall@32 against bits as printed in arXiv 2603.21576: mean and standard deviation of 100 trials."""
QUOTED_NOISE = {0.001: 0.997, 0.005: 0.981, 0.01: 0.959, 0.02: 0.923, 0.05: 0.811, 0.1: 0.656}
"""The same against the standard deviation of weight noise: mean."""


@dataclass(frozen=True)
class PaperRow:
    """One impairment and the recall@k it leaves.

    Attributes:
        impairment: "bits" or "noise".
        setting: Number of bits, or standard deviation of the weight noise (full scale is -1 to 1).
        mean: Mean recall@k over the trials (0 to 1).
        sd: Standard deviation over the trials.
        error: Standard error of the mean.
        quoted: The paper's mean for it; NaN where it gives none.
    """

    impairment: str
    setting: float
    mean: float
    sd: float
    error: float
    quoted: float


def paper_table(
    *,
    seed: int,
    trials: int = 100,
    blocks: int = 1024,
    dims: int = 64,
    k: int = 32,
    bits: tuple[int, ...] = tuple(QUOTED_BITS),
    noise: tuple[float, ...] = tuple(QUOTED_NOISE),
) -> list[PaperRow]:
    """Recall@k of impaired weights against exact ones, each trial with its own signatures and query.

    The recipe that gives the paper's means: signatures Gaussian, each row of norm 1, all divided by the one
    largest magnitude; a Gaussian query, not quantised; either weights rounded to 2^bits evenly spaced levels
    that include both -1 and 1 (and so not zero), or Gaussian noise added to the weights, without clipping.

    Args:
        seed: Seed of signatures, queries and noise.
        trials: Independent draws.
        blocks: Signatures per draw.
        dims: Dimensions of a signature.
        k: Blocks chosen.
        bits: Resolutions.
        noise: Standard deviations of the weight noise, full scale being -1 to 1.

    Returns:
        One row per resolution, then one per noise level.

    Source: arXiv 2603.21576, its recall simulation; the level convention was found by trying four.
    """
    rng = np.random.default_rng(seed)
    recalls: dict[tuple[str, float], list[float]] = {}
    for _ in range(trials):
        signatures = rng.standard_normal((blocks, dims))
        signatures /= np.linalg.norm(signatures, axis=1, keepdims=True)
        weights = signatures / np.abs(signatures).max()
        query = rng.standard_normal(dims)
        disturbance = rng.standard_normal(weights.shape)
        exact = weights @ query
        impaired = [(("bits", float(b)), full_range_levels(weights, b)) for b in bits]
        impaired += [(("noise", s), weights + s * disturbance) for s in noise]
        for label, realised in impaired:
            recalls.setdefault(label, []).append(float(recall_at_k(realised @ query, exact, k=k)))
    return [
        PaperRow(
            name,
            setting,
            float(np.mean(values)),
            float(np.std(values, ddof=1)),
            standard_error(np.array(values)),
            QUOTED_BITS.get(int(setting), (np.nan, np.nan))[0] if name == "bits" else QUOTED_NOISE.get(setting, np.nan),
        )
        for (name, setting), values in recalls.items()
    ]


def full_range_levels(weights: Float[np.ndarray, "*axes"], bits: int) -> Float[np.ndarray, "*axes"]:
    """Weights rounded to 2^bits evenly spaced levels from -1 to 1, both included."""
    half = (2**bits - 1) / 2
    return np.round((weights + 1) * half) / half - 1
