"""Where a flipped die ends, and the guides by which fibres in the east see the top row. All lengths in µm.

Row 0's first through port (of bus 0) is the origin; nothing here draws.
"""

import math

from prism_photonics.spec.chip_spec import ChipSpec
from prism_photonics.spec.geometry import (
    BEFORE_RING_UM,
    CLEAR_UM,
    SITE_BUMPS_UM,
    bank_origins_um,
    coupler_heights_um,
    detector_site,
    facet_um,
    row_top_um,
    s_length_um,
    site_reach_um,
    tests_height_um,
    tests_top_um,
    tests_width_um,
)

# Design choices.
RISE_AFTER_UM = 5.0  # from a photodiode site's wires to the bend of the guide that goes on beside them
LAST_BUMP_UM = 67.0  # from the site to its outermost bump's middle
MARGIN_UM = 200.0  # round a flip-chip bank: alignment marks
BELOW_MARKS_UM = 240.0  # from a fibre at the eastern facet up to the die's edge: marks and verniers in the corner


def flipped_die_um(spec: ChipSpec) -> tuple[float, float, float, float]:
    """West, south, east and north side of a flip-chip die, test structures included.

    Where several buses' fibres enter below the rows, the tests' follow them at the same pitch.
    """
    rows_end = bank_origins_um(spec)[-1] + spec.chip.channels * spec.ring.pitch_um
    west = facet_um(spec)
    beyond = max(site_reach_um(spec) + LAST_BUMP_UM + MARGIN_UM, monitor_reach_um(spec))
    east = max(rows_end + beyond, west + tests_width_um(spec))
    north = (spec.chip.rows - 1) * spec.row_pitch_um + row_top_um(spec) + MARGIN_UM
    if not spec.two_sided:
        north = max(north, monitor_heights_um(spec)[1] + BELOW_MARKS_UM)
    last = coupler_heights_um(spec)[-1]
    south = last - spec.coupler.fibre_pitch_um + CLEAR_UM
    if spec.chip.buses == 1:
        south = tests_top_um(spec, -MARGIN_UM)
    return west, south - tests_height_um(spec), float(math.ceil(east)), float(math.ceil(north))


def monitor_heights_um(spec: ChipSpec) -> tuple[float, float]:
    """Heights above row 0 of the fibres that see the top row's through and drop bus, on the grid of all other fibres.

    Both guides rise to theirs: below them leave the photodiodes' wires, of which none lies along a guide so.
    """
    row_um, pitch_um = (spec.chip.rows - 1) * spec.row_pitch_um, spec.coupler.fibre_pitch_um
    through_um = _fibre_from_um(spec, row_um)
    return through_um, max(through_um + pitch_um, _fibre_from_um(spec, row_um + detector_site(spec).port_pitch_um))


def _fibre_from_um(spec: ChipSpec, height_um: float) -> float:
    """Height of the next fibre at or above a height, on the grid of those that bring the chip's light."""
    first_um, pitch_um = coupler_heights_um(spec)[0], spec.coupler.fibre_pitch_um
    return first_um + math.ceil(round((height_um - first_um) / pitch_um, 6)) * pitch_um


def monitor_bend_um(spec: ChipSpec) -> float:
    """From the rows' eastern end to where the upper of these guides bends to its fibre: past the site or its bumps."""
    return site_reach_um(spec) + (SITE_BUMPS_UM if spec.flip_chip else RISE_AFTER_UM)


def monitor_through_bend_um(spec: ChipSpec) -> float:
    """From the rows' eastern end to the least place where the lower one may bend: past the upper one's rise."""
    return monitor_bend_um(spec) + _monitor_rises_um(spec)[1] + RISE_AFTER_UM


def monitor_last_um(spec: ChipSpec) -> float:
    """From where the lower one bends to the eastern facet, where its coupler follows the bend."""
    return _monitor_rises_um(spec)[0] + spec.coupler_design.length_um + BEFORE_RING_UM


def monitor_reach_um(spec: ChipSpec) -> float:
    """From the rows' eastern end to the least place of the eastern facet; 0 where no row is seen by fibres."""
    return 0.0 if spec.two_sided else monitor_through_bend_um(spec) + monitor_last_um(spec)


def _monitor_rises_um(spec: ChipSpec) -> tuple[float, float]:
    """Lengths along x of the two guides' rises, the lower's first."""
    row_um = (spec.chip.rows - 1) * spec.row_pitch_um
    through_um, drop_um = monitor_heights_um(spec)
    rises_um = through_um - row_um, drop_um - row_um - detector_site(spec).port_pitch_um
    through, drop = (s_length_um(rise_um, spec.waveguide.bend_radius_um) for rise_um in rises_um)
    return through, drop
