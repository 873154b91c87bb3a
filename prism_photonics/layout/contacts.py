"""Where the electrical ports of a placed block are."""

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.lightpath.drawing import PER_UM

RING_CONTACTS = ("e1", "e2", "e3", "e4")  # signal and ground, and of a heater driven and ground

Point = tuple[float, float]


class Contacts:
    """Contacts of rings and photodiode sites in µm, in the coordinates of the block that holds the rows."""

    def __init__(self, block: gf.Component):
        self._block = {i.name: i for i in kf.KCell(base=block.base).insts}
        rings = kf.KCell(base=self._block["row_0"].cell.base).insts
        self._rings = {
            (i.name, name): i.ports[name].trans.disp
            for i in rings
            if "ring" in i.name
            for name in RING_CONTACTS
            if name in i.ports
        }

    def row(self, row: int) -> Point:
        """A row's first port."""
        return _um(self._block[f"row_{row}"].trans.disp)

    def ring(self, row: int, channel: int, port: str) -> Point:
        """A contact of a ring."""
        return _um(self._block[f"row_{row}"].trans.disp + self._rings[f"ring_{channel}", port])

    def site(self, row: int, port: str, *, inset_um: float) -> Point:
        """A contact of a photodiode site, that far inside."""
        x, y = _um(self._block[f"detector_{row}"].ports[port].trans.disp)
        return x - inset_um, y

    def ring_in_row(self, channel: int, port: str) -> Point:
        """A contact of a ring, from its row's first port; all rows are alike."""
        return _um(self._rings[f"ring_{channel}", port])

    def site_in_row(self, port: str) -> Point:
        """A contact of a photodiode site, from its row's first port; all rows are alike."""
        origin = self._block["row_0"].trans.disp
        return _um(self._block["detector_0"].ports[port].trans.disp - origin)


def _um(at: kdb.Vector) -> Point:
    return at.x / PER_UM, at.y / PER_UM
