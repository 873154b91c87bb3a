"""Held biases: what films lose by the closed form, what publications bound, and how their devices tell it."""

import math

import numpy as np
import pytest

from prism_photonics.drift.process import FilmCharge
from prism_photonics.process.bias import (
    RECORDS,
    array_lobe_dB,
    array_share,
    lost_share,
    quadrature_share,
    switching_change,
)
from prism_photonics.process.profile import load_profile, profile_names

HOUR_S = 3600.0


@pytest.mark.parametrize("name", profile_names())
def test_a_profiles_film_keeps_within_what_was_published_of_its_crystal(name):
    profile = load_profile(name)
    of_it = [record for record in RECORDS if record.crystal == profile.crystal]
    assert len(of_it) == 2
    for record in of_it:
        lost = lost_share(profile.relaxation, record.hours * HOUR_S)
        assert record.low <= lost <= record.high, record.source


def test_records_are_what_their_devices_did():
    # As rounded to the whole dB that was published.
    by_source = {record.source[:17].split(":")[0]: record for record in RECORDS if record.crystal == "LiNbO3"}
    assert by_source["arXiv 2405.05169"].low == pytest.approx(quadrature_share(4.5), abs=1e-3)
    hour = next(record for record in RECORDS if record.hours == 1.0)
    assert hour.high == pytest.approx(quadrature_share(8.5), abs=1e-3)
    tantalate = {record.hours: record for record in RECORDS if record.crystal == "LiTaO3"}
    assert tantalate[46.0].high == pytest.approx(quadrature_share(1.0), abs=1e-3)
    assert tantalate[4.0].high == pytest.approx(array_share(8.0, 64, arrays=500), abs=0.02)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 60.0, 4.0 * HOUR_S, 1e9])
def test_the_closed_form_is_what_a_virtual_chips_film_does(seconds):
    profile = load_profile("ltoi300")
    film = FilmCharge(profile, ())
    film.advance(seconds, np.array(7.0))
    assert 7.0 * lost_share(profile.relaxation, seconds) == pytest.approx(float(film.lost_V), rel=1e-12, abs=1e-15)


def test_a_modulators_switching_voltage_is_what_its_film_answers_to_a_sine():
    profile, frequency_Hz, steps = load_profile("tfln600"), 0.01, 4000
    film, step_s = FilmCharge(profile, ()), 1.0 / 0.01 / 4000
    time_s = (np.arange(2 * steps) + 0.5) * step_s
    drive = np.sin(2.0 * np.pi * frequency_Hz * time_s)
    acts = []
    for volts in drive:
        film.advance(0.5 * step_s, np.array(volts))
        acts.append(volts - float(film.lost_V))
        film.advance(0.5 * step_s, np.array(volts))
    last = slice(steps, None)
    phasor = 2.0 * np.mean(np.array(acts)[last] * np.exp(-2j * np.pi * frequency_Hz * time_s[last]))
    # What the slow parts hold of the first cycles has not gone yet: 2e-4.
    assert 1.0 / abs(phasor) - 1.0 == pytest.approx(switching_change(profile.relaxation, frequency_Hz), abs=1e-3)


def test_a_sine_too_fast_for_the_film_loses_nothing_and_one_too_slow_loses_all_shares():
    film = load_profile("tfln600").relaxation
    whole = film.fast_share.value + film.slow_share.value + film.memory_share.value
    assert switching_change(film, 1e6) == pytest.approx(0.0, abs=1e-9)
    assert switching_change(film, 1e-9) == pytest.approx(1.0 / (1.0 - whole) - 1.0, rel=1e-4)
    assert lost_share(film, 1e12) == pytest.approx(whole)


def test_an_array_without_errors_has_the_textbooks_side_lobes_and_very_many_elements_keep_them():
    assert array_lobe_dB(0.7, np.zeros((3, 256))) == pytest.approx(np.full(3, 13.26), abs=0.02)
    # What is lost of the main lobe is spread over all directions: of 4,096 elements the designed side lobes stay.
    phases = np.random.default_rng(1).uniform(-np.pi, np.pi, (50, 4096))
    assert np.median(array_lobe_dB(0.5, phases)) == pytest.approx(13.26, abs=1.0)


def test_a_main_lobe_keeps_the_mean_phasor():
    share, phases = 0.4, np.random.default_rng(2).uniform(-np.pi, np.pi, (400, 64))
    mean = np.exp(-1j * share * phases).mean(axis=1)
    assert np.mean(mean).real == pytest.approx(math.sin(math.pi * share) / (math.pi * share), abs=0.01)


def test_larger_arrays_forgive_more_and_a_higher_lobe_asks_for_more():
    few, more = (array_share(8.0, elements, arrays=400) for elements in (8, 32))
    assert 0.2 < few < more < 0.6
    assert array_share(10.0, 8, arrays=400) < few


def test_a_quadratures_loss_is_the_textbooks_share():
    assert quadrature_share(0.0) == 0.0
    # All light gone: the whole of π/2.
    assert quadrature_share(100.0) == pytest.approx(1.0, abs=1e-4)
    assert quadrature_share(5.0) == pytest.approx(0.48, abs=0.005)
