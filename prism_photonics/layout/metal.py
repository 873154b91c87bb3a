"""Metal of the chip: tracks beside the rings, rivers to the north, south and east edge, bond pads."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import gdsfactory as gf
from kfactory import kdb

from prism_photonics.layout.contacts import Contacts
from prism_photonics.layout.frame import bonded_die, eastern_um
from prism_photonics.layout.marks import marks_um
from prism_photonics.layout.pads import OPENING_INSET_UM, Pad, bond_pad, detector_contacts, ring_pad
from prism_photonics.layout.routing import Point, heading, wire
from prism_photonics.lightpath.detector.cell import WIRE_UM as SITE_WIRE_UM
from prism_photonics.lightpath.drawing import EAST, NORTH, PER_UM, SOUTH, box, nm, put_cell
from prism_photonics.lightpath.ring.cell import STRAP_UM
from prism_photonics.process.layers import LAYERS, OPENING_TO_RIB_UM
from prism_photonics.spec.chip_spec import PAD_LINE_PITCH_UM
from prism_photonics.spec.floorplan import (
    LANE_PITCH_UM,
    PAD_UM,
    SPACE_UM,
    WIRE_UM,
    Floorplan,
)
from prism_photonics.spec.river import River, plan_river

OVERLAP_UM = 2.0  # a wire begins this far inside the contact it leaves


@dataclass(frozen=True)
class _Lead:
    """A wire on its way out: the pad it goes to, its width, and its corners in µm up to the last turn."""

    pad: str
    width_um: float
    corners: tuple[Point, ...]


def draw_metal(floor: Floorplan, chip: gf.Component) -> tuple[gf.Component, list[Pad], kdb.Box]:
    """Route every contact of the placed chip to a pad; returns the metal cell, its pads and the die they ask for.

    The eastern pads stand at the die's edge, wherever else it lies than they need: a bond wire has to reach it.
    """
    kcl = chip.kcl
    metal = gf.Component("metal", kcl=kcl)
    spec, half = floor.spec, floor.half
    rows, channels = spec.chip.rows, spec.chip.channels
    contacts = Contacts(chip)
    north: list[_Lead] = []
    south: list[_Lead] = []
    shapes = kdb.Region()
    for c in range(channels):
        for row in range(rows):
            lead, stub = _signal(floor, contacts, row, c)
            (south if row < half else north).append(lead)
            shapes.insert(stub)
        shapes += _ground_stubs(floor, contacts, c)
        x, ends = floor.ground_track(c), [contacts.ring(0, c, "e2")[1], contacts.ring(rows - 1, c, "e2")[1]]
        north.append(_Lead(f"ground_c{c}_n", floor.tracks.ground_um, ((x, ends[0] - SPACE_UM),)))
        if half:
            south.append(_Lead(f"ground_c{c}_s", floor.tracks.ground_um, ((x, ends[1] + SPACE_UM),)))
    east: list[_Lead] = []
    for row in range(rows):
        for n, (pad, contact) in enumerate(detector_contacts(spec).items()):
            at, name = contacts.site(row, contact, inset_um=OVERLAP_UM), f"detector_{row}_{pad}"
            if at[0] > 0.0:
                east.append(_Lead(name, SITE_WIRE_UM, (at,)))
                continue
            # In the west: the contact nearest the way out has the nearest track.
            lead, stub = _western(floor, name, row, n % 2 if row < half else 1 - n % 2, at_um=at)
            (south if row < half else north).append(lead)
            shapes.insert(stub)

    middle = floor.row_length / 2.0
    least = floor.facet + marks_um(floor.spec) + PAD_UM
    pads: list[Pad] = []
    east_ends = _eastern(floor, east)
    low = PAD_UM / 2.0 + SPACE_UM - min(east_ends)  # no southern wire turns beside an eastern pad
    for direction, leads, base in ((NORTH, north, floor.north_base), (SOUTH, south, max(-floor.south_base, low))):
        ends = floor.pads(len(leads), center=middle, least=least, pitch=floor.pad_pitch)
        river = _river(direction, leads, ends)
        drawn, placed = _route(floor, direction, leads, ends, river=river, base_um=base)
        shapes += drawn
        pads += placed
    river = _river(EAST, east, east_ends)
    lanes_um = floor.site_east + (river.height + 1) * LANE_PITCH_UM
    die = bonded_die(floor, pads, lanes_um=lanes_um)
    least = eastern_um(spec, die) - PAD_LINE_PITCH_UM * (spec.chip.pad_lines - 1)
    drawn, placed = _route(floor, EAST, east, east_ends, river=river, base_um=floor.site_east, least_um=least)
    shapes += drawn
    pads += placed

    metal.kdb_cell.shapes(kcl.layer(*LAYERS.metal2)).insert(shapes.merged())
    pad_cell = bond_pad("bond_pad", PAD_UM, kcl)
    for pad in pads:
        put_cell(metal, pad_cell, pad.name, kdb.Trans(nm(pad.x_um), nm(pad.y_um)))
    return metal, pads, die


def _signal(floor: Floorplan, contacts: Contacts, row: int, channel: int) -> tuple[_Lead, kdb.Box]:
    """The lead of a ring, and the stub that carries its strap on, equally wide, to the lead's track."""
    (x, y), half = contacts.ring(row, channel, "e1"), STRAP_UM / 2.0
    track, width = floor.signal_track(row, channel), floor.tracks.signal_um
    stub = box(x - OVERLAP_UM, y - half, track + width / 2.0, y + half)
    start = y + half if row < floor.half else y - half
    return _Lead(ring_pad(row, channel), width, ((track, start),)), stub


def _eastern(floor: Floorplan, leads: Sequence[_Lead]) -> tuple[float, ...]:
    """Heights of the eastern pads: beside the rows, and below the guides that go on from the top row to the facet."""
    spec, count = floor.spec, len(leads)
    center = sum(lead.corners[0][1] for lead in leads) / count
    pitch = float(spec.row_pitch_um * spec.chip.rows // count)
    if not spec.two_sided:
        clear = PAD_UM / 2.0 - OPENING_INSET_UM + OPENING_TO_RIB_UM
        most = (spec.chip.rows - 1) * spec.row_pitch_um - spec.width_um / 2.0 - clear
        pitch = min(pitch, float(math.floor(most / (count - 1))))
        center = min(center, most - (count - 1) * max(floor.pad_pitch, pitch) / 2.0 - 1.0)
    return floor.pads(count, center=center, least=-1e9, pitch=max(floor.pad_pitch, pitch))


def _western(floor: Floorplan, name: str, row: int, nth: int, *, at_um: Point) -> tuple[_Lead, kdb.Box]:
    """The lead of a contact of a photodiode in the west, and the stub from the contact to the lead's track."""
    track, half, (x, y) = floor.west_track(row, nth), WIRE_UM / 2.0, at_um
    start = y + half if row < floor.half else y - half
    return _Lead(name, WIRE_UM, ((track, start),)), box(track - half, y - half, x, y + half)


def _ground_stubs(floor: Floorplan, contacts: Contacts, channel: int) -> kdb.Region:
    stubs = kdb.Region()
    for row in range(floor.spec.chip.rows):
        x, y = contacts.ring(row, channel, "e2")
        half = STRAP_UM / 2.0
        stubs.insert(box(floor.ground_track(channel), y - half, x + OVERLAP_UM, y + half))
    return stubs


def _turned(direction: int, point: Point) -> Point:
    """A point in the frame whose north is ``direction``, and back: each turn is its own inverse."""
    at = heading(direction) * kdb.Point(nm(point[0]), nm(point[1]))
    return at.x / PER_UM, at.y / PER_UM


def _in_order(direction: int, leads: Iterable[_Lead]) -> list[_Lead]:
    return sorted(leads, key=lambda lead: _turned(direction, lead.corners[-1])[0])


def _river(direction: int, leads: Iterable[_Lead], ends_um: Sequence[float]) -> River:
    """How the leads of one edge shift to their pads."""
    starts = [_turned(direction, lead.corners[-1])[0] for lead in _in_order(direction, leads)]
    return plan_river(starts, ends_um, clearance_um=LANE_PITCH_UM)


def _route(
    floor: Floorplan,
    direction: int,
    leads: Iterable[_Lead],
    ends_um: Sequence[float],
    *,
    river: River,
    base_um: float,
    least_um: float = 0.0,
) -> tuple[kdb.Region, list[Pad]]:
    """Draw the leads of one edge, in the frame whose north is ``direction``.

    Args:
        floor: The plan, which says on how many lines the pads stand.
        direction: The edge.
        leads: The wires, in any order.
        ends_um: Positions of the pads along the edge, ascending.
        river: How they shift.
        base_um: Where the river begins, in the turned frame.
        least_um: The inner line of pads stands at least here.
    """
    inner = max(base_um + (river.height + 1) * LANE_PITCH_UM + PAD_UM / 2.0, least_um)
    shapes, pads = kdb.Region(), []
    for n, lead in enumerate(_in_order(direction, leads)):
        outer = n % floor.spec.chip.pad_lines == 1
        line = inner + PAD_LINE_PITCH_UM * outer
        corners = [_turned(direction, corner) for corner in lead.corners]
        way = river.points(n, base_um=base_um, lane_um=LANE_PITCH_UM, end_um=line)
        shapes += wire(corners + way[1:], lead.width_um)
        x, y = _turned(direction, (ends_um[n], line))
        pads.append(Pad(lead.pad, x, y, direction, outer))
    return shapes.transformed(heading(direction)), pads
