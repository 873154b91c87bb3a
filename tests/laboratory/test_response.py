"""The fit's ring is the simulator's, and its derivatives are true."""

from dataclasses import replace

import numpy as np
import pytest
from laboratory.simulated import FSR_NM, WL0_NM, fields

from prism_photonics.laboratory.response import RingShape, ring_response
from prism_photonics.laboratory.window import Window, WindowModel

WL_NM = np.linspace(WL0_NM - 1.0, WL0_NM + 1.0, 401)
LN10 = np.log(10.0) / 10.0


def shape(**changes):
    numbers = {"wl_nm": WL0_NM, "log_kappa2": np.log(0.05), "log_ratio": 0.2, "loss": 0.03, "split2_pm2": 900.0}
    return RingShape(**({**numbers, "split2_im_pm2": 300.0} | changes))


@pytest.mark.parametrize("split_pm", [0.0, 30.0])
def test_a_measured_ring_is_the_ring_that_the_simulator_knows(split_pm):
    through, drop = fields(WL_NM, kappa2=0.05, kappa2_drop=0.03, loss_dB=0.1, split_pm=split_pm)
    square = complex(split_pm) ** 2
    ring = RingShape(WL0_NM, np.log(0.05), np.log(0.03 / 0.05), 0.1 * LN10, square.real, square.imag)
    response = ring_response(WL_NM, ring, fsr_nm=FSR_NM)
    assert response.through == pytest.approx(np.abs(through) ** 2, abs=3e-6)
    assert response.drop == pytest.approx(np.abs(drop) ** 2, abs=3e-6)


@pytest.mark.parametrize("dropped", [True, False])
@pytest.mark.parametrize("number", range(6))
def test_the_fit_s_derivatives_are_those_of_finite_differences(number, dropped):
    ring, step = shape(), 1e-2 if number > 3 else 1e-6
    up, down = (
        ring_response(WL_NM, RingShape(*at), fsr_nm=FSR_NM, slope_per_nm=0.012, dropped=dropped)
        for at in (np.array(ring) + sign * step * np.eye(6)[number] for sign in (1, -1))
    )
    exact = ring_response(WL_NM, ring, fsr_nm=FSR_NM, slope_per_nm=0.012, dropped=dropped)
    for name in ("through", "drop"):
        numeric = (getattr(up, name) - getattr(down, name)) / (2 * step)
        assert getattr(exact, f"d_{name}")[number] == pytest.approx(
            numeric, rel=1e-5, abs=1e-6 * np.abs(numeric).max() + 1e-12
        )


def test_the_slope_by_wavelength_is_true():
    up, down = (ring_response(WL_NM + sign * 1e-6, shape(), fsr_nm=FSR_NM) for sign in (1, -1))
    slope = ring_response(WL_NM, shape(), fsr_nm=FSR_NM).d_through[6]
    assert slope == pytest.approx((up.through - down.through) / 2e-6, abs=1e-5 * np.abs(slope).max())


def test_no_ring_gives_more_light_than_it_gets():
    response = ring_response(WL_NM, shape(split2_im_pm2=0.0), fsr_nm=FSR_NM)
    assert (response.through + response.drop <= 1.0 + 1e-12).all()


def test_an_unsplit_ring_is_the_limit_of_a_split_one():
    none, little = (ring_response(WL_NM, shape(split2_pm2=s, split2_im_pm2=0.0), fsr_nm=FSR_NM) for s in (0.0, 0.01))
    assert none.through == pytest.approx(little.through, abs=1e-5)
    assert none.d_through[4] == pytest.approx(little.d_through[4], rel=1e-3, abs=1e-9)


def test_derivatives_hold_with_facets_around_the_rings():
    light = np.ones(len(WL_NM))
    window = Window(WL_NM, light, (), (), (FSR_NM, FSR_NM))
    model = WindowModel.plain(window)
    rings = (*shape(), *shape(wl_nm=WL0_NM + 0.03, log_kappa2=np.log(0.03)))
    p = np.concatenate([rings, [0.1, -0.02, 0.01, 0.005]])
    for n, (period_nm, wave) in enumerate(((0.26, (0.03, -0.02)), (0.41, (0.01, 0.02)))):
        model, p = model.with_ripple(0, p, period_nm)
        p[model.envelope(0)][3 * n + 4 : 3 * n + 6] = wave
    model = model.turned(0)
    assert model.around == (True, False)
    _, exact, slope = model.evaluate(p, WL_NM)
    for n in range(model.size):
        step = np.eye(model.size)[n] * (1e-2 if n % 6 > 3 and n < 12 else 1e-6)
        up, down = (model.evaluate(p + sign * step, WL_NM)[0][0] for sign in (1, -1))
        numeric = (up - down) / (2.0 * step[n])
        assert exact[0, n] == pytest.approx(numeric, rel=1e-4, abs=1e-5 * np.abs(numeric).max() + 1e-10), n
    # A step of light in the rings is a step of all rings the other way.
    assert slope[0] == pytest.approx(-(exact[0, 0] + exact[0, 6]), rel=0.01, abs=0.01 * np.abs(slope).max())


def jittered(jitter_nm):
    light = np.ones(len(WL_NM))
    window = Window(WL_NM, light, (light,), (0,), (FSR_NM,), jitter_nm=jitter_nm)
    model = WindowModel.plain(window)
    return model, np.concatenate(
        [shape(log_kappa2=np.log(0.006), loss=0.004), [0.1, -0.02, 0.01, 0.005, 0.2, 0.1, 0.0]]
    )


def test_a_laser_that_jitters_reads_the_mean_over_its_jitter():
    jitter_nm = 0.003  # of a linewidth of 23 pm
    (sharp, p), (model, _) = jittered(0.0), jittered(jitter_nm)
    epsilon_nm = jitter_nm * np.linspace(-6.0, 6.0, 481)
    share = np.exp(-0.5 * (epsilon_nm / jitter_nm) ** 2)
    mean = sum(w * sharp.evaluate(p, WL_NM + e)[0] for w, e in zip(share / share.sum(), epsilon_nm, strict=True))
    read, _, _ = model.evaluate(p, WL_NM)
    assert read == pytest.approx(mean, abs=1e-4)
    filled = read - sharp.evaluate(p, WL_NM)[0]
    assert np.max(filled[0]) > 0.02
    # To second order in the jitter it is ½·σ²·P″.
    small, _ = jittered(1e-4)
    assert small.filled(p) == pytest.approx(
        small.evaluate(p, WL_NM)[0] - sharp.evaluate(p, WL_NM)[0], rel=0.02, abs=1e-8
    )


def test_three_nodes_are_enough_for_a_jitter_that_is_small():
    model, p = jittered(0.001)
    width_nm = min(model.widths_nm(p))
    few = replace(model, window=replace(model.window, narrowest_nm=width_nm))
    assert 0.03 < 0.001 / width_nm < 0.05
    found, known = few.evaluate(p, WL_NM), model.evaluate(p, WL_NM)
    assert 0.0 < np.max(np.abs(found[0] - known[0])) < 1e-5
    for one, other in zip(found[1:], known[1:], strict=True):
        assert one == pytest.approx(other, abs=1e-3 * np.max(np.abs(other)))


def test_what_a_reading_averages_fills_a_dip_as_jitter_does_but_scatters_no_reading():
    (model, p), (jitter, _) = jittered(0.001), jittered(0.003)
    blurred = replace(model, window=replace(model.window, blur_nm=np.sqrt(8.0) * 1e-3))
    assert blurred.evaluate(p, WL_NM)[0] == pytest.approx(jitter.evaluate(p, WL_NM)[0], abs=1e-12)
    # What scatters by the square of the jitter is the jitter's share alone.
    assert blurred.filled(p) == pytest.approx(jitter.filled(p) / 9.0, abs=1e-12)
    still = replace(model, window=replace(model.window, jitter_nm=0.0, blur_nm=0.003))
    assert not still.filled(p).any()


def test_derivatives_hold_under_jitter():
    model, p = jittered(0.003)
    _, exact, _ = model.evaluate(p, WL_NM)
    for n in range(model.size):
        step = np.eye(model.size)[n] * (1e-2 if n in (4, 5) else 1e-6)
        up, down = (model.evaluate(p + sign * step, WL_NM)[0] for sign in (1, -1))
        numeric = (up - down) / (2.0 * step[n])
        assert exact[:, n] == pytest.approx(numeric, rel=1e-4, abs=1e-5 * np.abs(numeric).max() + 1e-9), n
