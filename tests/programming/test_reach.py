"""Rings that reach too little are left out with a clear line, and the rest of the chip is used."""

import dataclasses

import jax
import numpy as np
import pytest

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.calibration.faults import Fault
from prism_photonics.programming.bus import bus_of, weights_at
from prism_photonics.programming.reach import reached_share, without_far_rings
from prism_photonics.programming.solve import common_range, reachable_weights
from prism_photonics.units import InputError


@pytest.fixture(scope="module")
def designed(circles):
    """The circles as designed, and as it is where some rings rest so many pm off."""

    def off(pm: float, *rings: tuple[int, int]):
        fit = blank_calibration(circles, triggers=1)
        offset_pm = np.array(fit.rows.rings.offset_pm)
        for row, ring in rings:
            offset_pm[row, 0, ring] += pm
        return dataclasses.replace(
            fit, rows=dataclasses.replace(fit.rows, rings=dataclasses.replace(fit.rows.rings, offset_pm=offset_pm))
        )

    return off


def test_a_chip_of_which_every_ring_reaches_its_weights_is_left_as_it_is(designed, circles):
    fit = designed(0.0)
    kept, faults = without_far_rings(fit, circles, ())
    assert kept is fit
    assert faults == ()


def test_a_ring_out_of_reach_costs_itself_and_not_the_chip(designed, circles):
    fit = designed(300.0, (2, 5))
    with pytest.raises(InputError, match="ring 5 of row 2 reaches only"):
        common_range(fit)
    kept, faults = without_far_rings(fit, circles, ())
    assert np.argwhere(np.asarray(kept.excluded)).tolist() == [[2, 5]]
    assert [fault.rings for fault in faults] == [((2, 5),)]
    assert not faults[0].stuck
    assert "ring 5 of row 2 reaches only" in str(faults[0])
    assert str(faults[0]).endswith("or leave line 5 dark, which all rows share")  # no row has a line of its own
    assert "TE and TM cross on its line" in str(faults[0])
    assert common_range(kept) == pytest.approx(common_range(designed(0.0)), abs=1e-3)
    again, told = without_far_rings(kept, circles, ())
    assert told == faults
    assert (np.asarray(again.excluded) == np.asarray(kept.excluded)).all()


def test_a_ring_that_a_fault_has_named_is_not_named_again(designed, circles):
    dead = Fault(((2, 5),), "ring 5 of row 2 does not answer", stuck=True)
    assert without_far_rings(designed(300.0, (2, 5)), circles, (dead,))[1] == (dead,)


def test_where_most_rings_reach_too_little_it_is_the_chip_that_is_refused(designed, circles):
    many = [(row, ring) for row in range(8) for ring in range(3)]
    fit = designed(300.0, *many)
    kept, faults = without_far_rings(fit, circles, ())
    assert kept is fit
    assert faults == ()
    with pytest.raises(InputError, match="reaches only"):
        common_range(kept)


def test_a_share_counts_what_lies_within_the_weights_asked_for(circles):
    limit = circles.ranking.weight_limit
    low, high = np.array([[-1.0, -limit, 0.0, 0.9]]), np.array([[1.0, 0.0, 2.0, 1.0]])
    assert reached_share(low, high, circles) == pytest.approx(np.array([[1.0, 0.5, 0.5, 0.0]]))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_ring_is_tuned_to_the_side_that_rises_higher_and_not_to_the_one_with_more_voltage(designed, sign):
    """Its curvature bends the side with more voltage back, and the other reaches farther from the resonance."""
    fit = designed(0.0)
    rings, limit_V = fit.rows.rings, fit.max_voltage_V
    slope, bend = np.array(rings.slope_pm_V), np.array(rings.curvature_pm_V2)

    def moved_pm(volts):
        return slope[2, 0, 5] * volts + bend[2, 0, 5] * volts**2

    def own_weights(calibration, volts):
        bus, alone = bus_of(calibration, np.asarray(2)), np.arange(calibration.shape[1]) == 5
        return np.asarray(jax.vmap(lambda own_V: weights_at(bus, own_V * alone)[5])(volts))

    scan = np.linspace(-limit_V, limit_V, 401)
    rest_pm = moved_pm(scan[np.argmin(own_weights(fit, scan))])
    bend[2, 0, 5] = -sign * 0.3 * slope[2, 0, 5] / limit_V
    # On resonance a little on the side that then rises higher, so that the other one has more voltage.
    offset_pm = np.array(rings.offset_pm)
    offset_pm[2, 0, 5] += rest_pm - moved_pm(-sign * 0.1 * limit_V)
    bent = dataclasses.replace(rings, curvature_pm_V2=bend, offset_pm=offset_pm)
    fit = dataclasses.replace(fit, rows=dataclasses.replace(fit.rows, rings=bent))
    chosen, other = own_weights(fit, sign * np.array([-limit_V, limit_V]))
    assert chosen > other + 0.02
    assert float(reachable_weights(fit)[1][2, 5]) == pytest.approx(chosen, abs=0.01)
