"""The prepared row with reflections against the row solver: the same powers, slopes of calculus, a ring swept alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.prepared import balanced_and_slopes as plain_balanced_and_slopes
from prism_photonics.circuit.prepared import prepare_row
from prism_photonics.circuit.prepared_reflecting import (
    balanced,
    balanced_alone,
    balanced_and_slopes,
    exit_powers,
    prepare_reflecting_row,
)
from prism_photonics.circuit.reflecting import EndReflectors, RowReflections, no_reflections, reflecting_row
from prism_photonics.lightpath.ring.backscatter import Backscatter
from prism_photonics.lightpath.waveguide.model import PathParams

RINGS, RATIO = 4, 0.93
SHIFTS = np.random.default_rng(1).normal(0.0, 80.0, (4, RINGS))


@pytest.fixture(scope="module")
def row(random_row):
    """Four rings near their channels, both coefficients of each, and a reflector at every end."""
    _, rings, buses, _ = random_row(RINGS, seed=5)
    rng = np.random.default_rng(6)
    uniform = lambda low, high, *shape: jnp.asarray(rng.uniform(low, high, shape))  # noqa: E731
    one, other = (uniform(1.0, 30.0, RINGS) * jnp.exp(1j * uniform(0.0, 6.28, RINGS)) for _ in range(2))
    shape = (4, 1)
    way = PathParams(
        uniform(10.0, 500.0, *shape), uniform(10.0, 600.0, *shape), jnp.ones(shape), jnp.zeros(shape),
        jnp.full(shape, 1.55),
    )  # fmt: skip
    ends = EndReflectors(way, uniform(0.1, 0.4, *shape), uniform(0.0, 6.28, *shape))
    wl = 1.546 + 0.001 * jnp.arange(RINGS)
    return wl, rings, buses, RowReflections(Backscatter(one, other), ends)


@pytest.fixture(scope="module")
def exact(row):
    wl, rings, buses, reflections = row

    @jax.jit
    def powers(shift_pm):
        fields = reflecting_row(wl, rings, buses, shift_pm=shift_pm, reflections=reflections)
        return jnp.stack([jnp.abs(fields.through) ** 2, jnp.abs(fields.drop) ** 2])

    return powers


@pytest.fixture(scope="module")
def derivative(exact):
    return jax.jit(jax.jacfwd(exact))


def test_powers_and_slopes_are_those_of_the_row_solver_and_of_automatic_differentiation(row, exact, derivative):
    prepared = prepare_reflecting_row(*jax.tree.map(np.asarray, row))
    for shift_pm in SHIFTS:
        ours, slopes = balanced_and_slopes(prepared, shift_pm, np.asarray(RATIO))
        through, drop = np.asarray(exact(jnp.asarray(shift_pm)))
        by_through, by_drop = np.asarray(derivative(jnp.asarray(shift_pm)))
        assert ours == pytest.approx(through - RATIO * drop, abs=1e-10)
        assert pytest.approx(by_through - RATIO * by_drop, abs=1e-10) == slopes.T
        assert balanced(prepared, shift_pm, np.asarray(RATIO)) == pytest.approx(ours, abs=1e-14)
        # Neighbours are felt, through the echoes too: they are not mere zeros.
        assert np.abs(slopes - np.diag(np.diagonal(slopes))).max() > 1e-4


def test_the_slope_by_a_shift_that_all_rings_share_is_the_sum_of_their_slopes(row, exact, derivative):
    ours, slopes = exit_powers(prepare_reflecting_row(*jax.tree.map(np.asarray, row)), SHIFTS[0])
    assert ours == pytest.approx(np.asarray(exact(jnp.asarray(SHIFTS[0]))), abs=1e-10)
    assert slopes == pytest.approx(np.asarray(derivative(jnp.asarray(SHIFTS[0]))).sum(-1), abs=1e-10)


def test_the_slopes_are_those_of_finite_differences(row):
    prepared = prepare_reflecting_row(*jax.tree.map(np.asarray, row))
    _, slopes = balanced_and_slopes(prepared, SHIFTS[1], np.asarray(RATIO))
    for ring, step in enumerate(1e-3 * np.eye(RINGS)):
        up, down = (balanced(prepared, SHIFTS[1] + sign * step, np.asarray(RATIO)) for sign in (1.0, -1.0))
        assert slopes[ring] == pytest.approx((up - down) / 2e-3, rel=1e-5, abs=1e-9)


def test_a_ring_swept_alone_is_the_row_with_that_ring_moved(row, exact):
    swept_pm = np.linspace(-200.0, 200.0, 5)[:, None] * np.ones(RINGS)
    prepared = prepare_reflecting_row(*jax.tree.map(np.asarray, row))
    alone = balanced_alone(prepared, SHIFTS[0], swept_pm, np.asarray(RATIO))
    for point, shifts in enumerate(swept_pm):
        for ring in range(RINGS):
            moved = SHIFTS[0].copy()
            moved[ring] = shifts[ring]
            through, drop = np.asarray(exact(jnp.asarray(moved)))
            assert alone[point, ring] == pytest.approx(through[ring] - RATIO * drop[ring], abs=1e-10)


def test_without_reflections_it_is_the_prepared_row_of_one_way_light(row):
    wl, rings, buses, _ = jax.tree.map(np.asarray, row)
    nothing = jax.tree.map(np.asarray, no_reflections((RINGS,)))
    ours = balanced_and_slopes(prepare_reflecting_row(wl, rings, buses, nothing), SHIFTS[2], np.asarray(RATIO))
    plain = plain_balanced_and_slopes(prepare_row(wl, rings, buses), SHIFTS[2], np.asarray(RATIO))
    assert ours[0] == pytest.approx(plain[0], abs=1e-12)
    assert ours[1] == pytest.approx(plain[1], abs=1e-12)


def test_many_rows_of_numpys_are_one_row_of_jaxs_each(row):
    wl, *parts = jax.tree.map(np.asarray, row)
    other = [jax.tree.map(lambda leaf: leaf[..., ::-1], part) for part in parts[:2]]
    other.append(RowReflections(jax.tree.map(lambda leaf: leaf[::-1], parts[2].backscatter), parts[2].ends))
    many = jax.tree.map(lambda *leaves: np.stack(leaves), tuple(parts), tuple(other))
    shifts, ratio = SHIFTS[:2], np.array([RATIO, 1.1])
    prepared = prepare_reflecting_row(np.stack([wl, wl]), *many)
    whole, slopes = balanced_and_slopes(prepared, shifts, ratio)
    swept = balanced_alone(prepared, shifts, np.linspace(-99.0, 99.0, 3)[:, None, None] * np.ones((2, RINGS)), ratio)
    at_once = jax.jit(lambda row, shift, ratio: balanced_and_slopes(row, shift, ratio))
    alone = jax.jit(balanced_alone)
    for n in range(2):
        one = prepare_reflecting_row(jnp.asarray(wl), *jax.tree.map(lambda leaf, n=n: jnp.asarray(leaf[n]), many))
        theirs, their_slopes = at_once(one, jnp.asarray(shifts[n]), jnp.asarray(ratio[n]))
        points = jnp.linspace(-99.0, 99.0, 3)[:, None] * jnp.ones(RINGS)
        assert whole[n] == pytest.approx(np.asarray(theirs), abs=1e-12)
        assert slopes[:, n] == pytest.approx(np.asarray(their_slopes), abs=1e-12)
        curves = alone(one, jnp.asarray(shifts[n]), points, jnp.asarray(ratio[n]))
        assert swept[:, n] == pytest.approx(np.asarray(curves), abs=1e-12)
