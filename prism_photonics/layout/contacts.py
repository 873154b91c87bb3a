"""Where the electrical ports of a placed block are."""

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.layout.routing import Point
from prism_photonics.lightpath.drawing import PER_UM, WEST

RING_CONTACTS = ("e1", "e2", "e3", "e4")  # signal and ground, and of a heater driven and ground


class Contacts:
    """Contacts of rings and photodiode sites in µm, in the coordinates of the block that holds the rows."""

    def __init__(self, block: gf.Component):
        self._block = {i.name: i for i in kf.KCell(base=block.base).insts}
        rings = kf.KCell(base=self._block["row_0"].cell.base).insts
        self._rings = {
            (i.name, port.name): (i.trans * port.trans).disp
            for i in rings
            if "ring" in i.name
            for port in i.cell.ports
            if port.name in RING_CONTACTS
        }

    def row(self, row: int) -> Point:
        """A row's first port."""
        return _um(self._block[f"row_{row}"].trans.disp)

    def ring(self, row: int, channel: int, port: str) -> Point:
        """A contact of a ring."""
        return _um(self._block[f"row_{row}"].trans.disp + self._rings[f"ring_{channel}", port])

    def site(self, row: int, contact: tuple[str, str], *, inset_um: float) -> Point:
        """A contact of a photodiode site, that far inside: instance (without its row) and port."""
        port = self._block[f"{contact[0]}_{row}"].ports[contact[1]]
        x, y = _um(port.trans.disp)
        return (x + inset_um if port.trans.angle == WEST else x - inset_um), y

    def ring_in_row(self, channel: int, port: str) -> Point:
        """A contact of a ring, from its row's first port; all rows are alike."""
        return _um(self._rings[f"ring_{channel}", port])

    def site_in_row(self, contact: tuple[str, str]) -> Point:
        """The same, from its row's first port; all rows are alike."""
        (x, y), (x0, y0) = self.site(0, contact, inset_um=0.0), self.row(0)
        return x - x0, y - y0


def _um(at: kdb.Vector) -> Point:
    return at.x / PER_UM, at.y / PER_UM
