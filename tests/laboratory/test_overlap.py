"""Rings of one bus whose lines lie on each other, and what is told of them: nothing that two rings could feign."""

from dataclasses import fields

import numpy as np
import pytest

from prism_photonics.laboratory.comb import fit_comb
from prism_photonics.laboratory.find import LEAST_COMB
from prism_photonics.laboratory.fit import WindowFit
from prism_photonics.laboratory.overlap import apart, doubled
from prism_photonics.laboratory.resonance import Resonance
from prism_photonics.laboratory.rings import RingFit
from prism_photonics.laboratory.splitting import UNKNOWN

RANGE_NM, WIDTH_PM = 7.9, 25.0
# Whatever was fitted: overlaps are told by resonances alone.
FITTED = object.__new__(WindowFit)


def ring(first_nm: float, *, moved_pm: dict[int, float] | None = None, without: int | None = None, **told) -> RingFit:
    """A ring that shows four resonances 25 pm wide, but for one, of which some are off."""
    wl_nm = 1.0 / (1.0 / first_nm - np.arange(4) * RANGE_NM / 1550.0**2)
    for n, off_pm in (moved_pm or {}).items():
        wl_nm[n] += 1e-3 * off_pm
    wl_nm = np.delete(wl_nm, [] if without is None else without)
    unknown: dict = {field.name: float("nan") for field in fields(Resonance)} | {"squared_splitting": UNKNOWN}
    resonances = tuple(
        Resonance(**{**unknown, "fwhm_pm": WIDTH_PM, "wl_nm": float(wl), "wl_nm_std": 3e-4, **told}) for wl in wl_nm
    )
    comb = fit_comb([one.wl_nm for one in resonances]) if len(resonances) >= LEAST_COMB else None
    return RingFit(resonances, ((FITTED, 0),) * len(resonances), comb)


def test_rings_a_few_linewidths_apart_are_told_whole():
    rings = [ring(1540.0), ring(1540.1)]
    assert apart(rings) == rings


def test_lines_closer_than_a_linewidth_are_told_of_neither_ring():
    near = [ring(1540.0), ring(1540.3, moved_pm={2: -290.0}), ring(1541.0)]
    kept = apart(near)
    assert [len(each.resonances) for each in kept if each] == [3, 3, 4]
    assert kept[2] is near[2]
    # The comb is fitted anew, without the line that the other ring had pulled.
    assert kept[1]
    assert kept[1].comb
    assert near[1].comb
    assert kept[1].comb.rms_pm < 1.0 < near[1].comb.rms_pm


def test_rings_on_one_place_at_every_order_are_left_out():
    assert apart([ring(1540.0), ring(1540.01), ring(1542.0)])[:2] == [None, None]


def test_a_line_where_another_ring_misses_its_own_is_of_both():
    # Halfway between both, split by their distance.
    merged = ring(1540.07, moved_pm={0: -35.0}, splitting_pm=70.0)
    kept = apart([ring(1540.0, without=0), merged])
    assert [len(each.resonances) for each in kept if each] == [3, 3]
    assert kept[1]
    assert kept[1].resonances[0].wl_nm == pytest.approx(1547.93, abs=0.1)
    # A ring whose line is missing for another reason, elsewhere, takes nothing with it.
    elsewhere = [ring(1540.0), ring(1541.0, without=0)]
    assert apart(elsewhere) == elsewhere


def test_a_wide_comb_that_splits_alike_is_of_two_rings_where_one_is_missing():
    rings = [ring(1540.0), ring(1540.4, splitting_pm=29.0, fwhm_pm=34.0), ring(1541.0)]
    assert doubled(rings, drawn=4) == [1]
    assert doubled(rings, drawn=3) == []
    # A ring that splits by itself is no wider than the others.
    assert doubled([ring(1540.0), ring(1540.4, splitting_pm=29.0), ring(1541.0)], drawn=4) == []


def test_a_ring_that_shows_too_few_lines_for_a_comb_misses_others_where_its_neighbours_comb_says():
    # Of four lines two merged with the other ring's, 35 pm away, which then split by as much.
    merged = ring(1540.0175, moved_pm={0: -17.5, 2: -17.5}, splitting_pm=35.0)
    few = ring(1540.035)
    few = RingFit(few.resonances[::2], few.fits[::2], None)
    far = ring(1541.0)
    assert [each and len(each.resonances) for each in apart([merged, few, far])] == [2, 2, 4]
    assert apart([merged, far])[0] is merged
