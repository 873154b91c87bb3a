"""Assignment of rings to channels: fabricated resonances lie anywhere in the FSR, in any order.

A ring answers once per free spectral range, so its distance to a channel counts modulo the FSR: whichever order comes
first is brought to the line. Of all ways to give every channel of a bus one ring, the one of least tuning is taken.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray

from prism_photonics.units import InputError

Direction = Literal["red", "either"]


@dataclass(frozen=True)
class Assignment:
    """One ring for every channel of every bus, at the least total tuning.

    Attributes:
        channel_of_ring: The channel that the ring at each place along its bus serves.
        tuning_pm: Shift that each ring needs, red positive, in pm.
    """

    channel_of_ring: Int[ndarray, "rows buses channels"]
    tuning_pm: Float[ndarray, "rows buses channels"]


def assign(
    resonance_pm: Float[ndarray, "rows buses channels"],
    target_pm: Float[ndarray, "#places channels"],
    *,
    fsr_pm: Float[ndarray, " #places"],
    direction: Direction,
) -> Assignment:
    """Assign the rings of every bus to its channels so that their summed tuning is least.

    Args:
        resonance_pm: One resonance of each ring as fabricated, of any order, in pm from any wavelength.
        target_pm: Where the ring of each channel shall rest, from the same wavelength; the ring at each place along a
            bus may count from one of its own.
        fsr_pm: Free spectral range of the rings.
        direction: ``red``, as heaters move rings, or ``either``, as a trimming once and for all may.

    Returns:
        The assignment.

    Raises:
        InputError: A position that is no number, or an FSR that is not positive.
    """
    rows, buses, _ = resonance_pm.shape
    fsr_pm = np.broadcast_to(fsr_pm, resonance_pm.shape)
    bad = ~np.isfinite(resonance_pm) | ~(fsr_pm > 0.0)
    if bad.any() or not np.isfinite(target_pm).all():
        row, bus, ring = np.argwhere(bad)[0] if bad.any() else (0, 0, 0)
        raise InputError(
            f"assign: ring {ring} of row {row}, bus {bus}: resonance {resonance_pm[row, bus, ring]:g} pm, FSR "
            f"{fsr_pm[row, bus, ring]:g} pm; want finite numbers and an FSR above 0; search for the ring again"
        )
    # Here: importing SciPy takes as long as calibrating a small chip, and few chips are assigned.
    from scipy.optimize import linear_sum_assignment

    way_pm = (target_pm - resonance_pm[..., None]) % fsr_pm[..., None]
    if direction == "either":
        way_pm = np.where(way_pm > 0.5 * fsr_pm[..., None], way_pm - fsr_pm[..., None], way_pm)
    channel_of_ring = np.empty(resonance_pm.shape, dtype=int)
    for n in range(rows):
        for b in range(buses):
            channel_of_ring[n, b] = linear_sum_assignment(np.abs(way_pm[n, b]))[1]
    tuning_pm = np.take_along_axis(way_pm, channel_of_ring[..., None], axis=-1)[..., 0]
    return Assignment(channel_of_ring, tuning_pm)


def by_place(
    by_channel: Shaped[ndarray, "*some rows rings"], channel_of_ring: Int[ndarray, "rows buses channels"]
) -> Shaped[ndarray, "*some rows rings"]:
    """Values by channel, reordered ring by ring along the buses; with the inverse permutation the other way."""
    split = by_channel.reshape(*by_channel.shape[:-1], *channel_of_ring.shape[1:])
    index = np.broadcast_to(channel_of_ring, split.shape)
    return np.take_along_axis(split, index, -1).reshape(by_channel.shape)


def inverse(channel_of_ring: Int[ndarray, "rows buses channels"]) -> Int[ndarray, "rows buses channels"]:
    """The place along its bus of the ring that serves each channel."""
    return np.argsort(channel_of_ring, axis=-1)
