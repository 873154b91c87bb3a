"""Programming on a chip of two buses per row: another optimiser's answer, limits, rounding, single rows."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.programming import solve
from prism_photonics.programming.bus import bus_of, weights_and_slopes
from prism_photonics.programming.rounding import round_bus
from prism_photonics.programming.solve import SOLVED, TOLERANCE, program, reachable_weights
from prism_photonics.units import InputError


@pytest.fixture(scope="module")
def calibration(two_bus):
    """The design with scattered offsets, crosstalk, curvature and bus phases."""
    rng = np.random.default_rng(0)
    blank = blank_calibration(two_bus, triggers=0)
    rings = blank.rows.rings
    normal = lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape))  # noqa: E731
    return eqx.tree_at(
        lambda c: (
            c.rows.rings.offset_pm,
            c.rows.rings.curvature_pm_V2,
            c.rows.crosstalk,
            c.rows.buses.phase_rad,
        ),
        blank,
        (
            rings.offset_pm + 14.0 * normal(rings.offset_pm),
            0.02 * normal(rings.offset_pm),
            0.01 * normal(blank.rows.crosstalk),
            3.0 * normal(blank.rows.buses.phase_rad),
        ),
    )


@pytest.fixture(scope="module")
def targets(calibration):
    low, high = reachable_weights(calibration)
    return np.random.default_rng(1).uniform(0.9 * low + 0.1 * high, 0.1 * low + 0.9 * high)


@pytest.fixture(scope="module")
def bus(calibration):
    return bus_of(calibration, jnp.asarray(1))


def test_weights_and_slopes_of_a_bus_are_those_of_the_calibration(calibration, bus):
    volts = jnp.asarray(np.random.default_rng(2).uniform(-20.0, 20.0, calibration.shape))
    ours, slopes = weights_and_slopes(bus, volts[0, 3:])
    whole = lambda v: calibration.weights(volts.at[0, 3:].set(v))[0, 3:]  # noqa: E731
    assert ours == pytest.approx(np.asarray(whole(volts[0, 3:])), abs=1e-9)
    assert slopes == pytest.approx(np.asarray(jax.jacfwd(whole)(volts[0, 3:])), abs=1e-9)


def test_another_optimiser_finds_the_same_voltages(calibration, bus, targets):
    top_V, wanted = calibration.max_voltage_V, targets[0, 3:]
    fine = dataclasses.replace(calibration, voltage_step_V=2.0 * top_V / (2**24 - 1))
    ours = program(fine, targets).volts[0, 0, 3:]
    found = scipy.optimize.least_squares(
        lambda v: np.asarray(weights_and_slopes(bus, jnp.asarray(v))[0]) - wanted,
        ours + np.array([0.5, -0.5, 0.3]),
        bounds=(-top_V, top_V),
        xtol=1e-12,
    )
    assert found.cost < 1e-12
    # The solver stops at a residual of `SOLVED`, and a weight falls by some percent per volt.
    assert ours == pytest.approx(found.x, abs=100 * SOLVED)


def test_one_row_is_programmed_as_within_the_bank(calibration, targets):
    bank, row = program(calibration, targets), program(calibration, targets[1:], rows=[1])
    assert row.volts.shape == (1, 1, 6)
    assert row.volts[0, 0] == pytest.approx(bank.volts[0, 1], abs=1.01 * calibration.voltage_step_V)
    lost = targets[1:].copy()
    lost[0, 4] = 0.9999
    (missed, *_) = program(calibration, lost, rows=[1]).out_of_reach
    assert (missed.page, missed.row, missed.ring) == (0, 1, 4)


@pytest.mark.parametrize(
    ("rows", "message"), [([2], "row 2 is not on this chip"), ([0, 0], "different rows"), ([], "rows")]
)
def test_rows_that_the_chip_does_not_have_are_refused(calibration, targets, rows, message):
    with pytest.raises(InputError, match=message):
        program(calibration, np.zeros((len(rows), 6)), rows=rows)


def test_more_lanes_than_a_chunk_are_programmed_as_few(calibration, targets):
    pages = np.broadcast_to(targets, (70, *targets.shape))
    many, few = program(calibration, pages), program(calibration, targets)
    assert many.volts == pytest.approx(np.broadcast_to(few.volts, pages.shape), abs=1.01 * calibration.voltage_step_V)
    assert np.abs(many.residual).max() < TOLERANCE


def test_few_buses_are_programmed_without_a_compiler_and_as_with_it(calibration, targets, monkeypatch):
    pages = np.stack([targets, 0.5 * targets, np.full(targets.shape, 0.97)])
    plain, reach = program(calibration, pages), reachable_weights(calibration)
    monkeypatch.setattr(solve, "MOST_UNCOMPILED", 0)
    compiled, compiled_reach = program(calibration, pages), reachable_weights(calibration)
    assert plain.volts == pytest.approx(compiled.volts, abs=1e-12)
    assert plain.predicted == pytest.approx(compiled.predicted, abs=1e-9)
    assert np.array(reach) == pytest.approx(np.array(compiled_reach), abs=1e-9)
    missed = [[(o.page, o.row, o.ring) for o in found.out_of_reach] for found in (plain, compiled)]
    assert missed[0] == missed[1] != []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=12, max_size=12))
def test_whatever_is_asked_no_voltage_leaves_the_limit_and_every_miss_is_told(calibration, asked):
    wanted = np.reshape(asked, (2, 6))
    done = program(calibration, wanted)
    assert np.abs(done.volts).max() <= calibration.max_voltage_V
    assert done.volts == pytest.approx(calibration.on_dac_grid(done.volts), abs=1e-12)
    told = {(o.row, o.ring) for o in done.out_of_reach}
    assert {(int(n), int(c)) for n, c in np.argwhere(np.abs(done.residual[0]) > 2 * TOLERANCE)} <= told


@pytest.fixture(scope="module")
def rounded(paper):
    """Rounding errors of rows whose rings interfere, on six bits: nearest codes, and the whole row."""
    top_V, step_V = 5.0, 10.0 / 63
    calibration = blank_calibration(paper, triggers=0)
    rng = np.random.default_rng(4)

    @jax.jit
    def one(volts):
        bus = bus_of(calibration, jnp.asarray(0))
        wanted = weights_and_slopes(bus, volts)[0]
        codes, weights, _ = round_bus(bus, volts, wanted, max_voltage_V=top_V, step_V=step_V)
        nearest = jnp.round((volts + top_V) / step_V) * step_V - top_V
        return codes, weights - wanted, weights_and_slopes(bus, nearest)[0] - wanted

    return jax.lax.map(one, jnp.asarray(rng.uniform(-top_V, top_V, (40, 32))))


def test_rounding_a_row_is_never_worse_than_rounding_its_rings_and_better_where_rings_interfere(rounded):
    _, by_row, nearest = (np.asarray(leaf) for leaf in rounded)
    rms = lambda error: np.sqrt((error**2).mean(-1))  # noqa: E731
    assert (rms(by_row) <= rms(nearest) + 1e-12).all()
    assert rms(by_row).mean() < 0.99 * rms(nearest).mean()


def test_rounded_voltages_are_codes_within_the_limit(rounded):
    codes = (np.asarray(rounded[0]) + 5.0) * 6.3
    assert codes == pytest.approx(np.rint(codes), abs=1e-9)
    assert np.abs(rounded[0]).max() <= 5.0


def test_an_excluded_ring_rests_and_its_neighbours_meet_their_targets(calibration, targets):
    without = dataclasses.replace(calibration, excluded=calibration.excluded.at[1, 4].set(True))
    asked = targets.copy()
    asked[1, 4] = 0.9999
    done = program(without, asked)
    assert abs(done.volts[0, 1, 4]) <= 0.5 * calibration.voltage_step_V + 1e-12
    assert done.residual[0, 1, 4] == 0.0
    assert done.out_of_reach == ()
    assert np.abs(done.residual).max() < TOLERANCE
