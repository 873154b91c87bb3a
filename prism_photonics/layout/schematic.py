"""The netlist as gdsfactory's own YAML, from which gdsfactory with our PDK draws the same polygons."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gdsfactory as gf
import yaml

from prism_photonics.files.fields import shown
from prism_photonics.layout.routing import Point
from prism_photonics.netlist import Netlist
from prism_photonics.units import InputError

ORIGIN: tuple[Point, ...] = ((0.0, 0.0),)


def schematic_yaml(netlist: Netlist, cell: str, *, places_um: Sequence[Point] = ORIGIN) -> str:
    """One cell as gdsfactory YAML (``gf.read.from_yaml``).

    The owner of its first port is placed, every other instance by one connection to an instance already placed;
    connections that close a loop hold by geometry and are left out. What hangs on no such connection, the feed of a
    further bank, starts at the next place.

    Args:
        netlist: The chip's netlist.
        cell: Name of the cell; its instances must be devices, or cells registered in the PDK.
        places_um: Where the owner of its first port stands, then those of further ports that hang on nothing placed.

    Raises:
        InputError: There is no such cell, or an instance of it is connected to nothing.
    """
    if cell not in netlist.cells:
        raise InputError(f"netlist: no cell '{cell}'; want one of {', '.join(sorted(netlist.cells))}")
    content = netlist.cells[cell]
    placements: dict[str, dict[str, float]] = {}
    placed: list[str] = []
    connections: dict[str, str] = {}
    places = iter(places_um)
    for outer in sorted(content.ports, key=lambda port: int(port[1:])):
        owner = content.ports[outer].split(",")[0]
        if owner in placed or (place := next(places, None)) is None:
            continue
        placements[owner] = dict(zip("xy", place, strict=True))
        placed.append(owner)
        for name in placed:
            for pair in sorted(content.connections, key=sorted):
                for own, other in (sorted(pair), sorted(pair, reverse=True)):
                    neighbour = other.split(",")[0]
                    if own.split(",")[0] == name and neighbour not in placed:
                        connections[other] = own
                        placed.append(neighbour)
    loose = sorted(content.instances.keys() - set(placed))
    if loose:
        raise InputError(f"cell {cell}: {', '.join(loose)} is connected to nothing; mend the netlist")
    document: dict[str, Any] = {
        "name": cell,
        "instances": {
            key: {"component": instance.component, "settings": dict(sorted(instance.settings.items()))}
            for key, instance in sorted(content.instances.items())
        },
        "placements": placements,
        "connections": connections,
        "ports": dict(sorted(content.ports.items())),
    }
    return yaml.safe_dump(document, sort_keys=False, width=200, allow_unicode=True)


def chip_yaml(netlist: Netlist, places_um: Mapping[str, Sequence[Point]]) -> str:
    """The whole chip: one YAML document per cell, each after the cells that it holds; `rebuild` reads it.

    Args:
        netlist: The chip's netlist.
        places_um: Where the first instance of a cell stands, by cell, and those that hang on none before; the origin
            for the others.

    Raises:
        InputError: As `schematic_yaml`.
    """
    return "---\n".join(
        schematic_yaml(netlist, name, places_um=places_um.get(name, ORIGIN)) for name in netlist.leaves_first()
    )


def rebuild(text: str) -> gf.Component:
    """The chip that a `chip_yaml` describes, drawn by gdsfactory with the active PDK.

    Raises:
        InputError: The text is no such YAML.
    """
    pdk, chip = gf.get_active_pdk(), None
    cells = dict(pdk.cells)
    if "facet_coupler" in cells:  # the chip's couplers have their facet at o1, the PDK's their guide
        pdk.cells["edge_coupler"] = cells["facet_coupler"]
    try:
        for document in text.split("---\n"):
            name = _cell_name(document)
            try:
                chip = gf.read.from_yaml(document, label_instance_function=_unlabelled)
            except Exception as error:  # gdsfactory raises whatever wrong content provokes
                reason = shown((str(error).splitlines() or [""])[0]).strip("'\"")
                raise InputError(
                    f"schematic: cell {shown(name)} cannot be drawn ({type(error).__name__}: {reason}); give a "
                    "chip.pic.yml"
                ) from error
            pdk.cells[name] = partial(_given, chip)
    finally:  # the chip's cells have names that other chips' have, too
        pdk.cells.clear()
        pdk.cells.update(cells)
    assert chip is not None
    return chip


def _cell_name(document: str) -> str:
    """The name of the cell that a document describes, once it is a document of gdsfactory's."""
    try:
        found = yaml.safe_load(document)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: dates and numbers that cannot be
        reason = shown((str(error).splitlines() or [type(error).__name__])[0]).strip("'\"")
        raise InputError(f"schematic: not a cell in gdsfactory's YAML ({reason}); give a chip.pic.yml") from None
    name = found.get("name") if isinstance(found, dict) else None
    if not (isinstance(name, str) and re.fullmatch(r"\w{1,100}", name)):
        raise InputError(f"schematic: not a cell in gdsfactory's YAML (name = {shown(name)}); give a chip.pic.yml")
    return name


def _unlabelled(*_: Any, **__: Any) -> None:
    """No text on the instances: ours have none."""


def _given(component: gf.Component) -> gf.Component:
    return component
