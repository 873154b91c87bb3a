"""Vectors that are compared: a block's signature (its mean key) and a query's sketch (its group's queries, summed)."""

import numpy as np
from jaxtyping import Float, Num

from prism_photonics.units import InputError

FAR = 4
"""Powers of two by which a channel must spread wider than the usual one before it gets a scale; a design choice.

Other than in ``ranking.centre``, where pages come one by one: here all blocks are known, each stands at its own full
span, and a bank is read once whatever its scales are. Recall of the built-in keys at 8 channels is 0.986 without scales
and with those from 16 on; it is 0.982 with those from 8 on, 0.970 from 4 on, 0.983 from 2 on.
"""


def mean_key(keys: Num[np.ndarray, "*batch tokens dims"], *, block: int) -> Float[np.ndarray, "*batch blocks dims"]:
    """The mean key of each block of ``block`` tokens; a last, shorter block is the mean of what it holds.

    Args:
        keys: Post-RoPE keys, any unit.
        block: Tokens per block.

    Returns:
        One signature per block, unit of the keys.

    Raises:
        InputError: The block is empty.
    """
    starts = block_starts(keys.shape[-2], block=block)
    sums = np.add.reduceat(np.asarray(keys, float), starts, axis=-2)
    return sums / np.diff(starts, append=keys.shape[-2])[:, None]


def query_sketch(
    queries: Num[np.ndarray, "*batch heads queries dims"], kv_heads: int
) -> Float[np.ndarray, "*batch kv_heads queries dims"]:
    """One sketch per KV head: the sum of the queries of its group (grouped-query attention).

    Args:
        queries: Post-RoPE queries; consecutive heads share a KV head.
        kv_heads: KV heads; divides the number of heads.

    Returns:
        Sketches, unit of the queries.

    Raises:
        InputError: The heads do not divide into groups.
    """
    *batch, heads, steps, dims = queries.shape
    group = group_size(heads, kv_heads=kv_heads)
    return np.asarray(queries, float).reshape(*batch, kv_heads, group, steps, dims).sum(-3)


def group_size(heads: int, *, kv_heads: int) -> int:
    """Query heads that share one KV head, refusing a remainder."""
    if kv_heads < 1 or heads % kv_heads:
        raise InputError(f"queries: got {heads} heads for {kv_heads} KV heads, want a multiple; check the axes")
    return heads // kv_heads


def block_starts(tokens: int, *, block: int) -> np.ndarray:
    """First token of every block."""
    if block < 1:
        raise InputError(f"block: got {block} tokens, want at least 1; choose a block size")
    return np.arange(0, tokens, block)


def at_full_span(
    signatures: Float[np.ndarray, "blocks dims"],
) -> tuple[Float[np.ndarray, "blocks dims"], Float[np.ndarray, " blocks"]]:
    """Every block's signature over its own largest magnitude, and that magnitude.

    Written so, each block takes the whole weight range, and one multiplication after the converter puts its score
    back: a block of small keys drowns less in noise than at one scale for the whole bank, and no entry is clipped.

    Args:
        signatures: One signature per block, any unit.

    Returns:
        Signatures in [-1, 1], and each block's scale in their unit; 1 for a block of zeros.
    """
    scale = np.abs(signatures).max(1)
    scale = np.where(scale > 0, scale, 1.0)
    return signatures / scale[:, None], scale


def centred_at_full_span(
    signatures: Float[np.ndarray, "blocks dims"],
) -> tuple[
    Float[np.ndarray, "blocks dims"],
    Float[np.ndarray, " blocks"],
    Float[np.ndarray, " dims"],
    Float[np.ndarray, " dims"],
]:
    """The signatures of one bank less their median, each at full span, its scale, the median, and channel scales.

    What all blocks share would eat the weight range and tells none from another, see ``codec.centring``. It is not the
    mean, which one block of large keys would lead astray. A channel that spreads far wider than the others would eat
    the range too: it is written over a scale, by which the query is multiplied. The score of a query q is that of
    ``q * channel_scale`` with what is written, times its block's scale, plus ``codec.centring.centre_score`` of q and
    the median.

    Args:
        signatures: One signature per block, any unit.

    Returns:
        What is written, in [-1, 1]; each block's scale in the signatures' unit, 0 for a block that is the median, whose
        reading says nothing; the median; and each channel's scale, a power of two, 1 for all but the far ones.

    Source: the shift of scale between the factors is that of SmoothQuant, arXiv 2211.10438.
    """
    centre = np.median(signatures, axis=0)
    left = signatures - centre
    channel_scale = _channel_scales(left)
    unit, scale = at_full_span(left / channel_scale)
    return unit, np.where(unit.any(1), scale, 0.0), centre, channel_scale


def _channel_scales(left: Float[np.ndarray, "blocks dims"]) -> Float[np.ndarray, " dims"]:
    if len(left) < 4:  # too few to tell a spread
        return np.ones(left.shape[1])
    # The 0.9 quantile, as in ``ranking.centre``: a few blocks of attention sinks are no spread.
    spread = np.sort(np.abs(left), axis=0)[int(0.9 * (len(left) - 1))]
    usual = np.median(spread)
    ratio = np.where((spread > 0) & (usual > 0), spread, 1.0) / np.where(usual > 0, usual, 1.0)
    exponent = np.where((spread > 0) & (usual > 0), np.round(np.log2(ratio)), 0.0)
    return np.exp2(np.where(exponent >= FAR, exponent, 0.0))
