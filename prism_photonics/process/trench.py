"""The trench between two ribs: its walls slope, so that its foot is narrower than its top, and may not open."""

import math

from prism_photonics.process.layers import load_deck
from prism_photonics.process.profile import Profile


def least_gap_um(profile: Profile) -> float:
    """Narrowest gap between the tops of two ribs that may be drawn: by the film's drawing rules, where walls meet else.

    Args:
        profile: The film, a measured one included.
    """
    rules = load_deck(profile.name).rules.values()
    spaces = (rule.value_um for rule in rules if rule.kind == "space" and rule.layer == "ridge")
    return max(profile.least_gap_um, *spaces)


def foot_um(profile: Profile, gap_um: float) -> float:
    """Width at its foot of a trench of a gap at its top: w − 2·h/tan θ of etch depth h and wall angle θ."""
    return gap_um - profile.least_gap_um


def closing_wall_deg(profile: Profile, gap_um: float) -> float:
    """Wall angle at which a trench's walls meet at full depth: flatter walls leave its foot closed."""
    return math.degrees(math.atan(2.0 * profile.film.etch_um.value / gap_um))
