"""Scale of signatures, the value written as full weight: a small one clips the tails, a large one loses in noise."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.codec.encoding import RAILS, common_share, decode, encode, quantize, rails
from prism_photonics.codec.tiling import sliced
from prism_photonics.programming.tiles import WeightRange
from prism_photonics.units import InputError

# Scales tried, from the signatures' rms to their largest magnitude.
SCALES, QUERIES, DRAWS = 12, 32, 4


@dataclass(frozen=True)
class NoiseLevel:
    """Errors and noise between a commanded and a read weight, in units of weight.

    Attributes:
        weight_std: Standard deviation of the realised weight about the commanded one.
        read_std: Standard deviation of one reading.
        adc_full_scale: The converter reads from minus to plus this.
        adc_bits: Its resolution.
    """

    weight_std: float
    read_std: float
    adc_full_scale: float
    adc_bits: int


@dataclass(frozen=True)
class ScaleChoice:
    """The chosen scale, and how recall depends on it.

    Attributes:
        scale: Signature magnitude written as the full weight; larger ones are clipped to it, unit of the signatures.
        clipped_share: Share of the signature entries beyond it.
        scales: Scales tried, ascending; the last is the largest magnitude, which clips nothing.
        recall: Expected recall at each.
        k: Blocks chosen.
    """

    scale: float
    clipped_share: float
    scales: Float[ndarray, " scales"]
    recall: Float[ndarray, " scales"]
    k: int


def choose_scale(
    signatures: Float[ndarray, "blocks dims"],
    *,
    noise: NoiseLevel,
    weight_range: WeightRange,
    channels: int,
    encoding: str,
    k: int,
    queries: Float[ndarray, "queries dims"] | None = None,
    seed: int = 0,
) -> ScaleChoice:
    """The scale with the highest expected recall@k for a bank's noise.

    Every scale meets the same queries and the same draws of noise, so that their difference is the scale's own.

    Args:
        signatures: One signature per block, any unit.
        noise: The bank's noise.
        weight_range: The weights that minus and plus the scale are written as.
        channels: Channels of a row; longer signatures take several slices.
        encoding: Query encoding.
        k: Blocks chosen, less than there are.
        queries: Queries to be met; standard normal ones by default.
        seed: Of default queries and noise.

    Returns:
        The choice.

    Raises:
        InputError: k is out of range, or signatures or queries do not fit.
    """
    blocks, dims = signatures.shape
    if not 1 <= k < blocks:
        raise InputError(f"choose_scale: k = {k}; want 1 to {blocks - 1}, less than the blocks; choose another k")
    rng = np.random.default_rng(seed)
    asked = rng.standard_normal((QUERIES, dims)) if queries is None else np.asarray(queries, dtype=float)
    if asked.ndim != 2 or asked.shape[1] != dims or not np.isfinite(asked).all() or not np.isfinite(signatures).all():
        raise InputError(
            f"choose_scale: queries of shape {asked.shape}; want finite numbers of shape (queries, {dims}), as the "
            "signatures have"
        )
    magnitude = np.abs(signatures)
    largest, rms = float(magnitude.max()), float(np.sqrt(np.mean(magnitude**2)))
    if largest == 0.0:
        return ScaleChoice(1.0, 0.0, np.ones(1), np.ones(1), k)
    scales = np.geomspace(rms, largest, SCALES) if rms < largest else np.array([largest])
    reads = _Reads(
        asked,
        signatures.shape,
        noise=noise,
        weight_range=weight_range,
        channels=channels,
        encoding=encoding,
        rng=rng,
    )
    top = np.argsort(-(asked @ signatures.T), axis=-1, kind="stable")[:, :k]
    recall = np.array([reads.recall(signatures / scale, top) for scale in scales])
    # Of equal recalls the larger scale: it clips less.
    chosen = len(scales) - 1 - int(np.argmax(recall[::-1]))
    return ScaleChoice(float(scales[chosen]), float((magnitude > scales[chosen]).mean()), scales, recall, k)


class _Reads:
    """Readings of queries on a noisy bank, with one set of random numbers for every scale."""

    def __init__(
        self,
        queries: Float[ndarray, "queries dims"],
        shape: tuple[int, int],
        *,
        noise: NoiseLevel,
        weight_range: WeightRange,
        channels: int,
        encoding: str,
        rng: np.random.Generator,
    ) -> None:
        self.noise, self.weight_range, self.encoding = noise, weight_range, encoding
        self.dims = channels // RAILS[encoding]
        largest = np.abs(queries).max(-1, keepdims=True)
        self.query_hat = sliced(queries / np.where(largest > 0, largest, 1.0), self.dims)
        self.light = encode(self.query_hat, encoding)
        slices, blocks = self.query_hat.shape[1], shape[0]
        self.weight_error = rng.standard_normal((DRAWS, blocks, slices, channels))
        self.read_error = rng.standard_normal((DRAWS, len(self.light), len(queries), blocks, slices))

    def recall(self, shares: Float[ndarray, "blocks dims"], top: ndarray) -> float:
        """Mean share of the best blocks found when signatures are written as these shares of full weight, clipped."""
        written = rails(sliced(np.clip(shares, -1.0, 1.0), self.dims), self.encoding)
        target = self.weight_range.centre + self.weight_range.span * written
        full, found = self.noise.adc_full_scale, []
        for weight_error, read_error in zip(self.weight_error, self.read_error, strict=True):
            weights = target + self.noise.weight_std * weight_error
            y = np.einsum("hqsc,bsc->hqbs", self.light, weights) + self.noise.read_std * read_error
            y = quantize(np.clip(y, -full, full), self.noise.adc_bits, -full, full)
            dot = decode(y, target.sum(-1), self.encoding).sum(-1)
            share = common_share(self.query_hat, self.encoding).sum(1)
            scores = dot - self.weight_range.centre * share
            chosen = np.argsort(-scores, axis=-1, kind="stable")[:, : top.shape[1]]
            found.append((chosen[:, :, None] == top[:, None, :]).any(-1).mean())
        return float(np.mean(found))
