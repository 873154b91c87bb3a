"""Scores by photocurrent: signatures programmed tile by tile, queries as light, partial scores after the converter."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.characterize.accuracy import SAMPLES_PER_PILOT
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.codec.encoding import RAILS, decode, encode
from prism_photonics.drift.tracker import Tracker
from prism_photonics.programming.tiles import ProgrammedTiles


def score_tile(
    chip: AbstractChip,
    calibration: Calibration,
    tiles: ProgrammedTiles,
    *,
    tile: int,
    query_hat: Float[ndarray, "queries dims"],
    encoding: str,
    tracker: Tracker | None = None,
) -> tuple[Float[ndarray, "queries rows"], int]:
    """Set one tile and read every query on it.

    Args:
        chip: The chip.
        calibration: Its calibration.
        tiles: Result of `program_tiles`.
        tile: Which of them.
        query_hat: Queries divided by their largest magnitude over all tiles, in [−1, 1].
        encoding: Query encoding.
        tracker: Who sets the chip's voltages and corrects them for drift; by default they are set once.

    Returns:
        Partial scores Σ s·q̂ of this tile over the rings in use, one converter sample per shot, and how many samples
        sat at the converter's rails: those were clipped.
    """
    volts = tiles.programmed.volts[tile]
    if tracker is None:
        chip.set(volts)
    else:
        tracker.set(volts)
    light = encode(query_hat, encoding)
    shots = light * np.asarray(calibration.light_scale)
    single = shots.reshape(-1, chip.channels)
    currents_A = np.empty((len(single), chip.rows))
    for number, channels in enumerate(single):
        if tracker is not None and number % SAMPLES_PER_PILOT == 0:
            tracker.correct(volts)
        currents_A[number] = chip.measure(channels)
    currents_A = currents_A.reshape(*shots.shape[:-1], chip.rows)
    # The meter of a row without a usable ring may say anything.
    dead = np.asarray(calibration.excluded).all(1)
    currents_A = np.where(dead, np.asarray(calibration.dark_A), currents_A)
    clipped = int((np.abs(currents_A) >= (1.0 - 1e-9) * calibration.adc_full_scale_A).sum())
    reads = calibration.weight_of_current(currents_A)
    dot = decode(reads, tiles.targets[tile].sum(-1), encoding, leak=calibration.weight_leak)
    # What the weights carry besides the signature is known, so it is taken off exactly.
    values = light[0] if RAILS[encoding] == 2 else query_hat
    return (dot - values @ tiles.carried.T) / tiles.weight_range.span, clipped
