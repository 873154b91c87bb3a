"""Foundry kits: which cells of a kit stand for our devices, where their ports are, and which dies it makes; from TOML.

The polygons lie in a GDS file beside the TOML; nothing here draws.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from prism_photonics.units import InputError, nearest


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Port(_Table):
    """Where a cell's port is, and which way it faces: out of the cell, 0° east."""

    x_um: float
    y_um: float
    angle_deg: int = Field(ge=0, le=270, multiple_of=90)
    width_um: float = Field(gt=0)


class KitCell(_Table):
    """A frozen cell: the settings that it was made with where they are not the kit's defaults, and its ports."""

    settings: Mapping[str, float] = Field(default_factory=dict)
    ports: Mapping[str, Port]


class KitPart(_Table):
    """The cell that stands for a device of ours, and the sizes by which our design knows it."""

    cell: str
    design: Mapping[str, float]


class KitChip(_Table):
    """The dies that a kit makes.

    Attributes:
        cell: The kit's frame, for messages.
        sides_um: Lengths that a side of the die may have; not both the least.
        border_um: Exclusion zone along the edges, for couplers alone.
        tip_outside_um: How far outside the edge a coupler's tip lies.
    """

    cell: str
    sides_um: tuple[float, ...]
    border_um: float = Field(gt=0)
    tip_outside_um: float = Field(ge=0)

    def die_um(self, width_um: float, height_um: float) -> tuple[float, float]:
        """The least die that holds what is so wide and high between its exclusion zones.

        Raises:
            InputError: There is none.
        """
        dies = [
            (wide, high) for wide in self.sides_um for high in self.sides_um if max(wide, high) > min(self.sides_um)
        ]
        fitting = [die for die in dies if die[0] >= width_um and die[1] >= height_um]
        if not fitting:
            raise InputError(
                f"chip: {width_um * 1e-3:.2f} × {height_um * 1e-3:.2f} mm; the sides of {self.cell} are "
                f"{', '.join(f'{side * 1e-3:g}' for side in self.sides_um)} mm; use fewer rows or channels"
            )
        return min(fitting, key=lambda die: die[0] * die[1])


class Kit(_Table):
    """A foundry's kit.

    Attributes:
        name: As a spec's ``pdk`` names it.
        package: Where its cells are from.
        film: The profile whose layer numbers the cells have.
        chip: Its dies.
        splitter: Its 1×2 splitter.
        edge_coupler: Its fibre coupler.
        cells: Ports of every cell that has some.
    """

    name: str
    package: str
    film: str
    chip: KitChip
    splitter: KitPart
    edge_coupler: KitPart
    cells: Mapping[str, KitCell]

    def part(self, device: str) -> KitPart | None:
        """The cell that stands for a device of ours, if it has one."""
        return {"splitter": self.splitter, "edge_coupler": self.edge_coupler}.get(device)

    @property
    def gds(self) -> bytes:
        """The frozen cells."""
        return (resources.files(__package__) / f"{self.name}.gds").read_bytes()


def kit_names() -> list[str]:
    """Names of the kits that ship with the package."""
    return list(_shipped())


@cache
def _shipped() -> tuple[str, ...]:
    names = (entry.name for entry in resources.files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_kit(name: str) -> Kit:
    """A shipped kit by its name.

    Raises:
        InputError: There is none of this name.
    """
    if name not in kit_names():
        raise InputError(f"pdk: unknown kit '{name[:60]}'; {nearest(name[:60], kit_names())}")
    text = (resources.files(__package__) / f"{name}.toml").read_text(encoding="utf-8")
    return Kit.model_validate(tomllib.loads(text))


def kit_of(device: str, design: Any) -> Kit | None:
    """The kit that has a cell of just these sizes for a device of ours; losses are no sizes."""
    sizes = {field: value for field, value in asdict(design).items() if field.endswith("_um")}
    for name in kit_names():
        kit = load_kit(name)
        part = kit.part(device)
        if part is not None and part.design == sizes:
            return kit
    return None
