"""Ledger of a spec: link, noise, latency and energy, derived numbers beside the paper's."""

from dataclasses import asdict, dataclass
from typing import Any

from prism_photonics.budget import crossover, paper
from prism_photonics.budget.attention import attention_entries
from prism_photonics.budget.energy import HeaterPower, channels, energy_entries, no_heaters, rings
from prism_photonics.budget.entry import Entry, by_name
from prism_photonics.budget.floors import floor_entries
from prism_photonics.budget.guard import floating_point_of, require_finite
from prism_photonics.budget.latency import latency_entries
from prism_photonics.budget.link import link_budget
from prism_photonics.budget.noise import noise_entries
from prism_photonics.budget.snr import score_snr_dB
from prism_photonics.budget.workload import PAPERS, Workload
from prism_photonics.lightpath.splitter.design import tree_outputs
from prism_photonics.spec import ChipSpec
from prism_photonics.units import dB_from_ratio


@dataclass(frozen=True)
class LinkRow:
    """One element of the link.

    Attributes:
        element: Element that the light passes.
        loss_dB: Its loss, positive.
        cumulative_dBm: Level of all lines together behind it.
        paper_dBm: The same level by the paper's Table II; ``None`` but at the paper's point.
        source: Where the loss comes from.
    """

    element: str
    loss_dB: float
    cumulative_dBm: float
    paper_dBm: float | None
    source: str


@dataclass(frozen=True, repr=False)
class Ledger:
    """The whole ledger of a spec.

    Attributes:
        name: The spec's name.
        spec_hash: Its hash.
        link: Elements in travel order, all lines fully lit.
        entries: Every line of every section.
        score_snr_dB: Signal-to-noise ratio of one score.
        crossover: Result of `budget.crossover.to_json`.
    """

    name: str
    spec_hash: str
    link: tuple[LinkRow, ...]
    entries: tuple[Entry, ...]
    score_snr_dB: float
    crossover: dict[str, Any]

    def __str__(self) -> str:
        """The whole ledger as a table."""
        # Here, because the table is made of ledgers.
        from prism_photonics.budget.table import text

        return text(self)

    def __repr__(self) -> str:
        """Name, size and SNR in one line."""
        return f"<Ledger of {self.name}: {len(self.entries)} entries, a score's SNR {self.score_snr_dB:.1f} dB>"

    def section(self, name: str) -> list[Entry]:
        """The lines of one section."""
        return [entry for entry in self.entries if entry.section == name]

    def to_json(self) -> dict[str, Any]:
        """The ledger as plain data."""
        return {
            "name": self.name,
            "spec_hash": self.spec_hash,
            "link": [asdict(row) for row in self.link],
            "score_snr_dB": self.score_snr_dB,
            "latency_ns": by_name(self.section("latency")),
            "energy_pJ": by_name(self.section("energy")),
            **self.crossover,
            "counts": by_name(self.section("counts")),
            "noise": by_name(self.section("noise")),
            "floors": by_name(self.section("floors")),
            "attention": by_name(self.section("attention")),
            "entries": [asdict(entry) for entry in self.entries],
        }


def ledger(spec: ChipSpec, heater_W: HeaterPower = no_heaters, work: Workload = PAPERS) -> Ledger:
    """Draw up the ledger of a spec.

    Args:
        spec: The chip, with its ``[system]`` table.
        heater_W: Trimming heaters' power in W as a function of the spec.
        work: What is ranked.

    Returns:
        The ledger; the paper's column is filled at the paper's own point alone.

    Raises:
        InputError: The chip cannot answer at the stated query rate, or a number leaves what floating point holds.
    """
    with floating_point_of(spec):
        return _ledger(spec, heater_W, work)


def _ledger(spec: ChipSpec, heater_W: HeaterPower, work: Workload) -> Ledger:
    rows = link_rows(spec)
    entries = [
        *count_entries(spec),
        *link_entries(spec),
        *noise_entries(spec),
        *latency_entries(spec),
        *energy_entries(spec, heater_W, work),
        *floor_entries(spec, heater_W),
        *attention_entries(spec, heater_W, work),
    ]
    for entry in entries:
        require_finite(spec, f"{entry.section} {entry.name}", entry.derived)
    return Ledger(
        spec.name, spec.hash, tuple(rows), tuple(entries), score_snr_dB(spec), crossover.to_json(spec, heater_W, work)
    )


def link_rows(spec: ChipSpec) -> list[LinkRow]:
    """Link with all lines fully lit: power of one line behind each element, times the lines of all buses."""
    all_lines_dB = dB_from_ratio(float(channels(spec)))
    stated = paper.levels_dBm() if paper.is_paper_point(spec) else {}
    sources = {"laser": f"comb.line_power_dBm × {channels(spec)} lines"}
    return [
        LinkRow(
            line.element,
            line.loss_dB,
            line.cumulative_dBm + all_lines_dB,
            stated.get(line.element),
            sources.get(line.element, line.source),
        )
        for line in link_budget(spec)
    ]


def link_entries(spec: ChipSpec) -> list[Entry]:
    """The link's losses in dB, and the level that a row's photodiodes receive: all lines together, and one of them."""
    losses = paper.TABLE_2_DB if paper.is_paper_point(spec) else {}
    rows = link_rows(spec)
    last, lines = rows[-1], channels(spec)
    lines_dB = dB_from_ratio(float(lines))
    return [
        *(
            Entry("link", row.element, row.loss_dB, losses.get(row.element), "dB", row.source)
            for row in rows
            if row.element != "laser"
        ),
        Entry("link", "level_all_lines", last.cumulative_dBm, last.paper_dBm, "dBm", f"{lines} lines, one row"),
        Entry(
            "link",
            "level_one_line",
            last.cumulative_dBm - lines_dB,
            None if last.paper_dBm is None else last.paper_dBm - lines_dB,
            "dBm",
            "the level of all lines, shared evenly",
        ),
    ]


def count_entries(spec: ChipSpec) -> list[Entry]:
    """Numbers of devices on and around the chip; the paper's ring count where it has a chip of this size."""
    chip = spec.chip
    count = {
        "rings": (rings(spec), "rows × buses × channels"),
        "modulators": (channels(spec), "buses × channels"),
        "photodiode_pairs": (chip.rows * chip.buses, "rows × buses"),
        "tias_and_adcs": (chip.rows, "one per row: the pairs of its buses are wired together"),
        "splitters": (chip.buses * (tree_outputs(chip.rows) - 1), "a binary tree per bus"),
    }
    stated = {"rings": paper.RING_COUNTS.get((chip.rows, chip.channels)) if chip.buses == 1 else None}
    return [
        Entry("counts", name, float(number), stated.get(name), "", source) for name, (number, source) in count.items()
    ]
