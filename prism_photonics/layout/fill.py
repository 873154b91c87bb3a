"""Density of a drawing's layers by windows, and squares that fill where a foundry's rules ask for more.

A deck's table ``[fill.LAYER]`` says what is asked: each window of the die must be covered by a share of at least
``least`` and at most ``most``. Fill has a layer number of its own, floats, and keeps away from all that is drawn:
light and fields of the chip stay what they are.
"""

from collections.abc import Mapping
from pathlib import Path

import klayout.db as kdb

from prism_photonics.layout.polygons import in_units, open_layout, refusing_damage, save_plain
from prism_photonics.process.layers import Deck, Fill

UNJUDGED = ("contour", "exclusion", "labels")
"""Layers that cover no metal or rib: of them fill keeps out of the dicing border alone."""


def densities(gds: Path | str | kdb.Layout, deck: Deck) -> dict[str, list[tuple[kdb.DBox, float]]]:
    """Share of every window of the die that a layer covers together with its fill, by layer.

    Windows stand side by side from the die's south-west corner; the last ones are longer and end at its other sides. A
    die smaller than a window is one.

    Args:
        gds: A drawing in the deck's layer numbers.
        deck: The deck, with its tables ``[fill.LAYER]``.

    Raises:
        InputError: The file cannot be read.
    """
    with refusing_damage(gds):
        layout = open_layout(gds)
        return {name: _shares(layout, deck, name, fill) for name, fill in deck.fill.items()}


def density_faults(gds: Path | str | kdb.Layout, deck: Deck) -> dict[str, list[kdb.DBox]]:
    """The windows in which a layer's density breaks the deck, by layer.

    Raises:
        InputError: The file cannot be read.
    """
    return {
        name: [window for window, share in shares if not deck.fill[name].least <= share <= deck.fill[name].most]
        for name, shares in densities(gds, deck).items()
    }


def save_filled(gds: Path | str | kdb.Layout, path: Path, deck: Deck) -> Mapping[str, int]:
    """Write a drawing with fill in all its free places; the drawing itself stays, cell by cell.

    Args:
        gds: A drawing in the deck's layer numbers.
        path: Where the filled one goes.
        deck: The deck, with its tables ``[fill.LAYER]``.

    Returns:
        How many squares each layer got.

    Raises:
        InputError: The file cannot be read.
    """
    with refusing_damage(gds):
        layout = open_layout(gds)
        layout = layout.dup() if layout is gds else layout
        counts = {name: _fill(layout, deck, name, fill) for name, fill in deck.fill.items()}
    save_plain(layout, path)
    return counts


def _fill(layout: kdb.Layout, deck: Deck, name: str, fill: Fill) -> int:
    top = layout.top_cell()
    drawn = kdb.Region()
    for layer, number in deck.layers.items():
        if layer not in UNJUDGED:
            drawn += _region(top, number)
    free = _region(top, deck.layers.contour).merged() - _region(top, deck.layers.exclusion).merged()
    free -= drawn.merged().sized(in_units(fill.clear_um, layout))
    side, pitch = in_units(fill.side_um, layout), in_units(fill.side_um + fill.space_um, layout)
    square = layout.create_cell(f"fill_{name}")
    low = (pitch - side) // 2
    square.shapes(layout.layer(*fill.number)).insert(kdb.Box(low, low, low + side, low + side))
    corner = _region(top, deck.layers.contour).bbox().p1
    top.fill_region(free, square.cell_index(), kdb.Box(0, 0, pitch, pitch), corner)
    return sum(inst.na * inst.nb if inst.is_regular_array() else 1 for inst in top.each_inst() if inst.cell == square)


def _shares(layout: kdb.Layout, deck: Deck, name: str, fill: Fill) -> list[tuple[kdb.DBox, float]]:
    top = layout.top_cell()
    numbers = (getattr(deck.layers, name), fill.number)
    found = []
    for window in _windows(_region(top, deck.layers.contour).bbox(), in_units(fill.window_um, layout)):
        covered = sum((_region(top, number, window) for number in numbers), kdb.Region())
        share = (covered.merged() & kdb.Region(window)).area() / window.area()
        found.append((window.to_dtype(layout.dbu), share))
    return found


def _windows(die: kdb.Box, side: int) -> list[kdb.Box]:
    if die.empty():
        return []
    steps = [
        [(low + n * side, high if n == count - 1 else low + (n + 1) * side) for n in range(count)]
        for low, high in ((die.left, die.right), (die.bottom, die.top))
        for count in (max(1, (high - low) // side),)
    ]
    return [kdb.Box(west, south, east, north) for south, north in steps[1] for west, east in steps[0]]


def _region(top: kdb.Cell, number: tuple[int, int], window: kdb.Box | None = None) -> kdb.Region:
    index = top.layout().find_layer(*number)
    if index is None:
        return kdb.Region()
    shapes = top.begin_shapes_rec(index) if window is None else top.begin_shapes_rec_touching(index, window)
    return kdb.Region(shapes)
