"""Laws over files of straight guides, loops and rings of several lengths, against closed forms."""

import numpy as np
import pytest

from prism_photonics.laboratory.series import FABRICATED_UM, cutback_dB_cm, length_index, loopback_dB
from prism_photonics.units import InputError


def test_cutback_gives_the_slope_of_a_known_loss_and_not_the_couplers():
    length_um = np.array([1_000.0, 5_000.0, 10_000.0, 20_000.0])
    loss, std = cutback_dB_cm(length_um.tolist(), (-7.0 - 0.4e-4 * length_um).tolist())
    assert loss == pytest.approx(0.4, abs=1e-9)
    length_cm = 1e-4 * length_um
    assert std == pytest.approx(0.05 / np.sqrt(np.sum((length_cm - length_cm.mean()) ** 2)), rel=1e-6)


def test_cutback_refuses_a_single_length():
    with pytest.raises(InputError, match="got 1 lengths, want 2 or more"):
        cutback_dB_cm([1_000.0, 1_000.0], [-7.0, -7.1])


def test_length_index_is_the_effective_index_of_a_guide_with_linear_dispersion():
    n_eff, slope_per_um, wl_um, order = 1.9, -0.25, 1.55, 400
    n_g = n_eff - wl_um * slope_per_um
    turn_um = order * wl_um / n_eff
    length_um = turn_um + np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    # order·λ = (n_g + slope·λ)·L, solved for λ.
    wl_nm = 1e3 * n_g * length_um / (order - slope_per_um * length_um)
    index, std = length_index(length_um.tolist(), wl_nm.tolist(), turn_um=n_g * turn_um)
    assert index == pytest.approx(n_eff, rel=1e-6)
    spread_um = np.sqrt(np.sum((length_um - length_um.mean()) ** 2))
    assert std == pytest.approx(n_g * turn_um / wl_um * FABRICATED_UM / spread_um, rel=1e-5)


def test_length_index_refuses_two_lengths():
    with pytest.raises(InputError, match="got 2 lengths, want 3 or more"):
        length_index([326.0, 326.1], [1550.0, 1550.3], turn_um=750.0)


def test_loopback_halves_the_loss_and_one_outlier_does_not_move_it():
    loss, scatter = loopback_dB([-9.0, -9.2, -9.4, -9.6, -60.0])
    assert loss == pytest.approx(4.7)
    # Deviations of a coupler: 0.2, 0.1, 0, 0.1 and the outlier; their median is 0.1.
    assert scatter == pytest.approx(1.4826 * 0.1)
