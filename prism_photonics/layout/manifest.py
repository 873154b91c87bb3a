"""The measurement manifest: every ring, photodiode contact and fibre port, where it is, and which pad serves it."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import klayout.db as kdb

from prism_photonics.layout.measurable import Line, measured_lines
from prism_photonics.layout.metadata import require_metadata
from prism_photonics.layout.pads import (
    NOWHERE,
    is_coupler,
    named_um,
    on_bank,
    pad_centers_um,
    probe_centers_um,
    ring_pad,
    rows_um,
    serves,
)
from prism_photonics.layout.polygons import open_layout, refusing_damage, title
from prism_photonics.layout.processcontrol import PURPOSES as CONTROL

COLUMNS = ("name", "kind", "x_um", "y_um", "port", "row", "bus", "channel", "pad", "pad_x_um", "pad_y_um")
MEASURED = ("structure", "gap_nm", "length_um", "passes", "fibre_in", "through", "drop", "file")
"""Columns for whoever measures: what a line belongs to, its sizes, where light enters and leaves, its file's name."""


def manifest_csv(gds: Path | str | kdb.Layout) -> str:
    """The manifest of a drawn chip as CSV, positions as they stand in the file.

    One line per ring (its centre, and the pad that drives it), per other pad (``kind`` heater, ground, detector, or
    probe of a test structure), per fibre port (``kind`` fibre, at the facet, no pad) and per electrical structure
    (``kind`` control, its middle or that of its pads; these are called by its name and a number). Row, bus and channel
    are −1 where a line speaks of no single one.

    Then what is to be measured: a line per row of rings and per test structure (``kind`` structure, at its input) with
    the fibre where light enters, where it leaves, and the name, without its end, of the file of its spectrum; and a
    line per test ring. ``gap_nm`` is a ring's gap to its through bus; ``length_um`` is a ring's circumference, or the
    length of a guide between its two couplers.

    Raises:
        InputError: The file cannot be read, or has lost its metadata.
    """
    with refusing_damage(gds):
        layout = open_layout(gds)
        require_metadata(layout, where=title(gds))
        return _manifest_csv(layout)


def _manifest_csv(layout: kdb.Layout) -> str:
    pads = pad_centers_um(layout)
    lines: list[Line] = []
    centers, rows = _ring_centers_um(layout), rows_um(layout)
    buses = 1 + max((bus for bus, _ in rows), default=0)
    for (bus, row), (x, y) in rows.items():
        owner = f"bank_{bus}/" if buses > 1 else ""
        for channel, (dx, dy) in centers.items():
            pad = on_bank(ring_pad(row, channel), bus, buses)
            lines.append((f"{owner}row_{row}/ring_{channel}", "ring", x + dx, y + dy, "e1", row, bus, channel, pad))
    for pad, (x, y) in pads.items():
        kind, bus, row, channel = serves(pad)
        if kind != "ring":
            lines.append((pad, kind, x, y, "", row, bus, channel, pad))
    for name, (x, y) in _fibres_um(layout).items():
        bus = 0 if name == "coupler" else int(name.removeprefix("coupler_")) if name.startswith("coupler_") else NOWHERE
        lines.append((name, "fibre", x, y, "o1", NOWHERE, bus, NOWHERE, ""))

    probes = probe_centers_um(layout)
    for name, (x, y) in sorted(probes.items()):
        lines.append((name, "probe", x, y, "", NOWHERE, NOWHERE, NOWHERE, name))
    pads |= probes
    for name, (x, y) in _control_um(layout, probes).items():
        lines.append((name, "control", x, y, "", NOWHERE, NOWHERE, NOWHERE, ""))
    measured = measured_lines(layout, lines, buses=buses)

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow((*COLUMNS, *MEASURED))
    for name, kind, x, y, port, row, bus, channel, pad in (*lines, *measured.added):
        at = (f"{value:.3f}" for value in pads[pad]) if pad in pads else ("", "")
        more = (measured.columns.get(name, {}).get(column, "") for column in MEASURED)
        table.writerow((name, kind, f"{x:.3f}", f"{y:.3f}", port, row, bus, channel, pad, *at, *more))
    return text.getvalue()


def _control_um(layout: kdb.Layout, probes: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Middle of every electrical structure by name, of its pads where it has some."""
    found = {}
    for name in CONTROL:
        pads = [probes[pad] for pad in probes if pad.rpartition("_")[0] == name]
        if pads:
            found[name] = (sum(x for x, _ in pads) / len(pads), sum(y for _, y in pads) / len(pads))
    for owner in layout.top_cell().each_inst():
        if owner.cell.name == "tests":
            for name, (x, y) in named_um(owner.cell).items():
                if name in CONTROL:
                    at = owner.dtrans * kdb.DPoint(x, y)
                    found[name] = (at.x, at.y)
    return found


def _ring_centers_um(layout: kdb.Layout) -> dict[int, tuple[float, float]]:
    """Centre of every ring in its row, by channel: the middle of its metal, which no bus shifts."""
    if not layout.has_cell("row"):
        return {}
    centers = {}
    for inst in layout.cell("row").each_inst():
        name = str(inst.property(0))
        if name.startswith("ring_"):
            box = inst.cell.dbbox().moved(inst.dtrans.disp)
            centers[int(name.removeprefix("ring_"))] = (box.center().x, box.center().y)
    return dict(sorted(centers.items()))


def _fibres_um(layout: kdb.Layout) -> dict[str, tuple[float, float]]:
    """Where each edge coupler, of the circuit and of the test structures, meets the facet."""
    found = {}
    for owner in (
        layout.top_cell(),
        *(inst.cell for inst in layout.top_cell().each_inst() if inst.cell.name == "tests"),
    ):
        for inst in owner.each_inst():
            if is_coupler(inst):
                at = inst.dtrans.disp
                found[str(inst.property(0))] = (at.x, at.y)
        found |= {name: at for name, at in named_um(owner).items() if name.endswith(("_in", "_out"))}
    return dict(sorted(found.items()))
