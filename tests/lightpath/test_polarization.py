"""A ring in two polarisations before four judges: laws, the plain ring as its limit, a SAX circuit, differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.lightpath.ring.mixing import polarized_ports, te_like_turn
from prism_photonics.lightpath.ring.model import RingParams, half_turn, ring_fields
from prism_photonics.lightpath.ring.polarization import SecondPolarization, polarized_half_turn
from prism_photonics.lightpath.waveguide.saxmodel import path
from prism_photonics.saxlib import sax

WL = np.linspace(1.5475, 1.5525, 401)
TE = RingParams(*map(np.asarray, (0.992, 0.99, 0.998, 246.0, 291.0, 0.0, 0.0, 0.0, 1.55)))
# TM's resonance lies in the middle of the band, a picometre from TE's.
TM = RingParams(*map(np.asarray, (0.985, 0.98, 0.997, 155 * 1.5499, 306.0, 0.0, 0.0, 0.0, 1.55)))
TE = RingParams(**(vars(TE) | {"opl_um": np.asarray(159 * 1.5500)}))


def ports(chi, te=TE, tm=TM, *, wl=WL, shift_pm=12.0):
    half = polarized_half_turn(wl, te, SecondPolarization(tm, np.asarray(chi), np.asarray(0.3)), shift_pm)
    return polarized_ports(half, (te.t1, tm.t1), (te.t2, tm.t2))


def lossless(ring):
    return RingParams(**(vars(ring) | {"a": np.asarray(1.0)}))


def scattering(p):
    """From (through west, drop east) to (through east, drop west), TE and TM of each."""
    return np.block([[p.through, p.drop.swapaxes(-1, -2)], [p.drop, p.drop_bus]])


def test_without_conversion_te_is_the_plain_ring():
    plain, mixed = ring_fields(WL, TE, 12.0), ports(0.0)
    for name in ("through", "drop", "drop_bus"):
        assert np.abs(getattr(mixed, name)[..., 0, 0] - getattr(plain, name)).max() < 1e-12
        assert np.abs(getattr(mixed, name)[..., [0, 1], [1, 0]]).max() == 0.0


@pytest.mark.parametrize("chi", [0.05, 0.2, 1.0])
def test_a_lossless_ring_gives_out_all_light_and_is_reciprocal(chi):
    s = scattering(ports(chi, lossless(TE), lossless(TM)))
    assert np.abs(s.conj().swapaxes(-1, -2) @ s - np.eye(4)).max() < 1e-10
    for name in ("through", "drop_bus"):
        field = getattr(ports(chi), name)
        assert np.abs(field - field.swapaxes(-1, -2)).max() < 1e-12


def test_a_ring_with_loss_gives_out_no_more_than_it_takes():
    assert np.linalg.norm(scattering(ports(0.2)), ord=2, axis=(-2, -1)).max() < 1.0


def test_where_an_order_of_tm_meets_one_of_te_the_two_repel_each_other():
    def peaks(chi):
        te = np.abs(ports(chi, shift_pm=0.0).drop[..., 0, 0]) ** 2
        inner = te[1:-1]
        return WL[1:-1][(inner > te[:-2]) & (inner > te[2:]) & (inner > 0.05)]

    apart_um = np.ptp(peaks(0.1))
    # Two half turns convert in phase: a round trip splits by 2χ, of 2π to a free spectral range.
    fsr_um = 1.55**2 / 298.5
    assert apart_um == pytest.approx(4.0 * 0.1 / (2.0 * np.pi) * fsr_um, rel=0.05)
    assert peaks(0.0).size == 1


def test_the_te_like_round_trip_is_tes_alone_without_conversion_and_an_eigenvalue_with_it():
    second = SecondPolarization(TM, np.asarray(0.0), np.asarray(0.3))
    alone = polarized_half_turn(WL, TE, second, 12.0)
    couplings = (TE.t1, TM.t1), (TE.t2, TM.t2)
    plain = TE.t1 * TE.t2 * half_turn(WL, TE, 12.0) ** 2
    assert np.abs(sum(te_like_turn(alone, *couplings)) - plain).max() < 1e-12
    mixed = polarized_half_turn(WL, TE, SecondPolarization(TM, np.asarray(0.2), np.asarray(0.3)), 12.0)
    h = np.moveaxis(np.array([[mixed.te, mixed.between], [mixed.between, mixed.tm]]), -1, 0)
    turn = np.diag([TE.t1, TM.t1]) @ h @ np.diag([TE.t2, TM.t2]) @ h
    mean, half_apart = te_like_turn(mixed, *couplings)
    for found in (mean + half_apart, mean - half_apart):
        assert np.abs(np.linalg.det(turn - found[:, None, None] * np.eye(2))).max() < 1e-12


# ---------------------------------------------------------------- second road


def crossing(*, wl=1.55, t=0.9):
    """Four ports: o1 to o3 and o2 to o4 pass, and exchange what is left."""
    across = 1j * jnp.sqrt(1.0 - t**2)
    one = jnp.ones_like(jnp.asarray(wl))
    return sax.reciprocal(
        {("o1", "o3"): t * one, ("o2", "o4"): t * one, ("o1", "o4"): across * one, ("o2", "o3"): across * one}
    )


def test_the_ring_is_a_sax_circuit_of_couplers_quarter_turns_and_mixers():
    """Parts of one mode each: both polarisations have their couplers, and meet in the middle of each half turn."""
    instances, connections = {}, {}
    for p in ("te", "tm"):
        instances |= {f"{p}_through": "crossing", f"{p}_drop": "crossing"}
        instances |= {f"{p}_quarter_{n}": "path" for n in range(4)}
        connections |= {
            f"{p}_through,o4": f"{p}_quarter_0,o1",
            f"{p}_quarter_1,o2": f"{p}_drop,o2",
            f"{p}_drop,o4": f"{p}_quarter_2,o1",
            f"{p}_quarter_3,o2": f"{p}_through,o2",
        }
    for n, (before, after) in enumerate(((0, 1), (2, 3))):
        instances[f"mixer_{n}"] = "crossing"
        for p, (into, out) in {"te": ("o1", "o3"), "tm": ("o2", "o4")}.items():
            connections |= {f"{p}_quarter_{before},o2": f"mixer_{n},{into}"}
            connections |= {f"mixer_{n},{out}": f"{p}_quarter_{after},o1"}
    outer = {
        f"{p}_{bus}_{end}": f"{p}_{bus},{port}"
        for p in ("te", "tm")
        for bus in ("through", "drop")
        for end, port in (("in", "o1"), ("out", "o3"))
    }
    circuit = strict_circuit(
        {"instances": instances, "connections": connections, "ports": outer}, {"crossing": crossing, "path": path}
    )
    chi = 0.2
    settings = {f"mixer_{n}": {"t": jnp.cos(chi)} for n in (0, 1)}
    for p, ring in (("te", TE), ("tm", TM)):
        settings |= {f"{p}_through": {"t": ring.t1}, f"{p}_drop": {"t": ring.t2}}
        quarter = {"opl_um": ring.opl_um / 4, "gpl_um": ring.gpl_um / 4, "amplitude": ring.a**0.25, "wl0_um": 1.55}
        settings |= {f"{p}_quarter_{n}": quarter for n in range(4)}
    s = circuit(wl=jnp.asarray(WL), **settings)
    ours = ports(chi, shift_pm=0.0)
    names = ("te", "tm")
    for (name, source, sink) in (
        ("through", "through", "through"), ("drop", "through", "drop"), ("drop_bus", "drop", "drop")
    ):  # fmt: skip
        theirs = np.array([[s[f"{i}_{source}_in", f"{o}_{sink}_out"] for i in names] for o in names])
        assert np.abs(getattr(ours, name) - np.moveaxis(theirs, -1, 0)).max() < 1e-9, name


# ---------------------------------------------------------------- gradient


def test_the_gradient_by_conversion_and_shift_is_that_of_finite_differences():
    te, tm = (jax.tree.map(jnp.asarray, ring) for ring in (TE, TM))

    @jax.jit
    def dropped(chi, shift_pm):
        half = polarized_half_turn(jnp.asarray(WL[::20]), te, SecondPolarization(tm, chi, jnp.asarray(0.3)), shift_pm)
        return jnp.sum(jnp.abs(polarized_ports(half, (te.t1, tm.t1), (te.t2, tm.t2)).drop[..., 0]) ** 2)

    at = (jnp.asarray(0.15), jnp.asarray(12.0))
    slopes = jax.jit(jax.grad(dropped, argnums=(0, 1)))(*at)
    for n, step in enumerate((1e-6, 1e-3)):
        up, down = ([x + sign * step * (k == n) for k, x in enumerate(at)] for sign in (1, -1))
        assert float(slopes[n]) == pytest.approx(float(dropped(*up) - dropped(*down)) / (2 * step), rel=1e-5)
