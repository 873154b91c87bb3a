"""Reading of a bank in units of the converter's step, in few passes over its readings, for speed.

The weights are read where they lie. The queries, which are small, come as NumPy arrays where they can: a step of theirs
then costs half of one of torch's.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.codec import arithmetic
from prism_photonics.codec import encoding as sign
from prism_photonics.codec.modulation import modulate
from prism_photonics.codec.tiling import sliced

CACHED_READINGS = 2**18
"""Readings that a CPU works on at once: what a step takes and leaves fits into a core's second cache of 1 MiB."""

CALLED_READINGS = 2**20
"""The same where torch is called step by step: smaller pieces cost more calls than their cache saves (measured)."""


class FusedConverter(NamedTuple):
    """Converter and decoding of a bank's blocks, which turn photocurrents into scores.

    Attributes:
        per_step: Steps of the converter per weight unit.
        middle: The converter's middle code, with the row's offset; one for all blocks where no row has one.
        gain: Score per code, in half weight ranges as all scores here.
        shift: Score of code 0; one for all blocks where it is 0.
        held: Weights of excluded rings per channel; empty without any.
        row_gain: Gain of each block's row; empty where all are 1.
        common: Weight that all rings of a channel carry, whatever is written: centre and bias; the same for all blocks.
    """

    per_step: Float[Tensor, " blocks"]
    middle: Float[Tensor, " one_or_blocks"]
    gain: Float[Tensor, " blocks"]
    shift: Float[Tensor, "*banks 1 one_or_blocks"]
    held: Float[Tensor, "channels blocks"]
    row_gain: Float[Tensor, " blocks"]
    common: Float[Tensor, " channels"]


class Lit(NamedTuple):
    """Queries as the rows receive them, of NumPy or torch.

    Attributes:
        light: Light of every channel.
        variance: Share of floor and shot noise in a reading's variance.
        summed: Query values that each channel carries, over all slices.
        taken_off: Score of what the weights have in common, to be subtracted from all scores of a query.
    """

    light: Float[Any, "*banks slices shots_queries channels"]
    variance: Float[Any, "*banks slices shots_queries 1"]
    summed: Float[Any, "*banks queries channels"]
    taken_off: Float[Any, "*banks queries 1"]


def fuse(chip: Any, row_sum: Float[Tensor, "*banks blocks slices"], row: Tensor) -> FusedConverter:
    """Fuse converter and decoding; see ``codec.arithmetic.read_hat`` for the plain road."""
    full_scale = chip.adc_full_scale[row]
    step = sign.quantizer_step(chip.adc_bits, -full_scale, full_scale)
    half, middle = full_scale / step, max(2**chip.adc_bits - 2, 1) / 2
    slices, gain, offset = row_sum.shape[-1], chip.score_gain[row], chip.score_offset[row]
    dark = (step * half + offset) / gain * slices
    stands = row_sum.sum(-1) + slices * arithmetic.biased(chip, torch)[row].sum(-1)
    per_code = step / gain
    if chip.encoding == "offset":
        per_code, zero = 2.0 * per_code, -2.0 * dark - (2.0 * chip.leak + 1.0) * stands
    elif chip.encoding == "two_shot":
        # One nothing for all blocks, in each bank.
        zero = torch.zeros_like(row_sum[..., :1, 0])
    else:
        zero = -dark - chip.leak * stands
    common = chip.weight_centre + chip.weight_bias
    held = torch.where(chip.excluded, chip.stuck_weight - common, 0.0)[row].mT / chip.weight_span
    return FusedConverter(
        per_step=1.0 / step,
        middle=offset / step + half if chip.some_offset else full_scale.new_full((1,), middle),
        gain=per_code / chip.weight_span,
        shift=(zero / chip.weight_span)[..., None, :],
        # A view of nothing would keep the memory of all that it was cut from.
        held=held if chip.some_excluded else held[:0].clone(),
        row_gain=gain if chip.some_gained else full_scale[:0].clone(),
        common=common / chip.weight_span,
    )


def part_of(fused: FusedConverter, blocks: slice) -> FusedConverter:
    """The converter of some blocks."""
    whole = fused._asdict()
    common = whole.pop("common")
    parts = {name: held if held.shape[-1] == 1 else held[..., blocks] for name, held in whole.items()}
    return FusedConverter(**parts, common=common)


def lit(chip: Any, query_hat: Float[Any, "*banks queries dims"], column: Any, *, common: Any) -> Lit:
    """Modulate queries.

    Args:
        chip: The model's settings and numbers.
        query_hat: Queries over their largest magnitude, of NumPy or torch.
        column: Place of a slice that each channel carries, of the same library.
        common: See ``FusedConverter``, of the same library.
    """
    numbers, banks = chip.numbers, query_hat.ndim - 2
    cut = sliced(query_hat, arithmetic.slice_dims(chip.channels, chip.encoding))
    wanted = sign.encode(cut, chip.encoding)
    values = wanted[0] if sign.RAILS[chip.encoding] == 2 else cut
    if chip.some_permuted:
        wanted, values = wanted[..., column], values[..., column]
    if isinstance(wanted, Tensor):
        light = numbers.leak + straight_through(wanted, modulate(wanted.detach(), chip.dac_bits))
    else:
        light = numbers.leak + modulate(wanted, chip.dac_bits)
    # Shots and queries are the rows of one matrix product a slice, so that the weights are read once for all of them.
    shots, *_, slices, channels = light.shape
    if slices > 1 or (shots > 1 and math.prod(query_hat.shape[:banks]) != 1):
        move: Any = torch.movedim if isinstance(light, Tensor) else np.moveaxis
        light = move(move(light, 0, banks), -2, banks)
    light = light.reshape(*query_hat.shape[:banks], slices, shots * query_hat.shape[-2], channels)
    summed = values[..., 0, :] if slices == 1 else values.sum(-2)
    return Lit(
        light,
        numbers.noise_floor**2 + numbers.noise_shot**2 * light.sum(-1)[..., None],
        summed,
        (summed * common).sum(-1)[..., None],
    )


def score_hat(
    chip: Any,
    fused: FusedConverter,
    weights: Float[Tensor, "*banks blocks slices channels"],
    asked: Lit,
    *,
    noise: Float[Tensor, "*banks slices shots queries blocks"] | None,
    std: Float[Tensor, "*banks slices shots_queries 1"] | None = None,
    room: Float[Tensor, " readings"] | None = None,
) -> Float[Tensor, "*banks queries blocks"]:
    """Scores of all queries of every bank, for a weight range of 2; ``taken_off`` is not yet subtracted.

    Args:
        chip: The model's settings and numbers.
        fused: Result of `fuse`.
        weights: Realised weights.
        asked: Result of `lit`, of torch.
        noise: Standard normal numbers, or none for the mean reading.
        std: Standard deviation of the readings where it is known before them; by default it is worked out.
        room: Memory for the readings, where nobody asks for a gradient and nothing is batched; then every step
            overwrites the one before, and so does the next call what is returned.
    """
    numbers, light = chip.numbers, asked.light
    shots = sign.SHOTS[chip.encoding]
    banks, blocks = light.shape[:-3], weights.shape[-3]
    own = room is not None
    y = _currents(light, weights, room)
    if chip.some_gained:
        y = torch.mul(y, fused.row_gain, out=y if own else None)
    grid = (*banks, y.shape[-3], shots, light.shape[-2] // shots)
    if noise is not None and std is None:
        variance = asked.variance
        if chip.common_variance:
            variance = torch.addcmul(variance, y, y, value=chip.common_variance)
        if chip.line_noise:
            gained = weights * fused.row_gain[:, None, None] if chip.some_gained else weights
            variance = variance + _currents((numbers.noise_rin * light) ** 2, gained**2)
        std = variance.sqrt() if own else root(variance)
    std = None if std is None else std.view(*grid, std.shape[-1])
    y = y.view(*grid, blocks)
    if shots == 2 and torch.compiler.is_compiling():
        # Shot by shot, so that a compiler reads both once and writes neither.
        first, second = (
            _codes(
                chip, fused, y[..., shot, :, :],
                std=None if std is None else std[..., shot, :, :],
                noise=None if noise is None else noise[..., shot, :, :],
            )
            for shot in range(shots)
        )  # fmt: skip
        code = first - second
    else:
        code = _codes(chip, fused, y, std=std, noise=noise, own=own)
        first = code[..., 0, :, :]
        code = torch.sub(first, code[..., 1, :, :], out=first if own else None) if shots == 2 else first
    code = code[..., 0, :, :] if code.shape[-3] == 1 else code.sum(-3)
    score = torch.addcmul(fused.shift, code, fused.gain, out=code if own else None)
    return score - asked.summed @ fused.held if chip.some_excluded else score


def _codes(
    chip: Any, fused: FusedConverter, y: Tensor, *, std: Tensor | None, noise: Tensor | None, own: bool = False
) -> Tensor:
    """Codes of photocurrents ``y + std * noise``; in the memory of y if that is ours."""
    if std is not None and noise is not None:
        y = torch.addcmul(y, std, noise, out=y if own else None)
    y = torch.addcmul(fused.middle, y, fused.per_step, out=y if own else None)
    y = y.clamp_(0.0, float(max(2**chip.adc_bits - 2, 1)))
    return y.round_() if own or not has_slope(y) else straight_through(y, torch.round(y.detach()))


def _currents(
    light: Float[Tensor, "*banks slices rows channels"],
    weights: Float[Tensor, "*banks blocks slices channels"],
    room: Float[Tensor, " readings"] | None = None,
) -> Float[Tensor, "*banks slices rows blocks"]:
    """One matrix product for each bank and slice; weights are read where they lie."""
    *banks, slices, rows, channels = light.shape
    blocks, lines, count = weights.shape[-3], weights.movedim(-2, -3), slices * math.prod(banks)
    if slices > 1 and math.prod(banks) > 1 and rows < channels:
        # Several strides: a product would copy the weights first, which here are more than the readings.
        return torch.stack([light[..., s, :, :] @ lines[..., s, :, :].mT for s in range(slices)], -3)
    if count == 1:
        out = None if room is None else room[: rows * blocks].view(rows, blocks)
        y = torch.mm(light.reshape(rows, channels), lines.reshape(blocks, channels).mT, out=out)
    else:
        flat = light.reshape(count, rows, channels)
        out = None if room is None else room[: count * rows * blocks].view(count, rows, blocks)
        y = torch.bmm(flat, lines.reshape(count, blocks, channels).mT, out=out)
    return y.view(*banks, slices, rows, blocks)


def root(variance: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Square root, with the slope 0 at an exact 0."""
    if not has_slope(variance):
        return variance.sqrt()
    # The root of an exact zero has no slope; its gradient is taken as zero.
    return torch.where(variance > 0, torch.where(variance > 0, variance, 1.0).sqrt(), 0.0)


def straight_through(x: Tensor, converted: Tensor) -> Tensor:
    """The converted values with the slope of x itself."""
    return x + (converted - x.detach()) if has_slope(x) else converted


def has_slope(x: Tensor) -> bool:
    """Whether a derivative passes through, backward or forward."""
    if x.requires_grad or torch.compiler.is_compiling():
        return x.requires_grad
    return torch.autograd.forward_ad.unpack_dual(x).tangent is not None
