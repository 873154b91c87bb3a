"""Scores by photocurrent: signatures programmed tile by tile, queries as light, partial scores after the converter."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibrate.calibration import Calibration
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.lightpath.modulator.encoding import common_share, decode, encode
from prism_photonics.program.solve import Programmed, program


@dataclass(frozen=True)
class WeightRange:
    """How signatures in [−1, 1] become weights: ``w = centre + span·s``, the range that every ring reaches."""

    low: float
    high: float

    @property
    def centre(self) -> float:
        """Weight of a zero signature; its share of a score is common to all rows."""
        return 0.5 * (self.low + self.high)

    @property
    def span(self) -> float:
        """Weight per unit of signature."""
        return 0.5 * (self.high - self.low)


@dataclass(frozen=True)
class ProgrammedTiles:
    """Tiles of signatures with the voltages that realise them, ready to be set one after the other."""

    programmed: Programmed
    targets: Float[ndarray, "tiles rows channels"]
    weight_range: WeightRange


def program_tiles(
    calibration: Calibration,
    tiles: Float[ndarray, "tiles rows channels"],
    *,
    weight_range: WeightRange,
) -> ProgrammedTiles:
    """Voltages of all tiles in one solve.

    Args:
        calibration: The calibrated chip.
        tiles: Signatures divided by their largest magnitude, in [−1, 1], as the channels carry them (`rails`).
        weight_range: The weights that −1 and +1 stand for.

    Returns:
        The programmed tiles; see `Programmed` for targets out of reach.

    Raises:
        InputError: NaN, or a wrong shape.
    """
    targets = weight_range.centre + weight_range.span * tiles
    return ProgrammedTiles(program(calibration, targets), targets, weight_range)


def score_tile(
    chip: AbstractChip,
    calibration: Calibration,
    tiles: ProgrammedTiles,
    *,
    tile: int,
    query_hat: Float[ndarray, "queries dims"],
    encoding: str,
) -> tuple[Float[ndarray, "queries rows"], int]:
    """Set one tile and read every query on it.

    Args:
        chip: The chip.
        calibration: Its calibration.
        tiles: What `program_tiles` returned.
        tile: Which of them.
        query_hat: Queries divided by their largest magnitude over all tiles, in [−1, 1].
        encoding: Query encoding.

    Returns:
        Partial scores Σ s·q̂ of this tile, one converter sample per shot, and how many samples sat at the converter's
        rails: those were clipped.
    """
    chip.set(tiles.programmed.volts[tile])
    full_light = np.asarray(calibration.light_scale)
    shots = encode(query_hat, encoding) * full_light
    currents_A = np.stack([[chip.measure(light) for light in shot] for shot in shots])
    clipped = int((np.abs(currents_A) >= (1.0 - 1e-9) * calibration.adc_full_scale_A).sum())
    reads = calibration.weight_of_current(currents_A)
    dot = decode(reads, tiles.targets[tile].sum(-1), encoding, leak=calibration.weight_leak)
    return (dot - tiles.weight_range.centre * common_share(query_hat, encoding)) / tiles.weight_range.span, clipped
