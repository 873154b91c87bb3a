"""Lithium niobate bends light as Zelmon measured, lithium tantalate as Bond did."""

import math

import numpy as np
import pytest

from prism_photonics.process.materials import (
    CRYSTALS,
    EXTRAORDINARY,
    LITHIUM_TANTALATE,
    ORDINARY,
    SILICA,
    crystal_named,
    sellmeier,
)
from prism_photonics.units import InputError


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


def test_lithium_tantalate_has_bonds_indices_and_almost_no_birefringence():
    # W. L. Bond (1965) at 1.0, 1.4, 1.6 and 2.0 µm.
    wl = np.array([1.0, 1.4, 1.6, 2.0])
    assert sellmeier(wl, LITHIUM_TANTALATE.ordinary) == pytest.approx([2.1391, 2.1236, 2.1174, 2.1066], abs=5e-4)
    assert sellmeier(wl, LITHIUM_TANTALATE.extraordinary) == pytest.approx([2.1432, 2.1273, 2.1213, 2.1115], abs=7e-4)
    birefringence = sellmeier(1.55, LITHIUM_TANTALATE.extraordinary) - sellmeier(1.55, LITHIUM_TANTALATE.ordinary)
    assert 0.003 < birefringence < 0.005


def test_silica_at_1550_nm_is_1_4440():
    assert sellmeier(1.55, SILICA) == pytest.approx(1.4440, abs=1e-4)


def test_crystals_are_found_by_their_formula():
    assert {crystal_named(name).name for name in CRYSTALS} == {"LiNbO3", "LiTaO3"}
    with pytest.raises(InputError, match="did you mean 'LiNbO3'"):
        crystal_named("LiNb03")
