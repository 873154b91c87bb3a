"""What a guide's bends turn of its light to other modes, on a film.

Between two bends light of another mode gathers a phase that no drawing holds, so what they turn adds up as power.
"""

import math
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from prism_photonics.lightpath.sizes import number
from prism_photonics.lightpath.waveguide.design import BranchDesign, QuarterTurn, UTurnDesign
from prism_photonics.process.bends import BendTable, Turned, load_bends
from prism_photonics.process.profile import Profile

STEPS = 128  # along a quarter turn: a third of a micrometre of the widest, where a beat has ten
ENOUGH = 2e-3  # of the light, 0.01 dB: design choice
MORE = 5e-3  # of the light, 0.02 dB, than the least, for a gentler middle: design choice
LEAST_PASSED = 1e-6  # where first order says that more is turned than there is
CLOTHOIDS = [round(0.05 * n, 2) for n in range(21)]  # shares that are tried; design choice


def quarter_turned(film: Profile, turn: QuarterTurn) -> Turned:
    """Share of the light that one quarter turn between straight guides turns to other modes."""
    return _quarter(film.name, turn)


def quarter_dB(film: Profile, turn: QuarterTurn) -> float:
    """Mean loss of one quarter turn between straight guides in dB."""
    return -10.0 * math.log10(max(1.0 - quarter_turned(film, turn).mean, LEAST_PASSED))


def bends_dB(film: Profile, design: UTurnDesign | BranchDesign) -> float:
    """Mean loss of a guide's two bends in dB; see `bends_passed`."""
    return -10.0 * math.log10(bends_passed(film, design))


def bends_passed(film: Profile, design: UTurnDesign | BranchDesign, xp: ModuleType = np) -> Any:
    """Share of the light that stays in the guide's mode through both its bends, each at the mean of its phase.

    The arcs of a half turn are one arc, with one beginning and one end; clothoids bring every bend's end to a straight.

    Args:
        film: The film stack.
        design: The guide.
        xp: The array library of the result, and of sizes that are traced.
    """
    radius_um, euler_p = number(design.radius_um), number(design.euler_p)
    if radius_um is None or euler_p is None:
        found = _between_straights(load_bends(film.name), design.quarter, xp)
    else:
        found = _quarter(film.name, QuarterTurn(radius_um, euler_p))
    bends = xp.where(design.euler_p == 0.0, 1, 2) if isinstance(design, UTurnDesign) else 2
    return xp.maximum(1.0 - found.mean, LEAST_PASSED) ** bends


def best_euler_p(film: Profile, radius_um: float) -> float:
    """Share of clothoids with which a quarter turn turns next to no light, even at its worst phase; 0 for an arc.

    Of those that turn up to `ENOUGH`, or where that is more up to twice the least but no more than `MORE` beyond it,
    the one with the gentlest middle. None is sharper than the film bears.

    Args:
        film: The film stack.
        radius_um: Of the arc with the same ends.
    """
    return _best(film.name, film.film.min_bend_radius_um.value, radius_um)


@cache
def _best(film: str, least_um: float, radius_um: float) -> float:
    turns = [QuarterTurn(radius_um, p) for p in CLOTHOIDS]
    borne = [turn for turn in turns if turn.euler_p == 0.0 or turn.least_radius_um >= least_um]
    curves = np.stack([turn.curvature_1_um(STEPS) for turn in borne])
    steps_um = np.array([turn.length_um / STEPS for turn in borne])
    most = load_bends(film).turned(curves, steps_um).most.tolist()
    enough = max(ENOUGH, min(most) + min(min(most), MORE))
    return next(turn.euler_p for turn, share in zip(borne, most, strict=True) if share <= enough)


@cache
def _quarter(film: str, turn: QuarterTurn) -> Turned:
    found = _between_straights(load_bends(film), turn, np)
    return Turned(float(found.drawn), float(found.mean), float(found.most))


def _between_straights(table: BendTable, turn: QuarterTurn, xp: ModuleType) -> Turned:
    return table.turned(turn.curvature_1_um(STEPS, xp), turn.length_um / STEPS, xp)
