"""Levenberg–Marquardt against SciPy on random problems, with and without limits that bind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from prism_photonics.programming.levenberg import least_squares


def problem(seed):
    """A random smooth nonlinear fit: 12 residuals of 4 unknowns."""
    rng = np.random.default_rng(seed)
    a, b = jnp.asarray(rng.normal(size=(12, 4))), jnp.asarray(rng.normal(size=12))
    return lambda x: jnp.tanh(a @ x) + 0.1 * (a @ x) - b


def linearized(residuals):
    return lambda x: (residuals(x), jax.jacfwd(residuals)(x))


def solve(residuals, start, **options):
    return least_squares(
        residuals, jnp.asarray(start), linearized=linearized(residuals), steps=200, rtol=1e-14, **options
    )


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_minimum_that_scipy_finds(seed):
    residuals = problem(seed)
    ours = solve(residuals, np.zeros(4))
    theirs = scipy.optimize.least_squares(lambda x: np.asarray(residuals(x)), np.zeros(4), xtol=1e-14, ftol=1e-14)
    assert float(ours.cost) == pytest.approx(2 * theirs.cost, rel=1e-8)
    assert np.asarray(ours.x) == pytest.approx(theirs.x, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_inside_a_box_that_binds_it_finds_what_scipy_finds(seed):
    residuals = problem(seed)
    free = np.asarray(solve(residuals, np.zeros(4)).x)
    # A box that cuts off the free minimum in two of the unknowns.
    lower, upper = np.full(4, -5.0), np.full(4, 5.0)
    upper[0], lower[2] = free[0] - 0.3, free[2] + 0.2
    start = np.clip(np.zeros(4), lower, upper)
    ours = solve(residuals, start, lower=jnp.asarray(lower), upper=jnp.asarray(upper))
    theirs = scipy.optimize.least_squares(
        lambda x: np.asarray(residuals(x)), start, bounds=(lower, upper), xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    x = np.asarray(ours.x)
    assert ((x >= lower) & (x <= upper)).all()
    assert float(ours.cost) == pytest.approx(2 * theirs.cost, rel=1e-5)
    assert ((x == lower) | (x == upper)).any()
    assert x == pytest.approx(theirs.x, abs=5e-3)


def test_every_point_that_is_tried_lies_in_the_box():
    tried = []

    def residuals(x):
        jax.debug.callback(lambda v: tried.append(np.asarray(v)), x)
        return jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    solution = least_squares(
        residuals, jnp.asarray([-1.2, 1.0]), linearized=linearized(residuals), steps=100, lower=-1.5, upper=0.5
    )
    jax.effects_barrier()
    assert len(tried) > 5
    assert all((v >= -1.5).all() and (v <= 0.5).all() for v in tried)
    # The banana's floor ends at the box: x = 0.5, y = x².
    assert np.asarray(solution.x) == pytest.approx([0.5, 0.25], abs=1e-5)


def test_a_start_outside_the_box_is_moved_into_it():
    solution = solve(lambda x: x - 3.0, [9.0, -9.0], lower=-1.0, upper=2.0)
    assert np.asarray(solution.x) == pytest.approx([2.0, 2.0])


def test_a_start_at_the_minimum_stays_there():
    solution = solve(lambda x: x - 3.0, [3.0, 3.0])
    assert (float(solution.cost), int(solution.steps)) == (0.0, 0)


def test_it_stops_after_its_steps():
    residuals = problem(0)
    solution = least_squares(residuals, jnp.full(4, 3.0), linearized=linearized(residuals), steps=2)
    assert int(solution.steps) <= 2


def test_it_is_the_same_batched():
    residuals = problem(1)
    starts = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)))
    batched = jax.vmap(lambda start: solve(residuals, start))(starts)
    one = solve(residuals, starts[2])
    assert np.asarray(batched.x[2]) == pytest.approx(np.asarray(one.x), abs=1e-9)


def test_many_problems_of_numpys_are_one_of_jaxs_each():
    rng = np.random.default_rng(3)
    a, b, starts = rng.normal(size=(12, 4)), rng.normal(size=12), rng.normal(size=(5, 4))
    lower, upper = np.full(4, -0.4), np.full(4, 0.5)

    def residuals(x):
        return np.tanh(x @ a.T) + 0.1 * (x @ a.T) - b

    def with_slopes(x):
        return residuals(x), (1.1 - np.tanh(x @ a.T) ** 2)[..., None] * a

    def in_jax(x):
        return jnp.tanh(jnp.asarray(a) @ x) + 0.1 * (jnp.asarray(a) @ x) - b

    for steps in (3, 60):
        many = least_squares(residuals, starts, linearized=with_slopes, steps=steps, lower=lower, upper=upper)
        for n, start in enumerate(starts):
            one = least_squares(
                in_jax, jnp.asarray(start), linearized=linearized(in_jax), steps=steps, lower=lower, upper=upper
            )
            assert many.x[n] == pytest.approx(np.asarray(one.x), abs=1e-9)
            assert (many.cost[n], many.steps[n]) == (pytest.approx(float(one.cost), rel=1e-9), int(one.steps))
    assert len(set(many.steps.tolist())) > 1
