"""A script has what the command line has: one road from a chip to its bundle, its drift followed."""

import numpy as np
import pytest

import prism_photonics as pp
from prism_photonics.calibration.faults import find_faults
from prism_photonics.calibration.record import write_record
from prism_photonics.characterize.weights import measure_weights
from prism_photonics.chip.draft import draft_served
from prism_photonics.chip.serve import serving
from prism_photonics.chip.served import ServedChip
from prism_photonics.units import InputError
from prism_photonics.workflow.bench import may_be_same_chip
from prism_photonics.workflow.search import search_rings

# A reading takes a millisecond, and the common temperature walks while one looks.
DRIFTING = {
    "chip": {"rows": 2, "channels": 4},
    "comb": {"line_power_dBm": -3.0},
    "drive": {"dac_bits": 16},
    "detector": {"tia_noise_pA_rtHz": 5.0, "bandwidth_GHz": 1e-6, "adc_bits": 18},
    "drift": {"temperature_K": 0.1, "gradient_K": 0.005, "thermal_time_s": 600.0},
}


@pytest.fixture(scope="module")
def calibration(circles, altered):
    """A small chip on slow instruments in a room that drifts, calibrated."""
    chip = pp.VirtualChip(altered(circles, name="slow_2x4", **DRIFTING), seed=0)
    return pp.calibrate_chip(chip, seed=1)


@pytest.fixture(scope="module")
def weights(calibration):
    span = calibration.weight_range
    return np.random.default_rng(5).uniform(span.low, span.high, calibration.fit.shape)


@pytest.fixture(scope="module")
def accuracy(calibration):
    return calibration.validate(seed=2)


# ---------------------------------------------------------------- what a session keeps


def test_a_session_keeps_its_survey_its_chip_and_its_tracker(calibration):
    assert calibration.survey.attrs["spec_hash"] == calibration.spec.hash == calibration.chip.spec.hash
    assert calibration.tracker.active
    assert calibration.readings_per_ring == calibration.fit.triggers / 4
    assert calibration.faults == find_faults(calibration.survey, calibration.spec) == ()
    assert calibration.warnings == ()


def test_an_applied_weight_is_corrected_for_what_drifted_since(calibration, weights):
    """The rings' voltages as calibrated are off two minutes later; those that the session applies are not."""
    programmed = calibration.program(weights)
    assert programmed.out_of_reach == ()
    calibration.chip.wait(120.0)
    calibration.apply(programmed)
    followed = calibration.measure_weights() - weights
    calibration.chip.set(programmed.volts[0])
    unit = calibration.fit.unit_A
    dark = calibration.chip.measure(np.zeros(4), averages=64)
    light = np.diag(np.asarray(calibration.fit.light_scale))
    alone = np.stack([(calibration.chip.measure(one, averages=64) - dark) / unit for one in light], 1) - weights
    assert np.sqrt(np.mean(followed**2)) < 2e-3
    assert np.sqrt(np.mean(alone**2)) > 3.0 * np.sqrt(np.mean(followed**2))
    assert calibration.chip.over_voltage_attempts == 0


def test_weights_stay_true_that_are_held_or_applied_again_and_are_lost_left_alone(small, altered):
    """Fast instruments see no drift in a survey; half a minute under the same voltages relaxes the film."""
    chip = pp.VirtualChip(altered(small, drive={"max_voltage_V": 20.0}), seed=0)
    calibration = pp.calibrate_chip(chip, seed=1)
    assert not calibration.tracker.active
    span = calibration.weight_range
    wanted = np.random.default_rng(5).uniform(0.7 * span.low, 0.7 * span.high, calibration.fit.shape)
    programmed = calibration.program(np.stack([np.zeros_like(wanted), wanted]))

    def error() -> float:
        return float(np.sqrt(np.mean((calibration.measure_weights() - wanted) ** 2)))

    calibration.apply(programmed, page=1)
    assert error() < 3e-3
    assert not calibration.tracker.active
    chip.wait(30.0)
    left_alone = measure_weights(chip, calibration.fit, calibration.spec).weights
    assert np.sqrt(np.mean((left_alone - wanted) ** 2)) > 1e-2
    calibration.apply(programmed, page=1)
    assert calibration.tracker.active
    assert error() < 3e-3
    held = calibration.hold(programmed, page=1)
    for _ in range(30):
        chip.wait(1.0)
        held.refresh()
    assert held.pinned == []
    assert error() < 3e-3
    with pytest.raises(InputError, match="page 2, want 0 to 1"):
        calibration.hold(programmed, page=2)
    assert chip.over_voltage_attempts == 0


def test_a_session_that_follows_its_chip_holds_weights_by_the_tracker_it_has(circles, altered, weights):
    calibration = pp.calibrate_chip(pp.VirtualChip(altered(circles, name="slow_2x4", **DRIFTING), seed=0), seed=1)
    held = calibration.hold(calibration.program(weights))
    assert held is calibration.tracker
    for _ in range(20):
        calibration.chip.wait(1.0)
        held.refresh()
    assert np.sqrt(np.mean((calibration.measure_weights() - weights) ** 2)) < 2e-3


def test_the_voltages_of_a_pause_charge_the_film_whatever_is_done_next(calibration, weights, accuracy):
    """Ten minutes at the last voltages, which a film that relaxes remembers: accuracy is that of no pause."""
    bits = accuracy.accuracy_bits
    calibration.chip.wait(600.0)
    assert calibration.validate(seed=3).accuracy_bits == pytest.approx(bits, abs=0.5)
    calibration.chip.wait(600.0)
    assert calibration.trim(seed=3).closed_loop_bits[0] == pytest.approx(bits, abs=0.5)
    calibration.apply(calibration.program(weights))
    calibration.chip.wait(600.0)
    error = calibration.measure_weights() - weights
    assert np.sqrt(np.mean(error**2)) < 2e-3


def test_a_chip_that_did_not_pause_is_asked_nothing(calibration, weights):
    """So a job that goes on at once reads no more than it plans."""
    calibration.apply(calibration.program(weights))
    calibration.measure_weights()
    assert not calibration.chip.paused
    readings = calibration.tracker.triggers
    calibration.tracker.catch_up()
    assert calibration.tracker.triggers == readings
    calibration.chip.wait(1.0)
    calibration.tracker.catch_up()
    assert calibration.tracker.triggers == readings + 1


def test_a_study_of_drift_tells_the_tracker_what_charged_the_film(calibration, weights):
    """Hours at other voltages: what is applied next is as right as ever."""
    calibration.study_drift(seed=4)
    calibration.apply(calibration.program(weights))
    assert np.sqrt(np.mean((calibration.measure_weights() - weights) ** 2)) < 2e-3


def test_pages_are_applied_one_by_one_and_an_unknown_one_is_refused(calibration, weights):
    programmed = calibration.program(np.stack([weights, weights[::-1]]))
    calibration.apply(programmed, page=1)
    assert calibration.measure_weights() == pytest.approx(weights[::-1], abs=1e-2)
    with pytest.raises(InputError, match=r"apply: page 2, want 0 to 1; choose another"):
        calibration.apply(programmed, page=2)


def test_weights_that_nobody_applied_are_not_measured(calibration):
    calibration.scores(np.eye(2), np.eye(2))  # which puts others there
    with pytest.raises(InputError, match="no weights are on the chip; apply what was programmed first"):
        calibration.measure_weights()


def test_scores_by_photocurrent_are_those_of_arithmetic(calibration):
    rng = np.random.default_rng(3)
    signatures, queries = rng.standard_normal((5, 7)), rng.standard_normal((6, 7))
    scores, exact = calibration.scores(signatures, queries), queries @ signatures.T
    assert scores.shape == (6, 5)
    assert np.corrcoef(scores.ravel(), exact.ravel())[0, 1] > 0.999


def test_what_all_signatures_share_costs_their_scores_no_accuracy(calibration):
    rng = np.random.default_rng(3)
    own, queries = rng.standard_normal((5, 7)), rng.standard_normal((6, 7))
    signatures = own + 100.0 * rng.standard_normal(7)
    errors = calibration.scores(signatures, queries) - queries @ signatures.T
    assert np.std(errors) < 0.05 * np.std(queries @ own.T)


# ---------------------------------------------------------------- one road


def test_the_record_that_a_session_saves_is_read_back_as_it_was(calibration, accuracy, tmp_path):
    calibration.save(tmp_path)
    accuracy.save(tmp_path)
    fit, spec = pp.load_calibration(tmp_path)
    assert spec == calibration.spec
    assert np.array_equal(fit.offset_pm, calibration.fit.offset_pm)
    assert np.array_equal(pp.load_accuracy(tmp_path).validation.measured, accuracy.validation.measured)
    from prism_photonics.calibration.record import read_record

    assert read_record(tmp_path / "calibration.nc")[2] == {"bench": "virtual:0", "seed": 1}


def test_the_session_of_a_seed_is_the_calibration_of_that_seed(calibration):
    """Scripts and commands draw from the same streams."""
    import jax

    from prism_photonics.calibration.calibration import calibrate

    again = pp.VirtualChip(calibration.spec, seed=0)
    found = calibrate(again, calibration.spec, key=jax.random.key(1 ^ 0x5EED))
    assert np.array_equal(found.offset_pm, calibration.fit.offset_pm)


def test_a_bundle_carries_the_spec_of_the_chip_that_it_was_fitted_to(calibration, accuracy, tmp_path):
    behavior = pp.fit_behavior(accuracy)
    bundle = behavior.save(tmp_path / "bundle")
    assert isinstance(bundle, pp.Bundle)
    assert pp.ChipSpec.model_validate_json(bundle.spec) == calibration.spec
    assert dict(bundle.report) == dict(behavior.report)


def test_a_seed_that_is_no_whole_number_is_refused_before_the_chip_is_touched(calibration):
    before = calibration.chip.time_s
    with pytest.raises(InputError, match=r"calibrate_chip: seed = -1, want a whole number"):
        pp.calibrate_chip(calibration.chip, seed=-1)
    with pytest.raises(InputError, match=r"validate: seed = -1, want a whole number"):
        calibration.validate(seed=-1)
    assert calibration.chip.time_s == before


# ---------------------------------------------------------------- calibrated yesterday


@pytest.fixture(scope="module")
def yesterday(calibration, tmp_path_factory):
    """The record of the calibration, and its die a day later on a bench whose clock began anew."""
    folder = tmp_path_factory.mktemp("yesterday")
    calibration.save(folder)
    chip = pp.VirtualChip(calibration.spec, seed=0)
    chip.wait(86_400.0)
    return folder, chip


def test_a_chip_that_was_calibrated_yesterday_is_programmed_applied_and_held_today(yesterday, calibration, weights):
    folder, chip = yesterday
    today = pp.CalibrationSession.load(folder, chip)
    assert (today.fit.triggers, today.faults, today.seed) == (calibration.fit.triggers, (), 1)
    assert today.survey.equals(calibration.survey)
    programmed = today.program(weights)
    today.apply(programmed)
    followed = today.measure_weights() - weights
    chip.set(programmed.volts[0])
    alone = measure_weights(chip, today.fit, today.spec).weights
    assert np.sqrt(np.mean(followed**2)) < 2e-3
    assert np.sqrt(np.mean((alone - weights) ** 2)) > 3.0 * np.sqrt(np.mean(followed**2))
    held = today.hold(programmed)
    for _ in range(20):
        chip.wait(1.0)
        held.refresh()
    assert np.sqrt(np.mean((today.measure_weights() - weights) ** 2)) < 2e-3
    assert chip.over_voltage_attempts == 0


def test_a_chip_that_was_driven_since_is_followed_too_and_a_wrong_time_is_made_up_for(yesterday, weights):
    """Ten minutes under voltages that nobody recorded leave charge in the film; two minutes without do not end it."""
    folder, _ = yesterday
    chip = pp.VirtualChip(pp.load_calibration(folder)[1], seed=0)
    chip.wait(86_400.0)
    chip.set(np.random.default_rng(8).uniform(-15.0, 15.0, weights.shape))
    chip.wait(600.0)
    chip.set(np.zeros(weights.shape))
    chip.wait(120.0)
    today = pp.CalibrationSession.load(folder, chip, since_s=60.0)
    today.apply(today.program(weights))
    assert np.sqrt(np.mean((today.measure_weights() - weights) ** 2)) < 3e-3


def test_a_chip_of_another_spec_or_another_die_is_refused_before_it_is_touched(yesterday, calibration, altered):
    folder, _ = yesterday
    other = pp.VirtualChip(altered(calibration.spec, drive={"max_voltage_V": 15.0}), seed=0)
    with pytest.raises(
        InputError, match=r"calibrated was slow_2x4 \(spec .*\), the chip is slow_2x4 .* calibrate this"
    ):
        pp.CalibrationSession.load(folder, other)
    other = pp.VirtualChip(calibration.spec, seed=1)
    with pytest.raises(InputError, match=r"calibrated was the chip on virtual:0, this is the one on virtual:1; take"):
        pp.CalibrationSession.load(folder, other)
    with pytest.raises(InputError, match=r"since_s = -1 s, want 0 to 1e\+08; give the time since"):
        pp.CalibrationSession.load(folder, pp.VirtualChip(calibration.spec, seed=0), since_s=-1.0)
    assert other.time_s == 0.0


@pytest.mark.parametrize("seed", ["1", True, -1, 1.5, None])
def test_a_record_whose_seed_is_none_is_refused_before_the_chip_is_touched(calibration, tmp_path, seed):
    write_record(
        tmp_path / "calibration.nc", calibration.fit, calibration.survey, calibration.spec, bench="virtual:0", seed=seed
    )
    chip = pp.VirtualChip(calibration.spec, seed=0)
    with pytest.raises(InputError, match=r"calibration\.nc: seed = .*, want a whole number of 0 to"):
        pp.CalibrationSession.load(tmp_path, chip)
    assert chip.time_s == 0.0


@pytest.mark.parametrize("seed", [1, 2])
def test_another_die_is_told_by_its_readings_where_no_label_tells_it(calibration, tmp_path, monkeypatch, seed):
    """Its rings' shifts can be followed, but not their tuning; it is left without voltage, as the line advises."""
    calibration.save(tmp_path, bench="")
    chip = pp.VirtualChip(calibration.spec, seed=seed)
    given, drive = [], chip.set
    monkeypatch.setattr(chip, "set", lambda volts: (given.append(volts), drive(volts)))
    with pytest.raises(
        InputError, match=r"from it are off by 0\.[3-9]\d* \(rms\) on this chip, want at most 0.05: another"
    ):
        pp.CalibrationSession.load(tmp_path, chip)
    assert chip.over_voltage_attempts == 0
    assert np.any(given[-2])
    assert not np.any(given[-1])


# ---------------------------------------------------------------- what is seen


def test_every_object_says_in_one_line_what_it_found(calibration, accuracy):
    told = [repr(calibration), repr(accuracy), repr(pp.fit_behavior(accuracy)), repr(calibration.chip)]
    assert all("\n" not in line and len(line) < 300 and "slow_2x4" in line for line in told)
    assert f"{calibration.readings_per_ring:.1f} readings per ring" in told[0]
    assert "drift followed" in told[0]
    assert f"{accuracy.accuracy_bits:.2f} bits open loop" in told[1]


def test_a_calibration_plots_its_tuning_curves_and_its_resonances(calibration):
    from matplotlib.figure import Figure

    mine = Figure().subplots()
    assert calibration.plot(mine) is mine
    assert len(mine.get_lines()) == 8
    assert np.abs([line.get_ydata() for line in mine.get_lines()]).max() < 1.1
    axes = calibration.plot_resonances(Figure().subplots())
    assert axes.get_ylabel() == "resonance − channel (pm)"


def test_an_accuracy_plots_the_points_that_it_measured(accuracy):
    from matplotlib import pyplot

    axes = accuracy.plot()
    (points,) = axes.get_lines()
    assert np.array_equal(points.get_ydata(), accuracy.validation.measured.ravel())
    pyplot.close(axes.figure)


# ---------------------------------------------------------------- on instruments


@pytest.fixture(scope="module")
def heated_record(circles, altered, tmp_path_factory):
    """The record of an untrimmed chip of that size, whose rings a search brought to their channels."""
    spec = altered(circles, name="heated_2x4", **DRIFTING, trim={"method": "heater", "heater_mW_nm": 5.0})
    chip = pp.VirtualChip(spec, seed=0, trimmed=False)
    search_rings(chip)
    folder = tmp_path_factory.mktemp("heated")
    pp.calibrate_chip(chip, seed=1).save(folder, bench="old/place/bench.toml")
    return folder, spec, chip.heater_mW.copy()


@pytest.mark.slow
def test_a_heated_chip_on_instruments_is_programmed_from_its_record(heated_record, tmp_path):
    """Another program, another day: its bench file has moved, and its heaters are on before a ring is driven."""
    folder, spec, heater_mW = heated_record
    box = ServedChip(pp.VirtualChip(spec, seed=0, trimmed=False), idn=f"prism_photonics,{spec.name}", time_scale=0.0)
    with serving(box) as resource:
        path = tmp_path / "bench.toml"
        path.write_text(draft_served(spec, int(resource.split("::")[2])).replace("settle_s = 0.002", "settle_s = 0.0"))
        with pp.BenchChip(spec, path) as chip:
            chip.wait(86_400.0)
            today = pp.CalibrationSession.load(folder, chip)
            assert np.allclose(box._heat.sent, heater_mW)
            span = today.weight_range
            wanted = np.random.default_rng(6).uniform(span.low, span.high, today.fit.shape)
            today.apply(today.program(wanted))
            assert np.sqrt(np.mean((today.measure_weights() - wanted) ** 2)) < 3e-3
    assert not box._volts.sent.any()
    assert not box._heat.sent.any()
    assert box.over_voltage_attempts == box.over_power_attempts == 0


@pytest.mark.parametrize(
    ("one", "other", "may_be"),
    [
        ("virtual:0", "virtual:0", True),
        ("virtual:0", "virtual:1", False),
        ("virtual:0", "untrimmed:0", False),
        ("a/bench.toml", "b/bench.toml", True),
        ("a/bench.toml", "virtual:0", False),
        ("recorded:a", "recorded:b", False),
        ("recorded:a", "bench.toml", False),
        ("", "virtual:0", True),
    ],
)
def test_a_bench_file_may_have_moved_and_a_die_has_its_name(one, other, may_be):
    assert may_be_same_chip(one, other) is may_be_same_chip(other, one) is may_be
