"""Connectivity check on the polygons alone: islands of rib, nets of metal, and the device of every pad."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import klayout.db as kdb

from prism_photonics.layout import marks, teststructures
from prism_photonics.layout.metadata import require_metadata
from prism_photonics.layout.nets import Net, Nets, conductors, ribs
from prism_photonics.layout.pads import detector_contacts, on_bank, pad_centers_um, ring_pad, row_pad, rows_um, serves
from prism_photonics.layout.polygons import open_layout, refusing_damage, title
from prism_photonics.lightpath.detector.design import LANE_UM
from prism_photonics.lightpath.detector.diode import N_PROBE_UM, P_PROBE_UM
from prism_photonics.lightpath.ring.cell import heater_contacts_um
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.process.layers import load_deck
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import DROP_LEAD_UM, detector_site

PROBE_INSET_UM = 2.0  # from a contact's outer end to where its net is looked up


@dataclass(frozen=True)
class Checks:
    """Counts of a drawing's connectivity check, and its violations, one sentence each.

    Attributes:
        rib_islands: Ribs that touch nothing else.
        metal_nets: Conductors, over both metals and the vias.
        pads: Bond pads or bumps.
        ring_nets: Rings whose electrodes reach their own pad and ground, and nothing else.
        violations: Empty for a sound chip.
    """

    rib_islands: int
    metal_nets: int
    pads: int
    ring_nets: int
    violations: tuple[str, ...]


def expected_ribs(spec: ChipSpec) -> int:
    """``1 + N + N·d`` a bus: coupler, tree and through buses are one, each drop bus and ring another; marks, tests."""
    rows, buses, rings = spec.chip.rows, spec.chip.buses, spec.chip.rings
    circuit = buses + rows * buses + rows * rings
    return circuit + marks.EXTRA_RIBS + teststructures.extra_ribs(spec)


def expected_metals(spec: ChipSpec) -> int:
    """``N·d`` signals, as many heaters if any, the grounds, the contacts of the photodiodes; and marks and tests.

    A bonded chip has a ground per column, a flipped one a single ground per bus.
    """
    rows, buses = spec.chip.rows, spec.chip.buses
    grounds = buses if spec.flip_chip else spec.chip.channels
    drives = 2 if spec.trim.method == "heater" else 1
    circuit = drives * rows * spec.chip.rings + grounds + len(detector_contacts(spec)) * rows * buses
    return circuit + marks.EXTRA_METALS + teststructures.EXTRA_METALS


def check(gds: Path | str | kdb.Layout, spec: ChipSpec) -> Checks:
    """Hold a drawn chip against the counts and connections that its spec demands.

    Every ring's signal electrodes, left and right, must meet on exactly one pad, the one that bears its name; its
    ground electrodes on the ground; every contact of a photodiode on its own pad alone.

    Raises:
        InputError: The file cannot be read, or has lost its metadata.
    """
    with refusing_damage(gds):
        return _check(gds, spec)


def _check(gds: Path | str | kdb.Layout, spec: ChipSpec) -> Checks:
    layout = open_layout(gds, load_deck(spec.process))
    require_metadata(layout, where=title(gds))
    wrong = []
    islands = ribs(layout).count
    if islands != expected_ribs(spec):
        wrong.append(f"{islands} rib islands instead of {expected_ribs(spec)}")
    nets = conductors(layout)
    metals = nets.count
    if metals != expected_metals(spec):
        wrong.append(f"{metals} metal nets instead of {expected_metals(spec)}")
    pads = pad_centers_um(layout)
    reached = {name: nets.at("metal2", *center) for name, center in pads.items()}
    faulty = _pad_faults(nets, reached, layout, spec)
    wrong += [sentence for sentences in faulty.values() for sentence in sentences]
    wrong += _photodiode_faults(nets, reached, layout, spec)
    rings = spec.chip.rows * spec.chip.rings
    return Checks(islands, metals, len(pads), rings - len(faulty), tuple(wrong))


def _pad_faults(
    nets: Nets, reached: Mapping[str, Net | None], layout: kdb.Layout, spec: ChipSpec
) -> dict[tuple[int, int, int], list[str]]:
    """Each ring's four electrodes are probed in the middle of their metal, then followed to the pads."""
    faulty: dict[tuple[int, int, int], list[str]] = {}
    served = Counter(reached.values())
    grounded = {net for name, net in reached.items() if serves(name)[0] == "ground"}
    grounds: dict[tuple[int, int], Net | None] = {}
    rows, buses = rows_um(layout), spec.chip.buses
    for bus, row in itertools.product(range(buses), range(spec.chip.rows)):
        for c, design in enumerate(spec.ring_designs):
            wrong = []
            x_um, y_um = rows.get((bus, row), (-1e9, -1e9))  # a missing row has no metal there
            left_out, left_in, right_in, right_out = (
                nets.at("metal1", x_um + c * design.pitch_um + x, y_um + design.center_y_um)
                for x in electrode_middles_um(design)
            )
            name = on_bank(ring_pad(row, c), bus, buses)
            if right_out is None or right_out != left_in:
                wrong.append("its two signal electrodes are not joined")
            if left_out is None or left_out != right_in:
                wrong.append("its two ground electrodes are not joined")
            if right_out == left_out:
                wrong.append("signal and ground are shorted")
            if served[right_out] != 1 or reached.get(name) != right_out:
                hit = ", ".join(pad for pad, net in reached.items() if net == right_out) or "none"
                wrong.append(f"its signal reaches pads {hit}; want {name} alone")
            if design.heater_um > 0.0:
                wrong += _heater_faults(
                    nets, reached, design, (x_um + c * design.pitch_um, y_um), ring=name, ground=left_out
                )
            column = 0 if spec.flip_chip else c
            if grounds.setdefault((bus, column), left_out) != left_out or left_out not in grounded:
                wrong.append("its ground is not the grounded net of its column")
            if wrong:
                place = f"{f'bus {bus}, ' if buses > 1 else ''}row {row}, ring {c}"
                faulty[bus, row, c] = [f"{place}: {sentence}" for sentence in wrong]
    return faulty


def _photodiode_faults(nets: Nets, reached: Mapping[str, Net | None], layout: kdb.Layout, spec: ChipSpec) -> list[str]:
    """Every contact of a photodiode must reach its own pad, and no other pad may; so must the metal on its mesas."""
    served = Counter(reached.values())
    wrong, buses, contacts, mesas = [], spec.chip.buses, _photodiode_contacts_um(spec), _mesa_contacts_um(spec)
    for (bus, row), (x_um, y_um) in rows_um(layout).items():
        for (contact, layer), (x, y) in mesas.items():
            net, name = nets.at(layer, x_um + x, y_um + y), on_bank(row_pad(contact, row), bus, buses)
            if net is None or reached.get(name) != net:
                wrong.append(f"row {row}: a photodiode's {layer} is not joined to {name}")
        for contact, (x, y) in contacts.items():
            net, name = nets.at("metal2", x_um + x, y_um + y), on_bank(row_pad(contact, row), bus, buses)
            if net is None or reached.get(name) != net or served[net] != 1:
                hit = ", ".join(pad for pad, other in reached.items() if other == net and net is not None) or "none"
                wrong.append(f"row {row}: a photodiode's {contact} reaches pads {hit}; want {name} alone")
    return wrong


def _photodiode_contacts_um(spec: ChipSpec) -> dict[str, tuple[float, float]]:
    """Metal of every contact of a row's photodiodes, a little inside the site, from the row's first port."""
    end = spec.chip.channels * spec.ring.pitch_um - PROBE_INSET_UM
    if spec.two_sided:
        site, drop_um = spec.photodiode_design, spec.ring_designs[0].bus_pitch_um
        east, west = end + site.reach_um, PROBE_INSET_UM - DROP_LEAD_UM - site.reach_um
        places = [(east, 0.0), (east, site.hold_pitch_um), (west, drop_um), (west, drop_um + site.hold_pitch_um)]
    else:
        pair = detector_site(spec)
        x, middle, apart = end + pair.reach_um, pair.port_pitch_um / 2.0, (pair.hold_um + LANE_UM) / 2.0
        places = [(x, middle - apart), (x, middle), (x, middle + apart)]
    return dict(zip(detector_contacts(spec), places, strict=True))


def _mesa_contacts_um(spec: ChipSpec) -> dict[tuple[str, str], tuple[float, float]]:
    """Metal on the mesas of a row's photodiodes, from the row's first port, by pad and layer."""
    end, pair = spec.chip.channels * spec.ring.pitch_um, detector_site(spec)
    drop_um = spec.ring_designs[0].bus_pitch_um
    # Of each diode: its guide's port, which way its light heads, on which side its wires leave, its pads of p and n.
    diodes = [
        ((end, 0.0), 1.0, 1.0, ("output", "cathode")),
        ((end, pair.port_pitch_um), 1.0, -1.0, ("anode", "output")),
    ]
    if spec.two_sided:
        diodes = [
            ((end, 0.0), 1.0, 1.0, ("through_anode", "through_cathode")),
            ((-DROP_LEAD_UM, drop_um), -1.0, 1.0, ("drop_anode", "drop_cathode")),
        ]
    probes = (("contact_p", P_PROBE_UM), ("contact_n", N_PROBE_UM))
    return {
        (pad, layer): (x + ahead * along, y + up * aside)
        for (x, y), ahead, up, pads in diodes
        for pad, (layer, (along, aside)) in zip(pads, probes, strict=True)
    }


def _heater_faults(
    nets: Nets,
    reached: Mapping[str, Net | None],
    design: RingDesign,
    at_um: tuple[float, float],
    *,
    ring: str,
    ground: Any,
) -> list[str]:
    """One end of a heater must reach its own pad, the other the ring's ground."""
    driven, cold = (nets.at("metal2", at_um[0] + x, at_um[1] + y) for x, y in heater_contacts_um(design))
    wrong, name = [], ring.replace("ring_", "heater_")
    if driven is None or reached.get(name) != driven or driven == ground:
        wrong.append(f"its heater does not reach pad {name} alone")
    if cold != ground:
        wrong.append("its heater's other end is not grounded")
    return wrong


def electrode_middles_um(design: RingDesign) -> tuple[float, float, float, float]:
    """Where on x a line through a ring's centre meets the middles of its electrodes, west to east."""
    middle, half = design.pitch_um / 2.0, design.straight_um / 2.0
    outer = half + design.radius_um + design.electrode_gap_um / 2.0 + design.electrode_width_um / 2.0
    inner = half + design.radius_um - design.electrode_gap_um / 2.0 - design.electrode_width_um / 4.0
    return middle - outer, middle - inner, middle + inner, middle + outer
