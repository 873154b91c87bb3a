"""The prepared row in two polarisations against the row solver: the same powers, slopes of calculus, a ring alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit import prepared_reflecting
from prism_photonics.circuit.polarized import TwoPolarizations, detected_powers, prepare_polarized_row
from prism_photonics.circuit.prepared_polarized import balanced, balanced_alone, balanced_and_slopes
from prism_photonics.circuit.reflecting import EndReflectors, RowReflections
from prism_photonics.lightpath.ring.backscatter import Backscatter
from prism_photonics.lightpath.ring.dispersion import RingDispersion
from prism_photonics.lightpath.ring.polarization import SecondPolarization
from prism_photonics.lightpath.waveguide.model import PathParams

RINGS, RATIO = 4, np.asarray(0.93)
SHIFTS = np.random.default_rng(1).normal(0.0, 80.0, (4, RINGS))


def random_parts(random_row, seed):
    """Rings, buses, reflections, TM and dispersion of a row in which everything is there."""
    _, rings, buses, _ = jax.tree.map(np.asarray, random_row(RINGS, seed=seed))
    _, tm, tm_buses, _ = jax.tree.map(np.asarray, random_row(RINGS, seed=seed + 1))
    rng = np.random.default_rng(seed + 2)
    one, other = (rng.uniform(1.0, 30.0, RINGS) * np.exp(1j * rng.uniform(0.0, 6.28, RINGS)) for _ in range(2))
    bounds = ((10.0, 500.0), (10.0, 600.0), (0.8, 1.0), (0.0, 6.0))
    opl_um, gpl_um, amplitude, phase_rad = (rng.uniform(low, high, (4, 1)) for low, high in bounds)
    way = PathParams(opl_um, gpl_um, amplitude, phase_rad, np.full((4, 1), 1.55))
    ends = EndReflectors(way, rng.uniform(0.1, 0.4, (4, 1)), rng.uniform(0.0, 6.28, (4, 1)))
    rings_tm = SecondPolarization(tm, rng.uniform(0.05, 0.3, RINGS), rng.uniform(0.3, 0.4, RINGS))
    dispersion = RingDispersion(*(scale * rng.standard_normal(RINGS) for scale in (100.0, 5.0, 5.0)))
    return (
        (rings, buses, RowReflections(Backscatter(one, other), ends)),
        {"second": TwoPolarizations(rings_tm, tm_buses, detected=0.6), "dispersion": dispersion},
    )


@pytest.fixture(scope="module")
def wl():
    return 1.546 + 0.001 * np.arange(RINGS)


@pytest.fixture(scope="module")
def prepared(random_row, wl):
    parts, more = random_parts(random_row, 5)
    return prepare_polarized_row(wl, *parts, **more)


def wanted(row, shift_pm):
    through, drop = detected_powers(row, shift_pm)
    return through - RATIO * drop


def test_readings_are_those_of_the_row_solver_and_slopes_those_of_differences(prepared):
    for shift_pm in SHIFTS:
        ours, slopes = balanced_and_slopes(prepared, shift_pm, RATIO)
        assert ours == pytest.approx(wanted(prepared, shift_pm), abs=1e-12)
        assert balanced(prepared, shift_pm, RATIO) == pytest.approx(ours, abs=1e-12)
        for ring, step in enumerate(1e-3 * np.eye(RINGS)):
            by = (wanted(prepared, shift_pm + step) - wanted(prepared, shift_pm - step)) / 2e-3
            assert slopes[ring] == pytest.approx(by, rel=1e-6, abs=1e-9)
        # Neighbours are felt, through the echoes too: they are not mere zeros.
        assert np.abs(slopes - np.diag(np.diagonal(slopes))).max() > 1e-4


def test_a_ring_swept_alone_is_the_row_with_that_ring_moved(prepared):
    swept_pm = np.linspace(-200.0, 200.0, 5)[:, None] * np.ones(RINGS)
    alone = balanced_alone(prepared, SHIFTS[0], swept_pm, RATIO)
    for point, shifts in enumerate(swept_pm):
        for ring in range(RINGS):
            moved = SHIFTS[0].copy()
            moved[ring] = shifts[ring]
            assert alone[point, ring] == pytest.approx(wanted(prepared, moved)[ring], abs=1e-11)


def test_without_conversion_it_is_the_prepared_row_of_one_polarization(random_row, wl):
    parts, more = random_parts(random_row, 5)
    second = more["second"]
    still = replace(second, rings=replace(second.rings, conversion_rad=np.zeros(RINGS)))
    ours = balanced_and_slopes(
        prepare_polarized_row(wl, *parts, second=still, dispersion=more["dispersion"]), SHIFTS[2], RATIO
    )
    row = prepared_reflecting.prepare_reflecting_row(wl, *parts, dispersion=more["dispersion"])
    plain = prepared_reflecting.balanced_and_slopes(row, SHIFTS[2], RATIO)
    assert ours[0] == pytest.approx(plain[0], abs=1e-11)
    assert ours[1] == pytest.approx(plain[1], rel=1e-7, abs=1e-10)


def test_many_rows_of_numpys_are_one_row_of_jaxs_each(random_row, wl):
    one, other = (random_parts(random_row, seed) for seed in (5, 11))
    parts, more = jax.tree.map(lambda *leaves: np.stack(leaves), one, other)
    shifts, ratio = SHIFTS[:2], np.array([0.93, 1.1])
    prepared = prepare_polarized_row(np.stack([wl, wl]), *parts, **more)
    whole, slopes = balanced_and_slopes(prepared, shifts, ratio)
    swept = balanced_alone(prepared, shifts, np.linspace(-99.0, 99.0, 3)[:, None, None] * np.ones((2, RINGS)), ratio)

    @jax.jit
    def at_once(row, shift, points, ratio):
        return balanced_and_slopes(row, shift, ratio), balanced_alone(row, shift, points, ratio)

    for n, (parts, more) in enumerate((one, other)):
        row = prepare_polarized_row(
            jnp.asarray(wl), *jax.tree.map(jnp.asarray, parts), **jax.tree.map(jnp.asarray, more)
        )
        points = jnp.linspace(-99.0, 99.0, 3)[:, None] * jnp.ones(RINGS)
        (theirs, their_slopes), curves = at_once(row, jnp.asarray(shifts[n]), points, jnp.asarray(ratio[n]))
        assert whole[n] == pytest.approx(np.asarray(theirs), abs=1e-11)
        assert slopes[:, n] == pytest.approx(np.asarray(their_slopes), abs=1e-11)
        assert swept[:, n] == pytest.approx(np.asarray(curves), abs=1e-11)
