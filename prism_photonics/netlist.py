"""Netlists of instances and connections, from a spec or from a drawn layout.

A netlist is hierarchical: a dictionary of cells. An instance's component is another cell of the dictionary or a leaf
device (``ring``, ``splitter``, ``edge_coupler``, ``straight``, ``uturn``, ``branch``, ``terminator``, ``detector``,
``photodiode``) whose settings are exactly the fields of its design. Optical ports are ``o1…``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from prism_photonics.lightpath.splitter.design import halves, tree_levels
from prism_photonics.lightpath.waveguide.design import BranchDesign, StraightDesign, TerminatorDesign
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import (
    DROP_LEAD_UM,
    approach_um,
    branch_design,
    detector_site,
    feed_designs,
    photodiode_site,
    uturn_design,
)

TOP = "chip"
BANK = "bank"


@dataclass(frozen=True)
class Instance:
    """A placed component: its name among the models or cells, and its settings."""

    component: str
    settings: Mapping[str, float | int | str]


@dataclass(frozen=True)
class Cell:
    """One level of hierarchy.

    Attributes:
        instances: Instance name → instance.
        connections: Unordered pairs of ``"instance,port"``.
        ports: Outer port name → ``"instance,port"``.
    """

    instances: Mapping[str, Instance]
    connections: frozenset[frozenset[str]]
    ports: Mapping[str, str]


@dataclass(frozen=True)
class Netlist:
    """A hierarchy of cells; ``top`` is the chip."""

    cells: Mapping[str, Cell]
    top: str = TOP

    def to_sax(self, top: str | None = None) -> dict[str, dict[str, Any]]:
        """The netlist from ``top`` downwards as the recursive dictionary that ``sax.circuit`` reads (top first)."""
        order = [top or self.top]
        for name in order:
            order += [
                i.component
                for i in self.cells[name].instances.values()
                if i.component in self.cells and i.component not in order
            ]
        return {name: _sax_cell(self.cells[name]) for name in dict.fromkeys(order)}

    @property
    def banks(self) -> dict[str, str]:
        """The cell of every bank by its place on the chip; a chip of one bank is that bank itself."""
        chip = self.cells[self.top]
        names = [name for name in chip.instances if name.startswith(f"{BANK}_")]
        ordered = sorted(names, key=lambda name: int(name.removeprefix(f"{BANK}_")))
        return {name: chip.instances[name].component for name in ordered} or {self.top: self.top}

    def leaves_first(self) -> list[str]:
        """Names of the cells from ``top`` downwards, each after the cells that it holds."""
        order = [self.top]
        for name in order:
            order += [i.component for i in self.cells[name].instances.values() if i.component in self.cells]
        return list(dict.fromkeys(reversed(order)))

    def differences(self, other: "Netlist", *, tolerance_um: float = 1e-9) -> list[str]:
        """Every way in which ``other`` departs from this netlist, one sentence each; empty when they are equal."""
        found = []
        for name in sorted(self.cells.keys() | other.cells.keys()):
            if name not in other.cells or name not in self.cells:
                found.append(f"cell {name} is {'missing' if name in self.cells else 'added'}")
                continue
            found += _cell_differences(name, self.cells[name], other.cells[name], tolerance_um)
        return found


def connect(*pairs: tuple[str, str]) -> frozenset[frozenset[str]]:
    """Connections from pairs of ``"instance,port"``."""
    return frozenset(frozenset(pair) for pair in pairs)


def from_spec(spec: ChipSpec) -> Netlist:
    """The chip's design netlist: one bank, or several side by side as cells ``bank`` of the chip.

    A bank is one bus of every row: splitter tree, identical rows, detectors. The photocurrents of the banks are summed
    row by row in the electronics, which are no part of the optical netlist.
    """
    rows, detectors = spec.chip.rows, _detectors(spec)
    cells: dict[str, Cell] = {"row": _row(spec)}
    instances = {
        **{f"row_{n}": Instance("row", {}) for n in range(rows)},
        **{f"{kind}_{n}": detector for n in range(rows) for kind, detector in detectors.items()},
    }
    pairs = []
    for n in range(rows):
        through, drop = detector_ends(instances, n)
        pairs += [(f"row_{n},o2", through), (f"row_{n},o3", drop)]
    root = "row_0,o1"
    if rows > 1:
        instances["tree"] = Instance(_add_tree(cells, spec, rows, tree_levels(rows)), {})
        # Outputs are numbered from the lowest row up.
        pairs += [(f"tree,o{n + 2}", f"row_{n},o1") for n in range(rows)]
        root = "tree,o1"
    elif spec.two_sided:
        instances["approach"] = Instance("straight", asdict(StraightDesign(approach_um(spec), spec.width_um)))
        pairs.append(("approach,o2", root))
        root = "approach,o1"
    coupler = Instance("edge_coupler", asdict(spec.coupler_design))
    if spec.chip.buses == 1:
        instances["coupler"] = coupler
        pairs.append(("coupler,o2", root))
        return Netlist({**cells, TOP: Cell(instances, connect(*pairs), {"o1": "coupler,o1"})})
    cells[BANK] = Cell(instances, connect(*pairs), {"o1": root})
    return Netlist({**cells, TOP: _several(spec, coupler)})


def _several(spec: ChipSpec, coupler: Instance) -> Cell:
    """The chip of several banks: each has a coupler, a lead below the rows, and a rise to the root of its tree."""
    instances: dict[str, Instance] = {}
    pairs = []
    for b in range(spec.chip.buses):
        lead, rise = feed_designs(spec, bus=b)
        instances |= {
            f"coupler_{b}": coupler,
            f"lead_{b}": Instance("straight", asdict(lead)),
            f"rise_{b}": Instance("branch", asdict(rise)),
            f"{BANK}_{b}": Instance(BANK, {}),
        }
        way = (f"coupler_{b}", f"lead_{b}", f"rise_{b}", f"{BANK}_{b}")
        pairs += [(f"{a},o2", f"{z},o1") for a, z in pairwise(way)]
    return Cell(instances, connect(*pairs), {f"o{b + 1}": f"coupler_{b},o1" for b in range(spec.chip.buses)})


def detector_ends(instances: Mapping[str, Instance], row: int) -> tuple[str, str]:
    """Where a row's through bus and its drop bus must end: ports of one site, or of a photodiode at either end."""
    if f"detector_{row}" in instances:
        return f"detector_{row},o1", f"detector_{row},o2"
    return f"through_diode_{row},o1", f"drop_diode_{row},o1"


def _detectors(spec: ChipSpec) -> dict[str, Instance]:
    """The photodiodes of a row, by what they are called before its number: all rows have alike ones."""
    if not spec.two_sided:
        return {"detector": Instance("detector", asdict(detector_site(spec)))}
    ends = (("through", False), ("drop", True))
    return {f"{bus}_diode": Instance("photodiode", asdict(photodiode_site(spec, west=west))) for bus, west in ends}


def _row(spec: ChipSpec) -> Cell:
    """One row: rings in channel order, the far end of the drop bus terminated.

    The near end, where the light leaves, is turned back over the rings to the detectors in the east; or it goes on west
    to a photodiode of its own.
    """
    rings = spec.ring_designs
    last = len(rings) - 1
    instances = {f"ring_{c}": Instance("ring", asdict(design)) for c, design in enumerate(rings)}
    instances["terminator"] = Instance("terminator", asdict(TerminatorDesign(width_um=spec.width_um)))
    pairs = []
    for c in range(last):
        pairs += [(f"ring_{c},o2", f"ring_{c + 1},o1"), (f"ring_{c},o4", f"ring_{c + 1},o3")]
    pairs.append((f"ring_{last},o4", "terminator,o1"))
    if spec.two_sided:
        instances["drop_lead"] = Instance("straight", asdict(StraightDesign(DROP_LEAD_UM, spec.width_um)))
        pairs.append(("drop_lead,o2", "ring_0,o3"))
        drop = "drop_lead,o1"
    else:
        instances["uturn"] = Instance("uturn", asdict(uturn_design(spec)))
        home = StraightDesign(len(rings) * spec.ring.pitch_um, spec.width_um)
        instances["return_guide"] = Instance("straight", asdict(home))
        pairs += [("ring_0,o3", "uturn,o1"), ("uturn,o2", "return_guide,o1")]
        drop = "return_guide,o2"
    return Cell(instances, connect(*pairs), {"o1": "ring_0,o1", "o2": f"ring_{last},o2", "o3": drop})


def _add_tree(cells: dict[str, Cell], spec: ChipSpec, rows: int, level: int) -> str:
    """Add a splitter tree and the smaller ones that it holds: a splitter, and a branch and a tree at each output.

    Args:
        cells: Takes the trees up.
        spec: Chip.
        rows: Rows behind this tree.
        level: Splitters between its root and a row.

    Returns:
        Its cell's name: ``tree_8``, or ``tree_5_of_8`` where not every output has a row.
    """
    outputs = 2**level
    name = f"tree_{rows}" if rows == outputs else f"tree_{rows}_of_{outputs}"
    if name in cells:
        return name
    instances, pairs = {"splitter": Instance("splitter", asdict(spec.splitter_design))}, []
    ends: list[str] = []
    for side, port, behind in zip(("lower", "upper"), ("o3", "o2"), halves(rows), strict=True):
        if not behind:
            instances["terminator"] = Instance("terminator", asdict(TerminatorDesign(width_um=spec.width_um)))
            pairs.append((f"splitter,{port}", "terminator,o1"))
            continue
        branch = branch_design(spec, rows=rows, level=level, upper=side == "upper")
        kind = "branch" if isinstance(branch, BranchDesign) else "straight"
        instances[f"{side}_branch"] = Instance(kind, asdict(branch))
        pairs.append((f"splitter,{port}", f"{side}_branch,o1"))
        if level == 1:
            ends.append(f"{side}_branch,o2")
            continue
        instances[side] = Instance(_add_tree(cells, spec, behind, level - 1), {})
        pairs.append((f"{side}_branch,o2", f"{side},o1"))
        ends += [f"{side},o{n + 2}" for n in range(behind)]
    # Outputs are numbered from the lowest row up.
    ports = {"o1": "splitter,o1"} | {f"o{n + 2}": end for n, end in enumerate(ends)}
    cells[name] = Cell(instances, connect(*pairs), ports)
    return name


def _sax_cell(cell: Cell) -> dict[str, Any]:
    instances = {}
    for name, instance in cell.instances.items():
        instances[name] = {"component": instance.component, "settings": dict(instance.settings)}
    pairs = (sorted(pair) for pair in cell.connections)
    return {"instances": instances, "connections": {a: b for a, b in pairs}, "ports": dict(cell.ports)}


def _cell_differences(name: str, ours: Cell, theirs: Cell, tolerance_um: float) -> list[str]:
    found = []
    for key in sorted(ours.instances.keys() | theirs.instances.keys()):
        a, b = ours.instances.get(key), theirs.instances.get(key)
        if a is None or b is None:
            found.append(f"{name}: instance {key} is {'added' if a is None else 'missing'}")
        elif a.component != b.component:
            found.append(f"{name}.{key}: component {b.component} instead of {a.component}")
        else:
            for field in sorted(a.settings.keys() | b.settings.keys()):
                if not _same(a.settings.get(field), b.settings.get(field), tolerance_um):
                    found.append(f"{name}.{key}.{field}: {b.settings.get(field)} instead of {a.settings.get(field)}")
    for pair in sorted(map(sorted, ours.connections ^ theirs.connections)):
        verb = "missing" if frozenset(pair) in ours.connections else "added"
        found.append(f"{name}: connection {' – '.join(pair)} is {verb}")
    for port in sorted(ours.ports.keys() | theirs.ports.keys()):
        if ours.ports.get(port) != theirs.ports.get(port):
            found.append(f"{name}: port {port} is {theirs.ports.get(port)} instead of {ours.ports.get(port)}")
    return found


def _same(a: float | int | str | None, b: float | int | str | None, tolerance: float) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= tolerance
    return a == b
