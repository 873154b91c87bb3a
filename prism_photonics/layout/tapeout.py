"""What goes to foundry and laboratory with a drawing: its tape-out sheet, and the bump map of a flipped die."""

import csv
import io
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import klayout.db as kdb

from prism_photonics.layout.drc import Drc
from prism_photonics.layout.lvs import Lvs
from prism_photonics.layout.pads import rows_um
from prism_photonics.layout.processcontrol import PURPOSES as CONTROL
from prism_photonics.process.layers import LAYERS, Deck
from prism_photonics.process.trench import closing_wall_deg, foot_um
from prism_photonics.spec import ChipSpec

Row = Mapping[str, str]  # a line of the manifest

PURPOSES = {
    "loopback": "alignment of the fibre array: two couplers and a half turn",
    "reference": "two couplers and a straight guide, by which all others are divided",
    "cutback": "propagation and bend loss, against the reference",
    "gap_sweep": "coupling and Q against gap",
    "length_sweep": "coupling against the straight's length",
    "splitter": "division and loss of one splitter, against the reference; drops by its second output",
    "taper": "loss and spot size of couplers with another tip, against the reference and under a camera",
    "photodiode": "a photodiode by itself: attachment, dark current, responsivity",
    "monitor": "the top row by fibres, before photodiodes are attached over its guides; after, what they let pass",
    "row": "a row of rings, read by its photodiodes",
}
"""What each structure is measured for."""


def bump_map(manifest: str) -> str:
    """The bumps of a flipped die as CSV, for who draws the interposer; empty where the die has none.

    Columns: name, kind, row, bus and channel as in the manifest, the place on the die from above (before it is
    flipped), and ``interposer_x_um``, the same place seen on the interposer: x changes its sign.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("name", "kind", "row", "bus", "channel", "x_um", "y_um", "interposer_x_um", "interposer_y_um"))
    for line in _lines(manifest):
        if line["pad"] and line["kind"] != "probe":
            x, y = line["pad_x_um"], line["pad_y_um"]
            table.writerow(
                (*(line[key] for key in ("pad", "kind", "row", "bus", "channel")), x, y, f"{-float(x):.3f}", y)
            )
    return text.getvalue()


def metal_over_bus(layout: kdb.Layout, spec: ChipSpec, *, bus: int = 0, row: int = 0) -> tuple[int, float]:
    """How often second metal crosses a row's through bus, and the length of bus under it in µm.

    Args:
        layout: The drawing, in our layer numbers.
        spec: Its spec.
        bus: Which bus.
        row: Which row.
    """
    x, y = rows_um(layout)[bus, row]
    window = kdb.DBox(x, y - spec.width_um, x + spec.chip.channels * spec.ring.pitch_um, y + spec.width_um)
    rib, metal = (
        kdb.Region(layout.top_cell().begin_shapes_rec_touching(layout.layer(*number), window))
        for number in (LAYERS.ridge, LAYERS.metal2)
    )
    under = (rib & metal & kdb.Region(window.to_itype(layout.dbu))).merged()
    return under.count(), under.area() * layout.dbu**2 / spec.width_um


def sheet(spec: ChipSpec, layout: kdb.Layout, *, manifest: str, deck: Deck, drc: Drc, lvs: Lvs) -> str:
    """The tape-out sheet of a drawing as Markdown: die, layers, pads, fibres, and what is measured in which order.

    Args:
        spec: The chip.
        layout: Its drawing, in our layer numbers.
        manifest: Its manifest.
        deck: Its layer numbers and rules.
        drc: What the rules found.
        lvs: What the comparison with the design found.
    """
    # A kit's exclusion zone ends at the die's edge, ours at the street's.
    edge = LAYERS.contour if spec.kit is None else LAYERS.exclusion
    lines, die = _lines(manifest), layout.top_cell().dbbox(layout.layer(*edge))
    crossings, under_um = metal_over_bus(layout, spec)
    kit = "" if spec.kit is None else f", cells of {spec.kit.package}"
    wrong = len(lvs.structural) + len(lvs.checks.violations)
    return "\n".join(
        [
            f"# {spec.name}: tape-out sheet",
            "",
            f"{spec.chip.rows} rows of {spec.chip.rings} rings, spec {spec.hash[:8]}. {spec.profile.description}{kit}.",
            "",
            *_table(
                ("", ""),
                [
                    ("die", f"{die.width() * 1e-3:.3f} × {die.height() * 1e-3:.3f} mm"),
                    ("its western edge, its southern edge", f"{die.left:g} µm, {die.bottom:g} µm"),
                    ("mounting", "flipped onto bumps" if spec.flip_chip else "bonded along its edges"),
                    (f"{len(drc.counts)} drawing rules of {deck.name}", f"{drc.violations} violations"),
                    ("drawing against design", f"{wrong} differences"),
                    ("trench between ring and bus", _trench(spec)),
                    (
                        "second metal over row 0's through bus",
                        f"{crossings} crossings, {under_um:.0f} of {spec.chip.channels * spec.ring.pitch_um:g} µm",
                    ),
                ],
            ),
            "## Layers",
            "",
            *_table(("layer", "number"), _layers(layout, deck)),
            "## Pads",
            "",
            *_table(("serves", "count"), sorted(_pads(lines).items())),
            "## Fibres",
            "",
            *_table(("port", "x / µm", "y / µm"), [(f["name"], f["x_um"], f["y_um"]) for f in _of(lines, "fibre")]),
            "## Test plan",
            "",
            "In this order. Light enters and leaves by the fibres above; that of rows leaves as photocurrents at pads.",
            "",
            *_table(("structure", "light enters", "leaves", "drops", "for"), _plan(lines)),
            "## Process control",
            "",
            "Beside the loopback, their pads in one line for a probe card; verniers stand beside the crosses in the "
            "corners: the pair of bars that meets tells the error.",
            "",
            *_table(("structure", "pads", "for"), _control(lines)),
        ]
    )


def _trench(spec: ChipSpec) -> str:
    """The narrower gap of the rings, its foot, and the walls that would close it."""
    gap_um, profile = min(spec.ring.gap_through_um, spec.ring.gap_drop_um), spec.profile
    return (
        f"{1e3 * gap_um:.0f} nm, {1e3 * foot_um(profile, gap_um):.0f} nm at its foot under walls of "
        f"{profile.film.wall_deg.value:g}°; walls flatter than {closing_wall_deg(profile, gap_um):.1f}° close it"
    )


def _lines(manifest: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(manifest)))


def _of(lines: Sequence[Row], kind: str) -> list[Row]:
    return [line for line in lines if line["kind"] == kind]


def _pads(lines: Sequence[Row]) -> Counter[str]:
    return Counter(line["kind"] for line in lines if line["pad"])


def _layers(layout: kdb.Layout, deck: Deck) -> list[tuple[str, str]]:
    """Those that the drawing uses, with the deck's numbers."""
    used = {
        name: index
        for name, number in LAYERS.items()
        if (index := layout.find_layer(*number)) is not None and not layout.top_cell().dbbox(index).empty()
    }
    return [(name, f"{number[0]}/{number[1]}") for name, number in deck.layers.items() if name in used]


def _plan(lines: Sequence[Row]) -> list[tuple[str, ...]]:
    """Structures in the order of `PURPOSES`: what all others are divided by comes first. Rows of a bus share a line."""
    order = list(PURPOSES)
    structures = sorted(_of(lines, "structure"), key=lambda line: order.index(line["structure"]))
    plan = []
    for _, group in itertools.groupby(structures, key=lambda line: (line["structure"], line["fibre_in"])):
        first, *others = group
        cells = [first[key] for key in ("name", "fibre_in", "through", "drop")]
        if others:
            last = [others[-1][key] for key in ("name", "fibre_in", "through", "drop")]
            cells = [a if a == b else f"{a} … {b}" for a, b in zip(cells, last, strict=True)]
        plan.append((*cells, PURPOSES[first["structure"]]))
    return plan


def _control(lines: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Electrical structures, and how many pads each has."""
    probes = [line["name"].rpartition("_")[0] for line in _of(lines, "probe")]
    named = {line["name"] for line in _of(lines, "control")}
    return [(name, str(probes.count(name) or ""), told) for name, told in CONTROL.items() if name in named]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(str(cell) for cell in row)} |" for row in cells), ""]
