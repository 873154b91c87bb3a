"""From wishes to the most robust spec that keeps every rule: every discrete choice sized, the best one polished."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from prism_photonics.budget.feasibility import judged as findings_of
from prism_photonics.budget.finding import Finding
from prism_photonics.budget.headroom import headrooms
from prism_photonics.budget.light_sizing import Changes, size_light, with_keys
from prism_photonics.budget.repair import VOLTS, driver_and_heat
from prism_photonics.budget.ring_sizing import ENOUGH, RingChoice, size_rings
from prism_photonics.budget.rules_chip import die_um
from prism_photonics.budget.second_mode import LEAST_DB, guides_turned, keeps_its_mode
from prism_photonics.budget.settle import ON_RINGS, settle
from prism_photonics.budget.smooth_turns import RADII_STEP
from prism_photonics.explore.candidates import candidates, ring_of
from prism_photonics.explore.least_voltage import least_voltage
from prism_photonics.explore.wishes import Wishes
from prism_photonics.process.profile import load_profile
from prism_photonics.spec import ChipSpec

MOST_FINISHED, QUICK = 4, 2
"""Discrete choices that are finished by the rules, for a design and for a look whether there is one; design choice."""
ARMS_IN_RADII = (0.0, 0.5, 1.5)
"""Arms that are tried, in units of the film's least radius: 0 is a circle (design choice)."""
LONG_ARMS_IN_RADII = (6.0, 12.0, 24.0, 40.0)
"""The same where drive is short and none of these makes a chip: of long racetracks all but some percent is tuned, and
few lines fit into their free spectral range (design choice)."""
STRAIGHTS, STRAIGHTS_QUICK = (0.0, 2.0, 8.0, 20.0), (0.0, 8.0)
"""Least coupling straights in µm that are tried, for a design and for a look whether there is one (design choice)."""
PREFERRED = ("two_shot", "dual_rail", "offset")
"""Encodings, those first that need no calibrated pedestal, then those of few wavelengths; design choice."""
CARRIED = ("tuning_range", "row_reach", "drift")
"""Rules that more tuning, or finer lines with it, would keep."""
WIDER_BENDS = (1.1, 1.25, 1.5, 2.0)
"""Radii of the guides' bends that are tried where clothoids find no room in the least one, in units of it (design
choice)."""
MOST_STEPS = 8
"""Of ever wider rings that are tried where TE1 or TM would show (design choice)."""
WORTH_TRYING = -0.15
"""Headroom by the closed forms from which a choice is finished: settling on the drawing's grid moves it so much."""


@dataclass(frozen=True)
class Sized:
    """A choice, sized and judged.

    Attributes:
        spec: The spec.
        choice: Its rings as the closed forms saw them.
        headrooms: Headroom of every rule.
        broken: What it breaks: findings of rules, in their order.
        area_mm2: Area of the die.
    """

    spec: ChipSpec
    choice: RingChoice
    headrooms: dict[str, float]
    broken: tuple[Finding, ...]
    area_mm2: float

    @cached_property
    def smooth(self) -> bool:
        """Whether rings with ramps keep their light in its mode: no remark of `prism check`. Others are not asked."""
        return _smooth(self.spec)

    @property
    def least(self) -> tuple[float, str]:
        """The smallest headroom, and its rule."""
        rule = min(self.headrooms, key=lambda name: self.headrooms[name])
        return self.headrooms[rule], rule

    @property
    def rank(self) -> tuple[bool, bool, float, int, int, float]:
        """Larger is better: kept rules, light in its mode, headroom up to what is enough, few buses, easy encoding.

        Then headroom beyond.
        """
        chip, encoding = self.spec.chip, PREFERRED.index(self.spec.modulator.encoding)
        return not self.broken, self.smooth, round(min(self.least[0], ENOUGH), 2), -chip.buses, -encoding, self.least[0]


def sized(wishes: Wishes, *, most: int = MOST_FINISHED) -> list[Sized]:
    """The most promising discrete choices, sized, the best first.

    Args:
        wishes: The wishes.
        most: How many are finished by the rules.
    """
    found = _finished(wishes, _scanned(wishes, ARMS_IN_RADII, STRAIGHTS), most)
    if _short_of_drive(wishes, found):
        # Lines that fill the range of a circle leave no room for longer rings.
        long = (_scanned(wishes, (share,), STRAIGHTS, lines_for=share) for share in LONG_ARMS_IN_RADII)
        found += _finished(wishes, chain.from_iterable(long), most)
    return sorted(found, key=lambda each: each.rank, reverse=True)


def first_feasible(wishes: Wishes) -> Sized | None:
    """A chip that keeps every rule, not the most robust: circles before racetracks, the preferred encoding first."""
    preferred = wishes.model_copy(update={"encoding": wishes.encoding or PREFERRED[0]})
    looks = [(preferred, ARMS_IN_RADII[:1]), (preferred, ARMS_IN_RADII[1:])]
    if wishes.encoding is None:
        looks += [(wishes.model_copy(update={"encoding": other}), ARMS_IN_RADII) for other in PREFERRED[1:]]
    for asked, arms in looks:
        for spec, choice in _by_promise(_scanned(asked, arms, STRAIGHTS_QUICK))[:QUICK]:
            if choice.headroom < WORTH_TRYING:
                break
            try:
                ringed = with_keys(spec, _rings(spec, choice))
                # No light mends rings.
                if not all(found.passed for found in findings_of(ringed, ON_RINGS)):
                    continue
                found = _lit(asked, ringed, choice)
            except ValueError:
                continue
            if not found.broken:
                return found
    return None


def finish(wishes: Wishes, spec: ChipSpec, choice: RingChoice) -> Sized:
    """An unsized spec with the rings of a choice, settled on the grid of the drawing, and with light and receiver.

    Raises:
        ValueError: No spec may hold these rings.
    """
    return _lit(wishes, with_keys(spec, _rings(spec, choice)), choice)


def _rings(spec: ChipSpec, choice: RingChoice) -> Changes:
    """Keys of the rings of a choice, settled, and of what drives and heats them."""
    changes: Changes = dict(choice.keys)
    if choice.headroom > WORTH_TRYING:
        changes |= settle(with_keys(spec, changes), findings_of, keys=changes)
    return changes | driver_and_heat(with_keys(spec, changes), findings_of)


def _lit(wishes: Wishes, ringed: ChipSpec, choice: RingChoice) -> Sized:
    """A spec of sized rings with light and receiver."""
    light = size_light(
        ringed, findings_of, most_dBm=wishes.most_line_power_dBm, least_bandwidth_GHz=wishes.least_bandwidth_GHz
    )
    return judged(wishes, with_keys(ringed, light), choice)


def judged(wishes: Wishes, spec: ChipSpec, choice: RingChoice) -> Sized:
    """A sized spec with the headroom of its rules and what it breaks; the wished area counts as a rule."""
    findings = findings_of(spec)
    width_um, height_um = die_um(spec)
    area_mm2 = width_um * height_um * 1e-6
    broken = tuple(found for found in findings if not found.passed)
    if area_mm2 > wishes.most_area_mm2 and not any(found.rule == "die_area" for found in broken):
        broken += tuple(found for found in findings if found.rule == "die_area")
    return Sized(spec, choice, headrooms(spec, findings), broken, area_mm2)


def with_smooth_bends(wishes: Wishes, found: Sized) -> Sized:
    """The chip with the least bends of its guides whose clothoids turn next to nothing to other modes.

    Where none of those that are tried keeps every rule, or as much headroom as is enough, it stays as it is: wider
    bends put rows farther apart.
    """
    if guides_turned(found.spec).loss_dB < LEAST_DB:
        return found
    for times in WIDER_BENDS:
        radius_um = round(times * found.spec.waveguide.bend_radius_um, 1)
        try:
            wider = with_keys(found.spec, {"waveguide.bend_radius_um": radius_um})
            if guides_turned(wider).loss_dB >= LEAST_DB:
                continue
            smooth = _lit(wishes, wider, found.choice)
        except ValueError:  # wider than a spec may have
            continue
        if not smooth.broken and smooth.least[0] >= min(found.least[0], ENOUGH):
            return smooth
    return found


def voltages_V(wishes: Wishes) -> list[float]:
    """Drive limits to choose from, ascending."""
    if wishes.max_voltage_V is None:
        return list(VOLTS)
    return [volts for volts in VOLTS if volts < wishes.max_voltage_V] + [wishes.max_voltage_V]


def _finished(wishes: Wishes, scanned: Iterable[tuple[ChipSpec, RingChoice]], most: int) -> list[Sized]:
    """The most promising choices, finished."""
    found: list[Sized] = []
    for spec, choice in _by_promise(scanned)[:most]:
        try:
            found.append(finish(wishes, spec, choice))
        except ValueError:  # rings that no spec may hold
            continue
        if not found[-1].smooth and (gentler := _gentler(wishes, found[-1])) is not None:
            found.append(gentler)
    return found


def _gentler(wishes: Wishes, found: Sized) -> Sized | None:
    """The same lines with the least wider rings that keep their light in its mode; None where none promises a chip."""
    spec, ring = found.spec, found.spec.ring
    for step in range(1, MOST_STEPS + 1):
        radius_um = round(ring.radius_um * RADII_STEP**step, 1)
        choice = size_rings(
            spec, voltages_V=voltages_V(wishes), arms_um=(ring.arm_um,), straights=STRAIGHTS, radii_um=(radius_um,)
        )
        if choice.headroom < WORTH_TRYING:
            return None
        try:
            ringed = with_keys(spec, _rings(spec, choice))
            # No light smooths rings, and to size it takes longer than these.
            if _smooth(ringed):
                return _lit(wishes, ringed, choice)
        except ValueError:  # no room beside rings as wide
            return None
    return None


def _smooth(spec: ChipSpec) -> bool:
    return not spec.ring.euler_p or keeps_its_mode(spec)


def _short_of_drive(wishes: Wishes, found: Sequence[Sized]) -> bool:
    """Whether no chip was found for want of drive, and the film's bound allows one with as much as is wished."""
    if wishes.max_voltage_V is None or not found or any(not each.broken for each in found):
        return False
    nearest = max(found, key=lambda each: each.rank)
    return (
        any(finding.rule in CARRIED for finding in nearest.broken)
        and least_voltage(nearest.spec).least_V <= wishes.max_voltage_V
    )


def _scanned(
    wishes: Wishes, arms_in_radii: Sequence[float], straights: Sequence[float], *, lines_for: float = 0.0
) -> Iterator[tuple[ChipSpec, RingChoice]]:
    """Choices with their rings; lines fill the range of the least ring with arms of ``lines_for`` radii."""
    film = load_profile(wishes.process).film
    least_um = ring_of(wishes).radius_for_um(film.min_bend_radius_um.value)
    for spec in candidates(wishes, arm_um=lines_for * least_um):
        arms_um = [share * least_um for share in arms_in_radii]
        yield spec, size_rings(spec, voltages_V=voltages_V(wishes), arms_um=arms_um, straights=straights)


def _by_promise(scanned: Iterable[tuple[ChipSpec, RingChoice]]) -> list[tuple[ChipSpec, RingChoice]]:
    """The most promising first, as far as rings tell."""

    def promise(pair: tuple[ChipSpec, RingChoice]) -> tuple[float, int, int, float]:
        spec, choice = pair
        encoding = PREFERRED.index(spec.modulator.encoding)
        return round(min(choice.headroom, ENOUGH), 2), -spec.chip.buses, -encoding, choice.headroom

    return sorted(scanned, key=promise, reverse=True)
