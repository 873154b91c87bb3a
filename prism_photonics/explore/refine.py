"""Polish of a front's designs: along the gradient, all costs down together, while recall and every rule are kept.

The recall is the smooth one, and every rule enters with its margin, so that a step is judged by slopes and not by luck.
A polished design is taken only if it dominates the one that it came from.

Source: D. Kraft, A software package for sequential quadratic programming, DFVLR-FB 88-28 (1988), by SciPy's SLSQP.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize

from prism_photonics.budget.feasibility import check
from prism_photonics.explore.objectives import expected_recall
from prism_photonics.explore.search import Front, Search, dominates, judged
from prism_photonics.explore.space import Knob, knobs, spec_of
from prism_photonics.units import InputError

STEP = 0.01
"""Of finite differences, as a share of a knob's range: coarser than the grids that a spec's numbers are rounded to."""
STEPS = 12
"""Of SLSQP, at most (design choice): each takes a spec for every knob."""
OUTSIDE = 1.0
"""What a step that makes no chip counts as, in every constraint."""
MARGIN = 0.002
"""Margin that is aimed at, as a share of a rule's limit: rounding takes some."""

MOST_JUDGED = 20
"""Candidates that are held against the design by the real objectives (design choice)."""


def refined(search: Search, design: Front) -> Front:
    """The design or, where one is found, a feasible one that dominates it.

    Args:
        search: The search that the design is of.
        design: The design.
    """
    numbers = [knob for knob in knobs(search.base) if not knob.options and not knob.whole]
    start = np.array([_share(knob, float(design.choice[knob.name])) for knob in numbers])
    wanted = expected_recall(design.spec, search.k, smooth=True)
    costs = [one for one in search.objectives if one.direction == "minimize"]
    rises = any(one.name == "recall" for one in search.objectives)
    if not costs:
        return design
    before = {one.name: value for one, value in zip(search.objectives, design.values, strict=True)}
    known: dict[bytes, tuple[float, Float[ndarray, " constraints"]]] = {}

    def choice(x: Float[ndarray, " knobs"]) -> dict[str, float | int | str]:
        return dict(design.choice) | {
            knob.name: _value(knob, float(at)) for knob, at in zip(numbers, np.clip(x, 0.0, 1.0), strict=True)
        }

    def seen(x: Float[ndarray, " knobs"]) -> tuple[float, Float[ndarray, " constraints"]]:
        if (key := x.tobytes()) not in known:
            try:
                spec = spec_of(search.base, choice(x))
                cost = sum(math.log(one.of(spec, search.k) / before[one.name]) for one in costs)
                margins = [f.margin / max(abs(f.limit), abs(f.value), 1e-30) - MARGIN for f in check(spec).findings]
                held = [10.0 * (expected_recall(spec, search.k, smooth=True) - wanted)] if rises else []
                known[key] = cost, np.clip(np.array([*margins, *held]), -OUTSIDE, OUTSIDE)
            except (InputError, ArithmeticError):
                known[key] = OUTSIDE, np.full(len(check(design.spec).findings) + rises, -OUTSIDE)
        return known[key]

    minimize(
        lambda x: seen(x)[0],
        start,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(numbers),
        constraints=[{"type": "ineq", "fun": lambda x: seen(x)[1]}],
        options={"maxiter": STEPS, "eps": STEP, "ftol": 1e-4},
    )
    # Whatever it stopped at: the best of all that it looked at.
    allowed = sorted((cost, key) for key, (cost, margins) in known.items() if cost < 0.0 and (margins >= -MARGIN).all())
    signs = [1.0 if one.direction == "minimize" else -1.0 for one in search.objectives]
    mine = tuple(s * v for s, v in zip(signs, design.values, strict=True))
    for _, key in allowed[:MOST_JUDGED]:
        better = choice(np.frombuffer(key))
        values, outside = judged(search, better)
        if not any(outside) and dominates(tuple(s * v for s, v in zip(signs, values, strict=True)), mine):
            return dataclasses.replace(design, choice=better, spec=spec_of(search.base, better), values=values)
    return design


def _share(knob: Knob, value: float) -> float:
    if knob.log:
        return math.log(value / knob.low) / math.log(knob.high / knob.low)
    return (value - knob.low) / (knob.high - knob.low)


def _value(knob: Knob, share: float) -> float:
    if knob.log:
        return knob.low * (knob.high / knob.low) ** share
    return knob.low + share * (knob.high - knob.low)
