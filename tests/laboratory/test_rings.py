"""A truth hidden in a simulated sweep, measured as a laboratory would, is found again within its error bars."""

from dataclasses import replace

import numpy as np
import pytest
from laboratory.simulated import FSR_NM, WL0_NM, fields, sweep, wander_nm

from prism_photonics.laboratory.comb import fit_comb
from prism_photonics.laboratory.find import Tooth, combs, longer_mirrored, refuse_unresolved, teeth
from prism_photonics.laboratory.fit import fit_window, refit
from prism_photonics.laboratory.noise import ALIKE, Evidence, pooled
from prism_photonics.laboratory.rings import fit_rings
from prism_photonics.laboratory.window import Window
from prism_photonics.units import InputError

DB = 10.0 / np.log(10.0)


def window_of(wl_nm, through, drop):
    return Window(wl_nm, through / np.median(through), (drop / drop.max(),), (0,), (FSR_NM,))


def starts(wl_nm, drop, share):
    return np.array([wl_nm[np.argmax(drop)], np.log(0.004), 0.0, 0.006, (1e3 * share * 0.03) ** 2, 0.0])


@pytest.mark.slow
def test_error_bars_hold_with_wander_imbalance_and_ripple():
    """Pulls (found − true)/error of 400 resonances (`benchmarks/error_bars.py` has many more, of other rings, too)."""
    rng, found, meters = np.random.default_rng(11), [], (1.2e-4, 1.2e-4)
    truth = np.array([WL0_NM, np.log(0.0062), 0.02 / DB, 22.0**2])
    for _ in range(400):
        wl_nm, through, drop = sweep(rng, low_nm=WL0_NM - 0.8, high_nm=WL0_NM + 0.8, split_pm=22.0)
        window = window_of(wl_nm, through, drop)
        found.append(fit_window(window, [starts(wl_nm, drop, 0.6)], meters=meters))
    wander = pooled([fit.evidence for fit in found], most_nm=0.01)
    assert wander.std_nm == pytest.approx(0.8e-3, rel=0.1)
    assert wander.alike == pytest.approx(0.4, abs=0.1)
    numbers = [0, 1, 3, 4]
    fits = [refit(fit, wander, meters=meters) for fit in found]
    pulls = np.array([(fit.p[numbers] - truth) / np.sqrt(np.diag(fit.covariance)[numbers]) for fit in fits])
    assert np.std(pulls, axis=0) == pytest.approx(1.0, abs=0.1)
    assert (np.abs(np.mean(pulls, axis=0)) < 0.5).all()


def test_a_window_in_which_steps_that_turn_back_would_not_show_is_evidence_of_the_others():
    """Which fits failed is told by what they would leave of strangers, whatever the first correlation tried is."""
    strangers = int(np.argmin(np.abs(ALIKE)))
    expected = np.full(len(ALIKE), 100.0)
    turning = expected.copy()
    turning[0] = 1.0
    found = [
        Evidence(1e-4 * 100.0, 1e-4 * 100.0 * alike, each, expected * ALIKE, expected**2 / 50.0, 0.0)
        for each, alike in ((expected, 0.1), (expected, 0.1), (turning, 0.7))
    ]
    wander = pooled(found, most_nm=1.0)
    assert wander.std_nm == pytest.approx(0.01)
    assert wander.alike == pytest.approx(0.3, abs=0.03)
    none = [each._replace(squares_1nm=np.where(np.arange(len(ALIKE)) == strangers, 0.0, 100.0)) for each in found]
    assert pooled(none, most_nm=1.0).std_nm == 0.0


def test_wander_along_a_narrow_peak_is_not_taken_for_ripple():
    rng = np.random.default_rng(5)
    for _ in range(6):
        wl_nm, through, drop = sweep(rng, low_nm=WL0_NM - 0.8, high_nm=WL0_NM + 0.8, split_pm=22.0, ripple=0.0)
        fit = fit_window(window_of(wl_nm, through, drop), [starts(wl_nm, drop, 0.6)], meters=(1.2e-4, 1.2e-4))
        assert fit.model.ripples == (0, 0)


def test_a_broad_ring_s_wander_and_ripple_are_in_its_error_bars():
    """A wide dip is dark on its flanks alone, which is no noise of a meter; alike couplers have one lossy branch."""
    ring = {"kappa2": 0.2, "loss_dB": 0.1, "fsr_nm": 3.0}
    pulls, splits = [], []
    for seed in range(8):
        wl_nm, through, drop = sweep(np.random.default_rng(seed), low_nm=1542.0, high_nm=1555.0, **ring)
        fit = fit_rings("broad", wl_nm, through=through, drops=[drop])
        for one in fit.rings[0].resonances:
            pulls.append([(one.kappa2_through - 0.2) / one.kappa2_through_std, one.loss_dB_turn])
            splits.append(one.splitting_pm)
    kappa2, loss_dB = np.transpose(pulls)
    assert len(kappa2) == 32
    assert 0.7 < np.std(kappa2) < 1.3
    assert (loss_dB > 0.0).all()
    assert np.isnan(splits).all()


def test_a_resonance_that_the_sweep_cuts_is_left_out():
    wl_nm, through, drop = sweep(np.random.default_rng(1), low_nm=1536.0, high_nm=1556.16, kappa2=0.02)
    fit = fit_rings("cut", wl_nm, through=through, drops=[drop])
    assert max(one.wl_nm for one in fit.rings[0].resonances) < 1550.0
    assert "1 resonance too faint or too disturbed to be fitted" in fit.notes


@pytest.mark.parametrize(("step_nm", "within_pm"), [(0.004, 2.5), (0.001, 1.0)])
def test_a_splitting_of_five_picometres_is_found(step_nm, within_pm):
    off = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        wl_nm, through, drop = sweep(
            rng, low_nm=1536.0, high_nm=1558.0, step_nm=step_nm, kappa2=0.0025, split_pm=5.0, std_nm=0.2e-3, ripple=0.01
        )
        fit = fit_rings("sweep", wl_nm, through=through, drops=[drop])
        off += [one.splitting_pm - 5.0 for one in fit.rings[0].resonances]
    assert len(off) == 12
    assert np.sqrt(np.mean(np.square(off))) < within_pm


def test_a_sweep_tells_its_ring():
    wl_nm, through, drop = sweep(np.random.default_rng(1), low_nm=1525.0, high_nm=1568.0, kappa2=0.012, split_pm=18.0)
    fit = fit_rings("sweep", wl_nm, through=through, drops=[drop])
    (ring,) = fit.rings
    assert len(ring.resonances) == 5
    middle = min(ring.resonances, key=lambda one: abs(one.wl_nm - WL0_NM))
    for name, true in (("wl_nm", WL0_NM), ("kappa2_through", 0.012), ("loss_dB_turn", 0.02), ("splitting_pm", 18.0)):
        assert abs(getattr(middle, name) - true) < 3.0 * getattr(middle, f"{name}_std"), name
    assert middle.fsr_nm == pytest.approx(FSR_NM, rel=2e-3)
    assert ring.comb is not None
    assert ring.comb.turn_um == pytest.approx(1e-3 * WL0_NM**2 / FSR_NM, rel=1e-3)
    assert ring.comb.rms_pm < 2.0


def test_facets_around_a_ring_do_not_move_it():
    """What goes there and back between them passes the ring twice, and pulls its dip aside by a picometre."""
    wl_nm, rng = np.arange(1530.0, 1563.0, 0.001), np.random.default_rng(4)
    ring = {"kappa2": 0.008, "loss_dB": 0.05, "fsr_nm": 7.8, "wl0_nm": 1546.0}
    passed, _ = fields(wl_nm, **ring)
    # Orders of the facets per order of the ring as on a drawn die: seen at the dips, a wave of eight of them.
    turns = 29.87 * 1e3 * ring["wl0_nm"] ** 2 / ring["fsr_nm"] * (1.0 / wl_nm - 1.0 / ring["wl0_nm"]) * 1e-3
    through = np.abs(passed / (1.0 - 0.02 * passed**2 * np.exp(2j * np.pi * turns))) ** 2
    through = through * (1.0 + 5e-4 * rng.standard_normal(len(wl_nm)))
    (found,) = fit_rings("facets", wl_nm, through=through).rings
    turn_um = 1e-3 * ring["wl0_nm"] ** 2 / ring["fsr_nm"]
    assert len(found.resonances) == 5
    assert all(any(fit.model.around) for fit, _ in found.fits)
    assert found.comb is not None
    assert abs(found.comb.turn_um / turn_um - 1.0) < 3e-6
    for one in found.resonances:
        order = round(turn_um / (1e-3 * one.wl_nm) - turn_um / (1e-3 * ring["wl0_nm"]))
        assert abs(one.wl_nm - 1e3 * turn_um / (order + turn_um / (1e-3 * ring["wl0_nm"]))) < 1e-4


def test_an_all_pass_ring_has_two_branches_that_exchange_coupling_and_loss():
    wl_nm = np.arange(1540.0, 1544.0, 0.0013)
    ring = {"fsr_nm": 0.845, "wl0_nm": 1541.2, "kappa2": 0.28, "kappa2_drop": 0.0, "loss_dB": 0.55}
    through = np.abs(fields(wl_nm, **ring)[0]) ** 2 * (1 + 1e-3 * np.random.default_rng(0).standard_normal(len(wl_nm)))
    fit = fit_rings("sweep", wl_nm, through=through, dropped=False)
    one = fit.rings[0].resonances[1]
    branches = sorted([(one.kappa2_through, one.loss_dB_turn), (one.other_kappa2, one.other_loss_dB_turn)])
    assert branches[1] == pytest.approx((0.28, 0.55), rel=0.02)
    assert branches[0] == pytest.approx((1 - 10 ** (-0.055), -DB * np.log(1 - 0.28)), rel=0.02)


@pytest.mark.parametrize("seed", [0, 3])
def test_no_standing_wave_hides_in_the_envelope_of_an_all_pass_ring(seed):
    """A wave as wide as the window bends the baseline alone, and would leave the dip to one of a tenth of its Q."""
    rng = np.random.default_rng(seed)
    wl_nm = np.arange(1541.0, 1547.0, 0.0013)
    true_nm = wl_nm + wander_nm(rng, len(wl_nm), std_nm=rng.choice([0.0, 0.5e-3]), alike=0.3)
    ring = {"wl0_nm": 1541.2, "fsr_nm": 0.845, "kappa2": 0.28, "kappa2_drop": 0.0, "loss_dB": 0.55}
    facets = np.exp(0.028 * np.cos(2 * np.pi * wl_nm / 0.281 + rng.uniform(0, 6.28)))
    power = np.abs(fields(true_nm, **ring)[0]) ** 2 * facets * (1 + 6e-3 * rng.standard_normal(len(wl_nm)))
    (found,) = fit_rings("here", wl_nm, through=power, dropped=False).rings
    assert len(found.resonances) == 7
    for one in found.resonances:
        assert one.q_loaded == pytest.approx(25_000, rel=0.1)


def test_rings_on_one_bus_are_told_apart():
    rng, wl_nm = np.random.default_rng(3), np.arange(1530.0, 1570.0, 0.004)
    places = (1546.9, 1547.3, 1547.9)
    rings = [fields(wl_nm, wl0_nm=place, kappa2=0.02, loss_dB=0.05) for place in places]
    through = np.prod([np.abs(ring[0]) ** 2 for ring in rings], axis=0) * (1 + 1e-3 * rng.standard_normal(len(wl_nm)))
    fit = fit_rings("bus", wl_nm, through=through, dropped=True)
    assert len(fit.rings) == 3
    nearest = sorted(min((one.wl_nm for one in ring.resonances), key=lambda wl: abs(wl - 1547.3)) for ring in fit.rings)
    assert nearest == pytest.approx(places, abs=2e-3)


def test_two_drawn_rings_that_nearly_meet_are_not_taken_for_one_that_splits():
    rng, wl_nm = np.random.default_rng(3), np.arange(1530.0, 1570.0, 0.002)
    rings = [fields(wl_nm, wl0_nm=place, kappa2=0.008, loss_dB=0.03) for place in (1546.9, 1546.955, 1548.1)]
    through = np.prod([np.abs(ring[0]) ** 2 for ring in rings], axis=0) * (1 + 1e-3 * rng.standard_normal(len(wl_nm)))
    fit = fit_rings("bus", wl_nm, through=through, designed_nm=FSR_NM, drawn=3)
    assert len(fit.rings) == 3
    assert len(fit_rings("bus", wl_nm, through=through, designed_nm=FSR_NM).rings) == 2


def test_noise_alone_is_no_ring():
    rng, wl_nm = np.random.default_rng(0), np.arange(1536.0, 1558.0, 0.004)
    dark = np.abs(rng.standard_normal((2, len(wl_nm))))
    with pytest.raises(InputError, match=r"dark\.csv: no resonance .* want .*; was the alignment lost"):
        fit_rings("dark.csv", wl_nm, through=dark[0] + 100.0, drops=[])


def test_a_ripple_of_facets_is_no_ring():
    wl_nm = np.arange(1536.0, 1558.0, 0.004)
    through = 1.0 + 0.05 * np.cos(2 * np.pi * wl_nm / 0.45)
    with pytest.raises(InputError, match="no resonance"):
        fit_rings("guide", wl_nm, through=through)


def test_a_step_too_coarse_for_a_linewidth_is_refused():
    wl_nm = np.arange(1500.0, 1580.0, 0.02)
    through, drop = (np.abs(field) ** 2 for field in fields(wl_nm, kappa2=0.001, loss_dB=0.02))
    with pytest.raises(InputError, match=r"Q is not resolved: linewidth ≤ 2 steps .* finer step"):
        fit_rings("coarse", wl_nm, through=through, drops=[drop])


def test_a_dip_of_a_few_readings_that_looks_wide_is_refused_by_its_fit():
    ring = {"kappa2": 0.002, "loss_dB": 0.02, "split_pm": 9.0}
    wl_nm, through, drop = sweep(np.random.default_rng(0), low_nm=1520.0, high_nm=1575.0, step_nm=0.0115, **ring)
    refuse_unresolved("teeth", teeth(wl_nm, through, [drop]), 0.0115)
    with pytest.raises(InputError, match=r"Q is not resolved: linewidth ≤ 2 steps .* finer step"):
        fit_rings("coarse", wl_nm, through=through, drops=[drop])


def test_a_laser_too_wide_within_a_reading_for_a_linewidth_is_refused():
    wl_nm, through, _ = sweep(np.random.default_rng(1), low_nm=1545.0, high_nm=1549.0)
    with pytest.raises(InputError, match=r"a laser 50 pm wide .* want a quarter of the lines' width .* --blur-pm"):
        fit_rings("wide", wl_nm, through=through, fsr_nm=9.18, blur_nm=0.05)


def test_fewer_than_three_resonances_tell_q_and_no_coupling():
    wl_nm, through, drop = sweep(np.random.default_rng(1), low_nm=1545.0, high_nm=1549.0)
    fit = fit_rings("short", wl_nm, through=through, drops=[drop])
    one = fit.rings[0].resonances[0]
    assert np.isnan(one.kappa2_through)
    assert np.isnan(one.fsr_nm)
    assert one.q_loaded == pytest.approx(6.4e4, rel=0.1)
    assert any("want 3 or more" in note for note in fit.notes)
    told = fit_rings("short", wl_nm, through=through, drops=[drop], fsr_nm=FSR_NM).rings[0].resonances[0]
    assert told.kappa2_through == pytest.approx(0.0062, rel=0.1)


def test_gaps_in_a_record_are_no_readings():
    wl_nm, through, drop = sweep(np.random.default_rng(2), low_nm=1536.0, high_nm=1558.0, split_pm=18.0)
    drop[np.abs(wl_nm - WL0_NM) > 1.0] = np.nan
    through[::7] = np.nan
    fit = fit_rings("gaps", wl_nm, through=through, drops=[drop], fsr_nm=FSR_NM)
    one = min((one for ring in fit.rings for one in ring.resonances), key=lambda one: abs(one.wl_nm - WL0_NM))
    assert abs(one.kappa2_through - 0.0062) < 4.0 * one.kappa2_through_std


def test_a_comb_with_dispersion_is_fitted_to_its_last_picometre():
    # m = T·(k − k0) + b/2·(k − k0)² about 1530 nm, solved for k: a group index that falls with wavelength.
    turn_um, bend, order = 627.0, 300.0, np.arange(-20.0, 20.0)
    k = 1 / 1.53 + (np.sqrt(turn_um**2 + 2 * bend * order) - turn_um) / bend
    comb = fit_comb(sorted(map(float, 1e3 / k)))
    assert comb.rms_pm < 0.01
    assert comb.turn_at_um(1530.0) == pytest.approx(turn_um, rel=1e-6)
    assert comb.slope == pytest.approx(-bend / 1.53**2, rel=0.02)


def test_away_from_its_middle_a_comb_is_less_sure():
    rng, turn_um = np.random.default_rng(0), 260.0
    k = 1.0 / 1.55 + np.array([-1.5, -0.5, 0.5, 1.5]) / turn_um
    pulls = []
    for _ in range(300):
        wl_nm = np.sort(1e3 / k) + 3e-4 * rng.standard_normal(4)
        comb = fit_comb(wl_nm.tolist(), [3e-4] * 4)
        at_nm = wl_nm[1]
        pulls.append((comb.turn_at_um(at_nm) - turn_um) / comb.turn_std_at_um(at_nm))
        assert comb.turn_std_at_um(at_nm) > 1.3 * comb.turn_std_um
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1.0, abs=0.12)


def test_dips_on_a_mirrored_axis_make_no_comb_and_that_is_said():
    wl_nm, through, _ = sweep(np.random.default_rng(1), low_nm=1505.0, high_nm=1588.0, step_nm=0.01, kappa2=0.06)
    fit = fit_rings("mirrored", wl_nm, through=through[::-1], dropped=True)
    assert any("is the axis mirrored?" in note for note in fit.notes)
    assert len(fit.rings) >= 3
    assert any(f"{len(fit.rings)} resonances that are no comb, want 3 or more of one ring" in n for n in fit.notes)


def test_a_ring_of_many_resonances_on_a_mirrored_axis_is_told_of_though_some_make_combs():
    """Three neighbours lie evenly enough on either axis, and three "rings" of three would be seen."""
    ring = {"kappa2": 0.02, "fsr_nm": 2.6}
    wl_nm, through, drop = sweep(np.random.default_rng(2), low_nm=1500.0, high_nm=1594.0, step_nm=0.006, **ring)
    found = teeth(wl_nm, through[::-1], [drop[::-1]])
    seen = combs(found)
    assert seen
    assert max(map(len, seen)) < 10
    assert longer_mirrored(found, seen)
    right = teeth(wl_nm, through, [drop])
    (comb,) = combs(right)
    assert len(comb) == 34
    assert not longer_mirrored(right, [comb])
    turned = fit_rings("turned", wl_nm, through=through[::-1], drops=[drop[::-1]])
    assert any("is the axis mirrored?" in note for note in turned.notes)


def test_three_resonances_that_make_a_comb_on_a_mirrored_axis_alone_are_told_of():
    step = 1.0 / 2.4e5  # of 1/λ, 1/nm: 10 nm
    wl_nm = [1.0 / (1.0 / 1550.0 + n * step) for n in (1, 0, -1)]
    right = [Tooth(wl, 0.1, 0.9, 0.0, -1) for wl in wl_nm]
    turned = [replace(t, wl_nm=3100.0 - t.wl_nm) for t in reversed(right)]
    assert not longer_mirrored(right, combs(right))
    assert combs(turned) == []
    assert longer_mirrored(turned, [])
    # Beside others that make none, three may be evenly spaced by chance.
    by_chance = sorted([*turned, *(replace(t, wl_nm=t.wl_nm + 3.3) for t in turned[:2])], key=lambda t: t.wl_nm)
    assert not longer_mirrored(by_chance, [])


def test_a_weak_ring_on_a_mirrored_axis_is_told_of_though_ripple_makes_a_hundred_dips():
    """As the public ring of 400 nm gaps: four peaks at the drop port, and dips of facets that no peak speaks for."""
    rng, step = np.random.default_rng(0), 1.0 / 2.4e5
    peaks = [Tooth(1.0 / (1.0 / 1550.0 + n * step), 0.03, 0.15, 1e-7, 0) for n in (2, 1, 0, -1)]
    ripple = [Tooth(wl, 0.1, 0.17, 0.0, -1) for wl in rng.uniform(1530.0, 1560.0, 100)]
    right = sorted([*peaks, *ripple], key=lambda t: t.wl_nm)
    turned = [replace(t, wl_nm=3090.0 - t.wl_nm) for t in reversed(right)]
    assert [len(comb) for comb in combs(right)] == [4]
    assert combs(turned) == []
    assert longer_mirrored(turned, [])
    assert not longer_mirrored(right, combs(right))
    # A dip too deep for ripple is a ring's, and four of five may be evenly spaced by chance.
    deep = Tooth(1549.1, 0.1, 0.8, 0.0, -1)
    assert not longer_mirrored(sorted([*turned, deep], key=lambda t: t.wl_nm), [])
