"""Feasibility: every rule is a function of the spec that answers with a value, a limit and a cure."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from prism_photonics.budget import rules_chip, rules_comb, rules_drift, rules_light, rules_ring, rules_row
from prism_photonics.budget.crossings import LEAST_BITS, RARE_DIES, crossings, cure, on_films
from prism_photonics.budget.cures import Rule, find_cures
from prism_photonics.budget.finding import Cure, Finding
from prism_photonics.budget.guard import floating_point_of, require_finite
from prism_photonics.budget.plan import Plan, find_plan
from prism_photonics.budget.repair import of_light, repair
from prism_photonics.budget.second_mode import bend_warnings
from prism_photonics.process.polarization import films_farther_apart, index_apart
from prism_photonics.process.profile import film_name
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import InputError


@dataclass(frozen=True, repr=False)
class Feasibility:
    """All findings on a spec, and remarks that do not refuse it."""

    findings: tuple[Finding, ...]
    warn: Callable[[], list[str]] = field(default=list, repr=False, compare=False)
    search: "_Search | None" = field(default=None, repr=False, compare=False)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Remarks that do not refuse the spec, worked out at first access: they cost as much as all rules together."""
        return tuple(self.warn())

    @cached_property
    def edits(self) -> tuple[Cure, ...]:
        """At most three edits that make the spec feasible, in their order, searched at first access; empty if none."""
        return () if self.search is None else self.search.repair()

    @cached_property
    def plan(self) -> Plan | None:
        """The edits, or where they do not suffice what a longer search of single changes finds; None if feasible."""
        if self.search is None:
            return None
        return Plan(self.edits, ()) if self.edits else self.search.plan()

    @property
    def feasible(self) -> bool:
        """Whether every rule is kept."""
        return all(finding.passed for finding in self.findings)

    @property
    def violations(self) -> tuple[Finding, ...]:
        """The rules that are broken."""
        return tuple(finding for finding in self.findings if not finding.passed)

    def text(self, *, explain: bool = False, plan: bool = False) -> str:
        """The findings as a table, then the remarks, whether the chip is feasible, and the edits that make it so.

        Args:
            explain: Whether every finding also carries its derivation.
            plan: Whether to look on, for seconds, where three edits do not suffice.
        """
        lines: list[str] = []
        for found in self.findings:
            mark = "ok " if found.passed else "NO "
            lines.append(f"{mark} {found.rule:<20} {found.value:>10.4g}   limit {found.limit:>8.4g} {found.unit}")
            lines += [] if found.passed else [f"     {found.cure}"]
            lines += [f"     = {found.explain}"] if explain else []
        lines += [f"note {warning}" for warning in self.warnings]
        broken = "1 rule" if len(self.violations) == 1 else f"{len(self.violations)} rules"
        if self.feasible:
            lines.append("feasible")
        elif self.edits:
            counted = "this edit" if len(self.edits) == 1 else f"these {len(self.edits)} edits, in this order"
            lines.append(f"not feasible: {broken} broken; feasible after {counted}:")
            lines += [f"  {n}. set {edit}" for n, edit in enumerate(self.edits, 1)]
        elif plan:
            lines += [f"plan {self.plan}", f"not feasible: {broken} broken"]
        else:
            lines.append(f"not feasible: {broken} broken, no three edits mend them (--plan looks for more)")
        return "\n".join(lines)

    def __str__(self) -> str:
        """The table."""
        return self.text()

    def __repr__(self) -> str:
        """Whether the chip is feasible, in one line."""
        broken = ", ".join(found.rule for found in self.violations)
        verdict = f"not feasible: {broken}" if broken else "feasible"
        return f"<Feasibility: {verdict}; {len(self.findings)} rules, {len(self.warnings)} remarks>"

    def to_json(self, *, explain: bool = False, plan: bool = False) -> dict[str, Any]:
        """``feasible``, ``violations``, ``findings`` and ``warnings`` as plain data.

        Args:
            explain: Whether every finding also carries its derivation.
            plan: Whether ``plan`` and ``edits`` also say, after seconds, which changes make a refused spec feasible.
        """
        left_out = set() if explain else {"explain"}
        return {
            "feasible": self.feasible,
            "violations": [_plain(f, left_out | {"passed"}) for f in self.violations],
            "findings": [_plain(f, left_out) for f in self.findings],
            "warnings": list(self.warnings),
            **(self._planned() if plan else {}),
        }

    def _planned(self) -> dict[str, Any]:
        edits = [dict(zip(edit.keys, edit.values, strict=True)) for edit in self.edits]
        return {"plan": "" if self.plan is None else str(self.plan), "edits": edits}


RULES: tuple[Callable[[ChipSpec], Finding], ...] = (
    rules_comb.fsr_aliasing,
    rules_comb.band,
    rules_comb.comb_range,
    rules_comb.spacing_linewidths,
    rules_drift.neighbours,
    rules_ring.tuning_range,
    rules_row.row_reach,
    rules_ring.coercive_field,
    rules_ring.electrode_gap,
    rules_ring.electrode_lobe,
    rules_ring.driver_step,
    rules_ring.bend_radius,
    rules_chip.trimming_power,
    rules_drift.drift,
    rules_drift.drift_common,
    rules_light.link,
    rules_light.line_swing,
    rules_light.bus_power,
    rules_light.ring_power,
    rules_light.converter_range,
    rules_light.query_dac,
    rules_light.adc_noise,
    rules_light.score_snr,
    rules_chip.connections,
    rules_chip.die_area,
)
"""Every rule, in the order of the report."""
NAMES: dict[Callable[[ChipSpec], Finding], str] = {rules_drift.neighbours: "coherence", rules_light.link: "link_budget"}
"""Of rules that are not called as their functions are."""
MEASURABLE = frozenset({"fsr_aliasing", "band", "comb_range", "coercive_field", "bus_power", "ring_power"})
"""Rules without which lines cannot be told apart, or light or field harm a chip: no calibration either. The others are
about what a chip is for."""


def check(spec: ChipSpec) -> Feasibility:
    """Apply every rule to a spec, and search for cures of broken ones.

    A spec that is asked about again, as by each step of a session, has its answer, with what was searched for it.

    Raises:
        InputError: The rings are no resonators, or a number leaves what floating point holds.
    """
    return _checked(spec)


def require_feasible(spec: ChipSpec, *, rules: Collection[str] | None = None) -> Feasibility:
    """Check a spec and refuse one that breaks a rule, naming the first and how many more.

    Args:
        spec: The spec.
        rules: Names of the rules that count, such as `MEASURABLE`; by default all.

    Raises:
        InputError: A rule that counts is broken.
    """
    feasibility = check(spec)
    broken = [found for found in feasibility.violations if rules is None or found.rule in rules]
    if broken:
        count = len(feasibility.violations)
        raise InputError(
            f"{spec.name}: not feasible, {count} {'rule' if count == 1 else 'rules'} broken, first {broken[0]} "
            "('prism check' lists all)"
        )
    return feasibility


def judged(spec: ChipSpec, rules: Collection[str] | None = None, /) -> list[Finding]:
    """Findings of the rules of these names, by default of all, in the order of the report.

    Args:
        spec: The spec.
        rules: Names of the rules that are wanted.

    Raises:
        InputError: The rings are no resonators, or a number leaves what floating point holds.
    """
    wanted = [rule for rule in RULES if rules is None or NAMES.get(rule, rule.__name__) in rules]
    with floating_point_of(spec):
        findings = [rule(spec) for rule in wanted]
    for found in findings:
        require_finite(spec, f"rule {found.rule}", found.value, found.limit)
    return findings


@dataclass(frozen=True)
class _Search:
    """Searches for what makes a refused spec feasible, each begun when it is asked for."""

    spec: ChipSpec
    findings: list[Finding]
    rules: dict[str, Rule]

    def repair(self) -> tuple[Cure, ...]:
        broken = [found for found in self.findings if not found.passed]
        if len(broken) == 1:
            # Of light the least change does; rings and lines are sized for more than the one rule.
            clean = next((cure for cure in broken[0].cures if not cure.spoils and of_light(cure)), None)
            if clean is not None:
                return (clean,)
        return repair(self.spec, self.findings, judged) or ()

    def plan(self) -> Plan:
        return find_plan(self.spec, self.findings, rules=self.rules, judge=judged)


def _remarks(spec: ChipSpec, findings: list[Finding]) -> list[str]:
    return [*_mode_warnings(spec, findings), *bend_warnings(spec, judged)]


def _mode_warnings(spec: ChipSpec, findings: list[Finding]) -> list[str]:
    """What the mixing of TE and TM in the rings' bends costs, and an arm that undoes it."""
    found = crossings(spec)
    if found is None:
        return [
            f"{film_name(spec.process)} guides no TM, or none whose coupling is known (docs/modes.md): crossings of TE "
            "and TM are not counted"
        ]
    if not found.told:
        return _film_warnings(spec)
    said = (
        f"bends turn {100.0 * found.converted:.2g} % of TE into TM in half a turn of a ring: TE and TM resonances are "
        f"expected to cross on {_three_digits(found.rings)} of {found.of} rings, which lose half of their range or "
        f"more; of the others a fit of TE alone leaves {found.bits:.1f} bits"
    )
    dark = "leave dark the lines of the rings that show it on a die"
    mended = cure(spec)
    after = None if mended is None else crossings(mended[1])
    if mended is None or after is None or after.rings >= found.rings:
        return [f"{said}; raise ring.radius_um, or {dark}"]
    kept = {finding.rule for finding in findings if finding.passed}
    spoils = [finding.rule for finding in judged(mended[1]) if not finding.passed and finding.rule in kept]
    return [
        f"{said}; {mended[0]} lets each bend undo the last one's: {_three_digits(after.rings)} rings, of the others "
        f"{after.bits:.1f} bits"
        f"{f' (spoils {", ".join(spoils)})' if spoils else ''}; or raise ring.radius_um, or {dark}"
    ]


def _film_warnings(spec: ChipSpec) -> list[str]:
    """What arms do not undo on films that came out thicker or thinner, and a film on which there is nothing to undo."""
    found = on_films(spec)
    if found is None or found.spoiled <= RARE_DIES:
        return []
    films = ", or ".join(
        f"process = {film!r}, where they lie {apart:.2g} apart, with rings sized for it by prism design"
        for film, apart in films_farther_apart(spec.process)
    )
    return [
        f"on films {spec.variation.thickness_nm:g} nm rms off (variation.thickness_nm) bends turn "
        f"{100.0 * found.converted:.2g} % of TE into TM in the mean, whatever ring.arm_um: crossings are expected to "
        f"spoil the lines of {_three_digits(found.spoiled)} rings a die, each of which leaves a fit of TE alone less "
        f"than {LEAST_BITS:g} bits; TE and TM lie {index_apart(spec.process):.2g} of index apart along layout y"
        f"{f': {films}' if films else ''}; or raise ring.radius_um, hold the film better, or leave such lines dark"
    ]


def _three_digits(count: float) -> str:
    """A count as people write it: 4440, not 4.44e+03."""
    return f"{float(f'{count:.3g}'):g}"


def _plain(finding: Finding, left_out: set[str]) -> dict[str, Any]:
    kept = ("rule", "value", "limit", "unit", "passed", "cure", "explain")
    return {key: getattr(finding, key) for key in kept if key not in left_out}


@cached_by_spec
def _checked(spec: ChipSpec) -> Feasibility:
    findings = judged(spec)
    cured = [
        found
        if found.passed
        else replace(found, search=partial(find_cures, found, rule, spec, before=findings, judge=judged))
        for found, rule in zip(findings, RULES, strict=True)
    ]
    rules = {found.rule: rule for found, rule in zip(findings, RULES, strict=True)}
    broken = not all(found.passed for found in findings)
    search = _Search(spec, cured, rules) if broken else None
    return Feasibility(tuple(cured), partial(_remarks, spec, findings), search)
