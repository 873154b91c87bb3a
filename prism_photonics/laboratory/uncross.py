"""Combs of rings on one bus, told apart where a chain of teeth went over from one ring to another.

A chain is followed from tooth to tooth. Of two rings whose resonances lie closer than their free spectral range is
known, it may go on along the other one, and the other's along its own. Between two rings of one film the distance of
their teeth changes evenly from order to order, dispersion or not; where chains went over it changes its sign.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from prism_photonics.laboratory.find import LEAST_COMB, Tooth

CLEARLY = 4.0
"""How many times as even the distance must become before teeth change their comb; design choice: noise changes none."""
ROUNDS = 4
"""Rounds over all pairs: three rings may have gone round."""


def uncrossed(chains: Sequence[Sequence[Tooth]]) -> list[list[Tooth]]:
    """The chains with teeth exchanged where the distance of two of them then changes most evenly.

    Args:
        chains: Combs, each ascending in wavelength.
    """
    combs = [list(chain) for chain in chains]
    for _ in range(ROUNDS):
        changed = False
        for a, b in combinations(range(len(combs)), 2):
            changed |= _untangle(combs, a, b)
        if not changed:
            break
    return combs


def _untangle(combs: list[list[Tooth]], a: int, b: int) -> bool:
    """Exchange teeth of two combs, where that makes them even; whether it did."""
    pairs = _pairs(combs[a], combs[b])
    if len(pairs) < LEAST_COMB:
        return False
    at = np.array([0.5 * (one.wl_nm + other.wl_nm) for one, other in pairs])
    apart = np.array([one.wl_nm - other.wl_nm for one, other in pairs])
    signs, cost = _evenest(at, apart)
    if not (signs < 0).any() or CLEARLY * cost >= _bends(at, apart):
        return False
    for (one, other), sign in zip(pairs, signs, strict=True):
        if sign < 0:
            combs[a][combs[a].index(one)], combs[b][combs[b].index(other)] = other, one
    for n in (a, b):
        combs[n].sort(key=lambda tooth: tooth.wl_nm)
    return True


def _pairs(one: Sequence[Tooth], other: Sequence[Tooth]) -> list[tuple[Tooth, Tooth]]:
    """Teeth of two combs that lie next to each other, of one order as far as two chains can be mixed up."""
    spacing_nm = min(float(np.median(np.diff([t.wl_nm for t in comb]))) for comb in (one, other))
    found = []
    for tooth in one:
        near = min(other, key=lambda each: abs(each.wl_nm - tooth.wl_nm))
        if abs(near.wl_nm - tooth.wl_nm) < 0.25 * spacing_nm:
            found.append((tooth, near))
    return found if len({id(near) for _, near in found}) == len(found) else []


def _evenest(at: np.ndarray, apart: np.ndarray) -> tuple[np.ndarray, float]:
    """Signs of the distances with which they change most evenly, the first as it is, and what is then uneven.

    By dynamic programming over the signs of two neighbours.
    """
    ways: dict[tuple[int, int], tuple[float, list[int]]] = {(1, sign): (0.0, [1, sign]) for sign in (1, -1)}
    for n in range(2, len(at)):
        after: dict[tuple[int, int], tuple[float, list[int]]] = {}
        for (before, last), (cost, signs) in ways.items():
            for new in (1, -1):
                kept = slice(n - 2, n + 1)
                total = cost + _bends(at[kept], apart[kept] * np.array([before, last, new]))
                if (last, new) not in after or total < after[last, new][0]:
                    after[last, new] = total, [*signs, new]
        ways = after
    cost, signs = min(ways.values(), key=lambda way: way[0])
    return np.array(signs), cost


def _bends(at: np.ndarray, apart: np.ndarray) -> float:
    """Sum of the squares of what each distance is off the line through its two neighbours'."""
    share = (at[1:-1] - at[:-2]) / (at[2:] - at[:-2])
    return float(np.sum((apart[1:-1] - apart[:-2] - share * (apart[2:] - apart[:-2])) ** 2))
