"""Sides of a ring, a turn, an arm and a turn each: alike in all rings of a row, they are computed once and moved."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from kfactory import kdb

from prism_photonics.lightpath.drawing import PER_UM, arc_points, nm, on_grid, polygon, quarter_points
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.waveguide.design import QuarterTurn


class Turns(NamedTuple):
    """What the sides of rings of one row have in common, seen from a half turn's centre on the grid."""

    quarter: QuarterTurn
    arm_um: float
    off_um: float  # of the centre's height from the grid: half a nanometre, or nothing

    @classmethod
    def of(cls, design: RingDesign) -> "Turns":
        """Of a ring."""
        y = design.center_y_um
        return cls(design.quarter, design.arm_um, round(y - nm(y) / PER_UM, 6))


@lru_cache(maxsize=64)
def side_nm(turns: Turns, radius_um: float, middle_deg: float, *, half_deg: float) -> Int[np.ndarray, "points two"]:
    """Points of one side of the racetrack at a radius: a turn, the arm, a turn; anticlockwise about ``middle_deg``.

    The array is kept for the next ring: not to be written to.
    """
    turn, reach, y = turns.quarter, turns.arm_um / 2.0, turns.off_um
    if turn.euler_p:
        east = 1.0 if middle_deg == 0.0 else -1.0
        beside = quarter_points(turn, turn.radius_um - radius_um, angle_rad=math.radians(half_deg))
        # From the arm's end on, where x is what the turn has run aside and y what it has run along.
        x, rise = east * (turn.radius_um - beside[:, 1]), east * (reach + beside[:, 0])
        up, down = np.stack([x, y + rise], axis=-1), np.stack([x, y - rise], axis=-1)[::-1]
        found = np.array(on_grid(np.concatenate([down, up[1:] if rise[0] == 0.0 else up])))
        return found if middle_deg == 0.0 else found[::-1]
    # The eastern side (middle 0°) is run upwards, the western one (180°) downwards.
    step = reach if middle_deg == 0.0 else -reach
    first = arc_points((0.0, y - step), radius_um, middle_deg - half_deg, middle_deg)
    return np.array(first + arc_points((0.0, y + step), radius_um, middle_deg, middle_deg + half_deg))


class Sector(NamedTuple):
    """The part of one side between two radii.

    Attributes:
        polygon: Its outline, about the half turn's centre on the grid.
        left: Of the box about each of its edges, as are the next three.
    """

    polygon: kdb.Polygon
    left: Int[np.ndarray, " edges"]
    bottom: Int[np.ndarray, " edges"]
    right: Int[np.ndarray, " edges"]
    top: Int[np.ndarray, " edges"]

    def holds(self, box: kdb.Box) -> bool:
        """Whether all of a box lies in it."""
        beside = (self.left >= box.right) | (self.right <= box.left)
        if not (beside | (self.bottom >= box.top) | (self.top <= box.bottom)).all():  # an edge may cross the box
            return (kdb.Region(box) - kdb.Region(self.polygon)).is_empty()
        return self.polygon.inside(box.center())


def sector(design: RingDesign, radii_um: tuple[float, float], middle_deg: float, *, half_deg: float) -> Sector:
    """The part of one side of a ring between two radii."""
    return _sector(Turns.of(design), radii_um, middle_deg, half_deg)


@lru_cache(maxsize=64)
def _sector(turns: Turns, radii_um: tuple[float, float], middle_deg: float, half_deg: float) -> Sector:
    inner, outer = (side_nm(turns, radius, middle_deg, half_deg=half_deg) for radius in radii_um)
    points = np.concatenate([outer, inner[::-1]])
    here, there = points.T, np.roll(points, -1, axis=0).T
    return Sector(polygon(points.tolist()), *np.minimum(here, there), *np.maximum(here, there))
