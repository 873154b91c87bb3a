"""A search over designs: what a choice becomes, what is wanted, and how a study goes on."""

import contextlib
import itertools
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest

from prism_photonics.budget.feasibility import check
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.rules_ring import tuning_range
from prism_photonics.budget.rules_row import row_reach
from prism_photonics.explore.candidates import candidates
from prism_photonics.explore.designed import designed_choices
from prism_photonics.explore.drawn_reach import MOST_MISSED, drawn_reach, drawn_reaches
from prism_photonics.explore.objectives import (
    OBJECTIVES,
    area_mm2,
    blocks_of,
    energy_uJ,
    expected_recall,
    objectives_of,
)
from prism_photonics.explore.refine import _Polish, climbed, refined, shortfall
from prism_photonics.explore.search import (
    BEGUN,
    Front,
    Search,
    dominates,
    feasible_values,
    finished,
    front,
    judged,
    run_search,
)  # fmt: skip
from prism_photonics.explore.space import choice_of, knobs, spec_of, usual_choices
from prism_photonics.explore.wishes import Wishes
from prism_photonics.report.front import pareto
from prism_photonics.spec import load_spec
from prism_photonics.spec.floorplan import WIRE_UM, plan
from prism_photonics.units import InputError
from prism_photonics.workflow.explore import FOUND_BY, explore_designs


@pytest.fixture(scope="module", autouse=True)
def _no_designs():
    """Searches begin without designs by closed forms, which take seconds; one test asks for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prism_photonics.explore.search.designed_choices", lambda spec: [])
        yield


@pytest.fixture(scope="module")
def bank():
    return load_spec("bank_32x256")


@pytest.fixture(scope="module")
def search(demo, tmp_path_factory):
    """Energy and area of the demonstrator, whose designs cost no recall to judge."""
    storage = f"sqlite:///{tmp_path_factory.mktemp('search') / 'study.db'}"
    return Search(demo, objectives_of("energy,area"), 1, storage)


@pytest.fixture(scope="module")
def study(search):
    return run_search(search, trials=26)


def test_a_search_from_a_chip_that_breaks_rules_begins_with_designs_that_keep_all(
    four_rows, altered, tmp_path, monkeypatch
):
    circles = {"euler_p": 0.0, "ramp": "linear", "arm_um": 0.0, "neck_um": 0.0}
    broken = altered(four_rows, process="lnoi400", ring=circles)
    assert not check(broken).feasible
    monkeypatch.setattr("prism_photonics.explore.designed.REACHES", (0.6,))
    monkeypatch.setattr("prism_photonics.explore.sizing.ARMS_IN_RADII", (0.0,))
    designed = designed_choices(broken)
    assert designed
    for choice in designed:
        made = spec_of(broken, choice)
        assert check(made).feasible
        assert (made.chip.rows, made.process, made.drift) == (4, "lnoi400", broken.drift)
        # A die that is bonded has room for its tracks: it had been left for none.
        assert plan(made).tracks.signal_um == WIRE_UM
    monkeypatch.setattr("prism_photonics.explore.search.designed_choices", lambda spec: designed)
    search = Search(broken, objectives_of("energy,area"), 1, f"sqlite:///{tmp_path / 'study.db'}")
    # After the chip itself.
    assert len(feasible_values(run_search(search, trials=1 + len(designed)))) == len(designed)


def test_first_choices_stand_in_line_once_however_often_a_study_is_opened(search, study):
    before = len(study.get_trials(deepcopy=False))
    study.set_user_attr(BEGUN, False)
    search.study()
    assert len(study.get_trials(deepcopy=False)) == before


def test_a_spec_read_as_a_choice_is_nearly_itself_again(bank):
    again = spec_of(bank, choice_of(bank))
    assert again.chip == bank.chip
    assert ring_figures(again).q_loaded == pytest.approx(ring_figures(bank).q_loaded, rel=0.01)
    assert again.drive.max_voltage_V == pytest.approx(bank.drive.max_voltage_V, abs=0.1)
    assert again.waveguide.bend_radius_um == bank.waveguide.bend_radius_um
    # On the drawing's 1 nm grid the same wishes come to lie a little beside it.
    reach, reach_again = tuning_range(bank), tuning_range(again)
    assert reach_again.value == pytest.approx(reach.value, abs=0.02)
    short = [found.rule for found in (reach_again, row_reach(again)) if not found.passed]
    assert [found.rule for found in check(again).violations] == short


def test_every_usual_choice_is_a_chip_of_the_wanted_size_on_every_film(demo):
    for process in ("tfln600", "lnoi400", "ltoi300"):
        # Necks are known of one film.
        necks = {"neck_um": demo.ring.neck_um if process == "tfln600" else 0.0}
        base = demo.model_copy(update={"process": process, "ring": demo.ring.model_copy(update=necks)})
        for choice in usual_choices(base):
            made = spec_of(base, choice)
            assert (made.chip.rows, made.chip.rings, made.process) == (8, 8, process)
            # Straights come in steps of a guided wavelength, a tenth of a short one's Q and more: half a step is left.
            step_um = made.profile.optics.wl0_um.value / made.profile.optics.n_eff_along_x.value
            shorter, longer = (
                ring_figures(made.model_copy(update={"ring": made.ring.model_copy(update={"straight_um": straight})}))
                for straight in (max(made.ring.straight_um - step_um, 0.0), made.ring.straight_um + step_um)
            )
            wanted, half_a_step = float(choice["q_loaded"]), 0.25 * (shorter.q_loaded - longer.q_loaded)
            assert abs(ring_figures(made).q_loaded - wanted) <= max(0.05 * wanted, half_a_step)


def test_two_rails_take_twice_the_channels_for_as_many_dimensions(demo):
    choice = choice_of(demo) | {"encoding": "dual_rail", "buses": 2}
    made = spec_of(demo, choice)
    assert (made.chip.buses, made.chip.channels) == (2, 8)


def test_a_narrower_band_costs_longer_symbols(bank):
    slow, fast = (spec_of(bank, choice_of(bank) | {"bandwidth_GHz": hertz}) for hertz in (0.05, 0.1))
    assert slow.system.modulator_pJ_symbol == pytest.approx(2.0 * fast.system.modulator_pJ_symbol)


def test_the_bank_s_recall_in_closed_form_is_what_its_dies_were_measured_to_have(bank):
    # benchmarks/results/bank_recall.json: 0.877 ± 0.024 over 20 dies with coherent rows and whole receivers.
    assert expected_recall(bank, 32) == pytest.approx(0.877, abs=0.02)
    assert expected_recall(bank, 32, smooth=True) == pytest.approx(expected_recall(bank, 32), abs=0.01)


@pytest.mark.parametrize("change", [{"comb": {"line_power_dBm": -5.0}}, {"detector": {"bandwidth_GHz": 10.0}}])
def test_less_light_or_more_noise_costs_recall(bank, altered, change):
    assert expected_recall(altered(bank, **change), 32) < expected_recall(bank, 32) - 0.02


def test_weights_that_curvature_takes_out_of_reach_cost_recall(bank, altered):
    # Four dies of it: 0.971 with the bank's curvature, 0.777 with six times as much (`prism yield`, its own drift).
    bent = altered(bank, variation={"curvature_pm_V2": 0.03})
    assert expected_recall(bent, 32) < expected_recall(bank, 32) - 0.1


def test_close_neighbours_whose_light_a_rule_counts_miss_weights_on_drawn_dies(bank, altered):
    assert drawn_reach(bank).passed
    # Closer lines: single rings reach as far, but neighbours' light moves the ends of the range.
    close = altered(bank, comb={"spacing_nm": 0.6 * bank.comb.spacing_nm}, ranking={"spacing_linewidths": 2.0})
    assert [found.rule for found in check(close).violations] == ["row_reach"]
    found = drawn_reach(close)
    assert not found.passed
    assert found.value == pytest.approx(np.quantile(drawn_reaches(close), MOST_MISSED))
    assert found.value == pytest.approx(row_reach(close).value, abs=0.035)


def test_the_search_s_numbers_are_the_ledger_s(bank):
    assert OBJECTIVES["energy"].of(bank, 32) == pytest.approx(45.28, abs=0.01)
    assert OBJECTIVES["area"].of(bank, 32) == pytest.approx(778.8, abs=0.1)


def test_a_share_of_good_dies_is_a_share(four_rows):
    assert 0.0 <= OBJECTIVES["yield"].of(four_rows, 1) <= 1.0


def test_no_design_of_the_front_is_beaten_and_all_pass_the_check(search, study):
    found = front(search, study)
    assert found
    for design in found:
        assert check(design.spec).feasible
        assert not any(dominates(other, design.values) for other in feasible_values(study))


def test_a_search_goes_on_where_it_was_and_does_nothing_when_it_is_done(search, study):
    before = finished(study)
    assert finished(run_search(search, trials=before)) == before
    assert finished(run_search(search, trials=before + 3)) == before + 3


def test_polished_designs_are_written_as_specs_that_pass_the_check(search, study, tmp_path, monkeypatch):
    monkeypatch.setattr("prism_photonics.workflow.explore.MOST_DESIGNS", 1)
    monkeypatch.setattr("prism_photonics.explore.refine.STEPS", 1)
    (tmp_path / "design_40.toml").write_text(f"{FOUND_BY} when the front had more designs\n")
    (tmp_path / "design_mine.toml").write_text("# mine\n")
    numbers = explore_designs(search, tmp_path, trials=finished(study))
    assert {path.name for path in tmp_path.iterdir()} == {row["spec"] for row in numbers["designs"]} | {
        "explore.json", "pareto.svg", "design_mine.toml",
    }  # fmt: skip
    tried = feasible_values(study)
    for row in numbers["designs"]:
        made = load_spec(tmp_path / row["spec"])
        assert check(made).feasible
        assert OBJECTIVES["energy"].of(made, 1) == pytest.approx(row["energy"])
        assert not any(dominates(other, (row["energy"], row["area"])) for other in tried)
    # The demonstrator is feasible, so it is what is to be beaten.
    reference = numbers["reference"]
    assert reference["name"] == "demo_8x8"
    beating = [row for row in numbers["designs"] if row["beats"]]
    assert beating
    assert reference["beaten_by"] >= len(beating)
    assert all(row["energy"] <= reference["energy"] and row["area"] <= reference["area"] for row in beating)


def test_a_polish_raises_the_recall_at_less_energy_and_no_larger_area(four_rows, monkeypatch):
    # A whole search for chips of 256 rows: benchmarks/explore.py.
    for name, value in (("STEPS", 1), ("TRIES", 30), ("SHARES", (0.9,)), ("MOST_JUDGED", 2)):
        monkeypatch.setattr(f"prism_photonics.explore.refine.{name}", value)
    search = Search(four_rows, objectives_of("recall,energy,area"), 1, "")
    begun = choice_of(four_rows)
    values, outside = judged(search, begun)
    assert not any(outside)
    design = Front(0, begun, spec_of(four_rows, begun), values)
    found = refined(search, design)
    assert found[0] is design
    assert all(check(one.spec).feasible for one in found)
    assert not any(search.beats(design.values, one.values) for one in found)
    assert any(search.beats(one.values, design.values) for one in found)


def test_a_polish_raises_the_recall_up_to_the_costs_of_the_chip_that_is_to_be_beaten(four_rows, altered, monkeypatch):
    for name, value in (("TRIES", 10), ("MOST_JUDGED", 2)):
        monkeypatch.setattr(f"prism_photonics.explore.refine.{name}", value)
    dim = altered(four_rows, comb={"line_power_dBm": -9.0})  # where noise costs recall
    search = Search(dim, objectives_of("recall,energy,area"), 1, "")
    begun = choice_of(dim)
    recall, energy, area = judged(search, begun)[0]
    design = Front(0, begun, spec_of(dim, begun), (recall, energy, area))
    choices = _Polish(search, design).choices_towards((recall, 1.5 * energy, 1.2 * area))
    dearer = [spec for spec in (spec_of(dim, one) for one in choices) if energy_uJ(spec) > energy]
    assert dearer
    for spec in dearer:
        assert check(spec).feasible
        assert energy_uJ(spec) <= 1.5 * energy
        assert area_mm2(spec) <= 1.2 * area
        assert expected_recall(spec, 1, smooth=True) > expected_recall(design.spec, 1, smooth=True)


def test_a_design_that_recalls_less_at_less_cost_climbs_until_it_beats_the_bank(bank, monkeypatch):
    monkeypatch.setattr("prism_photonics.explore.refine.TRIES", 30)
    search = Search(load_spec("paper_32x256"), objectives_of("recall,energy,area"), 32, "")
    reference = tuple(one.of(bank, 32) for one in search.objectives)
    # Of the bank's split, on a smaller die, with 2 dB less light and a slower receiver.
    near = choice_of(bank) | {
        "q_loaded": 10_500.0, "gap_um": 0.42, "spacing_of_fsr": 0.974, "bias_widths": 1.1, "drive_of_coercive": 0.9989,
        "weight_limit": 0.575, "line_power_dBm": 8.15, "bandwidth_GHz": 0.01, "drive_bits": 13, "bend_radius_um": 20.0,
    }  # fmt: skip
    values, outside = judged(search, near)
    assert not any(outside)
    design = Front(0, near, spec_of(search.base, near), values)
    assert not search.beats(values, reference)
    assert shortfall(search, values, reference) > 0.0
    found = climbed(search, [design], reference)
    assert all(check(one.spec).feasible for one in found)
    beating = [one for one in found if search.beats(one.values, reference)]
    assert beating
    assert shortfall(search, beating[0].values, reference) == 0.0
    # What beats it already is left alone.
    assert climbed(search, [design, *beating], reference) == []


def test_the_bits_of_a_driver_cost_recall_where_they_are_few(bank, altered):
    coarse, fine = (expected_recall(altered(bank, drive={"dac_bits": bits}), 32) for bits in (6, 16))
    assert coarse < fine - 0.005


def test_a_reference_of_another_size_is_refused_in_one_line(search, bank, tmp_path):
    with pytest.raises(InputError, match=r"--beat bank_32x256: 256 rows of 32 dimensions, want 8 of 8") as refused:
        explore_designs(search, tmp_path, trials=1, beat=bank)
    assert "\n" not in str(refused.value)


def test_two_workers_on_one_file_never_take_the_same_choice(demo, tmp_path, monkeypatch):
    search = Search(demo, objectives_of("energy,area"), 1, f"sqlite:///{tmp_path / 'study.db'}")
    studies = [search.study(), search.study()]
    both = threading.Barrier(2)

    def looked(*_):
        # Between the look whether a trial is free and its taking: the other one has looked too, if it can.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)

    monkeypatch.setattr("optuna.storages.RDBStorage.check_trial_is_updatable", looked)
    with ThreadPoolExecutor(2) as pool:
        numbers = list(pool.map(lambda study: study.ask().number, studies))
    assert len(set(numbers)) == 2


@pytest.mark.slow
def test_two_processes_on_one_storage_make_one_study(demo, tmp_path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    search = Search(demo, objectives_of("energy,area"), 1, storage)
    code = (
        "from prism_photonics.spec import load_spec; from prism_photonics.explore.search import *; "
        "from prism_photonics.explore.objectives import objectives_of; "
        f"run_search(Search(load_spec('demo_8x8'), objectives_of('energy,area'), 1, {storage!r}, 1), trials=5)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as other:
        study = run_search(search, trials=5)
        assert other.wait(120) == 0
    numbers = [trial.number for trial in study.get_trials(deepcopy=False)]
    assert finished(study) >= 5
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("recall,enegy", "'enegy' does not exist, want some of recall, energy, area, yield; did you mean 'energy'?"),
        ("", "want each of recall, energy, area, yield at most once"),
        ("area,area", "want each of recall, energy, area, yield at most once"),
    ],
)
def test_objectives_that_do_not_exist_are_refused_in_one_line(names, told):
    with pytest.raises(InputError) as refused:
        objectives_of(names)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_storage_of_another_study_is_refused_in_one_line(search, study, demo, altered):
    other = Search(demo, objectives_of("recall,area"), 1, search.storage)
    with pytest.raises(InputError, match=r"holds another study of demo_8x8 .*choose another storage"):
        other.study()
    with pytest.raises(InputError, match=r"holds another study, 'prism demo_8x8'"):
        Search(altered(demo, name="another"), search.objectives, 1, search.storage).study()


@pytest.mark.parametrize("storage", ["nonsense", "sqlite:////nowhere/at/all/study.db", "oracle://nobody"])
def test_a_storage_that_cannot_be_used_is_refused_in_one_line(demo, storage):
    with pytest.raises(InputError, match=r"--storage .*cannot be used") as refused:
        Search(demo, objectives_of("area"), 1, storage).study()
    assert "\n" not in str(refused.value)


def test_no_trial_and_too_many_blocks_are_refused(search, demo):
    with pytest.raises(InputError, match="explore: trials = 0, want 1 or more"):
        run_search(search, trials=0)
    with pytest.raises(InputError, match="--k 8: want 1 to 7, less than the 8 rows"):
        blocks_of(demo, 8)


def test_numbers_of_a_choice_lie_within_their_ranges(bank):
    for knob in knobs(bank):
        value = choice_of(bank)[knob.name]
        assert value in knob.options if knob.options else knob.low <= float(value) <= knob.high


def test_rings_with_ramps_are_searched_from_the_sharpest_that_the_film_bears():
    gentle = load_spec("demo_8x8")
    (radius,) = [knob for knob in knobs(gentle) if knob.name == "radius_um"]
    assert gentle.ring.turn(radius.low).least_radius_um == pytest.approx(15.0, abs=0.01)
    assert choice_of(gentle)["radius_um"] == gentle.ring.radius_um
    wishes = Wishes(rows=8, dims=8, process="tfln600", base="demo_8x8")
    for spec in candidates(wishes, arm_um=0.0):
        assert spec.ring_designs[0].quarter.least_radius_um >= 15.0
        assert spec.comb.spacing_nm * spec.chip.channels < ring_figures(spec).fsr_nm
    # Necks are known of one film only.
    other = next(iter(candidates(Wishes(rows=8, dims=8, process="lnoi400", base="demo_8x8"), arm_um=0.0)))
    assert (gentle.ring.neck_um, other.ring.neck_um) == (0.35, 0.0)


def test_the_picture_of_a_front_marks_the_chip_to_beat(search):
    names = len(search.objectives)
    design = Front(0, {}, search.base, tuple(0.5 + n for n in range(names)))
    figure = pareto(
        search.objectives, np.zeros((0, names)), [design], [design], reference=tuple(1.0 + n for n in range(names))
    )
    stars = [line for axes in figure.axes for line in axes.lines if line.get_label() == "to beat"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in stars] == [
        (y + 1, x + 1) for x, y in combinations(range(names), 2)
    ]


@pytest.mark.filterwarnings("error")
def test_a_search_in_which_no_trial_kept_every_rule_has_an_empty_picture(search):
    figure = pareto(search.objectives, np.zeros((0, len(search.objectives))), [], [])
    figure.draw_without_rendering()
    assert {axes.get_xscale() for axes in figure.axes} == {"linear"}


@pytest.mark.parametrize("fold", [1.2, 3.0, 9.0, 60.0, 1e4])
def test_the_numbers_beside_the_picture_of_a_front_do_not_run_into_each_other(search, fold):
    values = 37.0 * fold ** np.linspace(0.0, 1.0, 40)[:, None] * np.ones(len(search.objectives))
    designs = [Front(0, {}, search.base, tuple(row)) for row in values[:3]]
    figure = pareto(search.objectives, values, designs, designs)
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis, side in ((axes.xaxis, 0), (axes.yaxis, 1)):
            low, high = axis.get_view_interval()
            ticks = [
                tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high and tick.label1.get_text()
            ]
            assert 2 <= len(ticks) <= 9
            assert not any(tick.label1.get_text() for tick in axis.get_minor_ticks())
            spans = sorted(tick.label1.get_window_extent().get_points()[:, side].tolist() for tick in ticks)
            assert all(one[1] < other[0] for one, other in itertools.pairwise(spans))
