"""A fit to fabricated measurements returns the numbers they were made with, and says so when it cannot."""

from copy import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from prism_photonics.behavior.fit import fit
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.codec.encoding import quantize
from prism_photonics.units import InputError

BIAS = np.linspace(-0.002, 0.003, 8)
STD = np.linspace(0.002, 0.006, 8)
LEAK = 0.01


Record = partial(
    Validation,
    dac_bits=8,
    encoding="offset",
    weight_low=-0.3,
    weight_high=0.7,
    spec_hash="f" * 64,
    residual_rms=1e-4,
    leak=LEAK,
)


def fabricate(
    floor, shot, rin, common=0.0, *, bits=8, targets=60, settings=60, repeats=64, rows=8, measured_std=0.001, seed=0
):
    rng = np.random.default_rng(seed)
    commanded = rng.uniform(-0.3, 0.7, (targets, rows, 8))
    error = BIAS + STD * rng.standard_normal(commanded.shape)
    light = rng.uniform(0, 1, (settings, 8)) * rng.uniform(0, 1, (settings, 1))
    weights = rng.uniform(-0.3, 0.7, (settings, rows, 8))
    arriving = light + LEAK
    # The rings are off while the noise is studied as they are when their weights are read.
    lit = (weights + BIAS) * arriving[:, None, :]
    std = np.sqrt(
        floor**2 + shot**2 * arriving.sum(1)[:, None] + rin**2 * (lit**2).sum(2) + common**2 * lit.sum(2) ** 2
    )
    y = lit.sum(2)[:, None] + std[:, None] * rng.standard_normal((settings, repeats, rows))
    full_scale = np.linspace(3.0, 3.5, rows)
    record = Record(
        commanded=commanded,
        measured=commanded + error + measured_std * rng.standard_normal(commanded.shape),
        measured_std=np.full(commanded.shape, measured_std),
        light=light,
        weights=weights,
        reads=quantize(y, bits, -full_scale, full_scale),
        adc_full_scale=full_scale,
        adc_bits=bits,
    )
    return record, float(np.sqrt(np.mean(std**2)))


def test_the_weight_error_is_found_without_the_error_of_its_own_measurement():
    record, _ = fabricate(0.02, 0.01, 0.02, targets=200, measured_std=0.004)
    model = fit(record)
    # 1600 samples per channel, of total spread 0.0045 to 0.0072.
    assert np.asarray(model.weight_bias) == pytest.approx(BIAS, abs=4 * 0.0072 / 40)
    assert np.asarray(model.weight_error_std) == pytest.approx(STD, rel=0.2)
    assert np.mean(model.weight_error_std**2) == pytest.approx(np.mean(STD**2), rel=0.08)


def test_what_rings_drift_by_while_the_record_is_taken_is_no_offset_of_the_readings():
    """As measured on a virtual bank: targets read first are right, and later ones off by more and more."""
    record, _ = fabricate(0.002, 0.001, 0.0, bits=14, targets=48, settings=40)
    moved = np.linspace(0.0, 0.02, 48)
    steady = record.measured - BIAS
    light = record.light + LEAK
    predicted = np.einsum("src,sc->sr", record.weights, light)
    # The study comes last: by then each weight is off by 0.02, so that readings are by their whole light.
    late = predicted + 0.02 * light.sum(1)[:, None]
    full_scale = record.adc_full_scale
    reads = quantize(np.repeat(late[:, None], 64, 1), 14, -full_scale, full_scale)
    again = record.commanded[:8] + 0.02
    drifted = replace(record, measured=steady + moved[:, None, None], again=again, reads=reads)
    model = fit(drifted)
    assert float(np.abs(np.asarray(model.score_offset)).max()) < 1e-3
    assert np.asarray(model.score_gain) == pytest.approx(1.0, abs=2e-3)
    # Of weights that stayed at the mean of all targets this very study has an offset, which no row has.
    stayed = fit(replace(drifted, measured=record.commanded + moved.mean(), again=()))
    assert float(np.asarray(stayed.score_offset).mean()) > 0.005


def test_a_ring_that_is_left_out_moves_no_reading_of_the_other_rows():
    """Its measured weight may be anything, and it is said by hand as often as by the record."""
    record, _ = fabricate(0.002, 0.001, 0.0, bits=14, settings=40)
    excluded = np.zeros((8, 8), bool)
    excluded[2, 5] = True
    dead = replace(record, measured=np.where(excluded, 30.0, record.measured))
    others = np.arange(8) != 2
    for model in (fit(dead, excluded=excluded), fit(replace(dead, excluded=excluded))):
        assert float(np.abs(np.asarray(model.score_offset)[others]).max()) < 2e-3
        assert np.asarray(model.score_gain)[others] == pytest.approx(1.0, abs=3e-3)


def test_four_noise_parts_are_told_apart():
    truth = {"floor": 0.02, "shot": 0.03, "rin": 0.06, "common": 0.04}
    model = fit(fabricate(**truth, bits=12, settings=300, repeats=200)[0])
    for name, value in truth.items():
        assert float(getattr(model, f"noise_{name}")) == pytest.approx(value, rel=0.1), name
    assert model.report["noise_below_lsb"] == 0


def test_noise_that_no_line_shares_is_not_taken_for_common_noise():
    model = fit(fabricate(0.02, 0.03, 0.06, bits=12, settings=300, repeats=200)[0])
    assert float(model.noise_rin) == pytest.approx(0.06, rel=0.1)
    assert float(model.noise_common) < 0.01


@pytest.mark.parametrize(
    ("bits", "tolerance"),
    [(10, 0.03), (8, 0.03), (6, 0.05), (5, 0.1)],
    ids=["4.5 LSB", "1.1", "0.28", "0.14"],
)
def test_the_noise_level_is_found_above_and_below_one_step_of_the_converter(bits, tolerance):
    record, level = fabricate(0.02, 0.015, 0.02, bits=bits)
    report = fit(record).report
    assert report["noise_rms"] == pytest.approx(level, rel=tolerance)
    assert report["noise_below_lsb"] == (bits < 8)


def test_a_chip_without_read_noise_is_fitted_with_none_and_not_with_the_converters_own():
    report = fit(fabricate(0.0, 0.0, 0.0)[0]).report
    assert report["noise_rms"] < 0.02 * report["adc_step"]


def test_the_held_out_halves_agree_when_the_model_class_is_right():
    report = fit(fabricate(0.02, 0.015, 0.02, targets=100)[0]).report
    assert report["weight_error_held_out_ratio"] == pytest.approx(1, abs=0.1)
    assert report["noise_held_out_ratio"] == pytest.approx(1, abs=0.1)


def test_the_held_out_check_notices_noise_that_the_fit_did_not_see():
    record, _ = fabricate(0.02, 0.015, 0.02)
    measured = record.measured.copy()
    measured[1::2] = record.commanded[1::2] + 2 * (measured[1::2] - record.commanded[1::2])
    full_scale, reads = record.adc_full_scale, record.reads.copy()
    middle = reads[1::2].mean(axis=1, keepdims=True)
    reads[1::2] = quantize(middle + 2 * (reads[1::2] - middle), 8, -full_scale, full_scale)
    report = fit(replace(record, measured=measured, reads=reads)).report
    assert report["weight_error_held_out_ratio"] > 1.6
    assert report["noise_held_out_ratio"] > 1.6


def test_the_model_takes_range_and_converters_from_the_record():
    model = fit(fabricate(0.02, 0.01, 0.02)[0])
    assert float(model.weight_centre) == pytest.approx(0.2)
    assert float(model.weight_span) == pytest.approx(0.5)
    assert float(model.leak) == LEAK
    assert (model.rows, model.channels, model.adc_bits, model.encoding) == (8, 8, 8, "offset")
    assert np.asarray(model.adc_full_scale) == pytest.approx(np.linspace(3.0, 3.5, 8))
    assert all(np.isfinite(value) for value in model.report.values())


def test_readings_at_the_rail_are_left_out_and_counted():
    record, level = fabricate(0.02, 0.015, 0.02, bits=10)
    reads = record.reads.copy()
    reads[5, :, 2] = record.adc_full_scale[2]
    report = fit(replace(record, reads=reads)).report
    assert report["lines_clipped"] == 1
    assert report["noise_rms"] == pytest.approx(level, rel=0.03)


def test_records_that_cannot_be_fitted_are_refused_in_one_line():
    record, _ = fabricate(0.02, 0.015, 0.02)
    nan = record.measured.copy()
    nan[3, 1, 2] = np.nan
    # The tests' shape check would stop it at the constructor; a user has no such check.
    short = copy(record)
    object.__setattr__(short, "weights", record.weights[:5])
    cases = {
        r"validation.measured \(target 3, row 1, channel 2\)": replace(record, measured=nan),
        r"validation.again \(repeated 3, row 1, channel 2\)": replace(record, again=nan[:8]),
        "validation.again: got 120 targets, want at most the 60": replace(
            record, again=np.tile(record.measured, (2, 1, 1))
        ),
        "not whole steps": replace(record, reads=record.reads + 0.01 * np.arange(64)[None, :, None]),
        "validation.weights: got shape": short,
        "no common weight interval": replace(record, weight_high=-0.5),
        "want at least 8": replace(record, reads=record.reads[:, :4]),
        "did you mean 'offset'": replace(record, encoding="off_set"),
        "stay inside the converter": replace(record, reads=np.broadcast_to(record.adc_full_scale, (60, 64, 8))),
    }
    for message, broken in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            fit(broken)
        assert "\n" not in str(caught.value)
