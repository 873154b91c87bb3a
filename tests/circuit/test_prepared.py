"""The prepared row against the row solver: the same powers, the slopes of calculus, and a ring swept alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.prepared import balanced, balanced_alone, balanced_and_slopes, exit_powers, prepare_row
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


# ---------------------------------------------------------------- the same in NumPy's arrays


def test_exit_powers_and_their_slopes_by_a_shared_shift_are_those_of_the_row_solver(row):
    wl, rings, buses = row

    @jax.jit
    def powers(shift_pm, line_pm):
        fields = row_response(wl, rings, buses, shift_pm + line_pm)
        return jnp.stack([jnp.abs(fields.through) ** 2, jnp.abs(fields.drop) ** 2])

    by_line = jax.jit(jax.jacfwd(powers, argnums=1))
    ours, slopes = exit_powers(prepare_row(*jax.tree.map(np.asarray, row)), np.asarray(SHIFTS[0]))
    assert ours == pytest.approx(np.asarray(powers(SHIFTS[0], 0.0)), abs=1e-10)
    assert slopes == pytest.approx(np.asarray(by_line(SHIFTS[0], 0.0)), abs=1e-10)
    assert np.abs(slopes).max() > 1e-3


def test_many_rows_of_numpys_are_one_row_of_jaxs_each(row):
    wl, rings, buses = jax.tree.map(np.asarray, row)
    many = [jax.tree.map(lambda leaf: np.stack([leaf, leaf[..., ::-1]]), part) for part in (rings, buses)]
    shifts, ratio = np.asarray(SHIFTS[:2]), np.array([RATIO, 1.1])
    prepared = prepare_row(np.stack([wl, wl]), *many)
    alone, (whole, slopes) = balanced(prepared, shifts, ratio), balanced_and_slopes(prepared, shifts, ratio)
    swept = balanced_alone(prepared, shifts, np.linspace(-200.0, 200.0, 7)[:, None, None] * np.ones((2, RINGS)), ratio)
    assert np.array_equal(alone, whole)
    for n in range(2):
        one = prepare_row(jnp.asarray(wl), *jax.tree.map(lambda leaf, n=n: jnp.asarray(leaf[n]), tuple(many)))
        theirs, their_slopes = balanced_and_slopes(one, jnp.asarray(shifts[n]), jnp.asarray(ratio[n]))
        points = jnp.linspace(-200.0, 200.0, 7)[:, None] * jnp.ones(RINGS)
        their_curves = balanced_alone(one, jnp.asarray(shifts[n]), points, jnp.asarray(ratio[n]))
        assert whole[n] == pytest.approx(np.asarray(theirs), abs=1e-11)
        assert slopes[:, n] == pytest.approx(np.asarray(their_slopes), abs=1e-11)
        assert swept[:, n] == pytest.approx(np.asarray(their_curves), abs=1e-11)
