"""Reading a drawing's polygons with KLayout, and the layer numbers of a foundry in place of ours."""

from collections.abc import Mapping
from pathlib import Path

import klayout.db as kdb

from prism_photonics.process.layers import LAYERS, Deck
from prism_photonics.units import InputError


def open_layout(gds: Path | str | kdb.Layout, deck: Deck | None = None) -> kdb.Layout:
    """A layout in memory, from a file unless it is one already.

    Args:
        gds: A file, or a layout, which is taken as it is.
        deck: The file's layer numbers; given these, the layout in memory has ours.

    Raises:
        InputError: The file cannot be read, or holds several top cells or none.
    """
    if isinstance(gds, kdb.Layout):
        return gds
    layout = kdb.Layout()
    try:
        layout.read(str(gds))
    except RuntimeError as error:
        reason = str(error).splitlines()[0].split(" in Layout.read")[0]
        raise InputError(f"{gds}: cannot read the layout ({reason}); give a GDS file of ours") from None
    tops = [cell.name for cell in layout.top_cells()]
    if len(tops) != 1:
        raise InputError(f"{gds}: {len(tops)} top cells; want one; give a GDS file that `prism layout` wrote")
    return layout if deck is None else renumber(layout, dict(deck.layers.items()), dict(LAYERS.items()))


def save_plain(layout: kdb.Layout, path: Path) -> None:
    """Write GDS with cell and port metadata and without time stamps."""
    options = kdb.SaveLayoutOptions()
    options.gds2_write_timestamps = False
    options.write_context_info = True
    layout.write(str(path), options)


def renumber(layout: kdb.Layout, old: Mapping[str, tuple[int, int]], new: Mapping[str, tuple[int, int]]) -> kdb.Layout:
    """The same layout, every layer of ``old`` under its number in ``new``."""
    found = {name: layout.find_layer(*number) for name, number in old.items() if old[name] != new[name]}
    for name, index in found.items():
        if index is not None:
            layout.set_info(index, kdb.LayerInfo(*new[name]))
    return layout
