"""A study of few dies: its chain, its file, and what is told of it."""

import json

import numpy as np
import pytest

from prism_photonics.explore.die import COLUMNS, simulate
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.run import compute, compute_payload, payload
from prism_photonics.explore.store import HEADER_BYTES, DieStore
from prism_photonics.explore.summary import summarize
from prism_photonics.explore.trimming import trimming_of
from prism_photonics.explore.verdict import broken, limits_of
from prism_photonics.explore.wafer import Fab, LimitsTable, TrimmingTable
from prism_photonics.report.yields import recalls, trimming
from prism_photonics.seeds import die_key
from prism_photonics.threefry import key_words, split
from prism_photonics.units import InputError
from prism_photonics.workflow import yields


def column(dies, name):
    return dies[:, COLUMNS.index(name)]


@pytest.fixture(scope="module")
def dies(plan, stored):
    with DieStore(stored, plan) as store:
        return np.concatenate([batch.dies for batch in store.batches()])


@pytest.fixture(scope="module")
def found(plan, stored):
    with DieStore(stored, plan) as store:
        return summarize(store)


# ---------------------------------------------------------------- the chain


def test_programmed_dies_answer_far_better_than_chance(plan, dies):
    assert np.isfinite(dies).all()
    assert column(dies, "recall").mean() > 0.8 > plan.k / plan.spec.chip.rows
    assert column(dies, "weight_error_rms").max() < 0.02
    assert column(dies, "residual_rms").max() < 0.1


def test_a_calibration_that_knows_less_leaves_worse_weights_in_proportion(four_rows):
    errors = [
        column(simulate(YieldPlan.make(four_rows, dies=6, offset_error_pm=pm), range(6)), "weight_error_rms").mean()
        for pm in (0.0, 0.05, 0.1)
    ]
    assert errors[0] < 1e-12
    assert errors[2] / errors[1] == pytest.approx(2.0, rel=0.05)


def test_a_weaker_driver_leaves_more_weights_out_of_reach(four_rows, altered):
    weak = altered(four_rows, drive={"max_voltage_V": 8.0})
    strong, weak = (
        column(simulate(YieldPlan.make(spec, dies=6), range(6)), "unreached_share").mean() for spec in (four_rows, weak)
    )
    assert strong < 0.1 < weak


def test_heaters_of_a_thicker_film_take_the_way_round_to_the_next_order(four_rows, altered):
    heated = altered(
        four_rows, trim={"method": "heater", "heater_mW_nm": 10.0}, variation={"thickness_nm": 0.0, "width_nm": 0.0}
    )
    plan = YieldPlan.make(heated, dies=4)
    key, shift = key_words(split(die_key(0))[0]), plan.shift(plan.place(0))
    found = trimming_of(heated, key, shift)
    assert (found.shift_pm >= 0.0).all()
    assert found.heater_W == pytest.approx(1e-6 * found.shift_pm.sum() * 10.0)
    assert (column(simulate(plan, range(4)), "heater_W") > 0.0).all()


def test_permanent_trimming_takes_the_shorter_way_of_any_ring_of_the_bus(plan):
    spec = plan.spec
    shift_pm = trimming_of(spec, key_words(die_key(1)), plan.shift(plan.place(0))).shift_pm
    fsr_pm = 7900.0
    assert np.abs(shift_pm).max() < 0.5 * fsr_pm * 1.1
    assert (shift_pm < 0.0).any() or (shift_pm > 0.0).any()


# ---------------------------------------------------------------- the file


def test_a_batch_is_the_same_computed_again_and_from_plain_text(plan, stored):
    with DieStore(stored, plan) as store:
        kept = store.read(3)
    for again in (compute(plan, 3), compute_payload(payload(plan), 3)):
        assert again.dies.tobytes() == kept.dies.tobytes()
        assert again.twins.tobytes() == kept.twins.tobytes()


def test_a_batch_that_was_being_written_is_computed_again_and_no_other(plan, stored, tmp_path, content):
    whole = stored.read_bytes()
    torn = tmp_path / "dies.bin"
    slot = (len(whole) - HEADER_BYTES) // plan.batches
    torn.write_bytes(whole[: HEADER_BYTES + 4 * slot + slot // 2])
    with DieStore(torn, plan) as store:
        assert list(store.missing()) == list(range(4, plan.batches))
        for number in list(store.missing()):
            store.write(number, compute(plan, number))
    assert content(torn, plan) == content(stored, plan)


def test_a_damaged_batch_is_not_believed(plan, stored, tmp_path):
    damaged = bytearray(stored.read_bytes())
    damaged[HEADER_BYTES + 100] ^= 1
    path = tmp_path / "dies.bin"
    path.write_bytes(damaged)
    with DieStore(path, plan) as store:
        assert list(store.missing()) == [0]
        with pytest.raises(InputError, match="batch 0 is missing or damaged"):
            summarize(store)


def test_the_file_of_another_study_is_refused_in_one_line(four_rows, stored, tmp_path, plan):
    other = YieldPlan.make(four_rows, dies=60, wafers=12, seed=4, batch=7)
    with pytest.raises(InputError, match=f"holds the dies of another study .{plan.hash[:12]}"):
        DieStore(stored, other)
    nonsense = tmp_path / "dies.bin"
    nonsense.write_bytes(b"{" * 5000)
    with pytest.raises(InputError, match="holds no dies of a yield study"):
        DieStore(nonsense, plan)


# ---------------------------------------------------------------- what is told


def test_good_dies_break_no_limit_and_every_other_is_counted_for_its_cause(plan, dies, found):
    outside = broken(limits_of(plan), dies)
    assert found.good == int((~outside.any(0)).sum())
    for killer in found.killers:
        mine = outside[limits_of(plan).index(killer.limit)]
        assert killer.dies == mine.sum()
        assert killer.alone == (mine & (outside.sum(0) == 1)).sum()
    assert [k.dies for k in found.killers] == sorted((k.dies for k in found.killers), reverse=True)


def test_the_interval_holds_the_yield_and_is_no_narrower_than_that_of_independent_dies(found):
    low, high = found.interval
    assert 0.0 <= low <= found.share <= high <= 1.0
    assert 1.0 <= found.independent <= found.plan.dies


def test_distributions_have_the_dies_mean_and_quantiles(dies, found):
    for name in ("recall", "gap_nm", "trim_rms_nm"):
        values, one = column(dies, name), found.distributions[name]
        assert one.counts.sum() == len(dies)
        assert one.mean == pytest.approx(values.mean())
        assert one.std == pytest.approx(values.std(ddof=1))
        assert one.quantile(0.5) == pytest.approx(np.median(values), abs=0.03 * np.ptp(values))
    assert found.distributions["heater_W"].quantile(0.95) == 0.0


def test_the_wafer_map_counts_every_die_at_its_place(plan, dies, found):
    counts = np.bincount(column(dies, "site").astype(int), minlength=len(plan.sites_mm))
    assert (found.sites[:, 0] == counts).all()
    assert found.sites[:, 1].sum() == found.good


def test_good_chips_pay_for_the_bad_ones(found):
    cost, fab = found.costs_usd(), found.plan.fab.cost
    made = fab.wafer_usd / len(found.plan.sites_mm) + fab.test_usd + fab.calibration_usd
    assert cost["good_chip"] == pytest.approx(made / found.share + fab.package_usd)


def test_a_line_of_which_nothing_is_good_says_so_without_a_price(four_rows, tmp_path):
    fab = Fab(trimming=TrimmingTable(range_nm=0.0), limits=LimitsTable(recall=1.0))
    plan = YieldPlan.make(four_rows, dies=2, fab=fab)
    with DieStore(tmp_path / "dies.bin", plan) as store:
        store.write(0, compute(plan, 0))
        found = summarize(store)
    assert found.good == 0
    assert found.to_json()["cost_usd"]["good_chip"] is None
    assert next(k for k in found.killers if k.limit.cause == "trimming range").dies == 2


def test_pictures_draw_the_limits_that_dies_are_judged_by(plan, found):
    limits = {limit.column: limit.limit for limit in limits_of(plan)}
    drawn = [axes.lines[0].get_xdata()[0] for figure in (recalls(found), trimming(found)) for axes in figure.axes]
    assert drawn == [limits[name] for name in ("recall", "snr_dB", "trim_largest_nm")]


def test_a_die_that_cannot_be_calibrated_is_told_and_leaves_its_study_standing(plan, stored, tmp_path, monkeypatch):
    (tmp_path / "dies.bin").write_bytes(stored.read_bytes())

    def refused(plan, number):
        raise InputError("no light on bus 0")

    monkeypatch.setattr(yields, "verify_die", refused)
    monkeypatch.setattr(yields, "sensitivities", lambda plan: (0.9, ()))
    numbers = yields.study_yield(plan, tmp_path, workers=1, verify=1, anyway=True)
    assert numbers["verified"] == []
    assert "die 0 cannot be calibrated: no light on bus 0" in numbers["warnings"]
    assert not any("no die was verified" in line for line in numbers["warnings"])
    assert json.loads((tmp_path / "yield.json").read_text())["good"] == numbers["good"]
    assert "no light on bus 0" in (tmp_path / "yield.html").read_text()
