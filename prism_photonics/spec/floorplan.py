"""Floorplan: tracks beside the rings, pads along three edges, the die's outline. All lengths in µm."""

import math
from dataclasses import dataclass

from prism_photonics.lightpath.detector.design import LANE_UM
from prism_photonics.spec.chip_spec import ChipSpec
from prism_photonics.spec.geometry import (
    DROP_LEAD_UM,
    WEST_CLEAR_UM,
    WEST_TRACK_UM,
    detector_site,
    facet_um,
    row_top_um,
    site_reach_um,
)
from prism_photonics.spec.outline import monitor_heights_um
from prism_photonics.units import InputError

# Design choices for wire bonding: 25 µm gold wire on 70 µm pads, two staggered lines of pads per edge.
PAD_UM = 70.0
EDGE_UM = (
    140.0  # from the outer line of pads (centre) to the die edge: half a pad, its label, alignment marks, the border
)
EXCLUSION_UM = 30.0  # border kept clear for dicing
WIRE_UM = 6.0
GROUND_UM = 10.0
SPACE_UM = 4.0
LEAST_WIRE_UM, LEAST_SPACE_UM = 3.5, 3.0
LANE_PITCH_UM = GROUND_UM + SPACE_UM
SITE_CLEAR_UM = 8.0  # from where a western photodiode's piece is held to the through bus's lead; design choice
MARGIN_UM = 45.0  # from the outermost buses to the first lane: the eastern pads reach up to 45 µm beyond them
MONITOR_CLEAR_UM = 20.0  # from the guide of the upper monitor fibre to the first lane


@dataclass(frozen=True)
class Tracks:
    """The strip between two rings: a ground track, then the signal tracks.

    Attributes:
        signal_um: Width of a signal track.
        space_um: Space between tracks.
        ground_um: Width of the ground track.
    """

    signal_um: float
    space_um: float
    ground_um: float


@dataclass(frozen=True)
class Floorplan:
    """The plan of one chip; the origin is row 0's first through port.

    Attributes:
        spec: The chip.
        tracks: Widths in the strips between ring columns.
    """

    spec: ChipSpec
    tracks: Tracks

    @property
    def pad_pitch(self) -> float:
        """Between neighbouring pads of an edge, across its lines."""
        return self.spec.pad_pitch_um

    @property
    def half(self) -> int:
        """Rows that leave southwards; the others leave northwards."""
        return self.spec.chip.rows // 2

    @property
    def row_length(self) -> float:
        """Length of the rings of a row along x."""
        return self.spec.chip.channels * self.spec.ring.pitch_um

    @property
    def facet(self) -> float:
        """Position of the western die edge, where the edge coupler ends."""
        return facet_um(self.spec)

    @property
    def north_base(self) -> float:
        """Where the wires leave the rings northwards: above the guide that goes on from the top row to the facet."""
        above_rows = (self.spec.chip.rows - 1) * self.spec.row_pitch_um + row_top_um(self.spec) + MARGIN_UM
        if self.spec.two_sided:
            return above_rows
        return max(above_rows, monitor_heights_um(self.spec)[1] + MONITOR_CLEAR_UM)

    @property
    def south_base(self) -> float:
        """Where the wires leave the rings southwards."""
        return -MARGIN_UM

    @property
    def site_east(self) -> float:
        """Eastern side of the photodiode sites, where their wires begin."""
        return self.row_length + site_reach_um(self.spec)

    def ground_track(self, channel: int) -> float:
        """Centre of a column's ground track, west of its rings."""
        return self._ring(channel) - self._reach - self.tracks.space_um - self.tracks.ground_um / 2.0

    def signal_track(self, row: int, channel: int) -> float:
        """Centre of a ring's signal track, east of its column: the row nearest its exit has the nearest track."""
        pitch = self.tracks.signal_um + self.tracks.space_um
        first = self._ring(channel) + self._reach + self.tracks.space_um + self.tracks.signal_um / 2.0
        return first + self._rows_before(row) * pitch

    def west_track(self, row: int, contact: int) -> float:
        """Centre of the track of a photodiode in the west (its contact 0 or 1, in the order of leaving)."""
        nth = 2 * self._rows_before(row) + contact
        first = -DROP_LEAD_UM - self.spec.photodiode_design.reach_um - WEST_CLEAR_UM
        return first - (nth + 0.5) * WEST_TRACK_UM

    def pads(self, count: int, *, center: float, least: float, pitch: float) -> tuple[float, ...]:
        """Positions of ``count`` pads along an edge, about ``center`` but none below ``least``."""
        first = max(round(center - (count - 1) * pitch / 2.0), math.ceil(least))
        return tuple(first + n * pitch for n in range(count))

    def _rows_before(self, row: int) -> int:
        """Rows between this one and the edge that it leaves to."""
        return row if row < self.half else self.spec.chip.rows - 1 - row

    @property
    def _reach(self) -> float:
        return _reach_um(self.spec)

    def _ring(self, channel: int) -> float:
        return (channel + 0.5) * self.spec.ring.pitch_um


def require_room(spec: ChipSpec) -> None:
    """Refuse rows so near that photodiode sites would meet, and buses so near that a drop photodiode finds no room.

    Raises:
        InputError: They would; it does not.
    """
    if spec.two_sided:
        buses, half = spec.ring_designs[0].bus_pitch_um, spec.photodiode_design.hold_um / 2.0
        need = half + SITE_CLEAR_UM
        if buses < need:
            raise InputError(
                f"detector.sides = 'both': through and drop bus lie {buses:g} µm apart, a photodiode's piece beside "
                f"the lead needs {need:g}; raise ring.radius_um by {math.ceil(need - buses) / 2.0:g}, or use 'east'"
            )
        return
    site = detector_site(spec)
    if site.hold_um > site.free_hold_um:
        need = site.port_pitch_um + 2.0 * (site.hold_um - site.free_hold_um)
        raise InputError(
            f"photodiode site: its guides lie {site.port_pitch_um:g} µm apart, a piece of {site.hold_um:g} µm between "
            f"them needs {math.ceil(need)}; raise waveguide.bend_radius_um"
        )
    height = 2.0 * site.hold_um + LANE_UM
    if spec.row_pitch_um < height + LEAST_SPACE_UM:
        raise InputError(
            f"rows lie {spec.row_pitch_um:g} µm apart, a photodiode site is {height:g} µm high; "
            "raise waveguide.bend_radius_um"
        )


def plan(spec: ChipSpec) -> Floorplan:
    """Plan a chip that is bonded along its edges.

    Raises:
        InputError: No room for the tracks beside the rings.
    """
    floor = Floorplan(spec, _tracks(spec))
    require_room(spec)
    return floor


def _reach_um(spec: ChipSpec) -> float:
    """From a ring's middle to the end of its straps, the longest ring of the row taken."""
    longest = max(design.straight_um for design in spec.ring_designs)
    return math.ceil((longest / 2.0 + spec.ring_designs[0].outer_um) * 100.0) / 100.0


def comfortable_pitch_um(spec: ChipSpec) -> float:
    """Pitch of rings that leaves room for tracks of comfortable widths beside each, on a die bonded along its edges."""
    return 2.0 * _reach_um(spec) + _comfortable_um((spec.chip.rows + 1) // 2)


def _comfortable_um(count: int) -> float:
    return count * (WIRE_UM + SPACE_UM) + GROUND_UM + 2.0 * SPACE_UM


def _tracks(spec: ChipSpec) -> Tracks:
    """The widest tracks that fit beside a ring: first at comfortable widths, then at the least."""
    count = (spec.chip.rows + 1) // 2
    free = spec.ring.pitch_um - 2.0 * _reach_um(spec)
    if free >= _comfortable_um(count):
        return Tracks(WIRE_UM, SPACE_UM, GROUND_UM)
    space = LEAST_SPACE_UM
    width = math.floor(((free - WIRE_UM - 2.0 * space) / count - space) * 10.0) / 10.0
    if width < LEAST_WIRE_UM:
        need = count * (LEAST_WIRE_UM + space) + WIRE_UM + 2.0 * space + 2.0 * _reach_um(spec)
        raise InputError(
            f"ring.pitch_um = {spec.ring.pitch_um:g}: no room for {count} signal tracks and a ground track beside each "
            f"ring; want at least {math.ceil(need)}"
        )
    return Tracks(min(width, WIRE_UM), space, WIRE_UM)
