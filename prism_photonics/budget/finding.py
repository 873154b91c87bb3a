"""Finding of one rule of the feasibility report, with its cures."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

from prism_photonics.spec import ChipSpec

MOST_NAMED = 3
"""Cures that are spelled out, those that spoil the fewest other rules first."""


@dataclass(frozen=True)
class Cure:
    """A change of the spec with which the rule was found to be kept.

    Attributes:
        keys: Keys that are set, such as ``("drive.max_voltage_V",)``.
        values: Value that each of them is set to.
        spoils: Rules that are broken with it, and were kept or less broken without.
    """

    keys: tuple[str, ...]
    values: tuple[float | int | str, ...]
    spoils: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The change in words, with what it spoils."""
        spoiled = f" (spoils {', '.join(self.spoils)})" if self.spoils else ""
        if len(set(self.values)) == 1:
            return f"{' and '.join(self.keys)} = {self.values[0]!r}{spoiled}"
        changes = (f"{key} = {value!r}" for key, value in zip(self.keys, self.values, strict=True))
        return f"{' and '.join(changes)}{spoiled}"


@dataclass(frozen=True)
class Search:
    """Cures that a search found, and the keys that it tried."""

    cures: tuple[Cure, ...]
    tried: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Result of one rule.

    Attributes:
        rule: Name of the rule.
        value: The spec's value.
        limit: Its limit.
        unit: Unit of both.
        passed: Whether the spec keeps the rule.
        margin: How far the value lies within the limit, in the same unit; negative where it does not.
        explain: The derivation with this spec's numbers: formula, result, source.
        search: Looks for what mends a broken rule; None where there is nothing to mend.
    """

    rule: str
    value: float
    limit: float
    unit: str
    passed: bool
    margin: float
    explain: str
    search: Callable[[], Search] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def _searched(self) -> Search:
        return Search((), ()) if self.passed or self.search is None else self.search()

    @property
    def cures(self) -> tuple[Cure, ...]:
        """Changes that mend a broken rule, those that break fewest other rules first; searched at first access."""
        return self._searched.cures

    @property
    def cure(self) -> str:
        """Changes to make, in one line; empty where the rule is kept."""
        if self.passed:
            return ""
        clean = [str(cure) for cure in self.cures if not cure.spoils]
        if clean:
            return f"set {', or '.join(clean[:MOST_NAMED])}"
        if self.cures:
            named = "; ".join(map(str, self.cures[:MOST_NAMED]))
            return f"no single change mends it and spoils nothing else: {named}"
        return f"no single change mends it; tried {', '.join(self._searched.tried)}"

    def __str__(self) -> str:
        """Value, limit and cure in one line."""
        return f"{self.rule}: {self.value:.3g} {self.unit} against {self.limit:.3g}; {self.cure}"


@runtime_checkable
class Judge(Protocol):
    """What judges a spec by rules."""

    def __call__(self, spec: ChipSpec, rules: Collection[str] | None = None, /) -> list[Finding]:
        """Findings of the rules of these names, by default of all, in the order of the report.

        Args:
            spec: The spec.
            rules: Names of the rules that are wanted.
        """
        ...


def at_most(rule: str, value: float, limit: float, unit: str, *, explain: str) -> Finding:
    """A finding whose value may not exceed its limit."""
    return Finding(rule, value, limit, unit, value <= limit, limit - value, explain)


def at_least(rule: str, value: float, limit: float, unit: str, *, explain: str) -> Finding:
    """A finding whose value may not fall below its limit."""
    return Finding(rule, value, limit, unit, value >= limit, value - limit, explain)


def exactly(rule: str, value: float, limit: float, unit: str, *, explain: str) -> Finding:
    """A finding whose value must be its limit."""
    off = abs(value - limit)
    return Finding(rule, value, limit, unit, off < 1e-9, -off, explain)
