"""Drawing of a balanced photodiode pair and of a single photodiode, bonded over the guides' ends."""

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.lightpath.detector.design import (
    LANE_UM,
    LEAD_UM,
    DetectorSiteDesign,
    PhotodiodeSiteDesign,
)
from prism_photonics.lightpath.detector.diode import (
    N_WIRE_FROM_UM,
    P_WIRE_FROM_UM,
    SLOTS_UM,
    WINDOW_UM,
    Shapes,
    boxes,
    diode,
)
from prism_photonics.lightpath.drawing import EAST, WEST, Pen, box, nm
from prism_photonics.process.layers import LAYERS
from prism_photonics.units import InputError

WIRE_UM = 10.0
AROUND_WINDOW_UM = 5.0  # of the bonded piece
PAST_GUIDE_UM = 5.0  # of a wire that goes round a guide's end


def detector(design: DetectorSiteDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """Two guides (o1 through, o2 drop) that end under photodiodes, and the wires of both.

    The diodes are in series: anode of the through diode and cathode of the drop diode meet on the wire in the middle,
    the output. Contacts face east: e1 cathode (through diode), e2 output, e3 anode (drop diode).

    Raises:
        InputError: The guides are too close for the wires.
    """
    pitch, hold = design.port_pitch_um, design.hold_um
    middle, offset = pitch / 2.0, (hold + LANE_UM) / 2.0
    least = 2.0 * (offset + N_WIRE_FROM_UM + WIRE_UM / 2.0)
    if pitch < least:
        raise InputError(
            f"detector: port_pitch_um = {pitch:g} leaves no room for the wires of two photodiodes and places of "
            f"{hold:g} µm to hold their piece by; want at least {least:g}; raise waveguide.bend_radius_um"
        )
    pen = Pen("detector", design, kcl)
    if pen.fresh:
        far = design.reach_um
        lower = _wired(design.width_um, design.guide_um, far, far_um=middle, near_um=middle - offset, far_p=True)
        upper = _wired(design.width_um, design.guide_um, far, far_um=middle, near_um=middle - offset, far_p=False)
        shapes = lower + [(layer, region.transformed(kdb.Trans(0, True, 0, nm(pitch)))) for layer, region in upper]
        _draw(pen, shapes)
        low = min(WINDOW_UM[1] - AROUND_WINDOW_UM, middle - offset - hold / 2.0 - 5.0)
        pen.box(LAYERS.attach, (LEAD_UM - 5.0, low), (far + 5.0, pitch - low))
        pen.port("o1", (0.0, 0.0), WEST, design.width_um)
        pen.port("o2", (0.0, pitch), WEST, design.width_um)
        for name, y in (("e1", middle - offset), ("e2", middle), ("e3", middle + offset)):
            pen.contact(name, (far, y), EAST, WIRE_UM)
    return pen.cell


def photodiode(design: PhotodiodeSiteDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """A guide that ends under a photodiode, and its two wires.

    Contacts face away from the guide: e1 cathode, beyond its end, e2 anode, above.
    """
    pen = Pen("photodiode", design, kcl)
    if pen.fresh:
        hold, w, to_west = design.hold_um, design.width_um, design.length_um < 0.0
        flip = kdb.Trans.M90 if to_west else kdb.Trans.R0
        far, end = design.reach_um, LEAD_UM + abs(design.length_um)
        shapes = _wired(w, end, far, far_um=design.hold_pitch_um, near_um=None, far_p=True)
        outline = box(LEAD_UM - 5.0, -hold / 2.0 - 5.0, far + 5.0, design.top_um + 5.0)
        shapes.append((LAYERS.attach, kdb.Region(outline)))
        _draw(pen, [(layer, region.transformed(flip)) for layer, region in shapes])
        side, back = (WEST, EAST) if to_west else (EAST, WEST)
        for name, y in (("e1", 0.0), ("e2", design.hold_pitch_um)):
            pen.contact(name, (-far if to_west else far, y), side, WIRE_UM)
        pen.port("o1", (0.0, 0.0), back, w)
    return pen.cell


def _wired(
    width_um: float, end_um: float, east_um: float, *, far_um: float, near_um: float | None, far_p: bool
) -> Shapes:
    """A diode, and its wires up and then east to ``east_um``.

    Args:
        width_um: Width of the guide.
        end_um: Where the guide ends.
        east_um: Where the wires end.
        far_um: Height of the wire from the western slot.
        near_um: Height of the wire from the eastern slot; none for the guide's own, beyond its end.
        far_p: Whether the wire from the western slot is the p contact's.
    """
    half = WIRE_UM / 2.0
    far, near = SLOTS_UM
    bottoms = (P_WIRE_FROM_UM, N_WIRE_FROM_UM)
    far_from, near_from = bottoms if far_p else bottoms[::-1]
    wires = [
        box(far[0], far_from, far[1], far_um + half),
        box(far[0], far_um - half, east_um, far_um + half),
    ]
    if near_um is None:
        past, top = end_um + PAST_GUIDE_UM, WINDOW_UM[3] + half
        wires += [
            box(near[0], near_from, near[1], top),
            box(near[0], top - WIRE_UM, past + WIRE_UM, top),
            box(past, -half, past + WIRE_UM, top),
            box(past, -half, east_um, half),
        ]
    else:
        wires += [
            box(near[0], near_from, near[1], near_um + half),
            box(near[0], near_um - half, east_um, near_um + half),
        ]
    return [*diode(width_um, end_um, far_p=far_p), (LAYERS.metal2, boxes(wires).merged())]


def _draw(pen: Pen, shapes: Shapes) -> None:
    """Draw shapes, those of a layer as one region, so that no two of it overlap."""
    layers: dict[tuple[int, int], kdb.Region] = {}
    for layer, region in shapes:
        layers[layer] = layers.get(layer, kdb.Region()) + region
    for layer, region in layers.items():
        pen.region(layer, region.merged())
