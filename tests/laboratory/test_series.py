"""Laws over files of straight guides, loops and rings of several lengths, against closed forms."""

import numpy as np
import pytest

from prism_photonics.laboratory.comb import AXIS, fit_comb
from prism_photonics.laboratory.die_series import GRADIENT, LOCAL_UM, mean_index
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


def test_a_film_that_grows_along_a_length_sweep_is_in_the_error_of_its_index():
    rng, n_eff, turn_um = np.random.default_rng(0), 1.9, 260.0
    length_um, gradient_um = 130.0 + 0.02 * np.arange(5), GRADIENT * 270.0
    pulls = []
    for _ in range(400):
        moved_um = gradient_um * rng.standard_normal() * np.arange(5) + LOCAL_UM * rng.standard_normal(5)
        wl_nm = 1550.0 + 1e3 * (1.55 * n_eff / turn_um * (length_um - length_um[2]) + moved_um)
        index, std = length_index(
            length_um.tolist(), wl_nm.tolist(), turn_um=turn_um, scatter_um=LOCAL_UM, gradient_um=gradient_um
        )
        pulls.append((index - n_eff) / std)
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1.0, abs=0.1)


def test_an_axis_that_is_a_little_too_long_is_in_the_error_of_a_group_index_and_of_the_mean_over_a_sweep():
    rng, turn_um, std_nm = np.random.default_rng(0), 260.0, 1e-4
    k = 1.0 / 1.55 + np.array([-1.5, -0.5, 0.5, 1.5]) / turn_um
    single, mean = [], []
    for _ in range(200):
        found = []
        for _ in range(2):
            axis = AXIS * rng.standard_normal()
            for _ in range(5):
                wl_nm = 1550.0 + (1.0 + axis) * (np.sort(1e3 / k) - 1550.0) + std_nm * rng.standard_normal(4)
                comb = fit_comb(wl_nm.tolist(), [std_nm] * 4)
                found.append((comb.turn_um, comb.turn_error_at_um(comb.wl0_nm)))
        over = mean_index(found, sweeps=2)
        assert over is not None
        single += [(value - turn_um) / std for value, std in found]
        mean.append((over.value - turn_um) / over.std)
    assert np.sqrt(np.mean(np.square(single))) == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(np.mean(np.square(mean))) == pytest.approx(1.0, abs=0.12)


def test_length_index_refuses_two_lengths():
    with pytest.raises(InputError, match="got 2 lengths, want 3 or more"):
        length_index([326.0, 326.1], [1550.0, 1550.3], turn_um=750.0)


def test_loopback_halves_the_loss_and_one_outlier_does_not_move_it():
    loss, scatter = loopback_dB([-9.0, -9.2, -9.4, -9.6, -60.0])
    assert loss == pytest.approx(4.7)
    # Deviations of a coupler: 0.2, 0.1, 0, 0.1 and the outlier; their median is 0.1.
    assert scatter == pytest.approx(1.4826 * 0.1)
