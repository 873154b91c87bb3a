"""Bonding diagram of a die bonded along its edges, as PDF: the die, its pads, every wire and the finger it goes to."""

from collections.abc import Mapping
from io import BytesIO

import klayout.db as kdb
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from prism_photonics.layout.assembly import Edge, Wire, WireBonder, edge_out_um, edges_um, wires
from prism_photonics.layout.pads import pad_centers_um
from prism_photonics.layout.routing import Point
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec.floorplan import EDGE_UM, PAD_UM

BESIDE_UM = 300.0  # round what a page shows
FIBRE_UM = 250.0  # length that is drawn of a fibre
COLORS = {"ring": "#2a6f97", "ground": "#555555", "detector": "#b5532a"}  # by what a pad serves


def die_box(drawing: kdb.Layout, *, kit: bool) -> kdb.DBox:
    """The die: a kit's exclusion zone ends at its edge, ours at the street's."""
    return drawing.top_cell().dbbox(drawing.layer(*(LAYERS.exclusion if kit else LAYERS.contour)))


def bonded_part_um(drawing: kdb.Layout, *, kit: bool) -> tuple[float, float, float, float]:
    """West, south, east and north side of what is left of a bonded die once its tests are diced off: the circuit."""
    die = die_box(drawing, kit=kit)
    pads = [y for _, y in pad_centers_um(drawing).values()]
    return die.left, max(die.bottom, min(pads) - EDGE_UM), die.right, die.top


@style.context("default")  # the same bytes whatever the user's matplotlib settings are
def bonding_pdf(
    title: str,
    pads_um: Mapping[str, Point],
    die_um: tuple[float, float, float, float],
    *,
    fibres_um: Mapping[str, Point],
) -> bytes:
    """A page with the whole die and its fibres, then one for each edge with the pads' names and the fingers' numbers.

    Fingers are counted along each edge from the west and from the south: ``N1``, ``S1``, ``E1``.

    Args:
        title: Heading.
        pads_um: Middles of the bond pads by name.
        die_um: West, south, east and north side of the die.
        fibres_um: Where light enters and leaves, by name; those of tests that were diced off are not drawn.
    """
    by_edge = {
        edge: wires(edge, pads, WireBonder(), edge_um=edge_out_um(edge, die_um))
        for edge, pads in edges_um(pads_um).items()
    }
    drawn = [wire for found in by_edge.values() for wire in found]
    stream = BytesIO()
    with PdfPages(stream, metadata={"Title": title, "CreationDate": None}) as pdf:
        _page(pdf, f"{title}: {len(drawn)} wires of {WireBonder().wire_um:g} µm", drawn, die_um, fibres_um=fibres_um)
        for edge, found in by_edge.items():
            if found:
                longest = max(wire.length_um for wire in found)
                heading = f"{title}, {edge}: {len(found)} wires, the longest {longest * 1e-3:.2f} mm"
                _page(pdf, heading, found, die_um, fibres_um=None)
    return stream.getvalue()


def _page(
    pdf: PdfPages,
    title: str,
    drawn: list[Wire],
    die_um: tuple[float, float, float, float],
    *,
    fibres_um: Mapping[str, Point] | None,
) -> None:
    """One page: with fibres the whole die, without them an edge whose wires are named."""
    figure = Figure(figsize=(16.5, 11.7), layout="constrained")
    FigureCanvasPdf(figure)
    axes = figure.add_subplot()
    west, south, east, north = die_um
    axes.add_patch(Rectangle((west, south), east - west, north - south, facecolor="#f4f4ee", edgecolor="black"))
    colors = [COLORS[wire.pad.split("_")[0]] for wire in drawn]
    axes.add_collection(LineCollection([(wire.start_um, wire.end_um) for wire in drawn], colors=colors, linewidths=0.7))
    pads = [Rectangle((x - PAD_UM / 2.0, y - PAD_UM / 2.0), PAD_UM, PAD_UM) for x, y in (w.start_um for w in drawn)]
    fingers = [Rectangle((x - PAD_UM / 2.0, y - PAD_UM / 2.0), PAD_UM, PAD_UM) for x, y in (w.end_um for w in drawn)]
    axes.add_collection(PatchCollection(pads, facecolor=colors))
    axes.add_collection(PatchCollection(fingers, facecolor="none", edgecolor="#888888"))
    if fibres_um is None:
        for n, wire in enumerate(drawn, 1):
            _name(axes, wire, n)
    xs, ys = zip(*(at for wire in drawn for at in (wire.start_um, wire.end_um)), strict=True)
    sides = [min(xs), min(ys), max(xs), max(ys)]
    if fibres_um is not None:
        for name, (x, y) in fibres_um.items():
            if south <= y <= north:
                _fibre(axes, name, (x, y), eastern=x > (west + east) / 2.0)
        sides = [min(sides[0], west - FIBRE_UM), min(sides[1], south), max(sides[2], east), max(sides[3], north)]
    axes.set(xlim=(sides[0] - BESIDE_UM, sides[2] + BESIDE_UM), ylim=(sides[1] - BESIDE_UM, sides[3] + BESIDE_UM))
    axes.set_aspect("equal")
    axes.set(title=title, xlabel="x / µm", ylabel="y / µm")
    pdf.savefig(figure)


def _fibre(axes: Axes, name: str, at_um: Point, *, eastern: bool) -> None:
    """A fibre that meets the die from outside, and its name."""
    (x, y), out = at_um, FIBRE_UM if eastern else -FIBRE_UM
    axes.plot([x, x + out], [y, y], color="#2f7d32", linewidth=1.5)
    axes.text(x + out, y, f" {name} ", fontsize=5.5, ha="left" if eastern else "right", va="center", color="#2f7d32")


def _name(axes: Axes, wire: Wire, number: int) -> None:
    """The pad's name beside its finger, away from the die, with the finger's number."""
    upright: dict[Edge, tuple[float, str, str]] = {
        "north": (90.0, "center", "bottom"),
        "south": (90.0, "center", "top"),
        "east": (0.0, "left", "center"),
    }
    turn, across, along = upright[wire.edge]
    out = {"north": (0.0, PAD_UM), "south": (0.0, -PAD_UM), "east": (PAD_UM, 0.0)}[wire.edge]
    at = wire.end_um[0] + out[0], wire.end_um[1] + out[1]
    text = f"{wire.edge[0].upper()}{number}  {wire.pad}"
    axes.text(*at, text, fontsize=5.5, rotation=turn, ha=across, va=along, clip_on=False)
