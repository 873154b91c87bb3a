"""Metal of a flip-chip die: bumps for rings, heaters and photodiodes, a ground rail per row, a ground per bank.

A row of many cannot be bonded along the edges: 32 × 256 rings would need 820 mm of perimeter. So every row carries the
same cell of metal, in the strip between its drop bus and that bus's way back: the bumps' pads, and the rail above them.
"""

import math
from collections.abc import Mapping

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.layout.contacts import Contacts
from prism_photonics.layout.pads import detector_contacts
from prism_photonics.lightpath.detector.cell import WIRE_UM as SITE_WIRE_UM
from prism_photonics.lightpath.drawing import arc_points, box, nm, polygon, put_cell, require_nm
from prism_photonics.lightpath.ring.cell import STRAP_UM
from prism_photonics.process.layers import BUMP_SPACE_UM, LAYERS, METAL2_SPACE_UM
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import row_top_um
from prism_photonics.spec.outline import LAST_BUMP_UM
from prism_photonics.units import InputError

# Design choices: copper pillars with tin-silver caps of 24 µm, as on interposers.
BUMP_UM = 24.0
BUMP_PAD_UM = 30.0
OPENING_UM = 28.0
RAIL_UM = 10.0
RAIL_BELOW_UM = 9.0  # the rail's middle under the way back: it never lies on a guide along its length
SPACE_UM = 4.0
TRUNK_UM = -10.0  # where the bank's ground runs across the rows: it meets guides only where they run along x
GROUND_UM = -9.1  # the ground's bump: as far from the turn of the drop bus as from the first ring's bump
GROUND_BELOW_UM = 26.0  # its middle under the way back, where the narrowest turn is widest
SITE_GAP_UM = 8.0  # from a photodiode contact to its bump's pad


def draw_bumps(spec: ChipSpec, bank: gf.Component) -> None:
    """Draw the metal over the rows of a placed bank, into its cell: the rows' own, and the ground that joins them.

    Raises:
        InputError: The strip above the drop bus is too low for bumps and rail.
    """
    heights = _heights(spec)
    kcl, contacts = bank.kcl, Contacts(bank)
    row_metal = _row_metal(spec, contacts, heights, kcl)
    origins = {row: contacts.row(row) for row in range(spec.chip.rows)}
    for row, (x, y) in origins.items():
        put_cell(bank, row_metal, f"metal_{row}", kdb.Trans(nm(x), nm(y)))
    x, low = origins[0]
    high = origins[spec.chip.rows - 1][1]
    trunk = box(
        x + TRUNK_UM - RAIL_UM / 2.0,
        low + heights["ground"],
        x + TRUNK_UM + RAIL_UM / 2.0,
        high + heights["rail"] + RAIL_UM / 2.0,
    )
    bank.kdb_cell.shapes(kcl.layer(*LAYERS.metal2)).insert(trunk)


def _heights(spec: ChipSpec) -> dict[str, float]:
    """Heights above a row's through bus: middle of the rings' bumps, of the ground's, of the rail."""
    drop = spec.ring_designs[0].bus_pitch_um
    # The next guide above: the drop bus's way back, or the next row's way in.
    back = spec.row_pitch_um if spec.two_sided else row_top_um(spec)
    rail = back - RAIL_BELOW_UM
    room = rail - RAIL_UM / 2.0 - SPACE_UM - drop
    if room < BUMP_PAD_UM + SPACE_UM:
        need = (back - drop - room + BUMP_PAD_UM + SPACE_UM) / 2.0
        raise InputError(
            f"waveguide.bend_radius_um = {spec.waveguide.bend_radius_um:g}: no room for bumps of {BUMP_PAD_UM:g} µm "
            f"and a ground rail under the drop bus's way back; want at least {need:g}"
        )
    return {
        "bump": round(drop + room / 2.0, 2),
        "ground": round(back - GROUND_BELOW_UM, 2),
        "rail": round(rail, 2),
    }


def _row_metal(spec: ChipSpec, contacts: Contacts, heights: Mapping[str, float], kcl: kf.KCLayout) -> gf.Component:
    """The metal that every row carries, bumps included, from the row's first port."""
    cell = gf.Component("row_metal", kcl=kcl)
    metal2 = kdb.Region()
    bumps: dict[str, tuple[float, float]] = {}
    half, bump, rail = STRAP_UM / 2.0, heights["bump"], heights["rail"]
    ground_east = TRUNK_UM
    for c in range(spec.chip.channels):
        (x, y), (ground_x, ground_y) = contacts.ring_in_row(c, "e1"), contacts.ring_in_row(c, "e2")
        own = round((c + 0.5) * spec.ring.pitch_um, 3)
        if spec.trim.method == "heater":
            (driven, heater_y), (cold, _) = contacts.ring_in_row(c, "e3"), contacts.ring_in_row(c, "e4")
            at = round(cold + half + SPACE_UM + BUMP_PAD_UM / 2.0, 3)
            metal2.insert(box(driven - half, heater_y - half, driven + half, bump + half))
            metal2.insert(box(min(at, driven - half), bump - half, max(at, driven + half), bump + half))
            metal2.insert(box(cold - half, heater_y - half, cold + half, rail))
            bumps[f"heater_{c}"] = at, bump
            ground_east = cold + half
            own = round(max(_least_um(contacts, c), min(x - half, _east_um(spec, contacts, c))), 3)
        metal2.insert(box(x - STRAP_UM, y - half, x, bump + half))
        wire = box(min(own, x - STRAP_UM), bump - half, max(own, x), bump + half)
        if 0.0 < own - BUMP_PAD_UM / 2.0 - x < METAL2_SPACE_UM:
            wire = box(
                x - STRAP_UM, bump - BUMP_PAD_UM / 2.0, own, bump + BUMP_PAD_UM / 2.0
            )  # of one net, and too near
        metal2.insert(wire)
        metal2.insert(box(ground_x, ground_y - half, ground_x + STRAP_UM, rail))
        bumps[f"ring_{c}"] = own, bump
        ground_east = max(ground_east, ground_x + STRAP_UM)
    metal2.insert(box(TRUNK_UM - RAIL_UM / 2.0, rail - RAIL_UM / 2.0, ground_east, rail + RAIL_UM / 2.0))
    bumps["ground"] = GROUND_UM, heights["ground"]
    pad_east, first_x = GROUND_UM + BUMP_PAD_UM / 2.0, contacts.ring_in_row(0, "e2")[0]
    if pad_east < first_x < pad_east + METAL2_SPACE_UM:
        # Both are ground: what lies closer than the deck lets two edges lie is joined.
        low = heights["ground"] - BUMP_PAD_UM / 2.0
        metal2.insert(box(GROUND_UM, low, first_x + half, low + BUMP_PAD_UM))
    for kind, contact in detector_contacts(spec).items():
        x, y = contacts.site_in_row(contact)
        away = -1.0 if x < 0.0 else 1.0
        near = x + away * (SITE_GAP_UM + BUMP_PAD_UM / 2.0)
        out = x + away * LAST_BUMP_UM if kind == "output" or kind.endswith("_anode") else near
        west, east = sorted((x - 2.0 * away, out))
        metal2.insert(box(west, y - SITE_WIRE_UM / 2.0, east, y + SITE_WIRE_UM / 2.0))
        bumps[kind] = out, y
    cell.kdb_cell.shapes(kcl.layer(*LAYERS.metal2)).insert(metal2.merged())
    pad = bump_pad(kcl)
    for name, (x, y) in bumps.items():
        put_cell(cell, pad, name, kdb.Trans(nm(x), nm(y)))
    return cell


def _east_um(spec: ChipSpec, contacts: Contacts, channel: int) -> float:
    """Farthest middle of a ring's bump that keeps clear of the next ring's ground; infinite of the last ring.

    Raises:
        InputError: Not even the nearest middle that the heater's bump leaves does.
    """
    if channel + 1 == spec.chip.channels:
        return math.inf
    east = contacts.ring_in_row(channel + 1, "e2")[0] - METAL2_SPACE_UM - BUMP_PAD_UM / 2.0
    least = _least_um(contacts, channel)
    if east < least:
        raise InputError(
            f"ring.pitch_um = {spec.ring.pitch_um:g}: no room for the bumps of a ring and its heater before the next "
            f"ring's ground; want at least {math.ceil(spec.ring.pitch_um + least - east)}"
        )
    return east


def _least_um(contacts: Contacts, channel: int) -> float:
    """Nearest middle of a heated ring's bump that keeps clear of the heater's bump and wire."""
    (driven, _), (cold, _) = contacts.ring_in_row(channel, "e3"), contacts.ring_in_row(channel, "e4")
    beside = STRAP_UM / 2.0 + SPACE_UM + BUMP_PAD_UM / 2.0
    return max(cold + beside + BUMP_UM + BUMP_SPACE_UM, driven + beside)


def bump_pad(kcl: kf.KCLayout) -> gf.Component:
    """Pad of the second metal, opening, bump; the origin is its centre."""
    require_nm(kcl)
    if kcl.layout.has_cell("bump_pad"):
        return gf.Component(base=kcl["bump_pad"].base)
    pad = gf.Component("bump_pad", kcl=kcl)
    for layer, side in ((LAYERS.metal2, BUMP_PAD_UM), (LAYERS.opening, OPENING_UM)):
        pad.kdb_cell.shapes(kcl.layer(*layer)).insert(box(-side / 2.0, -side / 2.0, side / 2.0, side / 2.0))
    circle = polygon(arc_points((0.0, 0.0), BUMP_UM / 2.0, 0.0, 360.0)[:-1])
    pad.kdb_cell.shapes(kcl.layer(*LAYERS.bump)).insert(circle)
    return pad
