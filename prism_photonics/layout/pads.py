"""Pads and bumps: what they are called, and where a drawing has them."""

from collections.abc import Mapping
from dataclasses import dataclass

import gdsfactory as gf
import kfactory as kf
import klayout.db as kdb

from prism_photonics.lightpath.drawing import box, nm, require_nm
from prism_photonics.netlist import BANK
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec

PROBE_CELL = "probe_pad"
PAD_CELLS = ("bond_pad", "bump_pad")
METAL_CELLS = ("metal", "row_metal")  # of a bonded chip, of every row of a flipped one
# Contacts of a row's photodiodes by what their pad is called: the instance they are of, and the port there.
PAIR = {"cathode": ("detector", "e1"), "output": ("detector", "e2"), "anode": ("detector", "e3")}
APART = {
    "through_cathode": ("through_diode", "e1"),
    "through_anode": ("through_diode", "e2"),
    "drop_cathode": ("drop_diode", "e1"),
    "drop_anode": ("drop_diode", "e2"),
}
SHORT = {  # on labels
    "cathode": "K",
    "output": "O",
    "anode": "A",
    "through_cathode": "TK",
    "through_anode": "TA",
    "drop_cathode": "DK",
    "drop_anode": "DA",
}
NOWHERE = -1
OPENING_INSET_UM = 5.0  # of the passivation's opening from a pad's edge


@dataclass(frozen=True)
class Pad:
    """A bond pad: its name, its centre in µm.

    Attributes:
        name: ``ring_r0_c3``, ``ground_c3_n``, ``ground_r7``, ``detector_0_output``, ``detector_0_drop_anode``. Bumps
            are called alike, those of several buses ``b2_ring_r0_c3``.
        x_um: Centre.
        y_um: Centre.
        edge: The die edge that it serves.
        outer: Whether it stands in its edge's outer line.
    """

    name: str
    x_um: float
    y_um: float
    edge: int
    outer: bool


def bond_pad(name: str, side_um: float, kcl: kf.KCLayout) -> gf.Component:
    """Both metals joined over the pad's whole area, the passivation open; the origin is its centre."""
    require_nm(kcl)
    if kcl.layout.has_cell(name):
        return gf.Component(base=kcl[name].base)
    pad = gf.Component(name, kcl=kcl)
    insets = {LAYERS.metal1: 0.0, LAYERS.via: 3.0, LAYERS.metal2: 0.0, LAYERS.opening: OPENING_INSET_UM}
    for layer, inset in insets.items():
        half = side_um / 2.0 - inset
        pad.kdb_cell.shapes(kcl.layer(*layer)).insert(box(-half, -half, half, half))
    return pad


def probe_centers_um(layout: kdb.Layout) -> dict[str, tuple[float, float]]:
    """Centre of every probe pad of the test structures in µm, by name."""
    tests = (inst for inst in layout.top_cell().each_inst() if inst.cell.name == "tests")
    return {
        str(inst.property(0)): _um(owner.trans * inst.trans, layout.dbu)
        for owner in tests
        for inst in owner.cell.each_inst()
        if inst.cell.name == PROBE_CELL
    }


def is_coupler(inst: kdb.Instance) -> bool:
    """Whether light enters or leaves the chip there."""
    return inst.cell.name.startswith("edge_coupler")


def name_place(cell: gf.Component, name: str, at_um: tuple[float, float]) -> None:
    """Name a place of a cell by a text: where something stands that has no cell of its own."""
    text = kdb.Text(name, kdb.Trans(nm(at_um[0]), nm(at_um[1])))
    cell.kdb_cell.shapes(cell.kcl.layer(*LAYERS.labels)).insert(text)


def named_um(cell: kdb.Cell) -> dict[str, tuple[float, float]]:
    """Places that `name_place` named, in the cell's own coordinates."""
    layout = cell.layout()
    texts = cell.shapes(layout.layer(*LAYERS.labels)).each(kdb.Shapes.STexts)
    return {shape.text_string: _um(shape.text_trans, layout.dbu) for shape in texts}


def detector_contacts(spec: ChipSpec) -> Mapping[str, tuple[str, str]]:
    """Contacts of every row's photodiodes: name of their pad → instance and port."""
    return APART if spec.two_sided else PAIR


def ring_pad(row: int, channel: int, device: str = "ring") -> str:
    """Name of the pad that drives a ring, or its heater."""
    return f"{device}_r{row}_c{channel}"


def row_pad(kind: str, row: int) -> str:
    """Name, on the chip, of a bump of every row: ``ring_3``, ``heater_3``, ``ground``, ``output``."""
    device, _, channel = kind.partition("_")
    if device in ("ring", "heater"):
        return ring_pad(row, int(channel), device)
    return f"ground_r{row}" if kind == "ground" else f"detector_{row}_{kind}"


def on_bank(name: str, bus: int, buses: int) -> str:
    """A pad's or row's name on a chip of so many buses: ``b2_ring_r0_c3`` where there are several."""
    return f"b{bus}_{name}" if buses > 1 else name


def serves(pad: str) -> tuple[str, int, int, int]:
    """Kind (ring, heater, ground, detector), bus, row and channel of a pad; −1 where it serves no single one."""
    kind, *rest = pad.split("_")
    bus = 0
    if kind[1:].isdigit():
        bus, kind, rest = int(kind[1:]), rest[0], rest[1:]
    if kind in ("ring", "heater"):
        return kind, bus, int(rest[0][1:]), int(rest[1][1:])
    if kind == "ground":
        number = int(rest[0][1:])
        return (kind, bus, NOWHERE, number) if rest[0][0] == "c" else (kind, bus, number, NOWHERE)
    return kind, bus, int(rest[0]), NOWHERE


def pad_centers_um(layout: kdb.Layout) -> dict[str, tuple[float, float]]:
    """Centre of every pad in µm, by name, as placed in the file."""
    pads: dict[str, tuple[float, float]] = {}
    banks = _banks(layout)
    for bus, (cell, at) in enumerate(banks):
        for metal in (inst for inst in cell.each_inst() if inst.cell.name in METAL_CELLS):
            row = str(metal.property(0)).removeprefix("metal_")
            for inst in metal.cell.each_inst():
                if inst.cell.name in PAD_CELLS:
                    name = str(inst.property(0))
                    pad = name if metal.cell.name == "metal" else row_pad(name, int(row))
                    pads[on_bank(pad, bus, len(banks))] = _um(at * metal.trans * inst.trans, layout.dbu)
    return dict(sorted(pads.items()))


def rows_um(layout: kdb.Layout) -> dict[tuple[int, int], tuple[float, float]]:
    """Origin of every row of every bus in µm, by bus and row: where its instance stands."""
    rows = {
        (bus, int(str(inst.property(0)).removeprefix("row_"))): _um(at * inst.trans, layout.dbu)
        for bus, (cell, at) in enumerate(_banks(layout))
        for inst in cell.each_inst()
        if str(inst.property(0)).startswith("row_")  # an edited row may have a cell of its own, named anew
    }
    return dict(sorted(rows.items()))


def _banks(layout: kdb.Layout) -> list[tuple[kdb.Cell, kdb.Trans]]:
    """The cell of every bank, bus by bus, and where it stands; of a chip of one bus the chip itself."""
    top = layout.top_cell()
    placed = {
        int(str(inst.property(0)).removeprefix(f"{BANK}_")): (inst.cell, inst.trans)
        for inst in top.each_inst()
        if str(inst.property(0)).startswith(f"{BANK}_")
    }
    return [placed[bus] for bus in sorted(placed)] or [(top, kdb.Trans())]


def _um(trans: kdb.Trans, dbu: float) -> tuple[float, float]:
    return round(trans.disp.x * dbu, 3), round(trans.disp.y * dbu, 3)
