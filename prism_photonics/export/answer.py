"""Scores in units and the best blocks of a programmed bank; on a CPU in pieces that fit into its cache.

Called plainly on a CPU, queries are prepared by NumPy and blocks chosen by it; with gradients, traced, batched or on
another device everything stays with torch. The lines of the arithmetic are the same.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from prism_photonics.codec import arithmetic, checks
from prism_photonics.codec.centring import centre_score
from prism_photonics.export import fused as fusing
from prism_photonics.export.fused import FusedConverter, Lit
from prism_photonics.export.single import host_of
from prism_photonics.export.topk import Best, array_of, top_k

MOST_TRACED_PIECES = 8
"""Pieces of blocks in compiled code at most: each is a loop that a compiler has to compile. Design choice."""


class Asked(NamedTuple):
    """Queries, and offset and factor of their scores in units.

    Attributes:
        lit: As the rows receive them.
        offset: Number added to all scores of a query.
        unit: Factor of the scores before that.
        largest: Largest magnitude of each query.
        share: Scale of each block over the largest; none where all blocks of a bank share one.
    """

    lit: Lit
    offset: Float[Any, "*banks queries one_or_blocks"]
    unit: Float[Any, "*banks queries one_or_blocks"]
    largest: Float[Any, "*banks queries 1"]
    share: Float[Any, "*banks 1 blocks"] | None


def answer(
    chip: Any,
    fused: FusedConverter,
    weights: Float[Tensor, "*banks blocks slices channels"],
    query: Float[Tensor, "*banks queries dims"],
    *,
    noise: Float[Tensor, "shots *banks queries blocks slices"] | None,
    given: Float[Tensor, "*batch dims"],
) -> tuple[Float[Tensor, "*banks queries blocks"], Int[Tensor, "*banks queries k"]]:
    """Scores of all blocks, and the k best.

    Args:
        chip: The selector.
        fused: Its converter.
        weights: Its weights, as they are now.
        query: Queries in at least single precision.
        noise: Standard normal numbers, or none.
        given: The queries as they were handed in, by which a refusal names the place.

    Returns:
        Scores in units of query times signature, and block indices, best first.

    Raises:
        InputError: A query is not finite, or a number of the noise; only where there are values to look at.
    """
    banks = weights.dim() - 3
    if noise is not None:
        noise = noise.to(weights.dtype)
        if noise.shape[0] == noise.shape[-1] == 1:  # one shot of one slice: nothing moves
            noise = noise.view(*noise.shape[1 : banks + 1], 1, *noise.shape[:1], *noise.shape[banks + 1 : -1])
        else:
            noise = noise.movedim(0, banks).movedim(-1, banks)
    array, held = _plain(query), None
    if array is not None and (noise is None or _plain(noise) is not None) and _plain(weights) is not None:
        held = _held(chip)
    if array is None or held is None:
        column = chip.column_of_channel if chip.some_permuted else None
        asked = _asked(chip, query, chip.centre, chip.signature_scale, column=column, common=fused.common)
        usual = _all_usual(given, asked.largest)
        if torch.compiler.is_compiling() and not torch.compiler.is_exporting() and weights.device.type == "cpu":
            return _traced(chip, fused, weights, asked, noise=noise)
        return _read(chip, fused, weights, asked, noise=_finite(noise), usual=usual)
    centre, scale, column, common = held
    with np.errstate(all="ignore"):  # what is not finite is refused, in one line
        found = _asked(chip, array, centre, scale, column=column, common=common)
    low, high = (found.largest.min(), found.largest.max()) if found.largest.size else (1.0, 1.0)
    if not high < np.inf:
        _refuse(given)
    rest = [None if values is None else torch.from_numpy(values) for values in found[1:]]
    asked = Asked(Lit(*map(torch.from_numpy, found.lit)), *rest)
    return _in_pieces(chip, fused, weights, asked, noise=noise, usual=bool(low > 0))


def _asked(chip: Any, query: Any, centre: Any, scale: Any, *, column: Any, common: Any) -> Asked:
    if isinstance(query, Tensor):
        query_hat, largest = arithmetic.normalized(query)
    else:  # the same in fewer steps
        largest = np.maximum(query.max(-1, keepdims=True), -query.min(-1, keepdims=True))
        query_hat = query / np.where(largest > 0, largest, 1.0).astype(query.dtype)
    if query.dtype != scale.dtype:  # units may be beyond single precision, what the chip sees is not
        query_hat = query_hat.to(scale.dtype) if isinstance(query, Tensor) else query_hat.astype(scale.dtype)
    lit = fusing.lit(chip, query_hat, column, common=common)
    banks = query.ndim - 2
    shared = centre_score(query, centre[(slice(None),) * banks + (None,)], halves=centre.ndim - banks == 2)
    own = scale.ndim > banks
    each = scale[..., None, :] if own else scale[..., None, None]
    unit = largest * each
    offset = shared - lit.taken_off * unit
    if query.dtype != scale.dtype:
        offset, unit = ((x.to(scale.dtype) if isinstance(x, Tensor) else x.astype(scale.dtype)) for x in (offset, unit))
    share = arithmetic.comparable(1.0, each) if own else None
    return Asked(lit, offset, unit, largest, share)


def _held(chip: Any) -> Any:
    """Centre, scale, column of each channel and common weights as arrays; None as `_plain`."""
    if (arrays := host_of(chip).arrays) is not None:
        return arrays
    held = [_plain(chip._buffers[name]) for name in ("centre", "signature_scale", "column_of_channel", "common")]
    return None if any(values is None for values in held) else held


def _plain(values: Tensor) -> np.ndarray | None:
    """A tensor's memory as an array; None where it has none to look at, or a derivative is to pass through it."""
    if values.requires_grad and not torch.is_grad_enabled():
        values = values.detach()
    array = array_of(values)
    return None if array is None or fusing.has_slope(values) else array


def _in_pieces(
    chip: Any, fused: FusedConverter, weights: Tensor, asked: Asked, *, noise: Tensor | None, usual: bool
) -> tuple[Tensor, Tensor]:
    """All steps for some blocks, then for the next: of all readings only the scores in units are kept."""
    blocks, light = weights.shape[-3], asked.lit.light
    rows = max(1, light[..., 0].numel())
    width = min(blocks, max(1, fusing.CALLED_READINGS // rows))
    scores = weights.new_empty((*asked.unit.shape[:-1], blocks))
    best = Best(chip.k)
    # Memory that is asked for anew costs more than the steps on it.
    room = weights.new_empty(rows * width)
    for first in range(0, blocks, width):
        part = slice(first, first + width)
        # Of one piece nothing is cut: that takes torch as long as a step on some thousand numbers.
        own, lines, drawn, score = fused, weights, noise, scores
        offset: Any = asked.offset
        unit: Any = asked.unit
        share = asked.share
        if width < blocks:
            own, lines, score = fusing.part_of(fused, part), weights[..., part, :, :], scores[..., part]
            drawn = None if noise is None else noise[..., part]
            # One number for all blocks of a query, or one for each.
            offset, unit, share = (
                held if held is None or held.shape[-1] == 1 else held[..., part] for held in (offset, unit, share)
            )
        hat = fusing.score_hat(chip, own, lines, asked.lit, noise=_finite(drawn), room=room)
        # Two steps take less than one with two numbers that stand for a whole row, which torch does one by one.
        torch.mul(hat, unit, out=score).add_(offset)
        dead = _dead(chip, first, hat.shape[-1]) if chip.some_excluded else None
        if dead is not None:
            score.masked_fill_(dead, -torch.inf)
        ranked = _ranked(asked._replace(share=share), hat, dead=dead, usual=usual)
        best.see(ranked.numpy().reshape(-1, ranked.shape[-1]))
    found = best.blocks()
    if found is None:  # what is programmed holds NaN
        return _read(chip, fused, weights, asked, noise=noise, usual=usual)
    return scores, torch.from_numpy(found).view(*scores.shape[:-1], chip.k)


def _traced(
    chip: Any, fused: FusedConverter, weights: Tensor, asked: Asked, *, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    """What a compiler makes few passes of: pieces of blocks one after the other, each in one loop after its product.

    It writes a piece straight into its place of the whole, and takes the memory of one piece's readings for the next.
    """
    blocks, light = weights.shape[-3], asked.lit.light
    steady = noise is not None and not (chip.common_variance or chip.line_noise)
    small = [
        torch.where(asked.largest > 0, 1.0, 0.0).to(weights),
        *([fusing.root(asked.lit.variance)] if steady else []),
    ]
    if asked.share is None:
        small += [asked.offset, asked.unit]
    some, *small = _written(*small)
    std = small.pop(0) if steady else None
    offset, unit = (asked.offset, asked.unit) if asked.share is not None else small
    dead = _dead(chip, 0, blocks) if chip.some_excluded else None
    # Doubled by comparisons alone: a compiler that keeps sizes open has nothing to fix but which pieces there are.
    pieces, readings = 1, light[..., 0].numel() * blocks
    while pieces < MOST_TRACED_PIECES and readings > pieces * fusing.CACHED_READINGS:
        pieces *= 2
    scores, ranked, width = [], [], blocks // pieces
    for number in range(pieces):
        part = slice(number * width, (number + 1) * width if number < pieces - 1 else blocks)
        drawn = None if noise is None else noise[..., part]
        # Of one piece no tensor is touched that is not read: a compiled call looks at each.
        own = fused if pieces == 1 else fusing.part_of(fused, part)
        hat = fusing.score_hat(chip, own, weights[..., part, :, :], asked.lit, noise=drawn, std=std)
        first, factor = (held if held.shape[-1] == 1 else held[..., part] for held in (offset, unit))
        score = torch.addcmul(first, hat, factor)
        if asked.share is not None:
            hat = (hat - asked.lit.taken_off) * asked.share[..., part]
        # As `arithmetic.rankable`, but that zeros may have either sign: the choice takes them for equal.
        rank = torch.where(hat > -torch.inf, hat * some, -torch.inf)
        if dead is not None:
            score, rank = (held.masked_fill(dead[part], -torch.inf) for held in (score, rank))
        scores.append(score)
        ranked.append(rank)
    return torch.cat(scores, -1), top_k(torch.cat(ranked, -1), chip.k)


def _written(*small: Tensor) -> list[Tensor]:
    """Numbers of each query, written down once: a compiler would else work them out anew for every reading."""
    whole = torch.cat([each.reshape(-1) for each in small])
    parts = whole.split([each.numel() for each in small])
    return [part.view(each.shape) for part, each in zip(parts, small, strict=True)]


def _read(
    chip: Any,
    fused: FusedConverter,
    weights: Tensor,
    asked: Asked,
    *,
    noise: Tensor | None,
    usual: bool,
) -> tuple[Tensor, Tensor]:
    hat = fusing.score_hat(chip, fused, weights, asked.lit, noise=noise)
    scores = torch.addcmul(asked.offset, hat, asked.unit)
    dead = _dead(chip, 0, hat.shape[-1]) if chip.some_excluded else None
    if dead is not None:
        scores = scores.masked_fill(dead, -torch.inf)
    return scores, top_k(_ranked(asked, hat, dead=dead, usual=usual), chip.k)


def _ranked(asked: Asked, hat: Tensor, *, dead: Tensor | None, usual: bool) -> Tensor:
    if asked.share is not None:
        # What is taken off of all blocks alike counts for each by its scale. Zero has one sign.
        hat = (hat - asked.lit.taken_off) * asked.share + 0.0
    if usual:
        return hat if dead is None else hat.masked_fill(dead, -torch.inf)
    return arithmetic.rankable(hat, asked.largest, dead=dead)


def _dead(chip: Any, first: int, blocks: int) -> Tensor:
    row = torch.arange(first, first + blocks, device=chip.excluded.device) % chip.rows
    return arithmetic.dead_rows(chip)[row]


def _all_usual(given: Tensor, largest: Tensor) -> bool:
    """Whether no query is zero, refusing one that is not finite; one transfer from the device. Traced: not known."""
    if torch.compiler.is_compiling():
        return False
    usual = holds((largest > 0) & (largest < torch.inf))
    if usual is False:
        _refuse(given)
    return bool(usual)


def _refuse(given: Tensor) -> None:
    host = given.detach().to("cpu", torch.float64).numpy()
    checks.require_finite("query", host, axes=("dim",), cure="mend or drop it", batched=True)


def _finite(noise: Tensor | None) -> Tensor | None:
    """The same noise, refused if it is not finite; not under tracing."""
    if noise is None or torch.compiler.is_compiling():
        return noise
    if not finite(noise):
        checks.require_drawn("noise", noise)
    return noise


def holds(condition: Tensor) -> bool | None:
    """Whether all elements are true; None under vmap, where values are not accessible."""
    try:
        return bool(condition.all())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return None


def finite(values: Tensor) -> bool:
    """Whether all values are finite; under vmap, where they are not accessible, yes.

    A sum is finite only if all its terms are, and takes one pass; where it overflows, the terms are looked at.
    """
    try:
        if math.isfinite(float(values.detach().sum())):
            return True
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return True
    return holds(torch.isfinite(values)) is not False
