"""Tiles of signatures as weights: the range of weights used, and the voltages that realise them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.programming.solve import Programmed, program


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
    """Tiles of signatures with the voltages that realise them, ready to be set one after the other.

    Attributes:
        programmed: The voltages.
        targets: Weights as commanded; of excluded rings those that they hold.
        weight_range: The weights that −1 and +1 stand for.
        carried: Part of each ring's weight that no signature changes: the centre, or all of an excluded ring's.
    """

    programmed: Programmed
    targets: Float[ndarray, "tiles rows channels"]
    weight_range: WeightRange
    carried: Float[ndarray, "rows channels"]


def program_tiles(
    calibration: Calibration,
    tiles: Float[ndarray, "tiles rows channels"],
    *,
    weight_range: WeightRange,
    held: Float[ndarray, "rows channels"] | float = 0.0,
) -> ProgrammedTiles:
    """Voltages of all tiles in one solve.

    Args:
        calibration: The calibrated chip.
        tiles: Signatures divided by their largest magnitude, in [−1, 1], as the channels carry them (`rails`).
        weight_range: The weights that −1 and +1 stand for.
        held: The weights that excluded rings hold (`Validation.held_weights`); those of other rings are not looked at.

    Returns:
        The programmed tiles; see `Programmed` for targets out of reach.

    Raises:
        InputError: NaN, or a wrong shape.
    """
    excluded = np.asarray(calibration.excluded)
    targets = np.where(excluded, held, weight_range.centre + weight_range.span * tiles)
    carried = np.where(excluded, held, weight_range.centre)
    return ProgrammedTiles(program(calibration, targets), targets, weight_range, carried)
