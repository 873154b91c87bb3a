"""Rows of signatures: what a reader wrote of a block, and beside it what must be taken into account in reading.

A row is (state | reference | scales), the scales where the reader has a range. All selectors that read dot products
write and read through here, so that what all blocks share, and channels that spread far, cost none of them the chip's
range.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prism_photonics.ranking.centre import Centre, centred, shared_part
from prism_photonics.ranking.readers import Place, Reader


def write_rows(
    reader: Reader,
    features: Float[Tensor, "batch kv_heads blocks width"],
    shown: Bool[Tensor, "batch blocks"],
    place: Place,
    *,
    tokens: Float[Tensor, "batch kv_heads tokens width"] | None = None,
) -> Float[Tensor, "batch kv_heads blocks row"]:
    """Write blocks less their reference, every feature over its scale.

    Args:
        reader: Writes.
        features: Features of blocks.
        shown: Blocks that hold any token.
        place: Where they stand.
        tokens: Features of their single tokens, see ``Centre.scales``.

    Returns:
        One row per block.
    """
    centre = place.centre or Centre()
    left, reference = centred(features, shown, centre)
    # Scales are powers of two: a reader without a range gives the same scores with and without them.
    if not reader.ranged:
        return torch.cat([reader.write(left, place), reference], -1)
    scale = centre.scales(features, shown, tokens)[:, :, None].expand_as(left)
    return torch.cat([reader.write(left / scale, place), reference, scale], -1)


def read_rows(
    reader: Reader,
    sketches: Float[Tensor, "batch kv_heads steps width"],
    rows: Float[Tensor, "batch kv_heads blocks row"],
) -> Float[Tensor, "batch kv_heads steps blocks"]:
    """Scores of rows that ``write_rows`` wrote, up to one number per query and KV head.

    Blocks of other scales want other light, so there is one reading for each set of scales: one, unless what is
    written changed its kind on the way.
    """
    width = sketches.shape[-1]
    if not reader.ranged:
        state, reference = rows.split([rows.shape[-1] - width, width], -1)
        return reader.read(sketches, state) + shared_part(sketches, reference)
    state, reference, scale = rows.split([rows.shape[-1] - 2 * width, width, width], -1)
    if rows.shape[2] and not bool((scale - scale[:, :, :1]).any()):
        return reader.read(sketches * scale[:, :, :1], state) + shared_part(sketches, reference)
    scores: Tensor | None = None
    unread = torch.ones(rows.shape[:3], dtype=torch.bool, device=rows.device)
    while bool(unread.any()):
        first = unread.int().argmax(2)[..., None, None].expand(-1, -1, 1, width)
        common = scale.gather(2, first)
        mine = (scale == common).all(-1) & unread
        read = reader.read(sketches * common, state)
        scores = read if scores is None else torch.where(mine[:, :, None], read, scores)
        unread = unread & ~mine
    if scores is None:
        return sketches.new_zeros(*sketches.shape[:3], 0)
    return scores + shared_part(sketches, reference)
