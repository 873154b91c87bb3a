"""Drawing of the routing waveguides: straight, U-turn, branch of the tree, terminator."""

import math

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.lightpath.drawing import (
    EAST,
    WEST,
    Pen,
    bend,
    box,
    half_turn,
    quarter_points,
    s_of_quarters,
    sleeve_half_um,
    taper,
)
from prism_photonics.lightpath.waveguide.design import BranchDesign, StraightDesign, TerminatorDesign, UTurnDesign
from prism_photonics.process.layers import SLAB_MARGIN_UM


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
        reach = sleeve_half_um(w)
        if design.euler_p == 0.0:
            rib, sleeve = bend((0.0, r), r, -90.0, 0.0, width_um=w)
            upper_rib, upper_sleeve = bend((2.0 * r, rise - r), r, 180.0, 90.0, width_um=w)
            rib += upper_rib + _upright(r, r, rise - r, w / 2.0)
            sleeve += upper_sleeve + _upright(r, r, rise - r, reach)
            left_axis = math.sqrt(reach * (2.0 * r + reach))
        else:
            rib, sleeve = s_of_quarters(design.quarter, rise, width_um=w)
            left_axis = next(x for x, y in quarter_points(design.quarter, -reach).tolist() if y >= 0.0)
        rib += taper(2.0 * r, dx, w, w, y_um=rise)
        sleeve += taper(2.0 * r, dx, 2 * reach, 2 * reach, y_um=rise)
        # Beside a second branch from the same splitter the sleeves would part in an acute notch: fill it up to where
        # this sleeve has left the splitter's axis, and a little into the sleeve, so that no corner lies on its side.
        sleeve += kdb.Region(box(0.0, -reach, left_axis, 1.0))
        flip = kdb.Trans.M0 if design.dy_um < 0 else kdb.Trans.R0
        pen.guide(rib.transformed(flip), sleeve.transformed(flip))
        pen.port("o1", (0.0, 0.0), WEST, w)
        pen.port("o2", (dx, design.dy_um), EAST, w)
    return pen.cell


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
