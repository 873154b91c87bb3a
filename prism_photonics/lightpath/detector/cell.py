"""Drawing of the attach sites of a balanced photodiode pair and of a single photodiode."""

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.lightpath.detector.design import (
    BETWEEN_PADS_UM,
    LANE_UM,
    LEAD_UM,
    SETBACK_UM,
    DetectorSiteDesign,
    PhotodiodeSiteDesign,
)
from prism_photonics.lightpath.drawing import EAST, WEST, Pen, box, taper
from prism_photonics.process.layers import LAYERS, SLAB_MARGIN_UM
from prism_photonics.units import InputError

WIRE_UM = 10.0


def detector(design: DetectorSiteDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """Two guides (o1 through, o2 drop) that end under photodiodes, and the four pads those are bonded to.

    The diodes are in series: anode of the through diode and cathode of the drop diode share the two western pads,
    whose joint is the output. Contacts face east: e1 cathode (through diode), e2 output, e3 anode (drop diode).

    Raises:
        InputError: The guides are too close for the pads.
    """
    pitch, pad, w = design.port_pitch_um, design.pad_um, design.width_um
    middle, offset = pitch / 2.0, (pad + LANE_UM) / 2.0
    if pitch < LANE_UM + pad / 2.0:
        raise InputError(
            f"detector: port_pitch_um = {pitch:g} leaves no room for two pads of {pad:g} µm; "
            f"want at least {LANE_UM + pad / 2.0:g}; raise waveguide.bend_radius_um"
        )
    pen = Pen("detector", design, kcl)
    if pen.fresh:
        end = LEAD_UM + design.length_um
        slab = w + 2.0 * SLAB_MARGIN_UM
        rib, sleeve = taper(0.0, end, w, w), taper(0.0, end + SLAB_MARGIN_UM, slab, slab)
        pen.guide(rib + rib.moved(0, round(pitch * 1000)), sleeve + sleeve.moved(0, round(pitch * 1000)))
        west = end + SETBACK_UM
        east = west + pad + BETWEEN_PADS_UM
        for x in (west, east):
            for y in (middle - offset, middle + offset):
                _pad(pen, x, y - pad / 2.0, pad)
        join = west + pad / 2.0
        pen.box(LAYERS.metal2, (join - WIRE_UM, middle - offset), (join + WIRE_UM, middle + offset))
        pen.box(LAYERS.metal2, (join, middle - WIRE_UM / 2.0), (east + pad, middle + WIRE_UM / 2.0))
        low, high = min(0.0, middle - offset - pad / 2.0) - 5.0, max(pitch, middle + offset + pad / 2.0) + 5.0
        pen.box(LAYERS.attach, (LEAD_UM - 5.0, low), (east + pad + 5.0, high))
        pen.port("o1", (0.0, 0.0), WEST, w)
        pen.port("o2", (0.0, pitch), WEST, w)
        for name, y in (("e1", middle - offset), ("e2", middle), ("e3", middle + offset)):
            pen.contact(name, (east + pad, y), EAST, WIRE_UM)
    return pen.cell


def photodiode(design: PhotodiodeSiteDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """A guide that ends under a photodiode, and the two pads that it is bonded to.

    Contacts face away from the guide: e1 cathode, beyond its end, e2 anode, above.
    """
    pen = Pen("photodiode", design, kcl)
    if pen.fresh:
        pad, w, to_west = design.pad_um, design.width_um, design.length_um < 0.0
        flip = kdb.Trans.M90 if to_west else kdb.Trans.R0
        end = LEAD_UM + abs(design.length_um)
        slab = w + 2.0 * SLAB_MARGIN_UM
        sleeve = taper(0.0, end + SLAB_MARGIN_UM, slab, slab)
        pen.guide(taper(0.0, end, w, w).transformed(flip), sleeve.transformed(flip))
        far = design.reach_um
        inner = -far if to_west else far - pad
        side, back = (WEST, EAST) if to_west else (EAST, WEST)
        for name, y in (("e1", 0.0), ("e2", design.pad_pitch_um)):
            _pad(pen, inner, y - pad / 2.0, pad)
            pen.contact(name, (-far if to_west else far, y), side, WIRE_UM)
        outline = kdb.Region(box(LEAD_UM - 5.0, -pad / 2.0 - 5.0, far + 5.0, design.top_um + 5.0))
        pen.region(LAYERS.attach, outline.transformed(flip))
        pen.port("o1", (0.0, 0.0), back, w)
    return pen.cell


def _pad(pen: Pen, x_um: float, y_um: float, side_um: float) -> None:
    for layer, inset in ((LAYERS.metal1, 0.0), (LAYERS.via, 3.0), (LAYERS.metal2, 0.0), (LAYERS.opening, 5.0)):
        pen.box(layer, (x_um + inset, y_um + inset), (x_um + side_um - inset, y_um + side_um - inset))
