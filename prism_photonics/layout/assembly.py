"""Assembly of a die bonded along its edges: its pads against a wire bonder's and a probe card's rules, every wire."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from prism_photonics.layout.routing import Point

Edge = Literal["north", "south", "east"]
LEAST_SLOPE = 1e-3  # so that pads which hide each other get wires too long for any bonder, not none
FIBRE_UM = 125.0  # a fibre's diameter
ABOUT_UM = 1.0  # pads whose places differ by less stand on one line


@dataclass(frozen=True)
class WireBonder:
    """What a bonder asks for, in µm; the defaults are a ball bonder's with 25 µm gold wire: design choice.

    Attributes:
        wire_um: Diameter of the wire.
        least_opening_um: Of a pad's passivation: a ball of 2.2 wires.
        least_pitch_um: Between pads of one line: a capillary beside the next wire's loop.
        most_turn_deg: Between a wire and the die's edge's normal.
        carrier_pitch_um: Between the carrier's fingers.
        least_reach_um: From an outer pad to the carrier's fingers.
        least_beyond_um: From the die's edge to them.
        most_wire_um: Length over ground of a wire that does not sag.
    """

    wire_um: float = 25.0
    least_opening_um: float = 55.0
    least_pitch_um: float = 80.0
    most_turn_deg: float = 45.0
    carrier_pitch_um: float = 100.0
    least_reach_um: float = 1000.0
    least_beyond_um: float = 860.0
    most_wire_um: float = 4000.0


@dataclass(frozen=True)
class ProbeCard:
    """A card whose needles stand in one line, evenly apart.

    Source of the pitches that can be bought: gdsfactory's guide to design for test (100, 125, 150 and 200 µm).

    Attributes:
        name: As on the tape-out sheet.
        pitch_um: Between needles.
        least_opening_um: Of a pad's passivation: a needle's mark and how far it slides; design choice.
    """

    name: str = "DC card of 100 µm"
    pitch_um: float = 100.0
    least_opening_um: float = 50.0


@dataclass(frozen=True)
class Wire:
    """A bond wire from a pad to the carrier's finger, in µm of the die's coordinates."""

    pad: str
    edge: Edge
    start_um: Point
    end_um: Point

    @property
    def length_um(self) -> float:
        """Over ground."""
        return math.dist(self.start_um, self.end_um)


def edges_um(pads_um: Mapping[str, Point]) -> dict[Edge, dict[str, Point]]:
    """Pads by the edge that they serve, each edge's in the order along it.

    Args:
        pads_um: Middles of the bond pads by name, from row 0's first port: the rows lie above it.
    """
    found: dict[Edge, dict[str, Point]] = {"north": {}, "south": {}, "east": {}}
    for name, at in pads_um.items():
        eastern = name.startswith("detector_") and "_drop_" not in name
        found["east" if eastern else "north" if at[1] > 0.0 else "south"][name] = at
    return {edge: dict(sorted(pads.items(), key=lambda pad: _along(edge, pad[1]))) for edge, pads in found.items()}


def lines_um(edge: Edge, pads_um: Mapping[str, Point]) -> list[list[float]]:
    """Positions along an edge of the pads of each of its lines, the inner line first."""
    lines: list[tuple[float, list[float]]] = []
    for at in sorted(pads_um.values(), key=lambda at: _out(edge, at)):
        if not lines or _out(edge, at) - lines[-1][0] > ABOUT_UM:
            lines.append((_out(edge, at), []))
        lines[-1][1].append(_along(edge, at))
    return [sorted(along) for _, along in lines]


def edge_out_um(edge: Edge, die_um: tuple[float, float, float, float]) -> float:
    """How far out an edge of a die lies, from its west, south, east and north side."""
    _, south, east, north = die_um
    return {"north": north, "south": -south, "east": east}[edge]


def wires(edge: Edge, pads_um: Mapping[str, Point], bonder: WireBonder, *, edge_um: float = -math.inf) -> list[Wire]:
    """The wires of one edge, to fingers in the pads' order and so far out that none turns too much.

    The wire of an inner pad passes the outer line before the pad there beside it, so that no two wires cross.

    Args:
        edge: Which edge.
        pads_um: Middles of its pads by name.
        bonder: What the bonder asks for.
        edge_um: How far out the die's edge lies (`edge_out_um`): a kit's die may end far from its pads.
    """
    if not pads_um:
        return []
    middle = sum(_along(edge, at) for at in pads_um.values()) / len(pads_um)
    first = middle - (len(pads_um) - 1) * bonder.carrier_pitch_um / 2.0
    fingers = [first + n * bonder.carrier_pitch_um for n in range(len(pads_um))]
    outer = max(_out(edge, at) for at in pads_um.values())
    aside = max(abs(finger - _along(edge, at)) for finger, at in zip(fingers, pads_um.values(), strict=True))
    steepest = math.tan(math.radians(bonder.most_turn_deg))
    for (a, b), (c, d) in pairwise(pads_um.values() if edge != "east" else [at[::-1] for at in pads_um.values()]):
        if abs(d - b) > ABOUT_UM:
            steepest = min(steepest, (abs(c - a) - bonder.wire_um / 2.0) / abs(d - b))
    reach = outer + max(bonder.least_reach_um, aside / max(steepest, LEAST_SLOPE))
    reach = max(reach, edge_um + bonder.least_beyond_um)
    return [
        Wire(name, edge, at, _point(edge, finger, reach))
        for finger, (name, at) in zip(fingers, pads_um.items(), strict=True)
    ]


def fibres_in_the_way(drawn: Sequence[Wire], fibres_um: Mapping[str, Point], *, edge_um: float) -> list[str]:
    """Eastern fibres above or beside which a bond wire runs, by name: they go on eastwards from the die's edge.

    Args:
        drawn: Wires of the eastern edge.
        fibres_um: Where fibres meet that edge, by name.
        edge_um: Where it lies.
    """

    def in_way(wire: Wire, height_um: float) -> bool:
        (x0, y0), (x1, y1) = wire.start_um, wire.end_um
        at_edge = y0 + (y1 - y0) * (edge_um - x0) / (x1 - x0)
        reach_um = (FIBRE_UM + WireBonder().wire_um) / 2.0
        return min(at_edge, y1) - reach_um < height_um < max(at_edge, y1) + reach_um

    return [name for name, (_, y) in fibres_um.items() if any(in_way(wire, y) for wire in drawn)]


def faults(
    edge: Edge,
    pads_um: Mapping[str, Point],
    *,
    opening_um: float,
    bonder: WireBonder,
    edge_um: float = -math.inf,
) -> list[str]:
    """What the bonder cannot do on one edge, one sentence each."""
    wrong = []
    if opening_um < bonder.least_opening_um:
        wrong.append(
            f"{edge}: pad openings of {opening_um:g} µm; a wire of {bonder.wire_um:g} µm asks for "
            f"{bonder.least_opening_um:g}"
        )
    for along in lines_um(edge, pads_um):
        least = min((b - a for a, b in pairwise(along)), default=math.inf)
        if least < bonder.least_pitch_um:
            wrong.append(f"{edge}: pads of a line {least:g} µm apart; the bonder asks for {bonder.least_pitch_um:g}")
    longest = max((wire.length_um for wire in wires(edge, pads_um, bonder, edge_um=edge_um)), default=0.0)
    if longest > bonder.most_wire_um:
        wrong.append(f"{edge}: a wire of {longest:.0f} µm; it sags beyond {bonder.most_wire_um:g}")
    return wrong


def probed(edge: Edge, pads_um: Mapping[str, Point], *, opening_um: float, card: ProbeCard) -> str:
    """How a card reaches an edge's pads, in words."""
    lines = lines_um(edge, pads_um)
    if len(lines) != 1:
        return f"{len(lines)} staggered lines: no single-line card (chip.pad_lines = 1 gives one line)"
    if opening_um < card.least_opening_um:
        return f"pad openings of {opening_um:g} µm; {card.name} asks for {card.least_opening_um:g}"
    even = all(abs(b - a - card.pitch_um) < ABOUT_UM for a, b in pairwise(lines[0]))
    return f"{card.name}, {len(lines[0])} needles" if even else f"pads are not {card.pitch_um:g} µm apart throughout"


def on_one_array(heights_um: Sequence[float], pitch_um: float) -> int:
    """How many of a facet's fibres at most stand on one grid of a fibre array."""
    return max((sum(_off(a - b, pitch_um) < ABOUT_UM for b in heights_um) for a in heights_um), default=0)


def _off(apart_um: float, pitch_um: float) -> float:
    return abs(apart_um - pitch_um * round(apart_um / pitch_um))


def _along(edge: Edge, at: Point) -> float:
    return at[1] if edge == "east" else at[0]


def _out(edge: Edge, at: Point) -> float:
    """Distance towards the edge."""
    return {"north": at[1], "south": -at[1], "east": at[0]}[edge]


def _point(edge: Edge, along: float, out: float) -> Point:
    return {"north": (along, out), "south": (along, -out), "east": (out, along)}[edge]
