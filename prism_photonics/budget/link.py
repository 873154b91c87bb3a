"""Link budget: one line's power from the laser to the photodiode, element by element."""

import math
from dataclasses import dataclass

from prism_photonics.budget.ring import ring_figures
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.spec import ChipSpec
from prism_photonics.units import dB_from_ratio, watt_from_dBm


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
    rows, levels = spec.chip.rows, tree_levels(spec.chip.rows)
    row_cm = (spec.chip.channels * spec.ring.pitch_um) * 1e-4
    losses = [
        ("coupling", spec.coupler.loss_dB, "coupler.loss_dB"),
        ("modulator", spec.modulator.loss_dB, "modulator.loss_dB"),
        (
            "splitter",
            10.0 * math.log10(rows) + spec.splitter.excess_loss_dB * levels,
            "10·log10 N + α·⌈log2 N⌉ (arXiv 2603.21576, eq. 8)",
        ),
        ("waveguide", spec.waveguide.loss_dB_cm * row_cm, "waveguide.loss_dB_cm × bus length"),
        (
            "rings",
            _resting_ring_loss_dB(spec),
            "1 − T_through − T_drop of the line's own ring at rest, closed form",
        ),
        ("detector", spec.detector.loss_dB, "detector.loss_dB"),
    ]
    level = spec.comb.line_power_dBm
    entries = [LinkEntry("laser", 0.0, level, "comb.line_power_dBm, one line")]
    for element, loss, source in losses:
        level -= loss
        entries.append(LinkEntry(element, loss, level, source))
    return entries


def line_current_A(spec: ChipSpec) -> float:
    """Photocurrent of one fully lit line: the unit of weight, in A."""
    return spec.detector.responsivity_A_W * watt_from_dBm(link_budget(spec)[-1].cumulative_dBm)


def _resting_ring_loss_dB(spec: ChipSpec) -> float:
    """What a line loses in its own ring at rest: the share that neither bus gets."""
    ring = ring_figures(spec)
    u = 2.0 * spec.ring.bias_pm / ring.fwhm_pm
    lost = (1.0 - ring.through_min - ring.drop_max) / (1.0 + u * u)
    return -dB_from_ratio(1.0 - lost)
