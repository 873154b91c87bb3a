"""Wires of metal along the corners of a river (`spec.river`).

Everything here is drawn for wires that travel north; `heading` turns the result towards another edge of the die.
"""

from collections.abc import Sequence

from kfactory import kdb

from prism_photonics.deprecation import UNTIL, moved_names
from prism_photonics.lightpath.drawing import EAST, NORTH, SOUTH, nm
from prism_photonics.spec.river import Point

CHAMFER_UM = 4.0


def heading(direction: int) -> kdb.Trans:
    """Transformation of a drawing that heads north, ordered west to east, to ``direction``, with x or y ascending."""
    return {
        NORTH: kdb.Trans.R0,
        SOUTH: kdb.Trans.M0,  # mirrored about the x axis: east stays east
        EAST: kdb.Trans.M45,  # x and y change places: ascending x becomes ascending y
    }[direction]


def wire(points: Sequence[Point], width_um: float) -> kdb.Region:
    """A wire of constant width along Manhattan corners, each corner chamfered."""
    cut: list[Point] = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        room = min(CHAMFER_UM, _distance(before, corner) / 2.0, _distance(corner, after) / 2.0)
        cut += [_towards(corner, before, room), _towards(corner, after, room)]
    cut.append(points[-1])
    path = kdb.Path([kdb.Point(nm(x), nm(y)) for x, y in cut], nm(width_um))
    return kdb.Region(path)


def _distance(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(start: Point, goal: Point, step: float) -> Point:
    length = _distance(start, goal)
    if length == 0.0:
        return start
    return start[0] + (goal[0] - start[0]) * step / length, start[1] + (goal[1] - start[1]) * step / length


__getattr__ = moved_names(__name__, {"River": "spec.river:River", "plan_river": "spec.river:plan_river"}, until=UNTIL)
