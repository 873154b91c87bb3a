"""Reading a drawing's polygons with KLayout, refused in one line when it cannot be read."""

from pathlib import Path

import klayout.db as kdb

from prism_photonics.units import InputError


def open_layout(gds: Path | str | kdb.Layout) -> kdb.Layout:
    """A layout in memory, from a file unless it is one already.

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
    return layout
