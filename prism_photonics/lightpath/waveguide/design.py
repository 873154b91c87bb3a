"""Geometry of the routing waveguides, each with its exact length by direction of travel.

The film is anisotropic, so a µm along x, along y and round a bend have different optical lengths. Bends are quarter
turns, each symmetric about its middle, so that light runs as far along x as along y: arcs of a circle, or arcs that
ramps of curvature lead into and out of. A clothoid's curvature grows evenly along it, from the straight's none to the
arc's: so light has time to lean outwards, where an arc's beginning turns part of it to other modes (`process.bends`).
Where it grows as a raised cosine, a turn as long turns ten to forty times less: it has no kink either.

Source: partial Euler bends (F. Vogelbacher et al., Opt. Express 27, 31394 (2019), 10.1364/OE.27.031394).
"""

import math
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.process.quadrature import NODES, SHARES

NEWTON = 3  # steps to a point of a ramp, from the nearest of a fine grid
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
        euler_p: Share of the turn's angle in its two ramps of curvature; 0 for an arc, 1 for ramps alone.
        cosine: Whether the curvature grows along a ramp as a raised cosine, or evenly: a clothoid.
    """

    radius_um: float
    euler_p: float = 0.0
    cosine: Any = False

    @property
    def length_um(self) -> float:
        """Length along its middle."""
        return 0.5 * math.pi * (1.0 + self.euler_p) * self.least_radius_um

    @property
    def least_radius_um(self) -> float:
        """Radius of its middle, where it is sharpest."""
        if isinstance(self.cosine, bool):
            if isinstance(self.euler_p, (int, float)):
                return self.radius_um / _reach_of_one(float(self.euler_p), self.cosine)
            xp = self.euler_p.__array_namespace__()
            return self.radius_um / (_cosine_reach(self.euler_p, xp) if self.cosine else _reach(self.euler_p))
        xp = self.cosine.__array_namespace__()
        return self.radius_um / xp.where(self.cosine != 0.0, _cosine_reach(self.euler_p, xp), _reach(self.euler_p))

    @property
    def ramp_um(self) -> float:
        """Length of each of its two ramps."""
        return 0.5 * math.pi * self.euler_p * self.least_radius_um

    def way_um(self, angle_rad: float) -> float:
        """Length from its beginning to where it has turned by an angle, up to its middle at π/4, and on to its end."""
        if angle_rad > 0.25 * math.pi:
            return self.length_um - self.way_um(0.5 * math.pi - angle_rad)
        ramp_rad = 0.25 * math.pi * self.euler_p
        if angle_rad >= ramp_rad:
            return self.least_radius_um * (angle_rad + ramp_rad)
        if not self.cosine:
            return 2.0 * self.least_radius_um * math.sqrt(angle_rad * ramp_rad)
        at = np.linspace(0.0, 1.0, STEPS + 1)
        found = float(np.interp(angle_rad / ramp_rad, _turned(at, True), at))
        for _ in range(NEWTON if angle_rad > 0.0 else 0):
            found -= (float(_turned(found, True)) - angle_rad / ramp_rad) / (2.0 * math.sin(0.5 * math.pi * found) ** 2)
        return self.ramp_um * found

    def angle_rad(self, way_um: Float[ndarray, "*points"]) -> Float[ndarray, "*points"]:
        """Angle that it has turned by after a length, the inverse of `way_um`."""
        return _angle(self.euler_p, way_um / self.length_um, cosine=self.cosine)

    def curvature_1_um(self, steps: int, xp: ModuleType = np) -> Any:
        """Curvature in the middle of steps of equal length; ``xp`` is the array library of the turn's numbers."""
        at = (np.arange(steps) + 0.5) / steps
        ramp = self.euler_p / (1.0 + self.euler_p)
        grown = xp.minimum(1.0, np.minimum(at, 1.0 - at) / xp.maximum(ramp, TINY))  # an arc's is whole from its start
        return (xp.sin(0.5 * math.pi * grown) ** 2 if self.cosine else grown) / self.least_radius_um

    def points_um(self, steps: int) -> tuple[Float[ndarray, "points two"], Float[ndarray, " points"]]:
        """Points along its middle and the direction there in rad: from the origin, heading east and turning left."""
        return self.places_um(np.linspace(0.0, self.length_um, steps + 1))

    def places_um(
        self, way_um: Float[ndarray, " points"]
    ) -> tuple[Float[ndarray, "points two"], Float[ndarray, " points"]]:
        """The same, of points after given lengths."""
        at = way_um / self.length_um
        return self.radius_um * _unit_points(self.euler_p, at, cosine=self.cosine), self.angle_rad(way_um)


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


def _turned(at: Any, cosine: bool) -> Any:
    """Share of its whole angle that a ramp has turned by, by the share of its length."""
    return at - np.sin(math.pi * at) / math.pi if cosine else at**2


def _angle(p: float, at: Float[ndarray, "*points"], *, cosine: bool) -> Float[ndarray, "*points"]:
    """Direction along a quarter turn in rad, by the exact integral of its curvature."""
    whole, ramp = 0.5 * math.pi * (1.0 + p), p / (1.0 + p)
    from_end = np.minimum(at, 1.0 - at)
    turned = whole * (
        np.where(from_end < ramp, 0.5 * ramp * _turned(from_end / ramp, cosine), from_end - ramp / 2.0)
        if p
        else from_end
    )
    return np.where(at <= 0.5, turned, 0.5 * math.pi - turned)


@cache
def _grid(p: float, cosine: bool) -> tuple[Float[ndarray, " steps"], Float[ndarray, "two steps"]]:
    """Along a turn from (0, 0) with a middle of radius 1: Gauss's rule between points of a fine grid."""
    grid = np.linspace(0.0, 1.0, STEPS + 1)
    middle, half = (grid[1:] + grid[:-1]) / 2.0, 0.5 / STEPS
    around = [_angle(p, middle + side * half / math.sqrt(3.0), cosine=cosine) for side in (-1.0, 1.0)]
    steps = half * np.array([sum(np.cos(a) for a in around), sum(np.sin(a) for a in around)])
    path = np.concatenate([np.zeros((2, 1)), np.cumsum(steps, axis=1)], axis=1)
    return grid, path * 0.5 * math.pi * (1.0 + p)


def _unit_points(p: float, at: Float[ndarray, " points"], *, cosine: bool) -> Float[ndarray, "points two"]:
    """Along a turn whose ends are those of an arc of radius 1."""
    grid, path = _grid(p, cosine)
    return np.stack([np.interp(at, grid, along) for along in path], axis=-1) / path[0, -1]


@cache
def _reach_of_one(p: float, cosine: bool) -> float:
    """As `_reach`: rules ask for the same few turns over and over."""
    return _cosine_reach(p) if cosine else _reach(p)


_NODES_TURNED = _turned(NODES, True)


def _cosine_reach(p: Any, xp: ModuleType = np) -> Any:
    """As `_reach`, of ramps of a raised cosine: of either ramp by Gauss's rule, of the arc between exactly."""
    angle = 0.25 * math.pi * p
    along = angle * _NODES_TURNED
    ramps = 2.0 * angle * ((xp.cos(along) + xp.sin(along)) * SHARES).sum()
    found = ramps + xp.cos(angle) - xp.sin(angle)
    return float(found) if xp is np else found


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
