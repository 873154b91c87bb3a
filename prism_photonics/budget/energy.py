"""Energy of one query: static powers by the query rate, events by their counts, programs by the queries they serve."""

from collections.abc import Callable

from prism_photonics.budget import paper
from prism_photonics.budget.baselines import HBM_BYTES_S, HBM_PJ_BYTE, SIGNATURE_BYTES
from prism_photonics.budget.entry import Entry, total
from prism_photonics.budget.symbol import symbol_s
from prism_photonics.budget.workload import PAPERS, Workload
from prism_photonics.codec.encoding import RAILS, shots
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.channels import ring_fF
from prism_photonics.units import InputError, watt_from_dBm

PJ = 1e12
type HeaterPower = Callable[[ChipSpec], float]


def no_heaters(spec: ChipSpec) -> float:
    """Heater power in W of a chip that is tuned by its electrodes alone: none."""
    return 0.0


def channels(spec: ChipSpec) -> int:
    """Lines, and with them modulators, of the chip: those of all its buses."""
    return spec.chip.buses * spec.chip.channels


def rings(spec: ChipSpec) -> int:
    """Microrings of the chip."""
    return spec.chip.rows * channels(spec)


def slices(spec: ChipSpec, work: Workload) -> int:
    """Chips, or pages, that hold a signature's dimensions side by side: both rails of each, where there are two."""
    return -(-work.dims * RAILS[spec.modulator.encoding] // channels(spec))


def static_powers_W(spec: ChipSpec, heater_W: HeaterPower = no_heaters) -> dict[str, float]:
    """Electrical power in W that the chip takes whether it is asked or not: laser, tec, heaters, drivers, tia."""
    system = spec.system
    return {
        "laser": channels(spec) * watt_from_dBm(spec.comb.line_power_dBm) / system.laser_wall_plug,
        "tec": system.tec_W,
        "heaters": heater_W(spec),
        "drivers": rings(spec) * system.driver_uW_ring * 1e-6,
        "tia": spec.chip.rows * system.tia_mW * 1e-3,
    }


def link_bits(spec: ChipSpec, work: Workload = PAPERS) -> int:
    """Bits over a chip's host link for one query: its codes, and index and score of each block that it chooses."""
    index_bits = (spec.chip.rows - 1).bit_length()
    answer_bits = min(work.chosen, spec.chip.rows) * (index_bits + spec.detector.adc_bits)
    return channels(spec) * spec.modulator.dac_bits + answer_bits


def query_energies_J(spec: ChipSpec, work: Workload = PAPERS) -> dict[str, float]:
    """Energy in J that every query costs one chip: dac, modulator, adc, topk, host_link."""
    system, lights = spec.system, shots(spec.modulator.encoding)
    return {
        "dac": lights * channels(spec) * system.dac_fJ_step * 2**spec.modulator.dac_bits * 1e-15,
        "modulator": lights * channels(spec) * system.modulator_pJ_symbol * 1e-12,
        "adc": lights * spec.chip.rows * system.adc_fJ_step * 2**spec.detector.adc_bits * 1e-15,
        "topk": spec.chip.rows * system.topk_pJ_row * 1e-12,
        "host_link": link_bits(spec, work) * system.host_link_pJ_bit * 1e-12,
    }


def program_energies_J(spec: ChipSpec) -> dict[str, float]:
    """Energy in J of loading all weights once: electrodes, driver DACs, the signatures' way from HBM over the link."""
    system, count = spec.system, rings(spec)
    return {
        "program_electrodes": count * ring_fF(spec) * 1e-15 * spec.drive.max_voltage_V**2,
        "program_dacs": count * system.dac_fJ_step * 2**spec.drive.dac_bits * 1e-15,
        "program_link": count * 8.0 * SIGNATURE_BYTES * system.host_link_pJ_bit * 1e-12,
        "program_hbm": count * SIGNATURE_BYTES * HBM_PJ_BYTE * 1e-12,
    }


def load_s(spec: ChipSpec) -> float:
    """Time in s of loading all weights once: the signatures' reads from HBM, then the drivers' settling.

    The link and the drivers' codes are taken to keep up with the memory.
    """
    return rings(spec) * SIGNATURE_BYTES / HBM_BYTES_S + spec.drive.settle_us * 1e-6


def busy_s(spec: ChipSpec) -> float:
    """How long one query keeps the chip from the next, in s: its shots and its share of a load."""
    return shots(spec.modulator.encoding) * symbol_s(spec) + load_s(spec) / spec.system.queries_per_program


def require_rate(spec: ChipSpec) -> None:
    """Refuse a query rate that the chip cannot answer.

    Raises:
        InputError: Queries and loads would keep the chip busy for more than all of the time.
    """
    busy = spec.system.query_rate_Hz * busy_s(spec)
    if busy > 1.0:
        raise InputError(
            f"system.query_rate_Hz = {spec.system.query_rate_Hz:g}: shots and loads would keep the chip busy "
            f"{busy:.1f} times over, want at most {1.0 / busy_s(spec):.3g}; lower it, raise "
            "system.queries_per_program, or lower drive.settle_us"
        )


def energy_entries(spec: ChipSpec, heater_W: HeaterPower = no_heaters, work: Workload = PAPERS) -> list[Entry]:
    """The energy of one query of one chip in pJ, entry by entry, with subtotals and the sum.

    Args:
        spec: The chip; ``spec.system`` holds the query rate that static power is shared by.
        heater_W: Trimming heaters' power in W as a function of the spec.
        work: What is ranked: how many blocks a query asks for.

    Returns:
        Lines of section ``energy``. At the paper's point three more lines hold the paper's own totals beside what we
        rebuild them from.

    Raises:
        InputError: The chip cannot answer at the stated query rate.
    """
    require_rate(spec)
    system, lights = spec.system, shots(spec.modulator.encoding)
    per_s, lines = f"/ {system.query_rate_Hz:g} queries/s", channels(spec)
    sources = {
        "laser": f"{lines} lines of comb.line_power_dBm / laser_wall_plug {per_s}",
        "tec": f"system.tec_W {per_s}",
        "heaters": f"trimming heaters {per_s}",
        "drivers": f"{rings(spec)} rings × driver_uW_ring {per_s}",
        "tia": f"{spec.chip.rows} rows × tia_mW {per_s}",
        "dac": f"{lights} shots × {lines} × dac_fJ_step × 2^{spec.modulator.dac_bits}",
        "modulator": f"{lights} shots × {lines} × modulator_pJ_symbol",
        "adc": f"{lights} shots × {spec.chip.rows} × adc_fJ_step × 2^{spec.detector.adc_bits}",
        "topk": f"{spec.chip.rows} rows × topk_pJ_row",
        "host_link": f"query and {min(work.chosen, spec.chip.rows)} answers × host_link_pJ_bit",
        "program_electrodes": f"{rings(spec)} × ring_fF × max_voltage_V² / queries_per_program",
        "program_dacs": f"{rings(spec)} × dac_fJ_step × 2^{spec.drive.dac_bits} / queries_per_program",
        "program_link": f"{rings(spec)} × 8 bits × host_link_pJ_bit / queries_per_program",
        "program_hbm": f"{rings(spec)} B × {HBM_PJ_BYTE:g} pJ/B / queries_per_program",
    }
    shared = {name: power / system.query_rate_Hz for name, power in static_powers_W(spec, heater_W).items()}
    loads = {name: energy / system.queries_per_program for name, energy in program_energies_J(spec).items()}

    def block(joules: dict[str, float]) -> list[Entry]:
        return [Entry("energy", name, J * PJ, None, "pJ", sources[name]) for name, J in joules.items()]

    static, dynamic, program = block(shared), block(query_energies_J(spec, work)), block(loads)
    return [
        *static,
        *dynamic,
        *program,
        total(static, "static", paper=None, source=f"laser to tia, {per_s[2:]}"),
        total(dynamic, "dynamic", paper=None, source="dac to host_link"),
        total(program, "program", paper=None, source=f"per query: {system.queries_per_program:g} share a program"),
        total([*static, *dynamic, *program], "total", paper=None, source="all of it"),
        *(_papers_own() if paper.is_paper_point(spec) else []),
    ]


def _papers_own() -> list[Entry]:
    return [
        Entry(
            "energy",
            f"paper_{found.total_pJ:.0f}",
            found.derived_pJ,
            found.total_pJ,
            "pJ",
            f"laser {found.laser_pJ:.0f} + TIA and ADC {found.receiver_pJ:.0f} + rest {found.rest_pJ:.0f} pJ",
            found.assumption,
        )
        for found in paper.energies()
    ]
