"""Every drawn ring resonates where its channel needs it."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.budget.ring import ring_figures
from prism_photonics.circuit.params import designed_bank, ring_params
from prism_photonics.lightpath.ring.model import ring_fields
from prism_photonics.lightpath.ring.place import resonance_um, straights_um, tuned_share

# Both straights grow by the grid's 1 nm together: 21 pm a step.
HALF_GRID_PM = 11


@pytest.fixture(scope="module")
def bank(demo):
    return designed_bank(demo)


def test_each_rings_drop_peak_lies_at_its_channel_plus_bias_within_the_drawing_grid(demo, bank):
    for c, channel_um in enumerate(demo.comb_design.wl_um):
        ring = jax.tree.map(lambda leaf, c=c: leaf[0, 0, c], bank.rings)
        aim_um = channel_um + demo.ring.bias_pm / 1e6
        wl = aim_um + np.linspace(-100, 100, 4001) / 1e6
        drop = np.abs(ring_fields(jnp.asarray(wl), ring, 0.0).drop)
        assert (wl[drop.argmax()] - aim_um) * 1e6 == pytest.approx(0, abs=HALF_GRID_PM), f"channel {c}"


def test_off_the_grid_the_resonance_is_met_exactly(demo):
    optics, radius_um, wl_um = demo.profile.optics, demo.ring.radius_um, demo.comb_design.wl_um
    wl0 = optics.wl0_um.value
    straights = straights_um(demo.profile, radius_um=radius_um, wl_um=wl_um, bias_pm=35.0, snap=False)

    def n(n_eff, n_g, wl):
        return n_eff - (n_g - n_eff) * (wl - wl0) / wl0

    orders = []
    for straight, channel in zip(straights, wl_um, strict=True):
        wl = channel + 35e-6
        n_x = n(optics.n_eff_along_x.value, optics.n_g_along_x.value, wl)
        n_y = n(optics.n_eff_along_y.value, optics.n_g_along_y.value, wl)
        orders.append((2 * straight * n_x + 2 * np.pi * radius_um * (n_x + n_y) / 2) / wl)
    assert orders == pytest.approx([round(orders[0])] * 8, abs=1e-10)


def test_straights_lie_on_the_1_nm_grid_grow_with_wavelength_and_are_hardly_longer_than_asked(demo):
    straights = [design.straight_um for design in demo.ring_designs]
    least_um = demo.ring.straight_um
    assert [round(s * 1e3) for s in straights] == pytest.approx([s * 1e3 for s in straights], abs=1e-6)
    assert (np.diff(straights) > 0).all()
    # One order of resonance is one wavelength of path: never more than half of it in each straight.
    assert least_um <= straights[0] < least_um + 0.45


def test_one_nanometre_of_straight_on_both_sides_moves_the_resonance_by_about_21_pm(demo):
    straights = [
        straights_um(demo.profile, radius_um=20.0, wl_um=(1.55,), bias_pm=bias, snap=False)[0] for bias in (0.0, 100.0)
    ]
    assert 100.0 / ((straights[1] - straights[0]) * 1e3) == pytest.approx(21, abs=1)


# ---------------------------------------------------------------- racetracks


def test_arms_lengthen_the_ring_along_y_and_raise_its_centre_by_half(circles):
    circle = circles.ring_designs[0]
    track = replace(circle, arm_um=50.0)
    assert track.lengths.y_um == 100.0
    assert track.length_um == pytest.approx(circle.length_um + 100.0)
    assert track.length_um == pytest.approx(2 * math.pi * 20.0 + 2 * circle.straight_um + 100.0)
    assert track.bus_pitch_um == pytest.approx(circle.bus_pitch_um + 50.0)
    assert track.center_y_um == pytest.approx(circle.center_y_um + 25.0)
    # Between the turns the buses are as far from the lobes as they were.
    assert track.widest_lobe_deg == pytest.approx(circle.widest_lobe_deg)


@pytest.mark.parametrize("arm_um", [0.0, 37.5, 400.0])
def test_a_racetracks_straights_put_it_on_its_channel(circles, arm_um):
    r, wl_um = circles.ring, circles.comb_design.wl_um
    straights = straights_um(circles.profile, radius_um=r.radius_um, arm_um=arm_um, wl_um=wl_um, bias_pm=27.0)
    for straight, channel_um in zip(straights, wl_um, strict=True):
        design = replace(circles.ring_designs[0], straight_um=straight, arm_um=arm_um)
        found_um = resonance_um(circles.profile, design.lengths, near_um=channel_um)
        # A longer ring moves less per nanometre of straight.
        assert (found_um - channel_um) * 1e6 == pytest.approx(27.0, abs=HALF_GRID_PM)
        ring = ring_params(design, circles.profile, loss_dB_cm=0.27)
        wl = found_um + np.linspace(-20, 20, 2001) / 1e6
        peak_um = wl[np.abs(ring_fields(jnp.asarray(wl), ring, 0.0).drop).argmax()]
        assert (peak_um - found_um) * 1e6 == pytest.approx(0, abs=0.05)


def test_the_longer_the_arms_the_more_of_the_ring_is_tuned_and_the_narrower_its_range(demo, altered):
    arms_um = (0.0, 20.0, 100.0, 500.0, 2000.0)
    tracks = [altered(demo, ring={"arm_um": arm}) for arm in arms_um]
    shares = [tuned_share(demo.profile, spec.ring_designs[0]) for spec in tracks]
    assert (np.diff(shares) > 0).all()
    assert 0.97 < shares[-1] < 1.0
    figures = [ring_figures(spec) for spec in tracks]
    lengths = [spec.ring_designs[0].length_um for spec in tracks]
    assert (np.diff([f.fsr_nm for f in figures]) < 0).all()
    # Hardly any dispersion between turns and arms: the range falls with one over the length.
    assert figures[-1].fsr_nm * lengths[-1] == pytest.approx(figures[0].fsr_nm * lengths[0], rel=0.05)
    # An arm that is tuned over all its length tunes by λ²·1/(2·n_g·V_πL) and no better.
    n_g = demo.profile.optics.n_g_along_y.value
    single_um_V = 2e4 * demo.profile.electrooptics.vpil_push_pull_V_cm.value
    limit = 1.55**2 / (2 * n_g * single_um_V) * 1e6
    assert figures[-1].tuning_pm_V == pytest.approx(limit, rel=0.05)
