"""TM's orders in the rings of a bus, hidden and found: by each ring alone, then by the bus."""

from dataclasses import replace

import numpy as np
import pytest

from prism_photonics.calibration.polarized import PolarizedLight, tm_columns
from prism_photonics.calibration.polarized_slopes import solved_buses
from prism_photonics.calibration.reading_model import readings_A
from prism_photonics.calibration.reflecting import beyond_columns
from prism_photonics.calibration.reflecting_fit import reflecting_survey
from prism_photonics.calibration.survey_fit import AT_THE_LINE, bus_surveys
from prism_photonics.calibration.tm_scan import placed_A, scanned
from prism_photonics.calibration.tm_search import tm_searched, tm_started
from prism_photonics.calibration.unknowns import columns

RINGS, SETTINGS, NOISE = 3, 40, 3e-4
PLACES = columns(RINGS) | beyond_columns(RINGS) | tm_columns(RINGS)
CROSSING = 1
AHEAD_RAD = 0.25
"""By which TM of the crossing ring is ahead of TE: 0.6 nm from its line, where the two lie 1.0 nm apart at least."""


@pytest.fixture(scope="module")
def hidden():
    """Rings of ordinary scatter, of which the middle one sits on a crossing; TM's phases are anything."""
    rng = np.random.default_rng(5)
    flat = np.zeros((1, PLACES["tm_drop"].stop))
    for name in ("kappa1", "kappa2", "loss", "offset", "slope", "curvature", "crosstalk", "gain", "drop_ratio"):
        flat[:, PLACES[name]] = 0.7 * rng.standard_normal(flat[:, PLACES[name]].shape)
    for name in ("phase_rad", "tm_through", "tm_drop"):
        flat[:, PLACES[name]] = rng.uniform(0.0, 2.0 * np.pi, (1, RINGS - 1))
    flat[:, PLACES["tm_turn"]] = [[2.2, AHEAD_RAD, 4.0]]
    return flat


@pytest.fixture(scope="module")
def buses(small, altered, hidden):
    """Readings of one bus at random voltages, and the same bus at others."""
    spec = altered(small, drive={"max_voltage_V": 20.0})
    rng = np.random.default_rng(6)
    volts = rng.uniform(-20.0, 20.0, (SETTINGS, 2, RINGS))
    nothing = np.zeros((SETTINGS, RINGS, 2))
    own = np.broadcast_to(np.arange(RINGS), (2, 1, RINGS))
    _, read = bus_surveys(
        spec, volts=volts, current_A=nothing, noise_A=nothing + 1.0, time_s=nothing[..., 0], channel_of_ring=own
    )
    both = reflecting_survey(read, spec, node_pm=AT_THE_LINE)
    lines = np.asarray(spec.comb_design.wl_um)
    assert both.reflecting is not None
    light = PolarizedLight.of(spec, lines, both.rings, both.reflecting, own_um=lines[both.channel_of_ring])
    both = replace(both, polarized=light)
    found = []
    for bus in (0, 1):
        one = both.take(np.array([bus]))
        sigma_A = NOISE * np.broadcast_to(one.gain_A[:, None], one.current_A.shape)
        current_A = readings_A(one, hidden) + sigma_A * rng.standard_normal(sigma_A.shape)
        found.append(replace(one, current_A=current_A, noise_A=sigma_A))
    return found


@pytest.fixture(scope="module")
def begun(buses, hidden):
    """What the rings tell alone; of the rest the bus phases are known, as a fit without TM finds them."""
    flat = np.zeros_like(hidden)
    flat[:, PLACES["phase_rad"]] = hidden[:, PLACES["phase_rad"]]
    return tm_started(buses[0], flat)


def missed(survey, flat):
    """Rms of misfits in units of full light."""
    return float(np.sqrt(np.mean(((readings_A(survey, flat) - survey.current_A) / survey.gain_A[:, None]) ** 2)))


def test_a_ring_on_a_crossing_is_found_by_its_own_line_but_for_the_side(begun):
    (ahead,) = begun[:, PLACES["tm_turn"]][:, CROSSING]
    assert min(abs(ahead - AHEAD_RAD), abs(2.0 * np.pi - ahead - AHEAD_RAD)) < 0.15


def test_a_ring_that_is_not_read_begins_as_designed_with_tm_far_from_it(buses):
    noise_A = buses[0].noise_A.copy()
    noise_A[:, :, CROSSING] = np.inf
    flat = np.zeros((1, columns(RINGS)["drop_ratio"].stop))
    unread = tm_started(buses[0].with_noise(noise_A), flat)
    assert unread[0, PLACES["tm_turn"]][CROSSING] == np.pi
    for name in ("kappa1", "kappa2", "loss", "offset", "slope", "curvature", "gain", "conversion"):
        assert unread[0, PLACES[name]][CROSSING] == 0.0
        assert unread[0, PLACES[name]][0] != 0.0


def test_every_place_of_every_order_is_scanned_as_the_row_has_it(buses, hidden):
    bus, (flat,) = buses[0], hidden
    places_rad = np.array([-0.2, 0.6, 3.0])
    found = placed_A(bus, solved_buses(bus, hidden), flat, places_rad)
    for ring in range(RINGS):
        for place, ahead in enumerate(places_rad):
            moved = hidden.copy()
            moved[:, PLACES["tm_turn"].start + ring] = ahead
            assert found[ring, place] == pytest.approx(readings_A(bus, moved)[0], abs=1e-11 * bus.gain_A.max())


def test_a_scan_finds_an_order_that_was_put_elsewhere_where_phases_are_wrong_too(buses, hidden):
    flat = hidden.copy()
    flat[:, PLACES["tm_turn"].start + CROSSING] = 1.5
    flat[:, PLACES["tm_through"]] += 0.8
    scan = scanned(buses[0].blurred(1e-2), flat[0], np.arange(0.05, 6.25, 0.1))
    ring, place = np.unravel_index(scan.left.argmin(), scan.left.shape)
    assert ring == CROSSING
    assert scan.ahead_rad[place] == pytest.approx(AHEAD_RAD, abs=0.06)
    assert scan.flat[ring, place][PLACES["tm_turn"]][CROSSING] == scan.ahead_rad[place]


def test_a_scan_turns_tms_phases_to_where_readings_ask_for_them(buses, hidden):
    flat, phases = hidden.copy(), PLACES["tm_through"]
    flat[:, phases] += 0.8
    scan = scanned(buses[0].blurred(1e-3), flat[0], np.array([AHEAD_RAD]))
    off = np.angle(np.exp(1j * (scan.flat[CROSSING, 0] - hidden[0])))[phases]
    assert (np.abs(off) < 0.8).all()
    assert np.abs(off).min() < 0.1
    # Phases alone: the other unknowns, by which the scan makes up for the rest, are left to the fit.
    assert missed(buses[0], scan.flat[CROSSING, :1]) < 0.8 * missed(buses[0], flat)


@pytest.mark.slow
def test_the_bus_tells_where_the_orders_lie_and_foretells_what_it_has_not_been_fitted_to(buses, begun, hidden):
    found = tm_searched(buses[0], begun, blurs=(1e-2, 3e-3, 1e-3, 3e-4))
    assert found[0, PLACES["tm_turn"]][CROSSING] == pytest.approx(AHEAD_RAD, abs=0.03)
    assert missed(buses[0], found) < 1.3 * NOISE
    # The other bus of the spec is the same one, at voltages of its own.
    assert missed(buses[1], begun) > 20.0 * NOISE
    assert missed(buses[1], found) < 3.0 * NOISE
