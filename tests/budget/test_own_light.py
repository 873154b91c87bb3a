"""Light that moves its ring: small shifts in closed form, bistability where a cubic says, and a rule in milliwatts."""

import math

import numpy as np
import pytest

from prism_photonics.budget.own_light import BISTABLE, own_light, power_that_costs_bits_W
from prism_photonics.budget.rules_light import RING_LIMIT_W, ring_power


@pytest.fixture(scope="module")
def moved(demo):
    return own_light(demo)


def test_a_small_shift_is_the_lorentzian_of_the_light_inside(moved):
    for detuning_pm in (-20.0, 0.0, 7.0):
        (shift_pm,) = moved.steady_pm(1e-6, detuning_pm, moved.heat_pm_W)
        lorentzian = 1.0 / (1.0 + (2.0 * detuning_pm / moved.fwhm_pm) ** 2)
        assert shift_pm == pytest.approx(1e-6 * moved.heat_pm_W * lorentzian, rel=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_two_stable_shifts_exist_from_the_bistable_power_on_and_not_below(moved, sign):
    pm_W = sign * moved.heat_pm_W
    threshold_W = moved.bistable_W(pm_W)
    # Where they first appear, the line lies √3 half linewidths from the resonance, on the side that it moves to.
    detunings_pm = -sign * 0.5 * moved.fwhm_pm * np.linspace(1.0, 3.5, 2001)

    def most(power_W):
        return max(len(moved.steady_pm(power_W, float(detuning), pm_W)) for detuning in detunings_pm)

    assert most(0.99 * threshold_W) == 1
    assert most(1.01 * threshold_W) == 3


def test_the_threshold_is_a_double_root_of_the_cubics_slope():
    y = 2.0 / math.sqrt(3.0)
    u = -math.sqrt(3.0)
    assert y * (1.0 + (u + y) ** 2) == pytest.approx(BISTABLE)
    slope = lambda y: 1.0 + (u + y) ** 2 + 2.0 * y * (u + y)  # noqa: E731
    assert slope(y) == pytest.approx(0.0, abs=1e-12)
    assert slope(y + 1e-4) == pytest.approx(0.0, abs=1e-6)


def test_lithium_niobate_ends_on_the_blue_side_and_lithium_tantalate_on_the_red(circles, altered):
    wide = {"radius_um": 80.0, "pitch_um": 300.0, "gap_through_um": 0.6, "gap_drop_um": 0.6}
    tantalate, niobate = own_light(altered(circles, process="ltoi300", ring=wide)), own_light(circles)
    for film, end in ((niobate, -1.0), (tantalate, 1.0)):
        assert film.after_pm_W(1e-3) > 0.0
        assert math.copysign(1.0, film.after_pm_W(1e4)) == end
    assert niobate.heat_s == pytest.approx(25e-6, rel=0.05)


def test_light_does_not_move_a_ring_that_absorbs_none_of_it(demo, altered):
    lossless = altered(demo, waveguide={"loss_dB_cm": 0.0})
    assert math.isinf(own_light(lossless).bistable_W(own_light(lossless).most_pm_W))
    found = ring_power(lossless)
    assert found.limit == RING_LIMIT_W
    assert "two stable states from inf mW" in found.explain


def test_the_rule_is_the_lesser_of_what_costs_bits_and_of_what_is_bearable(demo, altered):
    assert ring_power(demo).limit == min(RING_LIMIT_W, power_that_costs_bits_W(demo))
    lossy = altered(demo, waveguide={"loss_dB_cm": 1.0})
    found = ring_power(lossy)
    assert found.limit == power_that_costs_bits_W(lossy) < RING_LIMIT_W
    for said in ("two stable states from", "bits suffer from", "by photorefraction -"):
        assert said in found.explain
