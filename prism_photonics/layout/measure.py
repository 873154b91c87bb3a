"""Sizes measured on the drawn polygons of a leaf cell, so that metadata need not be believed."""

from collections.abc import Callable, Mapping
from typing import Any

import klayout.db as kdb

from prism_photonics.units import InputError

PER_UM = 1000.0


def measure_um(device: str, ridge: kdb.Region, metal: kdb.Region, said: Mapping[str, Any]) -> Mapping[str, float]:
    """The fields of a device's design that its polygons tell.

    Args:
        device: Component name.
        ridge: Merged ribs of the leaf cell, on the 1 nm grid.
        metal: Merged first metal of the leaf cell.
        said: What its metadata says of its design: of what polygons do not tell apart.

    Returns:
        Field name → length in µm; empty for a device that is only compared with a fresh drawing.

    Raises:
        InputError: The polygons are not those of such a device.
    """
    return _MEASURES[device](ridge, metal, said) if device in _MEASURES else {}


def _ring(ridge: kdb.Region, metal: kdb.Region, said: Mapping[str, Any]) -> dict[str, float]:
    islands = sorted(ridge.each_merged(), key=lambda polygon: polygon.bbox().bottom)
    if len(islands) != 3 or islands[1].holes() != 1:
        raise InputError(f"a ring cell has {len(islands)} ribs; want two buses and a closed ring")
    bus, loop, drop = (polygon.bbox() for polygon in islands)
    hole = kdb.Polygon([point for point in islands[1].each_point_hole(0)]).bbox()
    width = (loop.height() - hole.height()) / 2
    if clothoids := said.get("euler_p", 0.0) > 0.0:
        # A clothoid leaves its straight so slowly that none sees where: as long as the turns are wide.
        arm = round(float(said.get("arm_um", 0.0)) * PER_UM)
        straight = loop.width() - loop.height() + arm
    else:
        # The ring's only sides along x and along y at its extremes are its straights and its arms.
        straight, arm = (
            _flat_length(islands[1], loop.top, upright=False),
            _flat_length(islands[1], loop.right, upright=True),
        )
    radius = (loop.height() - width - arm) / 2
    if not clothoids and abs(loop.width() - loop.height() - straight + arm) > 1:
        raise InputError("a ring cell's loop is neither a circle nor a racetrack along x and y")
    measured = {
        "radius_um": radius,
        "straight_um": straight,
        "arm_um": arm,
        "gap_through_um": loop.bottom - bus.top,
        "gap_drop_um": drop.bottom - loop.top,
        "width_um": width,
        "pitch_um": bus.width(),
    }
    # Along the line through both half turns: outer lobe, inner lobe, inner lobe, outer lobe.
    line = kdb.Edges([kdb.Edge(bus.left, loop.center().y, bus.right, loop.center().y)]) & metal
    cuts = sorted((edge.bbox().left, edge.bbox().right) for edge in line.merged().each())
    if len(cuts) != 4:
        raise InputError(f"a ring cell has {len(cuts)} electrodes on its middle line; want 4")
    measured["electrode_gap_um"] = cuts[3][0] - cuts[2][1]
    measured["electrode_width_um"] = cuts[3][1] - cuts[3][0]
    return {field: length / PER_UM for field, length in measured.items()}


def _flat_length(polygon: kdb.Polygon, at: int, *, upright: bool) -> int:
    """Length of the outer sides that lie on an extreme: of height ``at``, or of ``at`` on x where ``upright``."""
    edges = (edge for edge in polygon.each_edge())
    on = (e for e in edges if ((e.p1.x, e.p2.x) if upright else (e.p1.y, e.p2.y)) == (at, at))
    return sum(round(edge.length()) for edge in on)


def _straight(ridge: kdb.Region, metal: kdb.Region, said: Mapping[str, Any]) -> dict[str, float]:
    box = ridge.bbox()
    return {"length_um": box.width() / PER_UM, "width_um": box.height() / PER_UM}


def _uturn(ridge: kdb.Region, metal: kdb.Region, said: Mapping[str, Any]) -> dict[str, float]:
    width = _end_width(ridge)
    return {"radius_um": (ridge.bbox().height() - width) / 2 / PER_UM, "width_um": width / PER_UM}


def _branch(ridge: kdb.Region, metal: kdb.Region, said: Mapping[str, Any]) -> dict[str, float]:
    box, width = ridge.bbox(), _end_width(ridge)
    rise = box.height() - width
    rises = abs(box.bottom) <= width  # the western end lies on the origin
    return {
        "dx_um": box.width() / PER_UM,
        "dy_um": (rise if rises else -rise) / PER_UM,
        "width_um": width / PER_UM,
    }


def _taper(ridge: kdb.Region, metal: kdb.Region, said: Mapping[str, Any]) -> dict[str, float]:
    box = ridge.bbox()
    return {"length_um": box.width() / PER_UM, "width_um": box.height() / PER_UM}


def _end_width(ridge: kdb.Region) -> int:
    """Width of a rib from its end that lies on the cell's origin."""
    ends = [edge for edge in ridge.edges().each() if edge.p1.x == 0 and edge.p2.x == 0]
    return min((edge.length() for edge in ends), default=0)


_MEASURES: Mapping[str, Callable[[kdb.Region, kdb.Region, Mapping[str, Any]], dict[str, float]]] = {
    "ring": _ring,
    "straight": _straight,
    "uturn": _uturn,
    "branch": _branch,
    "edge_coupler": _taper,
    "terminator": _taper,
}
