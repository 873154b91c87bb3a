"""Drawing of the X-cut add-drop ring or racetrack with its two electrode lobes of opposite polarity."""

import math

import gdsfactory as gf
import kfactory as kf
import numpy as np
from kfactory import kdb

from prism_photonics.lightpath.drawing import (
    EAST,
    NORTH,
    PER_UM,
    WEST,
    Pen,
    Places,
    arc_points,
    box,
    nm,
    polygon,
    quarter_points,
    taper,
)
from prism_photonics.lightpath.ring.design import HEATER_HALF_DEG, NECK_END_UM, RingDesign
from prism_photonics.lightpath.ring.sides import Turns, sector, side_nm
from prism_photonics.lightpath.sizes import require_sizes
from prism_photonics.process.layers import (
    LAYERS,
    METAL1_SPACE_UM,
    METAL1_TO_RIB_UM,
    METAL1_WIDTH_UM,
    SLAB_MARGIN_UM,
    VIA_ENCLOSURE_UM,
    Deck,
    Layer,
)
from prism_photonics.process.necks import FLAT_UM, TAPER_UM
from prism_photonics.units import InputError

STRAP_UM = 4.0  # width of the straps over the ring
STRAP_OFFSET_UM = 4.0  # the signal strap lies this far above the ring's centre line, the ground strap below it
VIA_UM = 3.0
HEATER_CONTACT_UM = 5.0  # side of the heater's two contacts; design choice
HEATER_FLARE_UM = 6.0  # from a contact's middle to where the strip begins to widen; design choice

# What a ring's metal is drawn with, as the rules name it: kind, layer, other.
DRAWN_UM = {
    ("separation", "metal1", "ridge"): METAL1_TO_RIB_UM,
    ("width", "metal1", ""): METAL1_WIDTH_UM,
    ("space", "metal1", ""): METAL1_SPACE_UM,
    ("width", "via", ""): VIA_UM,
    ("space", "via", ""): 2.0 * STRAP_OFFSET_UM - VIA_UM,
    ("enclosure", "via", "metal1"): VIA_ENCLOSURE_UM,
    ("enclosure", "via", "metal2"): (STRAP_UM - VIA_UM) / 2.0,
    ("width", "metal2", ""): STRAP_UM,
    ("space", "metal2", ""): 2.0 * STRAP_OFFSET_UM - STRAP_UM,
}


def require_metal(device: str, deck: Deck) -> None:
    """Refuse a deck that asks more of electrodes, vias and straps than they are drawn with.

    Raises:
        InputError: The message names the rule, what it asks and what is drawn.
    """
    for name, rule in deck.rules.items():
        drawn = DRAWN_UM.get((rule.kind, rule.layer, rule.other))
        if drawn is not None and rule.value_um > drawn + 1e-9:
            raise InputError(
                f"{device}: rule {name} of deck {deck.name} asks for {rule.value_um:g} µm, its metal is drawn with "
                f"{drawn:g} µm; draw electrodes of your own round guides, or ask the foundry for a waiver"
            )


def ring(design: RingDesign, *, kcl: kf.KCLayout | None = None) -> gf.Component:
    """Ring, bus stubs, electrodes and straps; o1 (through, west) is the origin.

    Optical ports: o1 and o2 on the through bus, o3 and o4 on the drop bus. Contacts on the second metal: e1 (signal)
    faces east, e2 (ground) faces west; of a heater e3 (driven) and e4 (ground) face north. The crystal's z axis is x,
    so the radial field of a lobe acts with the sign of its x component: the right lobe carries the signal outside and
    the left lobe inside, and their tuning adds. Equal polarity would cancel exactly. The arms of a racetrack carry the
    lobes on.

    Raises:
        InputError: The electrodes are too near the rib, or too small for the straps' vias.
    """
    metal = electrodes(design)
    pen = Pen("ring", design, kcl)
    if pen.fresh:
        w, pitch, top = design.width_um, design.pitch_um, design.bus_pitch_um
        pen.region(LAYERS.ridge, loop(design))
        buses(pen, w, pitch, top, neck_um=design.neck_um)
        for layer, region in metal.items():
            pen.region(layer, region)
        pen.contact("e1", signal_contact_um(design), EAST, STRAP_UM)
        pen.contact("e2", ground_contact_um(design), WEST, STRAP_UM)
        if design.heater_um > 0.0:
            _heater(pen, design)
    return pen.cell


def buses(pen: Pen, width_um: float, pitch_um: float, top_um: float, *, neck_um: float = 0.0) -> None:
    """Through and drop bus of a cell with their ports, and one slab under all of it.

    Args:
        pen: Of the cell.
        width_um: Of both ribs.
        pitch_um: Their length.
        top_um: Height of the drop bus above the through bus.
        neck_um: Width of the neck at either end of each; 0 for none.
    """
    for y_um in (0.0, top_um):
        pen.region(LAYERS.ridge, _necked(width_um, pitch_um, y_um, neck_um))
    # The slab stays under buses, ring and electrodes alike: no sleeve of its own, no notches.
    edge = width_um / 2.0 + SLAB_MARGIN_UM
    pen.box(LAYERS.slab, (0.0, -edge), (pitch_um, top_um + edge))
    for name, x, y, facing in (
        ("o1", 0.0, 0.0, WEST),
        ("o2", pitch_um, 0.0, EAST),
        ("o3", 0.0, top_um, WEST),
        ("o4", pitch_um, top_um, EAST),
    ):
        pen.port(name, (x, y), facing, width_um)


def _necked(width_um: float, pitch_um: float, y_um: float, neck_um: float) -> kdb.Region:
    """A bus along x, one polygon."""
    if not neck_um:
        return taper(0.0, pitch_um, width_um, width_um, y_um=y_um)
    first = NECK_END_UM - 2.0 * TAPER_UM - FLAT_UM
    ends = [(0.0, width_um), (first, width_um), (first + TAPER_UM, neck_um), (first + TAPER_UM + FLAT_UM, neck_um)]
    west = [*ends, (NECK_END_UM, width_um)]
    sides = [*west, *((pitch_um - x, wide) for x, wide in reversed(west))]
    upper = [kdb.Point(nm(x), nm(y_um) + nm(wide) - nm(wide) // 2) for x, wide in sides]
    lower = [kdb.Point(nm(x), nm(y_um) - nm(wide) // 2) for x, wide in sides]
    return kdb.Region(kdb.Polygon([*upper, *reversed(lower)]))


def centers_um(design: RingDesign) -> tuple[float, float]:
    """Where on x the left and the right half turn have their centres; an odd nanometre goes to the right."""
    straight = nm(design.straight_um)
    middle = nm(design.pitch_um / 2.0)
    left = middle - straight // 2
    return left / PER_UM, (left + straight) / PER_UM


def signal_contact_um(design: RingDesign) -> tuple[float, float]:
    """Where the signal strap ends, east of the ring."""
    return centers_um(design)[1] + design.outer_um, design.center_y_um + STRAP_OFFSET_UM


def ground_contact_um(design: RingDesign) -> tuple[float, float]:
    """Where the ground strap ends, west of the ring."""
    return centers_um(design)[0] - design.outer_um, design.center_y_um - STRAP_OFFSET_UM


def heater_contacts_um(design: RingDesign) -> tuple[tuple[float, float], tuple[float, float]]:
    """Middles of a heater's eastern and western contact, where its arc ends."""
    left, right = centers_um(design)
    x, down = quarter_points(design.quarter, 0.0, angle_rad=math.radians(HEATER_HALF_DEG))[-1].tolist()
    reach = round(x, 3)
    y = round(design.center_y_um + design.arm_um / 2.0 + design.radius_um - down, 3)
    return (right + reach, y), (left - reach, y)


def loop(design: RingDesign) -> kdb.Region:
    """The ring as two halves that touch: GDS has no holes, and a cut round one would shift points."""
    (left, right), y, half = centers_um(design), design.center_y_um, design.width_um / 2.0
    inner, outer = design.radius_um - half, design.radius_um + half
    west = sector(design, (inner, outer), 180.0, half_deg=90.0).polygon
    # The joint lies below and above the left centre, so the right half carries both coupling straights.
    reach = design.arm_um / 2.0
    joint = [[nm(left), nm(y + rise)] for rise in (outer + reach, inner + reach, -inner - reach, -outer - reach)]
    there, back = (side_nm(Turns.of(design), radius, 0.0, half_deg=90.0) for radius in (outer, inner))
    at = nm(right), nm(y)
    found = kdb.Region(west.moved(nm(left), nm(y)))
    found.insert(polygon([*(there + at).tolist(), *joint[:2], *(back[::-1] + at).tolist(), *joint[2:]]))
    return found


def electrodes(design: RingDesign) -> dict[Layer, kdb.Region]:
    """Lobes, straps over the ring, and the vias that join them, by layer.

    Raises:
        InputError: As `ring`.
    """
    _require_electrodes(design)
    left, right = centers_um(design)
    gap, width = design.electrode_gap_um / 2.0, design.electrode_width_um
    outside = (design.radius_um + gap, design.outer_um)
    # Towards its middle a turn's side runs together where it is as far from it as the turn is sharp.
    inwards = min(gap + width, design.quarter.least_radius_um - STRAP_OFFSET_UM)
    inside = (design.radius_um - inwards, design.radius_um - gap)
    margin = design.width_um / 2.0 + METAL1_TO_RIB_UM
    middle, space, high = (left + right) / 2.0, METAL1_SPACE_UM, design.bus_pitch_um - margin
    west = box(0.0, margin, middle - space, high)
    east = box(middle + space, margin, design.pitch_um, high)
    near, far = (_via_distance_um(design, radii) for radii in (inside, outside))
    end_east, signal = signal_contact_um(design)
    end_west, ground = ground_contact_um(design)
    half, via = STRAP_UM / 2.0, VIA_UM / 2.0
    lobes, straps, vias = kdb.Region(), kdb.Region(), kdb.Region()
    straps.insert(box(left - near - half, signal - half, end_east, signal + half))
    straps.insert(box(end_west, ground - half, right + near + half, ground + half))
    y, reach = nm(design.center_y_um), nm(VIA_ENCLOSURE_UM)
    for radii, center, turn, allowed, x, height in (
        (inside, left, 180.0, west, left - near, signal),
        (outside, right, 0.0, east, right + far, signal),
        (outside, left, 180.0, west, left - far, ground),
        (inside, right, 0.0, east, right + near, ground),
    ):
        lobe, at = sector(design, radii, turn, half_deg=design.lobe_half_angle_deg), kdb.Vector(nm(center), y)
        shape, hole = lobe.polygon.moved(at), box(x - via, height - via, x + via, height + via)
        lobes += kdb.Region(shape) if shape.bbox().inside(allowed) else kdb.Region(shape) & kdb.Region(allowed)
        vias.insert(hole)
        round_it = hole.enlarged(reach)
        if not (round_it.inside(allowed) and lobe.holds(round_it.moved(-at))):
            raise _no_room_for_vias(design)
    return {LAYERS.metal1: lobes, LAYERS.metal2: straps, LAYERS.via: vias}


def _require_electrodes(design: RingDesign) -> None:
    require_sizes("ring", design)
    if design.lobe_half_angle_deg > design.widest_lobe_deg:
        raise InputError(
            f"ring: lobe_half_angle_deg = {design.lobe_half_angle_deg:g} brings the electrodes within "
            f"{METAL1_TO_RIB_UM:g} µm of a bus; want at most {math.floor(10.0 * design.widest_lobe_deg) / 10.0:.1f}"
        )


def _via_distance_um(design: RingDesign, radii_um: tuple[float, float]) -> float:
    """Where on x, from its half turn's centre, a strap's via stands: midway between the places that just hold it."""
    half = VIA_UM / 2.0 + VIA_ENCLOSURE_UM
    # Heights of the via's two sides beyond the arm, where the lobe is an arc.
    high, low = (max(0.0, STRAP_OFFSET_UM + side - design.arm_um / 2.0) for side in (half, -half))
    if radii_um[1] <= high or radii_um[0] > radii_um[1]:
        raise _no_room_for_vias(design)
    most = _at_height_um(design, radii_um[1], high) - half
    beside = _lobe_end_um(design, high)
    least = max(beside, _at_height_um(design, radii_um[0], low)) + half
    if least > most:
        raise _no_room_for_vias(design)
    return round((least + most) / 2.0, 2)


def _at_height_um(design: RingDesign, radius_um: float, height_um: float) -> float:
    """Where on x, from its half turn's centre, a side is as high above the arm's end."""
    if design.euler_p == 0.0:
        return math.sqrt(max(0.0, radius_um**2 - height_um**2))
    # From the arm's end upwards a turn is the mirrored turn from a bus: along y as far as that is along x.
    points = quarter_points(design.quarter, design.radius_um - radius_um)
    return float(np.interp(height_um, points[:, 0], design.radius_um - points[:, 1]))


def _lobe_end_um(design: RingDesign, height_um: float) -> float:
    """Where on x a lobe's end, along the turn's normal, is as high above the arm's end."""
    angle = math.radians(design.lobe_half_angle_deg)
    up, aside = quarter_points(design.quarter, 0.0, angle_rad=angle)[-1].tolist()
    return design.radius_um - aside + (height_um - up) / math.tan(angle)


def _no_room_for_vias(design: RingDesign) -> InputError:
    return InputError(
        f"ring: electrodes of radius_um = {design.radius_um:g}, electrode_width_um = {design.electrode_width_um:g} and "
        f"lobe_half_angle_deg = {design.lobe_half_angle_deg:g} cannot hold the vias of their straps; raise one of them"
    )


def _heater(pen: Pen, design: RingDesign) -> None:
    """A strip of heater metal over the ring's northern side, with a contact of second metal at either end."""
    (left, right), y = centers_um(design), design.center_y_um + design.arm_um / 2.0
    half, angle = design.heater_um / 2.0, HEATER_HALF_DEG
    sides = []
    for radius in (design.radius_um + half, design.radius_um - half):
        if design.euler_p:
            points = quarter_points(design.quarter, design.radius_um - radius, angle_rad=math.radians(angle))
            top = [(x, y + design.radius_um - down) for x, down in points.tolist()]
            there = [[nm(right + x), nm(height)] for x, height in top[::-1]]
            sides.append(there + [[nm(left - x), nm(height)] for x, height in top])
            continue
        east = arc_points((right, y), radius, 90.0 - angle, 90.0)
        sides.append(east + arc_points((left, y), radius, 90.0, 90.0 + angle))
    strip = kdb.Region(polygon(sides[0] + sides[1][::-1]))
    side = HEATER_CONTACT_UM / 2.0
    for name, (x, height) in zip(("e3", "e4"), heater_contacts_um(design), strict=True):
        contact = box(x - side, height - side, x + side, height + side)
        # The strip comes aslant: it widens to the contact, without a notch between them.
        near = [at for way in sides for at in way if math.dist(at, (nm(x), nm(height))) < nm(HEATER_FLARE_UM)]
        strip.insert(_hull([*near, *([at.x, at.y] for at in kdb.Polygon(contact).each_point_hull())]))
        pen.region(LAYERS.metal2, kdb.Region(contact))
        pen.contact(name, (x, height + side), NORTH, HEATER_CONTACT_UM)
    pen.region(LAYERS.heater, strip.merged())


def _hull(points: Places) -> kdb.Polygon:
    """The convex polygon about points, by Andrew's chains."""
    ordered = sorted({(x, y) for x, y in points})
    chains: list[tuple[int, int]] = []
    for run in (ordered, ordered[::-1]):
        chain: list[tuple[int, int]] = []
        for x, y in run:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], (x, y)) <= 0:
                chain.pop()
            chain.append((x, y))
        chains += chain[:-1]
    return polygon([list(at) for at in chains])


def _turn(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    """Above zero where the way from a by b to c turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
