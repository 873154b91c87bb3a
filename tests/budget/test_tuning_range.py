"""The reach of a die is that of its worst ring, wherever within the scatter that ring rests."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism_photonics.budget.ring import RingFigures, lossy_drop_max, ring_figures
from prism_photonics.budget.rules_ring import SPREAD_SIGMAS, least_reach, tuning_range
from prism_photonics.spec import ChipSpec

# A lossless symmetric ring of 32 pm.
RING = RingFigures(
    fwhm_pm=32.0, fsr_nm=7.9, q_loaded=48_000.0, through_min=0.0, drop_max=1.0, tuning_pm_V=4.2, bias_pm=0.0
)
detunings_pm = st.floats(-500.0, 500.0)
lengths_pm = st.floats(0.0, 500.0)
# The demo at 5 V with narrower lines, four channels: rings that rest near their lines have the least reach.
NEAR_LINES = {
    "chip": {"channels": 4},
    "drive": {"max_voltage_V": 5.0},
    "ring": {"gap_through_um": 0.42, "gap_drop_um": 0.42, "bias_pm": 0.0},
}


def reach_of_one(ring, rest_pm, swing_pm, weak_drop):
    """What one ring reaches to both sides, by trying every voltage."""
    weights = [ring.weight(rest_pm + shift) for shift in np.linspace(-swing_pm, swing_pm, 801)]
    if abs(rest_pm) <= swing_pm:
        weights.append(ring.weight(0.0))
    return min(-min(weights) - weak_drop, max(weights))


@given(at_pm=detunings_pm, width_pm=lengths_pm, swing_pm=lengths_pm, weak_drop=st.floats(0.0, 0.5))
@settings(max_examples=60, deadline=None)
def test_the_closed_form_is_the_worst_of_all_rings_in_the_interval(at_pm, width_pm, swing_pm, weak_drop):
    rests = np.linspace(at_pm, at_pm + width_pm, 41)
    # The ring on the line is no sample of a grid.
    rests = np.append(rests, np.clip(0.0, at_pm, at_pm + width_pm))
    tried = min(reach_of_one(RING, rest, swing_pm, weak_drop) for rest in rests)
    assert least_reach(RING, at_pm, at_pm + width_pm, swing_pm, weak_drop=weak_drop) == pytest.approx(tried, abs=1e-9)


@given(at_pm=detunings_pm, width_pm=lengths_pm, more_pm=st.tuples(lengths_pm, lengths_pm), swing_pm=lengths_pm)
def test_a_wider_interval_never_reaches_more(at_pm, width_pm, more_pm, swing_pm):
    within = least_reach(RING, at_pm, at_pm + width_pm, swing_pm)
    assert least_reach(RING, at_pm - more_pm[0], at_pm + width_pm + more_pm[1], swing_pm) <= within


@given(at_pm=detunings_pm, width_pm=lengths_pm, swing_pm=lengths_pm, more_pm=lengths_pm)
def test_more_drive_never_reaches_less(at_pm, width_pm, swing_pm, more_pm):
    within = least_reach(RING, at_pm, at_pm + width_pm, swing_pm)
    assert least_reach(RING, at_pm, at_pm + width_pm, swing_pm + more_pm) >= within


def test_worse_trimming_never_makes_a_spec_feasible(demo, altered):
    # A rule that saw the two extreme rings alone refused 1, 2 and 3 pm and took 5.
    found = [
        tuning_range(altered(demo, **NEAR_LINES, trim={"residual_pm": pm})) for pm in (0.0, 1.0, 2.0, 3.0, 5.0, 8.0)
    ]
    values = [finding.value for finding in found]
    assert values == sorted(values, reverse=True)
    assert not any(finding.passed for finding in found)
    # The two extreme rings reach 0.756, one that rests on its line 0.333.
    assert values[4] == pytest.approx(0.333, abs=0.001)


def test_a_perfect_ring_amid_the_scatter_counts(demo, altered):
    spec = altered(demo, **NEAR_LINES, trim={"residual_pm": 5.0})
    perfect = altered(demo, **NEAR_LINES, trim={"residual_pm": 0.0})
    assert tuning_range(spec).value <= tuning_range(perfect).value


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("loss_log", (0.0, 0.2, 0.4, 0.8)),
        ("slope_relative", (0.0, 0.02, 0.05, 0.1, 0.3)),
        ("responsivity_relative", (0.0, 0.03, 0.1, 0.3)),
    ],
)
def test_more_scatter_of_any_kind_never_reaches_more(demo, altered, key, values):
    for changes in ({}, NEAR_LINES):
        reached = [tuning_range(altered(demo, **changes, variation={key: value})).value for value in values]
        assert reached == sorted(reached, reverse=True)
        assert reached[0] >= reached[-1]


@pytest.mark.parametrize("name", ["demo_8x8", "demo_lnoi400", "bank_32x256", "bank_64x64_dual"])
def test_the_chips_that_ship_reach_their_range_by_the_worst_ring(layouts, name):
    spec = ChipSpec.from_toml(layouts / name / "spec.toml")
    found = tuning_range(spec)
    assert found.passed
    # A second road: every channel's rings on a grid of rests, each tried over its swing.
    spread_pm = SPREAD_SIGMAS * spec.resonance_pm
    tried = []
    for channel in {0, spec.chip.channels - 1}:
        ring = ring_figures(spec, channel)
        lossy = lossy_drop_max(spec, math.exp(SPREAD_SIGMAS * spec.variation.loss_log))[channel]
        weak_drop = math.hypot(
            1.0 - lossy / ring.drop_max, SPREAD_SIGMAS * math.sqrt(2.0) * spec.variation.responsivity_relative
        )
        weak = 1.0 - SPREAD_SIGMAS * spec.variation.slope_relative
        swing_pm = spec.drive.max_voltage_V * abs(ring.tuning_pm_V) * weak
        rests = ring.bias_pm + np.linspace(-spread_pm, spread_pm, 101)
        tried.append(min(reach_of_one(ring, rest, swing_pm, weak_drop) for rest in rests))
    assert min(tried) >= found.value - 1e-9
    assert min(tried) >= spec.ranking.weight_limit
