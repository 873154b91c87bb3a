"""The whole chip: every cell of the netlist placed by abutting its ports, then metal, pads, frame and labels."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb
from kfactory.port import BasePort

from prism_photonics.layout.devices import DEVICES, placed_device
from prism_photonics.layout.flipchip import draw_bumps
from prism_photonics.layout.frame import (
    bank_labels,
    draw_frame,
    inner_street,
    kit_die,
    labels,
    letters,
    row_labels,
)
from prism_photonics.layout.garbage import no_collection
from prism_photonics.layout.metal import draw_metal
from prism_photonics.layout.routing import Point
from prism_photonics.layout.schematic import ORIGIN
from prism_photonics.layout.teststructures import draw_tests
from prism_photonics.lightpath.drawing import PER_UM, box, nm, put_cell
from prism_photonics.netlist import BANK, TOP, Cell, Netlist, from_spec
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.floorplan import Floorplan, plan, require_room
from prism_photonics.spec.geometry import (
    coupler_heights_um,
    facet_um,
    middle_um,
    tests_height_um,
    tip_outside_um,
    tree_length_um,
)
from prism_photonics.spec.outline import flipped_die_um
from prism_photonics.units import InputError

_count = itertools.count()


def draw(spec: ChipSpec, netlist: Netlist | None = None) -> gf.Component:
    """Draw a chip: bonded along its edges when it has few rows of one bus, else flipped onto a bump per ring.

    Hierarchy: leaf devices, ``row``, ``tree_2``, ``tree_4``, …, ``bank`` where there are several buses, ``chip``;
    instance names are those of the netlist. Each drawing lives in a layout of its own, so two drawings never share or
    rename cells.

    Args:
        spec: The chip.
        netlist: Netlist to draw, if not the spec's own design (an experiment, a mutation).

    Raises:
        InputError: A chip whose metal finds no room.
    """
    with no_collection():
        floor = None if spec.flip_chip else plan(spec)
        require_room(spec)
        netlist = netlist or from_spec(spec)
        kcl = kf.KCLayout(f"prism_drawing_{next(_count)}")
        drawn = draw_cells(netlist, places_um(spec), kcl)
        chip = drawn[netlist.top]
        _dress(chip, drawn[next(iter(netlist.banks.values()))], spec, floor)
    return chip


def draw_cells(
    netlist: Netlist, places_um: Mapping[str, Sequence[Point]], kcl: kf.KCLayout, *, suffix: str = ""
) -> dict[str, gf.Component]:
    """Draw every cell of a netlist, without metal and frame.

    Args:
        netlist: Netlist to draw.
        places_um: Where o1 of a cell lies, by cell, then where further ports lie whose instances are joined to nothing
            placed before, the feeds of further banks; the origin for the others.
        kcl: The layout that holds them.
        suffix: Of the drawn cells' names, where the layout has others of theirs.
    """
    drawn: dict[str, gf.Component] = {}
    for name in netlist.leaves_first():
        places = places_um.get(name, ORIGIN)
        drawn[name] = _draw_cell(name + suffix, netlist.cells[name], drawn, places_um=places, kcl=kcl)
    return drawn


def places_um(spec: ChipSpec) -> dict[str, list[Point]]:
    """Where the buses' fibres enter a chip, and o1 of a bank: row 0's first port (of bus 0) is the origin of both."""
    fibres = [(facet_um(spec), height) for height in coupler_heights_um(spec)]
    return {BANK: [(-tree_length_um(spec), middle_um(spec))], TOP: fibres}


def _dress(chip: gf.Component, bank: gf.Component, spec: ChipSpec, floor: Floorplan | None) -> None:
    if floor is None:
        draw_bumps(spec, bank)
        pads, die = [], box(*flipped_die_um(spec))
    else:
        metal, pads, die = draw_metal(floor, chip)
        put_cell(chip, metal, "metal", kdb.Trans.R0)
    names = row_labels(spec)
    if spec.chip.buses > 1:
        letters(bank, names)
        names = bank_labels(spec)
    top = die.bottom / PER_UM + tests_height_um(spec)
    if spec.kit is not None:
        die = kit_die(spec.kit, die, facet_um=facet_um(spec))
    if floor is not None:
        chip.kdb_cell.shapes(chip.kcl.layer(*LAYERS.exclusion)).insert(inner_street(floor, pads, die))
    west, east = (side / PER_UM for side in (die.left, die.right))
    west, east = west - tip_outside_um(spec), east + tip_outside_um(spec)
    put_cell(chip, draw_tests(spec, chip, west_um=west, east_um=east, top_um=top), "tests", kdb.Trans.R0)
    draw_frame(spec, die, names + labels(spec, pads), chip)


def _draw_cell(
    name: str, cell: Cell, drawn: dict[str, gf.Component], *, places_um: Sequence[Point], kcl: kf.KCLayout
) -> gf.Component:
    """Place the instance that owns o1 so that o1 is at the first place, then abut the others along the connections.

    Instances that are joined to nothing placed before, the feeds of further banks, follow from the ports o2, o3, …,
    each at the next place.
    """
    parts = _parts(cell, drawn, kcl)
    neighbours: dict[str, list[tuple[str, str, str]]] = {key: [] for key in parts}
    for pair in cell.connections:
        (one, its), (other, there) = (end.split(",") for end in sorted(pair))
        neighbours[one].append((its, other, there))
        neighbours[other].append((there, one, its))

    where: dict[str, kdb.Vector] = {}
    places = iter(places_um)
    outside = {name: cell.ports[name].split(",") for name in cell.ports}
    for outer in sorted(outside, key=lambda port: int(port[1:])):
        owner, port = outside[outer]
        if owner in where or (place := next(places, None)) is None:
            continue
        where[owner] = kdb.Vector(nm(place[0]), nm(place[1])) - parts[owner].ports[port]
        queue = [owner]
        for key in queue:
            for own, there, port in sorted(neighbours[key]):
                if there not in where:
                    where[there] = where[key] + parts[key].ports[own] - parts[there].ports[port]
                    queue.append(there)
    loose = sorted(parts.keys() - where.keys())
    if loose:
        raise InputError(f"cell {name}: {', '.join(loose)} is connected to nothing; mend the netlist")

    at = {key: kdb.Trans(where[key]) * part.turn for key, part in parts.items()}
    found = []
    for outer, (key, port) in outside.items():
        found.append(kf.Port(base=parts[key].bases[port].transformed(at[key])))
        found[-1].name = outer
    top = gf.Component(name, kcl=kcl, ports=found)
    for key in cell.instances:
        put_cell(top, parts[key].cell, key, at[key])
    return top


class _Part(NamedTuple):
    """What stands for an instance.

    Attributes:
        cell: Its cell.
        turn: How it is turned.
        bases: Its ports, as kfactory has them.
        ports: Where they are when it is turned.
    """

    cell: gf.Component
    turn: kdb.Trans
    bases: dict[str, BasePort]
    ports: dict[str, kdb.Vector]


def _parts(cell: Cell, drawn: Mapping[str, gf.Component], kcl: kf.KCLayout) -> dict[str, _Part]:
    """What stands for each instance; alike ones are looked up once."""
    known: dict[object, _Part] = {}
    parts = {}
    for key, instance in cell.instances.items():
        kind = instance.component, tuple(instance.settings.items())
        if kind not in known:
            part, turn = (
                placed_device(instance, kcl)
                if instance.component in DEVICES
                else (drawn[instance.component], kdb.Trans.R0)
            )
            bases = {str(port.name): port.base for port in part.ports}
            ports = {name: (turn * base.get_trans()).disp for name, base in bases.items()}
            known[kind] = _Part(part, turn, bases, ports)
        parts[key] = known[kind]
    return parts
