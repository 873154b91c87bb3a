"""The Vernier pair before four judges, energy, limits, a second road, finite differences; and how its rings couple."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from prism_photonics.lightpath.ring.model import RingParams, ring_fields
from prism_photonics.lightpath.vernier.coupling import vernier_angles
from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.lightpath.vernier.model import VernierParams, vernier_fields
from prism_photonics.lightpath.vernier.saxmodel import vernier
from prism_photonics.lightpath.waveguide.saxmodel import path
from prism_photonics.process.profile import load_profile
from prism_photonics.saxlib import sax

WL0 = 1.55


def make(t1=0.993, t12=0.9999, t2=0.992, a1=0.9996, a2=0.9995, opl1_um=160 * WL0, opl2_um=183 * WL0):
    leaves = (t1, t12, t2, a1, a2, opl1_um, opl2_um, 1.19 * opl1_um, 1.19 * opl2_um, WL0)
    shape = np.broadcast_shapes(*map(np.shape, leaves))
    return VernierParams(*(jnp.broadcast_to(jnp.asarray(leaf, dtype=float), shape) for leaf in leaves))


def random_pairs(count, seed, **fixed):
    rng = np.random.default_rng(seed)
    t1, t12, t2, a1, a2 = rng.uniform(0, 1, (5, count)) ** rng.choice([0.01, 1.0], (5, count))
    lengths = {"opl1_um": rng.uniform(200, 300, count), "opl2_um": rng.uniform(200, 300, count)}
    return make(**({"t1": t1, "t12": t12, "t2": t2, "a1": a1, "a2": a2} | lengths | fixed))


def transfer(fields):
    """The 2×2 matrix from what enters in the west to what leaves in the east, (pairs, out, in)."""
    through, drop, drop_bus = map(np.asarray, (fields.through, fields.drop, fields.drop_bus))
    return np.moveaxis(np.array([[through, drop], [drop, drop_bus]]), -1, 0)


@pytest.fixture(scope="module")
def profile():
    return load_profile("tfln600")


# ---------------------------------------------------------------- laws


def test_a_pair_never_gives_out_more_power_than_it_takes_in():
    gain = np.linalg.svd(transfer(vernier_fields(1.5437, random_pairs(2000, 0), 0.0, 20.0)), compute_uv=False)
    assert gain.max() <= 1 + 1e-12


def test_a_lossless_pair_is_unitary():
    s = transfer(vernier_fields(1.551, random_pairs(500, 1, a1=1.0, a2=1.0), 30.0, -10.0))
    assert np.abs(s @ s.conj().swapaxes(1, 2) - np.eye(2)).max() < 1e-9


def test_a_pair_is_reciprocal_and_drops_forward():
    s = sax.sdict(vernier(wl=jnp.linspace(1.549, 1.551, 11), t1=0.95, t12=0.99, t2=0.9, a1=0.99, a2=0.98))
    for (a, b), value in s.items():
        assert np.array_equal(value, s[b, a])
    assert ("o1", "o4") in s
    assert ("o1", "o3") not in s


# ---------------------------------------------------------------- limits


def test_rings_that_do_not_couple_drop_nothing_and_leave_ring_1_alone_on_its_bus():
    wl = jnp.linspace(1.54, 1.56, 500)
    fields = vernier_fields(wl, make(t12=1.0), 0.0, 0.0)
    assert np.array_equal(np.abs(fields.drop), np.zeros(500))
    leaves = (0.993, 1.0, 0.9996, 160 * WL0, 1.19 * 160 * WL0, 0.0, 0.0, 0.0, WL0)
    alone = ring_fields(wl, RingParams(*map(jnp.asarray, leaves)), 0.0)
    assert np.abs(fields.through - alone.through).max() < 1e-12


def test_with_the_rings_fully_coupled_their_halves_make_one_ring_that_drops_forward():
    # κ12 = 1: light changes rings at every pass, so it goes round the figure of eight, with j twice a round.
    wl = jnp.linspace(1.54, 1.56, 300)
    fields = vernier_fields(wl, make(t12=0.0), 0.0, 0.0)
    leaves = (0.993, 0.992, 0.9996 * 0.9995, 343 * WL0, 1.19 * 343 * WL0, 0.0, 0.0, 0.0, WL0)
    eight = RingParams(*map(jnp.asarray, leaves))
    half_order_pm = 0.5 * WL0 / eight.gpl_um * WL0 * 1e6
    once = ring_fields(wl, eight, half_order_pm)
    assert np.abs(np.abs(fields.through) - np.abs(once.through)).max() < 1e-3
    assert np.abs(np.abs(fields.drop) - np.abs(once.drop)).max() < 1e-3


def test_the_drop_is_flattest_at_critical_coupling_and_splits_beyond():
    t = 0.99
    wl = WL0 + np.linspace(-200, 200, 4001) / 1e6
    peaks = {}
    for factor in (0.5, 1.0, 3.0):
        g = 1 - t
        pair = make(t1=t, t2=t, t12=math.sqrt(1 - (factor * g) ** 2), a1=1.0, a2=1.0, opl2_um=160 * WL0)
        drop = np.abs(vernier_fields(jnp.asarray(wl), pair, 0.0, 0.0).drop) ** 2
        peaks[factor] = np.sum((drop[1:-1] > drop[:-2]) & (drop[1:-1] > drop[2:]) & (drop[1:-1] > 0.1))
        if factor == 1.0:
            assert drop.max() == pytest.approx(1.0, abs=1e-3)
    assert peaks == {0.5: 1, 1.0: 1, 3.0: 2}


# ---------------------------------------------------------------- second road


def coupler(*, wl=1.55, t=0.9):
    """Directional coupler between two guides, west to east: κ enters as jκ."""
    t = jnp.asarray(t) * jnp.ones_like(jnp.asarray(wl), dtype=complex)
    jk = 1j * jnp.sqrt(1.0 - t**2)
    return sax.reciprocal({("w0", "e0"): t, ("w1", "e1"): t, ("w0", "e1"): jk, ("w1", "e0"): jk})


PAIR_OF_PARTS = {
    "instances": {
        **{name: "coupler" for name in ("bottom", "middle", "top")},
        **{name: "path" for name in ("east_1", "west_1", "east_2", "west_2")},
    },
    # Anticlockwise in ring 1: up its east side, west through the middle; clockwise in ring 2: up its west side.
    "connections": {
        "bottom,e1": "east_1,o1", "east_1,o2": "middle,e0", "middle,w0": "west_1,o1", "west_1,o2": "bottom,w1",
        "middle,w1": "west_2,o1", "west_2,o2": "top,w0", "top,e0": "east_2,o1", "east_2,o2": "middle,e1",
    },
    "ports": {"o1": "bottom,w0", "o2": "bottom,e0", "o3": "top,w1", "o4": "top,e1"},
}  # fmt: skip


@pytest.fixture(scope="module")
def circuit_of_parts():
    circuit, _ = sax.circuit(PAIR_OF_PARTS, models={"coupler": coupler, "path": path}, backend="klu")
    return circuit


@pytest.mark.parametrize("seed", range(3))
def test_the_closed_form_is_three_couplers_and_four_half_turns(circuit_of_parts, seed):
    rng = np.random.default_rng(seed)
    t1, t12, t2, a1, a2 = rng.uniform(0.3, 1, 5)
    opl1_um, opl2_um, gpl1_um, gpl2_um = rng.uniform(200, 400, 4)
    wl = jnp.linspace(1.53, 1.57, 101)
    half1 = {"opl_um": opl1_um / 2, "gpl_um": gpl1_um / 2, "amplitude": np.sqrt(a1)}
    half2 = {"opl_um": opl2_um / 2, "gpl_um": gpl2_um / 2, "amplitude": np.sqrt(a2)}
    parts = sax.sdict(
        circuit_of_parts(wl=wl, bottom={"t": t1}, middle={"t": t12}, top={"t": t2},
                         east_1=half1, west_1=half1, east_2=half2, west_2=half2)
    )  # fmt: skip
    paths = {"opl1_um": opl1_um, "opl2_um": opl2_um, "gpl1_um": gpl1_um, "gpl2_um": gpl2_um}
    whole = sax.sdict(vernier(wl=wl, t1=t1, t12=t12, t2=t2, a1=a1, a2=a2, **paths))
    assert set(whole) <= set(parts)
    for ports, value in parts.items():
        assert np.abs(np.asarray(value) - np.asarray(whole.get(ports, 0.0))).max() < 1e-12, ports


# ---------------------------------------------------------------- gradient


STEPS = {
    "t1": 1e-6,
    "t12": 1e-7,
    "t2": 1e-6,
    "a1": 1e-6,
    "a2": 1e-6,
    "opl1_um": 1e-7,
    "opl2_um": 1e-7,
    "shift_pm": 1e-3,
}


@pytest.fixture(scope="module")
def power_and_slopes():
    wl = jnp.asarray([1.54995, 1.5500, 1.55004])
    base = {name: leaf for name, leaf in vars(make()).items() if name in STEPS} | {"shift_pm": jnp.asarray(8.0)}

    @jax.jit
    def power(values):
        pair = VernierParams(**(vars(make()) | {k: v for k, v in values.items() if k != "shift_pm"}))
        fields = vernier_fields(wl, pair, values["shift_pm"], 0.5 * values["shift_pm"])
        terms = jnp.abs(fields.through) ** 2, jnp.abs(fields.drop) ** 2, fields.drop_bus.imag
        return sum(jnp.sum(term * jnp.arange(1, 4) * k) for k, term in enumerate(terms, 1))

    return base, power, jax.jit(jax.grad(power))(base)


@pytest.mark.parametrize("name", STEPS)
def test_the_gradient_is_that_of_finite_differences(power_and_slopes, name):
    base, power, slopes = power_and_slopes
    up, down = (float(power(base | {name: base[name] + sign * STEPS[name]})) for sign in (1, -1))
    assert float(slopes[name]) == pytest.approx((up - down) / (2 * STEPS[name]), rel=1e-5)


# ---------------------------------------------------------------- coupling


def test_the_facing_rings_couple_as_the_true_circles(profile):
    design = VernierDesign(20.0, 22.978, 3.1, 2.7, 0.4, 0.78, 0.4, 1.4, 130.0, 55.0, 5.4, 8.0)
    law = profile.gap_law

    def opening(x, radius, straight):
        out = max(abs(x) - straight / 2, 0.0)
        return radius - math.sqrt(radius**2 - out**2)

    def coupling(x):
        away = opening(x, design.radius1_um, design.straight1_um) + opening(x, design.radius2_um, design.straight2_um)
        return law.at(design.gap_between_um + away)

    true, _ = quad(coupling, -8.0, 8.0, points=[-1.4, 1.4])
    assert vernier_angles(profile, design)[1] == pytest.approx(true, rel=5e-3)
