"""Banks of signatures scored by photocurrent: cut into tiles, programmed, each tile read once by every query."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.characterize.scores import score_tile
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.codec.centring import centre_score
from prism_photonics.codec.encoding import RAILS, rails
from prism_photonics.codec.tiling import scores_by_tile, tiles
from prism_photonics.drift.tracker import Tracker
from prism_photonics.programming.tiles import ProgrammedTiles
from prism_photonics.ranking.signatures import centred_at_full_span
from prism_photonics.spec import ChipSpec


@dataclass(frozen=True)
class CutBank:
    """Signatures of one bank, cut for a chip: centred, at full span, in pages of blocks and slices of dimensions.

    Attributes:
        unit: Signatures less what they share, over the scale of every channel, divided by their block's largest
            magnitude then.
        scale: Factor of each block's score, applied afterwards.
        centre: Their common vector, whose score is added afterwards.
        channel_scale: Factors of the queries.
        tiles: Values of the channels, page by page and slice by slice.
        slices: Tiles of one page.
    """

    unit: Float[ndarray, "blocks dims"]
    scale: Float[ndarray, " blocks"]
    centre: Float[ndarray, " dims"]
    channel_scale: Float[ndarray, " dims"]
    tiles: Float[ndarray, "tiles rows channels"]
    slices: int


def slice_dims(spec: ChipSpec) -> int:
    """Dimensions of a signature that one row holds."""
    return spec.chip.rings // RAILS[spec.modulator.encoding]


def cut_bank(signatures: Float[ndarray, "blocks dims"], spec: ChipSpec) -> CutBank:
    """Cut one bank of signatures, any unit, for a chip."""
    unit, scale, centre, channel_scale = centred_at_full_span(signatures)
    grid = rails(tiles(unit, rows=spec.chip.rows, channels=slice_dims(spec)), spec.modulator.encoding)
    return CutBank(unit, scale, centre, channel_scale, grid.reshape(-1, *grid.shape[2:]), grid.shape[1])


def score_bank(
    chip: AbstractChip,
    calibration: Calibration,
    programmed: ProgrammedTiles,
    bank: CutBank,
    *,
    queries: Float[ndarray, "queries dims"],
    spec: ChipSpec,
    first: int = 0,
    tracker: Tracker | None = None,
) -> tuple[Float[ndarray, "queries blocks"], int]:
    """Set every tile of a bank once, and read all queries on it.

    Args:
        chip: The chip.
        calibration: The calibration that the tiles were programmed with.
        programmed: Voltages of the bank's tiles, and perhaps of others.
        bank: The bank.
        queries: Queries of any unit.
        spec: The chip's spec.
        first: Which of the programmed tiles is the bank's first.
        tracker: Who keeps the weights true while the chip drifts.

    Returns:
        Scores in units of query times signature, minus infinity for a block on a row without a usable ring, which is
        so never chosen; and how many readings clipped at the converter's rails.
    """
    asked = queries * bank.channel_scale
    largest = np.abs(asked).max(-1, keepdims=True)
    clipped = 0

    def score(page: int, piece: int, _: ndarray, query_hat: ndarray) -> ndarray:
        nonlocal clipped
        partial, at_rails = score_tile(
            chip,
            calibration,
            programmed,
            tile=first + page * bank.slices + piece,
            query_hat=query_hat,
            encoding=spec.modulator.encoding,
            tracker=tracker,
        )
        clipped += at_rails
        return partial

    dots = scores_by_tile(
        score,
        bank.unit,
        queries=asked / np.where(largest > 0, largest, 1.0),
        rows=spec.chip.rows,
        channels=slice_dims(spec),
    )
    dead = np.asarray(calibration.excluded).all(1)
    row = np.arange(len(bank.unit)) % spec.chip.rows
    scores = dots * largest * bank.scale + centre_score(queries, bank.centre, halves=False)
    return np.where(dead[row], -np.inf, scores), clipped
