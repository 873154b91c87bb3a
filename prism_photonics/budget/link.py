"""Link budget: one line's power from the laser to the photodiode, element by element."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.second_mode import guides_turned
from prism_photonics.lightpath.splitter.design import halves, tree_levels, tree_outputs
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.process.layers import load_deck
from prism_photonics.process.necks import neck
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.spec.geometry import branch_design, euler_p, feed_lengths
from prism_photonics.units import PM_PER_UM, dB_from_ratio, watt_from_dBm


@dataclass(frozen=True)
class LinkEntry:
    """One element of the link: its loss (positive dB), the level behind it, and where the loss comes from."""

    element: str
    loss_dB: float
    cumulative_dBm: float
    source: str


def link_budget(spec: ChipSpec) -> list[LinkEntry]:
    """Level of one fully lit line along the light path, its own ring resting at its bias.

    Returns:
        Entries in travel order; the last one's level is what a photodiode pair receives.
    """
    return list(_entries(spec))


@cached_by_spec
def _entries(spec: ChipSpec) -> tuple[LinkEntry, ...]:
    outputs, levels = tree_outputs(spec.chip.rows), tree_levels(spec.chip.rows)
    padded = "" if outputs == spec.chip.rows else f" of N = {outputs} outputs for {spec.chip.rows} rows"
    tree = tree_lengths(spec)
    buses = range(spec.chip.buses)
    to_bank_um = sum(feed_lengths(spec, bus=b).total_um for b in buses) / spec.chip.buses
    bus_cm = spec.chip.channels * spec.ring.pitch_um * 1e-4
    guide_cm = (to_bank_um + tree.total_um) * 1e-4 + bus_cm
    under_dB_cm = load_deck(spec.process).metal2_over_ridge_dB_cm
    losses = [
        ("coupling", spec.coupler.loss_dB, "coupler.loss_dB"),
        ("modulator", spec.modulator.loss_dB, "modulator.loss_dB"),
        (
            "splitter",
            10.0 * math.log10(outputs) + spec.splitter.excess_loss_dB * levels,
            f"10·log10 N + α·⌈log2 N⌉{padded} (arXiv 2603.21576, eq. 8)",
        ),
        (
            "bends",
            guides_turned(spec).feed_dB,
            f"light that quarter turns of {spec.waveguide.bend_radius_um:g} µm, {100.0 * euler_p(spec):.0f} % of their "
            "angle in clothoids, turn to other modes on the way to a row: the mean over each bend's phase "
            "(process.bends)",
        ),
        (
            "waveguide",
            spec.waveguide.loss_dB_cm * guide_cm,
            f"waveguide.loss_dB_cm × {guide_cm:.2f} cm to the tree (mean over buses), branches and bus",
        ),
        (
            "metal",
            under_dB_cm * bus_cm,
            f"second metal over the bus: at most {under_dB_cm:.2g} dB/cm (benchmarks/metal_over_rib.py) over all of it",
        ),
        *_necks(spec),
        (
            "rings",
            _ring_loss_dB(spec),
            "1 − T_through − T_drop of the line's own ring at rest and of the others' tails, mean over lines",
        ),
        ("detector", spec.detector.loss_dB, "detector.loss_dB"),
    ]
    level = spec.comb.line_power_dBm
    entries = [LinkEntry("laser", 0.0, level, "comb.line_power_dBm, one line")]
    for element, loss, source in losses:
        level -= loss
        entries.append(LinkEntry(element, loss, level, source))
    return tuple(entries)


def _necks(spec: ChipSpec) -> list[tuple[str, float, str]]:
    """The necks of a bus, where it has some."""
    ring, count = spec.ring, 2 * spec.chip.channels
    if not ring.neck_um:
        return []
    each_dB = neck(spec.process, ring.neck_um).first_dB
    return [
        ("necks", count * each_dB, f"{count} of {ring.neck_um:g} µm on the bus, {each_dB:.2g} dB each (process.necks)")
    ]


@cached_by_spec
def line_current_A(spec: ChipSpec) -> float:
    """Photocurrent of one fully lit line: the unit of weight, in A."""
    return spec.detector.responsivity_A_W * watt_from_dBm(link_budget(spec)[-1].cumulative_dBm)


def tree_lengths(spec: ChipSpec) -> Lengths:
    """Waveguide between the root of the tree and the row with the longest way, the splitters left out."""

    @cache
    def longest(rows: int, level: int) -> Lengths:
        if level == 0:
            return Lengths()
        sides = zip((False, True), halves(rows), strict=True)
        ways = (
            branch_design(spec, rows=rows, level=level, upper=upper).lengths + longest(behind, level - 1)
            for upper, behind in sides
            if behind
        )
        return max(ways, key=lambda way: way.total_um)

    return longest(spec.chip.rows, tree_levels(spec.chip.rows))


@cached_by_spec
def _ring_loss_dB(spec: ChipSpec) -> float:
    """Loss of a line in the untuned rings of its row, mean over lines: the share that leaves on neither bus.

    What another ring drops still reaches the photodiode pair, so only its absorption counts. Powers add here; the exact
    row adds fields.
    """
    ring, lines_pm = ring_figures(spec), np.asarray(spec.comb_design.wl_um) * PM_PER_UM
    absorbed, fsr_pm = 1.0 - ring.through_min - ring.drop_max, ring.fsr_nm * 1e3
    # Every line against every ring, which also resonates one free spectral range away.
    apart_pm = lines_pm[:, None] + spec.ring.bias_pm - lines_pm[None, :]
    detuning_pm = apart_pm - fsr_pm * np.rint(apart_pm / fsr_pm)
    passed = np.prod(1.0 - absorbed / (1.0 + (2.0 * detuning_pm / ring.fwhm_pm) ** 2), axis=0)
    return -dB_from_ratio(float(np.mean(passed)))
