"""Latency of one query, from the query's codes to the indices of the chosen blocks."""

from prism_photonics.budget import paper
from prism_photonics.budget.entry import Entry, total
from prism_photonics.budget.link import tree_lengths
from prism_photonics.budget.symbol import half_step, photon_lifetime_s, rates_per_s, settling_s, symbol_s
from prism_photonics.codec.encoding import shots
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import DROP_LEAD_UM, uturn_design
from prism_photonics.units import SPEED_OF_LIGHT_UM_S

NS = 1e9


def propagation_s(spec: ChipSpec) -> float:
    """Group delay of the longest path in s: down the tree, along the row, back on the drop bus, out to the photodiode.

    Source: ``Σ n_g·L/c`` with the film's n_g by direction of travel; the drawn lengths.
    """
    optics, tree = spec.profile.optics, tree_lengths(spec)
    row_um = spec.chip.channels * spec.ring.pitch_um
    splitters_um = tree_levels(spec.chip.rows) * spec.splitter_design.length_um
    x_um = tree.x_um + splitters_um + spec.coupler_design.length_um + 2.0 * row_um
    bend_um = tree.bend_um
    if spec.two_sided:
        x_um += DROP_LEAD_UM
    else:  # home over the U-turn
        x_um += row_um
        bend_um += uturn_design(spec).lengths.bend_um
    ng_x, ng_y = optics.n_g_along_x.value, optics.n_g_along_y.value
    return (ng_x * x_um + ng_y * tree.y_um + 0.5 * (ng_x + ng_y) * bend_um) / SPEED_OF_LIGHT_UM_S


def latency_entries(spec: ChipSpec) -> list[Entry]:
    """The latency of one query in ns, entry by entry, and their sum; the paper's Table III beside it at its point."""
    system, symbol_ns = spec.system, symbol_s(spec) * NS
    slowest, rate = min(rates_per_s(spec).items(), key=lambda part: part[1])
    alone_ns = settling_s([rate], half_step(spec)) * NS
    settled = (
        f"settled to half a step of {spec.detector_design.adc_bits} bits; the {slowest} alone takes {alone_ns:.3g} ns"
    )
    more_shots = shots(spec.modulator.encoding) - 1
    lines = {
        "dac": (symbol_ns, "one symbol: modulator, ring, photodiode and amplifier in chain", settled),
        "modulator": (0.35 / system.modulator_bandwidth_GHz, "rise time 0.35/B, system.modulator_bandwidth_GHz", ""),
        "propagation": (propagation_s(spec) * NS, "Σ n_g·L/c of the longest path: tree, row, drop bus, way out", ""),
        "ring": (photon_lifetime_s(spec) * NS, "photon lifetime Q/ω", ""),
        "photodiode": (
            0.35 * NS / spec.detector_design.bandwidth_Hz,
            "rise time 0.35/B, detector.bandwidth_GHz",
            "the amplifier limits, not the diode",
        ),
        "tia_adc": (symbol_ns, "one conversion, one symbol", "the converter samples once a symbol, without a pipeline"),
        "further_shots": (more_shots * symbol_ns, f"{more_shots} more symbols of modulator.encoding", ""),
        "topk": (system.topk_ns, "system.topk_ns", ""),
        "host_link": (system.host_link_ns, "system.host_link_ns", ""),
    }
    stated = paper.TABLE_3_NS if paper.is_paper_point(spec) else {}
    entries = [
        Entry("latency", name, ns, stated.get(name), "ns", source, assumption)
        for name, (ns, source, assumption) in lines.items()
    ]
    on_chip = total(entries[:-1], "total", paper=paper.QUERY_NS if stated else None, source="all but the host link")
    return [*entries, on_chip]


def query_s(spec: ChipSpec) -> float:
    """Latency of one query on the chip in s, the host link left out."""
    return next(entry.derived for entry in latency_entries(spec) if entry.name == "total") / NS
