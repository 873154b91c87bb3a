"""Where fits begin: relaxed phases lead to the global minimum, so do chance and pieces, where one start does not."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.budget.ring import ring_figures
from prism_photonics.calibration.bus import ravel, unravel
from prism_photonics.calibration.descent import descend
from prism_photonics.calibration.fit import at_optimum, fit_buses, refit_buses
from prism_photonics.calibration.reading_model import readings_A
from prism_photonics.calibration.single_rings import single_rings
from prism_photonics.calibration.starting_points import piece_together, pieced_start, random_starts, relaxed_start
from prism_photonics.calibration.survey import survey_volts
from prism_photonics.calibration.survey_fit import bus_surveys
from prism_photonics.calibration.unknowns import Unknowns, columns, designed_gain_A
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


def _readings(spec, *, rows):
    """Noisy readings of a die's first buses, and the phases of its gaps."""
    die_key, volts_key, noise_key = jax.random.split(jax.random.key(3), 4)[:3]
    die, channels = draw_die(spec, die_key), spec.chip.channels
    volts = jnp.asarray(survey_volts(spec, 32, volts_key))
    acting = jax.vmap(lambda v: electrode_volts(v, jnp.asarray(die.crosstalk[:, 0])))(volts)
    bank = jax.tree.map(jnp.asarray, die.bank)
    through, drop = jax.jit(jax.vmap(lambda v: bank_powers(bank, v)))(acting)
    noise_A = NOISE * designed_gain_A(spec)[:, 0]
    current_A = die.full_A[0] * through - die.full_A[1] * drop + noise_A * jax.random.normal(noise_key, volts.shape)
    read_A, sigma_A = (
        np.moveaxis(np.asarray(leaf), 1, 2) for leaf in (current_A, np.broadcast_to(noise_A, volts.shape))
    )
    _, survey = bus_surveys(
        spec,
        volts=np.asarray(volts),
        current_A=read_A,
        noise_A=sigma_A,
        time_s=np.zeros(volts.shape[::2]),
        channel_of_ring=np.broadcast_to(np.arange(channels), (spec.chip.rows, 1, channels)),
    )
    phases = np.asarray(die.bank.buses.phase_rad[:, 0, :, 1:-1].sum(1))
    return survey.take(np.arange(rows)), phases[:rows]


@pytest.fixture(scope="module")
def found(crowded):
    """(noisy readings of a die, the phases of its gaps)."""
    return _readings(crowded, rows=2)


def wrong_phases(truth, flat):
    error = np.angle(np.exp(1j * (flat[:, columns(RINGS)["phase_rad"]] - truth)))
    return (np.abs(error) > 0.5).sum(1)


@pytest.fixture(scope="module")
def single(found):
    return single_rings(found[0])


def test_the_rings_are_five_linewidths_apart(crowded):
    linewidths = [1e3 * crowded.comb.spacing_nm / ring_figures(crowded, c).fwhm_pm for c in range(RINGS)]
    assert min(linewidths) > 4.8
    assert max(linewidths) < 5.2


def test_sixteen_rings_are_found(found):
    survey, truth = found
    fit = fit_buses(survey, np.random.default_rng(0), wrong_chi2=4.0)
    assert wrong_phases(truth, fit.flat).tolist() == [0, 0]
    assert fit.chi2 == pytest.approx(np.ones(2), abs=0.25)


def test_rings_fitted_one_by_one_are_where_the_die_has_them(crowded, found, single):
    """What neighbours at five linewidths do to a ring's own channel moves it by a small part of its linewidth."""
    die = draw_die(crowded, jax.random.split(jax.random.key(3), 4)[0])
    offset_pm = crowded.resonance_pm * single[:, columns(RINGS)["offset"]]
    error_pm = offset_pm - np.asarray(die.bank.rings.offset_pm)[:, 0]
    assert np.abs(error_pm).max() < 0.3 * ring_figures(crowded, 0).fwhm_pm
    assert not single[:, columns(RINGS)["phase_rad"]].any()


def test_a_single_random_start_does_not_find_them(found, single):
    survey, truth = found
    flat = single.copy()
    flat[:, columns(RINGS)["phase_rad"]] = np.random.default_rng(0).uniform(0.0, 2.0 * np.pi, truth.shape)
    flat, _ = descend(survey, flat, steps=60, rtol=1e-6)
    assert wrong_phases(truth, flat).max() > 0
    assert at_optimum(survey, flat).chi2.max() > 10


def test_pieces_of_several_starts_find_them_too(found, single):
    survey, truth = found
    rng, lowest = np.random.default_rng(1), single
    for _ in range(3):
        lowest = pieced_start(survey, single, lowest, rng)[:, 0]
    assert wrong_phases(truth, lowest).tolist() == [0, 0]


def test_eight_rings_are_found_from_relaxed_phases_and_by_chance(demo, found):
    """Two ways to one minimum: of a demo's bus, both end at the noise."""
    survey, truth = _readings(demo, rows=2)
    single, phases = single_rings(survey), columns(demo.chip.channels)["phase_rad"]
    by_chance = random_starts(survey, single, np.random.default_rng(2))
    ways = [relaxed_start(survey, single), *np.moveaxis(by_chance, 1, 0)]
    fits = [at_optimum(survey, descend(survey, flat, steps=120, rtol=1e-6)[0]) for flat in ways]
    best = [fits[0], min(fits[1:], key=lambda fit: fit.chi2.sum())]
    for fit in best:
        assert fit.chi2 == pytest.approx(np.ones(2), abs=0.4)
        assert np.abs(np.angle(np.exp(1j * (fit.flat[:, phases] - truth)))).max() < 0.5
    assert best[0].chi2 == pytest.approx(best[1].chi2, rel=1e-4)


@pytest.fixture(scope="module")
def two_of_three(small):
    """Two buses of three rings, and unknowns that explain their readings to the noise."""
    settings, noise_A = 40, 1e-9
    rng, nothing = np.random.default_rng(0), np.zeros((settings, 3, 2))
    _, survey = bus_surveys(
        small,
        volts=rng.uniform(-8.0, 8.0, (settings, 2, 3)),
        current_A=nothing,
        noise_A=nothing + noise_A,
        time_s=nothing[..., 0],
        channel_of_ring=np.broadcast_to(np.arange(3), (2, 1, 3)),
    )
    flat = rng.normal(0.0, 0.3, (2, columns(3)["drop_ratio"].stop))
    noise = noise_A * rng.standard_normal(survey.current_A.shape)
    return replace(survey, current_A=readings_A(survey, flat) + noise), flat


@pytest.mark.parametrize(("wrong", "asked_first"), [([1], False), ([0, 1], True)])
def test_buses_are_tried_again_before_more_is_asked_for_where_one_is_explained(two_of_three, wrong, asked_first):
    """A bus in a wrong minimum lacks nothing, and its neighbour that is explained says so."""
    survey, flat = two_of_three
    start = flat.copy()
    start[wrong, columns(3)["offset"]] += 3.0
    at_first = refit_buses(survey, start).chi2
    assert (at_first[wrong] > 4.0).all()
    assert np.delete(at_first, wrong).max(initial=0.0) < 1.5
    asked = []
    fit = fit_buses(
        survey,
        np.random.default_rng(0),
        wrong_chi2=4.0,
        start=start,
        instead=lambda fit: asked.append(fit.chi2),
    )
    assert fit.chi2.max() < 1.5
    (seen,) = asked
    assert np.array_equal(seen, at_first if asked_first else fit.chi2)


def test_each_ring_and_gap_comes_from_the_fit_that_explains_its_channels():
    starts, rings = 2, 6
    mark = np.arange(starts, dtype=float)[:, None]
    ring, gap = np.broadcast_to(mark, (starts, rings)), np.broadcast_to(mark, (starts, rings - 1))
    fits = ravel(Unknowns(ring, ring, ring, ring, ring, ring, gap, gap, ring, mark[:, 0]))
    # The first fit fails at the far end, the second, a little better as a whole, at the near one.
    misfits = np.array([[1.0, 1.0, 1.0, 1.0, 9.0, 9.0], [8.0, 8.0, 1.0, 1.0, 1.0, 1.0]])
    pieced = unravel(piece_together(fits, misfits)[None], rings)
    assert pieced.offset[0].tolist() == [0, 0, 0, 1, 1, 1]
    assert pieced.phase_rad[0].tolist()[:2] == [0, 0]
    assert pieced.phase_rad[0].tolist()[3:] == [1, 1]
    assert pieced.drop_ratio.tolist() == [1]
