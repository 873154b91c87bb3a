"""Proofs on the polygons alone: islands of rib, nets of metal, what every pad drives, least distances."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb

from prism_photonics.layout.metal import SITE_PADS, ring_pad
from prism_photonics.process.layers import LAYERS, METAL1_SPACE_UM, METAL1_TO_RIB_UM, METAL2_SPACE_UM, VIA_ENCLOSURE_UM
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

PER_UM = 1000


@dataclass(frozen=True)
class Checks:
    """What was counted, and everything that is wrong, one sentence each.

    Attributes:
        rib_islands: Ribs that touch nothing else.
        metal_nets: Conductors, over both metals and the vias.
        pads: Bond pads.
        violations: Empty for a sound chip.
    """

    rib_islands: int
    metal_nets: int
    pads: int
    violations: tuple[str, ...]


def check(gds: Path | str, spec: ChipSpec) -> Checks:
    """Hold a drawn chip against the counts, connections and distances that its spec demands.

    The rib islands must be ``1 + N + N·d``: coupler, tree and through buses are one, each drop bus and each ring
    another. The metal must be ``N·d`` signals, ``d`` grounds and three nets per photodiode site; every ring's signal
    electrodes, left and right, must meet on exactly one pad, the one that bears its name.

    Raises:
        InputError: The file cannot be read.
    """
    layout = kdb.Layout()
    try:
        layout.read(str(gds))
    except RuntimeError as error:
        raise InputError(
            f"{gds}: cannot read the layout ({str(error).splitlines()[0]}); give a GDS file of ours"
        ) from None
    rows, channels = spec.chip.rows, spec.chip.channels
    flat = {name: _region(layout, number) for name, number in LAYERS.items()}
    wrong = []

    islands = flat["ridge"].count()
    if islands != 1 + rows + rows * channels:
        wrong.append(f"{islands} rib islands instead of {1 + rows + rows * channels}")

    nets = _Nets(layout)
    expected = rows * channels + channels + len(SITE_PADS) * rows
    if nets.count != expected:
        wrong.append(f"{nets.count} metal nets instead of {expected}")
    pads = pad_centers_um(layout)
    wrong += _pad_faults(nets, pads, layout, spec)
    wrong += _distance_faults(flat, spec)
    return Checks(islands, nets.count, len(pads), tuple(wrong))


def pad_centers_um(layout: kdb.Layout) -> dict[str, tuple[float, float]]:
    """Centre of every bond pad in µm, by name, as placed in the file."""
    top = layout.top_cell()
    pads: dict[str, tuple[float, float]] = {}
    for metal in (i for i in top.each_inst() if i.cell.name == "metal"):
        for inst in metal.cell.each_inst():
            if inst.cell.name == "bond_pad":
                at = (metal.trans * inst.trans).disp
                pads[str(inst.property(0))] = (at.x / PER_UM, at.y / PER_UM)
    return dict(sorted(pads.items()))


class _Nets:
    """Conductors of the flat chip."""

    def __init__(self, layout: kdb.Layout):
        work = layout.dup()
        top = work.top_cell()
        top.flatten(True)
        self._tracer = kdb.LayoutToNetlist(kdb.RecursiveShapeIterator(work, top, []))
        metals = {name: self._tracer.make_layer(work.layer(*number), name) for name, number in _CONDUCTORS.items()}
        for region in metals.values():
            self._tracer.connect(region)
        self._tracer.connect(metals["metal1"], metals["via"])
        self._tracer.connect(metals["via"], metals["metal2"])
        self._tracer.extract_netlist()
        self._metals = metals
        self.count = sum(1 for _ in self._tracer.netlist().circuit_by_name(top.name).each_net())

    def at(self, metal: str, x_um: float, y_um: float) -> int | None:
        """The net under a point, None where there is no metal."""
        net = self._tracer.probe_net(self._metals[metal], kdb.DPoint(x_um, y_um))
        return None if net is None else net.cluster_id


_CONDUCTORS = {"metal1": LAYERS.metal1, "via": LAYERS.via, "metal2": LAYERS.metal2}


def _pad_faults(nets: _Nets, pads: Mapping[str, tuple[float, float]], layout: kdb.Layout, spec: ChipSpec) -> list[str]:
    """Each ring's four electrodes are probed in the middle of their metal, then followed to the pads."""
    wrong = []
    reached = {name: nets.at("metal2", *center) for name, center in pads.items()}
    served = Counter(reached.values())
    grounds = {}
    rings = spec.ring_designs
    for row, (dx, dy) in _rows_um(layout).items():
        for c, design in enumerate(rings):
            middle, y = dx + (c + 0.5) * design.pitch_um, dy + design.center_y_um
            half = design.straight_um / 2.0
            outer = half + design.radius_um + design.electrode_gap_um / 2.0 + design.electrode_width_um / 2.0
            inner = half + design.radius_um - design.electrode_gap_um / 2.0 - design.electrode_width_um / 4.0
            left_out, left_in, right_in, right_out = (
                nets.at("metal1", middle + x, y) for x in (-outer, -inner, inner, outer)
            )
            name = ring_pad(row, c)
            if right_out is None or right_out != left_in:
                wrong.append(f"row {row}, ring {c}: its two signal electrodes are not joined")
            if left_out is None or left_out != right_in:
                wrong.append(f"row {row}, ring {c}: its two ground electrodes are not joined")
            if right_out == left_out:
                wrong.append(f"row {row}, ring {c}: signal and ground are shorted")
            if served[right_out] != 1 or reached.get(name) != right_out:
                hit = ", ".join(pad for pad, net in reached.items() if net == right_out) or "none"
                wrong.append(f"row {row}, ring {c}: its signal reaches pads {hit}; want {name} alone")
            if grounds.setdefault(c, left_out) != left_out or left_out not in reached.values():
                wrong.append(f"row {row}, ring {c}: its ground is not the grounded net of column {c}")
    return wrong


def _rows_um(layout: kdb.Layout) -> dict[int, tuple[float, float]]:
    """Origin of every row: where its instance stands."""
    rows = {}
    for inst in layout.top_cell().each_inst():
        if inst.cell.name == "row":
            at = inst.trans.disp
            rows[int(str(inst.property(0)).removeprefix("row_"))] = (at.x / PER_UM, at.y / PER_UM)
    return rows


def _distance_faults(flat: Mapping[str, kdb.Region], spec: ChipSpec) -> list[str]:
    """Least distances; between a ring and its own electrodes the design's electrode gap rules."""
    ring = spec.ring_designs[0]
    to_rib = min(METAL1_TO_RIB_UM, (ring.electrode_gap_um - ring.width_um) / 2.0)
    metal1, metal2, rib = flat["metal1"], flat["metal2"], flat["ridge"]
    # The arcs' corners lie on the grid: a distance may be a nanometre short on paper.
    found = {
        f"metal 1 to metal 1 below {METAL1_SPACE_UM:g} µm": metal1.space_check(_nm(METAL1_SPACE_UM)),
        f"metal 2 to metal 2 below {METAL2_SPACE_UM:g} µm": metal2.space_check(_nm(METAL2_SPACE_UM)),
        f"metal 1 to rib below {to_rib:g} µm": metal1.separation_check(rib, _nm(to_rib) - 2),
        "metal 1 on rib": metal1 & rib,
        f"via not enclosed by {VIA_ENCLOSURE_UM:g} µm of metal": (
            flat["via"].sized(_nm(VIA_ENCLOSURE_UM)) - (metal1 & metal2)
        ),
        "rib outside the slab": rib - flat["slab"],
        "metal outside the die": (metal1 + metal2) - flat["contour"],
    }
    wrong = []
    for rule, where in found.items():
        if where.count():
            first = next(iter(where.each()))
            at = first.bbox().center()
            wrong.append(f"{rule}: {where.count()} places, first near ({at.x / PER_UM:g}, {at.y / PER_UM:g}) µm")
    return wrong


def _region(layout: kdb.Layout, number: tuple[int, int]) -> kdb.Region:
    index = layout.find_layer(*number)
    if index is None:
        return kdb.Region()
    return kdb.Region(layout.top_cell().begin_shapes_rec(index)).merged()


def _nm(length_um: float) -> int:
    return round(length_um * PER_UM)
