"""A chip too large for one exposure, or of several buses, cut into tiles: equal dies, each with a coupler of its own.

A tile holds one bus of whole rows. The photocurrents of a row's buses are summed in the electronics under the dies.
"""

import csv
import io
import math
from dataclasses import dataclass

from prism_photonics.layout.frame import MARGIN_UM, STREET_UM
from prism_photonics.layout.teststructures import tests_height_um
from prism_photonics.netlist import detector_site
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

# What one exposure of a stepper covers, in µm.
# Source: the usual full field of 26 mm × 33 mm; using all of it, long side across the rows, is a design choice.
RETICLE_UM = (26_000.0, 33_000.0)


@dataclass(frozen=True)
class Tiles:
    """How a chip is cut.

    Attributes:
        tile: The spec of one tile; all are alike.
        per_bus: Number of tiles that hold one bus of all rows.
        buses: Buses of a row.
    """

    tile: ChipSpec
    per_bus: int
    buses: int

    @property
    def count(self) -> int:
        """Number of tiles; bus by bus, the lowest rows first."""
        return self.per_bus * self.buses

    def bus(self, tile: int) -> int:
        """The bus that a tile holds."""
        return tile // self.per_bus

    def rows(self, tile: int) -> range:
        """The chip's rows that a tile holds, its row 0 first."""
        each = self.tile.chip.rows
        first = tile % self.per_bus * each
        return range(first, first + each)

    def map_csv(self) -> str:
        """The tile map: chip row and bus → tile and row of the tile."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("row", "bus", "tile", "tile_row"))
        for tile in range(self.count):
            for n, row in enumerate(self.rows(tile)):
                table.writerow((row, self.bus(tile), tile, n))
        return text.getvalue()


def cut(spec: ChipSpec) -> Tiles:
    """Cut a chip into the fewest equal tiles of one bus that fit the reticle; a chip of one bus that fits is one tile.

    The light is split between tiles off chip: each has its own edge coupler.

    Raises:
        InputError: Not even a row or two fit.
    """
    rows = spec.chip.rows
    while _height_um(spec, rows) > max(RETICLE_UM):
        if rows <= 2:
            raise InputError(
                f"waveguide.bend_radius_um = {spec.waveguide.bend_radius_um:g}: two rows exceed the reticle"
            )
        rows //= 2
    tile = spec.model_copy(update={"chip": spec.chip.model_copy(update={"rows": rows, "buses": 1})})
    return Tiles(tile, spec.chip.rows // rows, spec.chip.buses)


def _height_um(spec: ChipSpec, rows: int) -> float:
    """Height of a flip-chip die of so many rows, streets included."""
    circuit = (rows - 1) * spec.row_pitch_um + detector_site(spec).port_pitch_um
    return float(math.ceil(circuit + 2.0 * (MARGIN_UM + STREET_UM) + tests_height_um(spec)))
