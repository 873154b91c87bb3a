"""Capacitance of a driver's channel as the chip will be drawn: a ring's electrodes, its straps, its wire and its pad.

Lengths are the drawing's own rules (`spec.floorplan`, `spec.river`), capacitances the film's table (`process.metal`).
What lies beyond the die, the driver's own output, a bond wire, a carrier, is not in it.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.process.metal import load_metal
from prism_photonics.spec.chip_spec import PAD_LINE_PITCH_UM, ChipSpec
from prism_photonics.spec.floorplan import LANE_PITCH_UM, PAD_UM, plan
from prism_photonics.spec.geometry import row_top_um
from prism_photonics.spec.river import plan_river
from prism_photonics.units import InputError

STRAP_UM = 4.0  # width of a ring's straps
ALONE_UM = 30.0  # from a strap to the next metal
BUMP_PAD_UM = 30.0
BELOW_RAIL_UM = 18.0  # from the guide above a row down to the room of its bumps: the rail and its distances


@dataclass(frozen=True)
class Channel:
    """Capacitances of the drivers' channels in fF, all else at zero.

    Attributes:
        electrodes_fF: Of a ring's signal electrodes.
        strap_fF: Of the strap that joins them.
        wire_fF: Of the wire to the pad, row by row; of a flipped die that to the bump in the ring's cell.
        pad_fF: Of a pad.
    """

    electrodes_fF: float
    strap_fF: float
    wire_fF: Float[ndarray, "rows channels"]
    pad_fF: float

    @property
    def all_fF(self) -> Float[ndarray, "rows channels"]:
        """Of each ring's channel."""
        return self.electrodes_fF + self.strap_fF + self.wire_fF + self.pad_fF


def channel(spec: ChipSpec) -> Channel:
    """Capacitances of a chip's channels.

    Raises:
        InputError: A size lies outside the film's table.
    """
    ring, metal = spec.ring_designs[0], load_metal(spec.process)
    strap, _ = metal.track_fF_um(STRAP_UM, ALONE_UM)
    if spec.flip_chip:
        wire, pad_um = strap, BUMP_PAD_UM
    else:
        tracks = plan(spec).tracks
        (wire, _), pad_um = metal.track_fF_um(tracks.signal_um, tracks.space_um), PAD_UM
    return Channel(
        electrodes_fF=metal.electrodes_fF_um(ring.electrode_gap_um, ring.electrode_width_um) * ring.lobes_um,
        strap_fF=strap * strap_um(spec),
        wire_fF=wire * wires_um(spec),
        pad_fF=metal.square_fF(pad_um),
    )


def strap_um(spec: ChipSpec) -> float:
    """Length of the strap from the left lobe's inner electrode to the signal contact outside the right one, in µm."""
    ring = spec.ring_designs[0]
    return 2.0 * ring.radius_um + ring.straight_um + ring.electrode_width_um / 2.0


def wires_um(spec: ChipSpec) -> Float[ndarray, "rows channels"]:
    """Length of each ring's wire from its contact to its pad or bump, along x and y, in µm.

    Of a flipped die from the contact up to the bumps' line, and not the few µm along it to where a bump finds room.

    Raises:
        InputError: A bonded die's rings leave no room for the wires.
    """
    rows, channels, ring = spec.chip.rows, spec.chip.channels, spec.ring_designs[0]
    if spec.flip_chip:
        top_um = spec.row_pitch_um if spec.two_sided else row_top_um(spec)
        bump_um = 0.5 * (ring.bus_pitch_um + top_um) - BELOW_RAIL_UM / 2.0
        return np.full((rows, spec.chip.rings), bump_um - ring.center_y_um)
    floor, lengths = plan(spec), np.empty((rows, channels))
    middle_um = (np.arange(channels) + 0.5) * spec.ring.pitch_um
    for south in (True, False):
        mine = range(floor.half) if south else range(rows - 1, floor.half - 1, -1)
        if not mine:
            continue
        # Wires from west to east: those of western photodiodes, then of each column its ground and its rings.
        western = [floor.west_track(row, n) for row in mine for n in range(2)] if spec.two_sided else []
        columns = [
            [floor.ground_track(c), *sorted(floor.signal_track(row, c) for row in mine)] for c in range(channels)
        ]
        starts = [*sorted(western), *(x for column in columns for x in column)]
        ends = floor.pads(len(starts), center=floor.row_length / 2.0, least=-1e9, pitch=floor.pad_pitch)
        lanes = plan_river(starts, ends, clearance_um=LANE_PITCH_UM).height + 1
        base_um = -floor.south_base if south else floor.north_base
        line_um = base_um + lanes * LANE_PITCH_UM + PAD_UM / 2.0
        for row in mine:
            at_um = row * spec.row_pitch_um + ring.center_y_um
            for c in range(channels):
                track = floor.signal_track(row, c)
                n = starts.index(track)
                outer = n % spec.chip.pad_lines == 1
                up = line_um + PAD_LINE_PITCH_UM * outer + (at_um if south else -at_um)
                lengths[row, c] = up + abs(ends[n] - track) + (track - middle_um[c] - ring.outer_um)
    return lengths


def ring_fF(spec: ChipSpec) -> float:
    """Capacitance of a ring's channel in fF: ``system.ring_fF``, or the mean of what the metal will have as drawn.

    Raises:
        InputError: As `channel`.
    """
    own_fF = spec.system.ring_fF
    return float(channel(spec).all_fF.mean()) if own_fF is None else own_fF


def settling_s(spec: ChipSpec, *, ohm: float, fF: float) -> float:
    """Time of a resistance and a capacitance from one end of the drive to half a code of the other, in s."""
    return math.log(2.0 ** (spec.drive.dac_bits + 1)) * ohm * fF * 1e-15


def require_settling(spec: ChipSpec) -> None:
    """Refuse a driver whose output resistance leaves its channels unsettled after ``drive.settle_us``.

    Raises:
        InputError: The fullest channel takes longer.
    """
    if spec.drive.output_ohm is None:
        return
    fF = float(channel(spec).all_fF.max()) if spec.system.ring_fF is None else spec.system.ring_fF
    need_us = 1e6 * settling_s(spec, ohm=spec.drive.output_ohm, fF=fF)
    if need_us > spec.drive.settle_us:
        raise InputError(
            f"drive.settle_us = {spec.drive.settle_us:g}: drivers of {spec.drive.output_ohm:g} Ω settle a channel of "
            f"{fF:.3g} fF to half a code in {need_us:.3g} µs; raise settle_us, or lower output_ohm"
        )
