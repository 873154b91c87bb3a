"""A chip too large for one exposure, cut into tiles: equal dies, each with couplers of its own.

A tile holds some buses of whole rows. The photocurrents of a row's buses are summed in the electronics under the dies.
"""

import csv
import io
from dataclasses import dataclass

from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import STREET_UM
from prism_photonics.spec.outline import flipped_die_um
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
        """Number of tiles; the lowest buses first, of each the lowest rows first."""
        return self.per_bus * self.buses // self.tile.chip.buses

    def held_buses(self, tile: int) -> range:
        """The chip's buses that a tile holds, its bus 0 first."""
        each = self.tile.chip.buses
        first = tile // self.per_bus * each
        return range(first, first + each)

    def rows(self, tile: int) -> range:
        """The chip's rows that a tile holds, its row 0 first."""
        each = self.tile.chip.rows
        first = tile % self.per_bus * each
        return range(first, first + each)

    def map_csv(self) -> str:
        """The tile map: chip row and bus → tile, and row and bus of the tile."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("row", "bus", "tile", "tile_row", "tile_bus"))
        for tile in range(self.count):
            for b, bus in enumerate(self.held_buses(tile)):
                for n, row in enumerate(self.rows(tile)):
                    table.writerow((row, bus, tile, n, b))
        return text.getvalue()


def cut(spec: ChipSpec) -> Tiles:
    """Cut a chip into the fewest equal tiles that fit the reticle: equal parts of its rows and of its buses.

    The light is split between tiles off chip: each has edge couplers of its own.

    Raises:
        InputError: Not even a row or two, or one bus, fit.
    """
    width_um, height_um = RETICLE_UM
    buses = spec.chip.buses
    each = next((n for n in range(buses, 0, -1) if buses % n == 0 and _width_um(spec, n) <= width_um), 0)
    if each == 0:
        raise InputError(
            f"chip.channels = {spec.chip.channels}: a row is {_width_um(spec, 1) / 1e3:.1f} mm long, the reticle "
            f"{width_um / 1e3:g} mm wide; share the channels among more buses"
        )
    if _height_um(spec, min(2, spec.chip.rows), each) > height_um:
        raise InputError(f"waveguide.bend_radius_um = {spec.waveguide.bend_radius_um:g}: two rows exceed the reticle")
    parts = (spec.chip.rows // n for n in range(1, max(spec.chip.rows, 2)) if spec.chip.rows % n == 0)
    rows = next((n for n in parts if _height_um(spec, n, each) <= height_um), 0)
    if rows == 0:
        raise InputError(
            f"chip.rows = {spec.chip.rows}: too many for the reticle, and no equal parts of more than one row fit; "
            f"take {spec.chip.rows + 1}"
        )
    return Tiles(_part(spec, rows, each), spec.chip.rows // rows, buses)


def _part(spec: ChipSpec, rows: int, buses: int) -> ChipSpec:
    return spec.model_copy(update={"chip": spec.chip.model_copy(update={"rows": rows, "buses": buses})})


def _width_um(spec: ChipSpec, buses: int) -> float:
    """Width of a flip-chip die of so many buses and all rows, streets included."""
    west, _, east, _ = flipped_die_um(_part(spec, spec.chip.rows, buses))
    return east - west + 2.0 * STREET_UM


def _height_um(spec: ChipSpec, rows: int, buses: int) -> float:
    """Height of a flip-chip die of so many rows and buses, streets included."""
    _, south, _, north = flipped_die_um(_part(spec, rows, buses))
    return north - south + 2.0 * STREET_UM
