"""Dies scatter as the spec says: fields over the die, what trimming leaves, and everything else ring by ring."""

from dataclasses import astuple

import jax
import numpy as np
import pytest

from prism_photonics.chip.fabricate import DieShift, draw_die, draw_dies, resonance_errors_pm, untrimmed
from prism_photonics.threefry import seed_words

DIES = 60


@pytest.fixture(scope="module")
def dies(two_bus):
    return [draw_die(two_bus, jax.random.key(seed)) for seed in range(DIES)]


@pytest.fixture(scope="module")
def field(demo, altered):
    """Resonance errors of many dies of 8 × 8 rings as fabricated, with a short correlation length."""

    def make(count=300, **variation):
        trim = {"method": "none"}
        spec = altered(demo, trim=trim, variation={"correlation_length_um": 300.0} | variation)
        keys = jax.random.split(jax.random.key(0), count)
        return spec, np.array([resonance_errors_pm(spec, key) for key in keys])

    return make


def correlation(errors, rows, rings):
    """Correlation of ring (0, 0) with the one so many rows and rings away, over all dies and places."""
    here = errors[:, : errors.shape[1] - rows, : errors.shape[2] - rings].ravel()
    there = errors[:, rows:, rings:].ravel()
    return np.mean(here * there) / np.mean(errors**2)


# ---------------------------------------------------------------- resonances


@pytest.mark.parametrize("method", ["permanent", "heater"])
def test_trimmed_rings_scatter_by_what_trimming_leaves_each_for_itself(demo, altered, method):
    spec = altered(demo, trim={"method": method, "residual_pm": 11.0})
    keys = jax.random.split(jax.random.key(1), 300)
    errors = np.array([resonance_errors_pm(spec, key) for key in keys])
    assert errors.shape == (300, 8, 8)
    assert errors.std() == pytest.approx(11.0, rel=0.03) == spec.resonance_pm
    for away in ((0, 1), (1, 0), (1, 1), (0, 5)):
        assert abs(correlation(errors, *away)) < 0.04


def test_untrimmed_rings_scatter_by_thickness_width_and_their_own_error(field):
    spec, errors = field()
    v, optics = spec.variation, spec.profile.optics
    parts = (
        v.thickness_nm * optics.thickness_pm_nm.value, v.width_nm * optics.width_pm_nm.value, v.resonance_local_pm,
    )  # fmt: skip
    assert spec.fabricated_pm == pytest.approx(np.sqrt(np.sum(np.square(parts))))
    assert spec.resonance_pm == spec.fabricated_pm
    # Some tens of independent patches on each of 300 dies.
    assert errors.std() == pytest.approx(spec.fabricated_pm, rel=0.06)
    assert abs(errors.mean()) < 0.05 * spec.fabricated_pm


def test_neighbours_err_alike_and_far_rings_do_not(field):
    spec, errors = field(resonance_local_pm=0.0)
    for rows, rings in ((0, 1), (1, 0), (1, 1), (0, 3)):
        distance_um = np.hypot(rows * spec.row_pitch_um, rings * spec.ring.pitch_um)
        assert correlation(errors, rows, rings) == pytest.approx(np.exp(-(distance_um**2) / (2 * 300.0**2)), abs=0.08)
    assert abs(correlation(errors, 0, 7)) < 0.15
    assert abs(correlation(errors, 7, 7)) < 0.2


def test_a_rings_own_error_lowers_every_correlation_alike(field):
    _, smooth = field(resonance_local_pm=0.0)
    spec, rough = field(thickness_nm=1.0, width_nm=0.0, resonance_local_pm=270.0)
    assert spec.fabricated_pm == pytest.approx(np.hypot(270.0, spec.profile.optics.thickness_pm_nm.value))
    assert correlation(rough, 0, 1) == pytest.approx(0.5 * correlation(smooth, 0, 1), abs=0.08)


def test_a_perfect_line_makes_the_design(field):
    _, errors = field(count=2, thickness_nm=0.0, width_nm=0.0, resonance_local_pm=0.0)
    assert np.array_equal(errors, np.zeros((2, 8, 8)))


# ---------------------------------------------------------------- the rest of a die


def test_the_dies_resonances_are_the_ones_drawn(dies, two_bus):
    offsets = np.array([die.bank.rings.offset_pm for die in dies])
    assert offsets.shape == (DIES, 2, 2, 3)
    assert offsets.std() == pytest.approx(two_bus.trim.residual_pm, rel=0.1)


def test_dies_scatter_as_the_spec_says(dies, two_bus):
    v = two_bus.variation
    rings = [die.bank.rings for die in dies]
    slopes = np.array([r.slope_pm_V for r in rings])
    assert slopes.std() / slopes.mean() == pytest.approx(v.slope_relative, rel=0.15)
    assert np.std([r.curvature_pm_V2 for r in rings]) == pytest.approx(v.curvature_pm_V2, rel=0.15)
    loss = np.log(-np.log(np.array([r.a for r in rings])))
    assert (loss - loss.mean((0, 1, 2))).std() == pytest.approx(v.loss_log, rel=0.15)
    assert all(float(r.a.max()) < 1 for r in rings)
    assert all(float(r.t1.max()) < 1 for r in rings)
    assert all(float(r.t1.min()) > 0 for r in rings)


def test_gaps_scatter_the_couplings_of_both_buses_for_themselves(dies):
    one, two = (np.log([1 - np.asarray(getattr(die.bank.rings, name)) ** 2 for die in dies]) for name in ("t1", "t2"))
    assert one.std() == pytest.approx(two.std(), rel=0.2)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.15


def test_a_dies_currents_split_evenly_on_the_mean_and_its_bus_phases_are_anything(dies, two_bus):
    full_A = np.array([die.full_A for die in dies])
    assert full_A.shape == (DIES, 2, 2, 6)
    # Through and drop photodiode of one line differ by their responsivities alone.
    ratio = np.log(full_A[:, 0] / full_A[:, 1])
    assert ratio.std() == pytest.approx(np.sqrt(2) * two_bus.variation.responsivity_relative, rel=0.2)
    phases = np.array([die.bank.buses.phase_rad for die in dies]).ravel()
    assert np.histogram(phases, 8, (0, 2 * np.pi))[0] == pytest.approx(np.full(8, phases.size / 8), rel=0.2)


def test_the_comb_tilts_across_the_channels_of_every_bus_alike(two_bus, altered):
    tilted = altered(two_bus, comb={"tilt_dB": 6.0}, variation={"line_power_dB": 0.0})
    full_A = np.asarray(draw_die(tilted, jax.random.key(0)).full_A).reshape(2, 2, 2, 3)
    assert 10 * np.log10(full_A[..., 2] / full_A[..., 0]) == pytest.approx(np.full((2, 2, 2), 6.0))


def test_the_same_key_gives_the_same_die_and_another_key_another(dies, two_bus):
    again = draw_die(two_bus, jax.random.key(0))
    for a, b in zip(*(jax.tree.leaves(astuple(die)) for die in (dies[0], again)), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(dies[0].bank.rings.offset_pm, dies[1].bank.rings.offset_pm)


def test_dies_that_are_drawn_together_are_those_that_are_drawn_alone(two_bus):
    rng = np.random.default_rng(0)
    fields = rng.standard_normal((3, 4, two_bus.chip.rows, two_bus.chip.rings))
    shifts = [DieShift(*of_die) for of_die in fields]
    words = seed_words([0, 1, 2])
    for spec in (two_bus, untrimmed(two_bus)):
        together = draw_dies(spec, words, shifts)
        for n, shift in enumerate(shifts):
            ours, theirs = together.one(n), draw_die(spec, jax.random.key(n), shift=shift)
            for a, b in zip(*(jax.tree.leaves(astuple(die)) for die in (ours, theirs)), strict=True):
                assert np.array_equal(a, b)
        rows = slice(two_bus.chip.rows, 2 * two_bus.chip.rows)
        assert np.array_equal(together.together.bank.rings.t1[rows], together.one(1).bank.rings.t1)
