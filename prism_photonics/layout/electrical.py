"""Resistances of a drawn chip's metal: what a driver's channel settles with, what grounds return through."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prism_photonics.layout.flipchip import RAIL_UM
from prism_photonics.layout.floorplan import Floorplan, plan
from prism_photonics.layout.routing import Point
from prism_photonics.process.layers import Deck
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

RESISTIVITY_OHM_UM = {"Au": 2.214e-2, "Al": 2.650e-2, "Cu": 1.678e-2}
"""Of pure metal at 20 °C. Source: CRC Handbook of Chemistry and Physics; films have more."""


@dataclass(frozen=True)
class Wiring:
    """What the metal between rings and pads does to a driver.

    Attributes:
        sheet_ohm: Of second metal.
        signal_ohm: From the farthest ring to its pad or bump.
        ground_ohm: From the ring whose ground is farthest to ground, its pads or bumps.
        rings: Rings that share that ground.
        bandwidth_Hz: 1/(2π·R·C) of the farthest ring's wire.
        settling_s: Of the farthest ring to half a code of the driver's converter, the driver without resistance.
        driver_ohm: Largest resistance of a driver that settles in ``drive.settle_us``.
        bounce_V: On that ground while all its rings go from one end of the drive to the other in this time.
    """

    sheet_ohm: float
    signal_ohm: float
    ground_ohm: float
    rings: int
    bandwidth_Hz: float
    settling_s: float
    driver_ohm: float
    bounce_V: float


def wiring(spec: ChipSpec, deck: Deck, rings_um: Mapping[str, Point], pads_um: Mapping[str, Point]) -> Wiring:
    """The wiring of a chip as drawn; the capacitance of a channel is ``system.ring_fF``.

    Args:
        spec: The chip.
        deck: Its stack.
        rings_um: Middles of the rings by the name of their pad.
        pads_um: Middles of the pads by name.

    Raises:
        InputError: The resistivity of the deck's second metal is not known.
    """
    metal = deck.stack["metal2"]
    if metal.material not in RESISTIVITY_OHM_UM:
        raise InputError(
            f"deck {deck.name}: stack.metal2.material = '{metal.material}': no resistivity is known; want one of "
            f"{', '.join(RESISTIVITY_OHM_UM)}"
        )
    sheet = RESISTIVITY_OHM_UM[metal.material] / metal.thickness_um
    if spec.flip_chip:
        rings = spec.chip.channels
        signal = sheet  # the bump stands in the ring's own cell
        ground = sheet * spec.chip.channels * spec.ring.pitch_um / RAIL_UM
    else:
        floor, rings = plan(spec), spec.chip.rows
        signal = max(
            sheet * (abs(x - pads_um[pad][0]) + abs(y - pads_um[pad][1])) / floor.tracks.signal_um
            for pad, (x, y) in rings_um.items()
        )
        ground = max(_bonded_ground_ohm(floor, sheet, ring, at_um=at, pads_um=pads_um) for ring, at in rings_um.items())
    drive, farad = spec.drive, spec.system.ring_fF * 1e-15
    codes = math.log(2.0 ** (drive.dac_bits + 1))
    current_A = rings * farad * 2.0 * drive.max_voltage_V / (drive.settle_us * 1e-6)
    return Wiring(
        sheet_ohm=sheet,
        signal_ohm=signal,
        ground_ohm=ground,
        rings=rings,
        bandwidth_Hz=1.0 / (2.0 * math.pi * signal * farad),
        settling_s=codes * signal * farad,
        driver_ohm=drive.settle_us * 1e-6 / (codes * farad),
        bounce_V=current_A * ground,
    )


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
