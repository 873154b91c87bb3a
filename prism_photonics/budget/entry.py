"""One line of the ledger: derived number, the paper's number, and source or assumption of each."""

from dataclasses import dataclass
from typing import Any, Literal

type Section = Literal["counts", "link", "noise", "latency", "energy", "floors", "attention"]


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        section: The table that the line belongs to.
        name: Quantity; unique in its section.
        derived: Our number, from the spec's geometry, powers, counts and times.
        paper: The number that arXiv 2603.21576 prints for its own 32×256 point (ring counts: for a chip of this size);
            ``None`` where it prints none, and for every other chip.
        unit: Unit of both.
        source: Where ``derived`` comes from.
        assumption: Assumption; empty where there is none.
    """

    section: Section
    name: str
    derived: float
    paper: float | None
    unit: str
    source: str
    assumption: str = ""

    def columns(self) -> dict[str, float | None]:
        """The two columns, ``paper`` and ``derived``."""
        return {"paper": self.paper, "derived": self.derived}


def total(entries: list[Entry], name: str, *, paper: float | None, source: str) -> Entry:
    """A line that adds up others of one section and unit.

    Args:
        entries: The lines, at least one.
        name: Name of the sum.
        paper: The paper's own sum.
        source: Terms of the sum.
    """
    first = entries[0]
    return Entry(first.section, name, sum(entry.derived for entry in entries), paper, first.unit, source)


def by_name(entries: list[Entry]) -> dict[str, dict[str, Any]]:
    """``{name: {"paper": …, "derived": …}}`` of some lines."""
    return {entry.name: entry.columns() for entry in entries}
