"""Every number of the ledger follows its law: levels and noise add up, energy is power times time."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.budget.energy import busy_s, energy_entries, static_powers_W
from prism_photonics.budget.latency import latency_entries, propagation_s
from prism_photonics.budget.ledger import count_entries, ledger, link_entries, link_rows
from prism_photonics.budget.link import line_current_A, link_budget, tree_lengths
from prism_photonics.budget.noise import noise_entries
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.snr import evened_line_current_A, expected_maximum, score_noise_A2, score_snr_dB
from prism_photonics.budget.symbol import photon_lifetime_s, symbol_s
from prism_photonics.budget.table import text
from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.row import bank_powers
from prism_photonics.spec.channels import ring_fF
from prism_photonics.units import InputError


def derived(entries):
    return {entry.name: entry.derived for entry in entries}


@pytest.fixture(scope="module")
def energy(demo):
    return derived(energy_entries(demo))


@pytest.fixture(scope="module")
def bank(demo):
    return designed_bank(demo)


# ---------------------------------------------------------------- link


def test_levels_of_all_lines_fall_by_each_loss(paper):
    rows = link_rows(paper)
    level = paper.comb.line_power_dBm + 10 * math.log10(32)
    for row in rows:
        level -= row.loss_dB
        assert row.cumulative_dBm == pytest.approx(level, abs=1e-9)
        assert row.source
    levels = derived(link_entries(paper))
    assert levels["level_all_lines"] == rows[-1].cumulative_dBm
    assert levels["level_all_lines"] - levels["level_one_line"] == pytest.approx(10 * math.log10(32))
    assert levels["level_one_line"] == pytest.approx(link_budget(paper)[-1].cumulative_dBm)


def test_the_link_is_the_light_that_the_exact_row_delivers(demo, bank):
    """Second road: coupler, tree, buses and rings of the circuit, both photodiodes together."""
    through, drop = bank_powers(bank, jnp.zeros((8, 8)))
    kept = np.asarray(bank.feed.amplitude)[:, None] ** 2 * np.asarray(through + drop)
    assert kept.std() < 0.01 * kept.mean()
    exact_dBm = demo.comb.line_power_dBm - demo.modulator.loss_dB - demo.detector.loss_dB + 10 * np.log10(kept.mean())
    assert link_budget(demo)[-1].cumulative_dBm == pytest.approx(exact_dBm, abs=0.05)


def test_branches_are_as_long_as_the_circuits(demo, bank):
    tree = tree_lengths(demo)
    optics = demo.profile.optics
    along = (tree.x_um, tree.y_um, tree.bend_um)
    index = (optics.n_g_along_x.value, optics.n_g_along_y.value)
    assert np.dot(along, [*index, sum(index) / 2]) == pytest.approx(np.asarray(bank.feed.gpl_um), rel=1e-5)


def test_a_ring_whose_image_meets_a_line_takes_more_of_it(paper, altered):
    apart = altered(paper, chip={"channels": 5}, name="one_fsr")
    losses = [next(e.loss_dB for e in link_budget(spec) if e.element == "rings") for spec in (apart, paper)]
    assert losses[0] < losses[1]


# ---------------------------------------------------------------- noise


@pytest.mark.parametrize("encoding", ["offset", "two_shot"])
def test_noise_terms_add_up_to_the_scores_signal_to_noise_ratio(demo, altered, encoding):
    spec = altered(demo, modulator={"encoding": encoding})
    channels, cells = spec.chip.channels, spec.chip.channels * spec.chip.rows
    line_A = evened_line_current_A(spec)
    spread = spec.ranking.weight_limit / expected_maximum(cells) / expected_maximum(channels) * line_A
    terms = score_noise_A2(spec)
    assert set(terms) == {"tia", "johnson", "shot", "rin", "common_rin", "line_width", "converter", "intersymbol"}
    assert 10 * math.log10(channels * spread**2 / sum(terms.values())) == pytest.approx(score_snr_dB(spec), abs=1e-9)
    lines = derived(noise_entries(spec))
    for name, term in terms.items():
        assert lines[name] == pytest.approx(math.sqrt(term) / line_current_A(spec))
    assert lines["total"] ** 2 == pytest.approx(sum(lines[name] ** 2 for name in terms))
    assert lines["score_snr"] == score_snr_dB(spec)


def test_each_noise_term_follows_its_own_cause(demo, altered):
    before = score_noise_A2(demo)

    def ratios(**changes):
        after = score_noise_A2(altered(demo, **changes))
        return {name: after[name] / before[name] for name in before if abs(after[name] / before[name] - 1) > 1e-9}

    assert ratios(detector={"tia_noise_pA_rtHz": 10.0}) == pytest.approx({"tia": 4.0})
    assert ratios(detector={"feedback_ohm": 10000.0}) == pytest.approx({"johnson": 0.5})
    assert ratios(detector={"adc_full_scale_uA": 300.0}) == pytest.approx({"converter": 4.0})
    assert ratios(comb={"rin_dB_Hz": -140.0}) == pytest.approx({"rin": 10.0})
    faster = ratios(detector={"bandwidth_GHz": 2.0})
    # A symbol lasts until half a step of the converter is left, whatever the bandwidth.
    assert faster == pytest.approx(dict.fromkeys(before.keys() - {"converter", "intersymbol"}, 2.0))
    assert ratios(comb={"rin_common_dB_Hz": -145.0}) == pytest.approx({"common_rin": 10.0})
    assert ratios(comb={"linewidth_MHz": 0.2}) == pytest.approx({"line_width": 2.0})
    # Ten times the light: ten times the shot noise but for the dark current's, a hundred times what rides on the light.
    brighter = ratios(comb={"line_power_dBm": 13.0})
    assert 9.0 < brighter.pop("shot") < 10.0
    assert brighter == pytest.approx(dict.fromkeys(("rin", "common_rin", "line_width", "intersymbol"), 100.0))
    # One bit more of the converter leaves half as much of the symbol before.
    assert ratios(detector={"adc_bits": 13}) == pytest.approx({"converter": 0.25, "intersymbol": 0.25}, rel=1e-3)


# ---------------------------------------------------------------- latency


@pytest.mark.parametrize("sides", ["east", "both"])
def test_light_takes_the_circuits_group_delay(demo, altered, sides):
    """Second road: every segment of both buses, the branches, then what the circuit holds as a point."""
    spec = altered(demo, detector={"sides": sides})
    bank = designed_bank(spec)
    points_um = spec.coupler_design.length_um + 3 * spec.splitter_design.length_um
    group_um = float(bank.feed.gpl_um[-1, 0] + bank.buses.gpl_um[0, 0].sum())
    group_um += spec.profile.optics.n_g_along_x.value * points_um
    assert propagation_s(spec) == pytest.approx(group_um / 299_792_458e6, rel=1e-5)


def test_a_ring_stores_light_for_q_over_omega(demo):
    figures = ring_figures(demo)
    omega = 2 * math.pi * 299_792_458 / 1.55e-6
    assert photon_lifetime_s(demo) == pytest.approx(figures.q_loaded / omega, rel=1e-9)


def test_two_shots_take_one_symbol_more_than_one(demo, altered):
    once = derived(latency_entries(altered(demo, modulator={"encoding": "offset"})))
    twice = derived(latency_entries(demo))
    assert twice["total"] - once["total"] == pytest.approx(symbol_s(demo) * 1e9)


def test_the_total_is_every_entry_but_the_link(demo):
    found = derived(latency_entries(demo))
    assert found["total"] == pytest.approx(sum(found.values()) - found["total"] - found["host_link"])


# ---------------------------------------------------------------- energy


STATIC = ("laser", "tec", "heaters", "drivers", "tia")
DYNAMIC = ("dac", "modulator", "adc", "topk", "host_link")
PROGRAM = ("program_electrodes", "program_dacs", "program_link", "program_hbm")


def test_subtotals_and_total_are_sums_of_their_lines(energy):
    for name, lines in (("static", STATIC), ("dynamic", DYNAMIC), ("program", PROGRAM)):
        assert energy[name] == pytest.approx(sum(energy[line] for line in lines))
    assert energy["total"] == pytest.approx(energy["static"] + energy["dynamic"] + energy["program"])


def test_half_the_query_rate_doubles_the_static_energy_of_a_query_and_nothing_else(demo, altered, energy):
    slow = derived(energy_entries(altered(demo, system={"query_rate_Hz": demo.system.query_rate_Hz / 2})))
    for name in STATIC:
        assert slow[name] == pytest.approx(2 * energy[name])
    for name in DYNAMIC + PROGRAM:
        assert slow[name] == pytest.approx(energy[name])


@pytest.mark.parametrize(
    ("change", "factors"),
    [
        ({"tec_W": 3.0}, {"tec": 3}),
        ({"laser_wall_plug": 0.05}, {"laser": 2}),
        ({"driver_uW_ring": 1000.0}, {"drivers": 10}),
        ({"tia_mW": 1.0}, {"tia": 0.5}),
        ({"queries_per_program": 128.0}, dict.fromkeys(PROGRAM, 1 / 128)),
        ({"host_link_pJ_bit": 10.0}, {"host_link": 2, "program_link": 2}),
        ({"dac_fJ_step": 10.0}, {"dac": 0.5, "program_dacs": 0.5}),
        ({"adc_fJ_step": 10.0}, {"adc": 0.5}),
        ({"topk_pJ_row": 4.0}, {"topk": 4}),
        ({"modulator_pJ_symbol": 1.0}, {"modulator": 0.1}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_each_entry_is_linear_in_its_own_power_or_count(demo, altered, energy, change, factors):
    found = derived(energy_entries(altered(demo, system=change)))
    for name in STATIC + DYNAMIC + PROGRAM:
        assert found[name] == pytest.approx(factors.get(name, 1) * energy[name]), name


def test_ten_times_the_light_costs_ten_times_the_laser(demo, altered, energy):
    bright = derived(energy_entries(altered(demo, comb={"line_power_dBm": demo.comb.line_power_dBm + 10})))
    assert bright["laser"] == pytest.approx(10 * energy["laser"])


def test_the_numbers_of_physics_3_9(demo, altered):
    """1 W of cooler: 1 mJ at 10³ queries a second, 8.9 µJ at 112 heads × 1,000 tokens/s."""
    assert derived(energy_entries(demo))["tec"] == pytest.approx(8.9e6, rel=0.01)
    slow = derived(energy_entries(altered(demo, system={"query_rate_Hz": 1e3})))
    assert slow["tec"] == pytest.approx(1e9)


def test_twice_the_voltage_charges_the_electrodes_four_times_as_dearly(demo, altered, energy):
    high = derived(energy_entries(altered(demo, drive={"max_voltage_V": 2 * demo.drive.max_voltage_V})))
    assert high["program_electrodes"] == pytest.approx(4 * energy["program_electrodes"])
    # C·V² at twice ± 20 V, the metal as drawn; 300 fF would be 0.48 nJ a ring.
    assert demo.drive.max_voltage_V == 20.0
    assert high["program_electrodes"] == pytest.approx(64 * ring_fF(demo) * 1e-15 * 40.0**2 * 1e12)
    for fF in (300.0, 900.0):
        given = derived(energy_entries(altered(demo, system={"ring_fF": fF})))
        assert given["program_electrodes"] == pytest.approx(64 * fF * 1e-15 * 20.0**2 * 1e12)


def test_a_six_bit_converter_at_20_fJ_a_step_takes_1_3_mW_at_1_GHz(paper):
    a_row_pJ = derived(energy_entries(paper))["adc"] / 256
    assert a_row_pJ == pytest.approx(1.3, rel=0.02)


def test_heaters_are_charged_as_the_function_says(demo, energy):
    heated = derived(energy_entries(demo, lambda spec: 0.5))
    assert energy["heaters"] == 0
    assert heated["heaters"] == pytest.approx(0.5 / demo.system.query_rate_Hz * 1e12)
    assert heated["total"] - energy["total"] == pytest.approx(heated["heaters"])
    assert derived(ledger(demo, lambda spec: 0.5).entries)["heaters"] == heated["heaters"]


def test_several_buses_multiply_what_each_has_and_share_a_rows_converter(demo, altered):
    four = altered(demo, chip={"buses": 4})
    one, more = derived(count_entries(demo)), derived(count_entries(four))
    ratio = {name: more[name] / one[name] for name in one}
    expected = {"rings": 4, "modulators": 4, "photodiode_pairs": 4, "splitters": 4, "tias_and_adcs": 1}
    assert ratio == expected
    powers = [static_powers_W(spec) for spec in (demo, four)]
    assert powers[1]["laser"] == pytest.approx(4 * powers[0]["laser"])
    assert powers[1]["drivers"] == pytest.approx(4 * powers[0]["drivers"])
    assert powers[1]["tia"] == powers[0]["tia"]


def test_a_rate_that_the_chip_cannot_answer_is_refused(demo, altered):
    limit = 1.0 / busy_s(demo)
    assert ledger(altered(demo, system={"query_rate_Hz": 0.99 * limit})).entries
    with pytest.raises(InputError, match=r"system\.query_rate_Hz = .*busy 2\.0 times over, want at most .*; lower it"):
        ledger(altered(demo, system={"query_rate_Hz": 2.0 * limit}))


# ---------------------------------------------------------------- the whole


@pytest.mark.parametrize("chip", ["demo", "paper"])
def test_every_line_has_a_name_of_its_own_a_finite_number_and_a_source(chip, request):
    whole = ledger(request.getfixturevalue(chip))
    names = [(entry.section, entry.name) for entry in whole.entries]
    assert len(set(names)) == len(names)
    assert {section for section, _ in names} == {"counts", "link", "noise", "latency", "energy", "floors", "attention"}
    for entry in whole.entries:
        assert math.isfinite(entry.derived)
        assert len(entry.source) > 4


@pytest.mark.parametrize("chip", ["demo", "paper"])
def test_the_text_names_every_line_and_fits_120_columns(chip, request):
    whole = ledger(request.getfixturevalue(chip))
    lines = text(whole).splitlines()
    assert max(map(len, lines)) <= 120
    assert all(line == line.rstrip() for line in lines)
    firsts = {line.split()[0] for line in lines if line.startswith("  ") and line.split()}
    assert {entry.name for entry in whole.entries if entry.section != "link"} <= firsts
    assert {row.element for row in whole.link} <= firsts


def test_a_ledger_of_absurd_energies_still_fits_a_terminal(demo, altered):
    # A number of 300 digits left no room for its source.
    lines = text(ledger(altered(demo, system={"laser_wall_plug": 1e-300}))).splitlines()
    assert max(map(len, lines)) <= 120
