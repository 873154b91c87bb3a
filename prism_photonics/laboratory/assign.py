"""Which of the drawn rings of a line shows which comb: by the pattern of their lengths."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from prism_photonics.laboratory.rings import RingFit

SHARES = np.arange(0.60, 1.0, 0.02)
"""Effective over group index that are tried: 0.83 in lithium niobate, 0.58 to 0.9 in the films that are drawn here."""
FAR = 0.25
"""Share of a free spectral range beyond which a resonance is no longer that of the ring that it was assigned to."""
TURNS = 3


def assigned(rings: Sequence[RingFit], length_um: Sequence[float]) -> list[int | None]:
    """The place, among the drawn rings, of each ring that was found; None where it fits none.

    Resonances of rings on one film lie at places λ ∝ n_eff·L within their free spectral ranges, and all of a line are
    moved alike by what the film is off. So the differences of drawn lengths tell a pattern, up to a shift of all.

    Args:
        rings: As found.
        length_um: Circumferences in the order of the drawing.
    """
    lengths = np.asarray(length_um, float)
    middle_nm = float(np.median([one.wl_nm for ring in rings for one in ring.resonances]))
    found_nm = np.array([min((r.wl_nm for r in ring.resonances), key=lambda wl: abs(wl - middle_nm)) for ring in rings])
    known = [ring.comb.fsr_nm(middle_nm) for ring in rings if ring.comb is not None]
    if not known:
        # Too few resonances for a comb: the order of a single ring is all that is left.
        return [0] if len(rings) == len(lengths) == 1 else [None] * len(rings)
    range_nm = float(np.median(known))
    best: tuple[float, ndarray, ndarray] | None = None
    for share in SHARES:
        drawn_nm = middle_nm * share * (lengths - lengths[0]) / float(np.mean(lengths))
        for start in drawn_nm:
            shift_nm = found_nm[0] - start
            taken, off = _nearest(found_nm, drawn_nm + shift_nm, range_nm)
            for _ in range(TURNS - 1):
                shift_nm += float(np.median(off))
                taken, off = _nearest(found_nm, drawn_nm + shift_nm, range_nm)
            cost = float(np.sum(np.minimum(np.abs(_circular(off - np.median(off), range_nm)), FAR * range_nm) ** 2))
            if best is None or cost < best[0] - 1e-12:
                best = cost, np.stack(taken), np.abs(off)
    assert best is not None
    _, taken, off = best
    places: list[int | None] = [None] * len(rings)
    for n, place, away in zip(*taken, off, strict=True):
        if away < FAR * range_nm:
            places[int(n)] = int(place)
    return places


def _nearest(
    found_nm: Float[ndarray, " found"], drawn_nm: Float[ndarray, " drawn"], range_nm: float
) -> tuple[tuple[ndarray, ndarray], Float[ndarray, " pairs"]]:
    """Pairs that lie closest all together, and how far the found of each lies above the drawn one."""
    away = _circular(found_nm[:, None] - drawn_nm[None, :], range_nm)
    taken = linear_sum_assignment(np.minimum(np.abs(away), FAR * range_nm) ** 2)
    return taken, away[taken]


def _circular(difference: ndarray, period: float) -> ndarray:
    """A difference up to whole periods, the smallest of them."""
    return (difference + 0.5 * period) % period - 0.5 * period
