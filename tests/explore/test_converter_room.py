"""Converters of searched chips hold what their rows send, and where they do not the recall says so."""

import numpy as np
import pytest

from prism_photonics.budget.feasibility import check, judged
from prism_photonics.budget.light_sizing import size_light, with_keys
from prism_photonics.budget.rules_light import adc_noise, converter_range, link
from prism_photonics.explore.objectives import expected_recall, objectives_of
from prism_photonics.explore.refine import OUTSIDE, _Polish
from prism_photonics.explore.search import Front, Search, _patient
from prism_photonics.explore.space import choice_of, spec_of
from prism_photonics.lightpath.detector.model import adc_step_A
from prism_photonics.spec import load_spec


@pytest.fixture(scope="module")
def bank():
    return load_spec("bank_32x256")


@pytest.mark.parametrize("encoding", ["two_shot", "offset"])
def test_a_converter_that_holds_a_line_and_not_the_row_costs_recall(bank, altered, encoding):
    # Dies of a searched chip: 0.902 with 1.15 times the brightest line's current, 0.930 with twice as much and a bit
    # more (benchmarks/results/explore_dies.json).
    asked = altered(bank, modulator={"encoding": encoding})
    line_uA = converter_range(asked).value
    narrow, wide = (
        altered(asked, detector={"adc_full_scale_uA": room * line_uA, "adc_bits": bits})
        for room, bits in ((1.15, 10), (1.15 * (2**13 - 1) / (2**9 - 1), 14))
    )
    assert converter_range(narrow).passed
    assert adc_step_A(narrow.detector_design) == pytest.approx(adc_step_A(wide.detector_design), rel=1e-9)
    for smooth in (False, True):
        assert expected_recall(narrow, 32, smooth=smooth) < expected_recall(wide, 32, smooth=smooth) - 0.05


def widened(spec):
    """With eight times the converter's range, in as fine steps."""
    detector = spec.detector
    changes = {
        "detector.adc_full_scale_uA": 8.0 * detector.adc_full_scale_uA,
        "detector.adc_bits": detector.adc_bits + 3,
    }
    return with_keys(spec, changes)


def test_light_that_is_sized_comes_with_converters_that_hold_the_row(bank):
    # With 1.35 times the brightest line: 0.82 where 0.92 can be had.
    sized = with_keys(bank, size_light(bank, judged, most_dBm=15.0))
    assert expected_recall(sized, 32, smooth=True) == pytest.approx(
        expected_recall(widened(sized), 32, smooth=True), abs=2e-3
    )


def test_converters_have_room_for_a_row_whose_rings_all_drift_together(bank):
    made = spec_of(bank, choice_of(bank))
    assert expected_recall(made, 32) == pytest.approx(expected_recall(widened(made), 32), abs=2e-3)


def test_a_spec_whose_converter_just_holds_its_lines_gets_bits_for_the_wider_range_of_a_search(demo, altered):
    line_uA = converter_range(demo).value
    narrow = altered(demo, detector={"adc_full_scale_uA": 1.35 * line_uA, "adc_bits": 6})
    assert check(narrow).feasible
    again = spec_of(narrow, choice_of(narrow))
    assert adc_step_A(again.detector_design) <= adc_step_A(narrow.detector_design)
    assert adc_noise(again).passed
    assert link(again).passed
    # Where there is room already no bit is added.
    assert choice_of(demo)["adc_bits"] == demo.detector.adc_bits


def test_costs_that_are_far_off_are_climbed_towards_in_strides(four_rows, monkeypatch):
    search = Search(four_rows, objectives_of("recall,energy,area"), 1, "")
    begun = choice_of(four_rows)
    spec = spec_of(four_rows, begun)
    recall, energy, area = (one.of(spec, 1) for one in search.objectives)
    asked = []

    def climbed(polish, start, most, together):
        asked.append((most, together))
        return start, {}

    monkeypatch.setattr(_Polish, "_climbed", climbed)
    # Places are told apart up to a logarithm of OUTSIDE: beyond, any cost would do, or none.
    _Polish(search, Front(0, begun, spec, (recall, energy, area))).choices_towards((recall, 9.0 * energy, 0.1 * area))
    ((most, together),) = asked
    assert np.abs(most).max() < OUTSIDE
    assert most[0] > 0.5 > -0.5 > most[1]
    assert together == pytest.approx(most.sum())


def test_only_files_of_sqlite_are_treated_as_such():
    assert _patient("sqlite:///study.db")
    assert _patient("sqlite+pysqlite:///study.db")
    assert _patient("postgresql://host/studies_from_sqlite") == {}


def test_a_study_tells_apart_ranges_of_converters(demo, monkeypatch):
    search = Search(demo, objectives_of("energy,area"), 1, "")
    before = search.hash
    monkeypatch.setattr("prism_photonics.explore.search.FULL_SCALE_ROOM", 1.15)
    assert search.hash != before
