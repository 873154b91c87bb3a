"""Extraction of a netlist from a drawing: connections follow from the positions of ports, never from names."""

import itertools
import tempfile
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

import kfactory as kf
from kfactory import kdb

from prism_photonics.layout.devices import DEVICES, draw_device, mirrored
from prism_photonics.layout.measure import measure_um
from prism_photonics.layout.metadata import require_metadata
from prism_photonics.layout.polygons import (
    GRID_UM,
    WHOLE,
    on_our_grid,
    read_layout,
    refusing_damage,
    renumber,
    save_plain,
    title,
)
from prism_photonics.lightpath.ring.design import OLDER
from prism_photonics.netlist import TOP, Cell, Instance, Netlist
from prism_photonics.process.kits import kit_of
from prism_photonics.process.layers import LAYERS, Deck
from prism_photonics.units import InputError

DIGITS = 12
HAND_NM = 3  # half of what a hand may leave between its ribs and those of the sizes that are measured on them

_count = itertools.count()


def extract(gds: Path | str | kdb.Layout, *, notes: list[str] | None = None, deck: Deck | None = None) -> Netlist:
    """Read a chip's netlist from its drawing.

    Two optical ports are connected when they lie at the same point of the 1 nm grid and face each other. A device's
    settings travel as metadata, but the metadata is not believed: every leaf cell is measured, and then compared shape
    by shape with a fresh drawing of the design it claims to be.

    Args:
        gds: A file written by `write`, or one edited since; or such a layout in memory. Of any database unit in which
            its points lie on the 1 nm grid.
        notes: Given, a chip edited by hand is read as it was edited: where the polygons of a leaf cell disagree with
            its metadata, the polygons are believed. Its ribs must still be what some design draws, within
            `HAND_NM`; other layers, which light at rest does not see, may differ, and are noted here.
        deck: The file's layer numbers; ours when none is given.

    Returns:
        The netlist, of the same type as the design's; compare with `Netlist.differences`.

    Raises:
        InputError: The file is no chip of ours or has lost its metadata, a point lies off the 1 nm grid, a leaf cell is
            not what its metadata says, or a port is not on a rib.
    """
    with refusing_damage(gds):
        return _extract(gds, notes, deck)


def _extract(gds: Path | str | kdb.Layout, notes: list[str] | None, deck: Deck | None) -> Netlist:
    given = read_layout(gds)
    where = title(gds)
    if given.dbu > GRID_UM * (1.0 + WHOLE):
        where = f"{where}: database unit {given.dbu * 1e3:g} nm, coarser than the 1 nm of our drawings"
    kcl, scratch = (
        _read(given, deck, where=title(gds), owned=given is not gds),
        kf.KCLayout(f"prism_redrawn_{next(_count)}"),
    )
    if not kcl.layout.has_cell(TOP):
        raise InputError(f"{where}: no cell named '{TOP}'; give a GDS file that `prism layout` wrote")
    require_metadata(kcl.layout, where=where)
    if not any(_optical(placed.cell) for placed in kcl[TOP].insts):
        raise InputError(
            f"{where}: cell {TOP} holds no devices, its cells were flattened or deleted; give the file that "
            "`prism layout` wrote, or one edited cell by cell"
        )

    cells: dict[str, Cell] = {}
    checked: dict[str, Instance] = {}

    def visit(cell: kf.KCell) -> None:
        if _key(cell.name) in cells:
            return
        parts = {}
        for placed in cell.insts:
            inner = kcl[placed.cell.name]
            if not _optical(inner):
                continue  # metal, pads, frame
            if _is_device(inner):
                if inner.name not in checked:
                    checked[inner.name] = _device(inner, scratch, notes, where=where)
                parts[placed.name] = _as_placed(checked[inner.name], placed, where=where)
            else:
                visit(inner)
                parts[placed.name] = Instance(_key(inner.name), {})
        cells[_key(cell.name)] = _cell(cell, parts, where=where)

    visit(kcl[TOP])
    return Netlist(cells)


def _read(given: kdb.Layout, deck: Deck | None, *, where: str, owned: bool) -> kf.KCLayout:
    """The drawing with its ports, in our layer numbers and in units of 1 nm, in which ports are kept.

    What is not ``owned`` is a user's layout in memory and stays as it is.
    """
    kcl = kf.KCLayout(f"prism_read_{next(_count)}")
    ours = on_our_grid(given, where=where)
    if deck is not None and deck.layers != LAYERS:
        ours = renumber(
            ours if owned or ours is not given else ours.dup(), dict(deck.layers.items()), dict(LAYERS.items())
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ours.gds"
        save_plain(ours, path)
        kcl.read(str(path))
    return kcl


def _cell(cell: kf.KCell, parts: dict[str, Instance], *, where: str) -> Cell:
    if len(parts) != sum(1 for placed in cell.insts if _optical(placed.cell)):
        raise InputError(f"{where}: cell {cell.name} holds two instances of one name; rename one")
    meeting: dict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)
    for placed in cell.insts:
        if placed.name in parts:
            for port in placed.ports:
                if port.port_type == "optical":
                    at = port.trans.disp
                    meeting[at.x, at.y].append((f"{placed.name},{port.name}", port.trans.angle))
    connections = set()
    for (x, y), ends in meeting.items():
        if len(ends) > 2:
            raise InputError(
                f"{where}: cell {cell.name}: {len(ends)} ports meet at ({x * GRID_UM:g}, {y * GRID_UM:g}) µm; want two"
            )
        if len(ends) == 2 and (ends[0][1] - ends[1][1]) % 4 == 2:
            connections.add(frozenset(name for name, _ in ends))
    outer = {}
    for port in cell.ports:
        if port.port_type == "optical":
            ends = meeting.get((port.trans.disp.x, port.trans.disp.y), [])
            if len(ends) != 1 or ends[0][1] != port.trans.angle:
                raise InputError(f"{where}: cell {cell.name}: port {port.name} lies on no device's free port")
            outer[port.name] = ends[0][0]
    return Cell(parts, frozenset(connections), outer)


def _as_placed(device: Instance, placed: kf.Instance, *, where: str) -> Instance:
    if not placed.trans.mirror:
        return device
    turned = mirrored(device)
    if turned is None:
        raise InputError(f"{where}: {placed.name} is a mirrored {device.component}; turn it back")
    return turned


def _device(cell: kf.KCell, scratch: kf.KCLayout, notes: list[str] | None, *, where: str) -> Instance:
    """A leaf cell as an instance, after its drawing has been held against its metadata."""
    instance = Instance(cell.function_name or "", _settings(cell))
    name = f"{where}: cell {cell.name}"
    drawn = _ridge(cell)
    settings = dict(instance.settings)
    kit = _from_kit(instance)
    try:
        # A kit's cell is only compared: its taper has other layers than ours.
        sizes = {} if kit else measure_um(instance.component, drawn, _region(cell, LAYERS.metal1), settings)
    except InputError as error:
        raise InputError(f"{name}: {error}; redraw the cell from its design") from None
    for field, value in sizes.items():
        said = instance.settings.get(field)
        if not isinstance(said, (int, float)) or abs(value - said) >= GRID_UM * 0.999:
            if notes is not None and field in settings:
                settings[field] = round(value, 3)
                continue
            raise InputError(
                f"{name}: its {field} measures {value:.3f}, its metadata says {said}; redraw the cell from its design"
            )
    instance = Instance(instance.component, settings)
    fresh = draw_device(instance, scratch)
    for on, layer in LAYERS.items():
        odd = _region(cell, layer) ^ _region(fresh, layer)
        if notes is not None and layer == LAYERS.ridge:
            odd = odd.sized(-HAND_NM)
        if not odd.is_empty():
            at = odd.bbox().center()
            said = f"{on} differs from its design near ({at.x * GRID_UM:g}, {at.y * GRID_UM:g}) µm"
            if notes is None or layer == LAYERS.ridge:
                raise InputError(f"{name}: {said}; redraw the cell from its design")
            notes.append(f"cell {cell.name}: {said}")
    edges = drawn.edges() + _region(cell, LAYERS.slab).edges() if kit else drawn.edges()
    # Contacts follow a ring's electrodes, which a hand may have moved with the ring; the light's ports stay.
    ports, wanted = (
        {port.name: port.trans for port in each.ports if port.port_type == "optical" or notes is None}
        for each in (cell, kf.KCell(base=fresh.base))
    )
    if ports != wanted:
        raise InputError(f"{name}: a port is not where its design has it; redraw the cell from its design")
    for port in cell.ports:
        if port.port_type == "optical":
            half = port.width // 2
            facet = kdb.Edges([kdb.Edge(0, -half, 0, half).transformed(port.trans)])
            if (facet & edges).length() != port.width:
                raise InputError(f"{name}: port {port.name} is not on the end of a rib; redraw the cell")
    return instance


def _from_kit(instance: Instance) -> bool:
    design, _ = DEVICES[instance.component]
    known = {field.name for field in fields(design)}
    return instance.settings.keys() == known and kit_of(instance.component, design(**instance.settings)) is not None


def _settings(cell: kf.KCell) -> dict[str, float | int | str]:
    """The metadata's settings; GDS carries a float as text, one unit in the last place off."""
    said = (OLDER if cell.function_name == "ring" else {}) | cell.settings.model_dump()
    return {
        key: round(float(value), DIGITS) if isinstance(value, (int, float)) else value for key, value in said.items()
    }


def _key(name: str) -> str:
    """A cell's name in the netlist: KLayout names a copy ``row$1``, SAX wants an identifier."""
    return name.replace("$", "__")


def _is_device(cell: kf.KCell) -> bool:
    return (cell.function_name or "") in DEVICES


def _optical(cell: kf.ProtoTKCell) -> bool:
    return any(port.port_type == "optical" for port in cell.ports)


def _ridge(cell: kf.KCell) -> kdb.Region:
    return _region(cell, LAYERS.ridge)


def _region(cell: kf.ProtoTKCell, layer: tuple[int, int]) -> kdb.Region:
    index = cell.kcl.layout.find_layer(*layer)
    return kdb.Region() if index is None else kdb.Region(cell.kdb_cell.begin_shapes_rec(index)).merged()
