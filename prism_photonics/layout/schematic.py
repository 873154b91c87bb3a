"""A cell of the netlist as gdsfactory's own YAML, from which gdsfactory with our PDK draws the same polygons."""

from typing import Any

import yaml

from prism_photonics.netlist import Netlist
from prism_photonics.units import InputError


def schematic_yaml(netlist: Netlist, cell: str) -> str:
    """One cell as gdsfactory YAML (``gf.read.from_yaml``): the owner of its first port stands at the origin.

    Every other instance is placed by one connection to an instance already placed; connections that close a loop hold
    by geometry and are left out.

    Args:
        netlist: The chip's netlist.
        cell: Name of the cell; its instances must be devices, or cells registered in the PDK.

    Raises:
        InputError: There is no such cell, or an instance of it is connected to nothing.
    """
    if cell not in netlist.cells:
        raise InputError(f"netlist: no cell '{cell}'; want one of {', '.join(sorted(netlist.cells))}")
    content = netlist.cells[cell]
    owner = content.ports["o1"].split(",")[0]
    placed, connections = [owner], {}
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
        "placements": {owner: {"x": 0.0, "y": 0.0}},
        "connections": connections,
        "ports": dict(sorted(content.ports.items())),
    }
    return yaml.safe_dump(document, sort_keys=False, width=200, allow_unicode=True)
