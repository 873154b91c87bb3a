"""Drawing of leaf cells: shapes on the 1 nm grid, ports, and the design's fields as metadata."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import Any, cast

import gdsfactory as gf
import kfactory as kf
import numpy as np
from jaxtyping import Float
from kfactory import kdb
from kfactory.conf import PROPID
from numpy import ndarray

from prism_photonics.lightpath.sizes import require_sizes
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.layers import LAYERS, SLAB_MARGIN_UM, Layer
from prism_photonics.units import InputError

PER_UM = 1000
Places = list[list[int]]
"""Places of the grid, x and y of each in nm."""
CHORD_ERROR_UM = 5e-4  # half the grid: a finer polygon would round to the same points

EAST, NORTH, WEST, SOUTH = range(4)

MOST_PORTS = 16
_ports: dict[tuple[str, int, Layer, str], kf.Port] = {}  # one of each kind in the last layouts, to be copied


def nm(length_um: float) -> int:
    """A length in µm on the 1 nm grid of the drawing."""
    return round(length_um * PER_UM)


def require_nm(kcl: kf.KCLayout) -> None:
    """Refuse a layout in which our whole nanometres would be other lengths.

    Raises:
        InputError: Its database unit is not 1 nm.
    """
    if abs(kcl.dbu * PER_UM - 1.0) > 1e-6:
        raise InputError(
            f"layout {kcl.name}: database unit {kcl.dbu * 1e3:g} nm; our cells are drawn in units of 1 nm; set "
            f"dbu = 0.001"
        )


class Pen:
    """Draws one leaf cell of a device.

    Attributes:
        cell: The component under the pen.
        fresh: False when the layout already holds this very drawing; then nothing need be drawn again.

    Raises:
        InputError: A size cannot be drawn (`require_sizes`), or is off the grid: rounding it in silence would draw
            another device. Or the layout's database unit is not 1 nm.
    """

    def __init__(self, device: str, design: Any, kcl: kf.KCLayout | None = None):
        kcl = kcl or gf.kcl
        require_nm(kcl)
        require_sizes(device, design)
        settings = asdict(design)
        for field, value in settings.items():
            if field.endswith("_um") and abs(value * PER_UM - round(value * PER_UM)) > 1e-3:
                raise InputError(
                    f"{device}: {field} = {value:.7g} is off the 1 nm grid of the drawing; round it to 3 decimals"
                )
        digest = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()
        name = f"{device}_{digest[:8]}"
        self.fresh = not kcl.layout.has_cell(name)
        if self.fresh:
            self.cell = gf.Component(name, kcl=kcl, settings=settings)
            self.cell.function_name = device
        else:
            self.cell = gf.Component(base=kcl[name].base)

    def region(self, layer: Layer, region: kdb.Region) -> None:
        """Draw a region."""
        self.cell.kdb_cell.shapes(self.cell.kcl.layer(*layer)).insert(region)

    def box(self, layer: Layer, low_um: tuple[float, float], high_um: tuple[float, float]) -> None:
        """Draw a rectangle from its south-western to its north-eastern corner."""
        self.region(layer, kdb.Region(box(*low_um, *high_um)))

    def guide(self, rib: kdb.Region, sleeve: kdb.Region) -> None:
        """Draw ribs and the slab under them."""
        self.region(LAYERS.ridge, rib.merged())
        self.region(LAYERS.slab, sleeve.merged())

    def port(self, name: str, at_um: tuple[float, float], facing: int, width_um: float) -> None:
        """Place an optical port that faces out of the cell (EAST, NORTH, WEST or SOUTH)."""
        add_port(self.cell, name, (nm(at_um[0]), nm(at_um[1])), facing, width_um=width_um)

    def contact(self, name: str, at_um: tuple[float, float], facing: int, width_um: float) -> None:
        """Place an electrical port on the second metal."""
        add_port(self.cell, name, (nm(at_um[0]), nm(at_um[1])), facing, width_um=width_um, layer=LAYERS.metal2)


def add_port(
    cell: gf.Component,
    name: str,
    at_nm: tuple[int, int],
    facing: int,
    *,
    width_um: float,
    layer: Layer = LAYERS.ridge,
    optical: bool | None = None,
) -> None:
    """Place a port on the grid; on any layer but the ridge it is an electrical one, unless told otherwise."""
    if optical is None:
        optical = layer == LAYERS.ridge
    at, kind = kdb.Trans(facing, False, *at_nm), "optical" if optical else "electrical"
    key = cell.kcl.name, nm(width_um), layer, kind
    like = _ports.get(key)
    if like is not None and like.kcl is cell.kcl:  # a copy: kfactory looks up each port's cross-section for long
        kf.KCell(base=cell.base).ports.add_port(port=like, name=name, keep_mirror=True).trans = at
        return
    # Through kfactory: gdsfactory's own add_port needs a globally active PDK.
    kf.DKCell(base=cell.base).create_port(
        name=name,
        width=nm(width_um) / PER_UM,
        trans=at,
        layer_info=kdb.LayerInfo(*layer),
        port_type=kind,
    )
    _ports[key] = kf.KCell(base=cell.base).ports[name]
    if len(_ports) > MOST_PORTS:
        del _ports[next(iter(_ports))]


def put_cell(cell: gf.Component, part: gf.Component, name: str, at: kdb.Trans) -> None:
    """Place a part in a cell of the same layout under a name, as gdsfactory's `add_ref` does, in half the time."""
    properties = cell.kcl.layout.properties_id({PROPID.NAME: name})
    cell.kdb_cell.insert(kdb.CellInstArray(part.kdb_cell.cell_index(), at), properties)


def box(x0_um: float, y0_um: float, x1_um: float, y1_um: float) -> kdb.Box:
    """A rectangle on the grid."""
    return kdb.Box(nm(x0_um), nm(y0_um), nm(x1_um), nm(y1_um))


def taper(x0_um: float, x1_um: float, w0_um: float, w1_um: float, *, y_um: float = 0.0) -> kdb.Region:
    """A straight or linear taper along x, from width ``w0_um`` at ``x0_um`` to ``w1_um`` at ``x1_um``."""
    x0, x1, y = nm(x0_um), nm(x1_um), nm(y_um)
    low0, low1 = nm(w0_um) // 2, nm(w1_um) // 2
    high0, high1 = nm(w0_um) - low0, nm(w1_um) - low1
    points = [(x0, y - low0), (x0, y + high0), (x1, y + high1), (x1, y - low1)]
    return kdb.Region(kdb.Polygon([kdb.Point(*point) for point in points]))


def arc_points(center_um: tuple[float, float], radius_um: float, start_deg: float, stop_deg: float) -> Places:
    """Points on a circle from ``start_deg`` to ``stop_deg``, so close that no chord strays half a nanometre."""
    step = 2.0 * math.acos(1.0 - CHORD_ERROR_UM / radius_um)
    # A multiple of four: a half or full turn then passes through its outermost points exactly.
    count = 4 * max(1, math.ceil(abs(math.radians(stop_deg - start_deg)) / step / 4))
    turns = np.radians(start_deg + (stop_deg - start_deg) * np.arange(count + 1) / count)
    around = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    return on_grid(np.array(center_um) + radius_um * around)


def on_grid(places_um: Float[ndarray, "points two"]) -> Places:
    """Places in µm as places of the grid, each as `nm` rounds it."""
    return np.rint(places_um * PER_UM).astype(int).tolist()


def polygon(places: Places) -> kdb.Polygon:
    """A polygon about places of the grid: KLayout makes points of them itself, four times as fast as call by call."""
    return kdb.Polygon(cast(Any, places))


def sector(
    center_um: tuple[float, float], inner_um: float, outer_um: float, *, start_deg: float, stop_deg: float
) -> kdb.Region:
    """The part of an annulus between two radii and two angles."""
    there = arc_points(center_um, outer_um, start_deg, stop_deg)
    back = arc_points(center_um, inner_um, stop_deg, start_deg)
    return kdb.Region(polygon(there + back))


def bend(
    center_um: tuple[float, float], radius_um: float, start_deg: float, stop_deg: float, *, width_um: float
) -> tuple[kdb.Region, kdb.Region]:
    """Rib and slab of a circular bend about ``center_um``."""
    half = width_um / 2.0
    reach = half + SLAB_MARGIN_UM
    radii_um = ((radius_um - half, radius_um + half), (max(radius_um - reach, 0.01), radius_um + reach))
    rib, slab = (sector(center_um, *radii, start_deg=start_deg, stop_deg=stop_deg) for radii in radii_um)
    return rib, slab


def quarter_points(
    turn: QuarterTurn, offset_um: float, *, angle_rad: float = math.pi / 2.0
) -> Float[ndarray, "points two"]:
    """Points at a distance to the left of a quarter turn that starts at the origin, heads east and turns left, in µm.

    So close that no chord strays half a nanometre from the turn's sharpest part; up to where it has turned by an angle.
    The array is kept for the next ring, whose turns are the same: not to be written to.
    """
    return _quarter_points(turn, offset_um, angle_rad)


@lru_cache(maxsize=256)
def _quarter_points(turn: QuarterTurn, offset_um: float, angle_rad: float) -> Float[ndarray, "points two"]:
    way_um = turn.way_um(angle_rad)
    step = 2.0 * math.acos(1.0 - CHORD_ERROR_UM / (turn.least_radius_um + abs(offset_um)))
    steps = 2 * math.ceil(way_um / turn.least_radius_um / step / 2)
    points_um, angle = turn.places_um(np.linspace(0.0, way_um, steps + 1))
    found = points_um + offset_um * np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=16)
def half_turn(turn: QuarterTurn, *, width_um: float) -> tuple[kdb.Region, kdb.Region]:
    """Rib and slab of two quarter turns that enter at the origin heading west and leave above it heading east.

    The regions are kept for the next such turn: not to be changed.
    """
    top_um = 2.0 * turn.radius_um

    def side(offset_um: float) -> Places:
        quarter = quarter_points(turn, offset_um) * [-1.0, 1.0]
        return on_grid(np.concatenate([quarter, [0.0, top_um] + quarter[-2::-1] * [1.0, -1.0]]))

    return _between(side, width_um)


def points_of_quarters(turn: QuarterTurn, rise_um: float, offset_um: float) -> Float[ndarray, "points two"]:
    """Points at a distance to the left of a quarter turn up from the origin, an upright, and a quarter turn back east.

    In µm; it ends ``rise_um`` higher.
    """
    back = np.array([2.0 * turn.radius_um, rise_um]) - quarter_points(turn, -offset_um)[::-1]
    return np.concatenate([quarter_points(turn, offset_um), back])


def _between(side: Callable[[float], Places], width_um: float) -> tuple[kdb.Region, kdb.Region]:
    """Rib and slab between a guide's two sides, each given by its distance to the left of the middle."""
    rib, slab = (
        kdb.Region(polygon(side(-half) + side(half)[::-1])) for half in (width_um / 2.0, sleeve_half_um(width_um))
    )
    return rib, slab


def sleeve_half_um(width_um: float) -> float:
    """Half the width of the slab about a rib."""
    return width_um / 2.0 + SLAB_MARGIN_UM


def s_bend(
    start_um: tuple[float, float], rise_um: float, turn: QuarterTurn, *, length_um: float, width_um: float
) -> tuple[kdb.Region, kdb.Region]:
    """Rib and slab of an S that runs east from a point and ends ``rise_um`` higher, heading east again.

    Two quarter turns with an upright between them, or where the rise is below two radii a raised sine, whose curvature
    grows from none at its ends, over ``length_um`` of x.
    """
    rise, at = abs(rise_um), kdb.Trans(nm(start_um[0]), nm(start_um[1]))
    drawn = _between(lambda offset_um: on_grid(s_points(turn, rise, offset_um, length_um=length_um)), width_um)
    flip = kdb.Trans.M0 if rise_um < 0.0 else kdb.Trans.R0
    rib, slab = (region.transformed(at * flip) for region in drawn)
    return rib, slab


def s_points(turn: QuarterTurn, rise_um: float, offset_um: float, *, length_um: float) -> Float[ndarray, "points two"]:
    """Points at a distance to the left of an S that starts at the origin, heads east and rises, in µm.

    So close that no chord strays half a nanometre; which S it is, see `s_bend`.
    """
    if rise_um >= 2.0 * turn.radius_um:
        return points_of_quarters(turn, rise_um, offset_um)
    step = 2.0 * math.acos(1.0 - CHORD_ERROR_UM / (turn.radius_um + abs(offset_um)))
    u = np.linspace(0.0, 1.0, 2 * math.ceil(length_um / turn.radius_um / step) + 1)
    slope = rise_um / length_um * (1.0 - np.cos(2.0 * math.pi * u))
    aside = offset_um / np.hypot(1.0, slope)
    x, y = length_um * u - slope * aside, rise_um * (u - np.sin(2.0 * math.pi * u) / (2.0 * math.pi)) + aside
    return np.stack([x, y], axis=-1)
