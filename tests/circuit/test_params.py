"""From drawn geometry to optics."""

import math
from dataclasses import replace

import numpy as np
import pytest

from prism_photonics.circuit.params import designed_bank, in_series, path_params, ring_params
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.process.coupling import kappa
from prism_photonics.spec.geometry import bank_pitch_um, feed_lengths


def test_a_wider_gap_couples_less_and_10_nm_change_it_by_a_tenth(circles):
    design = circles.ring_designs[0]
    law = circles.profile.gap_law

    def kappa2(gap_um):
        ring = ring_params(replace(design, gap_through_um=gap_um), circles.profile, loss_dB_cm=0.27)
        assert float(ring.t2) == pytest.approx(float(ring_params(design, circles.profile, loss_dB_cm=0.27).t2))
        return 1.0 - float(ring.t1) ** 2

    for gap_um in (0.4, 0.5, 0.7):
        by_law = kappa(gap_um, law, radius_um=design.radius_um, straight_um=design.straight_um)
        assert kappa2(gap_um) == pytest.approx(by_law**2, rel=1e-9)
    # Where little is coupled, power falls twice as fast as the field.
    assert kappa2(0.91) / kappa2(0.90) == pytest.approx(math.exp(-0.02 / law.decay_um), rel=1e-3)
    assert kappa2(0.91) / kappa2(0.90) == pytest.approx(0.9, abs=0.01)


def test_a_mm_along_x_and_along_y_have_their_own_indices_and_a_bend_their_mean(demo):
    optics = demo.profile.optics
    x, y, bend = (
        path_params(lengths, demo.profile, loss_dB_cm=10.0)
        for lengths in (Lengths(x_um=1000.0), Lengths(y_um=1000.0), Lengths(bend_um=1000.0))
    )
    assert float(x.opl_um) == pytest.approx(1000 * optics.n_eff_along_x.value)
    assert float(y.gpl_um) == pytest.approx(1000 * optics.n_g_along_y.value)
    assert float(bend.opl_um) == pytest.approx(float(x.opl_um + y.opl_um) / 2)
    # 10 dB/cm over 1 mm: 1 dB.
    assert [float(p.amplitude) ** 2 for p in (x, y, bend)] == pytest.approx([10**-0.1] * 3)


def test_paths_in_series_add_their_lengths_and_multiply_their_amplitudes(demo):
    one = path_params(Lengths(x_um=100.0), demo.profile, loss_dB_cm=1.0)
    two = path_params(Lengths(y_um=50.0, bend_um=20.0), demo.profile, loss_dB_cm=1.0)
    both = path_params(Lengths(100.0, 50.0, 20.0), demo.profile, loss_dB_cm=1.0)
    series = in_series(one, two)
    for name in ("opl_um", "gpl_um", "amplitude", "phase_rad", "wl0_um"):
        assert float(getattr(series, name)) == pytest.approx(float(getattr(both, name)), rel=1e-14), name


def test_a_designed_ring_tunes_by_its_two_lobes(circles):
    design = replace(circles.ring_designs[0], lobe_half_angle_deg=60.0)
    ring = ring_params(design, circles.profile, loss_dB_cm=0.27)
    share = 2 * math.pi * design.radius_um / design.length_um
    # 2 × 0.374 of a circle that is a share of the whole turn; a single arm's V_π·L is twice the push-pull one.
    vpil_V_cm = circles.profile.electrooptics.vpil_push_pull_V_cm.value
    assert vpil_V_cm == 3.57  # at the 5.4 µm between the electrodes
    n_g = float(ring.gpl_um) / design.length_um
    slope_pm_V = 1.55**2 * 2 * 0.3739 * share / (2 * n_g * 2e4 * vpil_V_cm) * 1e6
    assert float(ring.slope_pm_V) == pytest.approx(slope_pm_V, rel=1e-3)


def test_the_designed_chip_splits_its_light_evenly_and_loses_what_the_spec_says(demo):
    bank = designed_bank(demo)
    per_row_dB = 10 * np.log10(np.asarray(bank.feed.amplitude) ** 2)
    tree_dB = 10 * math.log10(8) + 3 * demo.splitter.excess_loss_dB + demo.coupler.loss_dB
    # The branches' propagation loss is on top: millimetres at 0.27 dB/cm.
    assert (-per_row_dB >= tree_dB).all()
    assert -per_row_dB == pytest.approx(np.full((8, 1), tree_dB), abs=0.1)
    assert np.ptp(per_row_dB) < 1e-9


def test_the_designed_bank_has_rows_buses_rings_and_one_bus_segment_more(small, two_bus):
    for spec, buses in ((small, 1), (two_bus, 2)):
        bank = designed_bank(spec)
        assert bank.shape == (2, buses, 3)
        assert bank.wl_um.shape == (3,)
        assert bank.rings.t1.shape == (2, buses, 3)
        assert bank.buses.opl_um.shape == (2, buses, 2, 4)
        assert bank.feed.amplitude.shape == (2, buses)


def test_a_further_bus_loses_what_its_longer_way_in_costs(two_bus):
    feed = np.asarray(designed_bank(two_bus).feed.amplitude)
    ways_um = [feed_lengths(two_bus, bus=b).total_um for b in (0, 1)]
    assert ways_um[1] - ways_um[0] == pytest.approx(bank_pitch_um(two_bus) + 127.0)
    lost_dB = two_bus.waveguide.loss_dB_cm * (ways_um[1] - ways_um[0]) * 1e-4
    assert 20 * np.log10(feed[:, 0] / feed[:, 1]) == pytest.approx(lost_dB, rel=1e-9)


def test_every_bus_of_a_row_is_designed_alike(small, two_bus):
    one, two = designed_bank(small), designed_bank(two_bus)
    for part in ("rings", "buses"):
        for name, leaf in vars(getattr(two, part)).items():
            alone = np.asarray(getattr(getattr(one, part), name))
            assert np.array_equal(leaf, np.broadcast_to(alone, leaf.shape)), (part, name)
