"""Two couplers that differ are told apart where the gain of one port's path over the other's is known."""

import numpy as np
import pytest
from laboratory.simulated import WL0_NM, sweep

from prism_photonics.laboratory.rings import fit_rings

BALANCE_dB = 10.0 * np.log10(0.8)  # of `simulated.sweep`, at its middle


def middle(seed, *, balance_dB=BALANCE_dB, **ring):
    settings = {"low_nm": 1535.0, "high_nm": 1558.5, "std_nm": 0.2e-3, "ripple": 0.005}
    wl_nm, through, drop = sweep(np.random.default_rng(seed), **settings, **ring)
    fit = fit_rings("sweep", wl_nm, through=through, drops=[drop], balance_dB=balance_dB)
    return min(fit.rings[0].resonances, key=lambda one: abs(one.wl_nm - WL0_NM))


@pytest.mark.parametrize(("kappa2", "kappa2_drop", "split_pm"), [(0.02, 0.035, 8.0), (0.03, 0.012, 0.0)])
def test_unlike_couplers_lie_on_one_of_two_branches(kappa2, kappa2_drop, split_pm):
    one = middle(0, kappa2=kappa2, kappa2_drop=kappa2_drop, loss_dB=0.05, split_pm=split_pm)
    found = [
        (one.kappa2_through, one.kappa2_drop, one.loss_dB_turn),
        (one.other_kappa2, one.other_kappa2_drop, one.other_loss_dB_turn),
    ]
    true = min(found, key=lambda branch: abs(branch[0] - kappa2))
    assert true[0] == pytest.approx(kappa2, rel=0.02)
    assert true[1] == pytest.approx(kappa2_drop, rel=0.04)
    assert true[2] == pytest.approx(0.05, abs=0.012)
    if true is found[0]:
        errors = (one.kappa2_through_std, one.kappa2_drop_std, one.loss_dB_turn_std)
        assert (np.abs(np.subtract(true, (kappa2, kappa2_drop, 0.05))) < 3.0 * np.array(errors)).all()


def test_alike_couplers_are_found_alike():
    one = middle(1, kappa2=0.02, loss_dB=0.05)
    assert one.kappa2_drop == pytest.approx(0.02, rel=0.04)
    assert abs(one.kappa2_drop - one.kappa2_through) < 3.0 * one.kappa2_drop_std
    assert one.loss_dB_turn == pytest.approx(0.05, abs=3.0 * one.loss_dB_turn_std)


def test_a_balance_that_is_wrong_by_ten_decibels_leaves_no_ring_that_only_loses():
    one = middle(1, balance_dB=BALANCE_dB - 10.0, kappa2=0.02, loss_dB=0.05)
    assert np.isnan([one.kappa2_through, one.kappa2_drop, one.loss_dB_turn, one.loss_dB_turn_std]).all()
    assert one.q_loaded > 0.0


def test_without_a_balance_couplers_are_taken_to_be_alike():
    one = middle(0, balance_dB=None, kappa2=0.02, kappa2_drop=0.035, loss_dB=0.05)
    assert one.kappa2_drop == one.kappa2_through
    assert np.isnan(one.other_kappa2)
