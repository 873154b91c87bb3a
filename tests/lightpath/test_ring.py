"""The add-drop ring before four judges: passivity, its limits, a second road, finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.lightpath.ring.figures import extreme_transmissions
from prism_photonics.lightpath.ring.model import (
    RingParams,
    electrode_volts,
    fsr_um,
    fwhm_pm,
    resonance_shift_pm,
    ring_fields,
)
from prism_photonics.lightpath.ring.saxmodel import ring
from prism_photonics.lightpath.waveguide.saxmodel import path
from prism_photonics.saxlib import sax

WL0 = 1.55
ORDER = 160
# At resonance at 1.55 µm, n_eff·L = m·λ; the group index is a fifth higher.
OPL_UM = ORDER * WL0
GPL_UM = 1.19 * OPL_UM
DEMO_LIKE = {"t1": 0.9934, "t2": 0.9934, "a": 0.9996}


def make(t1, t2, a, *, opl_um=OPL_UM, gpl_um=GPL_UM):
    shape = np.broadcast_shapes(*map(np.shape, (t1, t2, a, opl_um, gpl_um)))
    leaf = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype=float), shape)  # noqa: E731
    return RingParams(*(leaf(x) for x in (t1, t2, a, opl_um, gpl_um, 0.0, 0.0, 0.0, WL0)))


def random_rings(count, seed=0):
    rng = np.random.default_rng(seed)
    t1, t2, a = rng.uniform(0, 1, (3, count)) ** rng.choice([0.01, 1.0], (3, count))
    return make(t1, t2, a, opl_um=rng.uniform(200, 300, count), gpl_um=rng.uniform(240, 360, count))


def scattering(fields):
    """The 4×4 matrix over o1 … o4, (rings, out, in)."""
    th, dr, db, no = *map(np.asarray, (fields.through, fields.drop, fields.drop_bus)), np.zeros(fields.through.shape)
    return np.moveaxis(np.array([[no, th, dr, no], [th, no, no, dr], [dr, no, no, db], [no, dr, db, no]]), -1, 0)


# ---------------------------------------------------------------- laws


def test_a_ring_never_gives_out_more_power_than_it_takes_in():
    rings = random_rings(2000)
    gain = np.linalg.svd(scattering(ring_fields(1.5437, rings, 0.0)), compute_uv=False).max(-1)
    assert gain.max() <= 1 + 1e-12


def test_a_lossless_ring_is_unitary():
    rings = random_rings(500, seed=1)
    rings = make(rings.t1, rings.t2, 1.0, opl_um=rings.opl_um)
    s = scattering(ring_fields(1.551, rings, 30.0))
    assert np.abs(s @ s.conj().swapaxes(1, 2) - np.eye(4)).max() < 1e-9


def test_a_ring_is_reciprocal_between_all_ports():
    s = ring(wl=jnp.linspace(1.549, 1.551, 11), t1=0.95, t2=0.9, a=0.99, opl_um=OPL_UM, gpl_um=GPL_UM)
    for (a, b), value in sax.sdict(s).items():
        assert np.array_equal(value, s[b, a])


# ---------------------------------------------------------------- limits


def test_without_coupling_nothing_drops_and_all_passes():
    fields = ring_fields(jnp.linspace(1.54, 1.56, 500), make(1.0, 1.0, 0.99), 0.0)
    assert np.array_equal(np.abs(fields.drop), np.zeros(500))
    assert np.asarray(fields.through) == pytest.approx(np.ones(500), abs=1e-14)


def test_with_full_coupling_the_ring_is_half_a_turn_of_waveguide():
    fields = ring_fields(jnp.linspace(1.54, 1.56, 50), make(0.0, 0.0, 0.81), 0.0)
    assert np.abs(fields.drop) == pytest.approx(np.full(50, 0.9), abs=1e-14)
    assert np.abs(fields.drop_bus) == pytest.approx(np.zeros(50), abs=1e-14)


def test_a_lossless_symmetric_ring_drops_everything_on_resonance():
    fields = ring_fields(jnp.asarray([WL0]), make(0.97, 0.97, 1.0), 0.0)
    assert abs(fields.drop[0]) == pytest.approx(1, abs=1e-10)
    assert abs(fields.through[0]) == pytest.approx(0, abs=1e-10)


def test_a_critically_coupled_ring_passes_nothing_on_resonance():
    fields = ring_fields(jnp.asarray([WL0]), make(0.97 * 0.98, 0.97, 0.98), 0.0)
    assert abs(fields.through[0]) == pytest.approx(0, abs=1e-10)
    assert abs(fields.drop[0]) < 1


# ---------------------------------------------------------------- second road


def coupler(*, wl=1.55, t=0.9):
    """Directional coupler between two guides, west to east: κ enters as jκ."""
    t = jnp.asarray(t) * jnp.ones_like(jnp.asarray(wl), dtype=complex)
    jk = 1j * jnp.sqrt(1.0 - t**2)
    return sax.reciprocal({("w0", "e0"): t, ("w1", "e1"): t, ("w0", "e1"): jk, ("w1", "e0"): jk})


RING_OF_PARTS = {
    "instances": {"bottom": "coupler", "top": "coupler", "east": "path", "west": "path"},
    # Light turns anticlockwise: east along the bottom, up the east side, west along the top.
    "connections": {"bottom,e1": "east,o1", "east,o2": "top,w1", "top,e1": "west,o1", "west,o2": "bottom,w1"},
    "ports": {"o1": "bottom,w0", "o2": "bottom,e0", "o4": "top,w0", "o3": "top,e0"},
}


@pytest.mark.parametrize("seed", range(5))
def test_the_closed_form_is_two_couplers_and_two_half_turns(seed):
    rng = np.random.default_rng(seed)
    t1, t2, a = rng.uniform(0.3, 1, 3)
    opl_um, gpl_um = rng.uniform(200, 300), rng.uniform(300, 400)
    wl = jnp.linspace(1.53, 1.57, 201)
    circuit, _ = sax.circuit(RING_OF_PARTS, models={"coupler": coupler, "path": path}, backend="klu")
    half = {"opl_um": opl_um / 2, "gpl_um": gpl_um / 2, "amplitude": np.sqrt(a)}
    parts = sax.sdict(circuit(wl=wl, bottom={"t": t1}, top={"t": t2}, east=half, west=half))
    whole = ring(wl=wl, t1=t1, t2=t2, a=a, opl_um=opl_um, gpl_um=gpl_um)
    assert set(whole) <= set(parts)
    for ports, value in parts.items():
        assert np.abs(np.asarray(value) - np.asarray(whole.get(ports, 0.0))).max() < 1e-12, ports


# ---------------------------------------------------------------- figures of merit against the spectrum


@pytest.mark.parametrize(("t1", "t2", "a"), [(0.9934, 0.9934, 0.9996), (0.98, 0.99, 0.995), (0.9995, 0.9995, 0.99999)])
def test_linewidth_and_extremes_are_those_of_the_spectrum(t1, t2, a):
    params = make(t1, t2, a)
    width_um = float(fwhm_pm(params)) / 1e6
    wl = WL0 + np.linspace(-3, 3, 600_001) * width_um
    fields = ring_fields(jnp.asarray(wl), params, 0.0)
    drop, through = np.abs(fields.drop) ** 2, np.abs(fields.through) ** 2
    above = wl[drop >= drop.max() / 2]
    t_min, d_max = extreme_transmissions(params.t1, params.t2, params.a)
    assert above[-1] - above[0] == pytest.approx(width_um, rel=1e-3)
    assert drop.max() == pytest.approx(float(d_max), rel=1e-9)
    assert through.min() == pytest.approx(float(t_min), abs=1e-9)
    assert d_max + t_min <= 1


def test_the_free_spectral_range_is_that_of_the_spectrum():
    params = make(**DEMO_LIKE)
    wl = np.linspace(WL0 - 0.012, WL0 + 0.012, 400_001)
    drop = np.abs(ring_fields(jnp.asarray(wl), params, 0.0).drop) ** 2
    peaks = wl[1:-1][(drop[1:-1] > drop[:-2]) & (drop[1:-1] > drop[2:]) & (drop[1:-1] > 0.5 * drop.max())]
    centre = np.argmin(np.abs(peaks - WL0))
    # The mean of the two sides is free of the first-order change of the range with wavelength.
    assert (peaks[centre + 1] - peaks[centre - 1]) / 2 == pytest.approx(float(fsr_um(params)), rel=1e-3)


@pytest.mark.parametrize("shift_pm", [-120.0, 0.0, 35.0, 400.0])
def test_a_shift_moves_the_drop_peak_by_as_much(shift_pm):
    wl = WL0 + np.linspace(-600, 600, 240_001) / 1e6
    drop = np.abs(ring_fields(jnp.asarray(wl), make(**DEMO_LIKE), shift_pm).drop)
    assert (wl[drop.argmax()] - WL0) * 1e6 == pytest.approx(shift_pm, abs=0.01 + 1e-3 * abs(shift_pm))


def test_voltage_shifts_linearly_and_by_the_square():
    params = RingParams(*(jnp.asarray(x) for x in (0.99, 0.99, 1.0, 246.0, 291.0, 12.0, 8.0, -0.05, 1.55)))
    assert float(resonance_shift_pm(params, jnp.asarray(-4.0))) == pytest.approx(12 - 32 - 0.8)


def test_each_electrode_sees_a_share_of_both_neighbours():
    acting = electrode_volts(jnp.asarray([1.0, 10.0, 100.0]), jnp.asarray([0.01, 0.02]))
    assert np.asarray(acting) == pytest.approx([1.1, 10 + 0.01 + 2.0, 100.2])
    alone = electrode_volts(jnp.asarray([3.0]), jnp.zeros(0))
    assert np.asarray(alone) == pytest.approx([3.0])


# ---------------------------------------------------------------- gradient


@pytest.mark.parametrize(
    ("name", "step"), [("t1", 1e-6), ("t2", 1e-6), ("a", 1e-6), ("opl_um", 1e-6), ("gpl_um", 1e-3)]
)
def test_the_gradient_is_that_of_finite_differences(name, step):
    base = make(0.98, 0.97, 0.99)
    wl = jnp.asarray([1.5499, 1.5500, 1.5503])

    def power(value):
        params = make(**{"t1": 0.98, "t2": 0.97, "a": 0.99} | ({name: value} if name in DEMO_LIKE else {}),
                      **({} if name in DEMO_LIKE else {name: value}))  # fmt: skip
        fields = ring_fields(wl, params, 20.0)
        return jnp.sum(jnp.abs(fields.through) ** 2 * jnp.arange(1, 4) - jnp.abs(fields.drop) ** 2)

    x = float(getattr(base, name))
    slope = float(jax.grad(power)(x))
    difference = float(power(x + step) - power(x - step)) / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-6)


def test_the_gradient_by_shift_is_that_of_finite_differences_even_where_the_weight_is_steepest():
    params = make(**DEMO_LIKE)
    steepest = float(fwhm_pm(params)) / np.sqrt(12)

    def weight(shift_pm):
        fields = ring_fields(WL0, params, shift_pm)
        return jnp.abs(fields.through) ** 2 - jnp.abs(fields.drop) ** 2

    difference = float(weight(steepest + 1e-3) - weight(steepest - 1e-3)) / 2e-3
    assert float(jax.grad(weight)(steepest)) == pytest.approx(difference, rel=1e-6)
    t_min, d_max = extreme_transmissions(params.t1, params.t2, params.a)
    lorentzian = 3 * np.sqrt(3) / 8 * float(1 - t_min + d_max) * 2 / float(fwhm_pm(params))
    assert difference == pytest.approx(lorentzian, rel=1e-3)
