"""Slopes of a bus's currents against JAX through the exact row, against differences, and a descent against SciPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from prism_photonics.calibration import descent
from prism_photonics.calibration.bus import prior_weight, ravel, unravel
from prism_photonics.calibration.bus_slopes import reading_slopes, readings_A
from prism_photonics.calibration.descent import FIRST, NEAR, descend, misfits
from prism_photonics.calibration.survey_fit import bus_surveys
from prism_photonics.calibration.unknowns import Unknowns, channel_transmission, columns

RINGS, SETTINGS = 4, 5


@pytest.fixture(scope="module")
def spec(demo, altered):
    """Two rows of two buses of four rings."""
    return altered(demo, chip={"rows": 2, "buses": 2, "channels": RINGS})


@pytest.fixture(scope="module")
def survey(spec):
    """All of its buses at random voltages and drifts, with readings of random buses."""
    rng = np.random.default_rng(0)
    volts = rng.uniform(-8.0, 8.0, (SETTINGS, 2, 2 * RINGS))
    own = np.tile([[0, 1, 2, 3], [1, 0, 2, 3]], (2, 1, 1))
    nothing = np.zeros((SETTINGS, 2 * RINGS, 2))
    time_s = np.zeros((SETTINGS, 2 * RINGS))
    noise = np.full(nothing.shape, 1e-9)
    _, read = bus_surveys(spec, volts=volts, current_A=nothing, noise_A=noise, time_s=time_s, channel_of_ring=own)
    return read.moved(read.volts, rng.normal(0.0, 3.0, read.drift_pm.shape))


@pytest.fixture(scope="module")
def flat(survey):
    return np.random.default_rng(1).normal(0.0, 1.0, (survey.count, prior_weight(RINGS).size))


def by_jax(survey, flat, wl_um):
    """All currents of one bus after the other, through the exact row."""

    def one_bus(bus, x, volts, drift_pm):
        one = survey.take(np.array([bus]))
        names = columns(RINGS)
        u = Unknowns(**{name: x[place] for name, place in names.items()} | {"drop_ratio": x[-1]})
        rings, s = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), one.rings), one.scatter
        paths = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), one.paths)
        grown = dataclasses.replace(
            rings,
            t1=jnp.sqrt(1.0 - (1.0 - rings.t1**2) * jnp.exp(s.kappa * u.kappa1)),
            t2=jnp.sqrt(1.0 - (1.0 - rings.t2**2) * jnp.exp(s.kappa * u.kappa2)),
            a=rings.a ** jnp.exp(s.loss * u.loss),
            offset_pm=s.offset_pm * u.offset,
            slope_pm_V=rings.slope_pm_V * (1.0 + s.slope * u.slope),
            curvature_pm_V2=s.curvature_pm_V2 * u.curvature,
        )
        phases = jnp.zeros_like(paths.phase_rad).at[0, 1:-1].set(u.phase_rad)
        row = type(one.model(flat[[bus]]))(
            grown,
            dataclasses.replace(paths, phase_rad=phases),
            s.crosstalk * u.crosstalk,
            jnp.asarray(one.gain_A[0]) * jnp.exp(s.gain * u.gain),
            1.0 + s.drop_ratio * u.drop_ratio,
        )
        passed = jax.vmap(channel_transmission, in_axes=(0, None, 0, 0))
        return row.gain_A * jax.vmap(lambda v, d: passed(jnp.asarray(wl_um), row, v, d))(volts, drift_pm)

    return one_bus


@pytest.mark.parametrize("bus", [0, 1, 3])
def test_currents_and_all_slopes_are_those_of_the_exact_row(spec, survey, flat, bus):
    given = tuple(jnp.asarray(part[bus]) for part in (flat, survey.volts, survey.drift_pm))
    current = lambda *given: by_jax(survey, flat, spec.comb_design.wl_um)(bus, *given)  # noqa: E731
    found = reading_slopes(survey, flat)
    scale = np.abs(found.current_A).max()
    assert np.asarray(current(*given)) == pytest.approx(found.current_A[bus], abs=1e-9 * scale)
    assert readings_A(survey, flat) == pytest.approx(found.current_A, abs=1e-15 * scale)
    by_unknown = jax.jacfwd(current)(*given)
    assert np.asarray(jnp.moveaxis(by_unknown, -1, 0)) == pytest.approx(found.by_unknown[bus], abs=1e-8 * scale)
    # Each channel's reading has voltages and drifts of its own.
    for number, mine in ((1, found.by_volt), (2, found.by_shift)):
        whole = jax.jacfwd(current, argnums=number)(*given)
        own = jnp.einsum("mcmcr->rmc", whole)
        assert np.asarray(own) == pytest.approx(mine[bus], abs=1e-8 * scale)


def test_relaxed_phases_on_the_unit_circle_are_phases(survey, flat):
    places = columns(RINGS)
    relaxed = np.concatenate([flat, np.sin(flat[:, places["phase_rad"]])], axis=1)
    relaxed[:, places["phase_rad"]] = np.cos(flat[:, places["phase_rad"]])
    assert readings_A(survey, relaxed, relaxed=True) == pytest.approx(readings_A(survey, flat), rel=1e-9)


@pytest.mark.parametrize("shrunk", [0.0, 0.6])
def test_relaxed_slopes_are_those_of_small_differences(survey, flat, shrunk):
    places = columns(RINGS)
    gaps = shrunk * np.random.default_rng(2).normal(size=(2, survey.count, RINGS - 1))
    relaxed = np.concatenate([flat, gaps[1]], axis=1)
    relaxed[:, places["phase_rad"]] = gaps[0]
    slopes, scale = reading_slopes(survey, relaxed, relaxed=True).by_unknown, readings_A(survey, flat).max()
    for column in range(relaxed.shape[1]):
        step = np.zeros(relaxed.shape[1])
        # Larger steps bend, smaller ones drown in rounding.
        step[column] = 1e-5
        up, down = (readings_A(survey, relaxed + way * step, relaxed=True) for way in (1.0, -1.0))
        assert slopes[:, column] == pytest.approx((up - down) / 2e-5, abs=1e-7 * scale), column


def test_what_a_flat_vector_holds_goes_by_name_and_back(flat):
    assert np.array_equal(ravel(unravel(flat, RINGS)), flat)


def test_single_precision_is_as_good_as_a_search_needs(survey, flat):
    exact, coarse = reading_slopes(survey, flat), reading_slopes(survey.in_single_precision(), flat)
    for name in ("current_A", "by_unknown", "by_shift", "by_volt"):
        whole, half = getattr(exact, name), getattr(coarse, name)
        assert half.dtype == np.float32
        assert half == pytest.approx(whole, abs=1e-4 * np.abs(whole).max())


def test_a_search_in_single_precision_ends_in_the_same_minimum(survey, flat):
    noisy = np.random.default_rng(3).normal(0.0, 1e-9, survey.current_A.shape)
    read = dataclasses.replace(survey, current_A=readings_A(survey, 0.3 * flat) + noisy).blurred(0.01)
    found, cost = descend(read.in_single_precision(), 0.3 * flat + 0.02, steps=60, rtol=1e-3)
    there, least = descend(read, 0.3 * flat + 0.02, steps=60, rtol=1e-3)
    assert found.dtype == float
    assert cost == pytest.approx(least, rel=1e-3)
    # A tenth of a standard deviation, or of a radian, is more than is left where so little is gained.
    assert found == pytest.approx(there, abs=0.1)


def test_some_buses_are_those_buses(survey, flat):
    some = np.array([3, 0, 3])
    assert np.array_equal(readings_A(survey.take(some), flat[some]), readings_A(survey, flat)[some])


def test_a_descent_ends_where_scipys_does_whatever_stands_beside_it(survey, flat):
    noisy = np.random.default_rng(3).normal(0.0, 1e-9, survey.current_A.shape)
    read = dataclasses.replace(survey, current_A=readings_A(survey, 0.3 * flat) + noisy)
    start = 0.3 * flat + 0.02
    found, cost = descend(read, start, steps=60, rtol=1e-12)
    alone, _ = descend(read.take(np.array([2])), start[[2]], steps=60, rtol=1e-12)
    assert alone[0] == pytest.approx(found[2], abs=1e-7)
    weight, bus = prior_weight(RINGS), read.take(np.array([2]))

    def residuals(x):
        return np.concatenate([misfits(bus, x[None]).ravel(), weight * x])

    # Differences to one side end 3e-8 of the cost too early.
    theirs = scipy.optimize.least_squares(residuals, start[2], "3-point", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert cost[2] == pytest.approx(2.0 * theirs.cost, rel=1e-8)
    assert found[2] == pytest.approx(theirs.x, abs=1e-3)


def test_a_fit_that_goes_on_from_another_ones_minimum_is_there_in_few_steps(survey, flat, monkeypatch):
    step, taken = descent._step, []
    monkeypatch.setattr(descent, "_step", lambda *args, **named: taken.append(1) or step(*args, **named))
    noisy = np.random.default_rng(3).normal(0.0, 1e-9, (2, *survey.current_A.shape))
    read = [dataclasses.replace(survey, current_A=readings_A(survey, 0.3 * flat) + each) for each in noisy]
    start, _ = descend(read[0], 0.3 * flat, steps=60, rtol=1e-9)
    found = {}
    for damping in (FIRST, NEAR):
        taken.clear()
        found[damping] = (*descend(read[1], start, steps=60, rtol=1e-6, damping=damping), len(taken))
    assert found[NEAR][1] == pytest.approx(found[FIRST][1], rel=1e-5)
    assert 3 * found[NEAR][2] <= 2 * found[FIRST][2]


def test_a_reading_without_weight_has_none(survey, flat):
    read = dataclasses.replace(survey, current_A=readings_A(survey, 0.3 * flat))
    noise_A = read.noise_A.copy()
    noise_A[:, 0, 0] = np.inf
    spoiled = read.current_A.copy()
    spoiled[:, 0, 0] = 1.0
    found, cost = descend(
        dataclasses.replace(read.with_noise(noise_A), current_A=spoiled), 0.3 * flat, steps=30, rtol=1e-9
    )
    assert np.isfinite(found).all()
    assert cost.max() <= ((0.3 * flat * prior_weight(RINGS)) ** 2).sum(1).max()


def test_no_step_is_taken_to_rings_that_lose_all_light_nor_from_where_nothing_is_a_number(survey, monkeypatch):
    start, far = np.zeros((2, survey.count, prior_weight(RINGS).size))
    far[:, columns(RINGS)["loss"].start] = 800.0 / survey.scatter.loss
    with np.errstate(over="ignore"):
        read = dataclasses.replace(survey, current_A=readings_A(survey, far))
    # The readings are those of such rings: but for the refusal the step would gain nearly all.
    there = lambda point, x, damped, *, relaxed, free: (x + far[: len(x)] - start[: len(x)], point.cost)  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(descent, "_step", there)
        found, cost = descend(read, start, steps=3, rtol=1e-9)
    assert np.array_equal(found, start)
    assert np.isfinite(cost).all()
    assert np.isfinite(reading_slopes(read, found).by_unknown).all()
    # Couplings of more than all the light: no cost, and no warning on the way to saying so.
    start[:, columns(RINGS)["kappa1"]] = 1e5
    assert np.isinf(descend(read, start, steps=3, rtol=1e-9)[1]).all()
