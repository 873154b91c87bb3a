"""One query of one bank, as a decode step asks it: in NumPy, whose steps on so few numbers cost half of torch's.

The arithmetic is that of ``export.fused``. Whatever is unusual (gradients, tracing, excluded rings, drift, a query of
zeros or one that is refused) is left to the general road.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from prism_photonics.codec import arithmetic
from prism_photonics.codec import encoding as sign
from prism_photonics.codec.centring import centre_score
from prism_photonics.export import fused as fusing
from prism_photonics.export.topk import array_of, best_of_row

_FUSED = ("per_step", "middle", "gain", "shift", "row_gain", "common")
_NAMES = ("weights", *_FUSED, "column_of_channel", "centre", "signature_scale")
SQUARED_AT_ONCE = 2**16
"""Weights that are squared before their product is taken: they stay in a core's cache. Design choice."""


class Host(NamedTuple):
    """What is programmed, as NumPy sees it, looked up once.

    Attributes:
        buffers: The selector's buffers that this was made of by name, each with whether a derivative passes through,
            and where its memory lies; None where nobody may look.
        arrays: Centre, scale, column of each channel and common weights; none where one of a selector's buffers is not
            in the host's memory, or a derivative passes through it.
        bank: The bank of single queries, where it is one that is served here.
    """

    buffers: tuple[tuple[str, Tensor, bool, int | None], ...]
    arrays: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None
    bank: "Bank | None"


class Bank(NamedTuple):
    """A selector's buffers as NumPy sees them, in the memory that they have.

    Attributes:
        slices: Weights of each slice, (channels, blocks), of torch.
        per_step: See ``export.fused.FusedConverter``, as the five below.
        middle: Middle code.
        gain: Score per code.
        shift: Score of code 0.
        row_gain: Gain of each block's row; empty where all are 1.
        common: Weight that all rings of a channel carry, centre and bias.
        column: Place of a slice that each channel carries.
        centre: Centre of the signatures; two for bounds.
        scale: Magnitude that is written as the full span, one or one for each block.
        banks: Leading axes of banks, of one bank each.
        noise: Shape of the noise of one query without leading axes.
    """

    slices: tuple[Tensor, ...]
    per_step: Float[np.ndarray, " blocks"]
    middle: Float[np.ndarray, " one_or_blocks"]
    gain: Float[np.ndarray, " blocks"]
    shift: Float[np.ndarray, " one_or_blocks"]
    row_gain: Float[np.ndarray, " blocks"]
    common: Float[np.ndarray, " channels"]
    column: Int[np.ndarray, " channels"]
    centre: Float[np.ndarray, "*halves dims"]
    scale: Float[np.ndarray, " one_or_blocks"]
    banks: int
    noise: tuple[int, int, int]


def answer_single(
    chip: Any, query: Float[Tensor, "*ones dims"], noise: Float[Tensor, "shots *ones blocks slices"] | None
) -> tuple[Float[Tensor, "*ones blocks"], Int[Tensor, "*ones k"]] | None:
    """Scores of all blocks and the k best, see ``export.answer``; None where the general road has to go.

    Args:
        chip: The selector, its fused buffers up to date.
        query: Whatever was handed in for a query.
        noise: Whatever was handed in for the noise.
    """
    if query.numel() != chip.dims:
        return None
    bank = host_of(chip).bank
    if bank is None or not _plain(query, bank) or (noise is not None and not _plain(noise, bank)):
        return None
    ones, dims, (shots, blocks, slices) = query.shape[:-1], query.shape[-1], bank.noise
    if query.numel() != dims or dims != chip.dims or len(ones) < bank.banks or chip.k > blocks:
        return None
    if noise is not None and noise.shape != (shots, *ones, blocks, slices):
        return None
    try:
        array = query.numpy().reshape(1, -1)
        drawn = None if noise is None else noise.numpy().reshape(bank.noise)
    except RuntimeError:  # batched by vmap
        return None
    largest = max(array.max(), -array.min())
    # A sum of squares is finite only if all its terms are; where it overflows, the general road looks at them.
    if not 0.0 < largest < np.inf or not (drawn is None or math.isfinite(np.vdot(drawn, drawn))):
        return None
    lit = fusing.lit(chip, array / largest, bank.column, common=bank.common)
    hat = _score_hat(chip, bank, lit=lit, noise=drawn)
    ranked = hat
    if bank.scale.size > 1:
        ranked = arithmetic.comparable(hat - lit.taken_off[0], bank.scale) + 0.0
    best = best_of_row(ranked, chip.k)
    if best is None:
        return None
    shared = centre_score(array, bank.centre, halves=bank.centre.ndim == 2)
    unit = largest * bank.scale
    scores = hat * unit
    scores += shared[0] - lit.taken_off[0] * unit
    return torch.from_numpy(scores).view(*ones, blocks), torch.from_numpy(best).view(*ones, chip.k)


def host_of(chip: Any) -> Host:
    """What is programmed now."""
    held: dict[str, Tensor] = chip._buffers
    kept: Host | None = chip._host
    if kept is not None and _as_it_was(held, kept):
        return kept
    seen: dict[str, np.ndarray] = {}
    for name in _NAMES:
        array = None if fusing.has_slope(held[name]) else array_of(held[name])
        if array is not None:
            seen[name] = array
    arrays = bank = None
    if len(seen) == len(_NAMES):
        arrays = (seen["centre"], seen["signature_scale"], seen["column_of_channel"], seen["common"])
        bank = _bank(chip, held["weights"], seen)
    lies = {name: held[name].data_ptr() for name in seen}
    buffers = tuple((name, held[name], held[name].requires_grad, lies.get(name)) for name in _NAMES)
    now = Host(buffers, arrays, bank)
    if not torch.jit.is_tracing():  # when nobody may look; it says nothing of the next call
        chip._host = now
    return now


def _as_it_was(held: dict[str, Tensor], kept: Host) -> bool:
    # Asked at every call: a loop takes two thirds of what `all` takes.
    for name, buffer, sloped, at in kept.buffers:
        if held[name] is not buffer or buffer.requires_grad is not sloped:
            return False
        if at is not None and buffer.data_ptr() != at:
            return False
    return True


def _bank(chip: Any, weights: Tensor, seen: dict[str, np.ndarray]) -> Bank | None:
    """The bank that is programmed, where it is one that is served here."""
    banks, blocks, slices = weights.dim() - 3, *weights.shape[-3:-1]
    noise = (sign.SHOTS[chip.encoding], blocks, slices)
    one = weights.shape[:banks].numel() == 1 and 0 < math.prod(noise) <= fusing.CACHED_READINGS
    if chip.some_excluded or not one:
        return None
    cut, centre = weights.detach().view(blocks, slices, -1), seen["centre"]
    return Bank(
        slices=tuple(cut[:, number].mT for number in range(slices)),
        per_step=seen["per_step"],
        middle=seen["middle"],
        gain=seen["gain"],
        shift=seen["shift"].reshape(-1),
        row_gain=seen["row_gain"],
        common=seen["common"],
        column=seen["column_of_channel"],
        centre=centre.reshape(centre.shape[banks:]),
        scale=seen["signature_scale"].reshape(-1),
        banks=banks,
        noise=noise,
    )


def _plain(values: Any, bank: Bank) -> bool:
    """Whether these are numbers of the bank's kind in the memory of the host, through which no derivative passes."""
    return (
        type(values) is Tensor
        and values.dtype is bank.slices[0].dtype
        and values.device.type == "cpu"
        and not fusing.has_slope(values)
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
    )


def _score_hat(
    chip: Any, bank: Bank, *, lit: fusing.Lit, noise: Float[np.ndarray, "shots blocks slices"] | None
) -> Float[np.ndarray, " blocks"]:
    """The same as ``export.fused.score_hat``, of one query."""
    shots, blocks, slices = bank.noise
    y = np.empty((slices, shots, blocks), lit.light.dtype)
    for number, weights in enumerate(bank.slices):
        # Cut by NumPy: torch takes ten times as long to hand out parts of a tensor.
        torch.mm(torch.from_numpy(lit.light[number]), weights, out=torch.from_numpy(y[number]))
    if chip.some_gained:
        y *= bank.row_gain
    if noise is not None:
        variance = lit.variance
        if chip.common_variance:
            variance = variance + chip.common_variance * (y * y)
        if chip.line_noise:
            variance = variance + _line_variance(chip, bank, lit=lit)
        y += np.sqrt(variance) * noise.transpose(2, 0, 1)
    y *= bank.per_step
    y += bank.middle
    np.maximum(y, 0.0, out=y)
    np.minimum(y, float(max(2**chip.adc_bits - 2, 1)), out=y)
    np.rint(y, out=y)
    code = y[:, 0] - y[:, 1] if shots == 2 else y[:, 0]
    score = (code[0] if slices == 1 else code.sum(0)) * bank.gain
    score += bank.shift
    return score


def _line_variance(chip: Any, bank: Bank, *, lit: fusing.Lit) -> Float[np.ndarray, "slices shots blocks"]:
    """What intensity noise of single lines adds to the variance of a reading: a product of squares."""
    shots, blocks, slices = bank.noise
    light = (chip.numbers.noise_rin * lit.light) ** 2
    found = np.empty((slices, shots, blocks), light.dtype)
    many = max(1, SQUARED_AT_ONCE // light.shape[-1])
    room = np.empty((min(many, blocks), light.shape[-1]), light.dtype)
    for number, weights in enumerate(bank.slices):
        lines, asked = weights.mT.numpy(), torch.from_numpy(light[number])
        for first in range(0, blocks, many):
            some = lines[first : first + many]
            squares = np.multiply(some, some, out=room[: len(some)])
            found[number, :, first : first + many] = torch.mm(asked, torch.from_numpy(squares).mT).numpy()
    return found * bank.row_gain**2 if chip.some_gained else found
