"""The reading of a bank in the converter's own steps, with all that is constant folded into it: the selector's pace."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.behavior.arithmetic import dead_rows
from prism_photonics.lightpath.modulator import encoding as sign
from prism_photonics.lightpath.modulator.model import modulate


class Folded(NamedTuple):
    """What one bank, or several, answer queries with.

    Attributes:
        lines: Weight of every channel in steps of its row's converter.
        squares: Its square; empty where no line has noise of its own.
        per_step: One step over one weight unit, inverse.
        middle: The converter's middle code, with the row's offset.
        gain: Score per code.
        shift: Score of code 0.
        held: What excluded rings add per channel, score units; empty without any.
    """

    lines: Float[Tensor, "*banks slices channels blocks"]
    squares: Float[Tensor, "*banks slices channels blocks"]
    per_step: Float[Tensor, " blocks"]
    middle: Float[Tensor, " blocks"]
    gain: Float[Tensor, "*banks 1 blocks"]
    shift: Float[Tensor, "*banks 1 blocks"]
    held: Float[Tensor, "*banks channels blocks"]


def fold(
    chip: Any,
    weights: Float[Tensor, "*banks blocks slices channels"],
    row_sum: Float[Tensor, "*banks blocks slices"],
    scale: Float[Tensor, "*banks"],
    row: Tensor,
) -> Folded:
    """Fold converter, decoding and units into the weights; see ``behavior.arithmetic.scored`` for the plain road."""
    full_scale = chip.adc_full_scale[row]
    step = sign.quantizer_step(chip.adc_bits, -full_scale, full_scale)
    half = full_scale / step
    # Signatures' scale over the span: a score per unit of weight.
    unit = (scale / chip.weight_span)[..., None]
    lines = (weights * (chip.score_gain[row] / step)[:, None, None]).movedim(-3, -1).contiguous()
    slices = weights.shape[-2]
    if chip.encoding == "offset":
        per_code, zero = 2.0 * step, -2.0 * step * half * slices - (2.0 * chip.leak + 1.0) * row_sum.sum(-1)
    elif chip.encoding == "two_shot":
        per_code, zero = step, torch.zeros_like(row_sum[..., 0])
    else:
        per_code, zero = step, -step * half * slices - chip.leak * row_sum.sum(-1)
    held = torch.where(chip.excluded, chip.stuck_weight - chip.weight_centre, 0.0)[row].mT
    return Folded(
        lines=lines,
        squares=lines**2 if chip.line_noise else lines[..., :0],
        per_step=1.0 / step,
        middle=chip.score_offset[row] / step + half,
        gain=(per_code * unit)[..., None, :],
        shift=(zero * unit)[..., None, :],
        held=held * unit[..., None] if chip.some_excluded else held[:0],
    )


def read(
    chip: Any,
    folded: Folded,
    query_hat: Float[Tensor, "*banks queries slices slice_dims"],
    noise: Float[Tensor, "shots *banks queries blocks slices"] | None,
    largest: Float[Tensor, "*banks queries 1"],
    unit: Float[Tensor, "*banks 1 1"],
) -> Float[Tensor, "*banks queries blocks"]:
    """Scores of all queries of every bank.

    Args:
        chip: The model's tensors and settings.
        folded: What `fold` returned.
        query_hat: Queries over their largest magnitude, cut into slices.
        noise: Standard normal numbers, or none for the mean reading.
        largest: That magnitude.
        unit: Score per unit of weight, one for each bank.
    """
    banks = folded.lines.dim() - 3
    wanted = sign.encode(query_hat, chip.encoding)[..., chip.column_of_channel]
    light = chip.leak + straight_through(wanted, modulate(wanted.detach(), chip.dac_bits))
    shots, queries = light.shape[0], light.shape[-3]
    # Shots and queries are the rows of one matrix product a slice, so that the weights are read once for all of them.
    flat = light.movedim(0, banks).movedim(-2, banks).flatten(banks + 1, banks + 2)
    y = flat @ folded.lines
    if noise is not None:
        drawn = noise.to(y).movedim(0, banks).movedim(-1, banks).flatten(banks + 1, banks + 2)
        lit = chip.noise_floor**2 + chip.noise_shot**2 * flat.sum(-1, keepdim=True)
        variance = lit * folded.per_step**2 + (chip.noise_common * y) ** 2
        if folded.squares.shape[-1]:
            variance = variance + (chip.noise_rin * flat) ** 2 @ folded.squares
        if variance.requires_grad:
            # The root of an exact zero has no slope; its gradient is taken as zero.
            std = torch.where(variance > 0, torch.where(variance > 0, variance, 1.0).sqrt(), 0.0)
        else:
            std = variance.sqrt()
        y = torch.addcmul(y, std, drawn)
    y = torch.clip(y + folded.middle, 0.0, float(max(2**chip.adc_bits - 2, 1)))
    code = straight_through(y, torch.round(y.detach())).unflatten(-2, (shots, queries))
    code = code[..., 0, :, :] - code[..., 1, :, :] if shots == 2 else code[..., 0, :, :]
    code = code[(slice(None),) * banks + (0,)] if code.shape[banks] == 1 else code.sum(banks)
    values = wanted[0] if sign.RAILS[chip.encoding] == 2 else query_hat[..., chip.column_of_channel]
    summed = values.sum(-2)
    score = code * folded.gain + (folded.shift - chip.weight_centre * unit * summed.sum(-1, keepdim=True))
    if folded.held.shape[-2]:
        score = score - summed @ folded.held
    score = score * largest
    if folded.held.shape[-2]:
        row = torch.arange(score.shape[-1], device=score.device) % chip.rows
        score = score.masked_fill(dead_rows(chip)[row], -torch.inf)
    return score


def straight_through(x: Tensor, converted: Tensor) -> Tensor:
    """The converted values with the slope of x itself."""
    return x + (converted - x.detach()) if x.requires_grad else converted
