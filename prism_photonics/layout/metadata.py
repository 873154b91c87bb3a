"""Check for lost metadata: names and settings of cells are stored beside the polygons."""

import klayout.db as kdb

from prism_photonics.layout.devices import DEVICES
from prism_photonics.netlist import TOP
from prism_photonics.units import InputError


def require_metadata(layout: kdb.Layout, *, where: str) -> None:
    """Refuse a chip of ours whose cells have lost what they are and whose instances have lost their names.

    Raises:
        InputError: Another tool has rewritten the file without them.
    """
    top = layout.cell(TOP)
    named = [inst.property(0) for inst in top.each_inst()] if top else []
    bare = [cell.name for cell in layout.each_cell() if _called_device(cell.name) and not _says_device(cell)]
    if bare or (named and not any(named)):
        lost = f"cell {bare[0]} does not say what it is" if bare else f"the instances of {TOP} have no names"
        raise InputError(
            f"{where}: the metadata of `prism layout` is gone ({lost}), another tool has rewritten the file; give the "
            f"file that `prism layout` wrote, or one that KLayout saved with its context information"
        )


def _called_device(name: str) -> bool:
    """Whether a cell has a name as ours give: the device, and eight hexadecimal digits of its design."""
    device, _, digest = name.partition("$")[0].rpartition("_")
    return device in DEVICES and len(digest) == 8 and all(digit in "0123456789abcdef" for digit in digest)


def _says_device(cell: kdb.Cell) -> bool:
    return cell.meta_info("kfactory:function_name") is not None
