"""How long a symbol lasts, and the floors under a reading and a product."""

import math

import numpy as np
import pytest
from scipy.signal import lti, step

from prism_photonics.budget.floors import floor_entries, photons_per_product, reading_bits
from prism_photonics.budget.link import line_current_A
from prism_photonics.budget.symbol import intersymbol_share, rates_per_s, residue, settling_s, symbol_s

RATES = [6.0e9, 2.0e10, 5.0e11, 1.0e11]


def test_what_a_chain_leaves_of_a_step_is_what_scipys_linear_system_leaves():
    times = np.linspace(0.0, 2e-9, 41)
    # In units of ns: a state-space of rates of 1e11 is ill-scaled.
    chain = lti([], [-rate * 1e-9 for rate in RATES], math.prod(rate * 1e-9 for rate in RATES))
    _, risen = step(chain, T=times * 1e9)
    assert [residue(RATES, time) for time in times] == pytest.approx(1.0 - risen, abs=1e-9)


def test_one_part_alone_falls_exponentially_and_equal_ones_as_erlang_says():
    assert residue([3e9], 1e-9) == pytest.approx(math.exp(-3.0))
    assert residue([3e9, 3e9], 1e-9) == pytest.approx(4.0 * math.exp(-3.0), rel=1e-3)
    assert residue(RATES, 0.0) == pytest.approx(1.0)


def test_it_falls_steadily_and_settling_is_its_inverse():
    falling = [residue(RATES, time) for time in np.linspace(0.0, 3e-9, 100)]
    assert (np.diff(falling) < 0).all()
    for share in (0.3, 1e-2, 1e-5):
        assert residue(RATES, settling_s(RATES, share)) == pytest.approx(share, rel=1e-9)


def test_a_symbol_lasts_longer_for_finer_converters_slower_amplifiers_and_sharper_rings(demo, altered):
    before = symbol_s(demo)
    assert symbol_s(altered(demo, detector={"adc_bits": 14})) > before
    assert symbol_s(altered(demo, detector={"bandwidth_GHz": 2.0})) < before
    assert symbol_s(altered(demo, system={"modulator_bandwidth_GHz": 2.0})) > before
    # No symbol can be shorter than the slowest part by itself allows.
    assert before > settling_s([max(1.0 / rate for rate in rates_per_s(demo).values()) ** -1], 2.0**-13)
    assert intersymbol_share(demo) == pytest.approx(math.sqrt(2.0) * 2.0**-13, rel=1e-6)


def test_the_demonstrators_floors_are_those_of_one_fully_lit_line(demo):
    assert line_current_A(demo) == pytest.approx(31.2e-6, rel=0.01)
    assert reading_bits(demo, receiver=False) == pytest.approx(8.9, abs=0.05)
    assert reading_bits(demo, receiver=True) == pytest.approx(7.9, abs=0.05)
    assert reading_bits(demo, receiver=False, readings=1024) == pytest.approx(13.9, abs=0.05)
    assert reading_bits(demo, receiver=True, readings=1024) == pytest.approx(12.9, abs=0.05)


def test_four_times_the_light_is_one_bit_more_above_shot_noise_and_two_where_the_amplifier_rules(demo, altered):
    brighter = {"line_power_dBm": demo.comb.line_power_dBm + 10.0 * math.log10(4.0)}
    lit = altered(demo, comb=brighter)
    assert reading_bits(lit, receiver=False) - reading_bits(demo, receiver=False) == pytest.approx(1.0, abs=0.01)
    loud = {"tia_noise_pA_rtHz": 1000.0}
    dim, bright = altered(demo, detector=loud), altered(demo, detector=loud, comb=brighter)
    assert reading_bits(bright, receiver=True) - reading_bits(dim, receiver=True) == pytest.approx(2.0, abs=0.01)


def test_the_energy_of_a_product_stands_beside_the_published_ones(demo, paper):
    lines = {entry.name: entry for entry in floor_entries(paper)}
    assert lines["mac"].paper == pytest.approx(0.11, abs=0.005)
    assert lines["mac"].derived > 1e3 * lines["mac_tfln"].derived > 1e6 * lines["mac_quantum_limit"].derived
    assert {entry.paper for entry in floor_entries(demo)} == {None}
    # 52 µW of light for two shots of a symbol each.
    photons = line_current_A(demo) / 0.6 * 2 * symbol_s(demo) / 1.2816e-19
    assert photons_per_product(demo) == pytest.approx(photons, rel=1e-3)
