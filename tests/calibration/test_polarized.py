"""A fit's row in two polarisations: its slopes, the limit without conversion, and the exact row as a second road."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from prism_photonics.calibration.polarized import PolarizedLight, conversion_std_rad, repulsion, tm_columns
from prism_photonics.calibration.reading_model import reading_slopes, readings_A
from prism_photonics.calibration.reflecting import beyond_columns
from prism_photonics.calibration.reflecting_fit import reflecting_survey
from prism_photonics.calibration.survey_fit import AT_THE_LINE
from prism_photonics.calibration.unknowns import columns
from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.circuit.polarized import detected_powers, prepare_polarized_row
from prism_photonics.lightpath.ring.dispersion import dispersed
from prism_photonics.lightpath.ring.model import electrode_volts, rad_per_pm
from prism_photonics.lightpath.ring.polarization import polarized_half_turn

RINGS, SETTINGS = 3, 4
PLACES = tm_columns(RINGS)
REFLECTING, ALL = beyond_columns(RINGS)["end_im"].stop, PLACES["tm_drop"].stop


@pytest.fixture(scope="module")
def reflecting(read_buses, small):
    return reflecting_survey(read_buses, small, node_pm=AT_THE_LINE)


def lines(survey, spec):
    return np.asarray(spec.comb_design.wl_um)[survey.channel_of_ring]


@pytest.fixture(scope="module")
def buses(reflecting, small):
    light = PolarizedLight.of(
        small,
        np.asarray(small.comb_design.wl_um),
        reflecting.rings,
        reflecting.reflecting,
        own_um=lines(reflecting, small),
    )
    # Photodiodes that see part of TM tell its powers from TE's.
    return replace(reflecting, polarized=replace(light, second=replace(light.second, detected=0.6)))


@pytest.fixture(scope="module")
def flat():
    """Unknowns with TM anywhere."""
    rng = np.random.default_rng(1)
    flat = rng.normal(0.0, 1.0, (2, ALL))
    flat[:, PLACES["tm_turn"]] = rng.uniform(0.0, 2.0 * np.pi, (2, RINGS))
    for name in ("tm_through", "tm_drop"):
        flat[:, PLACES[name]] = rng.uniform(0.0, 2.0 * np.pi, (2, RINGS - 1))
    return flat


def test_every_slope_in_two_polarizations_is_that_of_differences(buses, flat):
    found = reading_slopes(buses, flat)
    assert found.current_A == pytest.approx(readings_A(buses, flat), rel=1e-12)
    for unknown in range(ALL):
        step = 1e-5 * (np.arange(ALL) == unknown)
        by = (readings_A(buses, flat + step) - readings_A(buses, flat - step)) / 2e-5
        assert found.by_unknown[:, unknown] == pytest.approx(by, rel=1e-4, abs=1e-5 * np.abs(by).max()), unknown
        assert np.abs(by).max() > 0.0
    for ring in range(RINGS):
        step = 1e-3 * (np.arange(RINGS) == ring)
        up, down = (readings_A(buses.moved(buses.volts, buses.drift_pm + way * step), flat) for way in (1.0, -1.0))
        by = (up - down) / 2e-3
        assert found.by_shift[:, ring] == pytest.approx(by, rel=1e-4, abs=1e-5 * np.abs(by).max())


def test_slopes_of_rings_that_do_not_split_are_those_of_differences_too(buses, flat):
    unsplit = flat.copy()
    for name in ("ccw_re", "ccw_im", "cw_re", "cw_im"):
        unsplit[:, beyond_columns(RINGS)[name]] = 0.0
    found = reading_slopes(buses, unsplit).by_unknown
    # Over steps of less than a femtometre two rings are one: a hundredth of a picometre tells a slope.
    for unknown in range(ALL):
        step = 3e-3 * (np.arange(ALL) == unknown)
        by = (readings_A(buses, unsplit + step) - readings_A(buses, unsplit - step)) / 6e-3
        assert found[:, unknown] == pytest.approx(by, rel=2e-2, abs=2e-3 * np.abs(by).max()), unknown


def test_where_nothing_converts_currents_and_slopes_are_those_of_one_polarization(reflecting, buses, flat):
    plain = flat.copy()
    tm = buses.polarized
    plain[:, PLACES["conversion"]] = -tm.conversion_rad / tm.conversion_std_rad
    found, wanted = reading_slopes(buses, plain), reading_slopes(reflecting, plain[:, :REFLECTING])
    assert found.current_A == pytest.approx(wanted.current_A, rel=1e-9)
    scale = np.abs(wanted.by_unknown).max((2, 3), keepdims=True)
    assert found.by_unknown[:, :REFLECTING] / scale == pytest.approx(wanted.by_unknown / scale, rel=1e-7, abs=1e-8)
    # TM's place and phases are then seen by nothing, and its conversion to second order.
    assert np.abs(found.by_unknown[:, REFLECTING:]).max() < 1e-12 * scale.max()


def test_currents_are_those_of_the_exact_row_in_two_polarizations(buses, flat, small):
    model, wl_um = buses.model(flat), np.asarray(small.comb_design.wl_um)
    found = readings_A(buses, flat)
    for bus in range(2):
        one = jax.tree.map(lambda leaf, bus=bus: leaf[bus], model)
        row = prepare_polarized_row(
            wl_um, one.rings, one.buses, one.beyond.reflections, second=one.beyond.tm, dispersion=one.beyond.dispersion
        )
        for channel in range(RINGS):
            acting = electrode_volts(buses.volts[bus, :, channel], one.crosstalk)
            for setting in range(SETTINGS):
                shift_pm = one.shift_pm(acting[setting]) + buses.drift_pm[bus, setting, channel]
                through, drop = detected_powers(row, shift_pm)[:, channel]
                wanted = one.gain_A[channel] * (through - one.drop_ratio * drop)
                assert found[bus, setting, channel] == pytest.approx(wanted, rel=1e-8)


def test_what_the_unknowns_say_of_tm_is_what_the_fitted_buses_have(buses, flat, small):
    """Once more: where TE lies, how far TM is ahead of it at the ring's own line, what couplers do to it."""
    model, design, second = buses.model(flat), buses.rings, designed_tm(small)
    tm, own_um = model.beyond.tm, lines(buses, small)
    assert second is not None
    own = {name: flat[:, place] for name, place in PLACES.items()}
    assert tm.rings.conversion_rad == pytest.approx(
        second.rings.conversion_rad[:, 0] + conversion_std_rad(small)[:, 0] * own["conversion"], rel=1e-12
    )
    # The table's own error, and no less; an arm's film is what it is known by.
    assert (conversion_std_rad(small)[:, 0] >= 0.3 * np.abs(second.rings.conversion_rad[:, 0])).all()
    seen_pm = buses.scatter.offset_pm * flat[:, columns(RINGS)["offset"]]
    repelled_pm = 2.0 * repulsion(own["tm_turn"], tm.rings.conversion_rad)[0] / rad_per_pm(design)
    assert np.abs(repelled_pm).max() > 50.0
    assert model.rings.offset_pm == pytest.approx(seen_pm - repelled_pm, rel=1e-12)
    # Half a turn of TM and of TE at rest, at the line that the ring serves.
    te = dispersed(own_um, design, model.beyond.dispersion)
    halves = polarized_half_turn(own_um, te, tm.rings, model.rings.offset_pm)
    ahead = np.angle(halves.tm / halves.te * np.exp(-1j * own["tm_turn"]))
    assert ahead == pytest.approx(np.zeros_like(ahead), abs=1e-8)
    for fitted, of_te, as_drawn, of_design in (
        (tm.rings.tm.t1, model.rings.t1, second.rings.tm.t1, design.t1),
        (tm.rings.tm.t2, model.rings.t2, second.rings.tm.t2, design.t2),
    ):
        gap = np.arccos(of_te) / np.arccos(of_design)
        assert np.arccos(fitted) == pytest.approx(np.arccos(as_drawn[:, 0]) * gap, rel=1e-10)
    assert tm.buses.phase_rad[:, 0, 1:-1] == pytest.approx(own["tm_through"])
    assert tm.buses.phase_rad[:, 1, 1:-1] == pytest.approx(own["tm_drop"])


def test_the_repelled_mode_is_an_eigenvalue_of_half_a_turn_and_its_slopes_are_differences():
    rng = np.random.default_rng(2)
    ahead, chi = rng.uniform(-1.0, 7.0, 20), rng.uniform(0.05, 0.3, 20)
    found, by_ahead, by_chi = repulsion(ahead, chi)
    tm, between = np.cos(chi) * np.exp(1j * ahead), 1j * np.sin(chi) * np.exp(0.5j * ahead)
    # det(H − e^{jψ}) vanishes, TE's own phase left out.
    value = np.exp(1j * found)
    assert np.abs((np.cos(chi) - value) * (tm - value) - between**2).max() < 1e-12
    step = 1e-6
    for by, one, other in ((by_ahead, (step, 0.0), (-step, 0.0)), (by_chi, (0.0, step), (0.0, -step))):
        wanted = (repulsion(ahead + one[0], chi + one[1])[0] - repulsion(ahead + other[0], chi + other[1])[0]) / (2e-6)
        assert by == pytest.approx(wanted, abs=1e-7)
    # It is furthest from TE where the orders would meet: by χ, half of what then lies between the two modes.
    met, passed = repulsion(np.array([0.0, 2.0 * np.pi]), 0.2 + np.zeros(2))[0], np.linspace(0.0, 2.0 * np.pi, 100)
    assert met == pytest.approx([-0.2, 0.2])
    assert np.abs(repulsion(passed, 0.2 + 0.0 * passed)[0]).max() == pytest.approx(0.2)
    # Where nothing converts TE is where it is seen.
    assert repulsion(rng.uniform(0.1, 6.1, 20), 0.0 * chi)[0] == pytest.approx(np.zeros(20), abs=1e-7)
