"""A fit that knows backscatter, reflecting ends, dispersion and V³: slopes, second roads, and dies that have them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.calibration import bus_slopes, reflecting_fit
from prism_photonics.calibration.calibration import blank_calibration, from_survey, summary
from prism_photonics.calibration.descent import descend
from prism_photonics.calibration.fit import BusFit
from prism_photonics.calibration.reading_model import reading_slopes, readings_A
from prism_photonics.calibration.record import leaves, read_record, write_record
from prism_photonics.calibration.reflecting import beyond_columns, blank_beyond
from prism_photonics.calibration.reflecting_fit import (
    asked_for,
    counted,
    fuller,
    honest,
    in_sizes,
    misfit_variances,
    reflecting_survey,
    sizes_of,
)
from prism_photonics.calibration.stages import stages
from prism_photonics.calibration.survey import take_survey
from prism_photonics.calibration.survey_fit import AT_THE_LINE, bus_surveys
from prism_photonics.calibration.unknowns import columns
from prism_photonics.chip.truth import FullTruth
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.row import row_response
from prism_photonics.drift.estimate import corrected_volts, drifted_calibration
from prism_photonics.drift.state import DriftState
from prism_photonics.lightpath.ring.dispersion import dispersed
from prism_photonics.lightpath.ring.model import electrode_volts
from prism_photonics.programming.bus import bus_of, tuning_curves, weights_and_slopes, weights_at

RINGS, SETTINGS = 3, 4
PLAIN, ALL = columns(RINGS)["drop_ratio"].stop, beyond_columns(RINGS)["end_im"].stop


@pytest.fixture(scope="module")
def buses(read_buses):
    return read_buses


@pytest.fixture(scope="module")
def reflecting(buses, small):
    return reflecting_survey(buses, small, node_pm=AT_THE_LINE)


@pytest.fixture(scope="module")
def flat():
    return np.random.default_rng(1).normal(0.0, 1.0, (2, ALL))


# ---------------------------------------------------------------- slopes


def test_with_nothing_beyond_currents_and_slopes_are_those_of_the_plain_row(buses, reflecting, flat):
    light = reflecting.reflecting
    undispersed = replace(
        light,
        half_turn=buses.light.half_turn,
        kappa2_through=np.ones_like(light.kappa2_through),
        kappa2_drop=np.ones_like(light.kappa2_drop),
    )
    none = np.hstack([flat[:, :PLAIN], np.zeros((2, ALL - PLAIN))])
    plain, found = (
        bus_slopes.reading_slopes(buses, flat[:, :PLAIN]),
        reading_slopes(replace(reflecting, reflecting=undispersed), none),
    )
    for name in ("current_A", "by_shift", "by_volt"):
        wanted = getattr(plain, name)
        assert getattr(found, name) == pytest.approx(wanted, rel=1e-9, abs=1e-11 * np.abs(wanted).max())
    assert found.by_unknown[:, :PLAIN] == pytest.approx(
        plain.by_unknown, rel=1e-9, abs=1e-11 * np.abs(plain.by_unknown).max()
    )


def test_every_slope_is_that_of_differences(reflecting, flat):
    found = reading_slopes(reflecting, flat)
    for unknown in range(ALL):
        step = 1e-5 * (np.arange(ALL) == unknown)
        by = (readings_A(reflecting, flat + step) - readings_A(reflecting, flat - step)) / 2e-5
        assert found.by_unknown[:, unknown] == pytest.approx(by, rel=1e-4, abs=1e-5 * np.abs(by).max())


def test_currents_are_those_of_the_exact_row_with_reflections(reflecting, flat, small):
    model, wl_um = reflecting.model(flat), np.asarray(small.comb_design.wl_um)
    found = readings_A(reflecting, flat)
    for channel in range(RINGS):
        acting = electrode_volts(reflecting.volts[:, :, channel], model.crosstalk[:, None])
        shift_pm = np.stack([
            jax.tree.map(lambda leaf, n=n: leaf[n], model).shift_pm(acting[n]) for n in range(2)
        ]) + reflecting.drift_pm[:, :, channel]  # fmt: skip
        for bus in range(2):
            one = jax.tree.map(lambda leaf, bus=bus: leaf[bus], model)
            rings = dispersed(wl_um[[channel]], one.rings, one.beyond.dispersion)
            for setting in range(SETTINGS):
                fields = row_response(
                    wl_um[[channel]], rings, one.buses, shift_pm[bus, setting], reflections=one.beyond.reflections
                )
                passed = abs(fields.through[0]) ** 2 - one.drop_ratio * abs(fields.drop[0]) ** 2
                assert found[bus, setting, channel] == pytest.approx(one.gain_A[channel] * passed, rel=1e-9)


# ---------------------------------------------------------------- what takes the fit


@pytest.fixture(scope="module")
def made_up_fit(small):
    """A calibration that reflects, of made-up numbers."""
    rng = np.random.default_rng(2)
    blank, beyond = blank_calibration(small, triggers=1), blank_beyond(small)
    own = {
        name: scale * rng.standard_normal(getattr(beyond, name).shape)
        for name, scale in {
            "ccw_re_pm": 2.0, "ccw_im_pm": 2.0, "cw_re_pm": 2.0, "cw_im_pm": 2.0, "cubic_pm_V3": 1e-4,
            "end_re": 0.02, "end_im": 0.02,
        }.items()
    }  # fmt: skip
    rows = replace(blank.rows, beyond=replace(beyond, **own))
    rings = replace(rows.rings, curvature_pm_V2=0.03 * rng.standard_normal(rows.rings.t1.shape))
    return jax.tree.map(np.asarray, replace(blank, rows=replace(rows, rings=rings, crosstalk=rows.crosstalk + 1e-3)))


def test_programming_has_the_slopes_of_the_fit_that_reflects(made_up_fit):
    bus = bus_of(made_up_fit, np.arange(2))
    volts = np.random.default_rng(3).uniform(-8.0, 8.0, (2, RINGS))
    weights, slopes = weights_and_slopes(bus, volts)
    assert weights == pytest.approx(weights_at(bus, volts), rel=1e-12)
    assert weights.ravel() == pytest.approx(np.asarray(made_up_fit.weights(jnp.asarray(volts))).ravel(), rel=1e-9)
    for ring in range(RINGS):
        step = 1e-5 * (np.arange(RINGS) == ring)
        by = (weights_at(bus, volts + step) - weights_at(bus, volts - step)) / 2e-5
        assert slopes[..., ring] == pytest.approx(by, rel=1e-5, abs=1e-8)
    curves = tuning_curves(bus, 8.0, 33)
    assert (np.diff(curves.weights, axis=0) * np.sign(curves.weights[-1] - curves.weights[0]) >= 0.0).all()


def test_a_drifted_tuning_curve_with_a_cubic_part_is_the_curve_moved(made_up_fit, small):
    rng = np.random.default_rng(5)
    own_pm, lost_V = (jnp.asarray(rng.normal(0.0, size, (2, RINGS))) for size in (3.0, 0.3))
    state = replace(DriftState.rest((2, RINGS)), own_pm=own_pm, lost_V=lost_V)
    fit, patterns = jax.tree.map(jnp.asarray, made_up_fit), jnp.zeros((3, 2, RINGS))
    volts, share = rng.uniform(-7.0, 7.0, (2, 1, RINGS)), made_up_fit.rows.crosstalk
    drifted = drifted_calibration(fit, state, patterns).rows
    lost = electrode_volts(np.asarray(state.relaxed_V).reshape(volts.shape), share)
    wanted = made_up_fit.rows.shift_pm(volts - lost) + np.asarray(own_pm)[:, None]
    assert np.asarray(drifted.shift_pm(volts)) == pytest.approx(wanted, rel=1e-9)
    # Voltages that undo the drift put every ring back to where it was, but for the crosstalk of their change.
    undone = np.asarray(corrected_volts(fit, jnp.asarray(volts[:, 0]), state, patterns))[:, None]
    back = np.asarray(drifted.shift_pm(electrode_volts(undone, share)))
    assert back == pytest.approx(made_up_fit.rows.shift_pm(electrode_volts(volts, share)), abs=0.02)


def test_a_record_keeps_what_was_fitted_beyond_the_plain_row_bit_by_bit(made_up_fit, survey, small, tmp_path):
    write_record(tmp_path / "calibration.nc", made_up_fit, survey, small, bench="virtual:0,full", seed=0)
    found, _, _ = read_record(tmp_path / "calibration.nc")
    wanted, got = leaves(made_up_fit), leaves(found)
    assert wanted.keys() == got.keys()
    assert all(np.array_equal(got[name], wanted[name]) for name in wanted)
    rows = stages(found, survey)["rows"]
    assert rows.splitting_pm.values == pytest.approx(found.rows.beyond.splitting_pm.reshape(2, RINGS))
    assert summary(found)["splitting_pm"] > 0.0


# ---------------------------------------------------------------- misfit and sizes


@pytest.mark.parametrize(("even", "shifted"), [(4.0, 0.0), (0.0, 2.0), (1.0, 3.0)])
def test_misfit_that_is_even_is_told_from_misfit_that_is_a_shift(even, shifted):
    rng = np.random.default_rng(4)
    flank = rng.exponential(2.0, (3, 400, 8))
    known = np.full(flank.shape, 0.01)
    over = (known + even + shifted * flank) * rng.standard_normal(flank.shape) ** 2 - known
    found = misfit_variances(over, flank, counts=np.ones(flank.shape, dtype=bool), known=known)
    assert found[0] == pytest.approx(even, abs=0.25)
    assert found[1] == pytest.approx(shifted, abs=0.25)


def test_a_reading_whose_ring_may_be_elsewhere_counts_less_on_its_flank(reflecting, flat):
    slopes = reading_slopes(reflecting, flat)
    wandered_pm = np.random.default_rng(6).normal(0.0, 0.5, slopes.by_shift.shape)
    moved = replace(reflecting, current_A=slopes.current_A + (slopes.by_shift * wandered_pm).sum(1))
    more_A = np.sqrt(counted(moved, flat).noise_A ** 2 - reflecting.noise_A**2)
    flank_A = np.linalg.norm(slopes.by_shift, axis=1)
    for bus in range(2):
        assert np.corrcoef(more_A[bus].ravel(), flank_A[bus].ravel())[0, 1] > 0.5


def test_readings_are_no_surer_than_they_miss_with_what_unknowns_take_up_made_up_for(small):
    rng, settings = np.random.default_rng(8), 50
    nothing = np.zeros((settings, RINGS, 2))
    own = np.broadcast_to(np.arange(RINGS), (2, 1, RINGS))
    volts = rng.uniform(-8.0, 8.0, (settings, 2, RINGS))
    _, read = bus_surveys(
        small, volts=volts, current_A=nothing, noise_A=nothing + 1e-9, time_s=nothing[..., 0], channel_of_ring=own
    )
    survey, hidden = reflecting_survey(read, small, node_pm=AT_THE_LINE), rng.normal(0.0, 0.5, (2, ALL))
    noise_A = np.broadcast_to(3e-4 * survey.gain_A[:, None, :], survey.current_A.shape)
    current_A = readings_A(survey, hidden) + noise_A * rng.standard_normal(noise_A.shape)
    said = replace(survey, current_A=current_A, noise_A=noise_A / 3.0)
    found, _ = descend(said, hidden, steps=20, rtol=1e-6)
    assert honest(said, found).noise_A / said.noise_A == pytest.approx(np.full(noise_A.shape, 3.0), rel=0.12)
    assert honest(said.with_noise(4.0 * noise_A), found).noise_A == pytest.approx(4.0 * noise_A)


def test_sizes_are_those_of_the_chips_own_rings_and_change_no_current(reflecting, flat):
    places, sizes = beyond_columns(RINGS), np.array([0.2, 2.0, 0.7])
    own, kinds = flat.copy(), (("ccw_re", "ccw_im", "cw_re", "cw_im"), ("cubic",), ("end_re", "end_im"))
    for kind, size in zip(kinds, sizes, strict=True):
        columns_of = np.concatenate([np.r_[places[name]] for name in kind])
        own[:, columns_of] = size * np.where(np.arange(columns_of.size) % 2, 1.0, -1.0)
    model = reflecting.model(own)
    fit = BusFit(own, np.zeros_like(own), model, np.ones(2), np.ones(2))
    found = sizes_of(fit, RINGS)
    assert [found[places[kind[0]].start] for kind in kinds] == pytest.approx(sizes.tolist())
    assert (found[:PLAIN] == 1.0).all()
    assert readings_A(in_sizes(reflecting, found), own / found) == pytest.approx(readings_A(reflecting, own), rel=1e-12)
    # What is not known at all is as wide as its error bar.
    unsure = sizes_of(replace(fit, flat=0.0 * own, std=np.ones_like(own)), RINGS)
    assert unsure == pytest.approx(np.ones(ALL))


def test_a_fit_looks_once_at_the_readings_where_it_begins_and_once_where_it_ends(reflecting, flat, monkeypatch):
    looked = []
    monkeypatch.setattr(
        reflecting_fit, "reading_slopes", lambda *args, **_: looked.append("slopes") or reading_slopes(*args)
    )
    whole = reflecting_fit.fit_reflecting(reflecting, flat, np.random.default_rng(0), rounds=2)
    assert len(looked) == 3
    begun = reflecting_fit.fit_reflecting(reflecting, flat, np.random.default_rng(0), rounds=2, errors=False)
    # Error bars that nobody asks for take no look, and change nothing else.
    assert len(looked) == 5
    assert np.isinf(begun.std).all()
    assert np.isfinite(whole.std).all()
    assert np.array_equal(begun.flat, whole.flat)
    assert begun.chi2 == pytest.approx(whole.chi2, rel=1e-12)


def test_what_a_look_tells_is_what_its_parts_tell_one_after_the_other(reflecting, flat):
    rng = np.random.default_rng(3)
    survey, here = reflecting, flat + 0.01 * rng.normal(size=flat.shape)
    sure, told = reflecting_fit._learned(survey, here)
    alone = counted(survey, here)
    assert sure.noise_A == pytest.approx(alone.noise_A, rel=1e-12)
    assert told.std == pytest.approx(reflecting_fit.at_optimum(alone, here).std, rel=1e-9)
    end = reflecting_fit._at_end(survey, here)
    made_up = reflecting_fit.at_optimum(honest(alone, here), here)
    assert end.std == pytest.approx(made_up.std, rel=1e-9)
    assert end.chi2 == pytest.approx(reflecting_fit.at_optimum(survey, here).chi2, rel=1e-12)
    assert end.residual_rms == pytest.approx(made_up.residual_rms, rel=1e-12)


# ---------------------------------------------------------------- dies


def test_the_criterion_asks_for_as_much_as_the_unknowns_are_worth(buses, reflecting, flat):
    count = SETTINGS * RINGS
    shape = np.zeros((2, ALL))
    wide = BusFit(shape, shape, reflecting.model(flat), np.ones(2), np.ones(2))
    # n·ln(χ²/χ²) against twice the number of unknowns more.
    least = np.exp(2.0 * (ALL - PLAIN) / count)
    plain = BusFit(shape[:, :PLAIN], shape[:, :PLAIN], wide.model, np.ones(2), least * np.array([0.99, 1.01]))
    assert asked_for(plain, wide, reflecting).tolist() == [False, True]


def test_a_single_bus_that_asks_for_reflections_gets_them_and_the_other_stays_as_it_was(
    buses, reflecting, flat, monkeypatch
):
    bare, ones = flat[:, :PLAIN], np.ones(2)
    plain = BusFit(bare, np.ones_like(bare), buses.model(bare), ones, np.array([1.0, 1e3]))

    def fitted(survey, start, rng, **_):
        assert survey.count == 1
        assert np.array_equal(start, bare[1:])
        return BusFit(flat[1:], np.ones_like(flat[1:]), survey.model(flat[1:]), ones[1:], ones[1:])

    monkeypatch.setattr(reflecting_fit, "fit_reflecting", fitted)
    rng = np.random.default_rng(0)
    assert fuller(lambda: reflecting, plain, rng) is None
    mixed = fuller(lambda: reflecting, plain, rng, each=True)
    assert mixed.chi2.tolist() == [1.0, 1.0]
    assert np.array_equal(mixed.flat[1], flat[1])
    assert np.array_equal(mixed.flat[0], np.hstack([bare[0], np.zeros(ALL - PLAIN)]))
    assert np.abs(mixed.model.beyond.splitting_pm[0]).max() == 0.0


@pytest.fixture(scope="module")
def split_die(small):
    """A die with all that a fit can know of, its rings split by some 5 pm."""
    truth = FullTruth(splitting_pm=5.0, flicker_pm=0.0, absorbed_pm_mW=0.0, second_neighbour=0.0)
    chip = VirtualChip(small, seed=1, truth=truth)
    return chip, take_survey(chip, small, key=jax.random.key(1))


def test_a_die_whose_rings_split_is_fitted_through_it_and_its_weights_are_foretold(split_die, small):
    chip, read = split_die
    fit = jax.tree.map(np.asarray, from_survey(read, small, key=jax.random.key(2)))
    assert fit.rows.beyond is not None
    assert fit.chi2.max() < 4.0
    rng, missed = np.random.default_rng(3), []
    for _ in range(6):
        volts = fit.on_dac_grid(rng.uniform(-8.0, 8.0, (2, RINGS)))
        chip.set(volts)
        foretold = weights_at(bus_of(fit, np.arange(2)), volts)
        dark_A = chip.measure(np.zeros(RINGS), averages=4096)
        for line in range(RINGS):
            read_A = chip.measure(fit.light_scale[line] * np.eye(RINGS)[line], averages=4096)
            missed.append((read_A - dark_A) / fit.unit_A - foretold[:, line])
    # Nine bits of the range of weights; the plain row leaves six.
    assert np.sqrt(np.mean(np.square(missed))) < 1.6 / 2**9


def test_a_die_of_the_models_own_class_asks_for_nothing_beyond_it(survey, small):
    fit = from_survey(survey, small, key=jax.random.key(2))
    assert fit.rows.beyond is None
    assert "splitting_pm" not in summary(fit)
