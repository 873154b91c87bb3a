"""Structures that judge the process, beside the loopback: sheet resistances, a chain of vias, leakage, what etches.

All pads stand in one line, so that a probe card of `spec.geometry.CONTROL_PITCH_UM` reaches them in one touch-down.
"""

from collections.abc import Mapping
from itertools import pairwise

import gdsfactory as gf
from kfactory import kdb

from prism_photonics.layout.frame import letters, text
from prism_photonics.layout.pads import PROBE_CELL, bond_pad, name_place
from prism_photonics.layout.routing import Point, wire
from prism_photonics.lightpath.drawing import PER_UM, box, nm, put_cell
from prism_photonics.lightpath.ring.cell import VIA_UM
from prism_photonics.process.layers import LAYERS, SLAB_MARGIN_UM, VIA_ENCLOSURE_UM, Deck, Layer, load_deck
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import CONTROL_PITCH_UM, PROBE_UM

PURPOSES: Mapping[str, str] = {
    "vdp_metal1": "sheet resistance of the first metal: a cross, four pads (van der Pauw)",
    "vdp_metal2": "sheet resistance of the second metal, likewise",
    "via_chain": "resistance of a via: a chain, two pads",
    "leakage": "leakage between electrodes on the slab, at the rings' own distance: a comb, two pads",
    "thermometer": "temperature of the die: a meander of first metal, four pads (current outside, voltage inside)",
    "etch_gauge": "which gap opens, which tip stands: ribs from the rules' least upwards, under the microscope",
}
"""What each structure is there for, in the order from the west."""
PADS: Mapping[str, int] = {"vdp_metal1": 4, "vdp_metal2": 4, "via_chain": 2, "leakage": 2, "thermometer": 4}

# Design choices.
WIRE_UM = 6.0
ARM_UM, REACH_UM = 10.0, 30.0  # width of a cross's arms, from its middle to their ends
VIA_PITCH_UM, CHAIN = 8.0, (5, 12)  # rows and columns of the chain
COMB_UM, COMB_WIDTH_UM, FINGER_UM = 50.0, 90.0, 4.0  # height between the two bars; width at most, west of a wire
LEG_UM, LEG_PITCH_UM, LEGS, TURN_UM = 2.5, 5.0, 52, 58.0  # of the meander: width, pitch, number, height
GAPS, GAP_STEP_UM = 8, 0.03
TIPS, TIP_STEP_UM = 6, 0.05
GAUGE_UM = 120.0  # length of the ribs: narrow ones must not be smaller than the rules' least area
APART_UM = 6.0
GAUGE_EAST_UM = 780.0  # of the first pad
TIPS_EAST_UM = 180.0  # of the pairs
LABEL_UM = 16.0
ABOVE_UM = {"vdp_metal1": 145.0, "vdp_metal2": 145.0, "thermometer": 112.0}  # of names over the pads' middles
EXTRA_RIBS = 2 * GAPS + TIPS
EXTRA_METALS = 1 + 1 + 1 + 2 + 1

Shapes = dict[Layer, kdb.Region]


def chain_vias() -> int:
    """How many vias the chain has."""
    return CHAIN[0] * CHAIN[1]


def draw_control(spec: ChipSpec, tests: gf.Component, *, at_um: Point) -> None:
    """Draw the structures into the cell of tests; ``at_um`` is the middle of the first of their pads."""
    deck = load_deck(spec.process)
    drawn: list[tuple[str, Shapes]] = [
        ("vdp_metal1", {LAYERS.metal1: _cross()}),
        ("vdp_metal2", {LAYERS.metal2: _cross()}),
        ("via_chain", _chain()),
        ("leakage", _comb(spec.ring.electrode_gap_um)),
        ("thermometer", {LAYERS.metal1: _meander()}),
    ]
    x, y = at_um
    pad, names = bond_pad(PROBE_CELL, PROBE_UM, tests.kcl), kdb.Region()
    for name, shapes in drawn:
        _draw(tests, shapes, (x, y))
        for n in range(PADS[name]):
            put_cell(tests, pad, f"{name}_{n}", kdb.Trans(nm(x + n * CONTROL_PITCH_UM), nm(y)))
        where = (x + 15.0, y + 103.0) if PADS[name] == 2 else (x + 120.0, y + ABOVE_UM[name])
        words = {"via_chain": f"VIA {chain_vias()}", "leakage": "LEAK", "thermometer": "RTD"}
        names += text(words.get(name, name.replace("_metal", " ").upper()), LABEL_UM, where)
        x += PADS[name] * CONTROL_PITCH_UM
    west, low = at_um[0] + GAUGE_EAST_UM, y + 126.0
    ribs = kdb.Region()
    for shapes, offset in ((_gaps(deck), 0.0), (_tips(deck), TIPS_EAST_UM)):
        _draw(tests, shapes, (west + offset, low))
        ribs += shapes[LAYERS.slab].moved(nm(offset), 0)
    middle = ribs.bbox().center()
    name_place(tests, "etch_gauge", (west + middle.x / PER_UM, low + middle.y / PER_UM))  # no pad tells its name
    for words, offset in (("GAPS", 0.0), ("TIPS", TIPS_EAST_UM)):
        names += text(words, LABEL_UM, (west + offset + GAUGE_UM + 6.0, low + 10.0))
    letters(tests, names)


def _draw(cell: gf.Component, shapes: Shapes, at_um: Point) -> None:
    for layer, region in shapes.items():
        cell.kdb_cell.shapes(cell.kcl.layer(*layer)).insert(region.merged().moved(nm(at_um[0]), nm(at_um[1])))


def _cross() -> kdb.Region:
    """A cross over the middle of four pads, and its arms' wires: west, south, east, and north round the east."""
    (x, y), half, pitch = (1.5 * CONTROL_PITCH_UM, 90.0), ARM_UM / 2.0, CONTROL_PITCH_UM
    region = kdb.Region(box(x - REACH_UM, y - half, x + REACH_UM, y + half))
    region.insert(box(x - half, y - REACH_UM, x + half, y + REACH_UM))
    ways: list[list[Point]] = [
        [(x - REACH_UM + 2.0, y), (0.0, y), (0.0, 0.0)],
        [(x, y - REACH_UM + 2.0), (x, 45.0), (pitch, 45.0), (pitch, 0.0)],
        [(x + REACH_UM - 2.0, y), (2.0 * pitch, y), (2.0 * pitch, 0.0)],
        [(x, y + REACH_UM - 2.0), (x, y + REACH_UM + 15.0), (3.0 * pitch, y + REACH_UM + 15.0), (3.0 * pitch, 0.0)],
    ]
    for way in ways:
        region += wire(way, WIRE_UM)
    return region


def _chain() -> Shapes:
    """A winding line of vias, joined in turn below and above, between two pads."""
    rows, columns = CHAIN
    places: list[Point] = []
    for row in range(rows):
        along = [(6.0 + column * VIA_PITCH_UM, 50.0 + row * VIA_PITCH_UM) for column in range(columns)]
        places += along if row % 2 == 0 else along[::-1]
    reach = VIA_UM / 2.0 + VIA_ENCLOSURE_UM
    metals, vias = (kdb.Region(), kdb.Region()), kdb.Region()
    for n, ((x0, y0), (x1, y1)) in enumerate(pairwise(places)):
        metals[n % 2].insert(box(min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach))
    for x, y in places:
        vias.insert(box(x - VIA_UM / 2.0, y - VIA_UM / 2.0, x + VIA_UM / 2.0, y + VIA_UM / 2.0))
    (x0, y0), (x1, y1) = places[0], places[-1]
    upper = metals[1] + wire([(x0, y0 + reach), (x0, 0.0)], WIRE_UM)
    east = CONTROL_PITCH_UM + 10.0
    upper += wire([(x1 - reach, y1), (east, y1), (east, 0.0)], WIRE_UM)
    return {LAYERS.metal1: metals[0], LAYERS.metal2: upper, LAYERS.via: vias}


def _comb(gap_um: float) -> Shapes:
    """Fingers of first metal from two bars, each the electrodes' distance from the next, on slab."""
    pitch, low, high = FINGER_UM + gap_um, 40.0, 40.0 + COMB_UM
    fingers = max(2, int((COMB_WIDTH_UM + gap_um) / pitch))
    width = fingers * pitch - gap_um
    region = kdb.Region(box(0.0, low, width, low + WIRE_UM))
    region.insert(box(0.0, high, width, high + WIRE_UM))
    for n in range(fingers):
        start, stop = (low, high - gap_um) if n % 2 == 0 else (low + WIRE_UM + gap_um, high + WIRE_UM)
        region.insert(box(n * pitch, start, n * pitch + FINGER_UM, stop))
    region += wire([(10.0, low + WIRE_UM), (10.0, 0.0)], WIRE_UM)
    east, middle = CONTROL_PITCH_UM + 15.0, high + WIRE_UM / 2.0
    region += wire([(width - 2.0, middle), (east, middle), (east, 0.0)], WIRE_UM)
    slab = box(-SLAB_MARGIN_UM, low - SLAB_MARGIN_UM, width + SLAB_MARGIN_UM, high + WIRE_UM + SLAB_MARGIN_UM)
    return {LAYERS.metal1: region, LAYERS.slab: kdb.Region(slab)}


def meander_squares() -> float:
    """Length of the meander between its inner taps over its width, corners counted as half a square."""
    corners = 2 * (LEGS - 1)
    straight_um = LEGS * TURN_UM - corners * LEG_UM + (LEGS - 1) * (LEG_PITCH_UM - LEG_UM)
    return straight_um / LEG_UM + 0.5 * corners


def _meander() -> kdb.Region:
    """Legs side by side, joined above and below in turn; at either end a wire for current and one for voltage."""
    low, half = 46.0, LEG_UM / 2.0
    first = 1.5 * CONTROL_PITCH_UM - (LEGS - 1) * LEG_PITCH_UM / 2.0
    region, last = kdb.Region(), first + (LEGS - 1) * LEG_PITCH_UM
    for n in range(LEGS):
        x = first + n * LEG_PITCH_UM
        region.insert(box(x - half, low, x + half, low + TURN_UM))
        if n < LEGS - 1:
            y = low + TURN_UM - half if n % 2 == 0 else low + half
            region.insert(box(x - half, y - half, x + LEG_PITCH_UM + half, y + half))
    bar = low - WIRE_UM
    for x, current, voltage in ((first, 0, 1), (last, 3, 2)):
        region.insert(box(x - half, bar, x + half, low + half))
        for pad in (current, voltage):
            region += wire([(x, bar), (pad * CONTROL_PITCH_UM, bar), (pad * CONTROL_PITCH_UM, 0.0)], WIRE_UM)
    return region


def _gaps(deck: Deck) -> Shapes:
    """Pairs of ribs whose gap grows from the least that the rules allow."""
    ribs, y, width = kdb.Region(), 0.0, max(1.0, deck.value_um("ridge_width"))
    for n in range(GAPS):
        gap = round(deck.value_um("ridge_space") + n * GAP_STEP_UM, 3)
        for low in (y, y + width + gap):
            ribs.insert(box(0.0, low, GAUGE_UM, low + width))
        y = round(y + 2.0 * width + gap + APART_UM, 3)
    return _on_slab(ribs)


def _tips(deck: Deck) -> Shapes:
    """Ribs whose width grows from the least that the rules allow."""
    ribs, y = kdb.Region(), 0.0
    for n in range(TIPS):
        width = round(deck.value_um("ridge_width") + n * TIP_STEP_UM, 3)
        ribs.insert(box(0.0, y, GAUGE_UM, y + width))
        y = round(y + width + APART_UM, 3)
    return _on_slab(ribs)


def _on_slab(ribs: kdb.Region) -> Shapes:
    return {LAYERS.ridge: ribs, LAYERS.slab: kdb.Region(ribs.bbox().enlarged(nm(SLAB_MARGIN_UM)))}
