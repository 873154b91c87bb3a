"""What a fit leaves of its readings is named: by the line, and by what the misfit goes along with."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from prism_photonics.calibration.calibration import blank_calibration, summary
from prism_photonics.calibration.leftover import EFFECTS, Leftover, blank_leftover, leftover
from prism_photonics.calibration.reading_model import reading_slopes, readings_A
from prism_photonics.calibration.record import leaves, read_record, write_record
from prism_photonics.calibration.survey_fit import bus_surveys
from prism_photonics.calibration.unknowns import columns

RINGS, SETTINGS = 3, 40
NOISE_A = 1e-9


@pytest.fixture(scope="module")
def exact(small):
    """Two buses and unknowns that explain their readings to the noise."""
    rng = np.random.default_rng(0)
    nothing = np.zeros((SETTINGS, RINGS, 2))
    _, read = bus_surveys(
        small,
        volts=rng.uniform(-8.0, 8.0, (SETTINGS, 2, RINGS)),
        current_A=nothing,
        noise_A=nothing + NOISE_A,
        time_s=nothing[..., 0],
        channel_of_ring=np.broadcast_to(np.arange(RINGS), (2, 1, RINGS)),
    )
    flat = rng.normal(0.0, 0.3, (2, columns(RINGS)["drop_ratio"].stop))
    return replace(read, current_A=readings_A(read, flat) + NOISE_A * rng.standard_normal(read.current_A.shape)), flat


def moved(exact, shift_pm):
    """The same readings, with one ring of the first bus shifted in each by what no unknown stands for."""
    read, flat = exact
    by_shift = reading_slopes(read, flat).by_shift[0, 1]
    more = np.zeros_like(read.current_A)
    more[0] = by_shift * shift_pm[:, None]
    return replace(read, current_A=read.current_A + more), flat


def test_readings_to_the_noise_leave_a_chi2_of_one_that_goes_along_with_nothing(exact):
    left = leftover(*exact)
    assert left.chi2 == pytest.approx(np.ones((2, RINGS)), abs=0.8)
    assert left.shares.max() < 0.3


@pytest.mark.parametrize(
    ("effect", "shift"),
    [
        ("time", lambda volts: 3.0 * np.linspace(-1.0, 1.0, SETTINGS)),
        ("its own voltage", lambda volts: 0.01 * volts[:, 1] ** 3),
        ("the other rings' voltages", lambda volts: 0.3 * volts[:, 0]),
    ],
)
def test_a_shift_that_no_unknown_stands_for_is_named(exact, effect, shift):
    left = leftover(*moved(exact, shift(exact[0].volts[0, :, 0])))
    assert left.chi2[0, 1] > 10.0
    assert EFFECTS[left.shares[0, 1].argmax()] == effect
    assert f"% of it along with {effect}" in left.named((0, 1))
    # The other bus is as it was.
    assert left.chi2[1] == pytest.approx(leftover(*exact).chi2[1])


def test_readings_without_weight_are_as_good_as_not_read_whatever_stands_beside_their_bus(exact):
    read, flat = moved(exact, 0.01 * exact[0].volts[0, :, 0, 1] ** 3)
    kept = np.arange(SETTINGS) % 3 > 0
    noise_A = read.noise_A.copy()
    noise_A[0, ~kept] = np.inf
    left = leftover(read.with_noise(noise_A), flat)
    fewer = replace(
        read.take(np.array([0])),
        **{name: getattr(read, name)[:1, kept] for name in ("volts", "drift_pm", "current_A", "noise_A")},
    )
    alone = leftover(fewer, flat[:1])
    assert left.chi2[0] == pytest.approx(alone.chi2[0], rel=1e-9)
    # All but those that ask for time, which goes on in other steps.
    assert left.shares[0, :, 1:] == pytest.approx(alone.shares[0, :, 1:], abs=1e-9)
    assert left.shares[0, 1, EFFECTS.index("its own voltage")] > 0.5


def test_a_line_of_which_nothing_is_read_leaves_nothing(exact):
    noise_A = exact[0].noise_A.copy()
    noise_A[1, :, 2] = np.inf
    left = leftover(exact[0].with_noise(noise_A), exact[1])
    assert left.chi2[1, 2] == 0.0
    assert not left.shares[1, 2].any()
    assert left.chi2[1, 1] > 0.0


def test_a_misfit_of_no_kind_is_said_to_be_of_none(exact):
    read, flat = exact
    noise = np.random.default_rng(1).standard_normal(read.current_A.shape)
    left = leftover(replace(read, current_A=read.current_A + 10.0 * NOISE_A * noise), flat)
    assert "along with none of time, voltages and light" in left.named((1, 2))


def test_a_line_without_a_reading_leaves_nothing(exact):
    read, flat = exact
    noise_A = read.noise_A.copy()
    noise_A[0, :, 2] = np.inf
    left = leftover(read.with_noise(noise_A), flat)
    assert (left.chi2[0, 2], left.shares[0, 2].max()) == (0.0, 0.0)


def test_doubts_name_the_worst_line_and_records_keep_it(small, survey, tmp_path):
    blank = jax.tree.map(np.asarray, blank_calibration(small, triggers=survey.attrs["triggers"]))
    chi2, shares = (np.asarray(leaf).copy() for leaf in jax.tree.leaves(blank_leftover(small)))
    chi2[1, 0, 2], shares[1, 0, 2, 1] = 41.0, 0.8
    fit = replace(blank, chi2=np.array([[1.0], [20.0]]), left=Leftover(chi2, shares))
    (doubt,) = fit.doubts()
    assert doubt.startswith("row 1: the fit misses its readings by χ² = 20.0")
    assert "most on channel 2: χ² 41.0, 80 % of it along with its own voltage" in doubt
    shares_of_all = {effect: 0.8 * (effect == "its own voltage") for effect in EFFECTS}
    assert summary(fit)["misfit_along_with"] == pytest.approx(shares_of_all)
    write_record(tmp_path / "r.nc", fit, survey, small)
    again, _, _ = read_record(tmp_path / "r.nc")
    assert np.array_equal(leaves(again)["left.chi2"], chi2)
    # A calibration that none was fitted for says no more than before.
    assert ", most on" not in replace(fit, left=None).doubts()[0]
    write_record(tmp_path / "older.nc", replace(fit, left=None), survey, small)
    assert read_record(tmp_path / "older.nc")[0].left is None
