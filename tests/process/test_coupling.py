"""A ring couples to its bus as the parallel ribs beside which it runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from prism_photonics.process.coupling import GapLaw, effective_length_um, kappa
from prism_photonics.process.modes import load_modes

LAW = GapLaw(coupling_per_um=0.005, gap_um=0.6, decay_um=0.18)


@pytest.mark.parametrize(("radius_um", "straight_um"), [(20.0, 0.0), (20.0, 3.0), (60.0, 0.5)])
def test_the_parabola_couples_as_the_true_circle(radius_um, straight_um):
    # Over the near half circle, per length along the bus, as the parabola counts it.
    arc, _ = quad(lambda x: LAW.at(0.6 + radius_um - np.sqrt(radius_um**2 - x**2)), -0.5 * radius_um, 0.5 * radius_um)
    true = arc + LAW.at(0.6) * straight_um
    length = effective_length_um(radius_um=radius_um, straight_um=straight_um, decay_um=LAW.decay_um)
    assert LAW.at(0.6) * length == pytest.approx(true, rel=5e-3)
    assert kappa(0.6, LAW, radius_um=radius_um, straight_um=straight_um) == pytest.approx(np.sin(true), rel=5e-3)


def test_kappa_falls_with_the_gap_and_grows_with_length_and_radius():
    gaps = np.linspace(0.5, 0.9, 9)
    assert (np.diff(kappa(gaps, LAW, radius_um=20.0)) < 0).all()
    assert kappa(0.6, LAW, radius_um=20.0, straight_um=3.0) > kappa(0.6, LAW, radius_um=20.0)
    assert kappa(0.6, LAW, radius_um=40.0) > kappa(0.6, LAW, radius_um=20.0)


def test_a_wide_gap_couples_nothing():
    assert kappa(5.0, LAW, radius_um=20.0) == pytest.approx(0.0, abs=1e-9)


def test_jax_sees_the_same_coupler_and_its_gradient():
    def under_jax(gap):
        return kappa(gap, LAW, radius_um=20.0, straight_um=1.0, xp=jnp)

    def plain(gap):
        return kappa(gap, LAW, radius_um=20.0, straight_um=1.0)

    assert float(jax.jit(under_jax)(0.55)) == pytest.approx(plain(0.55), rel=1e-6)
    slope = (plain(0.55 + 1e-5) - plain(0.55 - 1e-5)) / 2e-5
    assert float(jax.grad(under_jax)(0.55)) == pytest.approx(slope, rel=1e-4)


def test_an_exponential_describes_the_tables_coupling_to_a_few_percent():
    law, error = load_modes("tfln600").gap_law(gaps_um=(0.4, 0.8))
    assert 0.15 < law.decay_um < 0.22
    assert error < 0.045
    table = load_modes("tfln600").coupling_per_um(0.5, 1.55)
    assert law.at(0.5) == pytest.approx(table, rel=0.045)
