"""Several crossings of TE and TM in one bus, on a film that is off by more than twice what is expected."""

from dataclasses import replace

import numpy as np
import pytest

from prism_photonics.calibration.crossing_orders import SHARES, searched_orders, share_of
from prism_photonics.calibration.crossings import polarized_survey
from prism_photonics.calibration.fit import at_optimum
from prism_photonics.calibration.polarized import tm_columns
from prism_photonics.calibration.reading_model import readings_A
from prism_photonics.calibration.reflecting import beyond_columns
from prism_photonics.calibration.reflecting_fit import reflecting_survey
from prism_photonics.calibration.survey_fit import AT_THE_LINE, bus_surveys
from prism_photonics.calibration.unknowns import columns
from prism_photonics.spec import load_spec

ROWS, RINGS, SETTINGS, NOISE, SHARE = 4, 3, 40, 3e-4, 2.5
PLACES = columns(RINGS) | beyond_columns(RINGS) | tm_columns(RINGS)
STRUCK, CROSSING = 1, (0, 2)
"""The bus, and the rings of it whose TM meets their line."""
AHEAD_RAD = (0.06, 2.9, 6.2)


@pytest.fixture(scope="module")
def hidden():
    rng = np.random.default_rng(11)
    flat = np.zeros((ROWS, PLACES["tm_drop"].stop))
    for name in ("kappa1", "kappa2", "loss", "offset", "slope", "curvature", "crosstalk", "gain", "drop_ratio"):
        flat[:, PLACES[name]] = 0.7 * rng.standard_normal(flat[:, PLACES[name]].shape)
    for name in ("phase_rad", "tm_through", "tm_drop"):
        flat[:, PLACES[name]] = rng.uniform(0.0, 2.0 * np.pi, (ROWS, RINGS - 1))
    flat[:, PLACES["tm_turn"]] = np.pi
    flat[STRUCK, PLACES["tm_turn"]] = AHEAD_RAD
    return flat


@pytest.fixture(scope="module")
def read(altered, hidden):
    """Four rows that carry TM, of which all rings of one convert alike."""
    spec = altered(load_spec("demo_8x8"), chip={"rows": ROWS, "channels": RINGS}, drive={"max_voltage_V": 20.0})
    rng = np.random.default_rng(12)
    nothing = np.zeros((SETTINGS, RINGS, ROWS))
    _, survey = bus_surveys(
        spec,
        volts=rng.uniform(-20.0, 20.0, (SETTINGS, ROWS, RINGS)),
        current_A=nothing,
        noise_A=nothing + 1.0,
        time_s=nothing[..., 0],
        channel_of_ring=np.broadcast_to(np.arange(RINGS), (ROWS, 1, RINGS)),
    )
    survey = polarized_survey(reflecting_survey(survey, spec, node_pm=AT_THE_LINE), spec, node_pm=AT_THE_LINE)
    light = survey.polarized
    assert light is not None
    flat = hidden.copy()
    flat[:, PLACES["conversion"]] = -light.conversion_rad / light.conversion_std_rad
    flat[STRUCK, PLACES["conversion"]] += SHARE
    sigma_A = NOISE * np.broadcast_to(survey.gain_A[:, None], survey.current_A.shape)
    current_A = readings_A(survey, flat) + sigma_A * rng.standard_normal(sigma_A.shape)
    return replace(survey, current_A=current_A, noise_A=sigma_A)


@pytest.mark.slow
def test_several_crossings_of_one_bus_are_found_without_chance_and_its_lines_explained(read, hidden):
    bus, stop = read.take(np.array([STRUCK])), columns(RINGS)["drop_ratio"].stop
    # As the other lines tell the bus.
    start = np.zeros((1, PLACES["tm_drop"].stop))
    start[:, :stop] = hidden[[STRUCK], :stop]
    found = searched_orders(bus, start, CROSSING[0], shares=SHARES)
    assert at_optimum(bus, start).chi2 > 1e4
    assert at_optimum(bus, found).chi2 < 1.6
    ahead_rad = found[0, PLACES["tm_turn"]]
    for ring in CROSSING:
        assert abs(np.angle(np.exp(1j * (ahead_rad[ring] - AHEAD_RAD[ring])))) < 0.03
    # What a ring off its line converts hardly shows there: the film is told by those that cross, roughly.
    assert share_of(bus, found) == pytest.approx(SHARE, rel=0.1)
