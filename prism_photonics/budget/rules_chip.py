"""Rules on the die as a whole: heat, connections, area."""

import math

from prism_photonics.budget.finding import Finding, at_least, at_most
from prism_photonics.budget.trimming import SPREAD_SIGMAS, heater_power_W, mean_red_shift_nm
from prism_photonics.spec.chip_spec import MOST_BONDED_ROWS, MOST_EDGE_UM, ChipSpec
from prism_photonics.spec.geometry import (
    STREET_UM,
    facet_um,
    row_top_um,
    site_reach_um,
    tests_height_um,
    tests_width_um,
)
from prism_photonics.spec.outline import flipped_die_um

HEATER_LIMIT_W = 5.0
"""Heat that a package carries away while it holds its temperature to 10 mK; design choice."""
BUMP_PITCH_UM = 100.0
"""Flip-chip bumps on a die of rings; design choice, usual for solder bumps."""
RETICLE_MM2 = 26.0 * 33.0
"""Full field of a usual 4× stepper or scanner."""
LANE_UM, LANES = 14.0, {1: (1.0, 141.0), 2: (0.45, 365.0)}
"""Pitch of the wires that run sideways on their way to a bonded die's pads. By the lines of pads, about how many do so
at a time for each pad, and how far it is from rows to edge besides them, as drawn."""
BOND_EDGE_MARGIN_UM, BEYOND_UM, EAST_UM = 140.0, 365.0, 331.0
"""On a bonded die: from the outer pads to the edge; from the photodiodes to the eastern edge, two lines of pads
between, where one of a pair stands there, and where both do, but for lanes: one and a half a row, as drawn."""


def trimming_power(spec: ChipSpec) -> Finding:
    """Heaters that hold every ring on its line must not heat the package beyond its control."""
    value, count = heater_power_W(spec), spec.chip.rows * spec.chip.rings
    if spec.trim.method == "heater":
        explain = (
            f"{count} rings × {mean_red_shift_nm(spec):.2f} nm to the red ({SPREAD_SIGMAS:g} σ of "
            f"{spec.fabricated_pm:.0f} pm, at most half an FSR) × {spec.trim.heater_mW_nm:g} mW/nm = {value:.3g} W"
        )
    else:
        explain = f"trim.method = '{spec.trim.method}': no heaters, {value:g} W"
    return at_most(
        "trimming_power",
        value,
        HEATER_LIMIT_W,
        "W",
        explain=f"{explain}; limit {HEATER_LIMIT_W:g} W: design choice, a cooled package",
    )


def connections(spec: ChipSpec) -> Finding:
    """Every ring has a driver of its own: it needs a pad on the edge, or a bump in its cell."""
    chip = spec.chip
    # A ring's signal, two ground pads a column, three pads a photodiode pair, two a photodiode by itself.
    count = chip.rows * chip.rings + 2 * chip.rings + (4 if spec.two_sided else 3) * chip.rows * chip.buses
    if not spec.flip_chip:
        pads = spec.edge_pads
        value, limit = MOST_EDGE_UM / pads, spec.pad_pitch_um
        explain = (
            f"{count} wire bonds, {pads} of them on the northern edge of at most {MOST_EDGE_UM * 1e-3:g} mm: "
            f"{value:.0f} µm each, {limit:g} µm needed"
        )
    else:
        value, limit = min(spec.ring.pitch_um, spec.row_pitch_um), BUMP_PITCH_UM
        explain = (
            f"{count} connections of a die with more than {MOST_BONDED_ROWS} rows, several buses, heaters or too "
            f"many pads for its edges: a bump per ring in its cell of {spec.ring.pitch_um:g} × {spec.row_pitch_um:g} µm"
        )
    return at_least(
        "connections",
        value,
        limit,
        "µm",
        explain=f"{explain}; limit: pitch of pads or bumps, design choice",
    )


def die_area(spec: ChipSpec) -> Finding:
    """The die's area must not exceed one field of the stepper; its aspect ratio is free."""
    chip = spec.chip
    width_um, height_um = die_um(spec)
    value, limit = width_um * height_um * 1e-6, RETICLE_MM2
    return at_most(
        "die_area",
        value,
        limit,
        "mm²",
        explain=f"{chip.buses} banks of {chip.rows} rows of {spec.row_pitch_um:g} µm with frame, pads and test "
        f"structures: {width_um * 1e-3:.1f} × {height_um * 1e-3:.1f} mm = {value:.3g} mm², {100.0 * value / limit:.0f} "
        "% of the usual stepper field of 26 × 33 mm: "
        f"{max(1, math.ceil(value / limit))} of them",
    )


def die_um(spec: ChipSpec) -> tuple[float, float]:
    """Width and height of the die in one piece, with half the dicing street all round; or a kit's die that holds it.

    A flipped die is what the drawing makes; of a bonded one the lanes between rings and pads are an estimate, and so is
    the way to the next fibre of the array, of which half a pitch is taken: within 3 % of the drawn heights of 2 to 12
    rows of 8 rings, and 4 % where pads stand in one line.
    """
    if spec.flip_chip:
        west, south, east, north = flipped_die_um(spec)
    else:
        chip, pads = spec.chip, spec.edge_pads
        pitch_um, rows_um = spec.pad_pitch_um, (chip.rows - 1) * spec.row_pitch_um
        # Pads of one line along the eastern edge reach beyond the rows whose photodiodes they serve.
        eastern_um = ((2 if spec.two_sided else 3) * chip.rows - 1) * pitch_um
        row_um = chip.channels * spec.ring.pitch_um
        lanes, more_um = LANES[chip.pad_lines]
        beyond_um = lanes * LANE_UM * pads + more_um + max(eastern_um - rows_um, 0.0) / 2.0
        lanes_um = BEYOND_UM if spec.two_sided else EAST_UM + 1.5 * LANE_UM * chip.rows
        west = facet_um(spec)
        pads_um = max(row_um / 2.0 + pads * pitch_um / 2.0, west + pads * pitch_um)
        east = max(pads_um + BOND_EDGE_MARGIN_UM, row_um + site_reach_um(spec) + lanes_um, west + tests_width_um(spec))
        north = rows_um + row_top_um(spec) + beyond_um
        south = -tests_height_um(spec) - 2.0 * STREET_UM - beyond_um - spec.coupler.fibre_pitch_um / 2.0
    width, height = east - west, north - south
    if spec.kit is not None:
        border = 2.0 * spec.kit.chip.border_um
        return spec.kit.chip.die_um(width + border, height + border)
    return width + 2.0 * STREET_UM, height + 2.0 * STREET_UM
