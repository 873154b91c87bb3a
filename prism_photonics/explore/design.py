"""Design of a chip from wishes: a spec that keeps every rule, or the law that forbids it and the smallest change."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prism_photonics.budget.cures import GAPS
from prism_photonics.budget.feasibility import judged as rules_on
from prism_photonics.budget.light_sizing import with_keys
from prism_photonics.budget.second_mode import bend_warnings
from prism_photonics.budget.settle import settle
from prism_photonics.explore.laws import Reason, commented, law_of, reasons, table
from prism_photonics.explore.least_voltage import least_voltage
from prism_photonics.explore.relax import Change, changed, smallest_change
from prism_photonics.explore.sizing import Sized, judged, sized, with_smooth_bends
from prism_photonics.explore.tradeoff import TradePoint, tradeoff
from prism_photonics.explore.wishes import Wishes
from prism_photonics.extras import asked_by
from prism_photonics.files import write_text
from prism_photonics.spec import ChipSpec

MOST_NAMED = 3
"""Changes of the wishes that are spelled out."""


@dataclass(frozen=True)
class Design:
    """Answer to wishes.

    Attributes:
        wishes: The wishes.
        best: The most robust chip for them, or where they allow none the one that comes nearest; None where not even
            its lines can be placed.
        changes: Where they allow none: changes of the wishes that do, the smallest first.
    """

    wishes: Wishes
    best: Sized | None
    changes: tuple[Change, ...] = ()

    @property
    def feasible(self) -> bool:
        """Whether the wishes allow a chip."""
        return not self.changes

    @property
    def spec(self) -> ChipSpec:
        """The designed spec; where the wishes allow none, that of the smallest change."""
        if self.changes:
            return self.changes[0].found.spec
        assert self.best is not None
        return self.best.spec

    @property
    def forbidden_by(self) -> tuple[str, ...]:
        """Laws that forbid the wishes, with the numbers that they are broken by; empty where a chip is possible."""
        if self.feasible:
            return ()
        if self.best is None:
            return ("FSR: no comb as wished lies within one free spectral range and within the film's mode tables",)
        return tuple(filter(None, [self._too_little_drive, *(law_of(found) for found in self.best.broken)]))

    @property
    def _too_little_drive(self) -> str | None:
        """The law that forbids so little drive to every ring of the film; None where it does not."""
        if self.wishes.max_voltage_V is None or self.best is None:
            return None
        bound = least_voltage(self.best.spec)
        return str(bound) if bound.least_V > self.wishes.max_voltage_V else None

    @property
    def relaxed(self) -> Wishes:
        """The wishes with the smallest change that makes them possible; the wishes themselves where they are."""
        if self.feasible:
            return self.wishes
        relaxed = changed(self.wishes, self.changes[0].wishes)
        assert relaxed is not None
        return relaxed

    @cached_property
    def reasons(self) -> list[Reason]:
        """What each number of `spec` follows from."""
        return reasons(self.relaxed, self.spec)

    @cached_property
    def tradeoff(self) -> tuple[TradePoint, ...]:
        """Reach and headroom of `spec` against the drive voltage."""
        return tradeoff(self.spec)

    def __str__(self) -> str:
        """The numbers with their laws, and what second modes make of the chip.

        Or what forbids the wishes, and the changes that would do.
        """
        if not self.feasible:
            named = [f"  wish {change}" for change in self.changes[:MOST_NAMED]]
            return "\n".join(
                ["not possible as wished", *(f"  {law}" for law in self.forbidden_by), "possible with any of:", *named]
            )
        assert self.best is not None
        headroom, rule = self.best.least
        return "\n".join(
            [
                table(self.reasons),
                f"feasible; least headroom {100.0 * headroom:.0f} % ({rule}), die {self.best.area_mm2:.3g} mm²",
                *(f"note {remark}" for remark in bend_warnings(self.spec, rules_on)),
            ]
        )

    def __repr__(self) -> str:
        """Whether it is possible, in one line."""
        verdict = repr(self.spec) if self.feasible else f"not possible; with {self.changes[0]}"
        return f"<Design: {verdict}>"

    def text(self) -> str:
        """The spec as a commented file."""
        return commented(self.spec, self.reasons, base=self.wishes.base)

    def write(self, path: str | Path) -> Path:
        """Write the spec as a commented file, and beside it the trade-off as a table and a figure.

        Raises:
            InputError: A file cannot be written.
        """
        path = Path(path)
        write_text(path, self.text())
        points = self.tradeoff
        lines = ["max_voltage_V,headroom,binding_rule,fwhm_pm,reach"]
        lines += [f"{p.max_voltage_V:g},{p.headroom:.4f},{p.rule},{p.fwhm_pm:.2f},{p.reach:.3f}" for p in points]
        write_text(path.with_name(f"{path.stem}_tradeoff.csv"), "\n".join(lines) + "\n")
        return path

    def to_json(self) -> dict[str, Any]:
        """As plain data: the verdict, the spec's numbers with their laws, the trade-off, or laws and changes."""
        if not self.feasible:
            return {
                "feasible": False,
                "forbidden_by": list(self.forbidden_by),
                "changes": [{"wishes": change.wishes, "size": round(change.size, 3)} for change in self.changes],
            }
        assert self.best is not None
        return {
            "feasible": True,
            "name": self.spec.name,
            "least_headroom": round(self.best.least[0], 4),
            "binding_rule": self.best.least[1],
            "die_area_mm2": round(self.best.area_mm2, 3),
            "numbers": [{"key": row.key, "value": row.value, "law": row.law} for row in self.reasons],
            "tradeoff": [vars(point) for point in self.tradeoff],
            "spec_hash": self.spec.hash,
        }


def design(wishes: Wishes | dict[str, Any] | None = None, **wished: Any) -> Design:
    """Design a chip from wishes: the most robust spec that keeps every rule, or the law that forbids one.

    Args:
        wishes: Wishes, or a table of them; or each of them by name:
        **wished: such as ``dims=8, rows=64, process="ltoi300", max_voltage_V=10.0``.

    Returns:
        A spec that keeps every rule, with the law behind each number; or the laws that forbid it and the smallest
        changes of the wishes that make it possible.

    Raises:
        InputError: The wishes contradict each other, or hold an unknown key or a value out of range.
    """
    if not isinstance(wishes, Wishes):
        wishes = Wishes.of({**(wishes or {}), **wished})
    elif wished:
        wishes = Wishes.of(wishes.model_dump(exclude_none=True) | wished)
    found = sized(wishes)
    if not found or found[0].broken:
        best = found[0] if found else None
        return Design(wishes, best, smallest_change(wishes, best))
    return Design(wishes, with_smooth_bends(wishes, _polished(wishes, found[0])))


def _polished(wishes: Wishes, found: Sized) -> Sized:
    """The chip with its rings moved along gradients and settled on the drawing's grid, where that leaves more headroom.

    The closed forms know no grid: straights are moved and held, and what comes of both is judged before and after it
    has settled.
    """
    with asked_by("prism design"):
        from prism_photonics.explore.polish import polished_keys
    tried = [found]
    for hold_straight in (False, True):
        try:
            moved = with_keys(found.spec, polished_keys(found.spec, hold_straight=hold_straight))
            settled = with_keys(moved, settle(moved, rules_on, keys=("ring.bias_pm", *GAPS)))
            tried += [judged(wishes, spec, found.choice) for spec in (moved, settled)]
        except ValueError:
            continue
    return max(tried, key=lambda each: (not each.broken, each.least[0]))
