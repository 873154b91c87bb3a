"""Reading of a bank in units of the converter's step, with all constants fused into its weights, for speed."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.codec import encoding as sign
from prism_photonics.codec.arithmetic import slice_dims
from prism_photonics.codec.modulation import modulate
from prism_photonics.codec.tiling import sliced

CACHED_READINGS = 2**18
"""Readings that a CPU works on at once: what a step takes and leaves fits into a core's second cache of 1 MiB."""


class FusedWeights(NamedTuple):
    """Tensors with which one bank, or several, answer queries.

    Attributes:
        lines: Weight of every channel, with its row's gain.
        squares: Its square; empty where no line has noise of its own.
        per_step: Steps of the converter per weight unit.
        middle: The converter's middle code, with the row's offset.
        gain: Score per code, in half weight ranges as all scores here.
        shift: Score of code 0.
        held: Weights of excluded rings per channel; empty without any.
    """

    lines: Float[Tensor, "*banks slices channels blocks"]
    squares: Float[Tensor, "*banks slices channels blocks"]
    per_step: Float[Tensor, " blocks"]
    middle: Float[Tensor, " blocks"]
    gain: Float[Tensor, " blocks"]
    shift: Float[Tensor, "*banks 1 blocks"]
    held: Float[Tensor, "channels blocks"]


def fuse(
    chip: Any,
    weights: Float[Tensor, "*banks blocks slices channels"],
    row_sum: Float[Tensor, "*banks blocks slices"],
    row: Tensor,
) -> FusedWeights:
    """Fuse converter and decoding into the weights; see ``codec.arithmetic.read_hat`` for the plain road."""
    full_scale = chip.adc_full_scale[row]
    step = sign.quantizer_step(chip.adc_bits, -full_scale, full_scale)
    half = full_scale / step
    lines = (weights * chip.score_gain[row][:, None, None]).movedim(-3, -1).contiguous()
    slices = weights.shape[-2]
    if chip.encoding == "offset":
        per_code, zero = 2.0 * step, -2.0 * step * half * slices - (2.0 * chip.leak + 1.0) * row_sum.sum(-1)
    elif chip.encoding == "two_shot":
        per_code, zero = step, torch.zeros_like(row_sum[..., 0])
    else:
        per_code, zero = step, -step * half * slices - chip.leak * row_sum.sum(-1)
    held = torch.where(chip.excluded, chip.stuck_weight - chip.weight_centre, 0.0)[row].mT / chip.weight_span
    return FusedWeights(
        lines=lines,
        squares=lines**2 if chip.line_noise else lines[..., :0],
        per_step=1.0 / step,
        middle=chip.score_offset[row] / step + half,
        gain=per_code / chip.weight_span,
        shift=(zero / chip.weight_span)[..., None, :],
        held=held if chip.some_excluded else held[:0],
    )


def read_hat(
    chip: Any,
    fused: FusedWeights,
    query_hat: Float[Tensor, "*banks queries dims"],
    noise: Float[Tensor, "shots *banks queries blocks slices"] | None,
) -> tuple[Float[Tensor, "*banks queries blocks"], Float[Tensor, "*banks queries 1"]]:
    """Scores of all queries of every bank.

    Args:
        chip: The model's tensors and settings.
        fused: Result of `fuse`.
        query_hat: Queries over their largest magnitude.
        noise: Standard normal numbers, or none for the mean reading.

    Returns:
        Scores for a weight range of 2, and what is to be taken off all scores of a query: the weights' common centre.
    """
    banks = fused.lines.dim() - 3
    query_hat = sliced(query_hat, slice_dims(chip.channels, chip.encoding))
    wanted = _permuted(chip, sign.encode(query_hat, chip.encoding))
    light = chip.leak + straight_through(wanted, modulate(wanted.detach(), chip.dac_bits))
    # Shots and queries are the rows of one matrix product a slice, so that the weights are read once for all of them.
    light = light.movedim(0, banks).movedim(-2, banks)
    drawn = None if noise is None else noise.to(light.dtype).movedim(0, banks).movedim(-1, banks)
    values = wanted[0] if sign.RAILS[chip.encoding] == 2 else _permuted(chip, query_hat)
    summed = values.sum(-2)
    blocks = fused.lines.shape[-1]
    # Every step of the arithmetic passes over all readings: in pieces that stay in a core's cache. A compiler fuses
    # the steps itself, and a GPU wants all at once.
    whole = light.device.type != "cpu" or torch.compiler.is_compiling()
    width = blocks if whole else max(1, CACHED_READINGS // max(1, light[..., 0].numel()))
    parts = [_part(chip, fused, light, drawn, part=slice(first, first + width)) for first in range(0, blocks, width)]
    score = parts[0] if len(parts) == 1 else torch.cat(parts, -1)
    if fused.held.shape[-2]:
        score = score - summed @ fused.held
    return score, chip.weight_centre / chip.weight_span * summed.sum(-1, keepdim=True)


def _part(
    chip: Any,
    fused: FusedWeights,
    light: Float[Tensor, "*banks slices shots queries channels"],
    noise: Float[Tensor, "*banks slices shots queries blocks"] | None,
    *,
    part: slice,
) -> Float[Tensor, "*banks queries part"]:
    banks = fused.lines.dim() - 3
    shots = light.shape[-3]
    # One matrix product for each bank and slice.
    lines, rows = fused.lines[..., part].flatten(0, -3), light.flatten(-3, -2).flatten(0, -3)
    y = rows @ lines
    if noise is not None:
        lit = chip.noise_floor**2 + chip.noise_shot**2 * rows.sum(-1, keepdim=True)
        if chip.common_variance or chip.line_noise:
            variance = torch.addcmul(lit, y, y, value=chip.common_variance)
            if chip.line_noise:
                squares = fused.squares[..., part].flatten(0, -3)
                variance = variance.baddbmm_((chip.noise_rin * rows) ** 2, squares)
        else:
            variance = lit
        if variance.requires_grad:
            # The root of an exact zero has no slope; its gradient is taken as zero.
            std = torch.where(variance > 0, torch.where(variance > 0, variance, 1.0).sqrt(), 0.0)
        else:
            std = variance.sqrt_()
        grid = noise[..., part]
        y = torch.addcmul(y.view(grid.shape), std.view(*grid.shape[:-1], std.shape[-1]), grid)
    y = torch.addcmul(fused.middle[part], y, fused.per_step[part]).clamp_(0.0, float(max(2**chip.adc_bits - 2, 1)))
    code = straight_through(y, torch.round(y.detach())) if y.requires_grad else y.round_()
    code = code.view(*light.shape[:-1], code.shape[-1])
    code = code[..., 0, :, :] - code[..., 1, :, :] if shots == 2 else code[..., 0, :, :]
    code = code[(slice(None),) * banks + (0,)] if code.shape[banks] == 1 else code.sum(banks)
    return torch.addcmul(fused.shift[..., part], code, fused.gain[part])


def _permuted(chip: Any, values: Float[Tensor, "*axes channels"]) -> Float[Tensor, "*axes channels"]:
    return values[..., chip.column_of_channel] if chip.some_permuted else values


def straight_through(x: Tensor, converted: Tensor) -> Tensor:
    """The converted values with the slope of x itself."""
    return x + (converted - x.detach()) if x.requires_grad else converted
