"""Variance of nested dies, split by cause."""

import numpy as np
import pytest

from prism_photonics.explore.variance import PARTS, NestedVariance


def nested(parts, *, lots, wafers, dies, seed=0):
    """Sums over dies of known variance: their number in a wafer varies."""
    rng, found = np.random.default_rng(seed), NestedVariance()
    for lot in range(lots):
        of_lot = parts["lot"] ** 0.5 * rng.standard_normal()
        for wafer in range(wafers):
            of_wafer = parts["wafer"] ** 0.5 * rng.standard_normal()
            count = dies + wafer % 3
            place = parts["place"] ** 0.5 * rng.standard_normal(count)
            mine, twin = 5.0 + of_lot + of_wafer + place + parts["rings"] ** 0.5 * rng.standard_normal((2, count))
            found.add(lot, lot * wafers + wafer, mine[: count // 2, None])
            found.add(lot, lot * wafers + wafer, mine[count // 2 :, None])
            found.add_twins(mine[:, None], twin[:, None])
    return found


def test_each_cause_gets_the_variance_that_it_made():
    made = {"lot": 4.0, "wafer": 2.0, "place": 1.0, "rings": 3.0}
    found = nested(made, lots=600, wafers=4, dies=6).parts()
    assert list(found) == list(PARTS)
    assert found["lot"][0] == pytest.approx(4.0, rel=0.15)
    assert found["wafer"][0] == pytest.approx(2.0, rel=0.1)
    assert found["place"][0] == pytest.approx(1.0, rel=0.1)
    assert found["rings"][0] == pytest.approx(3.0, rel=0.05)


def test_a_cause_that_does_nothing_gets_next_to_nothing_and_never_less():
    found = nested({"lot": 0.0, "wafer": 0.0, "place": 0.0, "rings": 1.0}, lots=50, wafers=4, dies=6).parts()
    assert min(part[0] for part in found.values()) >= 0.0
    assert sum(found[name][0] for name in ("lot", "wafer", "place")) < 0.1
    assert found["rings"][0] == pytest.approx(1.0, rel=0.1)


def test_one_lot_tells_nothing_of_lots():
    sums = nested({"lot": 9.0, "wafer": 1.0, "place": 0.0, "rings": 1.0}, lots=1, wafers=40, dies=6)
    assert sums.parts()["lot"][0] == 0.0
    assert sums.lots == 1


def test_one_die_has_no_variance():
    found = NestedVariance()
    found.add(0, 0, np.ones((1, 2)))
    assert all((part == 0.0).all() for part in found.parts().values())
