"""Chains of teeth that went over from one ring's comb to another's are put right, and crossing combs are left alone."""

from dataclasses import replace

import numpy as np
import pytest

from prism_photonics.laboratory.find import Tooth, combs
from prism_photonics.laboratory.uncross import uncrossed

RANGE_NM = 7.8


def comb(first_nm: float, *, teeth: int = 5, range_nm: float = RANGE_NM) -> list[Tooth]:
    """Teeth that lie the further apart the longer their wavelength, as a ring's do."""
    wl_nm = 1.0 / (1.0 / first_nm - np.arange(teeth) * range_nm / first_nm**2)
    return [Tooth(float(wl), 0.025, 0.5, 0.0, -1, 0.5) for wl in wl_nm]


def spliced(one: list[Tooth], other: list[Tooth], orders: set[int]) -> tuple[list[Tooth], list[Tooth]]:
    """The combs with teeth of some orders exchanged."""
    pairs = [(b, a) if n in orders else (a, b) for n, (a, b) in enumerate(zip(one, other, strict=True))]
    return [a for a, _ in pairs], [b for _, b in pairs]


@pytest.mark.parametrize("orders", [{3, 4}, {2}, {1, 2, 3, 4}, {1, 3}])
def test_combs_that_exchanged_teeth_get_them_back(orders):
    one, other = comb(1536.8), comb(1536.9)
    found = uncrossed(spliced(one, other, orders))
    assert sorted(found, key=lambda chain: chain[0].wl_nm) == [one, other]


def test_three_combs_that_went_round_are_told_apart():
    first, second, third = comb(1536.70), comb(1536.80), comb(1536.92)
    mixed = [first[:2] + second[2:], second[:2] + third[2:], third[:2] + first[2:]]
    assert sorted(uncrossed(mixed), key=lambda chain: chain[0].wl_nm) == [first, second, third]


def test_combs_of_rings_of_unlike_length_may_cross():
    one, other = comb(1536.8), comb(1537.0, range_nm=RANGE_NM - 0.09)
    assert one[0].wl_nm < other[0].wl_nm
    assert one[-1].wl_nm > other[-1].wl_nm
    assert uncrossed([one, other]) == [one, other]


def test_a_missing_tooth_and_a_picometre_of_noise_change_no_comb():
    one, other = comb(1536.8), comb(1536.9)
    del other[2]
    rng = np.random.default_rng(0)
    noisy = [[Tooth(t.wl_nm + 1e-3 * rng.standard_normal(), t.fwhm_nm, 0.5, 0.0, -1) for t in c] for c in (one, other)]
    assert uncrossed(noisy) == noisy
    assert uncrossed([one]) == [one]
    assert uncrossed([]) == []


def test_five_rings_drawn_alike_are_followed_however_close_they_lie():
    # Die 16 of the demonstrator: the step, taken from any two teeth, had led three of the five combs astray.
    first = [1535.574, 1535.795, 1535.910, 1536.238, 1536.424]
    rings = [comb(wl_nm, teeth=4, range_nm=7.745 - 1e-3 * n) for n, wl_nm in enumerate(first)]
    found = combs([tooth for ring in rings for tooth in ring], designed_nm=7.95)
    assert sorted(found, key=lambda chain: chain[0].wl_nm) == [
        [replace(tooth, strength=tooth.depth) for tooth in ring] for ring in rings
    ]
