"""Lithium niobate bends light as Zelmon measured."""

import math

import numpy as np
import pytest

from prism_photonics.process.materials import EXTRAORDINARY, ORDINARY, sellmeier


def test_the_ordinary_index_at_1550_nm_is_2_2111():
    w = 1.55**2
    by_hand = math.sqrt(1 + 2.6734 * w / (w - 0.01764) + 1.2290 * w / (w - 0.05914) + 12.614 * w / (w - 474.60))
    assert sellmeier(1.55, ORDINARY) == pytest.approx(by_hand, rel=1e-14)
    assert by_hand == pytest.approx(2.2111, abs=1e-4)


def test_the_extraordinary_index_at_1550_nm_is_2_1376():
    w = 1.55**2
    by_hand = math.sqrt(1 + 2.9804 * w / (w - 0.02047) + 0.5981 * w / (w - 0.0666) + 8.9543 * w / (w - 416.08))
    assert sellmeier(1.55, EXTRAORDINARY) == pytest.approx(by_hand, rel=1e-14)
    assert by_hand == pytest.approx(2.1376, abs=1e-4)


def test_the_crystal_is_negative_and_normally_dispersive_over_the_telecom_bands():
    wl = np.linspace(1.26, 1.675, 50)
    n_o, n_e = sellmeier(wl, ORDINARY), sellmeier(wl, EXTRAORDINARY)
    assert (n_e < n_o).all()
    assert (np.diff(n_o) < 0).all()
    assert (np.diff(n_e) < 0).all()
