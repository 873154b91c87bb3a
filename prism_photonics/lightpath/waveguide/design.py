"""Geometry of the routing waveguides, each with its exact length by direction of travel.

The film is anisotropic, so a µm along x, along y and round a bend have different optical lengths. Bends are quarter
turns, each symmetric about its middle, so that light runs as far along x as along y: arcs of a circle, or arcs that
clothoids lead into and out of. A clothoid's curvature grows with the way along it, from the straight's none to the
arc's: so light has time to lean outwards, where an arc's beginning turns part of it to other modes (`process.bends`).

Source: partial Euler bends (F. Vogelbacher et al., Opt. Express 27, 31394 (2019), 10.1364/OE.27.031394).
"""

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

STEPS = 2048  # along a quarter turn, between which its points are found: exact to 1e-7 of the radius
TERMS = 9  # of the series of a clothoid's end: exact to rounding
TINY = 1e-12


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
class QuarterTurn:
    """A quarter turn whose ends lie as those of a circle's arc, symmetric about its middle.

    Attributes:
        radius_um: Of the arc whose ends it has.
        euler_p: Share of the turn's angle in its two clothoids; 0 for an arc, 1 for clothoids alone.
    """

    radius_um: float
    euler_p: float = 0.0

    @property
    def length_um(self) -> float:
        """Length along its middle."""
        return 0.5 * math.pi * (1.0 + self.euler_p) * self.least_radius_um

    @property
    def least_radius_um(self) -> float:
        """Radius of its middle, where it is sharpest."""
        return self.radius_um / _reach(self.euler_p)

    def curvature_1_um(self, steps: int, xp: ModuleType = np) -> Any:
        """Curvature in the middle of steps of equal length; ``xp`` is the array library of the turn's numbers."""
        at = (np.arange(steps) + 0.5) / steps
        ramp = self.euler_p / (1.0 + self.euler_p)
        grown = np.minimum(at, 1.0 - at) / xp.maximum(ramp, TINY)  # an arc's is whole from its first step on
        return xp.minimum(1.0, grown) / self.least_radius_um

    def points_um(self, steps: int) -> tuple[Float[ndarray, "points two"], Float[ndarray, " points"]]:
        """Points along its middle and the direction there in rad: from the origin, heading east and turning left."""
        at = np.linspace(0.0, 1.0, steps + 1)
        return self.radius_um * _unit_points(self.euler_p, at), _angle(self.euler_p, at)


@dataclass(frozen=True)
class UTurnDesign:
    """A half turn of two quarters: enters at o1 heading west and leaves at o2 heading east, ``2·radius_um`` higher."""

    radius_um: float
    width_um: float = 1.4
    euler_p: float = 0.0

    @property
    def quarter(self) -> QuarterTurn:
        """Each of its two bends."""
        return QuarterTurn(self.radius_um, self.euler_p)

    @property
    def lengths(self) -> Lengths:
        """Path length by direction."""
        return Lengths(bend_um=2.0 * self.quarter.length_um)


@dataclass(frozen=True)
class BranchDesign:
    """A Manhattan S from o1 (west) to o2 (east), ``dy_um`` higher: quarter turn, vertical, quarter turn.

    ``dx_um`` ≥ 2·radius: what is left after the two bends is a straight at the east end. ``|dy_um|`` ≥ 2·radius.
    """

    dx_um: float
    dy_um: float
    radius_um: float
    width_um: float = 1.4
    euler_p: float = 0.0

    @property
    def quarter(self) -> QuarterTurn:
        """Each of its two bends."""
        return QuarterTurn(self.radius_um, self.euler_p)

    @property
    def lengths(self) -> Lengths:
        """Path length by direction."""
        two_r = 2.0 * self.radius_um
        return Lengths(self.dx_um - two_r, abs(self.dy_um) - two_r, 2.0 * self.quarter.length_um)


@dataclass(frozen=True)
class TerminatorDesign:
    """The far end of a drop bus: a taper to a tip that lets the light out into the slab, without reflection.

    Source: the default taper is a design choice.
    """

    length_um: float = 40.0
    tip_um: float = 0.25
    width_um: float = 1.4


def _angle(p: float, at: Float[ndarray, " points"]) -> Float[ndarray, " points"]:
    """Direction along a quarter turn in rad, by the exact integral of its curvature."""
    whole, ramp = 0.5 * math.pi * (1.0 + p), p / (1.0 + p)
    from_end = np.minimum(at, 1.0 - at)
    turned = whole * (np.where(from_end < ramp, from_end**2 / (2.0 * ramp), from_end - ramp / 2.0) if p else from_end)
    return np.where(at <= 0.5, turned, 0.5 * math.pi - turned)


def _unit_points(p: float, at: Float[ndarray, " points"]) -> Float[ndarray, "points two"]:
    """Along a turn whose ends are those of an arc of radius 1: Gauss's rule between points of a fine grid."""
    grid = np.linspace(0.0, 1.0, STEPS + 1)
    middle, half = (grid[1:] + grid[:-1]) / 2.0, 0.5 / STEPS
    around = [_angle(p, middle + side * half / math.sqrt(3.0)) for side in (-1.0, 1.0)]
    steps = half * np.array([sum(np.cos(a) for a in around), sum(np.sin(a) for a in around)])
    path = np.concatenate([np.zeros((2, 1)), np.cumsum(steps, axis=1)], axis=1)
    return np.stack([np.interp(at, grid, along) for along in path], axis=-1) / path[0, -1]


def _reach(p: Any) -> Any:
    """Radius of the arc with the same ends over the radius of the middle, by plain arithmetic: p may be traced.

    With the middle's radius 1 a clothoid of the angle α = p·π/4 is 2α long and ends at (x, y); the middle's centre at
    (x − sin α, y + cos α) lies on the turn's axis, and so as far along x and y together as either end.
    """
    angle = 0.25 * math.pi * p
    x, y, sine, cosine = 0.0, 0.0, 0.0, 0.0
    even = 1.0  # (−1)ⁿ·α²ⁿ/(2n)!
    for n in range(TERMS):
        odd = even * angle / (2 * n + 1)
        x, y = x + 2.0 * angle * even / (4 * n + 1), y + 2.0 * angle * odd / (4 * n + 3)
        sine, cosine = sine + odd, cosine + even
        even = -odd * angle / (2 * n + 2)
    return x - sine + y + cosine
