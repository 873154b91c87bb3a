"""Drawing of the X-cut add-drop ring with its two electrode lobes of opposite polarity."""

import math

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.lightpath.drawing import EAST, PER_UM, WEST, Pen, arc_points, box, nm, sector, taper
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.process.layers import (
    LAYERS,
    METAL1_SPACE_UM,
    METAL1_TO_RIB_UM,
    SLAB_MARGIN_UM,
    VIA_ENCLOSURE_UM,
    Layer,
)
from prism_photonics.units import InputError

STRAP_UM = 5.0  # width of the straps over the ring
STRAP_OFFSET_UM = 5.0  # the signal strap lies this far above the ring's centre line, the ground strap below it
VIA_UM = 3.0
LEAST_TO_RIB_UM = 0.5  # mask misalignment that must not put metal on the rib; design choice


def ring(design: RingDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """Ring, bus stubs, electrodes and straps; o1 (through, west) is the origin.

    Optical ports: o1 and o2 on the through bus, o3 and o4 on the drop bus. Contacts on the second metal: e1 (signal)
    faces east, e2 (ground) faces west. The crystal's z axis is x, so the radial field of a lobe acts with the sign of
    its x component: the right lobe carries the signal outside and the left lobe inside, and their tuning adds. Equal
    polarity would cancel exactly.

    Raises:
        InputError: The electrodes are too near the rib, or too small for the straps' vias.
    """
    least_gap = max(METAL1_SPACE_UM, design.width_um + 2.0 * LEAST_TO_RIB_UM)
    if design.electrode_gap_um < least_gap:
        raise InputError(
            f"ring: electrode_gap_um = {design.electrode_gap_um:g} is too narrow for the rib and the metal's spacing; "
            f"want at least {least_gap:g}"
        )
    if design.lobe_half_angle_deg > design.widest_lobe_deg:
        raise InputError(
            f"ring: lobe_half_angle_deg = {design.lobe_half_angle_deg:g} brings the electrodes within "
            f"{METAL1_TO_RIB_UM:g} µm of a bus; want at most {math.floor(10.0 * design.widest_lobe_deg) / 10.0:.1f}"
        )
    metal = _electrodes(design)
    pen = Pen("ring", design, kcl)
    if pen.fresh:
        _ribs(pen, design)
        for layer, region in metal.items():
            pen.region(layer, region)
        pen.contact("e1", *signal_contact_um(design), EAST, STRAP_UM)
        pen.contact("e2", *ground_contact_um(design), WEST, STRAP_UM)
    return pen.cell


def centers_um(design: RingDesign) -> tuple[float, float]:
    """Where on x the left and the right half turn have their centres; an odd nanometre goes to the right."""
    straight = nm(design.straight_um)
    middle = nm(design.pitch_um / 2.0)
    left = middle - straight // 2
    return left / PER_UM, (left + straight) / PER_UM


def outer_um(design: RingDesign) -> float:
    """Outer radius of the outer electrodes in µm."""
    return design.radius_um + design.electrode_gap_um / 2.0 + design.electrode_width_um


def signal_contact_um(design: RingDesign) -> tuple[float, float]:
    """Where the signal strap ends, east of the ring."""
    return centers_um(design)[1] + outer_um(design), design.center_y_um + STRAP_OFFSET_UM


def ground_contact_um(design: RingDesign) -> tuple[float, float]:
    """Where the ground strap ends, west of the ring."""
    return centers_um(design)[0] - outer_um(design), design.center_y_um - STRAP_OFFSET_UM


def _ribs(pen: Pen, design: RingDesign) -> None:
    w, pitch, top = design.width_um, design.pitch_um, design.bus_pitch_um
    edge = w / 2.0 + SLAB_MARGIN_UM
    pen.region(LAYERS.ridge, taper(0.0, pitch, w, w) + _racetrack(design) + taper(0.0, pitch, w, w, top))
    # The slab stays under buses, ring and electrodes alike: no sleeve of its own, no notches.
    pen.box(LAYERS.slab, 0.0, -edge, pitch, top + edge)
    pen.port("o1", 0.0, 0.0, WEST, w)
    pen.port("o2", pitch, 0.0, EAST, w)
    pen.port("o3", 0.0, top, WEST, w)
    pen.port("o4", pitch, top, EAST, w)


def _racetrack(design: RingDesign) -> kdb.Region:
    """The ring as two half rings that touch: GDS has no holes, and a cut round one would shift points."""
    left, right = centers_um(design)
    y, half = design.center_y_um, design.width_um / 2.0
    inner, outer = design.radius_um - half, design.radius_um + half
    west = sector((left, y), inner, outer, 90.0, 270.0)
    # The joint lies below and above the left centre, so the right half carries both coupling straights.
    joint = [kdb.Point(nm(left), nm(y + offset)) for offset in (outer, inner, -inner, -outer)]
    there = arc_points((right, y), outer, -90.0, 90.0)
    back = arc_points((right, y), inner, 90.0, -90.0)
    return west + kdb.Region(kdb.Polygon([*there, *joint[:2], *back, *joint[2:]]))


def _electrodes(design: RingDesign) -> dict[Layer, kdb.Region]:
    """Lobes, straps over the ring, and the vias that join them, by layer."""
    left, right = centers_um(design)
    y, gap, width = design.center_y_um, design.electrode_gap_um / 2.0, design.electrode_width_um
    angle = design.lobe_half_angle_deg
    outside = (design.radius_um + gap, outer_um(design))
    inside = (max(design.radius_um - gap - width, STRAP_OFFSET_UM), design.radius_um - gap)
    too_small = InputError(
        f"ring: electrodes of radius_um = {design.radius_um:g}, electrode_width_um = {width:g} and "
        f"lobe_half_angle_deg = {design.lobe_half_angle_deg:g} cannot hold the vias of their straps; raise one of them"
    )
    if inside[1] - inside[0] < VIA_UM + 2.0 * VIA_ENCLOSURE_UM:
        raise too_small

    margin = design.width_um / 2.0 + METAL1_TO_RIB_UM
    allowed = kdb.Region(box(0.0, margin, design.pitch_um, design.bus_pitch_um - margin))
    middle, space = (left + right) / 2.0, METAL1_SPACE_UM
    allowed -= kdb.Region(box(middle - space, 0.0, middle + space, design.bus_pitch_um))
    lobes, straps, vias = kdb.Region(), kdb.Region(), kdb.Region()
    for radii in (inside, outside):
        for center, turn in ((right, 0.0), (left, 180.0)):
            lobes += (sector((center, y), *radii, turn - angle, turn + angle) & allowed).merged()

    near, far = (math.sqrt((sum(radii) / 2.0) ** 2 - STRAP_OFFSET_UM**2) for radii in (inside, outside))
    end_east, signal = signal_contact_um(design)
    end_west, ground = ground_contact_um(design)
    half, via = STRAP_UM / 2.0, VIA_UM / 2.0
    straps.insert(box(left - near - half, signal - half, end_east, signal + half))
    straps.insert(box(end_west, ground - half, right + near + half, ground + half))
    for x, height in ((left - near, signal), (right + far, signal), (left - far, ground), (right + near, ground)):
        vias.insert(box(x - via, height - via, x + via, height + via))
    if not (vias.sized(nm(VIA_ENCLOSURE_UM)) - lobes).is_empty():
        raise too_small
    return {LAYERS.metal1: lobes, LAYERS.metal2: straps, LAYERS.via: vias}
