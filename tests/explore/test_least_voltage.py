"""No ring that the closed forms find does with less drive than the laws ask of the best conceivable one."""

import math

import numpy as np
import pytest

from prism_photonics.budget.ring_sizing import size_rings
from prism_photonics.explore.candidates import candidates
from prism_photonics.explore.design import Design
from prism_photonics.explore.least_voltage import least_voltage
from prism_photonics.explore.sizing import sized
from prism_photonics.explore.wishes import Wishes
from prism_photonics.process.electrooptics import tuning_pm_V
from prism_photonics.process.profile import profile_names


def asked(process, **wished):
    wishes = {"dims": 1, "rows": 8, "process": process, "encoding": "two_shot", "spacing_nm": 0.4}
    return next(candidates(Wishes.of(wishes | wished)))


@pytest.mark.parametrize("process", ["tfln600", "lnoi400", "ltoi300"])
@pytest.mark.parametrize("wished", [{}, {"residual_pm": 3.0}, {"weight_limit": 0.5}])
def test_no_ring_that_is_found_does_with_less(process, wished):
    spec = asked(process, **wished)
    bound = least_voltage(spec)
    least_um = spec.profile.film.min_bend_radius_um.value
    short = size_rings(
        spec,
        voltages_V=[0.99 * bound.least_V],
        arms_um=[share * least_um for share in (0.0, 1.0, 8.0, 30.0)],
        radii_um=[least_um * factor for factor in (1.0, 2.0, 4.0)],
        on_grid=False,
    )
    assert 1.0 < bound.least_V < bound.most_V
    assert short.headroom < 0.0
    # What is told as the most is no step's own: the whole ring along the axis of the lower group index.
    optics, eo = spec.profile.optics, spec.profile.electrooptics
    n_g = min(optics.n_g_along_x.value, optics.n_g_along_y.value)
    most_pm_V = tuning_pm_V(
        wl=optics.wl0_um.value, n_g=n_g, coverage=1.0, vpil_single_V_cm=2.0 * eo.vpil_push_pull_V_cm.value
    )
    assert bound.tuning_pm_V == pytest.approx(most_pm_V, rel=1e-12)


def test_no_film_but_the_shallow_niobate_has_a_5_V_ring_of_the_full_reach_with_the_demonstrator_s_trimming():
    """Where the drive is forbidden it is so by V_πL, loss and drift; finer trimming finds rings on each film."""
    least_V = {process: least_voltage(asked(process, weight_limit=0.75)).least_V for process in profile_names()}
    assert least_V["tfln600"] == pytest.approx(5.01, abs=0.01)
    assert least_V["ltoi300"] == pytest.approx(5.23, abs=0.01)
    assert min(least_V["tfln600"], least_V["ltoi300"]) > 5.0
    for process, residual_pm, arm_um in (("lnoi400", 14.0, 480.0), ("ltoi300", 7.0, 800.0), ("tfln600", 6.0, 1100.0)):
        spec = asked(process, weight_limit=0.75, residual_pm=residual_pm)
        rings = size_rings(spec, voltages_V=[5.0], arms_um=[arm_um], radii_um=[spec.ring.radius_um], on_grid=False)
        assert rings.headroom >= 0.0


def test_the_bound_grows_with_what_is_asked():
    easy, hard, rough = (
        least_voltage(asked("tfln600", **wished)).least_V
        for wished in ({"weight_limit": 0.5}, {"weight_limit": 0.75}, {"weight_limit": 0.75, "residual_pm": 20.0})
    )
    assert easy < hard < rough
    none = least_voltage(asked("tfln600", weight_limit=0.97))
    assert math.isinf(none.least_V)
    assert "no voltage does for rings with equal gaps" in str(none)


def test_a_drive_below_the_bound_is_refused_by_that_law():
    # The bound of the lithium tantalate film with the demonstrator's trimming is 5.2 V.
    wishes = Wishes.of({"dims": 4, "rows": 4, "process": "ltoi300", "max_voltage_V": 5.0})
    best = sized(wishes, most=1)[0]
    bound = least_voltage(best.spec)
    assert bound.least_V == pytest.approx(5.23, abs=0.02)
    assert best.broken
    answer = Design(wishes, best, changes=(object(),))  # pyright: ignore[reportArgumentType]
    assert answer.forbidden_by[0] == str(bound)
    assert "no ring with equal gaps does with less than 5.23 V" in answer.forbidden_by[0]


def test_a_line_is_as_deep_as_a_lossy_ring_with_equal_gaps_makes_it():
    # A = 2 − 2ρ against the exact extremes of rings between critical loss and none.
    a, kappa2 = 0.999, np.array([1e-3, 3e-3, 1e-2, 3e-2])
    x = (1.0 - kappa2) * a
    through, drop = (
        (1.0 - kappa2) * (1.0 - a) ** 2 / (1.0 - x) ** 2,
        kappa2**2 * a / (1.0 - x) ** 2,
    )
    share = (1.0 - a) / (1.0 - x)
    assert 1.0 - through + drop == pytest.approx(2.0 - 2.0 * share, abs=0.02)
