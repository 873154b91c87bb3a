"""A study's dies come from lots, wafers and places, and are virtual chips on an average wafer."""

import dataclasses

import jax
import numpy as np
import pytest

from prism_photonics.chip.fabricate import DieShift, draw_die, resonance_errors_pm, resonance_key
from prism_photonics.explore.plan import FEATURES, Waves, YieldPlan
from prism_photonics.explore.wafer import QUANTITIES, Fab, Scatter, WaferTable
from prism_photonics.seeds import die_key
from prism_photonics.threefry import key_words, split
from prism_photonics.units import InputError

STILL = Scatter(lot=0.0, wafer=0.0, place=0.0)


def leaves(die):
    return [np.asarray(leaf) for leaf in jax.tree.leaves((die.bank, die.full_A, die.crosstalk, die.heater_share))]


def test_a_die_of_an_average_wafer_is_the_virtual_chip_s_to_the_last_bit(four_rows):
    plan = YieldPlan.make(four_rows, dies=3, fab=Fab(**dict.fromkeys(QUANTITIES, STILL)))
    for number in range(3):
        key = split(die_key(plan.die_seed(number)))[0]
        mine = draw_die(four_rows, key_words(key), shift=plan.shift(plan.place(number)))
        for here, there in zip(leaves(mine), leaves(draw_die(four_rows, key)), strict=True):
            assert here.tobytes() == there.tobytes()


def test_a_die_s_common_gap_and_loss_move_its_rings_as_far_as_the_laws_say(four_rows):
    key, gap_nm, loss_log = jax.random.key(5), 4.0, 0.3
    plain, off = (draw_die(four_rows, key, shift=s) for s in (DieShift(), DieShift(gap_nm=gap_nm, loss_log=loss_log)))
    narrower = np.exp(-1e-3 * gap_nm / four_rows.profile.gap_law.decay_um)
    for name in ("t1", "t2"):
        before, after = (np.arccos(getattr(die.bank.rings, name)) for die in (plain, off))
        assert after / before == pytest.approx(narrower, rel=1e-9)
    assert np.log(off.bank.rings.a) / np.log(plain.bank.rings.a) == pytest.approx(np.exp(loss_log), rel=1e-9)


def test_an_untrimmed_die_s_common_film_moves_all_its_resonances_and_trimming_takes_it_back(four_rows, altered):
    raw, optics = altered(four_rows, trim={"method": "none"}), four_rows.profile.optics
    key, shift = jax.random.key(2), DieShift(thickness_nm=3.0, width_nm=-2.0)
    moved = resonance_errors_pm(raw, key, shift=shift) - resonance_errors_pm(raw, key)
    assert moved == pytest.approx(3.0 * optics.thickness_pm_nm.value - 2.0 * optics.width_pm_nm.value)
    assert (resonance_errors_pm(four_rows, key, shift=shift) == resonance_errors_pm(four_rows, key)).all()


def test_the_errors_before_trimming_are_those_that_the_die_is_drawn_with(four_rows, altered):
    raw, key = altered(four_rows, trim={"method": "none"}), jax.random.key(8)
    drawn = np.asarray(draw_die(raw, key).bank.rings.offset_pm).reshape(four_rows.chip.rows, -1)
    assert (resonance_errors_pm(raw, resonance_key(key)) == drawn).all()


def test_a_random_field_has_unit_variance_and_the_correlation_of_its_length():
    rng, length_mm = np.random.default_rng(0), 20.0
    at = np.array([0.0, 20.0, 200.0])
    fields = []
    for _ in range(4000):
        kx, ky = rng.standard_normal((2, FEATURES)) / length_mm
        fields.append(Waves(kx, ky, rng.uniform(0.0, 2.0 * np.pi, FEATURES)).on_grid(at, np.zeros(1))[0])
    covariance = np.cov(np.array(fields).T)
    assert np.diag(covariance) == pytest.approx(1.0, abs=0.07)
    assert covariance[0, 1] == pytest.approx(np.exp(-0.5), abs=0.06)
    assert covariance[0, 2] == pytest.approx(0.0, abs=0.06)


def test_dies_of_one_wafer_are_alike_and_the_rim_is_thinner(four_rows):
    fab = Fab(thickness_nm=Scatter(lot=5.0, wafer=0.0, place=0.0, edge=-4.0))
    plan = YieldPlan.make(four_rows, dies=400, wafers=2, fab=fab)
    places = [plan.place(die) for die in range(400)]
    film_nm = np.array([np.mean(plan.shift(place).thickness_nm) for place in places])
    radius_mm = np.array([np.hypot(place.x_mm, place.y_mm) for place in places])
    # Both wafers are of one lot: nothing but the rim tells their dies apart.
    assert {place.lot for place in places} == {0}
    assert np.ptp(film_nm[radius_mm < 30.0]) < 0.05
    assert film_nm[radius_mm > 65.0].mean() < film_nm[radius_mm < 30.0].mean() - 0.5


def test_dies_are_shared_out_evenly_and_none_shares_a_site(plan):
    places = [plan.place(die) for die in range(plan.dies)]
    wafers = [place.wafer for place in places]
    assert wafers == sorted(wafers)
    assert set(np.bincount(wafers)) == {5}
    assert len({(place.wafer, place.site) for place in places}) == plan.dies
    assert all(place.lot == place.wafer // 4 for place in places)


def test_every_site_of_a_wafer_lies_within_its_rim(plan):
    corner_mm = np.abs(plan.sites_mm) + 0.5 * np.array(plan.sites_mm.max(0) / np.abs(plan.sites_mm).max(0))
    assert np.hypot(*corner_mm.T).max() < 70.0
    assert len(plan.sites_mm) > 100


def test_a_die_depends_on_its_number_and_the_seed_alone(four_rows, plan):
    longer = YieldPlan.make(four_rows, dies=60, wafers=12, seed=3, batch=60)
    assert [plan.die_seed(die) for die in range(9)] == [longer.die_seed(die) for die in range(9)]
    assert plan.die_seed(0) != plan.die_seed(0, twin=True) != plan.die_seed(1)
    assert dataclasses.replace(plan, seed=4).die_seed(0) != plan.die_seed(0)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"dies": 0}, r"yield: dies = 0, want 1 to 100000000; choose --dies in this range"),
        ({"dies": 5, "wafers": 6}, r"yield: 5 dies of 6 wafers.*want 1 to 5 wafers"),
        ({"dies": 10**6, "wafers": 1}, r"1000000 dies of 1 wafers, and a wafer holds \d+ of four_rows; want \d+ to"),
        ({"dies": 5, "k": 4}, r"yield: k = 4, want 1 to 3, less than the 4 rows"),
        ({"dies": 5, "seed": -1}, r"yield: seed = -1, want a whole number"),
        ({"dies": 5, "splitting_pm": -1.0}, r"yield: splitting_pm = -1, want 0 to 100"),
        ({"dies": 5, "splitting_pm": float("nan")}, r"yield: splitting_pm = nan, want 0 to 100"),
        ({"dies": 5, "offset_error_pm": -0.2}, r"yield: offset_error_pm = -0.2, want 0 to 1000"),
        ({"dies": 5, "fab": Fab(wafer=WaferTable(diameter_mm=20.0, exclusion_mm=9.0))}, r"too large for a wafer of 20"),
    ],
)  # fmt: skip
def test_a_study_that_cannot_be_is_refused_in_one_line(four_rows, asked, told):
    with pytest.raises(InputError, match=told) as refused:
        YieldPlan.make(four_rows, **asked)
    assert "\n" not in str(refused.value)


def test_one_row_ranks_nothing(four_rows, altered):
    with pytest.raises(InputError, match="has 1 row, and nothing is ranked"):
        YieldPlan.make(altered(four_rows, chip={"rows": 1}), dies=1)


def test_a_line_s_file_changes_what_it_names_and_keeps_the_rest(tmp_path):
    path = tmp_path / "fab.toml"
    path.write_text("[thickness_nm]\nlot = 7.0\n[limits]\nrecall = 0.5\n")
    fab = Fab.from_toml(path)
    assert fab.thickness_nm == Fab().thickness_nm.model_copy(update={"lot": 7.0})
    assert (fab.limits.recall, fab.limits.unreached_share) == (0.5, Fab().limits.unreached_share)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[thicknes_nm]\nlot = 1.0\n", "unknown key 'thicknes_nm'; did you mean 'thickness_nm'?"),
        ("[limits]\nrecal = 0.9\n", "unknown key 'limits.recal'; did you mean 'recall'?"),
        ("[limits]\nrecall = 1.5\n", "limits.recall = 1.5: input should be less than or equal to 1; mend the value"),
        ("limits = 3\n", "limits = 3: "),
    ],
)
def test_a_line_s_file_that_cannot_be_is_refused_in_one_line(tmp_path, text, told):
    path = tmp_path / "fab.toml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        Fab.from_toml(path)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
