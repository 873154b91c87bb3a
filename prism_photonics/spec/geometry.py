"""Positions of a chip's parts, shared by netlist, optics, budget and drawing. All lengths in µm.

Row 0's first through port (of bus 0) is the origin; light runs east. Nothing here draws.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from prism_photonics.lightpath.detector.design import (
    FLIPPED_HOLD_UM,
    LEAST_HOLD_UM,
    DetectorSiteDesign,
    PhotodiodeSiteDesign,
)
from prism_photonics.lightpath.splitter.design import halves, tree_levels
from prism_photonics.lightpath.waveguide.design import BranchDesign, Lengths, StraightDesign, UTurnDesign
from prism_photonics.lightpath.waveguide.turned import best_euler_p
from prism_photonics.spec import ChipSpec

# Design choices.
FEED_BELOW_UM = 70.0  # from row 0 down to the first of several fibres
LEAST_LEAD_UM = 20.0  # from the first of several couplers to its rise
SITE_BUMPS_UM = 120.0  # strip beside a photodiode site for its bumps
DROP_LEAD_UM = 40.0  # from a row's first ring to a photodiode in the west: row label, ground bump
WEST_TRACK_UM = 10.0  # pitch of the wires from such photodiodes on a bonded die
WEST_CLEAR_UM = 16.0  # from such a photodiode to its first wire, and from the last wire to the tree
STREET_UM = 50.0  # half the dicing street
CLEAR_UM = 60.0  # from the circuit to the test structures below it
# Test structures along the southern edge.
CUTBACK_PASSES = (1, 2)  # double passes of each cutback serpentine
TEST_RINGS = 5  # of each sweep, on one guide
RINGS_APART_UM = 110.0  # between two test rings: terminators of two drop buses
BEFORE_RING_UM = 10.0  # from the S of a drop port to the first test ring
PROBE_UM = 60.0  # side of a probe pad
PROBE_BELOW_UM = 47.0  # from a test ring's guide down to its pads' middles: their openings' distance from ribs of 4 µm
TAPERS = 2  # couplers with other tips
LOW_S_RADII = 4.0  # least radius of an S lower than two bends, in theirs: sharper ones turn light to a second mode
CONTROL_PADS, CONTROL_PITCH_UM = 16, 100.0  # of the electrical structures: one line, a probe card's pitch
CONTROL_CLEAR_UM = 60.0  # from the loopback's turn to the first of those pads' middles


def detector_site(spec: ChipSpec) -> DetectorSiteDesign:
    """The site of one row's balanced pair: its guides arrive at the heights of through bus and drop return."""
    ring = spec.ring_designs[0]
    design = DetectorSiteDesign(ring.bus_pitch_um + 2.0 * spec.waveguide.bend_radius_um, spec.width_um)
    usual_um = FLIPPED_HOLD_UM if spec.flip_chip else design.hold_um
    # Between the guides, which go on beside it where a row is seen by fibres.
    return replace(design, hold_um=max(LEAST_HOLD_UM, min(usual_um, float(math.floor(design.free_hold_um)))))


def photodiode_site(spec: ChipSpec, *, west: bool) -> PhotodiodeSiteDesign:
    """The site of one photodiode where the two of a pair stand at either end of the row."""
    design = spec.photodiode_design
    return replace(design, length_um=-design.length_um) if west else design


def site_reach_um(spec: ChipSpec) -> float:
    """From the rows' eastern end to the eastern end of the photodiodes' wires."""
    return photodiode_site(spec, west=False).reach_um if spec.two_sided else detector_site(spec).reach_um


def row_top_um(spec: ChipSpec) -> float:
    """Height of what is drawn highest in a row, above its through bus: drop bus's way back, or a photodiode's piece."""
    if spec.two_sided:
        return spec.ring_designs[0].bus_pitch_um + spec.photodiode_design.top_um
    return detector_site(spec).port_pitch_um


def west_tracks(spec: ChipSpec) -> int:
    """Wires side by side in the strip between tree and western photodiodes of a bonded die: two a row, by half."""
    return 2 * (spec.chip.rows - spec.chip.rows // 2)


def approach_um(spec: ChipSpec) -> float:
    """Length of the strip between tree and rings where photodiodes stand in the west; 0 where they do not."""
    if not spec.two_sided:
        return 0.0
    contacts = SITE_BUMPS_UM if spec.flip_chip else west_tracks(spec) * WEST_TRACK_UM + 2.0 * WEST_CLEAR_UM
    return DROP_LEAD_UM + spec.photodiode_design.reach_um + contacts


def branch_design(spec: ChipSpec, *, rows: int, level: int, upper: bool) -> BranchDesign | StraightDesign:
    """The guide from one output of a splitter of the tree to the next splitter, or to the row.

    An S up or down to the middle of the rows behind that output; a straight to a row that is alone behind a splitter.
    The last level's guides run on past the photodiodes in the west, if there are any.

    Args:
        spec: Chip.
        rows: Rows behind the splitter.
        level: Splitters from there to a row, this one counted.
        upper: Which output.
    """
    dx_um = _branch_dx_um(spec) + (approach_um(spec) if level == 1 else 0.0)
    if rows == 1:
        return StraightDesign(dx_um, spec.width_um)
    pitch_um, output_um = spec.row_pitch_um, spec.splitter_design.port_pitch_um / 2.0
    lower, _ = halves(rows)
    behind, first_um = (rows - lower, lower * pitch_um) if upper else (lower, 0.0)
    root_um, end_um = (_root_um(pitch_um, output_um, *tree) for tree in ((rows, level), (behind, level - 1)))
    rise_um = round(first_um + end_um - root_um + (-output_um if upper else output_um), 3)
    return BranchDesign(dx_um, rise_um, spec.waveguide.bend_radius_um, spec.width_um, euler_p(spec))


def tree_branches(spec: ChipSpec) -> list[list[BranchDesign | StraightDesign]]:
    """The guides between the splitters on the way to each row, from the root on."""

    @cache
    def ways(rows: int, level: int) -> list[list[BranchDesign | StraightDesign]]:
        if level == 0:
            return [[]]
        sides = zip((False, True), halves(rows), strict=True)
        return [
            [branch_design(spec, rows=rows, level=level, upper=upper), *rest]
            for upper, behind in sides
            if behind
            for rest in ways(behind, level - 1)
        ]

    return ways(spec.chip.rows, tree_levels(spec.chip.rows))


@cache
def _root_um(pitch_um: float, output_um: float, rows: int, level: int) -> float:
    """Height of a tree's root above its lowest row, on the drawing's 1 nm grid: between the trees at both its outputs.

    A row that is alone behind a splitter lies at the height of that splitter's lower output.
    """
    if rows == 1:
        return output_um if level else 0.0
    lower, upper = halves(rows)
    ends_um = _root_um(pitch_um, output_um, lower, level - 1), _root_um(pitch_um, output_um, upper, level - 1)
    return round((ends_um[0] + lower * pitch_um + ends_um[1]) / 2.0, 3)


def quarters(spec: ChipSpec, way: Sequence[BranchDesign | StraightDesign]) -> int:
    """Quarter turns on a way of `tree_branches`, and before it from a fibre among several to the tree."""
    return 2 * (sum(isinstance(guide, BranchDesign) for guide in way) + (spec.chip.buses > 1))


def tree_length_um(spec: ChipSpec) -> float:
    """Length along x of a bank's splitter tree, and of its way past photodiodes in the west."""
    return tree_levels(spec.chip.rows) * (spec.splitter_design.length_um + _branch_dx_um(spec)) + approach_um(spec)


def bank_pitch_um(spec: ChipSpec) -> float:
    """Distance along x of neighbouring banks: tree, rings, photodiode sites with their bumps, the next bank's rise."""
    site = site_reach_um(spec) + SITE_BUMPS_UM
    length = tree_length_um(spec) + spec.chip.channels * spec.ring.pitch_um + site + _branch_dx_um(spec)
    return 10.0 * math.ceil(length / 10.0)


def bank_origins_um(spec: ChipSpec) -> list[float]:
    """Where on x the rows of every bus begin."""
    return [bus * bank_pitch_um(spec) for bus in range(spec.chip.buses)]


def feed_height_um(spec: ChipSpec, *, bus: int) -> float:
    """Height of a bus's fibre among several: all enter below the rows, the first bus's the highest."""
    return -max(FEED_BELOW_UM, 2.0 * spec.waveguide.bend_radius_um + 10.0) - bus * spec.coupler.fibre_pitch_um


def feed_designs(spec: ChipSpec, *, bus: int) -> tuple[StraightDesign, BranchDesign]:
    """From a bus's coupler, when there are several buses, to the root of its tree: below the rows, then up."""
    dx, guide = _branch_dx_um(spec), spec.waveguide
    lead = StraightDesign(LEAST_LEAD_UM + bus * bank_pitch_um(spec), spec.width_um)
    rise_um = middle_um(spec) - feed_height_um(spec, bus=bus)
    return lead, BranchDesign(dx, rise_um, guide.bend_radius_um, spec.width_um, euler_p(spec))


def feed_lengths(spec: ChipSpec, *, bus: int) -> Lengths:
    """Waveguide from a bus's coupler to the root of its tree (to the row, where there is no tree) by direction."""
    straight_um = approach_um(spec) if spec.chip.rows == 1 else 0.0
    if spec.chip.buses == 1:
        return Lengths(straight_um)
    lead, rise = (design.lengths for design in feed_designs(spec, bus=bus))
    return Lengths(straight_um) + lead + rise


def middle_um(spec: ChipSpec) -> float:
    """Height of the trees' roots."""
    rows, output_um = spec.chip.rows, spec.splitter_design.port_pitch_um / 2.0
    return _root_um(spec.row_pitch_um, output_um, rows, tree_levels(rows))


def euler_p(spec: ChipSpec, radius_um: float | None = None) -> float:
    """Share of a bend's angle in clothoids: the spec's, or what turns next to least light on its film.

    The radius is that of the routing bends unless another is given.
    """
    guide = spec.waveguide
    return best_euler_p(spec.profile, radius_um or guide.bend_radius_um) if guide.euler_p is None else guide.euler_p


def uturn_design(spec: ChipSpec) -> UTurnDesign:
    """The bend that brings a row's drop bus back over its rings."""
    return UTurnDesign(spec.waveguide.bend_radius_um, spec.width_um, euler_p(spec))


def facet_um(spec: ChipSpec) -> float:
    """Where the edge couplers end in the west: the die's edge, or beyond it where a kit's tips reach out."""
    root = -tree_length_um(spec) - spec.coupler_design.length_um
    if spec.chip.buses == 1:
        return root
    lead, rise = feed_designs(spec, bus=0)
    return root - lead.length_um - rise.dx_um


def tip_outside_um(spec: ChipSpec) -> float:
    """How far the couplers' tips lie outside the die's edge: not at all, but for a kit's."""
    return 0.0 if spec.kit is None else spec.kit.chip.tip_outside_um


def coupler_heights_um(spec: ChipSpec) -> list[float]:
    """Heights of the buses' edge couplers."""
    buses = spec.chip.buses
    return [middle_um(spec)] if buses == 1 else [feed_height_um(spec, bus=bus) for bus in range(buses)]


def tests_top_um(spec: ChipSpec, below_um: float) -> float:
    """Height from which the test structures go down, at or below a height: the first on the grid of the chip's fibres.

    One fibre array reaches circuit and tests.
    """
    first_um, pitch_um = coupler_heights_um(spec)[0], spec.coupler.fibre_pitch_um
    return below_um - (below_um - CLEAR_UM - first_um) % pitch_um


def tests_height_um(spec: ChipSpec) -> float:
    """Height of the strip that the test structures take."""
    slots = 2 + 1 + sum(cutback_slots(spec, passes) for passes in CUTBACK_PASSES) + 2 * ring_slots(spec)
    slots += 2 + tapers(spec) + photodiode_slots(spec)  # a splitter has two outputs
    return slots * spec.coupler.fibre_pitch_um + 2.0 * CLEAR_UM + 60.0


def tests_width_um(spec: ChipSpec) -> float:
    """Least distance of the facets: a row of test rings between two couplers, the line of pads beside the loopback."""
    rings_um = TEST_RINGS * (spec.ring.pitch_um + RINGS_APART_UM)
    control_um = control_west_um(spec) + CONTROL_PADS * CONTROL_PITCH_UM + PROBE_UM
    return max(2.0 * spec.coupler_design.length_um + rings_um + test_lead_um(spec) + 10.0, control_um)


def control_west_um(spec: ChipSpec) -> float:
    """From the western facet to the middle of the first pad of the electrical structures: past the loopback's turn."""
    return spec.coupler_design.length_um + spec.coupler.fibre_pitch_um / 2.0 + CONTROL_CLEAR_UM


def tapers(spec: ChipSpec) -> int:
    """Lines of couplers with other tips; none on a kit's chip, whose border is for the kit's couplers alone."""
    return TAPERS if spec.kit is None else 0


def photodiode_slots(spec: ChipSpec) -> int:
    """Fibre pitches that the line of the single photodiode takes: the piece it is made of stands above it."""
    return math.ceil((spec.photodiode_design.top_um + 10.0) / spec.coupler.fibre_pitch_um)


def test_lead_um(spec: ChipSpec) -> float:
    """From the western coupler to the first test ring: room for the S that brings the common drop bus to a fibre."""
    _, rise_um = drop_port_um(spec)
    return max(RINGS_APART_UM, s_length_um(rise_um, spec.waveguide.bend_radius_um) + BEFORE_RING_UM)


def drop_port_um(spec: ChipSpec) -> tuple[float, float]:
    """Height of the drop port's fibre above a line of test rings, and of that fibre above the rings' drop bus."""
    bus_um = spec.ring_designs[0].bus_pitch_um
    fibre_um = max(1, round(bus_um / spec.coupler.fibre_pitch_um)) * spec.coupler.fibre_pitch_um
    return fibre_um, fibre_um - bus_um


def s_length_um(rise_um: float, radius_um: float) -> float:
    """Length along x of an S: two quarter turns, or where the rise is below two radii one raised sine.

    That is y = h·(u − sin(2πu)/2π) with u = x/L: its curvature is nowhere above 2πh/L², here one over so many radii.
    """
    rise = abs(rise_um)
    return 2.0 * radius_um if rise >= 2.0 * radius_um else math.sqrt(2.0 * math.pi * rise * LOW_S_RADII * radius_um)


def turn_radius_um(spec: ChipSpec) -> float:
    """Radius of the serpentines' turns: a double pass ends on the next fibre that the film's bends allow."""
    quarter_um = spec.coupler.fibre_pitch_um / 4.0
    return math.ceil(round(spec.waveguide.bend_radius_um / quarter_um, 6)) * quarter_um


def cutback_slots(spec: ChipSpec, passes: int) -> int:
    """Fibre pitches from one serpentine to the next line."""
    return math.ceil(4.0 * turn_radius_um(spec) * passes / spec.coupler.fibre_pitch_um) + 1


def ring_slots(spec: ChipSpec) -> int:
    """Fibre pitches that a line with rings takes: its rings stand above it, the pads of the line above hang below.

    These stay as far above the rings' drop bus as below their own guide.
    """
    high = max(design.bus_pitch_um for design in spec.ring_designs)
    return math.ceil((high + 2.0 * PROBE_BELOW_UM) / spec.coupler.fibre_pitch_um)


def _branch_dx_um(spec: ChipSpec) -> float:
    return 2.0 * spec.waveguide.bend_radius_um + 20.0
