"""Gradients of weights and smooth recall, against finite differences."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.explore.die import asked_of
from prism_photonics.explore.sensitivity import UNITS, held_design, sensitivities, sigmas
from prism_photonics.explore.verify import Verified, chosen_dies, doubts, verify_die


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


def test_a_study_says_so_where_a_calibration_leaves_dies_worse_than_its_stand_in(plan):
    as_wrong = Verified(0, 0.003, 0.0035, 0.9, 0.9, 20.0, 19.5)
    wrong = Verified(30, 0.003, 0.01, 0.9, 0.9, 20.0, 20.5)
    noisy = Verified(59, 0.003, 0.017, 0.9, 0.8, 20.0, 15.0)
    assert doubts(plan, [as_wrong]) == []
    (told,) = doubts(plan, [as_wrong, wrong])
    assert "1 of 2 verified dies" in told
    assert "die 30 with a weight error of 0.01 in place of 0.003" in told
    assert "optimistic" not in told
    (told,) = doubts(plan, [as_wrong, wrong, noisy])
    assert "2 of 3 verified dies" in told
    assert "die 59 with a weight error of 0.017 in place of 0.003, 15.0 dB in place of 20.0 dB" in told
    # The stand-in's weight error grows as its resonances' errors do.
    assert f"the yield is optimistic; an --offset-error of {plan.offset_error_pm * 0.017 / 0.003:.2g} " in told
    assert "no die was verified" in doubts(plan, [])[0]
