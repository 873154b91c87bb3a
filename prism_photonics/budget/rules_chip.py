"""Rules on the die as a whole: heat, connections, area."""

import math

from prism_photonics.budget.finding import Finding, at_least, at_most
from prism_photonics.budget.trimming import SPREAD_SIGMAS, heater_power_W, mean_red_shift_nm
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.netlist import branch_design, detector_site
from prism_photonics.spec import MOST_BONDED_ROWS, ChipSpec

HEATER_LIMIT_W = 5.0
"""What a temperature-controlled package carries away while it holds 10 mK; design choice."""
BOND_PITCH_UM = 50.0
"""Edge that a bond pad takes: 100 µm pitch, two staggered lines (design choice, the layout's own)."""
BOND_EDGE_UM = 3 * 20_000.0
"""Edge for pads: three sides of 20 mm, the fourth is the optical facet (design choice, the layout's own)."""
BUMP_PITCH_UM = 100.0
"""Flip-chip bumps on a die of rings; design choice, usual for solder bumps."""
RETICLE_MM2 = 26.0 * 33.0
"""Full field of a usual 4× stepper or scanner; banks alone are held against it, without frame, pads and marks."""


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
        cure=f"trim.method = 'permanent', trim.heater_mW_nm of at most "
        f"{spec.trim.heater_mW_nm * HEATER_LIMIT_W / max(value, HEATER_LIMIT_W) * 0.99:.3g} (undercut heaters), or "
        "fewer rings",
        explain=f"{explain}; limit {HEATER_LIMIT_W:g} W: design choice, a cooled package",
    )


def connections(spec: ChipSpec) -> Finding:
    """Every ring has a driver of its own: it needs a pad on the edge, or a bump in its cell."""
    chip = spec.chip
    # A ring's signal, two ground pads a column, three pads a photodiode pair.
    count = chip.rows * chip.rings + 2 * chip.rings + 3 * chip.rows * chip.buses
    bond_um = BOND_EDGE_UM / count
    if not spec.flip_chip and bond_um >= BOND_PITCH_UM:
        value, limit = bond_um, BOND_PITCH_UM
        explain = (
            f"{count} wire bonds on {BOND_EDGE_UM * 1e-3:g} mm of edge: {bond_um:.0f} µm each, {limit:g} µm needed"
        )
    else:
        value, limit = min(spec.ring.pitch_um, spec.row_pitch_um), BUMP_PITCH_UM
        explain = (
            f"{count} connections, too many or too far inside for wire bonds (at most {MOST_BONDED_ROWS} rows and "
            f"{BOND_EDGE_UM / BOND_PITCH_UM:g} pads): a bump per ring in its cell of {spec.ring.pitch_um:g} × "
            f"{spec.row_pitch_um:g} µm"
        )
    return at_least(
        "connections",
        value,
        limit,
        "µm",
        cure=f"raise ring.pitch_um to {BUMP_PITCH_UM:g} or more for bumps, or bond at most {MOST_BONDED_ROWS} rows",
        explain=f"{explain}; limit: pitch of pads or bumps, design choice",
    )


def die_area(spec: ChipSpec) -> Finding:
    """All banks, folded as one likes, must fit one field of the stepper."""
    chip, levels = spec.chip, tree_levels(spec.chip.rows)
    row_um = chip.channels * spec.ring.pitch_um + spec.waveguide.bend_radius_um
    tree_um = spec.coupler_design.length_um
    if levels:
        tree_um += levels * (spec.splitter_design.length_um + branch_design(spec, rows=2, upper=True).dx_um)
    site = detector_site(spec)
    site_um = site.length_um + 2.0 * site.pad_um
    length_um, height_um = tree_um + row_um + site_um, chip.rows * spec.row_pitch_um
    value, limit = chip.buses * length_um * height_um * 1e-6, RETICLE_MM2
    spare_um = limit * 1e6 / (chip.buses * height_um) - (length_um - chip.channels * spec.ring.pitch_um)
    smaller = f" to {math.floor(spare_um / chip.channels):g}" if spare_um > 0.0 else ""
    return at_most(
        "die_area",
        value,
        limit,
        "mm²",
        cure=f"{math.ceil(value / limit)} fields are needed: share chip.rows among chips, or "
        f"lower ring.pitch_um{smaller}",
        explain=f"{chip.buses} banks × {height_um * 1e-3:.1f} mm ({chip.rows} rows of {spec.row_pitch_um:g} µm) × "
        f"{length_um * 1e-3:.2f} mm (tree {tree_um * 1e-3:.2f}, rings {row_um * 1e-3:.2f}, detectors "
        f"{site_um * 1e-3:.2f}) = {value:.3g} mm², {100.0 * value / limit:.0f} % of the usual stepper field of "
        "26 × 33 mm; folded into it, without frame, pads and marks",
    )
