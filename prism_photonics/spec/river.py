"""Planar routing: a river from an ordered line of starts to an equally ordered line of ends, heading north."""

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class River:
    """Wires that run north, sideways on a track of their own (a lane), and north again; none crosses another.

    Attributes:
        starts_um: Across position of each wire's start, ascending.
        ends_um: Across position of each wire's end, ascending.
        lanes: Lane of each wire, 0 the nearest to the starts.
    """

    starts_um: tuple[float, ...]
    ends_um: tuple[float, ...]
    lanes: tuple[int, ...]

    @property
    def height(self) -> int:
        """Number of lanes."""
        return max(self.lanes, default=-1) + 1

    def points(self, wire: int, *, base_um: float, lane_um: float, end_um: float) -> list[Point]:
        """Corners of one wire from ``base_um`` over its lane (lanes ``lane_um`` apart) up to ``end_um``."""
        start, end = self.starts_um[wire], self.ends_um[wire]
        level = base_um + (self.lanes[wire] + 1) * lane_um
        if start == end:
            return [(start, base_um), (end, end_um)]
        return [(start, base_um), (start, level), (end, level), (end, end_um)]


def plan_river(starts_um: Sequence[float], ends_um: Sequence[float], *, clearance_um: float) -> River:
    """Give every wire the lowest lane on which it meets no other.

    Among wires that drift east, a wire must turn above its eastern neighbour whenever its run passes that neighbour's
    start; wires that drift west mirror this. Wires that drift apart never meet.

    Args:
        starts_um: Across positions of the starts, ascending.
        ends_um: Across positions of the ends, ascending, as many.
        clearance_um: Least centre distance of two wires, at most the distance of neighbouring ends.
    """
    lanes = [0] * len(starts_um)
    for i in reversed(range(len(starts_um) - 1)):
        if ends_um[i] > starts_um[i] and ends_um[i] + clearance_um > starts_um[i + 1]:
            lanes[i] = lanes[i + 1] + 1
    for i in range(1, len(starts_um)):
        if ends_um[i] < starts_um[i] and ends_um[i] - clearance_um < starts_um[i - 1]:
            lanes[i] = lanes[i - 1] + 1
    return River(tuple(starts_um), tuple(ends_um), tuple(lanes))
