"""The prepared row against the row solver: the same powers, the slopes of calculus, and a ring swept alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.prepared import balanced_alone, balanced_and_slopes, prepare_row
from prism_photonics.circuit.row import row_response
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.waveguide.model import PathParams

RINGS, RATIO = 4, 0.93


@pytest.fixture(scope="module")
def row():
    """Four lossy rings close to each other, random bus phases, resonances about the channels."""
    rng = np.random.default_rng(0)
    full = lambda value: jnp.full(RINGS, value)  # noqa: E731
    t = lambda: jnp.sqrt(1.0 - jnp.asarray(rng.uniform(0.02, 0.1, RINGS)))  # noqa: E731
    wl = 1.5465 + 0.0006 * jnp.arange(RINGS)
    rings = RingParams(
        t(), t(), jnp.asarray(rng.uniform(0.97, 1.0, RINGS)), 172.0 * wl, full(300.0), full(0.0), full(4.0), full(0.0),
        wl,
    )  # fmt: skip
    bus = (2, RINGS + 1)
    buses = PathParams(
        jnp.full(bus, 240.0), jnp.full(bus, 280.0), jnp.asarray(rng.uniform(0.95, 1.0, bus)),
        jnp.asarray(rng.uniform(0.0, 6.28, bus)), jnp.full(bus, 1.55),
    )  # fmt: skip
    return wl, rings, buses


@pytest.fixture(scope="module")
def exact(row):
    wl, rings, buses = row

    @jax.jit
    def balanced(shift_pm):
        fields = row_response(wl, rings, buses, shift_pm)
        return jnp.abs(fields.through) ** 2 - RATIO * jnp.abs(fields.drop) ** 2

    return balanced


SHIFTS = jnp.asarray(np.random.default_rng(1).normal(0.0, 80.0, (5, RINGS)))


def test_powers_are_those_of_the_row_solver(row, exact):
    prepared = prepare_row(*row)
    for shift_pm in SHIFTS:
        ours, _ = balanced_and_slopes(prepared, shift_pm, jnp.asarray(RATIO))
        assert ours == pytest.approx(np.asarray(exact(shift_pm)), abs=1e-10)
        assert np.ptp(ours) > 0.1


def test_slopes_are_those_of_automatic_differentiation(row, exact):
    prepared = prepare_row(*row)
    derivative = jax.jit(jax.jacfwd(exact))
    for shift_pm in SHIFTS:
        _, slopes = balanced_and_slopes(prepared, shift_pm, jnp.asarray(RATIO))
        assert pytest.approx(np.asarray(derivative(shift_pm)), abs=1e-10) == slopes.T
        # Neighbours are felt: they are not mere zeros.
        assert np.abs(np.asarray(slopes) - np.diag(np.diagonal(slopes))).max() > 1e-5


def test_a_ring_swept_alone_is_the_row_with_that_ring_moved(row, exact):
    rest_pm, swept_pm = SHIFTS[0], jnp.linspace(-200.0, 200.0, 7)[:, None] * jnp.ones(RINGS)
    alone = balanced_alone(prepare_row(*row), rest_pm, swept_pm, jnp.asarray(RATIO))
    for point, shifts in enumerate(swept_pm):
        for ring in range(RINGS):
            assert alone[point, ring] == pytest.approx(
                float(exact(rest_pm.at[ring].set(shifts[ring]))[ring]), abs=1e-10
            )


def test_a_ring_that_drops_everything_has_finite_slopes(row):
    wl, rings, buses = row
    one = lambda leaf: leaf[:1]  # noqa: E731
    lossless = jax.tree.map(one, rings)
    lossless = RingParams(**(vars(lossless) | {"a": jnp.ones(1), "t2": lossless.t1}))
    prepared = prepare_row(wl[:1], lossless, jax.tree.map(lambda leaf: leaf[:, :2], buses))
    # Exactly on resonance: e^{jφ/2} = ±1, so that t1 − t2·u is exactly nothing.
    prepared = type(prepared)(**(vars(prepared) | {"half_turn": jnp.ones((1, 1), complex)}))
    balanced, slopes = balanced_and_slopes(prepared, jnp.zeros(1), jnp.asarray(1.0))
    assert balanced[0] == pytest.approx(-float(prepared.drop[0]), abs=1e-12)
    assert np.asarray(slopes) == pytest.approx(np.zeros((1, 1)), abs=1e-12)
