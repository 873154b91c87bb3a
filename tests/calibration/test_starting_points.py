"""Sixteen rings per bus at five linewidths: pieces of several starts are right where one start is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.budget.ring import ring_figures
from prism_photonics.calibration.fit import fit_rows
from prism_photonics.calibration.starting_points import piece_together
from prism_photonics.calibration.survey import survey_volts
from prism_photonics.calibration.survey_fit import bus_surveys
from prism_photonics.calibration.unknowns import Unknowns, designed_gain_A
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.circuit.row import bank_powers
from prism_photonics.lightpath.ring.model import electrode_volts

RINGS, NOISE = 16, 1e-4


@pytest.fixture(scope="module")
def crowded(demo, altered):
    """Two rows of sixteen rings."""
    return altered(
        demo,
        chip={"rows": 2, "channels": RINGS},
        comb={"spacing_nm": 0.44},
        ring={"straight_um": 8.0},
    )


@pytest.fixture(scope="module")
def found(crowded):
    """(phases of a die's gaps, the function that fits its noisy readings from a number of starts)."""
    die_key, volts_key, noise_key, fit_key = jax.random.split(jax.random.key(3), 4)
    die = draw_die(crowded, die_key)
    volts = jnp.asarray(survey_volts(crowded, 32, volts_key))
    acting = jax.vmap(lambda v: electrode_volts(v, die.crosstalk[:, 0]))(volts)
    through, drop = jax.jit(jax.vmap(lambda v: bank_powers(die.bank, v)))(acting)
    noise_A = NOISE * designed_gain_A(crowded)[:, 0]
    current_A = die.full_A[0] * through - die.full_A[1] * drop + noise_A * jax.random.normal(noise_key, volts.shape)
    read_A, sigma_A = (
        np.moveaxis(np.asarray(leaf), 1, 2) for leaf in (current_A, np.broadcast_to(noise_A, volts.shape))
    )
    own = np.broadcast_to(np.arange(RINGS), (2, 1, RINGS))
    _, survey = bus_surveys(
        crowded,
        volts=np.asarray(volts),
        current_A=read_A,
        noise_A=sigma_A,
        time_s=np.zeros(volts.shape[::2]),
        channel_of_ring=own,
    )
    return die.bank.buses.phase_rad[:, 0, :, 1:-1].sum(1), lambda starts: fit_rows(survey, fit_key, starts=starts)


def wrong_phases(truth, fit):
    error = np.angle(np.exp(1j * np.asarray(fit.unknowns.phase_rad[:, 0] - truth)))
    return (np.abs(error) > 0.5).sum(1)


def test_the_rings_are_five_linewidths_apart(crowded):
    linewidths = [1e3 * crowded.comb.spacing_nm / ring_figures(crowded, c).fwhm_pm for c in range(RINGS)]
    assert min(linewidths) > 4.8
    assert max(linewidths) < 5.2


def test_sixteen_rings_are_found(found):
    truth, fit_from = found
    fit = fit_from(6)
    assert wrong_phases(truth, fit).tolist() == [0, 0]
    assert np.asarray(fit.chi2) == pytest.approx(np.ones((2, 1)), abs=0.25)


def test_a_single_random_start_does_not_find_them(found):
    truth, fit_from = found
    fit = fit_from(1)
    assert wrong_phases(truth, fit).max() > 0
    assert np.asarray(fit.chi2).max() > 10


def test_each_ring_and_gap_comes_from_the_fit_that_explains_its_channels():
    starts, rings = 2, 6
    mark = jnp.arange(starts, dtype=float)[:, None]
    ring, gap = jnp.broadcast_to(mark, (starts, rings)), jnp.broadcast_to(mark, (starts, rings - 1))
    fits = Unknowns(ring, ring, ring, ring, ring, ring, gap, gap, ring, mark[:, 0])
    # The first fit fails at the far end, the second, a little better as a whole, at the near one.
    misfits = jnp.asarray([[1.0, 1.0, 1.0, 1.0, 9.0, 9.0], [8.0, 8.0, 1.0, 1.0, 1.0, 1.0]])
    pieced = piece_together(fits, misfits)
    assert pieced.offset.tolist() == [0, 0, 0, 1, 1, 1]
    assert pieced.phase_rad.tolist()[:2] == [0, 0]
    assert pieced.phase_rad.tolist()[3:] == [1, 1]
    assert float(pieced.drop_ratio) == 1
