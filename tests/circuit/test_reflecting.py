"""The row with backscatter and reflecting ends before four judges: laws, its limits, the SAX netlist, differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.reflecting import (
    EndReflectors,
    RowReflections,
    end_reflectors,
    no_reflections,
    reflecting_row,
)
from prism_photonics.circuit.row import bank_fields, bank_powers, bank_powers_shifted, bank_weights, row_response
from prism_photonics.circuit.saxreflecting import sax_reflecting_row
from prism_photonics.lightpath.ring.backscatter import Backscatter
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.waveguide.model import PathParams

FIELDS = ("through", "drop", "reflected")


@eqx.filter_jit
def respond(wl, rings, buses, shift_pm, reflections):
    return reflecting_row(wl, rings, buses, shift_pm=shift_pm, reflections=reflections)


def random_reflections(count, *, seed=0, reflectors=1, conservative=False):
    """Two unequal coefficients of every ring, and reflectors of up to a quarter of the power at some distance."""
    rng = np.random.default_rng(100 + seed)
    uniform = lambda low, high, *shape: jnp.asarray(rng.uniform(low, high, shape))  # noqa: E731
    one, other = (uniform(0.5, 40.0, count) * jnp.exp(1j * uniform(0.0, 6.28, count)) for _ in range(2))
    shape = (4, reflectors)
    way = PathParams(
        uniform(10.0, 500.0, *shape), uniform(10.0, 600.0, *shape), uniform(0.8, 1.0, *shape),
        uniform(0.0, 6.28, *shape), jnp.full(shape, 1.55),
    )  # fmt: skip
    ends = EndReflectors(way, uniform(0.0, 0.5, *shape), uniform(0.0, 6.28, *shape))
    return RowReflections(Backscatter(one, one.conj() if conservative else other), ends)


def largest(ours, theirs):
    return max(float(np.abs(getattr(ours, name) - getattr(theirs, name)).max()) for name in FIELDS)


# ---------------------------------------------------------------- second road


@pytest.mark.parametrize(("count", "seed", "reflectors"), [(2, 0, 2), (8, 2, 1), (32, 4, 1)])
def test_the_row_solver_and_the_sax_netlist_give_the_same_complex_fields(random_row, count, seed, reflectors):
    wl, rings, buses, shift_pm = random_row(count, seed=seed, points=12)
    reflections = random_reflections(count, seed=seed, reflectors=reflectors)
    ours = respond(wl, rings, buses, shift_pm, reflections)
    theirs = sax_reflecting_row(wl, rings, buses, shift_pm=shift_pm, reflections=reflections)
    assert largest(ours, theirs) < 1e-9
    assert np.abs(theirs.reflected).max() > 0.1


# ---------------------------------------------------------------- laws


def lossless(random_row, *, seed, count=5):
    """A row that loses nothing: nor does light leave by the drop bus's far end, which reflects all of it."""
    wl, rings, buses, shift_pm = random_row(count, seed=seed, points=24)
    reflections = random_reflections(count, seed=seed, conservative=True)
    rings = eqx.tree_at(lambda r: r.a, rings, jnp.ones(count))
    buses = eqx.tree_at(lambda b: b.amplitude, buses, jnp.ones((2, count + 1)))
    ends = eqx.tree_at(
        lambda e: (e.way.amplitude, e.amplitude),
        reflections.ends,
        (jnp.ones((4, 1)), reflections.ends.amplitude.at[3, 0].set(1.0)),
    )
    return wl, rings, buses, shift_pm, RowReflections(reflections.backscatter, ends)


def total_power(fields):
    return sum(np.abs(getattr(fields, name)) ** 2 for name in FIELDS)


@pytest.mark.parametrize("seed", range(2))
def test_a_lossless_row_gives_out_exactly_the_power_that_it_takes_in(random_row, seed):
    power = total_power(respond(*lossless(random_row, seed=seed)))
    assert power == pytest.approx(np.ones(power.shape), abs=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_a_row_gives_out_no_more_power_than_it_takes_in(random_row, seed):
    wl, rings, buses, shift_pm = random_row(5, seed=seed, points=24)
    reflections = random_reflections(5, seed=seed, conservative=True)
    power = total_power(respond(wl, rings, buses, shift_pm, reflections))
    assert power.max() <= 1 + 1e-12
    assert power.min() < 0.9


@pytest.mark.parametrize("seed", range(2))
def test_light_passes_a_row_from_either_side_alike(random_row, seed):
    """Turned round, the row stands on its head: last ring first, and each ring's two directions exchanged."""
    wl, rings, buses, shift_pm = random_row(5, seed=seed)
    there = random_reflections(5, seed=seed)
    turned = lambda leaf: leaf[..., ::-1]  # noqa: E731
    scatter = Backscatter(turned(there.backscatter.to_cw_pm), turned(there.backscatter.to_ccw_pm))
    swapped = jax.tree.map(lambda leaf: leaf[jnp.asarray([1, 0, 3, 2])], there.ends)
    back = RowReflections(scatter, swapped)
    ours = respond(wl, rings, buses, shift_pm, there)
    theirs = respond(wl, *jax.tree.map(turned, (rings, buses, shift_pm)), back)
    assert np.abs(ours.through - theirs.through).max() < 1e-12
    assert np.abs(ours.drop - theirs.drop).max() > 1e-3


# ---------------------------------------------------------------- limits


def test_without_anything_that_reflects_it_is_the_row_of_one_way_light(random_row):
    row = random_row(5, seed=2)
    ours, plain = respond(*row, no_reflections((5,))), row_response(*row)
    assert np.abs(ours.through - plain.through).max() < 1e-11
    assert np.abs(ours.drop - plain.drop).max() < 1e-11
    assert np.array_equal(ours.reflected, np.zeros(row[0].shape))


def test_a_row_that_names_no_reflections_compiles_to_nothing_of_what_reflects(random_row, small, monkeypatch):
    """Neither a row nor a bank that names none: their programs are those of one-way light, a loop without a case."""

    def refused(*arguments, **more):
        raise AssertionError("a row without reflections was solved with them")

    monkeypatch.setattr("prism_photonics.circuit.row.reflecting_row", refused)
    wl, *row = random_row(5, seed=3)
    bank, shift_pm = designed_bank(small), jnp.zeros((2, 1, 3))
    programs = (jax.make_jaxpr(row_response)(wl, *row), jax.make_jaxpr(bank_powers_shifted)(bank, shift_pm))
    for program in programs:
        assert "scan[" in str(program)
        assert "cond[" not in str(program)
    monkeypatch.undo()
    ends = no_reflections((5,))
    assert "cond[" in str(jax.make_jaxpr(lambda wl, *row: row_response(wl, *row, reflections=ends))(wl, *row))


def test_a_facet_before_a_bare_bus_makes_a_cavity_of_airys_transmission():
    r, wl = 0.3, jnp.linspace(1.549, 1.551, 201)
    bus = PathParams(
        jnp.full((2, 2), 960.0), jnp.full((2, 2), 1150.0), jnp.ones((2, 2)), jnp.zeros((2, 2)), jnp.full((2, 2), 1.55)
    )
    ring = RingParams(*(jnp.asarray([value]) for value in (1.0, 1.0, 1.0, 246.0, 291.0, 0.0, 0.0, 0.0, 1.55)))
    ends = end_reflectors(jnp.asarray([r, r, 0.0, 0.0]), jnp.zeros(4))
    reflections = RowReflections(no_reflections((1,)).backscatter, ends)
    fields = respond(wl, ring, bus, jnp.zeros(1), reflections)
    turn = 2 * 2 * np.pi / wl * (1920.0 - (2300.0 - 1920.0) * (wl - 1.55) / 1.55)
    airy = (1 - r**2) ** 2 / np.abs(1 - r**2 * np.exp(1j * turn)) ** 2
    assert np.abs(np.abs(fields.through) ** 2 - airy).max() < 1e-12
    assert np.ptp(airy) > 0.25


def test_at_a_wavelength_that_is_none_there_are_no_fields(random_row):
    wl, rings, buses, shift_pm = random_row(5)
    fields = respond(wl.at[3].set(0.0), rings, buses, shift_pm, no_reflections((5,)))
    assert np.isnan(np.asarray(fields.through)).any()


# ---------------------------------------------------------------- gradient


def test_the_gradient_by_all_that_reflects_is_that_of_finite_differences(random_row):
    wl, rings, buses, shift_pm = random_row(3, points=6)
    reflections = random_reflections(3, reflectors=1)
    share = jnp.asarray(np.random.default_rng(1).normal(size=(3, wl.size)))

    @jax.jit
    def of(splitting_pm, phase_rad, amplitude, end_phase_rad):
        there = RowReflections(
            Backscatter.conservative(splitting_pm, phase_rad),
            EndReflectors(reflections.ends.way, amplitude, end_phase_rad),
        )
        fields = respond(wl, rings, buses, shift_pm, there)
        return sum(
            jnp.sum(line * jnp.abs(getattr(fields, name)) ** 2) for line, name in zip(share, FIELDS, strict=True)
        )

    at = (jnp.asarray([3.0, 10.0, 0.7]), jnp.asarray([0.3, 2.0, 4.0]), reflections.ends.amplitude, jnp.ones((4, 1)))
    slopes = jax.jit(jax.grad(of, argnums=(0, 1, 2, 3)))(*at)
    for n, slope in enumerate(slopes):
        toward = jnp.asarray(np.random.default_rng(n).normal(size=slope.shape))
        moved = lambda step, n=n, toward=toward: [x + step * toward if k == n else x for k, x in enumerate(at)]  # noqa: E731
        step = 1e-4 if n == 0 else 1e-6
        difference = float(of(*moved(step)) - of(*moved(-step))) / (2 * step)
        assert float(jnp.sum(slope * toward)) == pytest.approx(difference, rel=1e-5), n


def test_the_gradient_exists_where_nothing_is_split(random_row):
    wl, rings, buses, shift_pm = random_row(3, points=6)
    ends = random_reflections(3).ends

    @jax.jit
    @jax.grad
    def slope(splitting_pm):
        there = RowReflections(Backscatter.conservative(splitting_pm, jnp.ones(3)), ends)
        return jnp.sum(jnp.abs(respond(wl, rings, buses, shift_pm, there).through) ** 2)

    assert np.isfinite(np.asarray(slope(jnp.zeros(3)))).all()


# ---------------------------------------------------------------- banks


def test_powers_weights_and_fields_of_a_bank_see_its_reflections(small):
    bank, volts = designed_bank(small), jnp.asarray(np.random.default_rng(8).uniform(-10, 10, (2, 3)))
    shape = bank.rings.t1.shape
    ends = end_reflectors(jnp.full((*shape[:-1], 4), 0.1), jnp.zeros((*shape[:-1], 4)))
    split = RowReflections(Backscatter.conservative(jnp.full(shape, 20.0), jnp.zeros(shape)), ends)
    seen = eqx.tree_at(lambda b: b.reflections, bank, split, is_leaf=lambda leaf: leaf is None)
    seen_by = eqx.filter_jit(lambda bank: (bank_powers(bank, volts), bank_weights(bank, volts)))
    fields_of = eqx.filter_jit(lambda bank: bank_fields(bank, bank.wl_um, volts))
    ((through, drop), weights), fields = seen_by(seen), fields_of(seen)
    arriving = np.abs(np.asarray(bank.feed.amplitude))[..., None] ** 2
    assert np.asarray(weights) == pytest.approx(np.asarray(through - drop), abs=1e-14)
    assert np.abs(fields.through) ** 2 == pytest.approx(arriving * np.asarray(through)[:, None], rel=1e-9)
    assert np.abs(weights - seen_by(bank)[1]).max() > 1e-3
