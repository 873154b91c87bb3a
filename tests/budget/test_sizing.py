"""The closed forms for arrays of rings say what the rules say, and sized rings keep the rules they were sized for."""

import math

import numpy as np
import pytest

from prism_photonics.budget.feasibility import check, judged
from prism_photonics.budget.headroom import headrooms
from prism_photonics.budget.light_sizing import size_light, with_keys
from prism_photonics.budget.ring import lossy_drop_max, ring_figures
from prism_photonics.budget.ring_margins import (
    reach_headroom,
    ring_demand,
    ring_numbers,
    shape_headrooms,
    two_lobe_coverage,
)
from prism_photonics.budget.ring_sizing import ENOUGH, gap_um, size_rings, widest_lobe_deg
from prism_photonics.budget.trimming import SPREAD_SIGMAS
from prism_photonics.process.electrooptics import coverage, two_lobes
from prism_photonics.process.trench import least_gap_um
from prism_photonics.spec import load_spec

CHIPS = ("demo_8x8", "demo_lnoi400", "bank_32x256")


def found(spec, rule):
    return next(finding for finding in check(spec).findings if finding.rule == rule)


def first_ring(spec):
    design = spec.ring_designs[0]
    return ring_numbers(
        spec,
        radius_um=np.array([design.radius_um]),
        arm_um=np.array([design.arm_um]),
        straight_um=np.array([design.straight_um]),
        gap_um=np.array([design.gap_through_um]),
        lobe_deg=np.array([design.lobe_half_angle_deg]),
    )


@pytest.mark.parametrize("name", CHIPS)
def test_figures_of_rings_as_arrays_are_those_of_the_rules(name):
    spec = load_spec(name)
    numbers, figures = first_ring(spec), ring_figures(spec)
    lossy = lossy_drop_max(spec, math.exp(SPREAD_SIGMAS * spec.variation.loss_log))[0]
    assert numbers.fwhm_pm[0] == pytest.approx(figures.fwhm_pm, rel=1e-12)
    assert numbers.fsr_pm[0] == pytest.approx(figures.fsr_nm * 1e3, rel=1e-12)
    assert numbers.through_min[0] == pytest.approx(figures.through_min, rel=1e-9)
    assert numbers.drop_max[0] == pytest.approx(figures.drop_max, rel=1e-12)
    assert numbers.lossy_drop_max[0] == pytest.approx(lossy, rel=1e-12)
    assert numbers.tuning_pm_V[0] == pytest.approx(figures.tuning_pm_V, rel=1e-12)


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("rule", ["drift", "drift_common", "spacing_linewidths", "band", "coherence"])
def test_headrooms_of_arrays_are_those_of_the_rules(name, rule, altered):
    # A wish so hard that no rule has more headroom than is counted.
    spec = altered(load_spec(name), ranking={"required_snr_dB": 32.0, "spacing_linewidths": 30.0})
    finding = found(spec, rule)
    ratio = finding.value / finding.limit if rule == "spacing_linewidths" else finding.limit / finding.value
    ours = shape_headrooms(ring_demand(spec), first_ring(spec))[rule][0]
    # Equal in wavelength or nearly so, and bus phases left out: the coherent error alone is an approximation.
    assert ours == pytest.approx(min(ratio - 1.0, 3.0), rel=0.02 if rule == "coherence" else 1e-6, abs=1e-6)


@pytest.mark.parametrize("name", CHIPS)
def test_the_reach_has_headroom_exactly_where_the_rule_is_kept(name, altered):
    spec = load_spec(name)
    for limit in np.linspace(0.3, 0.95, 14):
        asked = altered(spec, ranking={"weight_limit": float(limit)})
        finding = found(asked, "tuning_range")
        headroom = headrooms(asked, judged(asked))["tuning_range"]
        assert (headroom >= 0.0) == finding.passed


def test_the_reach_grows_with_the_drive_and_shrinks_with_the_scatter(demo, altered):
    ring, demand = first_ring(demo), ring_demand(demo)
    volts = np.linspace(5.0, 50.0, 19)
    reach = np.array([reach_headroom(demand, ring, bias_pm=27.0, voltage_V=v)[0] for v in volts])
    # But for the last digits of a root.
    assert (np.diff(reach) >= -1e-9).all()
    # From some drive on it is the drop peak of lossy rings that lacks depth: no volt adds any.
    assert reach[0] < -1.0 < 0.0 < reach[-1] == pytest.approx(reach[-2], abs=1e-9)
    rough = ring_demand(altered(demo, trim={"residual_pm": 20.0}))
    fine, coarse = (reach_headroom(d, ring, bias_pm=27.0, voltage_V=15.0) for d in (demand, rough))
    assert coarse < fine


@pytest.mark.parametrize("half_deg", [1.0, 30.0, 60.0, 90.0])
def test_coverage_of_two_lobes_is_the_integral_over_the_circle(demo, half_deg):
    tensor = demo.profile.tensor
    assert two_lobe_coverage(half_deg, tensor) == pytest.approx(coverage(two_lobes(half_deg), tensor), rel=1e-12)


@pytest.mark.parametrize("name", CHIPS)
def test_the_gap_of_a_linewidth_gives_that_linewidth(name):
    spec = load_spec(name)
    design, numbers = spec.ring_designs[0], first_ring(spec)
    gap = gap_um(
        spec,
        fwhm_pm=numbers.fwhm_pm,
        radius_um=design.radius_um,
        arm_um=design.arm_um,
        straight_um=design.straight_um,
    )
    assert gap[0] == pytest.approx(design.gap_through_um, abs=1e-9)


def test_a_linewidth_below_the_rings_own_loss_has_no_gap(demo):
    assert gap_um(demo, fwhm_pm=1e-3, radius_um=20.0, arm_um=0.0, straight_um=2.6) == np.inf


# The bank's comb has no room for other rings than its own.
@pytest.mark.parametrize("name", ["demo_8x8", "demo_lnoi400", "lnoi400_8x8"])
def test_sized_rings_and_light_keep_every_rule_with_more_room_than_the_hand_made_ones(name):
    spec = load_spec(name)
    rings = size_rings(spec, voltages_V=[spec.drive.max_voltage_V])
    sized = with_keys(spec, rings.keys)
    sized = with_keys(sized, size_light(sized, judged, most_dBm=15.0))
    assert check(sized).feasible
    by_hand, found = headrooms(spec, judged(spec)), headrooms(sized, judged(sized))
    of_rings = ("fsr_aliasing", "spacing_linewidths", "tuning_range", "drift")
    assert min(found[rule] for rule in of_rings) > min(by_hand[rule] for rule in of_rings)
    # No more light is bought than gives enough room.
    assert min(found.values()) > min(*by_hand.values(), ENOUGH) - 0.05
    assert sized.ring.gap_through_um >= least_gap_um(spec.profile)


def test_no_more_drive_is_bought_than_gives_enough_room():
    spec = load_spec("demo_lnoi400")
    assert size_rings(spec, voltages_V=[5.0, 10.0, 20.0, 40.0]).keys["drive.max_voltage_V"] == 10.0
    # 56 V over 5.4 µm is the most that half the coercive field allows.
    assert size_rings(spec, voltages_V=[30.0, 200.0]).keys["drive.max_voltage_V"] == 30.0


def test_the_widest_lobe_is_the_rules(circles, altered):
    widest = widest_lobe_deg(circles, radius_um=20.0, arm_um=0.0, gap_um=0.4)
    assert found(altered(circles, ring={"lobe_half_angle_deg": widest}), "electrode_lobe").passed
    assert not found(altered(circles, ring={"lobe_half_angle_deg": widest + 0.1}), "electrode_lobe").passed
