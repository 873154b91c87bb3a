"""Drawing of the routing waveguides: straight, U-turn, branch of the tree, terminator."""

import math

import gdsfactory as gf
import kfactory as kf
import numpy as np
from kfactory import kdb

from prism_photonics.lightpath.drawing import (
    EAST,
    WEST,
    Pen,
    bend,
    box,
    half_turn,
    nm,
    on_grid,
    points_of_quarters,
    polygon,
    sleeve_half_um,
    taper,
)
from prism_photonics.lightpath.waveguide.design import (
    BranchDesign,
    QuarterTurn,
    StraightDesign,
    TerminatorDesign,
    UTurnDesign,
)
from prism_photonics.process.layers import LAYERS, SLAB_MARGIN_UM


def straight(design: StraightDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """A straight along x from o1 (west, at the origin) to o2 (east)."""
    pen = Pen("straight", design, kcl)
    if pen.fresh:
        length, w = design.length_um, design.width_um
        pen.guide(taper(0.0, length, w, w), taper(0.0, length, w + 2 * SLAB_MARGIN_UM, w + 2 * SLAB_MARGIN_UM))
        pen.port("o1", (0.0, 0.0), WEST, w)
        pen.port("o2", (length, 0.0), EAST, w)
    return pen.cell


def uturn(design: UTurnDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """A half turn to the west from o1 (at the origin, facing east) to o2, ``2·radius_um`` higher."""
    pen = Pen("uturn", design, kcl)
    if pen.fresh:
        r, w = design.radius_um, design.width_um
        arc = design.euler_p == 0.0
        pen.guide(*(bend((0.0, r), r, 90.0, 270.0, width_um=w) if arc else half_turn(design.quarter, width_um=w)))
        pen.port("o1", (0.0, 0.0), EAST, w)
        pen.port("o2", (0.0, 2.0 * r), EAST, w)
    return pen.cell


def branch(design: BranchDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """A Manhattan S from o1 (west, at the origin) to o2 (east, ``dy_um`` higher)."""
    pen = Pen("branch", design, kcl)
    if pen.fresh:
        r, w, dx, rise = design.radius_um, design.width_um, design.dx_um, abs(design.dy_um)
        flip = kdb.Trans.M0 if design.dy_um < 0 else kdb.Trans.R0
        arcs = design.euler_p == 0.0
        rib, sleeve = _of_arcs(r, w, dx, rise) if arcs else _of_ramps(design.quarter, w, dx, rise)
        pen.region(LAYERS.ridge, rib.transformed(flip))
        pen.region(LAYERS.slab, sleeve.transformed(flip))
        pen.port("o1", (0.0, 0.0), WEST, w)
        pen.port("o2", (dx, design.dy_um), EAST, w)
    return pen.cell


def _of_arcs(r: float, w: float, dx: float, rise: float) -> tuple[kdb.Region, kdb.Region]:
    """Rib and slab of a branch whose bends are arcs."""
    reach = sleeve_half_um(w)
    rib, sleeve = bend((0.0, r), r, -90.0, 0.0, width_um=w)
    upper_rib, upper_sleeve = bend((2.0 * r, rise - r), r, 180.0, 90.0, width_um=w)
    rib += upper_rib + _upright(r, r, rise - r, w / 2.0) + taper(2.0 * r, dx, w, w, y_um=rise)
    sleeve += upper_sleeve + _upright(r, r, rise - r, reach)
    sleeve += taper(2.0 * r, dx, 2 * reach, 2 * reach, y_um=rise)
    left_axis = math.sqrt(reach * (2.0 * r + reach))
    sleeve += kdb.Region(box(0.0, -reach, left_axis, 1.0))  # see `_of_ramps`
    return rib.merged(), sleeve.merged()


def _of_ramps(turn: QuarterTurn, w: float, dx: float, rise: float) -> tuple[kdb.Region, kdb.Region]:
    """The same of bends with ramps: a polygon each, in which nothing has to be joined."""
    polygons = []
    for half in (w / 2.0, sleeve_half_um(w)):
        exact = points_of_quarters(turn, rise, -half)
        right, left = on_grid(exact), on_grid(points_of_quarters(turn, rise, half))
        if half > w / 2.0:
            # Beside a second branch from the same splitter the sleeves would part in an acute notch: fill it up to
            # where this sleeve has left the splitter's axis.
            past = int(np.argmax(exact[:, 1] >= 0.0))
            right[:past] = [right[0], [right[past][0], right[0][1]]]
        drawn = kdb.Region(polygon([*right, [nm(dx), right[-1][1]], [nm(dx), left[-1][1]], *left[::-1]]))
        polygons.append(drawn if half < turn.least_radius_um else drawn.merged())  # a side would cross itself
    return polygons[0], polygons[1]


def terminator(design: TerminatorDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """A taper from o1 (west, at the origin) down to a tip; the slab goes on so that the light spreads."""
    pen = Pen("terminator", design, kcl)
    if pen.fresh:
        length, w = design.length_um, design.width_um
        slab = w + 2.0 * SLAB_MARGIN_UM
        pen.guide(taper(0.0, length, w, design.tip_um), taper(0.0, length + SLAB_MARGIN_UM, slab, slab))
        pen.port("o1", (0.0, 0.0), WEST, w)
    return pen.cell


def _upright(x_um: float, low_um: float, high_um: float, half_um: float) -> kdb.Region:
    return kdb.Region(box(x_um - half_um, low_um, x_um + half_um, high_um))
