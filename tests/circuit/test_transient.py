"""A row in time against a march of its fields from step to step, the exponentials of a chain, and a ring's equation."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from prism_photonics.budget.symbol import residue
from prism_photonics.circuit.row import row_response
from prism_photonics.circuit.transient import Receivers, Transient, transmit, voltage_step
from prism_photonics.lightpath.ring.model import RingParams, fwhm_pm, half_turn
from prism_photonics.lightpath.waveguide.model import PathParams, transmission
from prism_photonics.units import SPEED_OF_LIGHT_UM_S, InputError

WL, HALF_UM = 1.55, 146.0  # half a ring's group circumference: one step of the march
AT_ONCE = Receivers(1e24, 1e24, 1e24, drop_ratio=0.9)
STEP_S = HALF_UM / SPEED_OF_LIGHT_UM_S


def three_rings(*, t=0.985, shifts_pm=(0.0, 25.0, 300.0)):
    """Three rings of one circumference, and buses of whole steps; their response at wavelengths in µm."""
    full = lambda value: np.full(3, value)  # noqa: E731
    rings = RingParams(
        full(t), full(t), full(0.998), full(159 * WL), full(2 * HALF_UM), full(0.0), full(0.0), full(0.0), full(WL)
    )
    steps = np.array([[1, 2, 1, 1], [2, 1, 3, 1]])
    rng = np.random.default_rng(0)
    buses = PathParams(
        rng.uniform(100.0, 300.0, (2, 4)), steps * HALF_UM, np.full((2, 4), 0.99), rng.uniform(0, 6, (2, 4)),
        np.full((2, 4), WL),
    )  # fmt: skip
    shifts = np.asarray(shifts_pm)

    def respond(wl):
        fields = row_response(wl, rings, buses, shifts)
        return np.asarray(fields.through), np.asarray(fields.drop)

    return rings, buses, shifts, steps, respond


def random_light(symbols, channels=1, seed=3):
    return np.random.default_rng(seed).uniform(0.0, 1.0, (symbols, channels))


def test_currents_are_those_of_a_march_from_step_to_step():
    """Second road: every guide is a line of delays; couplers mix what arrives. No transform, and no closed form."""
    rings, buses, shifts, steps, respond = three_rings()
    light, per_symbol, rounds = random_light(6), 128, 16
    ours = transmit(light, np.array([WL]), respond, symbol_s=per_symbol * STEP_S, receivers=AT_ONCE, samples=per_symbol)
    wl = np.array([WL])
    bus = transmission(wl[:, None], buses.__class__(*(leaf.reshape(1, -1) for leaf in vars(buses).values())))
    bus = bus.reshape(2, 4)
    half = half_turn(WL, rings, shifts)
    t1, t2 = rings.t1, rings.t2
    k1, k2 = 1j * np.sqrt(1 - t1**2), 1j * np.sqrt(1 - t2**2)
    through, drop = ([np.zeros(n, complex) for n in row] for row in steps)
    down, up = np.zeros(3, complex), np.zeros(3, complex)  # half a turn each, one step long
    source = np.tile(np.sqrt(np.repeat(light[:, 0], per_symbol)), rounds)
    current = []
    for field in source:
        arrive, fall = [bus[0, j] * through[j][-1] for j in range(4)], [bus[1, j] * drop[j][-1] for j in range(4)]
        current.append(abs(arrive[3]) ** 2 - 0.9 * abs(fall[0]) ** 2)
        fed, enters = [field], [0.0]
        to_down, to_up, west = np.zeros(3, complex), np.zeros(3, complex), []
        for j in range(3):
            home, over = half[j] * up[j], half[j] * down[j]
            fed.append(t1[j] * arrive[j] + k1[j] * home)
            to_down[j] = t1[j] * home + k1[j] * arrive[j]
            west.append(t2[j] * fall[j + 1] + k2[j] * over)
            to_up[j] = t2[j] * over + k2[j] * fall[j + 1]
        down, up = to_down, to_up
        for j in range(4):
            through[j] = np.concatenate([[fed[j]], through[j][:-1]])
            drop[j] = np.concatenate([[west[j] if j < 3 else enters[0]], drop[j][:-1]])
    # By the last round all that the start left, between two rings that resonate alike too, has died away.
    theirs = np.array(current[(rounds - 1) * len(light) * per_symbol :])
    assert ours.current == pytest.approx(theirs, abs=1e-9)
    assert np.ptp(ours.current) > 0.2


def test_the_error_has_converged_in_the_steps_of_time():
    *_, respond = three_rings()
    chain = Receivers(3.5e10, 8e10, 1e10)
    found = [
        transmit(
            random_light(24), np.array([WL]), respond, symbol_s=1e-10, receivers=chain, samples=n
        ).intersymbol_error
        for n in (16, 64, 256, 1024)
    ]
    assert abs(found[2] / found[3] - 1) < abs(found[0] / found[3] - 1)
    assert found[2] == pytest.approx(found[3], rel=0.02)


@pytest.mark.parametrize("symbol_s", [2e-10, 4e-10])
def test_steps_that_nobody_chooses_have_converged_where_little_is_left(symbol_s):
    *_, respond = three_rings()
    chain = Receivers(3.5e10, 8e10, 4e10)
    chosen, finer = (
        transmit(random_light(24), np.array([WL]), respond, symbol_s=symbol_s, receivers=chain, samples=samples)
        for samples in (None, 2048)
    )
    assert chosen.intersymbol_error == pytest.approx(finer.intersymbol_error, rel=0.05)
    assert chosen.eye.shape[1] < 512


def test_behind_one_slow_amplifier_the_error_is_the_exponential_that_it_leaves():
    bare = lambda wl: (np.ones(len(wl), complex), np.zeros(len(wl), complex))  # noqa: E731
    light = np.random.default_rng(1).permuted(np.linspace(0.1, 0.9, 400))[:, None]
    rate_Hz, symbol_s = 1e9, 0.6e-9
    sent = transmit(
        light, np.array([WL]), bare, symbol_s=symbol_s, receivers=Receivers(1e15, 1e15, rate_Hz), samples=256
    )
    left = residue([2 * math.pi * rate_Hz], symbol_s)
    assert sent.intersymbol_error == pytest.approx(math.sqrt(2.0) * left, rel=0.08)
    assert sent.delay_s == pytest.approx(symbol_s, rel=0.02)


def test_slow_symbols_are_sampled_as_they_settle():
    *_, respond = three_rings()
    slow = transmit(random_light(8), np.array([WL]), respond, symbol_s=2e-8, receivers=Receivers(3e10, 8e10, 1e9))
    assert slow.intersymbol_error < 1e-6
    assert slow.sampled == pytest.approx(slow.settled, abs=1e-6)
    assert slow.eye.shape == (8, 19200)


def test_faster_symbols_and_sharper_rings_disturb_each_other_more():
    chain = Receivers(3.5e10, 8e10, 4e10)

    def error(t, symbol_s):
        *_, respond = three_rings(t=t)
        return transmit(random_light(24), np.array([WL]), respond, symbol_s=symbol_s, receivers=chain).intersymbol_error

    by_rate = [error(0.985, symbol_s) for symbol_s in (1e-9, 2e-10, 5e-11)]
    by_sharpness = [error(t, 2e-10) for t in (0.97, 0.985, 0.998)]
    assert by_rate == sorted(by_rate)
    assert by_sharpness == sorted(by_sharpness)


def test_light_arrives_after_it_was_sent_and_no_more_energy_than_was_sent():
    *_, respond = three_rings()
    light = np.zeros((16, 1))
    light[0] = 1.0
    # What leaves by both exits together; at one moment it may be more than came in, from what the rings had stored.
    both = Receivers(1e24, 1e24, 1e24, drop_ratio=-1.0)
    sent = transmit(light, np.array([WL]), respond, symbol_s=64 * STEP_S, receivers=both, samples=64)
    assert 0.5 * 64 < sent.current.sum() <= 64.0
    # A step of bus, half a turn and two steps of bus come before anything that the first ring drops.
    assert np.abs(sent.current[:3]).max() < 1e-6
    assert np.abs(sent.current[-64:]).max() < 1e-6


def test_the_settling_of_a_voltage_is_that_of_the_rings_own_equation():
    """Second road: the coupled-mode equation of one ring, integrated through the charging of its electrodes."""
    t, slope_pm_V = 0.995, 5.0
    params = RingParams(*(np.asarray(v) for v in (t, t, 1.0, 159 * WL, 2 * HALF_UM, 0.0, slope_pm_V, 0.0, WL)))
    width_pm = float(fwhm_pm(RingParams(*(np.asarray([leaf]) for leaf in vars(params).values())))[0])
    lifetime_s = WL**2 / (2 * math.pi * SPEED_OF_LIGHT_UM_S * width_pm * 1e-6)
    rc_s, volts = 60 * lifetime_s, (20.0, 1.0)
    alone = jax_free_ring(params)
    time_s = np.linspace(0.0, 6 * rc_s, 80)
    ours = voltage_step(
        WL, lambda v: lambda wl: alone(wl, slope_pm_V * v), time_s=time_s, volts=volts, rc_s=rc_s, lifetime_s=lifetime_s
    )
    decay, per_pm = 0.5 / lifetime_s, 2 * math.pi * SPEED_OF_LIGHT_UM_S / WL**2 * 1e-6

    def slope(time, a):
        shift_pm = slope_pm_V * (volts[1] + (volts[0] - volts[1]) * math.exp(-time / rc_s))
        return [(1j * per_pm * shift_pm - decay) * a[0] + decay]

    start = decay / (decay - 1j * per_pm * slope_pm_V * volts[0])
    a = solve_ivp(slope, (0.0, time_s[-1]), [start + 0j], t_eval=time_s, rtol=1e-9, atol=1e-11).y[0]
    theirs = np.abs(1.0 - a) ** 2 - np.abs(a) ** 2
    assert np.abs(ours - theirs).max() < 0.05
    assert np.abs(ours - theirs)[-10:].max() < 2e-3
    assert np.ptp(ours) > 1.0


def jax_free_ring(params):
    """Through and drop of one ring at wavelengths, by a shift in pm."""
    from prism_photonics.lightpath.ring.model import ring_fields

    def at(wl, shift_pm):
        fields = ring_fields(wl, params, shift_pm)
        return np.asarray(fields.through), np.asarray(fields.drop)

    return at


def test_bad_input_is_refused_in_one_line():
    *_, respond = three_rings()
    with pytest.raises(InputError, match="Receivers: amplifier_Hz = 0; want more than 0"):
        Receivers(1e9, 1e9, 0.0)
    with pytest.raises(InputError, match=r"transmit: light from 0 to 1\.5; want 0 to 1"):
        transmit(np.array([[0.0], [1.5]]), np.array([WL]), respond, symbol_s=1e-9, receivers=AT_ONCE)
    with pytest.raises(InputError, match="transmit: 1 symbols"):
        transmit(np.array([[0.5]]), np.array([WL]), respond, symbol_s=1e-9, receivers=AT_ONCE)
    with pytest.raises(InputError, match="want rc_s of 10 lifetimes or more"):
        voltage_step(WL, lambda v: respond, time_s=np.zeros(2), volts=(0.0, 1.0), rc_s=1e-12, lifetime_s=1e-12)


def test_the_eye_is_drawn_with_its_sampling_instant():
    *_, respond = three_rings()
    sent = transmit(random_light(12), np.array([WL]), respond, symbol_s=2e-10, receivers=Receivers(3e10, 8e10, 8e9))
    assert isinstance(sent, Transient)
    axes = sent.plot_eye()
    assert axes.get_xlabel() == "time (ns)"
    assert len(axes.get_lines()) >= 12
