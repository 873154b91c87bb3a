"""Tiling of more blocks than rows and dimensions than channels: each tile is written once, read by every query."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from prism_photonics.codec.modulation import namespace
from prism_photonics.units import InputError

ScoreTile = Callable[[int, int, np.ndarray, np.ndarray], np.ndarray]
"""(page, slice, tile (rows, channels), query slices (queries, channels)) -> partial scores."""


def sliced(values: Float[Any, "*batch dims"], width: int) -> Float[Any, "*batch slices width"]:
    """Cut the last axis into slices of ``width``, the last one padded with zeros; of any array library.

    Args:
        values: Signatures or queries, any unit.
        width: Values that a row holds at once.
    """
    dims = values.shape[-1]
    slices = slices_of(dims, width)
    missing = slices * width - dims
    if missing:
        xp = namespace(values)
        if hasattr(xp, "pad"):
            values = xp.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])
        else:
            values = xp.constant_pad_nd(values, (0, missing))  # torch's word for it
    return values.reshape(*values.shape[:-1], slices, width)


def slices_of(dims: int, width: int) -> int:
    """Slices of ``width`` that ``dims`` values take."""
    return -(-dims // width)


def tiles(
    signatures: Num[np.ndarray, "blocks dims"], *, rows: int, channels: int
) -> Float[np.ndarray, "pages slices rows channels"]:
    """Cut signatures into pages of ``rows`` blocks and slices of ``channels`` dimensions, padded with zeros.

    Args:
        signatures: One signature per block, any unit.
        rows: Blocks that are scored at once.
        channels: Dimensions that are scored at once.

    Returns:
        Tiles, unit of the signatures; block b is row b mod rows of page b // rows.

    Raises:
        InputError: The tile has no rows or no channels.
    """
    if rows < 1 or channels < 1:
        raise InputError(f"tile: got {rows} rows × {channels} channels, want at least 1 × 1; check the chip's size")
    pages = np.moveaxis(sliced(np.asarray(signatures, float).T, rows), 0, -1)
    return sliced(pages, channels).swapaxes(1, 2)


def scores_by_tile(
    score_tile: ScoreTile,
    signatures: Num[np.ndarray, "blocks dims"],
    *,
    queries: Num[np.ndarray, "queries query_dims"],
    rows: int,
    channels: int,
) -> Float[np.ndarray, "queries blocks"]:
    """Score queries against signatures that do not fit at once; partial scores of the slices are added here.

    Programming is slow and reading is fast, so each tile is handed over exactly once, with all queries, in
    the order page 0 slice 0, page 0 slice 1, …; a ``score_tile`` that programs on each call programs each
    tile once.

    Args:
        score_tile: Scores all query slices on one tile: ``(page, slice, tile, query_slices) -> (queries,
            rows)``.
        signatures: One signature per block, any unit.
        queries: One query per line, any unit.
        rows: Blocks that are scored at once.
        channels: Dimensions that are scored at once.

    Returns:
        Scores; those of padded rows are dropped.

    Raises:
        InputError: The dimensions of queries and signatures differ, or a partial score has another shape.
    """
    blocks, dims = signatures.shape
    if queries.shape[1] != dims:
        raise InputError(f"queries: got {queries.shape[1]} dimensions, want {dims}; use one projection for both")
    grid = tiles(signatures, rows=rows, channels=channels)
    pages, slices = grid.shape[:2]
    query_slices = tiles(queries, rows=len(queries), channels=channels)[0]
    scores = np.zeros((len(queries), pages, rows))
    for page in range(pages):
        for piece in range(slices):
            partial = np.asarray(score_tile(page, piece, grid[page, piece], query_slices[piece]))
            if partial.shape != (len(queries), rows):
                raise InputError(
                    f"score_tile of page {page}, slice {piece}: got shape {partial.shape}, want "
                    f"{(len(queries), rows)}; return one score per query and row"
                )
            scores[:, page] += partial
    return scores.reshape(len(queries), pages * rows)[:, :blocks]
