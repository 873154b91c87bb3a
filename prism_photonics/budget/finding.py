"""What one rule of the feasibility report found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What one rule found.

    Attributes:
        rule: Name of the rule.
        value: What the spec gives.
        limit: What it may be.
        unit: Unit of both.
        passed: Whether the spec keeps the rule.
        cure: What to change.
        explain: The derivation with this spec's numbers: formula, result, source.
    """

    rule: str
    value: float
    limit: float
    unit: str
    passed: bool
    cure: str
    explain: str

    def __str__(self) -> str:
        """Value, limit and cure in one line."""
        return f"{self.rule}: {self.value:.3g} {self.unit} against {self.limit:.3g}; {self.cure}"


def at_most(rule: str, value: float, limit: float, unit: str, *, cure: str, explain: str) -> Finding:
    """A finding whose value may not exceed its limit."""
    return Finding(rule, value, limit, unit, value <= limit, cure, explain)


def at_least(rule: str, value: float, limit: float, unit: str, *, cure: str, explain: str) -> Finding:
    """A finding whose value may not fall below its limit."""
    return Finding(rule, value, limit, unit, value >= limit, cure, explain)
