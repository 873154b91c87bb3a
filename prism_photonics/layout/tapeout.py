"""What goes to foundry and laboratory with a drawing: its tape-out sheet, and the bump map of a flipped die."""

import csv
import io
import itertools
import math
from collections import Counter
from collections.abc import Sequence

import klayout.db as kdb

from prism_photonics.layout.assembly import (
    ProbeCard,
    WireBonder,
    edge_out_um,
    edges_um,
    faults,
    fibres_in_the_way,
    on_one_array,
    probed,
    wires,
)
from prism_photonics.layout.bonding import bonded_part_um, die_box
from prism_photonics.layout.drc import Drc
from prism_photonics.layout.electrical import thermometer_ohm, wiring
from prism_photonics.layout.fibres import Row, by_facet, fibre_lines
from prism_photonics.layout.lvs import Lvs
from prism_photonics.layout.pads import OPENING_INSET_UM, rows_um
from prism_photonics.layout.polygons import deep_store
from prism_photonics.layout.processcontrol import GAP_STEP_UM, GAPS, TIP_STEP_UM, TIPS
from prism_photonics.layout.processcontrol import PURPOSES as CONTROL
from prism_photonics.lightpath.detector.diode import ABSORBER_UM, UPPER_HALF_UM
from prism_photonics.process.layers import LAYERS, Deck
from prism_photonics.process.trench import closing_wall_deg, foot_um
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.floorplan import PAD_UM
from prism_photonics.spec.neighbours import field_share, wire_share

PURPOSES = {
    "loopback": "alignment of the fibre array: two couplers and a half turn",
    "reference": "two couplers and a straight guide, by which all others are divided",
    "cutback": "propagation and bend loss, against the reference",
    "gap_sweep": "coupling and Q against gap",
    "length_sweep": "coupling against the straight's length",
    "splitter": "division and loss of one splitter, against the reference; drops by its second output",
    "taper": "loss and spot size of couplers with another tip, against the reference and under a camera",
    "photodiode": "a photodiode by itself: bonding, contacts, dark current, responsivity",
    "monitor": "the top row by fibres, before photodiodes are bonded over its guides; after, what they let pass",
    "row": "a row of rings, read by its photodiodes",
}
"""What each structure is measured for."""
LEAST_APART_UM = 20.0  # between bonded pieces that are placed one by one; design choice


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
    lines, die = _lines(manifest), die_box(layout, kit=spec.kit is not None)
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
                    ("second metal over ribs", _metal_over_ribs(layout, spec, deck)),
                ],
            ),
            "## Layers",
            "",
            *_table(("layer", "number"), _layers(layout, deck)),
            "## Pads",
            "",
            *_table(("serves", "count"), sorted(_pads(lines).items())),
            *_assembly(spec, lines, layout),
            *_electrical(spec, deck, lines),
            *_photodiodes(spec, layout),
            "## Fibres",
            "",
            "Facet by facet from the south, as an array's channels meet them; `channel` counts the array's pitches "
            "from the facet's lowest fibre.",
            "",
            *_table(("port", "facet", "channel", "x / µm", "y / µm"), fibre_lines(lines, spec.coupler.fibre_pitch_um)),
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
            *_control_sizes(deck, diced_off=not spec.flip_chip),
        ]
    )


def _metal_over_ribs(layout: kdb.Layout, spec: ChipSpec, deck: Deck) -> str:
    """Crossings on the whole die, and the bus that lies under most metal with its loss."""
    top, store = layout.top_cell(), deep_store()
    rib, metal = (
        kdb.Region(top.begin_shapes_rec(layout.layer(*number)), store) for number in (LAYERS.ridge, LAYERS.metal2)
    )
    ends = {0, spec.chip.rows // 2, spec.chip.rows - 1}  # rows of a flipped die are alike
    rows = range(spec.chip.rows) if not spec.flip_chip else sorted(ends)
    worst_um, row = max((metal_over_bus(layout, spec, row=row)[1], -row) for row in rows)
    lost_dB, bus_um = deck.metal2_over_ridge_dB_cm * worst_um * 1e-4, spec.chip.channels * spec.ring.pitch_um
    crossings = (rib.merged() & metal.merged()).merged().count()
    return f"{crossings} crossings; of row {-row}'s bus {worst_um:.0f} of {bus_um:g} µm, {lost_dB:.1e} dB"


def bonded(layout: kdb.Layout) -> tuple[int, float]:
    """How many pieces of III–V are outlined, and how far apart in µm the nearest two of a column lie.

    Below 0 where they overlap, infinity where no column has two.

    Args:
        layout: The drawing, in our layer numbers.
    """
    outlines = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*LAYERS.attach)))
    outlines.merged_semantics = False
    pieces = sorted((piece.bbox() for piece in outlines.each()), key=lambda box: (box.left, box.right, box.bottom))
    apart = [
        upper.bottom - lower.top
        for lower, upper in itertools.pairwise(pieces)
        if (lower.left, lower.right) == (upper.left, upper.right)
    ]
    return len(pieces), min(apart, default=math.inf) * layout.dbu


def _trench(spec: ChipSpec) -> str:
    """The narrower gap of the rings, its foot, and the walls that would close it."""
    gap_um, profile = min(spec.ring.gap_through_um, spec.ring.gap_drop_um), spec.profile
    return (
        f"{1e3 * gap_um:.0f} nm, {1e3 * foot_um(profile, gap_um):.0f} nm at its foot under walls of "
        f"{profile.film.wall_deg.value:g}°; walls flatter than {closing_wall_deg(profile, gap_um):.1f}° close it"
    )


def _lines(manifest: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(manifest)))


def _assembly(spec: ChipSpec, lines: Sequence[Row], layout: kdb.Layout) -> list[str]:
    """What the bonder, the probe card and the fibre array find; nothing of the pads of a flipped die."""
    pitch_um, told = spec.coupler.fibre_pitch_um, []
    for facet, fibres in by_facet(lines).items():
        heights = [float(f["y_um"]) for f in fibres]
        on_grid = on_one_array(heights, pitch_um)
        told.append((f"{facet} fibres", f"{on_grid} of {len(heights)} on one array of {pitch_um:g} µm"))
    if not spec.flip_chip:
        opening_um = PAD_UM - 2.0 * OPENING_INSET_UM
        part_um, bonder = bonded_part_um(layout, kit=spec.kit is not None), WireBonder()
        for edge, pads_um in edges_um(_pads_um(lines)).items():
            out_um = edge_out_um(edge, part_um)
            wrong = faults(edge, pads_um, opening_um=opening_um, bonder=bonder, edge_um=out_um)
            drawn = wires(edge, pads_um, bonder, edge_um=out_um)
            longest = max((wire.length_um for wire in drawn), default=0.0)
            told.append((f"{edge}: wires", "; ".join(wrong) or f"{len(pads_um)}, the longest {longest * 1e-3:.2f} mm"))
            told.append((f"{edge}: probes", probed(edge, pads_um, opening_um=opening_um, card=ProbeCard())))
            if edge == "east" and (hidden := fibres_in_the_way(drawn, _eastern_um(lines, part_um), edge_um=out_um)):
                told.append(
                    (
                        "east: fibres",
                        f"bond wires in the way of {', '.join(hidden)}: fibres stand there before wires do, and pads "
                        "are probed",
                    )
                )
    return ["## Assembly", "", *_table(("", ""), told)]


def _eastern_um(lines: Sequence[Row], part_um: tuple[float, float, float, float]) -> dict[str, tuple[float, float]]:
    """Where fibres meet the eastern facet of the bonded part, by name."""
    _, south, _, north = part_um
    eastern = ((f["name"], float(f["x_um"]), float(f["y_um"])) for f in by_facet(lines)["eastern"])
    return {name: (x, y) for name, x, y in eastern if south <= y <= north}


def _electrical(spec: ChipSpec, deck: Deck, lines: Sequence[Row]) -> list[str]:
    """What the wires do to a driver, what grounds return through, and what may touch the pads."""
    rings_um = {line["pad"]: (float(line["x_um"]), float(line["y_um"])) for line in _of(lines, "ring")}
    found = wiring(spec, deck, rings_um, _pads_um(lines))
    coercive = spec.profile.electrooptics.coercive_field_V_um.value
    volts = coercive * spec.ring.electrode_gap_um  # beside the classes of ANSI/ESDA/JEDEC JS-001
    return [
        "## Electrical",
        "",
        *_table(
            ("", ""),
            [
                ("second metal", f"{1e3 * found.sheet_ohm:.0f} mΩ a square, pure metal"),
                (
                    "farthest ring's wire",
                    f"{found.signal_ohm:.2g} Ω; with {found.channel_fF:.3g} fF {found.bandwidth_Hz * 1e-9:.2g} GHz, "
                    f"settled to half a code in {found.settling_s * 1e12:.2g} ps",
                ),
                (
                    "its neighbours",
                    f"a wire beside it: {100.0 * found.neighbour_share:.2g} % of a step until its own driver has "
                    f"settled; for good, by its field: the next ring {1e6 * field_share(spec):.2g} parts in a million "
                    f"of a voltage, another row's wire beside the ring {1e6 * wire_share(spec):.2g}",
                ),
                ("driver", f"settles in {spec.drive.settle_us:g} µs below {found.driver_ohm * 1e-3:.3g} kΩ"),
                (
                    "ground return",
                    f"{found.ground_ohm:.2g} Ω for {found.rings} rings; {found.bounce_V * 1e3:.2g} mV while all "
                    "of them are driven from end to end",
                ),
                (
                    "handling",
                    f"no protection on the die: {volts:.0f} V between a ring's electrodes reach the coercive field "
                    f"({coercive:g} V/µm); ESD class 0A ends at 125 V; the crystal is pyroelectric: heat and cool it "
                    "slowly, with all pads joined",
                ),
            ],
        ),
    ]


def _photodiodes(spec: ChipSpec, layout: kdb.Layout) -> list[str]:
    """What is bonded where, in the order of making."""
    pieces, apart_um = bonded(layout)
    placed = f"{pieces} outlines of `attach`"
    if apart_um < math.inf:
        placed += f", {max(apart_um, 0.0):g} µm from row to row"
    if apart_um < LEAST_APART_UM:
        placed += f"; pieces are not placed as near ({LEAST_APART_UM:g} µm): bond one strip along each column"
    length_um, width_um = ABSORBER_UM[1] - ABSORBER_UM[0], 2.0 * UPPER_HALF_UM
    count = 2 * spec.chip.rows * spec.chip.buses
    told = [
        ("kind", "InGaAs/InP, modified uni-travelling-carrier, n side down: as in Photonics Research 10, 1338 (2022)"),
        ("on the die", f"{count} of rows, one by itself; absorbers of {width_um:g} × {length_um:g} µm"),
        (
            "making",
            "ribs and first metal; `window` opened in the oxide; III–V bonded within `attach`, thinned; "
            "`mesa_p`, `mesa_n`; `contact_p`, `contact_n`; oxide, `contact_via`; second metal",
        ),
        ("bonded pieces", placed),
        ("first metal, bumps", "none under the bonded piece, which wants a flat surface"),
    ]
    return ["## Photodiodes", "", *_table(("", ""), told)]


def _pads_um(lines: Sequence[Row]) -> dict[str, tuple[float, float]]:
    return {
        line["pad"]: (float(line["pad_x_um"]), float(line["pad_y_um"]))
        for line in lines
        if line["pad"] and line["kind"] != "probe"
    }


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


def _control_sizes(deck: Deck, *, diced_off: bool) -> list[str]:
    """What the thermometer reads and how long it is there, and which rib of the gauge is which."""
    ohm, ohm_K = thermometer_ohm(deck)
    goes = "It goes with the tests when these are diced off: the bonded circuit's temperature is its rings' to tell. "
    gaps, tips = (
        f"{1e3 * deck.value_um(rule):.0f} to {1e3 * (deck.value_um(rule) + (count - 1) * step_um):.0f} nm in steps of "
        f"{1e3 * step_um:.0f}"
        for rule, count, step_um in (("ridge_space", GAPS, GAP_STEP_UM), ("ridge_width", TIPS, TIP_STEP_UM))
    )
    return [
        f"The thermometer has {ohm:.3g} Ω at 20 °C and {1e3 * ohm_K:.3g} mΩ more a kelvin, of pure metal: calibrate it "
        f"on a chuck of known temperature. {goes if diced_off else ''}"
        f"The gauge's ribs, from the south: gaps of {gaps}; widths of {tips}.",
        "",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(str(cell) for cell in row)} |" for row in cells), ""]
