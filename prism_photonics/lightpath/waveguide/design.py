"""Geometry of the routing waveguides, each with its exact length by direction of travel.

The film is anisotropic, so a µm along x, along y and round a bend have different optical lengths. All bends are
circular, with the light's direction turning through whole quarter turns.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Lengths:
    """Path length in µm by direction: along layout x, along layout y, and in quarter-turn bends."""

    x_um: float = 0.0
    y_um: float = 0.0
    bend_um: float = 0.0

    def __add__(self, other: "Lengths") -> "Lengths":
        """A path and another behind it."""
        return Lengths(self.x_um + other.x_um, self.y_um + other.y_um, self.bend_um + other.bend_um)

    @property
    def total_um(self) -> float:
        """The whole length in µm."""
        return self.x_um + self.y_um + self.bend_um


@dataclass(frozen=True)
class StraightDesign:
    """A straight along layout x from o1 (west) to o2 (east)."""

    length_um: float
    width_um: float = 1.4

    @property
    def lengths(self) -> Lengths:
        """Path length by direction."""
        return Lengths(x_um=self.length_um)


@dataclass(frozen=True)
class UTurnDesign:
    """A half turn: enters at o1 heading west and leaves at o2 heading east, ``2·radius_um`` higher."""

    radius_um: float
    width_um: float = 1.4

    @property
    def lengths(self) -> Lengths:
        """Path length by direction."""
        return Lengths(bend_um=math.pi * self.radius_um)


@dataclass(frozen=True)
class BranchDesign:
    """A Manhattan S from o1 (west) to o2 (east), ``dy_um`` higher: quarter turn, vertical, quarter turn.

    ``dx_um`` ≥ 2·radius: what is left after the two bends is a straight at the east end. ``|dy_um|`` ≥ 2·radius.
    """

    dx_um: float
    dy_um: float
    radius_um: float
    width_um: float = 1.4

    @property
    def lengths(self) -> Lengths:
        """Path length by direction."""
        two_r = 2.0 * self.radius_um
        return Lengths(self.dx_um - two_r, abs(self.dy_um) - two_r, math.pi * self.radius_um)


@dataclass(frozen=True)
class TerminatorDesign:
    """The far end of a drop bus: a taper to a tip that lets the light out into the slab, without reflection.

    Source: the default taper is a design choice.
    """

    length_um: float = 40.0
    tip_um: float = 0.25
    width_um: float = 1.4
