"""Every drawn ring resonates where its channel needs it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.params import designed_bank
from prism_photonics.lightpath.ring.model import ring_fields
from prism_photonics.lightpath.ring.place import straights_um

# Both straights grow by the grid's 1 nm together: 21 pm a step.
HALF_GRID_PM = 11


@pytest.fixture(scope="module")
def bank(demo):
    return designed_bank(demo)


def test_each_rings_drop_peak_lies_at_its_channel_plus_bias_within_the_drawing_grid(demo, bank):
    for c, channel_um in enumerate(demo.comb_design.wl_um):
        ring = jax.tree.map(lambda leaf, c=c: leaf[0, c], bank.rings)
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


def test_straights_lie_on_the_1_nm_grid_are_short_and_grow_with_wavelength(demo):
    straights = [design.straight_um for design in demo.ring_designs]
    assert [round(s * 1e3) for s in straights] == pytest.approx([s * 1e3 for s in straights], abs=1e-6)
    assert (np.diff(straights) > 0).all()
    # One order of resonance is one wavelength of path: never more than half of it in each straight.
    assert 0 <= straights[0] < 0.45


def test_one_nanometre_of_straight_on_both_sides_moves_the_resonance_by_about_21_pm(demo):
    straights = [
        straights_um(demo.profile, radius_um=20.0, wl_um=(1.55,), bias_pm=bias, snap=False)[0] for bias in (0.0, 100.0)
    ]
    assert 100.0 / ((straights[1] - straights[0]) * 1e3) == pytest.approx(21, abs=1)
