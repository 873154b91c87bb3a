"""Frame of the circuit: die outline, dicing border, title, and the labels of rows, columns and pads."""

import textwrap
from collections.abc import Sequence

import gdsfactory as gf
from kfactory import kdb

from prism_photonics.layout.flipchip import RAIL_UM, TRUNK_UM
from prism_photonics.layout.marks import INSET_UM, MARK_UM, draw_marks
from prism_photonics.layout.pads import OPENING_INSET_UM, SHORT, Pad
from prism_photonics.lightpath.coupler.design import EdgeCouplerDesign
from prism_photonics.lightpath.drawing import EAST, NORTH, PER_UM, SOUTH, box, nm, taper
from prism_photonics.process.kits import Kit
from prism_photonics.process.layers import LAYERS, OPENING_TO_RIB_UM, SLAB_MARGIN_UM
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.chip_spec import PAD_LINE_PITCH_UM
from prism_photonics.spec.floorplan import EDGE_UM, EXCLUSION_UM, PAD_UM, Floorplan
from prism_photonics.spec.geometry import (
    LEAST_LEAD_UM,
    STREET_UM,
    bank_origins_um,
    coupler_heights_um,
    facet_um,
    middle_um,
    row_top_um,
    tests_height_um,
    tests_top_um,
    tests_width_um,
)
from prism_photonics.spec.outline import monitor_last_um, monitor_reach_um

OVERRUN_UM = 30.0  # of the couplers' tips beyond the facet; design choice
PAD_TEXT_UM, ROW_TEXT_UM, TITLE_UM = 18.0, 16.0, 40.0
LETTERS_CLEAR_UM = 1.2  # of other slab
MOST_NAMED_ROWS = 1000  # a fourth digit would stand on the bend that comes from the last fork
LEAST_TEXT_UM = 16.0  # lower letters have strokes too near each other to be etched
LEAST_LETTER_UM2 = 20.0  # as the rules' least area of slab


def draw_frame(spec: ChipSpec, die: kdb.Box, labels: kdb.Region, chip: gf.Component) -> None:
    """Into the chip: the die's outline, its border and street, marks, labels, and the couplers' tips in the street."""
    shapes, layer = chip.kdb_cell.shapes, chip.kcl.layer
    letters(chip, labels)
    if spec.kit is not None:
        # As the kit's own frame: its zone ends at the die's edge, its contour is the area inside the zone.
        inside = die.enlarged(-nm(spec.kit.chip.border_um))
        shapes(layer(*LAYERS.exclusion)).insert(die)
        shapes(layer(*LAYERS.contour)).insert(inside)
        draw_marks(chip, inside)
        return
    shapes(layer(*LAYERS.contour)).insert(die)
    border = kdb.Region(die.enlarged(nm(STREET_UM))) - kdb.Region(die.enlarged(-nm(EXCLUSION_UM)))
    shapes(layer(*LAYERS.exclusion)).insert(border)
    for y_um in coupler_heights_um(spec):
        overrun(chip, spec.coupler_design, facet_um(spec), y_um)
    draw_marks(chip, die)


def inner_street(floor: Floorplan, pads: list[Pad], die: kdb.Box) -> kdb.Box:
    """The street between a bonded die's southern pads and the tests, with the border of either side.

    Once it is cut, those pads stand at an edge, too, as far from it as the others from theirs.
    """
    north = _southern_um(floor, pads)
    south = north - 2.0 * STREET_UM
    return kdb.Box(die.left, nm(south - EXCLUSION_UM), die.right, nm(north + EXCLUSION_UM))


def border_um(spec: ChipSpec) -> float:
    """From the couplers' tips to where other things than couplers may lie: the dicing border, or a kit's zone."""
    return EXCLUSION_UM if spec.kit is None else spec.kit.chip.tip_outside_um + spec.kit.chip.border_um


def letters(cell: gf.Component, words: kdb.Region) -> None:
    """Draw words into a cell: as slab, so that they stand on the die, and on the layer of labels, for who reads files.

    Dots smaller than the rules let slab be stand on the layer of labels alone.
    """
    merged = words.merged()
    merged.merged_semantics = False  # or asking for areas would merge it again
    cell.kdb_cell.shapes(cell.kcl.layer(*LAYERS.labels)).insert(merged)
    least = round(LEAST_LETTER_UM2 / cell.kcl.dbu**2)
    cell.kdb_cell.shapes(cell.kcl.layer(*LAYERS.slab)).insert(merged.with_area(least, None, False))


def overrun(
    frame: gf.Component, coupler: EdgeCouplerDesign, facet_um: float, y_um: float, *, east: bool = False
) -> None:
    """Carry a coupler's tip on into the dicing street, so that the cut runs through a guide wherever it falls."""
    slab = coupler.width_um + 2.0 * SLAB_MARGIN_UM
    for layer, reach, width in (
        (LAYERS.ridge, OVERRUN_UM, coupler.tip_um),
        (LAYERS.slab, OVERRUN_UM + SLAB_MARGIN_UM, slab),
    ):
        west, end = (facet_um, facet_um + reach) if east else (facet_um - reach, facet_um)
        frame.kdb_cell.shapes(frame.kcl.layer(*layer)).insert(taper(west, end, width, width, y_um=y_um))


def bonded_die(floor: Floorplan, pads: Sequence[Pad], *, lanes_um: float) -> kdb.Box:
    """Outline of a bonded die: facet in the west, ``EDGE_UM`` beyond the outer pads elsewhere, tests in the south.

    In the east at least so far beyond the northern and southern pads that marks in the corners stand clear of them.
    Between the southern pads and the tests lies a dicing street (`inner_street`).

    Args:
        floor: The plan.
        pads: Northern and southern ones; the eastern stand where the die ends (`eastern_um`).
        lanes_um: Where the eastern wires' last lane ends.
    """
    spec = floor.spec
    tests_top = tests_top_um(spec, _southern_um(floor, pads) - 2.0 * STREET_UM)
    north = max(pad.y_um for pad in pads if pad.edge == NORTH) + EDGE_UM
    beside_um = INSET_UM + MARK_UM / 2.0 + OPENING_TO_RIB_UM + PAD_UM / 2.0 - OPENING_INSET_UM
    needed = [
        max(pad.x_um for pad in pads) + beside_um,
        lanes_um + PAD_UM / 2.0 + PAD_LINE_PITCH_UM * (spec.chip.pad_lines - 1) + EDGE_UM,
        floor.facet + tests_width_um(spec),
        floor.row_length + monitor_reach_um(spec),
    ]
    if not spec.two_sided:  # the guide that is seen by a fibre bends where no wire is beside it
        needed.append(lanes_um + monitor_last_um(spec))
    return box(floor.facet, tests_top - tests_height_um(spec), max(needed), north)


def eastern_um(spec: ChipSpec, die: kdb.Box) -> float:
    """Where the eastern pads' outer line stands: as far from the die's edge as the others', or from a kit's border."""
    edge_um = die.right / PER_UM
    if spec.kit is not None:
        edge_um = kit_die(spec.kit, die, facet_um=facet_um(spec)).right / PER_UM - spec.kit.chip.border_um
    return edge_um - EDGE_UM


def _southern_um(floor: Floorplan, pads: Sequence[Pad]) -> float:
    """Southern edge of the circuit of a bonded die, where the street to the tests begins."""
    return min((pad.y_um for pad in pads if pad.edge == SOUTH), default=floor.south_base) - EDGE_UM


def kit_die(kit: Kit, needed: kdb.Box, *, facet_um: float) -> kdb.Box:
    """Edge of the least die of a kit that holds what is needed; its couplers' tips in the west lie outside the edge.

    What is left over lies in the east and south, so that the northern pads stay at the edge.

    Raises:
        InputError: The kit has no die so large.
    """
    border = kit.chip.border_um
    west, north = facet_um + kit.chip.tip_outside_um, needed.top / PER_UM + border
    width, height = kit.chip.die_um(needed.right / PER_UM + border - west, north + border - needed.bottom / PER_UM)
    return box(west, north - height, west + width, north)


def row_labels(spec: ChipSpec) -> kdb.Region:
    """Names of a bank's rows and columns."""
    words = kdb.Region()
    # West of each row, below where its drop bus goes: clear of the slab of the rings, of the drop bus, and of the last
    # fork's bend, which comes from above to every other row.
    buses_um = spec.ring_designs[0].bus_pitch_um
    top = buses_um - spec.width_um / 2.0 - SLAB_MARGIN_UM - LETTERS_CLEAR_UM
    # The ground of a flipped bank runs across there: names stand upright beside it where the row is high enough, above
    # where the fork's bend begins.
    beside = spec.flip_chip and top - _width("000") * ROW_TEXT_UM >= spec.waveguide.bend_radius_um
    for row in range(min(spec.chip.rows, MOST_NAMED_ROWS)):
        word = text(f"R{row}" if row < 100 else f"{row}", ROW_TEXT_UM, (0.0, 0.0))
        east = -LETTERS_CLEAR_UM
        if beside:
            word, east = word.transformed(kdb.Trans.R90), TRUNK_UM - RAIL_UM / 2.0 - LETTERS_CLEAR_UM
        size = word.bbox()
        words += word.moved(nm(east) - size.right, nm(row * spec.row_pitch_um + top) - size.top)
    # Above the top row each column has a strip free of metal.
    top = (spec.chip.rows - 1) * spec.row_pitch_um + row_top_um(spec) + 8.0
    for c in range(spec.chip.channels):
        words += text(f"C{c}", ROW_TEXT_UM, ((c + 0.5) * spec.ring.pitch_um - ROW_TEXT_UM, top))
    return words


def bank_labels(spec: ChipSpec) -> kdb.Region:
    """Names of the buses: above each bank, and beside its fibre."""
    words = kdb.Region()
    top = (spec.chip.rows - 1) * spec.row_pitch_um + row_top_um(spec) + 60.0
    for bus, (x, y) in enumerate(zip(bank_origins_um(spec), coupler_heights_um(spec), strict=True)):
        words += text(f"BUS {bus}", TITLE_UM, (x, top))
        words += text(f"BUS {bus}", ROW_TEXT_UM, (facet_um(spec) + border_um(spec) + 10.0, y + 12.0))
    return words


def labels(spec: ChipSpec, pads: list[Pad]) -> kdb.Region:
    """Title, and the names of the bond pads."""
    words = kdb.Region()
    for pad in pads:
        words += _pad_label(pad, pads)
    # Between the facet and the first guide that rises: a long name is written smaller, then on several lines.
    west = facet_um(spec) + border_um(spec) + 10.0
    rise = facet_um(spec) + spec.coupler_design.length_um + spec.waveguide.bend_radius_um
    if spec.chip.buses > 1:
        rise += LEAST_LEAD_UM
    elif spec.chip.rows > 1:
        rise += spec.splitter_design.length_um
    else:  # no tree: the row's drop bus turns there
        rise = -spec.waveguide.bend_radius_um - spec.width_um - SLAB_MARGIN_UM
    name, room_um = spec.name.upper(), rise - west - 10.0
    height = max(LEAST_TEXT_UM, min(TITLE_UM, room_um / _width(name)))
    small = max(LEAST_TEXT_UM, height / 2.0)
    size = f"{spec.chip.rows} ROWS X {spec.chip.rings} RINGS"
    y = middle_um(spec) + 40.0
    letter, next_letter = _width("0"), _width("00") - _width("0")  # all letters are as wide
    for line, high in ((spec.hash[:8], small), (spec.profile.name, small), (size, small), (name, height)):
        most = max(1, int(1.0 + (room_um / high - letter) / next_letter))
        for part in reversed(textwrap.wrap(line.upper(), most)):
            words += text(part, high, (west, y))
            y += 1.8 * high
    return words


def _pad_label(pad: Pad, pads: list[Pad]) -> kdb.Region:
    """A pad's name between the outer line of pads and the die edge, turned to fit the pads' pitch."""
    label = text(_short(pad.name), PAD_TEXT_UM, (0.0, 0.0))
    gap = PAD_UM / 2.0 + 8.0
    if pad.edge == EAST:
        line = max(other.x_um for other in pads if other.edge == EAST)
        return label.moved(nm(line + gap), nm(pad.y_um - PAD_TEXT_UM / 2.0))
    line = max(abs(other.y_um) for other in pads if other.edge == pad.edge)
    upright = label.transformed(kdb.Trans.R90)
    if pad.edge == NORTH:
        return upright.moved(nm(pad.x_um + PAD_TEXT_UM / 2.0), nm(line + gap))
    return upright.moved(nm(pad.x_um + PAD_TEXT_UM / 2.0), nm(-line - gap) - upright.bbox().top)


def _width(words: str) -> float:
    """Width of words in heights of their letters."""
    return text(words, 1000.0, (0.0, 0.0)).bbox().right / PER_UM / 1000.0


def _short(name: str) -> str:
    kind, *rest = name.split("_")
    if kind == "detector":
        return f"D{rest[0]}{SHORT['_'.join(rest[1:])]}"
    return "".join(rest).upper() if kind == "ring" else f"G{rest[0][1:]}"


def text(words: str, height_um: float, at_um: tuple[float, float]) -> kdb.Region:
    """Letters of a height, their lower left corner at a point."""
    generator = kdb.TextGenerator.default_generator()
    region = generator.text(words, 0.001, height_um / generator.dheight())
    return region.moved(nm(at_um[0]), nm(at_um[1]))
