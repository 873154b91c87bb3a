"""The whole chip: every cell of the netlist placed by abutting its ports, then metal, pads, frame and labels."""

import itertools

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.layout.devices import DEVICES, draw_device
from prism_photonics.layout.flipchip import draw_bumps
from prism_photonics.layout.floorplan import Floorplan, bonded, facet_um, middle_um, plan, require_room
from prism_photonics.layout.frame import bonded_die, draw_frame, flipped_die, labels
from prism_photonics.layout.marks import draw_marks
from prism_photonics.layout.metal import draw_metal
from prism_photonics.layout.teststructures import draw_tests, least_width_um, tests_height_um
from prism_photonics.lightpath.drawing import PER_UM, nm
from prism_photonics.netlist import Cell, Netlist, from_spec
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

_count = itertools.count()


def draw(spec: ChipSpec, netlist: Netlist | None = None) -> gf.Component:
    """Draw a chip: bonded along its edges when it has few rows, else flipped onto a bump per ring.

    Hierarchy: leaf devices, ``row``, ``tree_2``, ``tree_4``, …, ``chip``; instance names are those of the netlist. Each
    drawing lives in a layout of its own, so two drawings never share or rename cells.

    Args:
        spec: The chip.
        netlist: What to draw, when it is not the spec's own design (an experiment, a mutation).

    Raises:
        InputError: A chip whose metal finds no room.
    """
    floor = plan(spec) if bonded(spec) else None
    require_room(spec)
    netlist = netlist or from_spec(spec)
    kcl = kf.KCLayout(f"prism_drawing_{next(_count)}")
    drawn: dict[str, gf.Component] = {}
    for name in _leaves_first(netlist):
        at = (nm(facet_um(spec)), nm(middle_um(spec))) if name == netlist.top else (0, 0)
        drawn[name] = _draw_cell(name, netlist.cells[name], drawn, at_nm=at, kcl=kcl)
    chip = drawn[netlist.top]
    _dress(chip, spec, floor)
    return chip


def _dress(chip: gf.Component, spec: ChipSpec, floor: Floorplan | None) -> None:
    if floor is None:
        metal, pads = draw_bumps(spec, chip)
        die = flipped_die(spec, pads)
    else:
        metal, pads = draw_metal(floor, chip)
        die = bonded_die(floor, pads)
    chip.add_ref(metal, name="metal")
    top = die.bottom
    right = max(die.right, die.left + nm(least_width_um(spec)))
    die = kdb.Box(die.left, die.bottom - nm(tests_height_um(spec)), right, die.top)
    tests = draw_tests(spec, chip, west_um=die.left / PER_UM, east_um=die.right / PER_UM, top_um=top / PER_UM)
    chip.add_ref(tests, name="tests")
    chip.add_ref(draw_marks(die, kcl=chip.kcl), name="marks")
    chip.add_ref(draw_frame(spec, die, labels(spec, pads), kcl=chip.kcl), name="frame")


def _leaves_first(netlist: Netlist) -> list[str]:
    order = [netlist.top]
    for name in order:
        order += [i.component for i in netlist.cells[name].instances.values() if i.component in netlist.cells]
    return list(dict.fromkeys(reversed(order)))


def _draw_cell(
    name: str, cell: Cell, drawn: dict[str, gf.Component], *, at_nm: tuple[int, int], kcl: kf.KCLayout
) -> gf.Component:
    """Place the instance that owns o1 so that o1 is at ``at_nm``, then abut the others along the connections."""
    top = gf.Component(name, kcl=kcl)
    parts = {
        key: draw_device(instance, kcl) if instance.component in DEVICES else drawn[instance.component]
        for key, instance in cell.instances.items()
    }
    neighbours: dict[str, list[tuple[str, str]]] = {key: [] for key in parts}
    for pair in cell.connections:
        for own, other in (sorted(pair), sorted(pair, reverse=True)):
            neighbours[own.split(",")[0]].append((own, other))

    ports = {key: {port.name: port.trans.disp for port in _grid(part).ports} for key, part in parts.items()}
    owner, port = cell.ports["o1"].split(",")
    where = {owner: kdb.Vector(*at_nm) - ports[owner][port]}
    queue = [owner]
    for key in queue:
        for own, other in sorted(neighbours[key]):
            there, port = other.split(",")
            if there not in where:
                where[there] = where[key] + ports[key][own.split(",")[1]] - ports[there][port]
                queue.append(there)
    loose = sorted(parts.keys() - where.keys())
    if loose:
        raise InputError(f"cell {name}: {', '.join(loose)} is connected to nothing; mend the netlist")

    for key in cell.instances:
        reference = top.add_ref(parts[key], name=key)
        reference.instance.transform(kdb.Trans(where[key]))
    for outer, inner in cell.ports.items():
        key, port = inner.split(",")
        _grid(top).add_port(port=_grid(top).insts[key].ports[port], name=outer)
    return top


def _grid(component: gf.Component) -> kf.KCell:
    """The same cell in database units."""
    return kf.KCell(base=component.base)
