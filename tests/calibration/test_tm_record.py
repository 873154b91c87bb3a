"""TM from a die's readings to its programs: fitted from near the truth, kept in a record, solved for and tracked.

All but reflections is given here to a hundredth of its unit; how TM's orders are found `test_tm_search` asks.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.calibration.descent import descend
from prism_photonics.calibration.polarized import PolarizedLight, repulsion, tm_columns
from prism_photonics.calibration.record import leaves, read_dataset, read_record, write_dataset, write_record
from prism_photonics.calibration.reflecting import beyond_columns
from prism_photonics.calibration.reflecting_fit import reflecting_survey
from prism_photonics.calibration.survey_fit import AT_THE_LINE, bus_surveys
from prism_photonics.calibration.unknowns import columns, designed_gain_A
from prism_photonics.chip.fabricate import Die, draw_die, exit_powers, full_die
from prism_photonics.chip.truth import FullTruth
from prism_photonics.drift.estimate import predicted_A
from prism_photonics.drift.state import DriftState
from prism_photonics.lightpath.ring.model import rad_per_pm
from prism_photonics.programming.bus import bus_of, tuning_curves, weights_and_slopes, weights_at
from prism_photonics.programming.solve import common_range, program
from prism_photonics.seeds import die_key
from prism_photonics.units import InputError

ROWS, RINGS, SETTINGS, NOISE, DRIVE_V = 2, 3, 40, 1e-4, 20.0
PLACES = columns(RINGS) | beyond_columns(RINGS) | tm_columns(RINGS)
TRUTH = FullTruth(te_tm=1.0, absorbed_pm_mW=0.0, second_neighbour=0.0, dispersion_scatter=0.0, end_um=0.0)


@pytest.fixture(scope="module")
def spec(small, altered):
    return altered(small, drive={"max_voltage_V": DRIVE_V, "dac_bits": 16})


@pytest.fixture(scope="module")
def die(spec) -> Die:
    """A die with TM, whose orders lie anywhere."""
    return full_die(spec, draw_die(spec, die_key(3)), TRUTH, np.random.default_rng(3))


def currents_A(die: Die, volts) -> np.ndarray:
    """What each line alone reads, (settings, channels, rows)."""
    found = []
    for setting in volts:
        through, drop = exit_powers(die.light, die.shift_pm(setting, np.zeros(setting.shape)))[0][:, :, 0]
        found.append((through * die.full_A[0] - drop * die.full_A[1]).T)
    return np.stack(found)


@pytest.fixture(scope="module")
def readings(spec, die) -> BusSurvey:
    rng = np.random.default_rng(4)
    volts = rng.uniform(-DRIVE_V, DRIVE_V, (SETTINGS, ROWS, RINGS))
    sigma_A = NOISE * np.broadcast_to(designed_gain_A(spec)[:, 0].T, (SETTINGS, RINGS, ROWS))
    current_A = currents_A(die, volts) + sigma_A * rng.standard_normal(sigma_A.shape)
    own = np.broadcast_to(np.arange(RINGS), (ROWS, 1, RINGS))
    _, survey = bus_surveys(
        spec, volts=volts, current_A=current_A, noise_A=sigma_A, time_s=np.zeros((SETTINGS, RINGS)), channel_of_ring=own
    )
    # The film has relaxed nothing.
    acting = np.broadcast_to(np.moveaxis(volts, 1, 0)[:, :, None], survey.volts.shape)
    survey = reflecting_survey(survey.moved(acting, 0.0 * survey.drift_pm), spec, node_pm=AT_THE_LINE)
    lines = np.asarray(spec.comb_design.wl_um)
    assert survey.reflecting is not None
    light = PolarizedLight.of(spec, lines, survey.rings, survey.reflecting, own_um=lines[survey.channel_of_ring])
    return replace(survey, polarized=light)


@pytest.fixture(scope="module")
def fitted(readings, die, spec):
    """A calibration from these readings, whose fit begins near the truth."""
    tm, rings, second = readings.polarized, die.bank.rings, die.beyond.second
    bare_pm, rad_pm = rings.offset_pm[:, 0], rad_per_pm(readings.rings)
    tm_rad = rad_per_pm(second.rings.tm)[:, 0] * second.rings.tm.offset_pm[:, 0]
    turn = 0.5 * (tm_rad - tm.step_rad - (1.0 - tm.tuning_ratio) * rad_pm * bare_pm)
    # After one turn TM is as before but for its sign, which the buses' phases then have.
    turns, turn = np.divmod(turn, 2.0 * np.pi)
    sign = np.pi * (turns[:, 1:] + turns[:, :-1])
    # Of the two buses' phases three sums are seen.
    through, drop = (die.bank.buses.phase_rad[:, 0, n, 1:-1] for n in range(2))
    tm_through, tm_drop = (second.buses.phase_rad[:, 0, n, 1:-1] for n in range(2))
    rng = np.random.default_rng(5)
    start = np.zeros((ROWS, PLACES["tm_drop"].stop))
    seen_pm = bare_pm + 2.0 * repulsion(turn, tm.conversion_rad)[0] / rad_pm
    scatter, design, die_rings = readings.scatter, readings.rings, jax.tree.map(lambda leaf: leaf[:, 0], rings)
    full_A = die.full_A.reshape(2, ROWS, RINGS)
    given = {
        "kappa1": np.log((1.0 - die_rings.t1**2) / (1.0 - design.t1**2)) / scatter.kappa,
        "kappa2": np.log((1.0 - die_rings.t2**2) / (1.0 - design.t2**2)) / scatter.kappa,
        "loss": np.log(np.log(die_rings.a) / np.log(design.a)) / scatter.loss,
        "slope": (die_rings.slope_pm_V / design.slope_pm_V - 1.0) / scatter.slope,
        "curvature": die_rings.curvature_pm_V2 / scatter.curvature_pm_V2,
        "gain": np.log(full_A[0] / readings.gain_A) / scatter.gain,
        "drop_ratio": ((full_A[1] / full_A[0])[:, :1] - 1.0) / scatter.drop_ratio,
        "offset": seen_pm / scatter.offset_pm, "phase_rad": through + drop, "tm_turn": turn,
        "tm_through": tm_through + drop + sign, "tm_drop": tm_drop - drop + sign,
    }  # fmt: skip
    for name, values in given.items():
        start[:, PLACES[name]] = values + 0.01 * rng.standard_normal(values.shape)
    for name in ("ccw_re", "ccw_im", "cw_re", "cw_im"):
        start[:, PLACES[name]] = 0.1 * rng.standard_normal((ROWS, RINGS))
    flat = start
    for blur in (1e-2, 1e-3, 0.0):
        flat, _ = descend(readings.blurred(blur), flat, steps=25, rtol=1e-4)
    blank = blank_calibration(spec, triggers=1)
    by_row = jax.tree.map(lambda leaf: leaf.reshape(ROWS, 1, *leaf.shape[1:]), readings.model(flat))
    unit_A = by_row.gain_A.reshape(ROWS, -1).mean(-1)
    numbers = replace(blank, rows=by_row, unit_A=unit_A, light_scale=np.ones(RINGS))
    return jax.tree.map(jnp.asarray, numbers)


@pytest.fixture(scope="module")
def recorded(fitted, survey, spec, small, tmp_path_factory):
    path = tmp_path_factory.mktemp("tm") / "calibration.nc"
    write_record(path, fitted, survey.assign_attrs(spec_hash=spec.hash), spec, bench="virtual:3", seed=0)
    return path


def test_a_record_keeps_tm_bit_by_bit(recorded, fitted):
    found, _, _ = read_record(recorded)
    wanted, got = leaves(fitted), leaves(found)
    assert wanted.keys() == got.keys()
    assert "rows.beyond.tm.rings.conversion_rad" in wanted
    assert all(np.array_equal(got[name], wanted[name]) for name in wanted)
    assert found.rows.beyond is not None
    assert found.rows.beyond.tm is not None
    assert found.rows.beyond.tm.detected == 1.0


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("fit.rows.beyond.tm.rings.conversion_rad", 4.0, r"conversion_rad = 4\.0 at row 0"),
        ("fit.rows.beyond.tm.buses.amplitude", 1.5, r"amplitude = 1\.5 at row 0"),
        ("fit.rows.beyond.tm.rings.tuning_ratio", None, "tuning_ratio"),
    ],
)
def test_a_record_with_tm_that_cannot_be_is_refused_in_one_line(recorded, tmp_path, name, value, told):
    dataset = read_dataset(recorded, schema="prism_photonics.record/6")
    if value is None:
        dataset = dataset.drop_vars(name)
    else:
        dataset[name].values.flat[0] = value
    write_dataset(dataset, tmp_path / "calibration.nc")
    with pytest.raises(InputError, match=told) as caught:
        read_record(tmp_path / "calibration.nc")
    assert "\n" not in str(caught.value)


def test_a_record_with_tm_on_a_film_without_is_refused(recorded, tmp_path, altered, spec):
    other = altered(
        spec, process="ltoi300", ring={"radius_um": 80.0, "pitch_um": 300.0, "gap_through_um": 0.6, "gap_drop_um": 0.6}
    )
    dataset = read_dataset(recorded, schema="prism_photonics.record/6")
    dataset = dataset.assign_attrs(spec=other.model_dump_json(), spec_hash=other.hash)
    write_dataset(dataset, tmp_path / "calibration.nc")
    with pytest.raises(InputError, match=r"film ltoi300, whose TM leaks or is not known, want none; calibrate again"):
        read_record(tmp_path / "calibration.nc")


def test_slopes_of_programs_and_curves_are_those_of_the_row_in_two_polarizations(recorded):
    calibration, _, _ = read_record(recorded)
    fit = jax.tree.map(np.asarray, calibration)
    bus = bus_of(fit, np.arange(ROWS))
    volts = np.random.default_rng(6).uniform(-DRIVE_V, DRIVE_V, (ROWS, RINGS))
    weights, slopes = weights_and_slopes(bus, volts)
    assert weights == pytest.approx(weights_at(bus, volts), rel=1e-10)
    assert weights.ravel() == pytest.approx(np.asarray(calibration.weights(jnp.asarray(volts))).ravel(), rel=1e-9)
    for ring, step in enumerate(1e-4 * np.eye(RINGS)):
        by = (weights_at(bus, volts + step) - weights_at(bus, volts - step)) / 2e-4
        assert slopes[..., ring] == pytest.approx(by, rel=1e-5, abs=1e-8)
    curves = tuning_curves(bus, DRIVE_V, 33)
    at_rest = weights_at(bus, np.zeros((ROWS, RINGS)))
    # The held curve is the row's own where it is not held: at rest as well, or below what it is held at.
    assert (curves.weights[16] >= at_rest - 1e-9).all()
    assert np.isclose(curves.weights[16], at_rest, atol=1e-9).sum() >= ROWS


def test_weights_that_are_programmed_through_tm_are_those_of_the_die(recorded, die):
    calibration, _, _ = read_record(recorded)
    low, high = common_range(calibration)
    wanted = np.random.default_rng(7).uniform(low, high, (12, ROWS, RINGS))
    done = program(calibration, wanted)
    assert np.abs(done.residual).max() < 1e-4
    got = currents_A(die, done.volts) / np.asarray(calibration.unit_A)
    off = np.moveaxis(got, 1, 2) - wanted
    assert np.log2((high - low) / np.sqrt(np.mean(off**2))) > 12.0


def test_the_tracker_expects_what_the_fit_in_two_polarizations_says(recorded):
    calibration, _, _ = read_record(recorded)
    volts = jnp.asarray(np.random.default_rng(8).uniform(-DRIVE_V, DRIVE_V, (ROWS, RINGS)))
    rest, nowhere = DriftState.rest((ROWS, RINGS)), jnp.zeros((3, ROWS, RINGS))
    found = predicted_A(calibration, rest, nowhere, volts=volts, lights=jnp.eye(RINGS))
    wanted = np.asarray(calibration.weights(volts)).T * np.asarray(calibration.unit_A)
    leaked = np.asarray(calibration.leak) * wanted.sum(0)
    assert np.asarray(found) == pytest.approx(np.asarray(calibration.dark_A) + wanted + leaked, rel=1e-9)
