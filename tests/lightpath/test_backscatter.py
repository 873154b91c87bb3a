"""A ring that splits: the mean of two rings, a reflector within it, and no more light than came in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.lightpath.ring.backscatter import Backscatter, half_turn_gain, ring_ports
from prism_photonics.lightpath.ring.model import RingParams, fsr_um, fwhm_pm, half_turn, ring_fields

WL = jnp.linspace(1.5475, 1.5525, 1201)


def ring(*, t1=0.992, t2=0.99, a=0.998):
    return RingParams(*(jnp.asarray(value) for value in (t1, t2, a, 246.0, 291.0, 0.0, 0.0, 0.0, 1.55)))


def matrices(ports):
    """The whole scattering matrix, ports west and east of the through bus, then of the drop bus."""
    p = ports
    rows = [
        [p.back_through * p.to_ccw, p.through, p.drop, p.across_ccw],
        [p.through, p.back_through * p.to_cw, p.across_cw, p.drop],
        [p.drop, p.across_cw, p.back_drop * p.to_cw, p.drop_bus],
        [p.across_ccw, p.drop, p.drop_bus, p.back_drop * p.to_ccw],
    ]
    return np.moveaxis(np.array([[np.asarray(entry) for entry in row] for row in rows]), -1, 0)


@pytest.mark.parametrize("splitting_pm", [0.0, 5.0, 40.0, 900.0])
def test_what_passes_is_the_mean_of_two_rings_half_a_splitting_up_and_down(splitting_pm):
    ports = ring_ports(WL, ring(), 12.0, Backscatter.conservative(splitting_pm, 0.8))
    up, down = (ring_fields(WL, ring(), 12.0 + sign * splitting_pm / 2) for sign in (1.0, -1.0))
    for name in ("through", "drop", "drop_bus"):
        mean = 0.5 * (np.asarray(getattr(up, name)) + np.asarray(getattr(down, name)))
        assert np.abs(np.asarray(getattr(ports, name)) - mean).max() < 1e-10
    back = 0.5 * (np.asarray(up.through) - np.asarray(down.through)) * np.exp(0.8j)
    assert np.abs(np.asarray(ports.back_through * ports.to_ccw) - back).max() < 1e-10


def test_a_lossless_ring_that_splits_loses_nothing_by_any_port():
    s = matrices(ring_ports(WL, ring(a=1.0), 0.0, Backscatter.conservative(30.0, 2.0)))
    assert np.abs(s @ s.conj().swapaxes(-1, -2) - np.eye(4)).max() < 1e-11
    assert np.abs(s - s.swapaxes(-1, -2)).max() == 0.0


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.02])
def test_a_ring_of_two_unequal_coefficients_gives_out_no_more_than_it_takes_while_half_a_turn_does(ratio):
    scatter = Backscatter(jnp.asarray(30.0 * np.exp(0.4j)), jnp.asarray(ratio * 30.0 * np.exp(-0.4j)))
    loss = float(1.0 / half_turn_gain(ring(a=1.0), scatter))
    s = matrices(ring_ports(WL, ring(a=loss), 0.0, scatter))
    assert np.linalg.norm(s, ord=2, axis=(-2, -1)).max() <= 1 + 1e-11
    gain = float(half_turn_gain(ring(a=1.0), scatter))
    assert gain == pytest.approx(1.0, abs=1e-12) if ratio == 1.0 else gain > 1.0 + 1e-6


def test_two_unequal_coefficients_split_by_their_geometric_mean_and_reflect_unequally():
    scatter = Backscatter(jnp.asarray(60.0 + 0j), jnp.asarray(15.0 + 0j))
    assert complex(scatter.splitting_pm) == pytest.approx(60.0)
    ports = ring_ports(WL, ring(a=0.9), 0.0, scatter)
    same = ring_ports(WL, ring(a=0.9), 0.0, Backscatter.conservative(60.0))
    assert np.abs(np.asarray(ports.through - same.through)).max() < 1e-10
    west, east = (np.abs(np.asarray(ports.back_through * way)).max() for way in (ports.to_ccw, ports.to_cw))
    assert west / east == pytest.approx(4.0)


def test_a_reflector_within_a_ring_on_one_bus_is_exactly_this_backscatter():
    """Cut at the coupler, the ring is a two-port of a path, a mirror of reflection sin δ, and the rest of the path."""
    delta, place, t1 = 0.07, 0.31, 0.99
    params = ring(t1=t1, t2=1.0, a=1.0)
    turn = np.asarray(half_turn(WL, params, 0.0)) ** 2
    k = 1j * np.sqrt(1.0 - t1**2)
    phi = np.unwrap(np.angle(turn))
    passed, near, far = (np.cos(delta) * turn, 1j * np.sin(delta) * np.exp(2j * phi * place),
                         1j * np.sin(delta) * np.exp(2j * phi * (1.0 - place)))  # fmt: skip
    through, back = [], []
    for p, r1, r2 in zip(passed, near, far, strict=True):
        # x: fields that leave the coupler into the ring (clockwise, counter-clockwise); light 1 comes in from the west.
        inner = np.array([[p, r2], [r1, p]])
        x = np.linalg.solve(np.eye(2) - t1 * inner, np.array([k, 0.0]))
        through.append(t1 + k * (inner @ x)[0])
        back.append(k * (inner @ x)[1])
    splitting_pm = 2 * delta / (2 * np.pi) * float(fsr_um(params)) * 1e6
    ports = ring_ports(WL, params, 0.0, Backscatter.conservative(splitting_pm))
    assert np.abs(np.asarray(ports.through) - np.array(through)).max() < 1e-10
    assert np.abs(np.abs(np.asarray(ports.back_through * ports.to_ccw)) - np.abs(back)).max() < 1e-10
    assert np.abs(back).max() > 0.5


def test_a_splitting_of_a_linewidth_halves_what_a_symmetric_ring_drops():
    """On resonance each of the two rings is half its width away, where it drops half."""
    symmetric = ring(t1=0.99, t2=0.99, a=1.0)
    at = jnp.asarray([1.55])
    width_pm = float(fwhm_pm(symmetric))
    to_line_pm = float(jnp.angle(half_turn(at, symmetric, 0.0) ** 2)[0]) / (2 * np.pi) * float(fsr_um(symmetric)) * 1e6
    drop = ring_ports(at, symmetric, -to_line_pm, Backscatter.conservative(width_pm)).drop
    assert float(np.abs(drop[0]) ** 2) == pytest.approx(0.25, rel=2e-3)


def test_the_slopes_by_the_splitting_are_those_of_finite_differences_and_nothing_where_nothing_is_split():
    def dropped(splitting_pm):
        ports = ring_ports(WL, ring(), 0.0, Backscatter.conservative(splitting_pm, jnp.asarray(0.3)))
        return jnp.sum(jnp.abs(ports.drop) ** 2)

    slope = jax.jit(jax.grad(dropped))
    value = jax.jit(dropped)
    difference = (value(jnp.asarray(12.0 + 1e-4)) - value(jnp.asarray(12.0 - 1e-4))) / 2e-4
    assert float(slope(jnp.asarray(12.0))) == pytest.approx(float(difference), rel=1e-6)
    assert float(slope(jnp.asarray(0.0))) == 0.0
