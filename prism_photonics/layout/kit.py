"""A kit's own cells in place of ours: drawn where a design has just the sizes that the kit's cell has."""

from collections.abc import Callable
from functools import cache
from typing import Any

import gdsfactory as gf
import kfactory as kf
import klayout.db as kdb

from prism_photonics.lightpath.drawing import Pen, add_port, nm
from prism_photonics.process.kits import Kit, KitPart, kit_of, load_kit
from prism_photonics.process.layers import LAYERS, load_deck
from prism_photonics.units import InputError

Draw = Callable[..., gf.Component]


def kit_or(device: str, draw: Draw) -> Draw:
    """A device's drawing, in which a kit's own cell lies where a kit has one of just these sizes."""

    def cell(design: Any, *, kcl: kf.KCLayout | None = None) -> gf.Component:
        kit = kit_of(device, design)
        part = kit.part(device) if kit is not None else None
        return draw(design, kcl=kcl) if kit is None or part is None else _placed(device, design, kit, part, kcl=kcl)

    cell.__name__ = cell.__qualname__ = device
    cell.__doc__ = draw.__doc__
    return cell


def kit_cell(kit: Kit, name: str, kcl: kf.KCLayout) -> gf.Component:
    """A kit's cell under its own name, in our layer numbers.

    Raises:
        InputError: The kit's file holds no such cell.
    """
    if kcl.layout.has_cell(name):
        return gf.Component(base=kcl[name].base)
    frozen = _frozen(kit.name)
    if not frozen.has_cell(name):
        raise InputError(f"kit {kit.name}: no cell '{name}' in its file; freeze it there")
    numbers = {number: layer for layer, number in load_deck(kit.film).layers.items()}
    cell = gf.Component(name, kcl=kcl)
    for index in frozen.layer_indexes():
        shapes = frozen.cell(name).shapes(index)
        if not shapes.is_empty():
            info = frozen.get_info(index)
            layer = getattr(LAYERS, numbers[info.layer, info.datatype])
            cell.kdb_cell.shapes(kcl.layer(*layer)).insert(kdb.Region(shapes))
    return cell


def _placed(device: str, design: Any, kit: Kit, part: KitPart, *, kcl: kf.KCLayout | None) -> gf.Component:
    """A device's cell that holds the kit's, its port o1 at the origin."""
    pen = Pen(device, design, kcl)
    if pen.fresh:
        cell, ports = kit_cell(kit, part.cell, pen.cell.kcl), kit.cells[part.cell].ports
        x, y = nm(ports["o1"].x_um), nm(ports["o1"].y_um)
        pen.cell.kdb_cell.insert(kdb.CellInstArray(cell.kdb_cell.cell_index(), kdb.Trans(-x, -y)))
        for name, port in ports.items():
            at = (nm(port.x_um) - x, nm(port.y_um) - y)
            add_port(pen.cell, name, at, port.angle_deg // 90, width_um=port.width_um)
    return pen.cell


@cache
def _frozen(name: str) -> kdb.Layout:
    layout = kdb.Layout()
    layout.read_bytes(load_kit(name).gds, kdb.LoadLayoutOptions())
    return layout
