"""Drawing of the edge coupler."""

import gdsfactory as gf
import kfactory as kf

from prism_photonics.lightpath.coupler.design import EdgeCouplerDesign
from prism_photonics.lightpath.drawing import EAST, WEST, Pen, taper
from prism_photonics.process.layers import SLAB_MARGIN_UM


def edge_coupler(design: EdgeCouplerDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """An inverse taper from the tip at the facet (o1, west, at the origin) to the bus (o2, east)."""
    pen = Pen("edge_coupler", design, kcl)
    if pen.fresh:
        length, w = design.length_um, design.width_um
        slab = w + 2.0 * SLAB_MARGIN_UM
        pen.guide(taper(0.0, length, design.tip_um, w), taper(0.0, length, slab, slab))
        pen.port("o1", (0.0, 0.0), WEST, design.tip_um)
        pen.port("o2", (length, 0.0), EAST, w)
    return pen.cell
