"""Designs by closed forms as choices of a search: where `prism design` finds a chip, a search begins from one.

Chance seldom hits a chip that keeps every rule. `explore.sizing` makes some for the same wishes in seconds, and what a
search's knobs can hold of them is tried first.
"""

from functools import cached_property

from prism_photonics.budget.feasibility import check
from prism_photonics.explore.sizing import sized
from prism_photonics.explore.space import choice_of, dims_of, knobs, spec_of
from prism_photonics.explore.wishes import Wishes
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

REACHES = (0.75, 0.6, 0.45)
"""Weight limits that chips are designed for: from the usual one of wishes downwards (design choice)."""


class _Alike(Wishes):
    """Wishes for another chip like one that is at hand."""

    at_hand: ChipSpec

    @cached_property
    def base_spec(self) -> ChipSpec:
        """The spec that all other numbers are taken from."""
        return self.at_hand


def designed_choices(spec: ChipSpec) -> list[dict[str, float | int | str]]:
    """Choices of chips that keep every rule, as many rows and dimensions on the same film as a spec.

    Args:
        spec: The spec that the search begins from, feasible or not.

    Returns:
        The most robust first, of each weight limit; none where the closed forms find none.
    """
    limits = {knob.name: knob for knob in knobs(spec)}
    found = []
    for reach in REACHES:
        try:
            wishes = _Alike.of(
                {
                    "at_hand": spec,
                    "dims": dims_of(spec),
                    "rows": spec.chip.rows,
                    "process": spec.process,
                    "weight_limit": reach,
                    "required_snr_dB": spec.ranking.required_snr_dB,
                    "trimming": spec.trim.method,
                    "residual_pm": spec.trim.residual_pm,
                    "most_line_power_dBm": limits["line_power_dBm"].high,
                    "least_bandwidth_GHz": limits["bandwidth_GHz"].low,
                }
            )
            choices = [choice_of(design.spec) for design in sized(wishes)]
        except InputError:  # more dimensions than wishes may have, or a base that no closed form holds for
            continue
        found += [choice for choice in choices if _feasible(spec, choice)]
    return found


def _feasible(base: ChipSpec, choice: dict[str, float | int | str]) -> bool:
    """Whether a choice's chip keeps every rule: rounded to a search's knobs, not every design does."""
    try:
        return check(spec_of(base, choice)).feasible
    except (InputError, ArithmeticError):
        return False
