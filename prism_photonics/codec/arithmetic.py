"""Arithmetic of the behavioral model for every array library: programming, drift, reading.

NumPy, JAX and torch arrays and the nodes of an ONNX graph pass through the same lines; ``chip`` is anything with the
tensors of ``behavior.model.BehavioralModel``. ``row`` names the row that every block sits on.

Signatures go over their scale and queries over their largest magnitude before anything else, and blocks are ranked
before the units come back: keys and queries of any size, in any dtype, lose no choice to overflow or underflow.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from prism_photonics.codec import encoding as sign
from prism_photonics.codec.modulation import modulate, namespace
from prism_photonics.codec.tiling import sliced, slices_of

Convert = Callable[[Any, Callable[[Any], Any]], Any]
"""How a converter is applied: ``plainly``, or with a straight-through gradient."""
POWERS = 2
"""Constant and linear part of a drift in the weight."""


def plainly(values: Any, convert: Callable[[Any], Any]) -> Any:
    """The converted values, whatever their gradient."""
    return convert(values)


def slice_dims(channels: int, scheme: str) -> int:
    """Dimensions of a signature that one row holds: its channels, or half of them on two rails."""
    return channels // sign.RAILS[scheme]


def error_shape(signatures: Any, channels: int, scheme: str, *, bank_axes: int = 0) -> tuple[int, ...]:
    """Shape of the programming error of these signatures: banks, blocks, slices, channels."""
    slices = slices_of(signatures.shape[-1], slice_dims(channels, scheme))
    return (*signatures.shape[: bank_axes + 1], slices, channels)


def noise_shape(query: Any, weights: Any, scheme: str) -> tuple[int, ...]:
    """Shape of the read noise of these queries: shots, the query's leading axes, blocks, slices."""
    return (sign.shots(scheme), *query.shape[:-1], *weights.shape[-3:-1])


def channel_shares(
    signature_hat: Float[Any, "*banks_blocks_halves dims"], channels: int, scheme: str, *, halves: bool
) -> Float[Any, "*banks_blocks slices channels"]:
    """Wanted weight of every channel of a slice, in [-1, 1].

    Args:
        signature_hat: Signatures over their scale.
        channels: Channels of a row.
        scheme: A key of ``codec.encoding.SHOTS``.
        halves: Whether an axis of two, the weights of a query's positive and negative half, comes before the
            dimensions.
    """
    cut = sliced(signature_hat, slice_dims(channels, scheme))
    if not halves:
        return sign.rails(cut, scheme)
    return namespace(cut).concatenate([cut[..., 0, :, :], cut[..., 1, :, :]], -1)


def normalized(values: Float[Any, "*batch dims"]) -> tuple[Float[Any, "*batch dims"], Float[Any, "*batch 1"]]:
    """Every vector over its largest magnitude, and that magnitude; a vector of zeros stays as it is."""
    xp = namespace(values)
    largest = xp.amax(abs(values), -1)[..., None]
    return values / xp.where(largest > 0, largest, 1.0), largest


def programmed_weights(
    chip: Any,
    share: Float[Any, "*banks blocks slices channels"],
    error: Float[Any, "*banks blocks slices channels"] | None,
    row: Int[Any, " blocks"],
) -> tuple[Float[Any, "*banks blocks slices channels"], Float[Any, "*banks blocks slices channels"]]:
    """Commanded and realised weights.

    ``W = w + bias + std·(ξ·mix)`` with ``w = centre + span·s``; an excluded ring holds its own weight whatever is
    commanded.

    Args:
        chip: The model's tensors.
        share: Result of `channel_shares`.
        error: Standard normal numbers ξ, or none for the mean weights.
        row: Row of each block.
    """
    xp = namespace(share)
    commanded = chip.weight_centre + chip.weight_span * share[..., chip.column_of_channel]
    weights = commanded + chip.weight_bias
    if error is not None:
        weights = weights + chip.weight_error_std * xp.matmul(error, chip.weight_error_mix)
    excluded, stuck = chip.excluded[row][:, None], chip.stuck_weight[row][:, None]
    return xp.where(excluded, stuck, commanded), xp.where(excluded, stuck, weights)


def drifted_weights(
    chip: Any,
    weights: Float[Any, "*banks blocks slices channels"],
    drift: Float[Any, "*banks blocks slices channels"],
    common: Any,
    *,
    time_s: Any,
    row: Int[Any, " blocks"],
) -> Float[Any, "*banks blocks slices channels"]:
    """Weights some time after they were programmed.

    ``W + m₀ + m₁·s + c·z + o·ξ`` with s the weight's own place in the range. The coefficients are measured at
    ``drift_time_s`` and run linearly in √t between (a random walk exactly so), from zero at programming.

    Args:
        chip: The model's tensors.
        weights: As written.
        drift: Standard normal numbers ξ, one per weight.
        common: One standard normal number z for all weights.
        time_s: Time since programming in s, at most the last of ``drift_time_s``.
        row: Row of each block.
    """
    xp = namespace(weights)
    reached = xp.sqrt(chip.drift_time_s)
    length = reached - _shifted(reached)
    passed = xp.clip((time_s**0.5 - _shifted(reached)) / length, 0.0, 1.0)
    mean, tied, own = (
        xp.einsum("t,t...->...", passed, table - _shifted(table))
        for table in (chip.drift_mean, chip.drift_common, chip.drift_own)
    )
    s = (weights - chip.weight_centre) / chip.weight_span
    change = mean[0] + s * mean[1] + tied * common + own * drift
    return xp.where(chip.excluded[row][:, None], weights, weights + change)


def read_hat(
    chip: Any,
    weights: Float[Any, "blocks slices channels"],
    row_sum: Float[Any, "blocks slices"],
    query_hat: Float[Any, "*batch dims"],
    *,
    noise: Float[Any, "shots *batch blocks slices"],
    row: Int[Any, " blocks"],
    convert: Convert = plainly,
) -> Float[Any, "*batch blocks"]:
    """Scores of normalised queries against the realised weights, in units of half a weight range.

    What the model knows of a row is taken off: its offset, its gain, the mean error of its weights. Left is what it
    does not know: this programming's errors, noise, and the converters' rounding. So a query of zeros reads zero on
    every row, and rows of other scales gain nothing by theirs.

    Args:
        chip: The model's tensors.
        weights: Realised weights.
        row_sum: Sum of the commanded weights.
        query_hat: Queries over their largest magnitude.
        noise: Standard normal numbers.
        row: Row of each block.
        convert: How both converters are applied.
    """
    query_hat = sliced(query_hat, slice_dims(chip.channels, chip.encoding))
    xp = namespace(weights)
    gain, offset = chip.score_gain[row], chip.score_offset[row]
    weights = gain[:, None, None] * weights
    wanted = sign.encode(query_hat, chip.encoding)[..., chip.column_of_channel]
    light = chip.leak + convert(wanted, lambda p: modulate(p, chip.dac_bits))
    y = _of_slices(light, weights)
    variance = (
        chip.noise_floor**2
        + chip.noise_shot**2 * light.sum(-1)[..., None, :]
        + chip.noise_rin**2 * _of_slices(light**2, weights**2)
        + chip.noise_common**2 * y**2
    )
    # The root of an exact zero (a noiseless model, a dark shot) has no slope; its gradient is taken as zero.
    noisy = variance > 0
    std = xp.where(noisy, xp.sqrt(xp.where(noisy, variance, 1.0)), 0.0)
    y = y + offset[:, None] + std * noise
    full_scale = chip.adc_full_scale[row]
    step = sign.quantizer_step(chip.adc_bits, -full_scale, full_scale)
    middle, highest = full_scale / step, max(2**chip.adc_bits - 2, 1)
    code = convert(xp.clip(y / step[:, None] + middle[:, None], 0.0, highest), xp.round)
    # Codes are added as whole numbers, which no library rounds in its own way: equal readings stay equal scores.
    total = code.sum(-1)
    if sign.shots(chip.encoding) == 2:
        dot = step / gain * (total[0] - total[1])
    else:
        slices = weights.shape[-2]
        y = (step * (total - slices * middle) - slices * offset) / gain
        stands = row_sum.sum(-1) + slices * biased(chip, xp)[row].sum(-1)
        dot = sign.decode(y, stands, chip.encoding, leak=chip.leak)
    # Every weight carries the centre and its channel's bias, so every block carries the same score: it is taken off
    # exactly. So is what the excluded rings hold.
    common = chip.weight_centre + chip.weight_bias
    held = xp.where(chip.excluded, chip.stuck_weight - common, 0.0 * chip.stuck_weight)[row]
    values = wanted[0] if sign.RAILS[chip.encoding] == 2 else query_hat[..., chip.column_of_channel]
    dot = dot - (common * values).sum(-1).sum(-1)[..., None] - _of_channels(values, held)
    return dot / chip.weight_span


def biased(chip: Any, xp: Any) -> Float[Any, "rows channels"]:
    """Mean realised minus commanded weight of every ring; 0 of excluded ones, which are commanded what they hold."""
    return xp.where(chip.excluded, 0.0, chip.weight_bias)


def without_answer(
    score_hat: Float[Any, "*batch blocks"], query: Float[Any, "*batch dims"], centre: Float[Any, "*halves dims"]
) -> Float[Any, "*batch blocks"]:
    """The same with NaN where a query is not finite, or everywhere if a signature was not; for traced code.

    Called plainly such numbers are refused. Inside a graph they cannot be, and maxima and limits of some runtimes drop
    a NaN, so that a number would stand where there is none.

    Args:
        score_hat: Result of `read_hat`.
        query: Queries.
        centre: Vector subtracted from the signatures; not finite if one of them is not.
    """
    xp = namespace(score_hat)
    missing = _not_finite(query).sum(-1)[..., None] + _not_finite(centre.reshape(-1)).sum(0)
    return xp.where(missing > 0, np.nan, score_hat)


def in_units(
    score_hat: Float[Any, "*batch blocks"],
    largest: Float[Any, "*batch 1"],
    *,
    scale: Any,
    shared: Float[Any, "*batch 1"],
    dead: Bool[Any, " blocks"],
) -> Float[Any, "*batch blocks"]:
    """Scores in units of query times signature; a query of zeros scores zero, a dead row minus infinity.

    Args:
        score_hat: Result of `read_hat`.
        largest: Largest magnitude of each query.
        scale: Magnitude that is written as the full span, one for all or one for each block.
        shared: Score of the centre, which is added to all scores of a query, see ``codec.centring``.
        dead: Blocks on dead rows.
    """
    return namespace(score_hat).where(dead, -np.inf, score_hat * largest * scale + shared)


def own_scale(
    left: Float[Any, "*banks_blocks_halves dims"], *, halves: bool
) -> tuple[Float[Any, "*banks_blocks"], Float[Any, "*banks_blocks_halves dims"]]:
    """The largest magnitude of each block, and the blocks over it.

    A block of zeros has the scale 0: its reading, noise and all, counts for nothing, and its score is what the centre
    has.

    Args:
        left: Signatures less their centre.
        halves: Whether an axis of two comes before the dimensions.
    """
    xp = namespace(left)
    scale = xp.amax(abs(left), -1)
    if halves:
        scale = xp.amax(scale, -1)
    over = xp.where(scale > 0, scale, 1.0)[..., None]
    return scale, left / (over[..., None] if halves else over)


def comparable(
    score_hat: Float[Any, "*batch blocks"] | float, scale: Float[Any, "*banks blocks"]
) -> Float[Any, "*batch blocks"]:
    """Scores of blocks that were written at scales of their own, over the largest of these."""
    xp = namespace(scale)
    largest = xp.amax(scale, -1)[..., None]
    return score_hat * (scale / xp.where(largest > 0, largest, 1.0))


def rankable(
    score_hat: Float[Any, "*batch blocks"], largest: Float[Any, "*batch 1"], *, dead: Bool[Any, " blocks"] | None
) -> Float[Any, "*batch blocks"]:
    """Ranking scores: dimensionless, and equal for all blocks on working rows where the query is zero.

    No NaN is left, for a top-k may lose other numbers beside one: it ranks with dead rows. Zero has one sign, because
    some top-k compare bits.

    Args:
        score_hat: Result of `read_hat`.
        largest: Largest magnitude of each query.
        dead: Blocks on dead rows; none where every row works.
    """
    xp = namespace(score_hat)
    asked = xp.where(largest > 0, score_hat, 0.0)
    one_zero = xp.where(abs(asked) > 0, asked, 0.0)
    ranked = xp.where(score_hat > -np.inf, one_zero, -np.inf)
    return ranked if dead is None else xp.where(dead, -np.inf, ranked)


def dead_rows(chip: Any) -> Bool[Any, " rows"]:
    """Rows without a single working ring: their blocks score minus infinity."""
    return chip.excluded.all(-1)


def _of_slices(
    light: Float[Any, "*batch slices channels"], weights: Float[Any, "blocks slices channels"]
) -> Float[Any, "*batch blocks slices"]:
    """Sums over the channels of every slice of every block."""
    xp = namespace(weights)
    if xp is not np:
        return xp.einsum("...sc,bsc->...bs", light, weights)
    # NumPy's einsum is a loop over numbers; as a product of matrices, slice by slice, it takes a fifth of the time.
    batch, (blocks, slices, channels) = light.shape[:-2], weights.shape
    flat = light.reshape(-1, slices, channels)
    products = np.matmul(flat.transpose(1, 0, 2), weights.transpose(1, 2, 0))
    return products.transpose(1, 2, 0).reshape(*batch, blocks, slices)


def _of_channels(
    values: Float[Any, "*batch slices channels"], held: Float[Any, "blocks channels"]
) -> Float[Any, "*batch blocks"]:
    """Sums over the channels of all slices, of which every block holds the same."""
    if (xp := namespace(held)) is not np:
        return xp.einsum("...sc,bc->...b", values, held)
    return values.sum(-2) @ held.T


def _not_finite(values: Float[Any, "*axes"]) -> Float[Any, "*axes"]:
    """1 where a number is infinite or NaN."""
    return namespace(values).where(abs(values) < np.inf, 0.0, 1.0)


def _shifted(table: Float[Any, "times *axes"]) -> Float[Any, "times *axes"]:
    """The table one step later, zero at first."""
    return namespace(table).concatenate([0.0 * table[:1], table[:-1]], 0)
