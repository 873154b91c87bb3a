"""Floors: how exact a weight can be read at all, how much light a product costs, and its energy beside published ones.

Bits of a reading are ``log2(2·w_limit·I/σ)``: the range of weights over what one reading of one fully lit line
scatters by, I that line's photocurrent. Averages of n readings gain ½·log2 n.
"""

import math

from prism_photonics.budget import paper
from prism_photonics.budget.energy import HeaterPower, energy_entries, no_heaters, query_energies_J, rings
from prism_photonics.budget.entry import Entry
from prism_photonics.budget.link import line_current_A
from prism_photonics.budget.symbol import symbol_s
from prism_photonics.codec.encoding import shots
from prism_photonics.lightpath.detector.model import thermal_noise_A2_Hz
from prism_photonics.spec import ChipSpec
from prism_photonics.units import ELEMENTARY_CHARGE_C, PLANCK_J_S, SPEED_OF_LIGHT_UM_S

AVERAGES = 1024
"""Readings of an average: those of the calibration's figures."""

QUANTUM_LIMIT_PJ = 50e-9
"""Energy of a product by homodyne detection at the quantum limit: 50 zJ (arXiv 1812.07614)."""

TFLN_PJ_OP = 0.0576
"""Energy of an operation of a computing chip on thin-film lithium niobate, in pJ (10.1038/s41467-025-62635-8)."""

OPERATIONS_OF_A_MAC = 2.0
"""A multiplication and an addition."""


def reading_bits(spec: ChipSpec, *, receiver: bool, readings: int = 1) -> float:
    """Bits that noise leaves of the weight of one fully lit line.

    Args:
        spec: The chip.
        receiver: Whether amplifier and resistor count too, or the photodiodes' shot noise alone.
        readings: How many are averaged.
    """
    detector, line_A = spec.detector_design, line_current_A(spec)
    noise_A2_Hz = 2.0 * ELEMENTARY_CHARGE_C * (line_A + 2.0 * detector.dark_current_A)
    if receiver:
        noise_A2_Hz += thermal_noise_A2_Hz(detector)
    sigma_A = math.sqrt(detector.bandwidth_Hz * noise_A2_Hz / readings)
    return math.log2(2.0 * spec.ranking.weight_limit * line_A / sigma_A)


def photons_per_product(spec: ChipSpec) -> float:
    """Photons that one fully lit line brings to a row's photodiodes in all shots of a query."""
    photon_J = PLANCK_J_S * SPEED_OF_LIGHT_UM_S / spec.profile.optics.wl0_um.value
    power_W = line_current_A(spec) / spec.detector_design.responsivity_A_W
    return power_W * shots(spec.modulator.encoding) * symbol_s(spec) / photon_J


def floor_entries(spec: ChipSpec, heater_W: HeaterPower = no_heaters) -> list[Entry]:
    """The floors of a spec: bits of a reading, photons and energy of a product.

    Args:
        spec: The chip.
        heater_W: Trimming heaters' power in W as a function of the spec.

    Raises:
        InputError: The chip cannot answer at the stated query rate.
    """
    bits = "log2(2·ranking.weight_limit·I/σ) of one fully lit line"
    shot, whole = (reading_bits(spec, receiver=receiver) for receiver in (False, True))
    gained = 0.5 * math.log2(AVERAGES)
    products, at_paper = rings(spec), paper.is_paper_point(spec)
    spent_pJ = next(entry.derived for entry in energy_entries(spec, heater_W) if entry.name == "total") / products
    dynamic_pJ = sum(query_energies_J(spec).values()) * 1e12 / products
    papers_pJ = min(found.total_pJ for found in paper.energies()) / products if at_paper else None
    lines: list[tuple[str, float, float | None, str, str]] = [
        ("shot_bits", shot, None, "bits", f"{bits}; shot noise alone"),
        ("receiver_bits", whole, None, "bits", f"{bits}; amplifier and resistor too"),
        (f"shot_bits_{AVERAGES}", shot + gained, None, "bits", f"average of {AVERAGES:,} readings"),
        (f"receiver_bits_{AVERAGES}", whole + gained, None, "bits", f"average of {AVERAGES:,} readings"),
        ("receiver_over_shot", shot - whole, None, "bits", "what amplifier and resistor cost above the light's floor"),
        ("photons_per_mac", photons_per_product(spec), None, "photons", "one fully lit line, all shots of a query"),
        ("mac", spent_pJ, papers_pJ, "pJ/MAC", f"energy of a query / {products:,} products, static power included"),
        ("mac_dynamic", dynamic_pJ, None, "pJ/MAC", "the same of dac to host_link alone"),
        ("mac_quantum_limit", QUANTUM_LIMIT_PJ, None, "pJ/MAC", "50 zJ, homodyne detection (arXiv 1812.07614)"),
        ("mac_tfln", OPERATIONS_OF_A_MAC * TFLN_PJ_OP, None, "pJ/MAC",
         f"2 operations of {TFLN_PJ_OP:g} pJ, computing on this film (10.1038/s41467-025-62635-8)"),
    ]  # fmt: skip
    return [Entry("floors", name, value, stated, unit, source) for name, value, stated, unit, source in lines]
