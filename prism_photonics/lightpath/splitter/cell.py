"""Drawing of the 1×2 multimode-interference splitter."""

import gdsfactory as gf
import kfactory as kf

from prism_photonics.lightpath.drawing import EAST, WEST, Pen, taper
from prism_photonics.lightpath.splitter.design import SplitterDesign
from prism_photonics.process.layers import SLAB_MARGIN_UM


def splitter(design: SplitterDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """Access taper, multimode section, two output tapers: o1 west at the origin, o2 east upper, o3 east lower."""
    pen = Pen("splitter", design, kcl)
    if pen.fresh:
        w, access, half = design.width_um, design.taper_width_um, design.port_pitch_um / 2.0
        start, end = design.taper_length_um, design.taper_length_um + design.mmi_length_um
        rib = taper(0.0, start, w, access) + taper(start, end, design.mmi_width_um, design.mmi_width_um)
        for y in (half, -half):
            rib += taper(end, design.length_um, access, w, y_um=y)
        # One rectangle of slab: sleeves of their own would leave acute notches between the outputs.
        slab = max(design.mmi_width_um, 2 * half + access) + 2.0 * SLAB_MARGIN_UM
        pen.guide(rib, taper(0.0, design.length_um, slab, slab))
        pen.port("o1", (0.0, 0.0), WEST, w)
        pen.port("o2", (design.length_um, half), EAST, w)
        pen.port("o3", (design.length_um, -half), EAST, w)
    return pen.cell
