"""Dies with what no calibration knows, against dies without, and against the virtual chip."""

import dataclasses

import numpy as np
import pytest

from prism_photonics.budget.crossings import crossings
from prism_photonics.chip.fabricate import NO_SHIFT, draw_die, full_die
from prism_photonics.chip.reading import line_currents
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.explore.beyond import drawn_beyond, truth_of, weights_of
from prism_photonics.explore.die import COLUMNS, simulate
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.run import compute
from prism_photonics.explore.store import DieStore
from prism_photonics.explore.summary import summarize
from prism_photonics.explore.surrogate import known_calibration
from prism_photonics.explore.tm_crossings import placed_tm, seen_rings
from prism_photonics.explore.trimming import trimming_of
from prism_photonics.explore.verify import not_drawn
from prism_photonics.process.modes import load_modes
from prism_photonics.process.polarization import tm_shift_pm_nm, tm_thermal_ratio
from prism_photonics.programming.bus import bus_of, weights_at
from prism_photonics.seeds import die_key
from prism_photonics.threefry import key_words, split
from prism_photonics.units import InputError


def column(dies, name):
    return dies[:, COLUMNS.index(name)]


def true_weights(calibration, volts):
    return weights_at(bus_of(calibration, np.arange(len(volts))), volts)


def fabricated(spec, seed, shift=NO_SHIFT):
    return draw_die(spec, split(key_words(die_key(seed)))[0], shift=shift)


def with_tm(spec, seed, of_lot, te_tm=1.0):
    """A die of an average wafer with TM somewhere, and what its calibration takes it for."""
    key = split(key_words(die_key(seed)))[0]
    shift = placed_tm(spec, key, NO_SHIFT, trimming_of(spec, key, NO_SHIFT), of_lot=of_lot)
    return drawn_beyond(spec, draw_die(spec, key, shift=shift), truth=truth_of(0.0, te_tm), seed=seed, shift=shift)


# ---------------------------------------------------------------- rings that split


def test_the_weights_of_a_ring_that_does_not_split_are_those_of_the_row(plan):
    spec = plan.spec
    die = fabricated(spec, 3)
    known, volts = known_calibration(spec, die), np.random.default_rng(0).uniform(-5.0, 5.0, (4, 2))
    np.testing.assert_allclose(weights_of(die, volts, known), true_weights(known, volts), atol=1e-12)
    # What a defect absorbs it also couples: a little is left.
    hardly = drawn_beyond(spec, die, truth=truth_of(1e-6), seed=3)
    known = known_calibration(spec, hardly.fitted)
    np.testing.assert_allclose(weights_of(hardly.die, volts, known), true_weights(known, volts), atol=1e-4)


def test_rings_that_split_more_cost_more_bits_and_recall(four_rows):
    medians = []
    for splitting_pm in (0.0, 2.0, 20.0):
        plan = YieldPlan.make(four_rows, dies=4, splitting_pm=splitting_pm)
        dies = simulate(plan, range(4))
        medians.append([np.median(column(dies, name)) for name in ("splitting_bits", "snr_dB")])
    bits, snr_dB = np.array(medians).T
    assert bits[0] == 0.0 < bits[1] < bits[2]
    assert snr_dB[0] > snr_dB[2] + 3.0


def test_what_splitting_costs_a_die_whose_weights_are_known_is_a_number(altered, four_rows):
    two_weights = altered(four_rows, chip={"rows": 2, "channels": 1})
    dies = simulate(YieldPlan.make(two_weights, dies=2, k=1, splitting_pm=2.0, offset_error_pm=0.0), range(2))
    # A shift and a factor of all weights are no error, so of two weights none is.
    assert column(dies, "splitting_bits") == pytest.approx([0.0, 0.0], abs=1e-6)
    assert np.isfinite(dies).all()


@pytest.mark.parametrize(("splitting_pm", "te_tm"), [(20.0, 0.0), (0.0, 1.0)])
def test_a_die_is_the_virtual_chip_of_its_seed_place_and_truth(plan, splitting_pm, te_tm):
    spec, seed, volts, light = plan.spec, 11, np.zeros((4, 2)), np.array([1.0, 0.0])
    shift = dataclasses.replace(NO_SHIFT, tm_pm=np.array([[0.0, 100.0], [300.0, -200.0], [50.0, 0.0], [900.0, 10.0]]))
    plain, truth = fabricated(spec, seed), truth_of(splitting_pm, te_tm)
    read_A = VirtualChip.fabricate(spec, die_key(seed), truth=truth, shift=shift)
    read_A.set(volts)
    read_A = read_A.measure(light, averages=4000)

    def expected_A(die):
        lines = line_currents(die, volts, volts)
        return (lines.through_A - lines.drop_A) @ (light + spec.modulator_design.leak)

    # Weights move by a tenth and more; drift between drawing and reading by a thousandth.
    drawn = drawn_beyond(spec, plain, truth=truth, seed=seed, shift=shift)
    np.testing.assert_allclose(read_A, expected_A(drawn.die), atol=0.01 * plain.full_A.max())
    assert np.abs(read_A - expected_A(plain)).max() > 0.05 * plain.full_A.max()


# ---------------------------------------------------------------- bends that turn TE into TM


def test_tm_follows_the_film_as_its_mode_table_has_it(demo):
    thickness, width = tm_shift_pm_nm(demo.profile)
    optics, table = demo.profile.optics, load_modes("tfln600")
    # TM stands higher in the rib and reaches less to its sides.
    assert thickness > optics.thickness_pm_nm.value
    assert 0.0 < width < optics.width_pm_nm.value
    te, tm = (table.ring_average("dn_dT", polarization=mode) for mode in ("TE", "TM"))
    assert tm_thermal_ratio(demo.profile) == pytest.approx(tm / te, rel=0.1)


def test_a_thicker_die_moves_tm_against_te_ring_by_ring(plan):
    spec, key = plan.spec, split(key_words(die_key(5)))[0]
    thicker = dataclasses.replace(NO_SHIFT, thickness_nm=np.linspace(0.0, 3.0, 8).reshape(4, 2))

    def tm_pm(shift, of_lot=0.0):
        return np.asarray(placed_tm(spec, key, shift, trimming_of(spec, key, shift), of_lot=of_lot).tm_pm)

    by_thickness, _ = tm_shift_pm_nm(spec.profile)
    apart = by_thickness - spec.profile.optics.thickness_pm_nm.value
    assert tm_pm(thicker) - tm_pm(NO_SHIFT) == pytest.approx(apart * thicker.thickness_nm)
    # Half a turn tells even orders from odd ones: a lot may lie two free spectral ranges apart.
    assert (tm_pm(NO_SHIFT, 1.0) - tm_pm(NO_SHIFT, -1.0)).ravel() == pytest.approx(2.0 * 7520.0, rel=0.01)


def test_as_many_rings_are_drawn_on_crossings_as_the_budget_expects(plan):
    """Over all places where TM may lie: the second road is an expectation over phases, without a die."""
    spec, found = plan.spec, []
    expected, truth = crossings(spec), truth_of(0.0, 1.0)
    assert expected is not None
    assert truth is not None
    places_pm = 7520.0 * np.linspace(-1.0, 1.0, 96, endpoint=False).reshape(12, 4, 2)
    for tm_pm in places_pm:
        die = fabricated(spec, 7)
        shift = dataclasses.replace(NO_SHIFT, tm_pm=tm_pm)
        full = full_die(spec, die, truth, np.random.default_rng(0), shift=shift)
        found.append(seen_rings(die, full).on_crossing.mean())
    assert np.mean(found) == pytest.approx(expected.rings / expected.of, rel=0.35)


def test_a_fit_of_plain_rings_takes_most_of_what_tm_does_beside_a_crossing(plan):
    spec, volts = plan.spec, np.random.default_rng(0).uniform(-8.0, 8.0, (4, 2))
    left, plain = [], []
    for seed in range(2):
        drawn = with_tm(spec, seed, 0.5)
        assert not drawn.on_crossing.any()
        for errors, rings in ((left, drawn.fitted), (plain, fabricated(spec, seed))):
            known = known_calibration(spec, rings)
            errors.append(weights_of(drawn.die, volts, known) - true_weights(known, volts))
    assert np.std(left) < 0.4 * np.std(plain)


def test_rings_that_cross_lose_their_die_and_left_out_give_some_of_its_scores_back(
    four_rows, altered, tmp_path, monkeypatch
):
    # Some ten dies of four channels: on one die with all lines on crossings, what is left has no score to give back.
    plan = YieldPlan.make(altered(four_rows, chip={"channels": 4}), dies=24, wafers=8, te_tm=1.0)
    # Lots whose TM lies at the lines of the channels, and one whose lies far from them.
    monkeypatch.setattr(YieldPlan, "tm_of_lot", lambda self, lot: -0.06 if lot else 0.5)
    with DieStore(tmp_path / "dies.bin", plan) as store:
        batch = compute(plan, 0)
        store.write(0, batch)
        found, dies = summarize(store), batch.dies
    on = column(dies, "crossing_rings") > 0.0
    assert 5 < on.sum() < 24
    assert (column(dies, "lot")[on] > 0.0).all()
    killer = next(k for k in found.killers if k.limit.cause == "TM crossings")
    assert killer.dies == on.sum() == found.with_crossings
    assert (column(dies, "left_out_recall")[~on] == column(dies, "recall")[~on]).all()
    assert column(dies, "left_out_snr_dB")[on].mean() > column(dies, "snr_dB")[on].mean()
    said = found.to_json()["crossings"]
    assert said["dies_with"] == on.sum()
    assert said["drawn_a_die"] == pytest.approx(column(dies, "crossing_rings").mean())
    assert found.good <= said["left_out"]["good"]


def test_a_study_says_what_it_does_not_draw_and_refuses_what_no_film_has(four_rows, altered):
    (said,) = not_drawn(YieldPlan.make(four_rows, dies=4))
    assert "crossings of TE and TM are not drawn" in said
    shallow = altered(four_rows, process="lnoi400", ring={"radius_um": 80.0, "pitch_um": 300.0, "gap_through_um": 0.6})
    assert not_drawn(YieldPlan.make(shallow, dies=4)) == []
    with pytest.raises(InputError, match="lnoi400 guides no TM or none whose coupling is known; want 0"):
        YieldPlan.make(shallow, dies=4, te_tm=1.0)
