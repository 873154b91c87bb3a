"""Drawing of the Vernier pair: two rings one above the other, their electrodes joined to one signal and one ground."""

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.lightpath.drawing import EAST, WEST, Pen, box, nm
from prism_photonics.lightpath.ring.cell import (
    STRAP_UM,
    buses,
    electrodes,
    ground_contact_um,
    loop,
    signal_contact_um,
)
from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.process.layers import LAYERS


def vernier(design: VernierDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """Both rings, bus stubs, electrodes and straps; o1 (through, west) is the origin.

    Ports as a ring's: o1 and o2 on the through bus, o3 and o4 on the drop bus, which light leaves by o4; contacts e1
    (signal) faces east, e2 (ground) faces west. Both rings have the ring's polarity, so one voltage moves them alike.

    Raises:
        InputError: The electrodes are too near a rib, or too small for the straps' vias.
    """
    first, second = design.rings
    # Each ring is drawn above the rib that it couples to from above: the through bus, and ring 1's northern side.
    bases = (0.0, first.center_y_um + first.radius_um)
    metal = [electrodes(ring) for ring in (first, second)]
    pen = Pen("vernier", design, kcl)
    if pen.fresh:
        for ring, base, layers in zip((first, second), bases, metal, strict=True):
            for layer, region in {LAYERS.ridge: loop(ring), **layers}.items():
                pen.region(layer, region.moved(0, nm(base)))
        buses(pen, design.width_um, design.pitch_um, design.bus_pitch_um)
        half = STRAP_UM / 2.0
        for name, facing, contact, inward in (
            ("e1", EAST, signal_contact_um, -1.0),
            ("e2", WEST, ground_contact_um, 1.0),
        ):
            ends = [(x, y + base) for (x, y), base in zip(map(contact, (first, second)), bases, strict=True)]
            reach = max(x for x, _ in ends) if facing == EAST else min(x for x, _ in ends)
            joint = kdb.Region(_between(reach, ends[0][1] - half, reach + inward * STRAP_UM, ends[1][1] + half))
            for x, y in ends:
                joint.insert(_between(x + inward * STRAP_UM, y - half, reach, y + half))
            pen.region(LAYERS.metal2, joint.merged())
            pen.contact(name, (reach, ends[0][1]), facing, STRAP_UM)
    return pen.cell


def _between(x0_um: float, y0_um: float, x1_um: float, y1_um: float) -> kdb.Box:
    return box(min(x0_um, x1_um), y0_um, max(x0_um, x1_um), y1_um)
