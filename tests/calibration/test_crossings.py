"""A ring on a crossing of TE and TM: its line, which no fit of one polarisation explains, is explained with TM."""

import jax
import numpy as np
import pytest

from prism_photonics.calibration import crossings, survey_fit
from prism_photonics.calibration.calibration import from_survey, summary
from prism_photonics.calibration.record import leaves, read_record, write_record
from prism_photonics.calibration.survey import take_survey
from prism_photonics.chip.fabricate import draw_die, exit_powers, full_die
from prism_photonics.chip.truth import FullTruth
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.programming.bus import bus_of, weights_and_slopes, weights_at
from prism_photonics.programming.solve import common_range, program
from prism_photonics.seeds import die_key
from prism_photonics.spec import load_spec
from prism_photonics.threefry import generator, split

ROWS, RINGS, SEED = 2, 3, 20
CROSSING, OTHER = (1, 0), 0
"""Where TM's order meets the line: the ring, and the row where none does."""
TRUTH = FullTruth(splitting_pm=1.0, te_tm=1.0, flicker_pm=0.0, absorbed_pm_mW=0.0, second_neighbour=0.0)


@pytest.fixture(scope="module")
def spec(altered):
    """Rings whose arms undo what their bends mix, on films that are off the drawn one by more than foundries say."""
    small = {"chip": {"rows": ROWS, "channels": RINGS}, "variation": {"thickness_nm": 6.0}}
    still = {"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.0}
    return altered(load_spec("demo_8x8"), name="small_2x3", drive={"max_voltage_V": 20.0}, drift=still, **small)


@pytest.fixture(scope="module")
def read(spec):
    return take_survey(VirtualChip(spec, seed=SEED, truth=TRUTH), spec, key=jax.random.key(1))


@pytest.fixture(scope="module")
def fitted(read, spec):
    return jax.tree.map(np.asarray, from_survey(read, spec, key=jax.random.key(2)))


@pytest.fixture(scope="module")
def without(read, spec):
    """The same readings, fitted as if the film guided no TM."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey_fit, "with_crossings", lambda readings, fit, apart, **_: (fit, readings, apart))
        return jax.tree.map(np.asarray, from_survey(read, spec, key=jax.random.key(2)))


@pytest.fixture(scope="module")
def die(spec):
    """What the virtual chip hides."""
    of_die, of_noise = split(die_key(SEED))
    drawn = draw_die(spec, of_die)
    return full_die(spec, drawn, TRUTH, generator(of_noise).spawn(3)[2], key=of_die)


def missed(fit, die, *, most_V):
    """Rms error of every ring's weight at held-out voltages, each line's own gain apart."""
    volts = np.random.default_rng(3).uniform(-most_V, most_V, (30, ROWS, RINGS))
    found = np.stack([weights_at(bus_of(fit, np.arange(ROWS)), one) for one in volts])
    hidden = []
    for setting in volts:
        through, drop = exit_powers(die.light, die.shift_pm(setting, np.zeros(setting.shape)))[0][:, :, 0]
        hidden.append(through * die.full_A[0] - drop * die.full_A[1])
    hidden_A = np.stack(hidden)
    unit = (found * hidden_A).sum(0) / (hidden_A**2).sum(0)
    return np.sqrt(np.mean((found - unit * hidden_A) ** 2, axis=0))


def test_its_line_is_set_apart_without_tm_and_explained_with_it(without, fitted):
    assert np.argwhere(without.spoiled).tolist() == [list(CROSSING)]
    assert not fitted.spoiled.any()
    print(without.chi2, fitted.chi2, fitted.left.chi2)
    assert fitted.left.chi2[CROSSING[0], 0, CROSSING[1]] < 1e-2 * without.left.chi2[CROSSING[0], 0, CROSSING[1]]
    assert summary(fitted)["buses_with_tm"] == [[CROSSING[0], 0]]
    assert "buses_with_tm" not in summary(without)


def test_its_weights_are_foretold(without, fitted, die):
    before, after = (missed(fit, die, most_V=16.0) for fit in (without, fitted))
    print(before, after)
    assert after[CROSSING] < 0.2 * before[CROSSING]
    assert after.max() < 1e-3 < before.max()


def test_rings_of_rows_that_ask_for_no_tm_convert_nothing_and_are_known_as_before(without, fitted):
    assert not fitted.rows.beyond.tm.rings.conversion_rad[OTHER].any()
    assert np.array_equal(fitted.rows.rings.offset_pm[OTHER], without.rows.rings.offset_pm[OTHER])
    assert fitted.std.offset[OTHER] == pytest.approx(without.std.offset[OTHER], rel=0.1)


def test_rows_beside_a_crossing_of_a_chip_that_was_fitted_plain_stay_as_they_were(read, spec, monkeypatch):
    monkeypatch.setattr(survey_fit, "fuller", lambda *_, **__: None)
    found = from_survey(read, spec, key=jax.random.key(2))
    monkeypatch.setattr(survey_fit, "with_crossings", lambda readings, fit, apart, **_: (fit, readings, apart))
    plain = from_survey(read, spec, key=jax.random.key(2))
    assert found.rows.beyond is not None
    assert plain.rows.beyond is None
    # The row beside it stays the plain row that it was, in its numbers and in what they leave.
    np.testing.assert_array_equal(found.left.chi2[OTHER], plain.left.chi2[OTHER])
    for name in ("slope_pm_V", "offset_pm"):
        np.testing.assert_array_equal(getattr(found.rows.rings, name)[OTHER], getattr(plain.rows.rings, name)[OTHER])
    assert found.chi2[CROSSING[0]].max() < 0.1 * plain.chi2[CROSSING[0]].max()


def test_where_some_buses_were_explained_by_no_search_orders_are_no_longer_searched(read, spec, monkeypatch):
    handed = []

    def kept(readings, fit, apart, **more):
        handed.append(((readings, fit, apart), more))
        return fit, readings, apart

    monkeypatch.setattr(survey_fit, "with_crossings", kept)
    from_survey(read, spec, key=jax.random.key(2))
    ((args, more),) = handed
    # Nothing that is begun by chance, and nothing that is found by the search, explains the line.
    monkeypatch.setattr(crossings, "_alone", lambda bus, flat, line, rng, *, converting: flat[None])
    searched = []
    monkeypatch.setattr(
        crossings, "searched_orders", lambda bus, flat, line, *, shares: (searched.append(line), flat)[1]
    )
    for most, count in ((0, 0), (1, 1)):
        monkeypatch.setattr(crossings, "MOST_MISSED", most)
        crossings.with_crossings(*args, **more)
        assert len(searched) == count


def test_programs_through_the_crossing_are_the_dies(fitted, die):
    low, high = common_range(fitted)
    wanted = np.random.default_rng(7).uniform(low, high, (6, ROWS, RINGS))
    done = program(fitted, wanted)
    bus = bus_of(fitted, np.arange(ROWS))
    weights, slopes = weights_and_slopes(bus, done.volts[0])
    for ring, step in enumerate(1e-4 * np.eye(RINGS)):
        by = (weights_at(bus, done.volts[0] + step) - weights_at(bus, done.volts[0] - step)) / 2e-4
        assert slopes[..., ring] == pytest.approx(by, rel=1e-4, abs=1e-7)
    assert weights == pytest.approx(wanted[0], abs=2e-3)


def test_a_record_keeps_it(fitted, read, spec, tmp_path):
    write_record(tmp_path / "calibration.nc", fitted, read, spec)
    again, _, _ = read_record(tmp_path / "calibration.nc")
    wanted, got = leaves(fitted), leaves(again)
    assert wanted.keys() == got.keys()
    assert all(np.array_equal(got[name], wanted[name]) for name in wanted)
    assert summary(again) == summary(fitted)


def test_a_line_that_tm_does_not_explain_stays_set_apart(read, spec):
    current_A, volts_V = read.current_A.values.copy(), read.volts_V.values
    # What no ring does: the sign of its voltage times that of its neighbour's shows.
    jumps = np.sign(volts_V[:, OTHER, 0] * volts_V[:, OTHER, 1])
    current_A[:, 1, OTHER] *= 1.0 + 0.2 * jumps
    struck = read.assign(current_A=(read.current_A.dims, current_A))
    found = from_survey(struck, spec, key=jax.random.key(2))
    assert np.argwhere(found.spoiled).tolist() == [[OTHER, 1]]
    assert "buses_with_tm" not in summary(found)
