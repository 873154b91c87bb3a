"""Polish of a front's designs, every rule kept: costs down at their recall, recall up at ever smaller costs.

From each design a piece of the front is followed. All costs together are lowered along their gradient while the recall
is held; the recall is raised at the design's own costs and at ever smaller shares of them (ε-constraint method). From
those that come nearest to the chip that is to be beaten it is raised at that chip's costs, round by round, for as long
as a round comes nearer. The recall is the smooth one, and every rule enters with its margin, so that a step is judged
by slopes and not by luck. What is given back was judged by the objectives themselves.

Source: Y. Y. Haimes et al., IEEE Trans. Syst. Man Cybern. 1, 296 (1971), the ε-constraint method; D. Kraft, A software
package for sequential quadratic programming, DFVLR-FB 88-28 (1988), by SciPy's SLSQP; H.-G. Beyer and H.-P. Schwefel,
Natural Computing 1, 3 (2002), the (1 + 1) evolution strategy and its rule of a fifth.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize

from prism_photonics.budget.feasibility import check
from prism_photonics.budget.finding import Finding
from prism_photonics.explore.drawn_reach import drawn_reach
from prism_photonics.explore.objectives import expected_recall
from prism_photonics.explore.search import Front, Search, judged
from prism_photonics.explore.space import Choice, Knob, knobs, spec_of
from prism_photonics.units import InputError

STEP = 0.01
"""Of finite differences, as a share of a knob's range: coarser than the grids that a spec's numbers are rounded to."""
STEPS = 12
"""Of SLSQP, at most (design choice): each takes a spec for every knob."""
TRIES, MOVED = 120, 0.35
"""Of the evolution strategy: places that it looks at, and the share of knobs that a step moves (design choices)."""
WIDTH, NARROWEST, WIDEST, WIDER = 0.05, 0.0025, 0.2, 1.5
"""Width of its step at first, at least and at most, in shares of the ranges, and by what it grows after a success; four
failures take that back (design choices)."""
PENALTY = 20.0
"""Of a rule that is broken by as much as its limit, in the logarithm of what is missed (design choice)."""
NEARLY = 0.05
"""Margin below none, as a share of a rule's limit, down to which dies are drawn (design choice)."""
LEAST = 1e-9
"""Share of missed blocks that counts as none."""
OUTSIDE = 1.0
"""What a step that makes no chip counts as, in every constraint; no logarithm of a cost is told beyond it."""
STRIDE = 0.9 * OUTSIDE
"""How far one climb moves a cost towards a reference's at most, as a logarithm: the next goes on from there (design
choice)."""
MARGIN = 0.002
"""Margin that is aimed at, as a share of a rule's limit, where a design has it: rounding takes some."""
SHARES = (1.0, 0.9, 0.8)
"""Of a design's costs, at which its recall is raised (design choice)."""
MOST_JUDGED = 8
"""Candidates of one aim that are held against the design by the real objectives (design choice)."""
ROUNDS, NEAREST = 6, 3
"""Of climbs towards the chip that is to be beaten, at most, and designs that each of them begins from (design
choices)."""

type Numbers = Float[ndarray, " _"]


@dataclasses.dataclass(frozen=True)
class _Seen:
    """What was seen at one place.

    Attributes:
        costs: Logarithm of each cost over the design's own.
        margins: Of every rule, as a share of its limit.
        misses: Smooth share of blocks that are not found, over the design's own; 1 where no recall is wanted.
    """

    costs: Numbers
    margins: Numbers
    misses: float


def refined(search: Search, design: Front) -> list[Front]:
    """Feasible designs that a polish comes by, none of them beaten by the one that it begins with.

    Args:
        search: The search that the design is of.
        design: The design.

    Returns:
        The design itself, then the others.
    """
    coded = _coded(search, design)
    met = [coded, *_found(search, design, _Polish(search, coded).choices())]
    return [
        design,
        *(one for one in met if one.values != design.values and not search.beats(design.values, one.values)),
    ]


def climbed(search: Search, designs: Sequence[Front], reference: tuple[float, ...]) -> list[Front]:
    """Feasible designs on the way from the nearest ones to the chip that is to be beaten.

    Args:
        search: The search that the designs are of.
        designs: Designs of it, in any order.
        reference: Objectives of the chip that is to be beaten.

    Returns:
        Those found: none, where no recall is wanted or a design beats the chip already.
    """
    found: list[Front] = []
    begun: set[tuple[float, ...]] = set()
    if not any(one.name == "recall" for one in search.objectives):
        return found

    def lacks(design: Front) -> float:
        return shortfall(search, design.values, reference)

    for _ in range(ROUNDS):
        there = sorted([*designs, *found], key=lacks)
        if not there or any(search.beats(design.values, reference) for design in there):
            break
        came = []
        for design in [one for one in there if one.values not in begun][:NEAREST]:
            begun.add(design.values)
            came += _found(search, design, _Polish(search, design).choices_towards(reference))
        found += came
        if not came or min(map(lacks, came)) >= lacks(there[0]):
            break
    return found


def shortfall(search: Search, values: tuple[float, ...], reference: tuple[float, ...]) -> float:
    """What objectives lack of a reference's: logarithms of costs and of missed shares over its own, where above."""
    lacking = 0.0
    for one, mine, its in zip(search.objectives, values, reference, strict=True):
        if one.direction == "maximize":
            mine, its = max(1.0 - mine, LEAST), max(1.0 - its, LEAST)
        lacking += max(math.log(mine / its), 0.0)
    return lacking


def _found(search: Search, design: Front, choices: Iterable[Choice]) -> list[Front]:
    """The choices that keep every rule, as designs of the same trial."""
    made = []
    for choice in choices:
        values, outside = judged(search, choice)
        if not any(outside):
            made.append(dataclasses.replace(design, choice=choice, spec=spec_of(search.base, choice), values=values))
    return made


def _coded(search: Search, design: Front) -> Front:
    """The design with whole numbers, as the bits of converters, one up or down as long as that beats it."""
    whole = [knob for knob in knobs(search.base) if knob.whole]
    best, goes_on = design, True
    while goes_on:
        goes_on = False
        for knob, step in itertools.product(whole, (-1, 1)):
            value = int(best.choice[knob.name]) + step
            if knob.low <= value <= knob.high:
                for other in _found(search, best, [dict(best.choice) | {knob.name: value}]):
                    if search.beats(other.values, best.values):
                        best, goes_on = other, True
    return best


class _Polish:
    """Climbs from one design; places are shares of the knobs' ranges."""

    def __init__(self, search: Search, design: Front) -> None:
        self._search, self._design = search, design
        self._numbers = [knob for knob in knobs(search.base) if not knob.options and not knob.whole]
        self._start = np.array([_share(knob, float(design.choice[knob.name])) for knob in self._numbers])
        self._costs = [one for one in search.objectives if one.direction == "minimize"]
        self._before = {one.name: value for one, value in zip(search.objectives, design.values, strict=True)}
        self._rises = any(one.name == "recall" for one in search.objectives)
        self._missed = 1.0
        self._rules = len(check(design.spec).findings) + 1
        self._known: dict[bytes, _Seen] = {}
        if self._rises:
            self._missed = max(1.0 - expected_recall(design.spec, search.k, smooth=True), LEAST)
        # A rule that a design just keeps, such as that of the least radius, has no more margin to aim at.
        self._aimed = np.clip(self._seen(self._start).margins, 0.0, MARGIN)

    def choices(self) -> list[Choice]:
        """The most promising places of every aim."""
        chosen: dict[bytes, None] = {}
        if self._costs:
            chosen |= self._descended()
        if self._rises:
            x = self._start
            level = np.zeros(len(self._costs))
            for share in SHARES if self._costs else SHARES[:1]:
                x, met = self._climbed(x, level, math.log(share))
                chosen |= met
        return self._choices(chosen)

    def choices_towards(self, reference: tuple[float, ...]) -> list[Choice]:
        """The most promising places on the way to the largest recall at the costs of a reference."""
        wanted = dict(zip(self._before, reference, strict=True))
        # How far each cost may rise, as a logarithm, or has to fall.
        room = np.array([math.log(wanted[one.name] / self._before[one.name]) for one in self._costs])
        room = np.clip(room, -STRIDE, STRIDE)
        return self._choices(self._climbed(self._start, room, float(room.sum()))[1])

    def _choices(self, keys: Iterable[bytes]) -> list[Choice]:
        return [self._choice(np.frombuffer(key)) for key in keys]

    def _descended(self) -> dict[bytes, None]:
        """Keys of the best places on the way along the gradient of all costs together, the recall held."""

        def held(seen: _Seen) -> list[float]:
            return [*-seen.costs, 10.0 * (1.0 - seen.misses)]

        def constraints(x: Numbers) -> Numbers:
            seen = self._seen(x)
            return np.array([*(seen.margins - self._aimed), *held(seen)])

        minimize(
            lambda x: float(self._seen(x).costs.sum()),
            self._start,
            method="SLSQP",
            bounds=[(0.0, 1.0)] * len(self._numbers),
            constraints=[{"type": "ineq", "fun": constraints}],
            options={"maxiter": STEPS, "eps": STEP, "ftol": 1e-4},
        )
        # Whatever it stopped at: the best of all that it looked at.
        allowed = [(float(seen.costs.sum()), key) for key, seen in self._known.items() if _allowed(seen, held(seen))]
        return dict.fromkeys(key for _, key in sorted(allowed)[:MOST_JUDGED])

    def _climbed(self, start: Numbers, most: Numbers, together: float) -> tuple[Numbers, dict[bytes, None]]:
        """The place of the largest recall within limits, and the keys of the last places on the way there.

        No cost may be above ``most``, nor their sum above ``together``: logarithms of costs over the design's own.

        By an evolution strategy: where several rules bind at once, some with corners, slopes lead outside.
        """
        rng, x, width = np.random.default_rng(0), start, WIDTH
        met: dict[bytes, None] = {}

        def outside(seen: _Seen) -> float:
            held = [*(most - seen.costs), together - float(seen.costs.sum())]
            return float(-np.minimum(seen.margins, 0.0).sum() - np.minimum(held, 0.0).sum())

        def grade(at: Numbers) -> float:
            seen = self._seen(at)
            return math.log(max(seen.misses, LEAST)) + PENALTY * outside(seen)

        best = grade(x)
        for _ in range(TRIES):
            moved = rng.random(len(x)) < MOVED
            there = np.clip(x + width * moved * rng.standard_normal(len(x)), 0.0, 1.0)
            if (found := grade(there)) < best:
                x, best, width = there, found, min(width * WIDER, WIDEST)
                if outside(self._seen(x)) == 0.0:
                    met[x.tobytes()] = None
            else:
                width = max(width * WIDER**-0.25, NARROWEST)
        return x, dict.fromkeys(list(met)[-MOST_JUDGED:])

    def _choice(self, x: Numbers) -> dict[str, float | int | str]:
        at = np.clip(x, 0.0, 1.0).tolist()
        numbers = {knob.name: _value(knob, share) for knob, share in zip(self._numbers, at, strict=True)}
        return dict(self._design.choice) | numbers

    def _seen(self, x: Numbers) -> _Seen:
        if (key := x.tobytes()) not in self._known:
            self._known[key] = self._looked(x)
        return self._known[key]

    def _looked(self, x: Numbers) -> _Seen:
        search = self._search
        try:
            spec = spec_of(search.base, self._choice(x))
            costs = np.array([math.log(one.of(spec, search.k) / self._before[one.name]) for one in self._costs])
            margins = [margin(found) for found in check(spec).findings]
            # Dies take time: they are drawn of chips that keep the rules, or nearly so.
            margins.append(margin(drawn_reach(spec)) if min(margins) > -NEARLY else 0.0)
            misses = (1.0 - expected_recall(spec, search.k, smooth=True)) / self._missed if self._rises else 1.0
        except (InputError, ArithmeticError):
            return _Seen(np.full(len(self._costs), OUTSIDE), np.full(self._rules, -OUTSIDE), 1.0 + OUTSIDE)
        return _Seen(np.clip(costs, -OUTSIDE, OUTSIDE), np.clip(margins, -OUTSIDE, OUTSIDE), misses)


def margin(found: Finding) -> float:
    """Margin of a rule as a share of its limit, or of its value where that is larger."""
    return found.margin / max(abs(found.limit), abs(found.value), 1e-30)


def _allowed(seen: _Seen, held: list[float]) -> bool:
    return bool((seen.margins >= 0.0).all() and min(held) >= -1e-9)


def _share(knob: Knob, value: float) -> float:
    if knob.log:
        return math.log(value / knob.low) / math.log(knob.high / knob.low)
    return (value - knob.low) / (knob.high - knob.low)


def _value(knob: Knob, share: float) -> float:
    if knob.log:
        return knob.low * (knob.high / knob.low) ** share
    return knob.low + share * (knob.high - knob.low)
