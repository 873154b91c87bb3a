"""Rows of Vernier pairs: the same fields as SAX, and more channels on a bus than a single ring's range holds."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.calibration.levenberg import least_squares
from prism_photonics.circuit.params import ring_params
from prism_photonics.circuit.row import row_response
from prism_photonics.circuit.saxrow import max_field_error
from prism_photonics.circuit.saxvernier import sax_vernier_response
from prism_photonics.circuit.vernier import designed_vernier_row, vernier_row_response, vernier_weights
from prism_photonics.lightpath.ring.model import fsr_um, ring_fields
from prism_photonics.lightpath.vernier.model import VernierParams, pair_shift_pm, vernier_fields
from prism_photonics.lightpath.vernier.place import vernier_designs
from prism_photonics.lightpath.waveguide.model import PathParams, transmission
from prism_photonics.process.profile import load_profile

respond = eqx.filter_jit(vernier_row_response)
CHANNELS, BIAS_PM = 32, 200.0
COMB_UM = tuple(1.5252 + 0.0016 * c for c in range(CHANNELS))
SCAN_V = jnp.linspace(-100.0, 100.0, 801)


def random_row(count, seed, *, lossless=False):
    rng = np.random.default_rng(seed)
    uniform = lambda low, high, *shape: jnp.asarray(rng.uniform(low, high, shape))  # noqa: E731
    resonance = jnp.asarray(1.546 + 0.001 * (np.arange(count) % 8))
    pairs = VernierParams(
        t1=uniform(0.9, 0.999, count),
        t12=uniform(0.98, 0.9999, count),
        t2=uniform(0.9, 0.999, count),
        a1=jnp.ones(count) if lossless else uniform(0.98, 1.0, count),
        a2=jnp.ones(count) if lossless else uniform(0.98, 1.0, count),
        opl1_um=jnp.asarray(rng.integers(150, 170, count)) * resonance,
        opl2_um=jnp.asarray(rng.integers(170, 190, count)) * resonance,
        gpl1_um=uniform(290.0, 310.0, count),
        gpl2_um=uniform(330.0, 350.0, count),
        offset1_pm=uniform(-20.0, 20.0, count),
        offset2_pm=uniform(-20.0, 20.0, count),
        slope1_pm_V=uniform(4.0, 6.0, count),
        slope2_pm_V=uniform(4.0, 6.0, count),
        wl0_um=jnp.full(count, 1.55),
    )
    shape = (2, count + 1)
    buses = PathParams(
        opl_um=uniform(100.0, 300.0, *shape),
        gpl_um=uniform(120.0, 360.0, *shape),
        amplitude=jnp.ones(shape) if lossless else uniform(0.9, 1.0, *shape),
        phase_rad=uniform(0.0, 2 * np.pi, *shape),
        wl0_um=jnp.full(shape, 1.55),
    )
    wl = jnp.sort(jnp.concatenate([jnp.unique(resonance), uniform(1.543, 1.557, 24)]))
    return wl, pairs, buses, uniform(-60.0, 60.0, count, 2)


# ---------------------------------------------------------------- second road


@pytest.mark.parametrize(("count", "seed"), [(2, 0), (8, 1), (32, 2)])
def test_the_row_and_the_sax_netlist_give_the_same_complex_fields(count, seed):
    row = random_row(count, seed)
    ours, theirs = respond(*row), sax_vernier_response(*row)
    assert max_field_error(ours, theirs) < 1e-11
    assert np.abs(theirs.drop).max() > 0.05


# ---------------------------------------------------------------- laws and limits


def test_a_lossless_row_sends_all_its_light_to_the_two_detectors():
    # Nothing runs backward: not even the far end of the drop bus takes any, as it would with single rings.
    fields = respond(*random_row(8, 3, lossless=True))
    assert np.abs(fields.through) ** 2 + np.abs(fields.drop) ** 2 == pytest.approx(np.ones(32), abs=1e-10)


def test_a_row_of_one_pair_is_the_pair_between_its_bus_stubs():
    wl, pairs, buses, shift_pm = random_row(1, 4)
    fields = respond(wl, pairs, buses, shift_pm)
    pair = vernier_fields(wl, jax.tree.map(lambda leaf: leaf[0], pairs), *shift_pm[0])
    bus = jax.vmap(jax.vmap(lambda segment: transmission(wl, segment)))(buses)
    assert np.abs(fields.through - bus[0, 0] * pair.through * bus[0, 1]).max() < 1e-12
    assert np.abs(fields.drop - bus[0, 0] * pair.drop * bus[1, 1]).max() < 1e-12


def test_the_gradient_by_every_voltage_is_that_of_finite_differences():
    wl, pairs, buses, _ = random_row(8, 5)
    volts = jnp.asarray(np.random.default_rng(6).uniform(-10, 10, 8))
    share = jnp.arange(1.0, 1.0 + wl.shape[0])
    of = jax.jit(lambda v: jnp.sum(share * vernier_weights(wl, pairs, buses, v)))
    gradient = jax.jit(jax.grad(of))(volts)
    for j in range(8):
        difference = float(of(volts.at[j].add(1e-4)) - of(volts.at[j].add(-1e-4))) / 2e-4
        assert float(gradient[j]) == pytest.approx(difference, rel=1e-5, abs=1e-7), j


# ---------------------------------------------------------------- more channels than a range holds


@pytest.fixture(scope="module")
def comb_row():
    """32 channels of 1.6 nm, six times the range of their rings: a row of pairs, and one of single rings, with the same
    buses of random phase.

    The rings have the range and linewidth of arXiv 2603.21576: 8.29 nm, 157 pm (Q = 9,900).
    """
    profile = load_profile("tfln600")
    designs = vernier_designs(
        profile, radius_um=16.0, wl_um=COMB_UM, bias_pm=BIAS_PM, gap_through_um=0.4, gap_between_um=0.76,
        gap_drop_um=0.4, pitch_um=130.0, least_um=12.0, lobe_half_angle_deg=55.0, electrode_gap_um=5.4,
        electrode_width_um=8.0,
    )  # fmt: skip
    pairs, buses = designed_vernier_row(designs, profile, loss_dB_cm=0.27)
    phases = np.random.default_rng(8).uniform(0, 2 * np.pi, buses.phase_rad.shape)
    buses = eqx.tree_at(lambda b: b.phase_rad, buses, jnp.asarray(phases))
    singles = [replace(design.rings[0], gap_drop_um=0.4) for design in designs]
    rings = [ring_params(ring, profile, loss_dB_cm=0.27) for ring in singles]
    return pairs, buses, jax.tree.map(lambda *leaves: jnp.stack(leaves), *rings)


def weight(fields):
    return jnp.abs(fields.through) ** 2 - jnp.abs(fields.drop) ** 2


def solve(weights_of, own_curves, targets):
    """Rms weight error left, and iterations: from each device's own curve, then whole rows, without a drive limit."""

    def start(curve, target):
        past = jnp.arange(SCAN_V.size) >= jnp.argmin(curve)
        return SCAN_V[jnp.argmin(jnp.where(past, jnp.abs(curve - target), jnp.inf))]

    def one(target):
        def residuals(volts):
            return weights_of(volts) - target

        first = jax.vmap(start)(own_curves, target)
        return least_squares(residuals, first, jacobian=jax.jacfwd(residuals), steps=30, cost_goal=1e-10)

    found = jax.jit(jax.vmap(one))(targets)
    return np.sqrt(np.asarray(found.cost) / CHANNELS), np.asarray(found.steps)


def test_32_channels_on_one_bus_are_addressable_by_pairs_and_not_by_single_rings(comb_row):
    pairs, buses, rings = comb_row
    wl = jnp.asarray(COMB_UM)
    targets = jnp.asarray(np.random.default_rng(9).uniform(-0.7, 0.7, (4, CHANNELS)))
    assert float(fsr_um(rings).max()) < (COMB_UM[-1] - COMB_UM[0]) / 5

    def pair_curve(channel, pair):
        shift = jax.vmap(lambda v: pair_shift_pm(pair, v))(SCAN_V)
        return weight(vernier_fields(channel, pair, shift[:, 0], shift[:, 1]))

    def ring_curve(channel, ring):
        return weight(ring_fields(channel, ring, ring.slope_pm_V * SCAN_V))

    def ring_weights(volts):
        return weight(row_response(wl, rings, buses, rings.slope_pm_V * volts))

    errors, steps = solve(
        lambda volts: vernier_weights(wl, pairs, buses, volts), jax.vmap(pair_curve)(wl, pairs), targets
    )
    assert errors.max() < 1e-5
    assert steps.max() <= 8
    single, _ = solve(ring_weights, jax.vmap(ring_curve)(wl, rings), targets)
    assert single.min() > 0.1
    assert single.mean() > 0.3


def test_each_pair_acts_on_its_own_channel_and_less_than_half_as_much_on_any_other(comb_row):
    pairs, buses, _ = comb_row
    wl = jnp.asarray(COMB_UM)
    at_half = jnp.full(CHANNELS, -125.0 / float(pairs.slope1_pm_V[0]))  # 75 pm above the channel: a weight near zero
    slope = np.abs(jax.jit(jax.jacfwd(lambda v: vernier_weights(wl, pairs, buses, v)))(at_half))
    own = np.diagonal(slope)
    by_pair = (slope - np.diag(own)) / own
    assert by_pair.max() < 0.5
    assert np.median(by_pair) < 1e-3
