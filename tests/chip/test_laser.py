"""A virtual chip under one tunable laser: the same die, one line at a time, and sweeps that say where they were."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.chip.journal import JournaledChip
from prism_photonics.chip.laser import LaserRange, sweep_starts
from prism_photonics.chip.tunable import TunableLaser
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.params import designed_bank
from prism_photonics.lightpath.ring.model import ring_fields
from prism_photonics.units import InputError

IDEAL = TunableLaser.ideal()


@pytest.fixture(scope="module")
def lines_nm(small):
    return 1e3 * np.asarray(small.comb_design.wl_um)


@pytest.fixture(scope="module")
def under(silent, steady):
    """The silent die under a laser: ``under(jitter_pm=1.0)``, ideal but for what is named."""
    return lambda spec=silent, **errors: steady(spec=spec, laser=dataclasses.replace(IDEAL, **errors))


# ---------------------------------------------------------------- what the light is


def test_a_sweep_at_the_combs_lines_reads_what_each_line_alone_reads(under, lines_nm):
    chip = under()
    swept_A = chip.sweep(lines_nm).current_A
    alone_A = np.stack([chip.measure(light) for light in np.eye(3)])
    assert np.abs(swept_A).max() > 1e-6
    assert swept_A == pytest.approx(alone_A, abs=2e-5 * np.abs(alone_A).max())


def test_a_laser_sees_the_die_that_the_comb_sees(steady, silent, altered):
    flat = altered(silent, variation={"line_power_dB": 0.0})
    volts = np.linspace(-9.0, 9.0, 6).reshape(2, 3)
    read_A = []
    for laser in (None, IDEAL):
        chip = steady(4, flat, laser)
        chip.set(volts)
        read_A.append([chip.measure(one) for one in np.eye(3)])
    comb_A, laser_A = np.array(read_A)
    # The comb tilts, the laser does not: rows at one line agree up to one factor.
    assert laser_A / laser_A[:, :1] == pytest.approx(comb_A / comb_A[:, :1], rel=2e-3)


def test_a_lone_rings_spectrum_is_the_closed_form(altered, quiet, small):
    variation = dict.fromkeys(small.variation.model_dump(exclude={"correlation_length_um"}), 0.0)
    spec = altered(quiet(small), chip={"rows": 1, "channels": 1}, trim={"residual_pm": 0.0}, variation=variation)
    chip = VirtualChip.fabricate(spec, jax.random.key(0), laser=IDEAL)
    bank = designed_bank(spec)
    wl_um = float(bank.wl_um[0]) + np.linspace(-4e-4, 4e-4, 41)
    read_A = chip.sweep(1e3 * wl_um).current_A[:, 0]
    fields = ring_fields(jnp.asarray(wl_um), jax.tree.map(lambda leaf: leaf[0, 0, 0], bank.rings), 0.0)
    seen = np.abs(fields.through) ** 2
    dropped = np.abs(fields.drop) ** 2
    # Buses lose a little on both ways: two factors are free.
    by, *_ = np.linalg.lstsq(np.stack([seen, -dropped], 1), read_A)
    assert np.stack([seen, -dropped], 1) @ by == pytest.approx(read_A, abs=1e-4 * np.abs(read_A).max())
    assert by[0] == pytest.approx(by[1], rel=0.05)
    assert np.ptp(read_A) > 0.5 * by[0]


def test_jitter_shows_on_the_flanks_and_has_the_size_that_is_said(under, lines_nm):
    clean, shaken = under(), under(jitter_pm=2.0)
    around_nm = lines_nm[1] + np.linspace(-0.06, 0.06, 1501)
    clean_A, shaken_A = clean.sweep(around_nm).current_A, shaken.sweep(around_nm).current_A
    slope_A_pm = np.gradient(clean_A, 1e3 * around_nm, axis=0)
    steep = np.abs(slope_A_pm) > 0.7 * np.abs(slope_A_pm).max()
    moved_pm = ((shaken_A - clean_A) / slope_A_pm)[steep]
    assert np.std(moved_pm) == pytest.approx(2.0, rel=0.1)


def test_an_offset_of_the_laser_moves_the_whole_spectrum(under, lines_nm):
    around_nm = lines_nm[1] + np.linspace(-0.06, 0.06, 601)
    here_A, there_A = under().sweep(around_nm).current_A[:, 0], under(offset_pm=8.0).sweep(around_nm).current_A[:, 0]
    moves_pm = np.arange(-30.0, 30.0, 0.1)
    off = [np.abs(np.interp(around_nm + 1e-3 * m, around_nm, here_A) - there_A)[200:-200].max() for m in moves_pm]
    assert 0.5 < abs(moves_pm[int(np.argmin(off))]) < 30.0
    assert min(off) < 0.01 * np.ptp(here_A)


def test_a_sweep_takes_its_time_and_the_chip_drifts_meanwhile(small, altered):
    restless = altered(small, detector={"bandwidth_GHz": 1e-6})
    chip = VirtualChip(restless, seed=0, light="tunable_laser")
    assert chip.laser is not None
    lines_nm = 1e3 * np.asarray(restless.comb_design.wl_um)
    found = chip.sweep(np.concatenate([line + np.arange(-0.01, 0.01, 0.001) for line in lines_nm]), averages=2)
    assert (np.diff(found.time_s) > 0.0).all()
    # Three stretches, each with a start, of twenty points of two milliseconds.
    assert found.time_s[-1] == pytest.approx(3 * (chip.laser.dead_s + 20 * 2e-3))
    assert chip.time_s == found.time_s[-1]


def test_a_jump_begins_a_new_stretch():
    assert sweep_starts(np.array([1.0, 1.1, 1.2, 2.0, 2.1])).tolist() == [True, False, False, True, False]
    assert sweep_starts(np.array([1.0])).tolist() == [True]


def test_a_held_line_stays_where_the_laser_went(under):
    chip = under(jitter_pm=3.0)
    first_A = chip.measure(np.eye(3)[0])
    assert chip.measure(np.eye(3)[0]) == pytest.approx(first_A, rel=1e-5)
    chip.measure(np.eye(3)[1])
    assert np.abs(chip.measure(np.eye(3)[0]) / first_A - 1.0).max() > 1e-4


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("light", "says"),
    [
        ([1, 1, 0], "2 lines lit, want one at a time"),
        ([0, 0.5, 0], r"line 1 at 0\.5 of its light, want 0 or 1: .* scale the reading"),
    ],
)
def test_one_laser_lights_one_line_fully_or_none(under, light, says):
    with pytest.raises(InputError, match=says):
        under().measure(np.array(light, dtype=float))


@pytest.mark.parametrize(
    ("wavelength_nm", "says"),
    [
        ([], r"wavelengths of shape \(0,\), want a list of 1 to"),
        ([1550.0, np.nan], "wavelength 1 is nan, want nm"),
        ([1550.0, 1550.0], r"wavelength 1 is 1550\.0000 nm after 1550\.0000, want ascending ones"),
        ([1200.0, 1550.0], r"1200\.0000 nm is outside the laser's range of .* use another laser"),
    ],
)
def test_wavelengths_that_cannot_be_swept_are_refused(under, wavelength_nm, says):
    with pytest.raises(InputError, match=says):
        under().sweep(np.array(wavelength_nm))


def test_a_comb_does_not_sweep_and_a_light_that_does_not_exist_is_refused(small, fabricate, lines_nm):
    with pytest.raises(InputError, match="a comb and no tunable laser"):
        fabricate().sweep(lines_nm)
    with pytest.raises(InputError, match="light = 'lamp', want one of comb, tunable_laser"):
        VirtualChip(small, light="lamp")
    with pytest.raises(InputError, match="a laser and light = 'comb'"):
        VirtualChip(small, laser=IDEAL)


def test_averages_and_buses_are_checked(under, lines_nm, altered, silent):
    with pytest.raises(InputError, match="averages = 0; use 1 or more"):
        under().sweep(lines_nm, averages=0)
    with pytest.raises(InputError, match="bus 1, want 0 to 0"):
        under().sweep(lines_nm, bus=1)
    two = under(altered(silent, chip={"buses": 2}))
    with pytest.raises(InputError, match="rows of 2 buses, and one laser; say which bus, 0 to 1"):
        two.sweep(lines_nm)


def test_of_several_buses_the_one_with_the_fibre_answers(under, altered, silent, lines_nm):
    chip = under(altered(silent, chip={"buses": 2}))
    swept_A = np.concatenate([chip.sweep(lines_nm, bus=bus).current_A for bus in (0, 1)])
    alone_A = np.stack([chip.measure(light) for light in np.eye(6)])
    assert swept_A == pytest.approx(alone_A, abs=2e-5 * np.abs(alone_A).max())
    assert not np.allclose(swept_A[:3], swept_A[3:], rtol=1e-3)


def test_a_laser_that_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"speed_nm_s = 0\.0, want a number above 0"):
        LaserRange(1500.0, 1600.0, speed_nm_s=0.0)
    with pytest.raises(InputError, match="shortest_nm = 1600, want below longest_nm = 1500"):
        LaserRange(1600.0, 1500.0)


# ---------------------------------------------------------------- nothing measured is lost


def test_sweeps_are_journaled_and_resumed(small, lines_nm, tmp_path):
    path, around_nm = tmp_path / "journal.jsonl", np.sort(np.concatenate([lines_nm, lines_nm + 0.01]))

    def job(chip):
        chip.set(np.zeros((2, 3)))
        dark_A, found = chip.measure(np.zeros(3)), chip.sweep(around_nm, averages=2)
        return dark_A, found.wavelength_nm, found.current_A, found.time_s

    def journaled(**how):
        die = VirtualChip(small, seed=0, light="tunable_laser")
        return JournaledChip(die, small, path, identity={}, **how)

    with journaled() as chip:
        first = job(chip)
        assert chip.laser is not None
    for how in ({}, {"retake": True}):
        with journaled(resume=True, **how) as chip:
            assert chip.kept == 2
            assert all(np.array_equal(one, other) for one, other in zip(first, job(chip), strict=True))


def test_a_journal_of_another_sweep_is_refused(small, lines_nm, tmp_path):
    path = tmp_path / "journal.jsonl"
    with JournaledChip(VirtualChip(small, seed=0, light="tunable_laser"), small, path, identity={}) as chip:
        chip.sweep(lines_nm)
    with (
        JournaledChip(VirtualChip(small, seed=0, light="tunable_laser"), small, path, identity={}, resume=True) as chip,
        pytest.raises(InputError, match="the journal holds a sweep of 3 wavelengths, this job asks for a sweep of 2"),
    ):
        chip.sweep(lines_nm[:2])
