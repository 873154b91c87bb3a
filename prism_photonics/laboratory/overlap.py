"""Rings of one bus whose lines lie on each other: what a spectrum then tells of either is left out.

Two lines closer than they are wide are one shape, which two rings explain in many ways: each may split as far as both
are apart. Where only one line was found in place of two, the comb of the other ring tells that one is missing there.
"""

from collections.abc import Sequence

import numpy as np

from prism_photonics.laboratory.comb import Comb, fit_comb
from prism_photonics.laboratory.find import LEAST_COMB
from prism_photonics.laboratory.resonance import Resonance
from prism_photonics.laboratory.rings import RingFit

NEAR = 1.0
"""Linewidths within which two lines are one shape; design choice: on virtual dies errors hold beyond."""

SPLIT, WIDE = 0.5, 1.15
"""Share of its width by which a comb's lines split at least, and width over the other combs', where they are of two
rings; design choice."""


def doubled(rings: Sequence[RingFit], *, drawn: int) -> list[int]:
    """Combs that are of two rings on one place, where fewer combs are seen than rings were drawn.

    Of such a comb all lines split by about as much, and are wider than those of rings that split.

    Args:
        rings: All rings of a bus, as found.
        drawn: Number of rings on the bus.
    """
    width = np.array([np.median([one.fwhm_pm for one in ring.resonances]) for ring in rings])
    split = np.array([np.median(np.nan_to_num([one.splitting_pm for one in ring.resonances])) for ring in rings])
    usual = np.array([np.median(np.delete(width, n)) if len(width) > 1 else np.inf for n in range(len(width))])
    likely = [n for n in np.argsort(-split / width) if split[n] > SPLIT * width[n] and width[n] > WIDE * usual[n]]
    return [int(n) for n in likely[: max(drawn - len(rings), 0)]]


def apart(rings: Sequence[RingFit]) -> list[RingFit | None]:
    """Each ring with the resonances that stand apart from all other rings'; None where none does.

    Args:
        rings: All rings of a bus, as found.
    """
    kept: list[RingFit | None] = []
    # Rings of one bus are equally long to a part in a thousand: one that shows too few lines for a comb misses others
    # where any of the combs says.
    usual = next((ring.comb for ring in rings if ring.comb is not None), None)
    for ring in rings:
        others = [other for other in rings if other is not ring]
        alone = [
            n
            for n, one in enumerate(ring.resonances)
            if not any(_on_a_line(one, other, other.comb or usual) for other in others)
        ]
        if len(alone) == len(ring.resonances):
            kept.append(ring)
            continue
        resonances = tuple(ring.resonances[n] for n in alone)
        comb = None
        if len(alone) >= LEAST_COMB:
            comb = fit_comb([one.wl_nm for one in resonances], [one.wl_nm_std for one in resonances], rough=ring.comb)
        kept.append(RingFit(resonances, tuple(ring.fits[n] for n in alone), comb) if alone else None)
    return kept


def left_out(resonances: int) -> str:
    """What is said of so many resonances, one or more, that do not stand apart."""
    return f"{resonances} {'resonances lie' if resonances > 1 else 'resonance lies'} on another ring's line: left out"


def _on_a_line(one: Resonance, other: RingFit, comb: Comb | None) -> bool:
    """Whether a line of another ring lies there, seen or, by that ring's comb, missed."""
    nearest = min(other.resonances, key=lambda each: abs(each.wl_nm - one.wl_nm))
    width_nm = 1e-3 * NEAR * max(one.fwhm_pm, nearest.fwhm_pm)
    if abs(nearest.wl_nm - one.wl_nm) < width_nm:
        return True
    if comb is None:
        return False
    expected_nm = _expected_nm(one.wl_nm, nearest.wl_nm, comb)
    if abs(expected_nm - nearest.wl_nm) < 0.5 * comb.fsr_nm(nearest.wl_nm):
        return False
    # Both were taken for one line that splits.
    split_nm = 0.5e-3 * one.splitting_pm if one.splitting_pm > 0.0 else 0.0
    return bool(abs(expected_nm - one.wl_nm) < width_nm + split_nm)


def _expected_nm(wl_nm: float, seen_nm: float, comb: Comb) -> float:
    """The resonance of a comb that is nearest to a wavelength, counted from one that was seen."""
    turn_um = comb.turn_at_um(0.5 * (wl_nm + seen_nm))
    orders = round((1e3 / wl_nm - 1e3 / seen_nm) * turn_um)
    return 1e3 / (1e3 / seen_nm + orders / turn_um)
