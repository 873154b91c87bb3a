"""Gradients of weights and smooth recall, against finite differences."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.chip.fabricate import draw_die
from prism_photonics.explore.die import asked_of, weight_error
from prism_photonics.explore.sensitivity import UNITS, held_design, sensitivities, sigmas
from prism_photonics.explore.verify import Verified, chosen_dies, doubts, verify_die
from prism_photonics.seeds import die_key


@pytest.fixture(scope="module")
def answers(plan):
    return sensitivities(plan)


@eqx.filter_jit
def recall_and_weights(held, parameters):
    return held.recall(parameters), held.weights(parameters)


def at(held, name, value):
    parameters = {n: jnp.zeros(held.volts.shape) for n in UNITS}
    return parameters | {name: jnp.full(held.volts.shape, value)}


def test_gradients_are_those_of_finite_differences(plan, answers):
    held, sigma = held_design(plan), sigmas(plan)
    for one in answers[1]:
        step = 1e-4 * max(sigma[one.name], 1e-3)
        above, below = (recall_and_weights(held, at(held, one.name, sign * step)) for sign in (1.0, -1.0))
        recall = (above[0] - below[0]) / (2.0 * step)
        assert one.by_recall == pytest.approx(float(recall), rel=1e-3, abs=1e-6), one.name
        slope = np.asarray(above[1] - below[1]) / (2.0 * step)
        assert one.by_weight_rms == pytest.approx(float(np.sqrt(np.mean(slope**2))), rel=1e-4), one.name


def test_the_bars_are_the_recall_one_sigma_off(plan, answers):
    held, sigma = held_design(plan), sigmas(plan)
    recall, found = answers
    assert recall == pytest.approx(float(recall_and_weights(held, at(held, "gap_nm", 0.0))[0]))
    one = next(one for one in found if one.name == "gap_nm")
    assert one.above == pytest.approx(float(recall_and_weights(held, at(held, "gap_nm", sigma["gap_nm"]))[0]))
    assert one.sigma > plan.spec.variation.gap_nm


def test_a_bar_of_crosstalk_is_as_long_as_it_scatters_on_dies(plan):
    dies = [draw_die(plan.spec, die_key(seed)).crosstalk for seed in range(100)]
    assert sigmas(plan)["crosstalk_relative"] == pytest.approx(float(np.std(dies)), rel=0.15)


def test_every_parameter_is_there_and_the_uncorrected_film_costs_most(answers):
    recall, found = answers
    assert {one.name for one in found} == set(UNITS)
    assert found[0].name in ("thickness_nm", "width_nm")
    assert recall > 0.8


def test_a_held_design_has_the_weights_that_it_was_programmed_with(plan):
    held = held_design(plan)
    weights = np.asarray(recall_and_weights(held, at(held, "gap_nm", 0.0))[1])
    assert weights == pytest.approx(asked_of(plan, plan.seed).targets, abs=2e-3)


def test_a_whole_calibration_leaves_weights_as_wrong_as_its_stand_in(plan):
    (die,) = chosen_dies(plan, 1)
    found = verify_die(plan, die)
    assert found.calibrated_weight_error_rms < 10.0 * found.weight_error_rms
    assert found.calibrated_recall == pytest.approx(found.recall, abs=0.1)
    assert found.calibrated_snr_dB == pytest.approx(found.snr_dB, abs=3.0)


def test_a_study_says_so_where_calibrations_leave_dies_worse_than_their_stand_in(plan):
    as_wrong = Verified(0, 0.003, 0.0035, 0.9, 0.9, 20.0, 19.5, 0.0, 0.0)
    wrong = Verified(30, 0.003, 0.01, 0.9, 0.9, 20.0, 20.5, 0.0, 0.0)
    noisy = Verified(59, 0.003, 0.017, 0.9, 0.8, 20.0, 15.0, 0.0, 0.0)
    assert doubts(plan, [as_wrong]) == []
    (told,) = doubts(plan, [as_wrong, wrong])
    assert "2 dies leave a weight error of 0.0075 rms in place of the stand-in's 0.003" in told
    assert "optimistic" not in told
    (told,) = doubts(plan, [as_wrong, wrong, noisy])
    assert "worst die 59 with 0.017, 15.0 dB in place of 20.0 dB" in told
    # The stand-in's weight error grows as its resonances' errors do.
    calibrated = np.sqrt(np.mean([0.0035**2, 0.01**2, 0.017**2]))
    assert f"the yield is optimistic; an --offset-error of {plan.offset_error_pm * calibrated / 0.003:.2g} " in told
    assert "no die was verified" in doubts(plan, [])[0]


def test_a_shift_and_a_factor_of_all_weights_are_no_error_because_they_change_no_order():
    rng = np.random.default_rng(0)
    true, noise = rng.uniform(-0.6, 0.6, (8, 8)), 0.01 * rng.standard_normal((8, 8))
    assert weight_error(1.05 * true - 0.02, true) < 1e-12
    assert weight_error(1.05 * (true + noise) - 0.02, true) == pytest.approx(0.01, rel=0.2)


def test_one_die_is_known_better_than_another_and_all_together_as_well_as_the_plan_says(plan):
    known = np.array([np.std(asked_of(plan, seed).offset_error_pm) for seed in range(400)])
    assert np.sqrt(np.mean(known**2)) == pytest.approx(plan.offset_error_pm, rel=0.1)
    assert known.min() < 0.3 * plan.offset_error_pm
    assert known.max() > 1.7 * plan.offset_error_pm
    usual = np.std(asked_of(plan, 5, usual=True).offset_error_pm)
    assert usual == pytest.approx(plan.offset_error_pm, rel=0.4)
