"""Resistances of a drawn chip's metal: what a driver's channel settles with, what grounds return through."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prism_photonics.layout.flipchip import RAIL_UM
from prism_photonics.layout.processcontrol import meander_squares
from prism_photonics.layout.routing import Point
from prism_photonics.process.layers import Deck
from prism_photonics.process.metal import load_metal
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.channels import STRAP_UM, channel, settling_s, wires_um
from prism_photonics.spec.floorplan import Floorplan, plan
from prism_photonics.units import InputError

RESISTIVITY_OHM_UM = {"Au": 2.214e-2, "Al": 2.650e-2, "Cu": 1.678e-2}
"""Of pure metal at 20 °C. Source: CRC Handbook of Chemistry and Physics; films have more."""
PER_KELVIN = {"Au": 3.7e-3, "Al": 4.5e-3, "Cu": 4.0e-3}
"""Of that resistivity. Source: the same table, from 20 °C to 300 K."""


@dataclass(frozen=True)
class Wiring:
    """What the metal between rings and pads does to a driver.

    Attributes:
        sheet_ohm: Of second metal.
        signal_ohm: From the farthest ring to its pad or bump.
        electrodes_ohm: Along a ring's longer signal electrode from its strap to its ends, both ways at once.
        ground_ohm: From the ring whose ground is farthest to ground, its pads or bumps.
        rings: Rings that share that ground.
        channel_fF: Of the channel with the farthest ring: ``system.ring_fF``, or that of its own metal.
        neighbour_share: Of a neighbour's step, what that channel's wire would follow if nothing drove it.
        bandwidth_Hz: 1/(2π·R·C) of the farthest ring's wire.
        settling_s: Of the farthest ring to half a code of the driver's converter, the driver without resistance.
        driver_ohm: Largest resistance of a driver that settles in ``drive.settle_us``.
        bounce_V: On that ground while all its rings go from one end of the drive to the other in this time.
    """

    sheet_ohm: float
    signal_ohm: float
    electrodes_ohm: float
    ground_ohm: float
    rings: int
    channel_fF: float
    neighbour_share: float
    bandwidth_Hz: float
    settling_s: float
    driver_ohm: float
    bounce_V: float


def wiring(spec: ChipSpec, deck: Deck, rings_um: Mapping[str, Point], pads_um: Mapping[str, Point]) -> Wiring:
    """The wiring of a chip as drawn; where the spec gives no ``system.ring_fF``, with its own capacitances.

    Args:
        spec: The chip.
        deck: Its stack.
        rings_um: Middles of the rings by the name of their pad.
        pads_um: Middles of the pads by name.

    Raises:
        InputError: The resistivity of a metal of the deck is not known.
    """
    sheet, first = _sheet_ohm(deck, "metal2"), _sheet_ohm(deck, "metal1")
    design = spec.ring_designs[0]
    # A strap's via stands in the middle of an electrode: two halves side by side, and R/3 of each, charged along it.
    half_um = design.lobes_um / 4.0
    electrodes = first * half_um / design.electrode_width_um / 2.0 / 3.0
    metal, parts = load_metal(spec.process), channel(spec)
    beside = 0.0
    if spec.flip_chip:
        rings, wire_fF = spec.chip.channels, float(parts.wire_fF.max())
        signal = sheet * float(wires_um(spec).max()) / STRAP_UM
        ground = sheet * spec.chip.channels * spec.ring.pitch_um / RAIL_UM
    else:
        floor, rings = plan(spec), spec.chip.rows
        farthest_um = max(abs(x - pads_um[pad][0]) + abs(y - pads_um[pad][1]) for pad, (x, y) in rings_um.items())
        signal = sheet * farthest_um / floor.tracks.signal_um
        ground = max(_bonded_ground_ohm(floor, sheet, ring, at_um=at, pads_um=pads_um) for ring, at in rings_um.items())
        whole, one = metal.track_fF_um(floor.tracks.signal_um, floor.tracks.space_um)
        wire_fF, beside = whole * farthest_um, one * farthest_um
    drawn_fF = parts.electrodes_fF + parts.strap_fF + parts.pad_fF + wire_fF
    channel_fF = drawn_fF if spec.system.ring_fF is None else spec.system.ring_fF
    drive, farad = spec.drive, channel_fF * 1e-15
    current_A = rings * farad * 2.0 * drive.max_voltage_V / (drive.settle_us * 1e-6)
    return Wiring(
        sheet_ohm=sheet,
        signal_ohm=signal,
        electrodes_ohm=electrodes,
        ground_ohm=ground,
        rings=rings,
        channel_fF=channel_fF,
        neighbour_share=beside / drawn_fF,
        bandwidth_Hz=1.0 / (2.0 * math.pi * (signal + electrodes) * farad),
        settling_s=settling_s(spec, ohm=signal + electrodes, fF=channel_fF),
        driver_ohm=drive.settle_us * 1e-6 / settling_s(spec, ohm=1.0, fF=channel_fF),
        bounce_V=current_A * ground,
    )


def thermometer_ohm(deck: Deck) -> tuple[float, float]:
    """Resistance of the thermometer at 20 °C between its inner taps, and what a kelvin adds, of pure metal.

    Raises:
        InputError: The resistivity of the deck's first metal is not known.
    """
    ohm = _sheet_ohm(deck, "metal1") * meander_squares()
    return ohm, ohm * PER_KELVIN[deck.stack["metal1"].material]


def _sheet_ohm(deck: Deck, layer: str) -> float:
    metal = deck.stack[layer]
    if metal.material not in RESISTIVITY_OHM_UM:
        raise InputError(
            f"deck {deck.name}: stack.{layer}.material = '{metal.material}': no resistivity is known; want one of "
            f"{', '.join(RESISTIVITY_OHM_UM)}"
        )
    return RESISTIVITY_OHM_UM[metal.material] / metal.thickness_um


def _bonded_ground_ohm(
    floor: Floorplan, sheet_ohm: float, ring: str, *, at_um: Point, pads_um: Mapping[str, Point]
) -> float:
    """From a ring along its column's ground track to the pads at its ends, side by side."""
    column = ring.rpartition("_c")[2]
    x = floor.ground_track(int(column))
    ways = [
        sheet_ohm * (abs(at_um[0] - x) + abs(x - pad[0]) + abs(at_um[1] - pad[1])) / floor.tracks.ground_um
        for name, pad in pads_um.items()
        if name.startswith(f"ground_c{column}_")
    ]
    return 1.0 / sum(1.0 / way for way in ways)
