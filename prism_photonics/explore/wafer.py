"""What a fabrication line does to whole dies: scatter of lots, wafers and places, limits of a good die, and its cost.

The spec's ``[variation]`` is what the rings of one die have of their own. What all of them have in common comes from
the lot, from the wafer, and from the place on it: a smooth random field, and a fall towards the edge.

Source of the split: Bogaerts, Xing and Khan, IEEE JSTQE 25, 6100413 (2019), 10.1109/JSTQE.2019.2906271, who extract
lot, wafer and die parts of silicon wafers. No such statistics are published for thin-film lithium niobate: the sizes
are design choices, those of a controlled line on 150 mm wafers (arXiv 2007.06498 shows such wafers).
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from prism_photonics.budget.rules_chip import HEATER_LIMIT_W
from prism_photonics.files.complaint import gravest, place_of, table_holding, wrong_value
from prism_photonics.files.fields import shown
from prism_photonics.files.toml import read_toml
from prism_photonics.spec.tables import Table
from prism_photonics.units import InputError, nearest

QUANTITIES: tuple[Literal["thickness_nm", "width_nm", "gap_nm", "loss_log"], ...] = (
    "thickness_nm", "width_nm", "gap_nm", "loss_log",
)  # fmt: skip


class Scatter(Table):
    """Standard deviations of one quantity between lots, wafers and places, and its change at the wafer's edge."""

    lot: float = Field(ge=0, le=100, description="from lot to lot")
    wafer: float = Field(ge=0, le=100, description="from wafer to wafer of a lot")
    place: float = Field(ge=0, le=100, description="of the random field over a wafer")
    edge: float = Field(default=0.0, ge=-200, le=200, description="change at the rim, exp(-distance/edge_mm)")


class WaferTable(Table):
    """The wafer and its lot; design choices but for the diameter (arXiv 2007.06498)."""

    diameter_mm: float = Field(default=150.0, ge=20, le=450)
    exclusion_mm: float = Field(default=5.0, ge=0, le=50, description="rim without dies")
    wafers_per_lot: int = Field(default=25, ge=1, le=100)
    correlation_mm: float = Field(default=40.0, ge=1, le=1000, description="of the random fields")
    edge_mm: float = Field(default=6.0, gt=0, le=100, description="depth of the edge's fall")


class TrimmingTable(Table):
    """Trimming once and for all, ring by ring; its range is a design choice."""

    range_nm: float = Field(default=3.0, ge=0, le=100, description="largest shift of one ring, either way")


class LimitsTable(Table):
    """What a good die keeps; design choices."""

    recall: float = Field(default=0.85, ge=0, le=1, description="least share of the best blocks that are found")
    unreached_share: float = Field(default=0.02, ge=0, le=1, description="of rings that miss the weight limit")
    crossing_share: float = Field(default=0.02, ge=0, le=1, description="of rings on a crossing of TE and TM")
    clipped_share: float = Field(default=0.01, ge=0, le=1, description="of readings at the converter's rails")
    heater_W: float = Field(default=HEATER_LIMIT_W, ge=0, le=1000, description="all heaters of a die together")


class CostTable(Table):
    """Prices in US dollars; design choices, for a small line."""

    wafer_usd: float = Field(default=12_000.0, ge=0, description="processed wafer")
    test_usd: float = Field(default=2.0, ge=0, description="probing one die")
    calibration_usd: float = Field(default=5.0, ge=0, description="packaging apart: trimming and calibrating one die")
    package_usd: float = Field(default=150.0, ge=0, description="of a good die: driver array, fibres, housing")


class Fab(Table):
    """A fabrication line. Every key may be left out; `from_toml` reads what differs from the defaults."""

    wafer: WaferTable = WaferTable()
    # A bonded and ion-sliced film is even within a wafer to some nm, and thinner at the rim.
    thickness_nm: Scatter = Scatter(lot=2.0, wafer=1.5, place=2.0, edge=-4.0)
    width_nm: Scatter = Scatter(lot=3.0, wafer=2.0, place=3.0, edge=4.0)
    gap_nm: Scatter = Scatter(lot=2.0, wafer=1.5, place=2.0, edge=-3.0)
    loss_log: Scatter = Scatter(lot=0.1, wafer=0.08, place=0.1, edge=0.3)
    trimming: TrimmingTable = TrimmingTable()
    limits: LimitsTable = LimitsTable()
    cost: CostTable = CostTable()

    @classmethod
    def from_toml(cls, path: Path) -> "Fab":
        """Read and check a file of the same tables.

        Raises:
            InputError: It cannot be read, is not TOML, or holds an unknown key or a value out of range.
        """
        data = read_toml(path, what="fabrication line", name="fab.toml")
        try:
            return cls.model_validate(_completed(data))
        except ValidationError as error:
            raise InputError(f"{path}: {_explain(error)}") from None


def _completed(data: dict[str, Any]) -> dict[str, Any]:
    """A file's tables with the line's own numbers where a table leaves one out."""
    usual = Fab().model_dump()
    return {
        name: usual[name] | table if name in usual and isinstance(table, dict) else table
        for name, table in data.items()
    }


def _explain(error: ValidationError) -> str:
    """The gravest complaint, as one line: where, got, want, cure."""
    first = gravest(error)
    if first["type"] == "extra_forbidden":
        known = table_holding(Fab, first["loc"]).model_fields
        return f"unknown key {shown(place_of(first))}; {nearest(str(first['loc'][-1])[:100], known)}"
    return f"{wrong_value(first, shown(first['input']))}; mend the value"
