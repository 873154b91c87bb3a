"""The exact row before four judges: passivity, its limits, the SAX netlist, finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.params import BankParams, designed_bank
from prism_photonics.circuit.row import bank_fields, bank_powers, bank_weights, row_response
from prism_photonics.circuit.saxrow import max_field_error, sax_row_response
from prism_photonics.lightpath.ring.model import fwhm_pm, ring_fields
from prism_photonics.lightpath.waveguide.model import transmission

respond = eqx.filter_jit(row_response)


@pytest.fixture(scope="module")
def bank(small):
    """The small bank, scattered by hand."""
    rng = np.random.default_rng(7)
    bank = designed_bank(small)
    shape = bank.rings.t1.shape
    return eqx.tree_at(
        lambda b: (b.rings.offset_pm, b.rings.curvature_pm_V2, b.rings.a, b.buses.phase_rad),
        bank,
        (
            jnp.asarray(rng.normal(0, 20, shape)),
            jnp.asarray(rng.normal(0, 0.05, shape)),
            jnp.asarray(rng.uniform(0.99, 1.0, shape)),
            jnp.asarray(rng.uniform(0, 2 * np.pi, bank.buses.phase_rad.shape)),
        ),
    )


@pytest.fixture(scope="module")
def volts():
    return jnp.asarray(np.random.default_rng(8).uniform(-10, 10, (2, 3)))


# ---------------------------------------------------------------- second road


@pytest.mark.parametrize(("count", "seed"), [(2, 0), (2, 1), (8, 2), (8, 3), (32, 4)])
def test_the_row_solver_and_the_sax_netlist_give_the_same_complex_fields(random_row, count, seed):
    row = random_row(count, seed=seed)
    ours, theirs = respond(*row), sax_row_response(*row)
    assert max_field_error(ours, theirs) < 1e-9
    assert np.abs(theirs.drop).max() > 0.05


def test_the_largest_difference_of_two_fields_is_found_in_either_of_them(random_row):
    ours = respond(*random_row(2))
    for change in (lambda f: f.through, lambda f: f.drop):
        other = eqx.tree_at(change, ours, replace_fn=lambda leaf: leaf.at[3].add(0.25j))
        assert max_field_error(ours, other) == pytest.approx(0.25)


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("seed", range(4))
def test_a_row_gives_out_no_more_power_than_it_takes_in(random_row, seed):
    fields = respond(*random_row(8, seed=seed, points=400))
    assert (np.abs(fields.through) ** 2 + np.abs(fields.drop) ** 2).max() <= 1 + 1e-12


def test_a_lossless_row_without_light_from_the_far_end_loses_nothing_but_the_far_ports_share(random_row):
    # Two equal lossless rings: what is neither through nor drop leaves by the drop bus's far end, fed only by drop_bus.
    wl, rings, buses, shift_pm = random_row(1, points=200)
    rings = eqx.tree_at(lambda r: r.a, rings, jnp.ones(1))
    buses = eqx.tree_at(lambda b: b.amplitude, buses, jnp.ones((2, 2)))
    fields = respond(wl, rings, buses, shift_pm)
    power = np.abs(fields.through) ** 2 + np.abs(fields.drop) ** 2
    assert power == pytest.approx(np.ones(power.shape), abs=1e-10)


def test_a_weight_lies_between_minus_one_and_one(bank, volts):
    weights = np.asarray(bank_weights(bank, volts))
    assert weights.shape == (2, 3)
    assert (np.abs(weights) <= 1).all()


# ---------------------------------------------------------------- limits


def test_a_row_of_one_ring_is_the_ring_between_its_bus_stubs(random_row):
    wl, rings, buses, shift_pm = random_row(1)
    fields = respond(wl, rings, buses, shift_pm)
    ring = ring_fields(wl, jax.tree.map(lambda leaf: leaf[0], rings), shift_pm[0])
    bus = jax.vmap(jax.vmap(lambda segment: transmission(wl, segment)))(buses)
    assert np.abs(fields.through - bus[0, 0] * ring.through * bus[0, 1]).max() < 1e-12
    assert np.abs(fields.drop - bus[0, 0] * ring.drop * bus[1, 0]).max() < 1e-12


def test_without_coupling_the_row_is_two_bare_buses(random_row):
    wl, rings, buses, shift_pm = random_row(8)
    rings = eqx.tree_at(lambda r: (r.t1, r.t2), rings, (jnp.ones(8), jnp.ones(8)))
    fields = respond(wl, rings, buses, shift_pm)
    assert np.array_equal(np.abs(fields.drop), np.zeros(wl.shape))
    assert np.abs(fields.through) == pytest.approx(np.full(wl.shape, float(buses.amplitude[0].prod())), rel=1e-9)


def test_neighbours_without_coupling_leave_a_single_ring(random_row):
    wl, rings, buses, shift_pm = random_row(8)
    alone = jnp.arange(8) == 5
    rings = eqx.tree_at(
        lambda r: (r.t1, r.t2), rings, (jnp.where(alone, rings.t1, 1.0), jnp.where(alone, rings.t2, 1.0))
    )
    buses = eqx.tree_at(lambda b: b.amplitude, buses, jnp.ones((2, 9)))
    fields = respond(wl, rings, buses, shift_pm)
    ring = ring_fields(wl, jax.tree.map(lambda leaf: leaf[5], rings), shift_pm[5])
    assert np.abs(np.abs(fields.through) - np.abs(ring.through)).max() < 1e-12
    assert np.abs(np.abs(fields.drop) - np.abs(ring.drop)).max() < 1e-12


def test_the_further_apart_the_channels_the_more_each_weight_is_its_own_rings(random_row):
    """The disturbance is first order in the neighbour's field, so it falls with one over the spacing."""
    wl0, count, draws = 1.55, 4, 200
    _, rings, buses, _ = random_row(count)
    # Sharp rings of a short path: one free spectral range is thousands of linewidths.
    ones = jnp.ones(count)
    rings = eqx.tree_at(
        lambda r: (r.t1, r.t2, r.a, r.opl_um, r.gpl_um),
        rings,
        (0.9995 * ones, 0.9995 * ones, ones, 20 * wl0 * ones, 24 * wl0 * ones),
    )
    buses = eqx.tree_at(lambda b: b.amplitude, buses, jnp.ones((2, count + 1)))
    width_pm = float(fwhm_pm(rings)[0])
    rng = np.random.default_rng(5)
    phases = jnp.asarray(rng.uniform(0, 2 * np.pi, (draws, 2, count + 1)))
    own_shift = jnp.asarray(rng.uniform(-2, 2, (draws, count)) * width_pm)
    single = jax.vmap(lambda r, s: ring_fields(wl0, r, s))
    alone = jax.vmap(lambda s: single(rings, s))(own_shift)
    own_weight = np.abs(alone.through) ** 2 - np.abs(alone.drop) ** 2

    @jax.jit
    def error_rms(spacing_pm):
        def at_channel(phase, shift, channel):
            segments = eqx.tree_at(lambda b: b.phase_rad, buses, phase)
            detuned = shift + spacing_pm * (jnp.arange(count) - channel)
            fields = row_response(jnp.asarray([wl0]), rings, segments, detuned)
            return (jnp.abs(fields.through) ** 2 - jnp.abs(fields.drop) ** 2)[0]

        over_channels = jax.vmap(at_channel, in_axes=(None, None, 0))
        weights = jax.vmap(over_channels, in_axes=(0, 0, None))(phases, own_shift, jnp.arange(count))
        return jnp.sqrt(jnp.mean((weights - own_weight) ** 2))

    near, middle, far = (float(error_rms(width_pm * linewidths)) for linewidths in (10.0, 40.0, 160.0))
    assert 0.01 < near < 0.2
    assert near / middle == pytest.approx(4, rel=0.2)
    assert middle / far == pytest.approx(4, rel=0.2)


# ---------------------------------------------------------------- gradient

STEPS = {
    "t1": 1e-6,
    "t2": 1e-6,
    "a": 1e-6,
    "opl_um": 1e-7,
    "gpl_um": 1e-4,
    "offset_pm": 1e-3,
    "slope_pm_V": 1e-4,
    "curvature_pm_V2": 1e-6,
}


@pytest.fixture(scope="module")
def readings():
    """A scalar of all weights, and its gradient."""
    share = jnp.asarray(np.random.default_rng(3).normal(size=(2, 3)))
    of = eqx.filter_jit(lambda bank, volts: jnp.sum(share * bank_weights(bank, volts)))
    slopes = eqx.filter_jit(eqx.filter_grad(lambda both: jnp.sum(share * bank_weights(*both))))
    return of, slopes


@pytest.mark.parametrize("name", STEPS)
def test_the_gradient_by_ring_parameters_is_that_of_finite_differences(bank, volts, readings, name):
    of, slopes = readings
    gradient = getattr(slopes((bank, volts))[0].rings, name)
    toward = jnp.asarray(np.random.default_rng(1).normal(size=gradient.shape))
    moved = lambda step: eqx.tree_at(lambda b: getattr(b.rings, name), bank, replace_fn=lambda x: x + step * toward)  # noqa: E731
    step = STEPS[name]
    difference = float(of(moved(step), volts) - of(moved(-step), volts)) / (2 * step)
    assert float(jnp.sum(gradient * toward)) == pytest.approx(difference, rel=1e-5)


def test_the_gradient_by_every_voltage_is_that_of_finite_differences(bank, volts, readings):
    of, slopes = readings
    gradient = slopes((bank, volts))[1]
    for ring in np.ndindex(2, 3):
        difference = float(of(bank, volts.at[ring].add(1e-4)) - of(bank, volts.at[ring].add(-1e-4))) / 2e-4
        assert float(gradient[ring]) == pytest.approx(difference, rel=1e-5, abs=1e-9), ring


def test_the_gradient_by_the_bus_phases_is_that_of_finite_differences(bank, volts, readings):
    of, slopes = readings
    gradient = slopes((bank, volts))[0].buses.phase_rad
    toward = jnp.asarray(np.random.default_rng(2).normal(size=gradient.shape))
    moved = lambda step: eqx.tree_at(lambda b: b.buses.phase_rad, bank, replace_fn=lambda x: x + step * toward)  # noqa: E731
    difference = float(of(moved(1e-5), volts) - of(moved(-1e-5), volts)) / 2e-5
    assert float(jnp.sum(gradient * toward)) == pytest.approx(difference, rel=1e-5)


# ---------------------------------------------------------------- compiled, batched, alike


def test_compiled_and_batched_banks_give_the_same_weights(bank, volts):
    plain = np.asarray(bank_weights(bank, volts))
    pages = jnp.stack([volts, -volts])
    assert np.asarray(eqx.filter_jit(bank_weights)(bank, volts)) == pytest.approx(plain, abs=1e-12)
    batched = eqx.filter_jit(jax.vmap(bank_weights, in_axes=(None, 0)))(bank, pages)
    assert np.asarray(batched[0]) == pytest.approx(plain, abs=1e-12)


def test_powers_weights_and_fields_tell_the_same_story(bank, volts):
    through, drop = bank_powers(bank, volts)
    fields = bank_fields(bank, bank.wl_um, volts)
    arriving = np.abs(np.asarray(bank.feed.amplitude))[..., None] ** 2
    assert fields.through.shape == (2, 1, 3)
    assert np.asarray(bank_weights(bank, volts)) == pytest.approx(np.asarray(through - drop), abs=1e-14)
    assert np.abs(fields.through) ** 2 == pytest.approx(arriving * np.asarray(through)[:, None], rel=1e-9)
    assert np.abs(fields.drop) ** 2 == pytest.approx(arriving * np.asarray(drop)[:, None], rel=1e-9)


def test_rows_do_not_see_each_other(bank, volts):
    other = bank_weights(bank, volts.at[1].set(0.0))
    assert np.array_equal(other[0], bank_weights(bank, volts)[0])


def test_buses_do_not_see_each_other_and_their_rings_follow_one_another(small, two_bus):
    one, two = designed_bank(small), designed_bank(two_bus)
    own, other = (jnp.asarray(np.random.default_rng(seed).uniform(-10, 10, (2, 3))) for seed in (1, 2))
    weights = np.asarray(bank_weights(two, jnp.concatenate([own, other], axis=1)))
    assert weights.shape == (2, 6)
    assert weights[:, :3] == pytest.approx(np.asarray(bank_weights(one, own)), abs=1e-12)
    assert weights[:, 3:] == pytest.approx(np.asarray(bank_weights(one, other)), abs=1e-12)
    moved = np.asarray(bank_weights(two, jnp.concatenate([own, -other], axis=1)))
    assert np.array_equal(moved[:, :3], weights[:, :3])
    slope = jax.jacrev(lambda v: bank_weights(two, v)[0, :3])(jnp.concatenate([own, other], axis=1))
    assert np.array_equal(slope[:, :, 3:], np.zeros((3, 2, 3)))


def test_everything_is_computed_in_double_precision(bank, volts):
    assert bank_weights(bank, volts).dtype == jnp.float64
    assert isinstance(bank, BankParams)
