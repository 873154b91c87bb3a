"""Reading a drawing's polygons with KLayout at any database unit, and a foundry's layer numbers in place of ours."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import klayout.db as kdb

from prism_photonics.files.fields import shown
from prism_photonics.files.write import write_bytes
from prism_photonics.process.layers import LAYERS, Deck
from prism_photonics.units import InputError

GRID_UM = 1e-3  # of our own drawings: their database unit
WHOLE = 1e-6  # a length this near a whole number of units is one: GDS keeps its unit in 56 bits
LARGEST = 2**31 - 1  # KLayout's coordinates have 32 bits


def open_layout(gds: Path | str | kdb.Layout, deck: Deck | None = None) -> kdb.Layout:
    """A layout in memory with one top cell, from a file unless it is one already; its database unit stays.

    Args:
        gds: A file, or a layout in memory, which is never changed.
        deck: The drawing's layer numbers; given these, the layout returned has ours.

    Raises:
        InputError: The file cannot be read, holds several top cells or none, or its database unit is no length.
    """
    layout = read_layout(gds)
    tops = [cell.name for cell in layout.top_cells()]
    if len(tops) != 1:
        raise InputError(
            f"{title(gds)}: {len(tops)} top cells; want one; give a GDS file that `prism layout` wrote, or delete the "
            f"others"
        )
    if deck is None or deck.layers == LAYERS:
        return layout
    own = layout.dup() if layout is gds else layout
    return renumber(own, dict(deck.layers.items()), dict(LAYERS.items()))


@contextmanager
def refusing_damage(gds: Path | str | kdb.Layout) -> Iterator[None]:
    """Where a drawing's bytes decide what happens: names that are no text, metadata that is none, broken records.

    KLayout, kfactory and the devices' designs raise whatever the damage provokes.

    Raises:
        InputError: Anything was raised.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        lines = str(error).splitlines() or [""]
        reason = shown(lines[0].split(" in Layout.read")[0]).strip("'\"")
        kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "
        raise InputError(
            f"{title(gds)}: cannot read the layout ({kind}{reason}); give a GDS file of ours, undamaged"
        ) from error


def read_layout(gds: Path | str | kdb.Layout) -> kdb.Layout:
    """As `open_layout`, with as many top cells as there are.

    Raises:
        InputError: The file cannot be read, or its database unit is no length.
    """
    layout = gds
    if not isinstance(layout, kdb.Layout):
        layout = kdb.Layout()
        with refusing_damage(gds):
            layout.read(str(gds))
            for cell in layout.each_cell():  # a damaged name is found here, not in the middle of what uses it
                _ = cell.name
    if not (math.isfinite(layout.dbu) and layout.dbu > 0.0):
        raise InputError(
            f"{title(gds)}: a database unit of {layout.dbu:g} µm; want a length above 0; save the layout again with "
            f"its unit, {GRID_UM:g} µm as a rule"
        )
    return layout


def deep_store() -> kdb.DeepShapeStore:
    """Where layers keep their cells while KLayout compares them, which it then does in the thread that asks.

    By itself it starts one for each comparison and looks without pause whether that is done: beside other processes
    some 10 ms of processor time each, half of what a check of our decks' rules took.
    """
    store = kdb.DeepShapeStore()
    store.threads = 0
    return store


def title(gds: Path | str | kdb.Layout) -> str:
    """Name of a drawing in messages."""
    return "layout" if isinstance(gds, kdb.Layout) else str(gds)


def in_units(length_um: float, layout: kdb.Layout) -> int:
    """The least whole number of database units that is no shorter than a length: a limit never shrinks.

    Raises:
        InputError: The unit is so small that the length exceeds KLayout's coordinates.
    """
    units = length_um / layout.dbu
    if units > LARGEST:
        raise InputError(
            f"layout: {length_um:g} µm are {units:.3g} units of {layout.dbu * 1e3:g} nm, more than KLayout can hold; "
            f"save the layout at a database unit of 1 nm"
        )
    return round(units) if abs(units - round(units)) < WHOLE * max(1.0, units) else math.ceil(units)


def steps(grid_um: float, layout: kdb.Layout) -> int:
    """A coordinate lies on a grid where it is a multiple of so many database units."""
    return Fraction(grid_um / layout.dbu).limit_denominator(10**5).numerator


def on_our_grid(layout: kdb.Layout, *, where: str) -> kdb.Layout:
    """The same drawing in units of 1 nm, in µm as it was; itself where it has them already.

    Raises:
        InputError: A point lies between the points of the 1 nm grid, where none of ours lies.
    """
    if abs(layout.dbu - GRID_UM) < WHOLE * GRID_UM:
        return layout
    step = steps(GRID_UM, layout)
    for cell in layout.each_cell() if step > 1 else ():
        for at in _points_off(cell, step):
            raise InputError(
                f"{where}: database unit {layout.dbu * 1e3:g} nm: cell {cell.name} has a point at ({at.x:.7g}, "
                f"{at.y:.7g}) µm, off the 1 nm grid of our drawings; snap it there"
            )
    fresh = kdb.Layout()
    options = _with_metadata()
    options.format = "GDS2"
    options.dbu = GRID_UM
    fresh.read_bytes(layout.write_bytes(options), kdb.LoadLayoutOptions())
    return fresh


def _points_off(cell: kdb.Cell, step: int) -> list[kdb.DPoint]:
    """A point of a cell, in its own coordinates, that is no multiple of so many units."""
    dbu = cell.layout().dbu
    for inst in cell.each_inst():
        for vector in (inst.trans.disp, inst.a, inst.b) if inst.is_regular_array() else (inst.trans.disp,):
            if vector.x % step or vector.y % step:
                return [kdb.DPoint(vector.x * dbu, vector.y * dbu)]
    for layer in cell.layout().layer_indexes():
        drawn = kdb.Region(cell.shapes(layer))
        # As drawn: where curved shapes overlap, the edges of their union cross between the points of any grid.
        drawn.merged_semantics = False
        for pair in drawn.grid_check(step, step).each():
            return [pair.first.p1.to_dtype(dbu)]
    return []


def save_plain(layout: kdb.Layout, path: Path) -> None:
    """Write GDS with cell and port metadata and without time stamps."""
    layout.write(str(path), _with_metadata())


def save_clean(gds: Path | str, path: Path) -> None:
    """Write a drawing's cells and polygons alone, in one step: no metadata, no properties, no texts, no time stamps.

    Raises:
        InputError: The file cannot be read, or the other not written.
    """
    options = kdb.LoadLayoutOptions()
    options.properties_enabled = False
    options.text_enabled = False
    layout = kdb.Layout()
    with refusing_damage(gds):
        layout.read(str(gds), options)
    plain = kdb.SaveLayoutOptions()
    plain.format = "GDS2"
    plain.gds2_write_timestamps = False
    plain.write_context_info = False
    plain.gds2_write_cell_properties = False
    plain.gds2_write_file_properties = False
    write_bytes(path, layout.write_bytes(plain))


def _with_metadata() -> kdb.SaveLayoutOptions:
    options = kdb.SaveLayoutOptions()
    options.gds2_write_timestamps = False
    options.write_context_info = True
    return options


def renumber(layout: kdb.Layout, old: Mapping[str, tuple[int, int]], new: Mapping[str, tuple[int, int]]) -> kdb.Layout:
    """The same layout, every layer of ``old`` under its number in ``new``."""
    found = {name: layout.find_layer(*number) for name, number in old.items() if old[name] != new[name]}
    for name, index in found.items():
        if index is not None:
            layout.set_info(index, kdb.LayerInfo(*new[name]))
    return layout
