"""Cells of another gdsfactory PDK, frozen: their polygons in one GDS file, and where their ports are.

A kit's package is needed when its cells are frozen, and no more when chips are drawn with them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gdsfactory as gf
import klayout.db as kdb

from prism_photonics.files.write import write_bytes
from prism_photonics.layout.polygons import GRID_UM
from prism_photonics.process.kits import Port
from prism_photonics.units import InputError


def freeze(
    pdk: gf.Pdk, cells: Mapping[str, Mapping[str, Any]], gds: Path | str, *, digits: int = 3
) -> dict[str, dict[str, Port]]:
    """Write cells of a PDK to one GDS file, each flat under its own name, and tell their ports.

    Args:
        pdk: The PDK; it is activated, since a cell may ask for its cross-sections.
        cells: Settings by cell name; the PDK's defaults for those that are not given.
        gds: The file.
        digits: Of the ports' places in µm: they are told on the grid of 1 nm.

    Returns:
        Port name → where it is, by cell.

    Raises:
        InputError: The PDK has no such cell, the cell's unit is not 1 nm, or the file cannot be written.
    """
    pdk.activate()
    frozen, ports = kdb.Layout(), {}
    frozen.dbu = GRID_UM
    for name, settings in cells.items():
        if name not in pdk.cells:
            raise InputError(f"PDK {pdk.name} has no cell '{name[:60]}'; its cells: {', '.join(sorted(pdk.cells))}")
        component = pdk.get_component(name, **settings)
        if abs(component.kcl.dbu - GRID_UM) > 1e-9:
            raise InputError(f"cell {name}: database unit {component.kcl.dbu * 1e3:g} nm, want 1 nm; set dbu = 0.001")
        cell, source = frozen.create_cell(name), component.kcl.layout
        for index in source.layer_indexes():
            region = kdb.Region(component.kdb_cell.begin_shapes_rec(index)).merged()
            if not region.is_empty():
                info = source.get_info(index)
                cell.shapes(frozen.layer(info.layer, info.datatype)).insert(region)
        ports[name] = {
            port.name: Port(
                x_um=round(port.center[0], digits),
                y_um=round(port.center[1], digits),
                angle_deg=round(port.orientation) % 360,
                width_um=round(port.width, digits),
            )
            for port in component.ports
            if port.port_type == "optical"
        }
    options = kdb.SaveLayoutOptions()
    options.format = "GDS2"
    options.gds2_write_timestamps = False
    options.write_context_info = False
    write_bytes(Path(gds), frozen.write_bytes(options))
    return ports
