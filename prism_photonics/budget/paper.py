"""Numbers of arXiv 2603.21576 for its own chips, and a reconstruction of its three energies per query.

Tables II and III, eq. 8 and the ring counts are the paper's own numbers. Its three energies are printed as totals. How
each is made up is *our reconstruction*: powers and times that the paper states, and one number that we solve for.
"""

import math
from dataclasses import dataclass

from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.spec import ChipSpec

NAME, ROWS, CHANNELS = "paper_32x256", 256, 32
"""The point of Tables II and III: 32 channels on one bus, 256 rows."""

LASER_DBM = 20.0
"""Level of all lines together (Table II)."""

TABLE_2_DB = {
    "coupling": 2.0,
    "modulator": 3.0,
    "splitter": 25.7,
    "waveguide": 1.0,
    "rings": 3.2,
    "detector": 1.0,
}
"""Losses in dB along the light (Table II)."""

TABLE_3_NS = {
    "dac": 1.0,
    "modulator": 0.1,
    "propagation": 0.5,
    "ring": 0.1,
    "photodiode": 0.2,
    "tia_adc": 2.0,
    "topk": 5.0,
}
"""Latencies in ns (Table III); the paper rounds their sum, 8.9 ns, to 9 ns."""

QUERY_NS = 9.0
"""The paper's query time, ns."""

EQ_8_ALPHA_DB = 0.2
"""Excess loss of one splitter, dB (eq. 8)."""

RING_COUNTS = {(8, 8): 64.0, (256, 32): 8_192.0, (1024, 64): 65_536.0}
"""Rings of the paper's three chips by (rows, channels) (Table VIII)."""

RECEIVER_UW = 49.0
"""TIA and ADC of one row together, µW: what the paper allows."""


@dataclass(frozen=True)
class PaperEnergy:
    """One of the paper's energies per query, by component.

    Attributes:
        total_pJ: As the paper prints it.
        rows: Rows of the chip that the reconstruction takes.
        channels: Its channels.
        wall_plug: Electrical-to-optical efficiency of the laser; 1 counts the optical power alone.
        laser_pJ: Laser over the query's 9 ns.
        receiver_pJ: TIAs and ADCs over the time that they are counted for.
        rest_pJ: Remainder for DACs, modulators and top-k.
        assumption: Assumption that reproduces the total, and the number that was solved for.
    """

    total_pJ: float
    rows: int
    channels: int
    wall_plug: float
    laser_pJ: float
    receiver_pJ: float
    rest_pJ: float
    assumption: str

    @property
    def derived_pJ(self) -> float:
        """Sum of the parts."""
        return self.laser_pJ + self.receiver_pJ + self.rest_pJ


def is_paper_point(spec: ChipSpec) -> bool:
    """Whether a spec is the paper's 32×256 point, by its name and its size."""
    size = (spec.chip.rows, spec.chip.channels, spec.chip.buses)
    return spec.name == NAME and size == (ROWS, CHANNELS, 1)


def levels_dBm() -> dict[str, float]:
    """Level of all lines together behind each element, by the paper's Table II; the last one is −15.9 dBm."""
    level = LASER_DBM
    levels = {"laser": level}
    for element, loss in TABLE_2_DB.items():
        level -= loss
        levels[element] = level
    return levels


def splitter_loss_dB(rows: int) -> float:
    """Eq. 8: ``10·log10 N + α·⌈log2 N⌉`` with α = 0.2 dB."""
    return 10.0 * math.log10(rows) + EQ_8_ALPHA_DB * tree_levels(rows)


def energies() -> tuple[PaperEnergy, PaperEnergy, PaperEnergy]:
    """The paper's 931, 1570 and 2290 pJ per query, each with the assumption that reproduces it.

    Stated by the paper: +20 dBm of laser (Table II), 9 ns per query and 2 ns of TIA and ADC (Table III), 49 µW of TIA
    and ADC per row, the chips' sizes. Not stated in what we hold: which chip and which window each total belongs to,
    and every part of it. So each total leaves one number to solve for, and the assumption names it.
    """
    optical_pJ = 10.0 ** (LASER_DBM / 10.0) * QUERY_NS  # mW·ns = pJ

    gated_pJ = RECEIVER_UW * 1e-3 * ROWS * TABLE_3_NS["tia_adc"]
    rest_pJ = 931.0 - optical_pJ - gated_pJ
    small = PaperEnergy(
        931.0,
        ROWS,
        CHANNELS,
        1.0,
        optical_pJ,
        gated_pJ,
        rest_pJ,
        f"reconstructed: 256 × 32 rings, the laser's optical power for 9 ns as if its conversion cost nothing, TIA and "
        f"ADC at 49 µW a row for their own 2 ns; solved: {rest_pJ:.1f} pJ for 32 DACs and modulators and the top-k",
    )

    rows, channels = 1024, 64
    receiver_pJ = RECEIVER_UW * 1e-3 * rows * QUERY_NS
    rest_pJ = 1570.0 - optical_pJ - receiver_pJ
    middle = PaperEnergy(
        1570.0,
        rows,
        channels,
        1.0,
        optical_pJ,
        receiver_pJ,
        rest_pJ,
        f"reconstructed: 1024 × 64 rings, the laser's optical power for 9 ns, TIA and ADC at 49 µW a row for the whole "
        f"9 ns; solved: {rest_pJ:.0f} pJ for 64 DACs and modulators and the top-k",
    )

    laser_pJ = 2290.0 - receiver_pJ - rest_pJ
    large = PaperEnergy(
        2290.0,
        rows,
        channels,
        optical_pJ / laser_pJ,
        laser_pJ,
        receiver_pJ,
        rest_pJ,
        f"reconstructed: as for 1570 pJ, but with the laser's electrical power; solved: a wall-plug efficiency of "
        f"{100.0 * optical_pJ / laser_pJ:.0f} %, without the 1 W thermoelectric cooler",
    )
    return small, middle, large
