"""The ring in TE0 and TE1: laws, limits, a second road of single parts, and a gradient."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.lightpath.ring.mixing import (
    Coupler,
    HalfTurn,
    polarized_port_slopes,
    polarized_ports,
    te_like_turn,
)
from prism_photonics.lightpath.ring.model import RingParams, half_turn, ring_fields
from prism_photonics.lightpath.ring.second_mode import SecondMode, second_mode_half_turn
from prism_photonics.lightpath.ring.two_modes import lean_rad, leaning_half_turn, mode_coupler
from prism_photonics.lightpath.waveguide.saxmodel import path
from prism_photonics.process.coupling import kappa
from prism_photonics.process.profile import load_profile
from prism_photonics.process.second_mode import second_mode_table
from prism_photonics.saxlib import sax

FILM = load_profile("tfln600")
TABLE = second_mode_table("tfln600")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
WL = np.linspace(1.546, 1.554, 81)
DRAWN = {"gap_um": 0.40, "radius_um": 20.0, "straight_um": 2.8, "width_um": 1.4}


def params(t1, t2, a, opl_um, gpl_um):
    return RingParams(*(np.asarray(value) for value in (t1, t2, a, opl_um, gpl_um, 0.0, 0.0, 0.0, 1.55)))


def coupler(**changed):
    return mode_coupler(TABLE, FILM.gap_law, **(DRAWN | changed))


NONE = np.asarray(0.0)
TE0 = params(0.99, 0.99, 0.997, 258.4, 298.5)
THROUGH, DROP = coupler(), coupler(gap_um=0.46)
TE1 = params(abs(THROUGH.ring[1, 1]), abs(DROP.ring[1, 1]), 0.995, 238.9, 311.0)
SECOND = SecondMode(TE1, np.asarray(lean_rad(TABLE, 20.0)), np.asarray(0.42), np.asarray(-0.3), THROUGH, DROP, NONE)


def ports(second=SECOND, shift_pm=0.0, wl=WL, ring=TE0):
    return polarized_ports(second_mode_half_turn(wl, ring, second, shift_pm), second.through, second.drop)


def whole(one: Coupler):
    return np.block([[one.bus, one.over.T], [one.over, one.ring]])


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize(
    "changed", [{}, {"straight_um": 0.0}, {"radius_um": 15.0, "straight_um": 14.0}, {"bent": False}]
)
def test_a_coupler_is_lossless_and_the_same_from_either_side(changed):
    s = whole(coupler(**changed))
    assert np.abs(s @ s.conj().T - np.eye(4)).max() < 1e-12
    assert np.abs(s - s.T).max() == 0.0


def test_twice_as_many_steps_move_a_coupler_by_less_than_a_thousandth():
    fine, usual = (whole(coupler(straight_um=14.0, steps=steps)) for steps in (80, 40))
    assert np.abs(fine - usual).max() < 1e-3


def test_a_ring_without_loss_gives_out_what_it_takes_in_and_the_same_both_ways():
    one = replace(SECOND, mode=replace(TE1, a=np.asarray(1.0)))
    found = ports(one, ring=replace(TE0, a=np.asarray(1.0)))
    out = sum((np.abs(part) ** 2).sum(-2) for part in (found.through, found.drop))
    assert out == pytest.approx(np.ones_like(out), abs=1e-10)
    for part in (found.through, found.drop_bus):
        assert np.abs(part - part.swapaxes(-1, -2)).max() < 1e-12
    lossy = ports()
    assert sum((np.abs(part) ** 2).sum(-2) for part in (lossy.through, lossy.drop)).max() < 1.0


# ---------------------------------------------------------------- limits


def test_without_lean_and_tails_of_te1_it_is_the_ring_of_one_mode():
    law, laws = FILM.gap_law, TABLE.file.laws
    none = laws["second"].model_copy(update={"coupling_per_um": 0.0})
    plain = replace(TABLE, file=TABLE.file.model_copy(update={"laws": {**laws, "second": none}}))
    alone = mode_coupler(plain, law, bent=False, **DRAWN | {"straight_um": 14.0})
    k = kappa(0.40, law, radius_um=20.0, straight_um=14.0)
    assert abs(alone.over[0, 0] - 1j * k) < 1e-13
    t = np.asarray(np.sqrt(1.0 - k**2))
    ring = replace(TE0, t1=t, t2=t)
    straight = replace(SECOND, lean_rad=np.asarray(0.0), through=alone, drop=alone)
    ours, theirs = ports(straight, 12.0, ring=ring), ring_fields(WL, ring, 12.0)
    for name in ("through", "drop", "drop_bus"):
        assert np.abs(getattr(ours, name)[:, 0, 0] - getattr(theirs, name)).max() < 1e-12
        assert np.abs(getattr(ours, name)[:, 0, 1]).max() < 1e-13


def test_an_unbroken_circle_turns_nothing_and_one_straight_what_the_law_of_bends_says():
    first, other = half_turn(WL, TE0, 0.0), half_turn(WL, TE1, 0.0)
    theta, psi = 0.02, 0.61 * 2.8
    circle = leaning_half_turn(first, other, np.asarray(0.0), np.asarray(theta))
    # In the bend's own modes, as between two arcs.
    turn = np.array([[np.cos(theta), np.sin(theta)], [-np.sin(theta), np.cos(theta)]])

    def in_bend(half: HalfTurn):
        return turn @ np.moveaxis(np.array([[half.te, half.between], [half.between, half.tm]]), -1, 0) @ turn.T

    assert np.abs(in_bend(circle)[:, 0, 1]).max() < 1e-15
    straight = turn @ np.diag([1.0, np.exp(-1j * psi)]) @ turn.T
    assert abs(straight[0, 1]) ** 2 == pytest.approx(4.0 * theta**2 * np.sin(psi / 2.0) ** 2, rel=1e-3)
    # Half a turn of arcs between two half straights is what matrices say.
    halves = np.diag([1.0, np.exp(-0.5j * psi)])
    arc = np.zeros((WL.size, 2, 2), complex)
    arc[:, 0, 0], arc[:, 1, 1] = first, other * np.exp(1j * psi)
    ours = leaning_half_turn(first, other, np.asarray(psi), np.asarray(theta))
    want = halves @ turn.T @ arc @ turn @ halves
    for part, (n, m) in ((ours.te, (0, 0)), (ours.tm, (1, 1)), (ours.between, (0, 1))):
        assert np.abs(part - want[:, n, m]).max() < 1e-14


def test_wide_rings_couple_te0_as_the_law_of_one_mode_says():
    # Lean, wave fronts and what a short coupler does go with the radius; a long straight beside keeps TE1 out.
    law = FILM.gap_law
    near, far = (
        abs(coupler(radius_um=radius, gap_um=0.8).over[0, 0]) / kappa(0.8, law, radius_um=radius, straight_um=2.8)
        for radius in (60.0, 2000.0)
    )
    assert abs(far - 1.0) < 0.02 < abs(near - 1.0)


# ---------------------------------------------------------------- second road


def of_matrix(s):
    """A SAX model of a part that has modes 1 to n on its west and as many on its east, and reflects nothing."""
    inside = {(f"o{i + 1}", f"o{len(s) + j + 1}"): jnp.asarray(s[j, i]) for i in range(len(s)) for j in range(len(s))}

    def part(*, wl=1.55):
        return sax.reciprocal({key: value * jnp.ones_like(jnp.asarray(wl), complex) for key, value in inside.items()})

    return part


def test_the_ring_is_a_sax_circuit_of_couplers_straights_junctions_and_arcs():
    theta = float(SECOND.lean_rad)
    into = np.array([[np.cos(theta), np.sin(theta)], [-np.sin(theta), np.cos(theta)]])
    models = {
        "through": of_matrix(whole(THROUGH)), "drop": of_matrix(whole(DROP)),
        "into": of_matrix(into), "out": of_matrix(into.T), "path": path,
    }  # fmt: skip
    instances, connections, settings = {name: name for name in ("through", "drop")}, {}, {}
    # Of couplers the ports are (bus TE0, bus TE1, ring TE0, ring TE1), then the same on the other side.
    straights = ((5.6, 6.6), (5.6 - 0.42, 6.6 + 0.3))
    for n, (before, behind) in enumerate((("through", "drop"), ("drop", "through"))):
        instances |= {f"into_{n}": "into", f"out_{n}": "out"}
        for mode, (ring, (opl_um, gpl_um)) in enumerate(zip((TE0, TE1), straights, strict=True)):
            names = [f"{part}_{n}_{mode}" for part in ("first", "arc", "last")]
            instances |= dict.fromkeys(names, "path")
            half = {"opl_um": opl_um / 2, "gpl_um": gpl_um / 2, "amplitude": 1.0, "wl0_um": 1.55}
            arc = {"opl_um": ring.opl_um / 2 - opl_um, "gpl_um": ring.gpl_um / 2 - gpl_um, "amplitude": ring.a**0.5}
            settings |= {names[0]: half, names[1]: arc | {"wl0_um": 1.55}, names[2]: half}
            connections |= {
                f"{before},o{7 + mode}": f"{names[0]},o1",
                f"{names[0]},o2": f"into_{n},o{1 + mode}",
                f"into_{n},o{3 + mode}": f"{names[1]},o1",
                f"{names[1]},o2": f"out_{n},o{1 + mode}",
                f"out_{n},o{3 + mode}": f"{names[2]},o1",
                f"{names[2]},o2": f"{behind},o{3 + mode}",
            }
    outer = {f"{bus}_{end}_{m}": f"{bus},o{port + m}" for bus in ("through", "drop") for m in (0, 1)
             for end, port in (("in", 1), ("out", 5))}  # fmt: skip
    circuit = strict_circuit({"instances": instances, "connections": connections, "ports": outer}, models)
    s, ours = circuit(wl=jnp.asarray(WL), **settings), ports()
    for name, source, sink in (
        ("through", "through", "through"),
        ("drop", "through", "drop"),
        ("drop_bus", "drop", "drop"),
    ):
        theirs = np.array([[s[f"{source}_in_{i}", f"{sink}_out_{o}"] for i in (0, 1)] for o in (0, 1)])
        assert np.abs(getattr(ours, name) - np.moveaxis(theirs, -1, 0)).max() < 1e-9, name
    assert np.abs(ours.through[:, 1, 0]).max() > 0.05


def test_the_te0_like_round_trip_is_an_eigenvalue_and_te0s_alone_without_mixing():
    half = second_mode_half_turn(WL, TE0, SECOND, 12.0)
    h = np.moveaxis(np.array([[half.te, half.between], [half.between, half.tm]]), -1, 0)
    turn = THROUGH.ring @ h @ DROP.ring @ h
    mean, half_apart = te_like_turn(half, THROUGH, DROP)
    for found in (mean + half_apart, mean - half_apart):
        assert np.abs(np.linalg.det(turn - found[:, None, None] * np.eye(2))).max() < 1e-12
    assert (np.abs(mean + half_apart) > np.abs(mean - half_apart)).all()


# ---------------------------------------------------------------- gradient


def test_slopes_and_gradients_are_those_of_finite_differences():
    def at(shift_pm):
        return second_mode_half_turn(WL, TE0, SECOND, shift_pm)

    rad_pm = 2.0 * np.pi * 298.5 / 1.55**2 * 1e-6
    half = at(12.0)
    by = HalfTurn(*(0.5j * rad_pm * part for part in half))
    slopes = polarized_port_slopes(half, by, THROUGH, DROP)
    up, down = (polarized_ports(at(12.0 + step), THROUGH, DROP) for step in (1e-3, -1e-3))
    for slope, one, other in zip(slopes, up, down, strict=True):
        assert np.abs(slope - (one - other) / 2e-3).max() < 1e-6 * np.abs(slope).max()
    te, second = (jax.tree.map(jnp.asarray, part) for part in (TE0, SECOND))

    @jax.jit
    def dropped(lean, shift_pm):
        turned = second_mode_half_turn(jnp.asarray(WL[::20]), te, replace(second, lean_rad=lean), shift_pm)
        return jnp.sum(jnp.abs(polarized_ports(turned, second.through, second.drop).drop[..., 0]) ** 2)

    here = (jnp.asarray(0.2), jnp.asarray(12.0))
    found = jax.jit(jax.grad(dropped, argnums=(0, 1)))(*here)
    for n, step in enumerate((1e-6, 1e-3)):
        up, down = ([x + sign * step * (k == n) for k, x in enumerate(here)] for sign in (1, -1))
        assert float(found[n]) == pytest.approx(float(dropped(*up) - dropped(*down)) / (2 * step), rel=1e-5)


# ---------------------------------------------------------------- a second solver


def benchmark(name):
    """A benchmark's script as a module."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    road = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = road
    spec.loader.exec_module(road)
    return road


def test_the_coupler_in_a_plane_is_what_waves_there_give():
    """The benchmark's own modes in place of the film's, against the kept powers of its finite differences."""
    road = benchmark("ring_bus_waves")
    kept = json.loads((BENCHMARKS / "results" / "ring_bus_waves.json").read_text(encoding="utf-8"))["rings"]
    for ring in kept[:2]:
        ours = road.by_modes(ring["radius_um"], ring["straight_um"], ring["gap_um"])
        waves = np.array(ring["waves"]["over"])
        large = waves > 1e-3
        assert np.array(ours["over"])[large] == pytest.approx(waves[large], rel=0.15)
        assert np.array(ours["over"])[~large] == pytest.approx(waves[~large], abs=2e-4)
        # The law of one mode has a third to a half too little.
        assert ring["law"] < 0.75 * waves[0, 0]


def test_what_one_crossing_of_the_gap_takes_is_the_coupler_where_little_goes_over():
    road = benchmark("narrow_coupler")
    radius_um, gap_um = 20.0, 0.8
    found = coupler(radius_um=radius_um, straight_um=0.0, gap_um=gap_um)
    theta, bend = float(lean_rad(TABLE, radius_um)), TABLE.bend(np.asarray(radius_um), np.asarray(0.5 * gap_um))
    into_bend = np.array([np.cos(theta), np.sin(theta)])
    out_um = radius_um + 0.5 * (DRAWN["width_um"] + gap_um)
    taken = road.crossed(
        (FILM.gap_law.at(gap_um), TABLE.second.at(gap_um)),
        tuple(TABLE.decay_1_um(TABLE.beta_1_um)),
        tuple(TABLE.beta_1_um),
        bend_1_um=bend.beta_1_um[0],
        tail=bend.tail[0],
        falls_1_um=float(TABLE.decay_1_um(bend.beta_1_um[0] * radius_um / out_um)),
        radius_um=radius_um,
        out_um=out_um,
    )
    assert taken == pytest.approx(np.abs(into_bend @ found.over) ** 2, rel=0.02)
