"""Who is connected to whom: one type, two origins (the spec, or a drawn layout).

A netlist is hierarchical: a dictionary of cells. An instance's component is another cell of the dictionary or a leaf
device (``ring``, ``splitter``, ``edge_coupler``, ``straight``, ``uturn``, ``branch``, ``terminator``, ``detector``)
whose settings are exactly the fields of its design. Optical ports are ``o1…``.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from prism_photonics.lightpath.detector.design import FLIPPED_PAD_UM, DetectorSiteDesign
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.lightpath.waveguide.design import (
    BranchDesign,
    Lengths,
    StraightDesign,
    TerminatorDesign,
    UTurnDesign,
)
from prism_photonics.spec import ChipSpec

TOP = "chip"
BANK = "bank"

# Design choices.
FIBRE_PITCH_UM = 127.0  # of a fibre array
FEED_BELOW_UM = 70.0  # from row 0 down to the first of several fibres
LEAST_LEAD_UM = 20.0  # from the first of several couplers to its rise
SITE_BUMPS_UM = 120.0  # strip east of a photodiode site for its bumps


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
    rows = spec.chip.rows
    cells: dict[str, Cell] = {"row": _row(spec)}
    instances = {
        **{f"row_{n}": Instance("row", {}) for n in range(rows)},
        **{f"detector_{n}": Instance("detector", asdict(detector_site(spec))) for n in range(rows)},
    }
    pairs = []
    for n in range(rows):
        pairs += [(f"row_{n},o2", f"detector_{n},o1"), (f"row_{n},o3", f"detector_{n},o2")]
    root = "row_0,o1"
    if rows > 1:
        cells |= _trees(spec)
        instances["tree"] = Instance(f"tree_{rows}", {})
        # Outputs are numbered from the lowest row up.
        pairs += [(f"tree,o{n + 2}", f"row_{n},o1") for n in range(rows)]
        root = "tree,o1"
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


def detector_site(spec: ChipSpec) -> DetectorSiteDesign:
    """The attach site of one row's balanced pair: its guides arrive at the heights of through bus and drop return."""
    ring = spec.ring_designs[0]
    design = DetectorSiteDesign(ring.bus_pitch_um + 2.0 * spec.waveguide.bend_radius_um, spec.width_um)
    return replace(design, pad_um=FLIPPED_PAD_UM) if spec.flip_chip else design


def branch_design(spec: ChipSpec, *, rows: int, upper: bool) -> BranchDesign:
    """The S from one output of the splitter that feeds ``rows`` rows to the subtree of half of them."""
    rise = spec.row_pitch_um * rows / 4.0 - spec.splitter_design.port_pitch_um / 2.0
    return BranchDesign(_branch_dx_um(spec), rise if upper else -rise, spec.waveguide.bend_radius_um, spec.width_um)


def tree_length_um(spec: ChipSpec) -> float:
    """Length along x of a bank's splitter tree."""
    return tree_levels(spec.chip.rows) * (spec.splitter_design.length_um + _branch_dx_um(spec))


def bank_pitch_um(spec: ChipSpec) -> float:
    """Distance along x of neighbouring banks: tree, rings, photodiode sites with their bumps, the next bank's rise."""
    site = detector_site(spec).reach_um + SITE_BUMPS_UM
    length = tree_length_um(spec) + spec.chip.channels * spec.ring.pitch_um + site + _branch_dx_um(spec)
    return 10.0 * math.ceil(length / 10.0)


def feed_height_um(spec: ChipSpec, *, bus: int) -> float:
    """Height of a bus's fibre among several: all enter below the rows, the first bus's the highest."""
    return -max(FEED_BELOW_UM, 2.0 * spec.waveguide.bend_radius_um + 10.0) - bus * FIBRE_PITCH_UM


def feed_designs(spec: ChipSpec, *, bus: int) -> tuple[StraightDesign, BranchDesign]:
    """From a bus's coupler, when there are several buses, to the root of its tree: below the rows, then up."""
    middle = (spec.chip.rows - 1) * spec.row_pitch_um / 2.0
    dx, radius = _branch_dx_um(spec), spec.waveguide.bend_radius_um
    lead = StraightDesign(LEAST_LEAD_UM + bus * bank_pitch_um(spec), spec.width_um)
    return lead, BranchDesign(dx, middle - feed_height_um(spec, bus=bus), radius, spec.width_um)


def feed_lengths(spec: ChipSpec, *, bus: int) -> Lengths:
    """Waveguide from a bus's coupler to the root of its tree by direction: none on a chip of one bus."""
    if spec.chip.buses == 1:
        return Lengths()
    lead, rise = (design.lengths for design in feed_designs(spec, bus=bus))
    return Lengths(lead.x_um + rise.x_um, lead.y_um + rise.y_um, lead.bend_um + rise.bend_um)


def _branch_dx_um(spec: ChipSpec) -> float:
    return 2.0 * spec.waveguide.bend_radius_um + 20.0


def _row(spec: ChipSpec) -> Cell:
    """One row: rings in channel order, the drop bus turned back over them to the detectors, its far end terminated."""
    rings = spec.ring_designs
    last = len(rings) - 1
    instances = {f"ring_{c}": Instance("ring", asdict(design)) for c, design in enumerate(rings)}
    instances["uturn"] = Instance("uturn", asdict(UTurnDesign(spec.waveguide.bend_radius_um, spec.width_um)))
    instances["return_guide"] = Instance(
        "straight", asdict(StraightDesign(len(rings) * spec.ring.pitch_um, spec.width_um))
    )
    instances["terminator"] = Instance("terminator", asdict(TerminatorDesign(width_um=spec.width_um)))
    pairs = []
    for c in range(last):
        pairs += [(f"ring_{c},o2", f"ring_{c + 1},o1"), (f"ring_{c},o4", f"ring_{c + 1},o3")]
    pairs += [
        ("ring_0,o3", "uturn,o1"),
        ("uturn,o2", "return_guide,o1"),
        (f"ring_{last},o4", "terminator,o1"),
    ]
    return Cell(instances, connect(*pairs), {"o1": "ring_0,o1", "o2": f"ring_{last},o2", "o3": "return_guide,o2"})


def _trees(spec: ChipSpec) -> dict[str, Cell]:
    """``tree_N`` for N = 2, 4, … rows: a splitter, two branches, two trees of half the size."""
    cells = {}
    for level in range(1, tree_levels(spec.chip.rows) + 1):
        size = 2**level
        half = size // 2
        instances = {
            "splitter": Instance("splitter", asdict(spec.splitter_design)),
            "upper_branch": Instance("branch", asdict(branch_design(spec, rows=size, upper=True))),
            "lower_branch": Instance("branch", asdict(branch_design(spec, rows=size, upper=False))),
        }
        pairs = [("splitter,o2", "upper_branch,o1"), ("splitter,o3", "lower_branch,o1")]
        if half == 1:
            ports = {"o1": "splitter,o1", "o2": "lower_branch,o2", "o3": "upper_branch,o2"}
        else:
            instances |= {"upper": Instance(f"tree_{half}", {}), "lower": Instance(f"tree_{half}", {})}
            pairs += [("upper_branch,o2", "upper,o1"), ("lower_branch,o2", "lower,o1")]
            ports = {"o1": "splitter,o1"}
            ports |= {f"o{n + 2}": f"lower,o{n + 2}" for n in range(half)}
            ports |= {f"o{n + half + 2}": f"upper,o{n + 2}" for n in range(half)}
        cells[f"tree_{size}"] = Cell(instances, connect(*pairs), ports)
    return cells


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
