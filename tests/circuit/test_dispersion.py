"""A ring's spectrum over 90 nm against the mode tables themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.dispersion import ring_dispersion
from prism_photonics.circuit.ring import Ring
from prism_photonics.lightpath.ring.dispersion import RingDispersion, dispersed
from prism_photonics.lightpath.ring.model import RingParams, half_turn, ring_fields
from prism_photonics.process.modes import load_modes

WL0 = 1.55
WL = np.linspace(1.505, 1.595, 181)


@pytest.fixture(scope="module")
def drawn():
    """The demonstrator's ring with the tables' own indices at 1.55 µm, and their n_eff·L at every wavelength."""
    ring, table = Ring(), load_modes("tfln600")
    lengths, width = ring.design.lengths, ring.design.width_um

    def along(quantity, wl):
        by_angle = [np.asarray(getattr(table, quantity)(width, wl, angle_deg=angle)) for angle in (90.0, 0.0)]
        turn = np.array([table.ring_average(quantity, wl_um=float(one), width_um=width) for one in np.atleast_1d(wl)])
        return by_angle[0] * lengths.x_um + by_angle[1] * lengths.y_um + turn * lengths.bend_um

    at = np.array([WL0])
    leaves = vars(ring.params) | {"opl_um": along("n_eff", at)[0], "gpl_um": along("n_g", at)[0]}
    params = RingParams(**{name: np.asarray(leaf) for name, leaf in leaves.items()})
    return ring, params, along("n_eff", WL)


def error_pm(phase, exact, gpl_um):
    return (phase - exact) / (2 * np.pi) * WL**2 / gpl_um * 1e6


def turned(params):
    return 2 * np.unwrap(np.angle(np.asarray(half_turn(WL, params, 0.0))))


def test_resonances_over_90_nm_are_those_of_the_tables_to_6_pm(drawn):
    ring, params, n_L = drawn
    exact = 2 * np.pi / WL * n_L
    gpl_um = float(params.gpl_um)
    found = {}
    for name, slopes in (
        ("linear", ring_dispersion(ring.design, ring.profile)),
        ("none", RingDispersion(*np.zeros((3, 1)))),
    ):
        phase = turned(dispersed(WL, params, slopes))
        whole = np.round((phase - exact)[90] / (2 * np.pi)) * 2 * np.pi
        found[name] = np.abs(error_pm(phase - whole, exact, gpl_um)).max()
    assert found["linear"] < 6.0
    assert found["none"] > 5.0 * found["linear"]


def test_couplings_follow_the_tables_and_grow_with_the_wavelength(drawn):
    ring, params, _ = drawn
    at_each = dispersed(WL, params, ring_dispersion(ring.design, ring.profile))
    table = load_modes("tfln600")
    c = np.asarray(table.coupling_per_um(ring.gap_through_um, WL) / table.coupling_per_um(ring.gap_through_um, WL0))
    kappa2 = (1.0 - at_each.t1**2) / (1.0 - params.t1**2)
    assert kappa2 == pytest.approx(c**2, rel=0.02)
    assert (np.diff(kappa2) > 0).all()
    # A share of a percent per nanometre.
    assert 0.002 < np.polyfit(WL * 1e3, np.log(kappa2), 1)[0] < 0.03


def test_without_slopes_it_is_the_ring_and_at_its_own_wavelength_always(drawn):
    ring, params, _ = drawn
    none = dispersed(WL, params, RingDispersion(*np.zeros((3, 1))))
    plain, same = ring_fields(WL, params, 5.0), ring_fields(WL, none, 5.0)
    assert np.abs(plain.drop - same.drop).max() < 1e-10
    own = dispersed(np.array([WL0]), params, ring_dispersion(ring.design, ring.profile))
    assert own.opl_um[0] == pytest.approx(float(params.opl_um), abs=1e-12)
    assert own.t1[0] == pytest.approx(float(params.t1), abs=1e-14)


def test_a_dispersed_ring_is_passive_and_its_slopes_are_those_of_finite_differences(drawn):
    ring, params, _ = drawn
    slopes = ring_dispersion(ring.design, ring.profile)
    fields = ring_fields(WL, dispersed(WL, params, slopes), 0.0)
    assert (np.abs(fields.through) ** 2 + np.abs(fields.drop) ** 2).max() <= 1 + 1e-12

    @jax.jit
    def dropped(scale):
        there = RingDispersion(*(scale * jnp.asarray(leaf) for leaf in vars(slopes).values()))
        return jnp.sum(jnp.abs(ring_fields(jnp.asarray(WL), dispersed(jnp.asarray(WL), params, there), 0.0).drop) ** 2)

    difference = float(dropped(1.0 + 1e-6) - dropped(1.0 - 1e-6)) / 2e-6
    assert float(jax.grad(dropped)(1.0)) == pytest.approx(difference, rel=1e-4)
