"""Search for a few changes that together make a refused spec feasible: cures of all broken rules, in sequence.

A beam search: from each of the best specs so far every candidate cure of every broken rule is tried, and the specs that
break the fewest rules, and break them least, are kept. It promises no least number of changes, and what it finds was
tried by all rules.
"""

import math
from dataclasses import dataclass

from prism_photonics.budget.cures import Rule, applied, candidates
from prism_photonics.budget.finding import Cure, Finding, Judge
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

MOST_CHANGES = 6
"""Changes in a row that are tried; more is another chip (design choice)."""
BEAM = 3
"""Specs that are followed at each step; design choice."""
COUNTS = {"chip.rows", "chip.buses", "chip.channels"}
"""Keys of which each alone is only ever lowered: fewer rings."""


@dataclass(frozen=True)
class Plan:
    """Result of a search for changes that make a spec feasible.

    Attributes:
        changes: The changes, in the order in which they are made.
        remaining: Rules that are still broken with all of them; empty where the spec is then feasible.
    """

    changes: tuple[Cure, ...]
    remaining: tuple[str, ...]

    def __str__(self) -> str:
        """The changes in one line, or that none of those tried suffice."""
        listed = "; then ".join(map(str, self.changes))
        if not self.remaining:
            return f"feasible with all of these: set {listed}"
        nearest = f"; nearest: {listed}, which leaves {', '.join(self.remaining)}" if self.changes else ""
        return f"no {MOST_CHANGES} changes that were tried make it feasible{nearest}"


def find_plan(
    spec: ChipSpec,
    findings: list[Finding],
    *,
    rules: dict[str, Rule],
    judge: Judge,
) -> Plan:
    """Look for changes of a spec with which every rule is kept.

    Args:
        spec: The spec.
        findings: All rules' findings on it.
        rules: The rules by the names that their findings carry.
        judge: All rules' findings on another spec.
    """
    whole = _searched(_Tried(spec, findings, ()), rules, judge, fewer_rings=False)
    best = (
        whole
        if not whole.broken
        else min(
            whole, _searched(_Tried(spec, findings, ()), rules, judge, fewer_rings=True), key=lambda tried: tried.rank
        )
    )
    return Plan(best.changes, best.broken)


def _searched(start: "_Tried", rules: dict[str, Rule], judge: Judge, *, fewer_rings: bool) -> "_Tried":
    """Result of the beam search; unless ``fewer_rings``, every change leaves the chip all its rings."""
    best, beam = start, [start]
    for _ in range(MOST_CHANGES):
        after = {tried.key: tried for start in beam for tried in _changed(start, rules, judge, fewer_rings)}
        if not after:
            break
        beam = sorted(after.values(), key=lambda tried: tried.rank)[:BEAM]
        best = min(best, *beam, key=lambda tried: tried.rank)
        if not best.broken:
            break
    return best


@dataclass(frozen=True)
class _Tried:
    spec: ChipSpec
    findings: list[Finding]
    changes: tuple[Cure, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        return tuple(found.rule for found in self.findings if not found.passed)

    @property
    def key(self) -> tuple[tuple[str, float | int | str], ...]:
        """Every key that was set, whatever the order."""
        return tuple(sorted(pair for cure in self.changes for pair in zip(cure.keys, cure.values, strict=True)))

    @property
    def rank(self) -> tuple[int, float, int]:
        """How many rules are broken, how much in all, and after how many changes: less is better."""
        missed = [
            min(1.0, -found.margin / max(abs(found.limit), abs(found.value), math.ulp(0.0)))
            for found in self.findings
            if not found.passed
        ]
        return len(self.broken), math.fsum(missed), len(self.changes)


def _changed(start: _Tried, rules: dict[str, Rule], judge: Judge, fewer_rings: bool) -> list[_Tried]:
    found = []
    made = {key for change in start.changes for key in change.keys}
    # A plan asks no less of the chip: what the ranking needs stands.
    needs = {f"ranking.{name}" for name in type(start.spec.ranking).model_fields}
    fixed = made | needs | (set() if fewer_rings else COUNTS)
    for finding in start.findings:
        if finding.passed:
            continue
        for cure in candidates(finding, rules[finding.rule], start.spec, fixed=fixed):
            spec = applied(start.spec, cure)
            assert spec is not None
            # A key that is set twice would be a change taken back.
            if (made | needs) & set(cure.keys):
                continue
            if not fewer_rings and spec.chip.rows * spec.chip.rings < start.spec.chip.rows * start.spec.chip.rings:
                continue
            try:
                found.append(_Tried(spec, judge(spec), (*start.changes, cure)))
            except InputError:
                continue
    return found
