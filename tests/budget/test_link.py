"""The link budget, element by element, and the ring's figures against the simulated ring."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.budget.link import line_current_A, link_budget
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.snr import evened_line_current_A, expected_maximum, score_snr_dB
from prism_photonics.circuit.params import designed_bank
from prism_photonics.lightpath.ring.figures import extreme_transmissions
from prism_photonics.lightpath.ring.model import fsr_um, fwhm_pm, ring_fields


def losses(spec):
    return {entry.element: entry.loss_dB for entry in link_budget(spec)}


def test_the_papers_table_2_comes_back(paper):
    found = losses(paper)
    assert found["splitter"] == pytest.approx(10 * math.log10(256) + 0.2 * 8, rel=1e-12)
    assert found["splitter"] == pytest.approx(25.68, abs=5e-3)
    assert (found["coupling"], found["modulator"], found["detector"]) == (2.0, 3.0, 1.0)
    assert paper.comb.line_power_dBm + 10 * math.log10(32) == pytest.approx(20, abs=0.01)


def test_the_level_behind_each_element_is_the_laser_less_the_losses_so_far(paper):
    level = paper.comb.line_power_dBm
    for entry in link_budget(paper):
        level -= entry.loss_dB
        assert entry.cumulative_dBm == pytest.approx(level, abs=1e-9)
        assert entry.loss_dB >= 0
        assert entry.source


def test_one_row_needs_no_splitter(demo, altered):
    assert losses(altered(demo, chip={"rows": 1}))["splitter"] == 0


def test_metal_over_the_bus_is_in_the_link_and_loses_next_to_nothing(demo):
    # 0.00076 dB/cm over 8 × 170 µm, all of it taken to lie under metal.
    assert losses(demo)["metal"] == pytest.approx(0.00076 * 0.136)
    assert losses(demo)["metal"] < 1e-5 * sum(losses(demo).values())


def test_a_line_current_is_responsivity_times_the_power_that_arrives(demo):
    arriving_W = 1e-3 * 10 ** (link_budget(demo)[-1].cumulative_dBm / 10)
    assert line_current_A(demo) == pytest.approx(demo.detector.responsivity_A_W * arriving_W)


@pytest.mark.parametrize("channel", [0, 7])
def test_the_rings_figures_without_simulation_are_those_of_the_model(demo, channel):
    figures = ring_figures(demo, channel)
    ring = jax.tree.map(lambda leaf: leaf[0, 0, channel], designed_bank(demo).rings)
    t_min, d_max = extreme_transmissions(ring.t1, ring.t2, ring.a)
    assert figures.fwhm_pm == pytest.approx(float(fwhm_pm(ring)), rel=1e-9)
    assert figures.fsr_nm == pytest.approx(float(fsr_um(ring)) * 1e3, rel=1e-9)
    assert figures.through_min == pytest.approx(float(t_min), rel=1e-9)
    assert figures.drop_max == pytest.approx(float(d_max), rel=1e-9)
    assert figures.tuning_pm_V == pytest.approx(float(ring.slope_pm_V), rel=1e-9)
    assert figures.q_loaded == pytest.approx(1.55e6 / figures.fwhm_pm, rel=1e-9)


def test_the_papers_ring_has_the_papers_range_and_quality(paper):
    figures = ring_figures(paper)
    # The paper's 8.3 nm is a bare circle's. At the closest gap that can be made its Q needs coupling straights of 12 µm
    # on both sides: a fifth more path, a sixth less range.
    optics = paper.profile.optics
    circle_um = 2 * math.pi * 20.0 * (optics.n_g_along_x.value + optics.n_g_along_y.value) / 2
    straights_um = 2 * paper.ring_designs[0].straight_um * optics.n_g_along_x.value
    assert paper.ring_designs[0].straight_um == pytest.approx(12.0, abs=0.45)
    assert 1.55**2 / circle_um * 1e3 == pytest.approx(8.25, abs=0.05)
    assert figures.fsr_nm == pytest.approx(1.55**2 / (circle_um + straights_um) * 1e3, rel=1e-9)
    assert figures.fsr_nm == pytest.approx(6.9, abs=0.05)
    assert 1.0e4 <= figures.q_loaded <= 1.25e4  # the range that the paper states
    assert figures.q_loaded == pytest.approx(1.087e4, rel=0.01)
    assert figures.tuning_pm_V < 12


@pytest.mark.parametrize("detuning_pm", [0.0, 10.0, -25.0, 80.0])
def test_the_lorentzian_weight_is_the_rings_weight(demo, detuning_pm):
    ring = jax.tree.map(lambda leaf: leaf[0, 0, 0], designed_bank(demo).rings)
    # At zero bias the designed ring rests on its own resonance, wherever the grid put it.
    order = round(float(ring.opl_um / 1.55))
    ring = type(ring)(**{**vars(ring), "opl_um": jnp.asarray(order * 1.55)})
    fields = ring_fields(1.55, ring, detuning_pm)
    exact = float(abs(fields.through) ** 2 - abs(fields.drop) ** 2)
    assert ring_figures(demo).weight(detuning_pm) == pytest.approx(exact, abs=1e-3)


def test_weight_and_detuning_are_each_others_inverse(demo):
    figures = ring_figures(demo)
    weights = np.array([-0.9, -0.5, 0.0, 0.5, 0.9, 0.99])
    for weight, detuning_pm in zip(weights, figures.detunings_pm(weights), strict=True):
        assert figures.weight(detuning_pm) == pytest.approx(weight, abs=1e-12)
    assert figures.detunings_pm(np.array([-1.0, 1.0])).tolist() == [0.0, math.inf]


def test_a_weight_of_0_9_needs_2_2_linewidths(demo, altered):
    """physics.md §3.4, in the lossless limit."""
    figures = ring_figures(altered(demo, waveguide={"loss_dB_cm": 0.0}))
    (needed_pm,) = figures.detunings_pm(np.array([0.9]))
    assert needed_pm / figures.fwhm_pm == pytest.approx(2.2, abs=0.03)


def test_the_expected_maximum_of_gaussians_is_blom_s(demo):
    # 512 draws: 3.04 one-sided would be 1024 two-sided; half-normal of 512.
    assert expected_maximum(1) == pytest.approx(0.6745, abs=0.05)
    assert expected_maximum(512) == pytest.approx(3.23, abs=0.1)


def test_snr_grows_with_power_and_falls_with_bandwidth_by_3_dB_an_octave_when_the_amplifier_limits(demo, altered):
    thermal = altered(demo, detector={"tia_noise_pA_rtHz": 300.0})
    wide = altered(thermal, detector={"bandwidth_GHz": 2.0})
    strong = altered(thermal, comb={"line_power_dBm": demo.comb.line_power_dBm + 1.0})
    assert score_snr_dB(thermal) - score_snr_dB(wide) == pytest.approx(10 * math.log10(2), abs=0.02)
    assert score_snr_dB(strong) - score_snr_dB(thermal) == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize(("noise_pA_rtHz", "expected_dB"), [(5.0, 7.0), (2.0, 11.0)])
def test_the_papers_score_snr_is_that_of_physics_3_7(paper, altered, noise_pA_rtHz, expected_dB):
    # §3.7 has no 2.2 cm of branches to cross: a better film stands for a tree without length. Its lines are all equally
    # strong, so none is attenuated to the weakest, and neither wander nor flicker together. Its −0.2 dB at 10 pA/√Hz
    # belongs to other statistics: half the amplifier's noise gains 6.02 dB at most, and from there to 7 dB it is 7.2.
    equal = {"linewidth_MHz": 0.0, "rin_common_dB_Hz": -200.0, "tilt_dB": 0.0}
    noisy = {"detector": {"tia_noise_pA_rtHz": noise_pA_rtHz}, "waveguide": {"loss_dB_cm": 0.05}}
    spec = altered(paper, **noisy, comb=equal, variation={"line_power_dB": 0.0})
    assert score_snr_dB(spec) == pytest.approx(expected_dB, abs=1)
    # A real die's lines are attenuated to its weakest, and what that costs the score is no more than the light lost.
    lost_dB = 20 * math.log10(evened_line_current_A(spec) / evened_line_current_A(altered(paper, **noisy)))
    assert 0 < score_snr_dB(spec) - score_snr_dB(altered(paper, **noisy)) < lost_dB + 0.01


def test_lines_are_evened_down_to_the_weakest_of_them(paper):
    """Second road: 20,000 dies of 32 lines with the scatter of the spec (the paper's comb has no tilt)."""
    scatter_dB = np.random.default_rng(5).normal(0.0, paper.variation.line_power_dB, (20_000, 32))
    weakest = 10 ** (scatter_dB.min(axis=1).mean() / 10)
    assert evened_line_current_A(paper) == pytest.approx(weakest * line_current_A(paper), rel=3e-3)
