"""The fit of buses whose readings ask for more than the plain row: rings that split, ends that reflect, tuning by V³.

What a real chip has and no fit knows is left in the misfit. Were it taken for signal, the many unknowns would bend to
it; so each round counts as noise what the round before it left, which also leads past the minima in between. An effect
is kept where the readings ask for it, bus by bus, by Akaike's information criterion: n·ln(misfit²) + 2·k of n readings
and k unknowns.

Source: H. Akaike, IEEE Transactions on Automatic Control 19, 716 (1974).
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, prior_weight
from prism_photonics.calibration.bus_slopes import Slopes
from prism_photonics.calibration.descent import descend
from prism_photonics.calibration.fit import BusFit, at_optimum, chi2_at, mended, other_starts, told_at
from prism_photonics.calibration.portions import READINGS_AT_ONCE, in_portions
from prism_photonics.calibration.reading_model import reading_slopes
from prism_photonics.calibration.reflecting import (
    OF_ENDS,
    SCATTERED,
    ReflectingLight,
    beyond_columns,
    without_beyond,
)
from prism_photonics.calibration.single_rings import single_rings
from prism_photonics.calibration.unknowns import columns
from prism_photonics.circuit.params import designed_bank
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM

# Design choices, as are those below. Rounds, steps of each, how closely each is fitted, and the share of the misfit
# that the next round counts as noise: a little less than all of it, so that the fit goes on.
ROUNDS, STEPS, RTOL, SHARE = 4, 15, 1e-4, 0.7
# Rounds of a fit that is only begun with: another one follows, of readings that are known better.
BEGUN_ROUNDS = 3
# Steps in which the two kinds of misfit are told apart, and what keeps a quotient finite.
SCORINGS, TINY = 6, 1e-30
# Sizes of unknowns over those of their priors are believed from so little to so much.
LEAST_SIZE, LARGEST_SIZE = 0.03, 10.0
# Backscatter to begin with, in pm, of random phase: at none its slopes vanish.
SEED_PM = 1.0
# A bus whose misfit² is so many times the chip's median is begun anew so many times, from so many seeds each.
OUTLYING, TRIES, SEEDS = 3.0, 2, 4
# Once the drift has settled, those that still stand out are begun anew so often.
SETTLED_TRIES = 4
# Where more than half of a chip's buses have so large a χ², it is no wrong minimum of each that is to blame; nor, where
# the drift may not be settled yet, the drift: of that up to 10 was seen.
LACKING, LACKING_UNSETTLED = 4.0, 12.0


def reflecting_survey(survey: BusSurvey, spec: ChipSpec, *, node_pm: Float[ndarray, " nodes"]) -> BusSurvey:
    """The readings, to be explained by buses that reflect; ``node_pm`` as of `survey_fit.bus_surveys`."""
    wl_um = (np.asarray(designed_bank(spec, xp=np).wl_um)[:, None] + node_pm / PM_PER_UM).ravel()
    return replace(survey, reflecting=ReflectingLight.of(spec, wl_um, survey.rings, survey.paths))


def fit_reflecting(
    survey: BusSurvey,
    flat: Float[ndarray, "buses some"],
    rng: np.random.Generator,
    *,
    rounds: int = ROUNDS,
    tries: int | None = None,
    rtol: float = RTOL,
    errors: bool = True,
) -> BusFit:
    """Fit of buses that reflect.

    Args:
        survey: Result of `reflecting_survey`.
        flat: Unknowns to begin with, those of the plain row or all.
        rng: Draws the backscatter to begin with.
        rounds: How often the misfit is counted as noise.
        tries: How often buses that stand out against the others are begun anew; by default `TRIES` where the unknowns
            are those of the plain row, and never where all are known.
        rtol: In each round a bus is done when a step lowers its cost by less than this share, or by `RTOL`.
        errors: Whether standard errors are asked for; they are infinite else.
    """
    known = flat.shape[1] > columns(survey.rings.t1.shape[1])["drop_ratio"].stop
    start = flat if known else _seeded(survey, flat, rng)
    fit = _annealed(survey, start, rounds=rounds, known=known, rtol=rtol, errors=errors)
    for turn in range(TRIES if tries is None and not known else tries or 0):
        wrong = np.flatnonzero(fit.residual_rms**2 > OUTLYING * np.median(fit.residual_rms**2))
        if not wrong.size:
            break
        some = survey.take(wrong)
        # From other backscatter first, then from other bus phases too.
        starts = (
            _other_phases(some, fit.flat[wrong], rng) if turn % 2 else np.repeat(fit.flat[wrong][:, None], SEEDS, 1)
        )
        count = starts.shape[1]
        many = some.take(np.repeat(np.arange(wrong.size), count))
        seeded = _seeded(many, starts.reshape(wrong.size * count, -1), rng)
        begun = _annealed(many, seeded, rounds=rounds if not known else ROUNDS, rtol=rtol, errors=errors)
        lowest = np.arange(wrong.size) * count + begun.residual_rms.reshape(-1, count).argmin(1)
        won = np.flatnonzero(begun.residual_rms[lowest] < fit.residual_rms[wrong])
        fit = mended(fit, wrong[won], begun, lowest[won])
    return fit


def fuller(
    survey_of: Callable[[], BusSurvey],
    plain: BusFit,
    rng: np.random.Generator,
    *,
    lacking: float = LACKING,
    each: bool = False,
    rounds: int = ROUNDS,
    rtol: float = RTOL,
    errors: bool = True,
) -> BusFit | None:
    """The fit of buses that reflect, if most of the chip's buses ask for it; else None.

    Args:
        survey_of: Gives the result of `reflecting_survey`, where it is wanted.
        plain: Fit of the plain row.
        rng: As of `fit_reflecting`.
        lacking: A larger χ² of most buses asks for it.
        each: Whether any bus that asks for it is enough: what is wrong with it is then known not to be a wrong minimum
            or the drift.
        rounds: As of `fit_reflecting`.
        rtol: As of it.
        errors: As of it.
    """
    lacks = plain.chi2 > lacking
    if np.mean(lacks) > 0.5:
        survey = survey_of()
        found = fit_reflecting(survey, plain.flat, rng, rounds=rounds, rtol=rtol, errors=errors)
        asked = asked_for(plain, found, survey)
        return found if np.mean(asked) > 0.5 or (each and asked.any()) else None
    some = np.flatnonzero(lacks)
    if not each or not some.size:
        return None
    survey = survey_of()
    found = fit_reflecting(survey.take(some), plain.flat[some], rng, rounds=rounds, rtol=rtol, errors=errors)
    asked = np.flatnonzero(asked_for(_taken(plain, some), found, survey.take(some)))
    return mended(padded(plain, survey), some[asked], found, asked) if asked.size else None


def asked_for(plain: BusFit, found: BusFit, survey: BusSurvey) -> Bool[ndarray, " buses"]:
    """Whether each bus's readings ask for the fit of buses that reflect, rather than for that of the plain row."""
    readings = np.isfinite(survey.noise_A).sum((1, 2))
    more = found.flat.shape[1] - plain.flat.shape[1]
    return readings * np.log(plain.chi2 / found.chi2) > 2.0 * more


def only_where_asked_for(survey: BusSurvey, found: BusFit) -> BusFit:
    """The fit, with the plain row's where a bus asks for no more.

    Args:
        survey: The readings, with the drift that was found.
        found: The fit of buses that reflect.
    """
    stop = columns(survey.rings.t1.shape[1])["drop_ratio"].stop
    bare = replace(survey, reflecting=None)
    flat, _ = descend(bare, found.flat[:, :stop], steps=STEPS, rtol=RTOL)
    kept = np.flatnonzero(~asked_for(at_optimum(bare, flat, errors=False), found, survey))
    if not kept.size:
        return found
    # The plain row's error bars only where its fit is kept.
    plain = at_optimum(bare.take(kept), flat[kept])
    return mended(found, kept, padded(plain, survey.take(kept)), np.arange(kept.size))


def _taken(fit: BusFit, some: Int[ndarray, " some"]) -> BusFit:
    """Some of a fit's buses."""
    of = (fit.flat, fit.std, fit.model, fit.residual_rms, fit.chi2)
    return BusFit(*jax.tree.map(lambda leaf: leaf[some], of))


def padded(plain: BusFit, survey: BusSurvey) -> BusFit:
    """A fit of the plain row as one of buses that reflect nothing; ``survey`` is theirs."""
    rings, stop = survey.rings.t1.shape[1], plain.flat.shape[1]
    none = np.zeros((survey.count, beyond_columns(rings)["end_im"].stop - stop))
    flat, std = (np.hstack([part, none]) for part in (plain.flat, plain.std))
    return BusFit(flat, std, without_beyond(survey.model(flat)), plain.residual_rms, plain.chi2)


def _annealed(
    survey: BusSurvey,
    flat: Float[ndarray, "buses unknowns"],
    *,
    rounds: int,
    known: bool = False,
    rtol: float = RTOL,
    errors: bool = True,
) -> BusFit:
    """The minimum at which the misfit, counted as noise, leaves nothing to fit; χ² is that over the noise alone.

    Args:
        survey: The readings.
        flat: Unknowns to begin with.
        rounds: How often misfit, and sizes of the unknowns, are learned.
        known: Whether the unknowns to begin with tell sizes already.
        rtol: As of `fit_reflecting`.
        errors: Whether standard errors are asked for.
    """
    own, sizes = survey, np.ones(flat.shape[1])
    for turn in range(rounds):
        if turn or known:
            learned, told = _learned(survey, flat)
            sizes = sizes_of(told, survey.rings.t1.shape[1])
            # What is counted as noise does not ask in which units the unknowns are.
            own = in_sizes(survey, sizes)
            sure = own.with_noise(learned.noise_A)
        else:
            sure = counted(own, flat / sizes)
        flat, _ = descend(sure, flat / sizes, steps=STEPS, rtol=max(rtol, RTOL))
        flat = flat * sizes
    found = _at_end(own, flat / sizes) if errors else at_optimum(own, flat / sizes, errors=False)
    return replace(found, flat=flat, std=found.std * sizes)


def _learned(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> tuple[BusSurvey, BusFit]:
    """`counted`, and what those readings tell, by one look at them."""

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some ..."], ...]:
        buses, x = survey.take(some), flat[some]
        slopes = reading_slopes(buses, x)
        sure = _counted(buses, slopes.current_A - buses.current_A, np.linalg.norm(slopes.by_shift, axis=1))
        return sure.noise_A, *told_at(sure, x, slopes)

    noise_A, *told = in_portions(survey, one_portion, readings=READINGS_AT_ONCE)
    std, residual_rms, chi2 = told
    return survey.with_noise(noise_A), BusFit(flat, std, survey.model(flat), residual_rms, chi2)


def _at_end(own: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> BusFit:
    """Standard errors of `honest` readings with their misfit `counted`, and χ² over the noise alone, by one look."""

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some ..."], ...]:
        buses, x = own.take(some), flat[some]
        slopes = reading_slopes(buses, x)
        sure = _counted(buses, slopes.current_A - buses.current_A, np.linalg.norm(slopes.by_shift, axis=1))
        std, residual_rms, _ = told_at(_made_up_for(sure, x, slopes), x, slopes)
        return std, residual_rms, chi2_at(buses, x, slopes.current_A)

    std, residual_rms, chi2 = in_portions(own, one_portion, readings=READINGS_AT_ONCE)
    return BusFit(flat, std, own.model(flat), residual_rms, chi2)


def honest(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> BusSurvey:
    """The readings, no surer than their misfits say at an optimum: what unknowns have taken up is made up for.

    The noise is what misfits widen, and not the error bars: an unknown that readings tell nothing of is as sure as its
    prior, however large the misfits are. Each unknown takes as much of one reading as it is surer than its prior.
    """

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some ..."], ...]:
        buses, x = survey.take(some), flat[some]
        return (_made_up_for(buses, x, reading_slopes(buses, x)).noise_A,)

    (noise_A,) = in_portions(survey, one_portion, readings=READINGS_AT_ONCE)
    return survey.with_noise(noise_A)


def _made_up_for(buses: BusSurvey, flat: Float[ndarray, "buses unknowns"], slopes: Slopes) -> BusSurvey:
    """`honest` where these are the slopes."""
    rings = buses.rings.t1.shape[1]
    std, _, chi2 = told_at(buses, flat, slopes)
    variance = std**2 / np.maximum(chi2, 1.0)[:, None]
    told = np.where(prior_weight(rings, unknowns=flat.shape[1]) > 0.0, 1.0 - np.minimum(variance, 1.0), 1.0)
    left = np.maximum(np.isfinite(buses.noise_A).sum((1, 2)) - told.sum(1), 1.0)
    misfit = (slopes.current_A - buses.current_A) / buses.noise_A
    over = np.sqrt(np.maximum((misfit**2).sum((1, 2)) / left, 1.0))
    return buses.with_noise(buses.noise_A * over[:, None, None])


def sizes_of(fit: BusFit, rings: int) -> Float[ndarray, " unknowns"]:
    """How much a chip's rings scatter and bend, and its ends reflect, each over what its prior expects at first.

    Priors are wide, as no figures are published, and unknowns nearly as many as readings. How large a kind of unknown
    is on this chip its many rings tell together: the mean of its squares, and of their variances (expectation
    maximisation of a Gaussian's width).

    Source: A. P. Dempster, N. M. Laird and D. B. Rubin, Journal of the Royal Statistical Society B 39, 1 (1977).
    """
    places, sizes = beyond_columns(rings), np.ones(fit.flat.shape[1])
    for kind in (SCATTERED, ("cubic",), OF_ENDS):
        columns_of = np.concatenate([np.r_[places[name]] for name in kind])
        size = np.sqrt(np.mean(fit.flat[:, columns_of] ** 2 + fit.std[:, columns_of] ** 2))
        sizes[columns_of] = min(max(float(size), LEAST_SIZE), LARGEST_SIZE)
    return sizes


def in_sizes(survey: BusSurvey, sizes: Float[ndarray, " unknowns"]) -> BusSurvey:
    """The readings, with units of the unknowns beyond the plain row that are so many times larger."""
    light, places = survey.reflecting, beyond_columns(survey.rings.t1.shape[1])
    assert light is not None
    scatter, cubic, end = (sizes[places[name].start] for name in ("ccw_re", "cubic", "end_re"))
    units = {
        "scatter_pm": light.scatter_pm * scatter,
        "cubic_pm_V3": light.cubic_pm_V3 * cubic,
        "reflection": light.reflection * end,
    }
    return replace(survey, reflecting=replace(light, **units))


def counted(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> BusSurvey:
    """The readings with their misfit counted as noise, as far as it is more.

    Part of it is as large on every reading, and part is as if every ring were some pm elsewhere: most of what a fit
    lacks is of that kind, and is seen on the flanks. How much there is of either is told by the misfits themselves.
    """

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some ..."], ...]:
        buses = survey.take(some)
        slopes = reading_slopes(buses, flat[some])
        return slopes.current_A - buses.current_A, np.linalg.norm(slopes.by_shift, axis=1)

    return _counted(survey, *in_portions(survey, one_portion, readings=READINGS_AT_ONCE))


def _counted(
    survey: BusSurvey,
    misfit_A: Float[ndarray, "buses settings wavelengths"],
    flank_A: Float[ndarray, "buses settings wavelengths"],
) -> BusSurvey:
    """`counted` of misfits in A, and of slopes by a shift of all rings, in A/pm."""
    seen, gain_A = np.isfinite(survey.noise_A), survey.gain_A[:, None, :]
    off, flank, known = (np.where(seen, part / gain_A, 0.0) for part in (misfit_A, flank_A, survey.noise_A))
    even, shifted = misfit_variances(off**2 - known**2, flank**2, counts=seen, known=known**2)
    more = np.sqrt(even[:, None, None] + shifted[:, None, None] * flank**2)
    return survey.with_noise(np.hypot(survey.noise_A, SHARE * more * gain_A))


def misfit_variances(
    over: Float[ndarray, "buses settings wavelengths"],
    flank: Float[ndarray, "buses settings wavelengths"],
    *,
    counts: Bool[ndarray, "buses settings wavelengths"],
    known: Float[ndarray, "buses settings wavelengths"],
) -> tuple[Float[ndarray, " buses"], Float[ndarray, " buses"]]:
    """U and v, neither negative, of u + v·flank, the likeliest variance beyond what is known; all are squares.

    Least squares of the squared misfits, each as sure as it is expected to be small: scoring, of a Gaussian's variance.
    """
    sum_of = lambda part: (part * counts).sum((1, 2))  # noqa: E731
    even = np.maximum(sum_of(over) / np.maximum(sum_of(np.ones_like(over)), 1.0), 0.0)
    shifted = np.zeros_like(even)
    for _ in range(SCORINGS):
        weight = (known + even[:, None, None] + shifted[:, None, None] * flank + TINY) ** -2.0
        one, by, square = (sum_of(weight * flank**power) for power in (0, 1, 2))
        of_one, of_by = sum_of(weight * over), sum_of(weight * over * flank)
        whole = np.maximum(one * square - by**2, TINY)
        both = (of_one * square - of_by * by) / whole, (of_by * one - of_one * by) / whole
        alone = np.maximum(of_one / np.maximum(one, TINY), 0.0), np.maximum(of_by / np.maximum(square, TINY), 0.0)
        shifted = np.where(both[0] < 0.0, alone[1], np.maximum(both[1], 0.0))
        even = np.where(both[1] < 0.0, alone[0], np.maximum(both[0], 0.0))
    return even, shifted


def _other_phases(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], rng: np.random.Generator
) -> Float[ndarray, "buses starts some"]:
    """Plain rows with other bus phases, where what reflects counts as noise."""
    stop = columns(survey.rings.t1.shape[1])["drop_ratio"].stop
    bare = replace(survey, reflecting=None)
    sure, _ = descend(bare, flat[:, :stop], steps=STEPS, rtol=RTOL)
    blurred = counted(bare, sure)
    return other_starts(blurred, single_rings(blurred), sure, rng)


def _seeded(
    survey: BusSurvey, flat: Float[ndarray, "buses some"], rng: np.random.Generator
) -> Float[ndarray, "buses unknowns"]:
    """Unknowns of the plain row with some backscatter of random phase, and nothing else beyond it."""
    count, rings = survey.rings.t1.shape
    places, plain = beyond_columns(rings), columns(rings)["drop_ratio"].stop
    seeded = np.zeros((count, places["end_im"].stop))
    seeded[:, :plain] = flat[:, :plain]
    assert survey.reflecting is not None
    there = SEED_PM / survey.reflecting.scatter_pm[:, None] * np.exp(1j * rng.uniform(0.0, 2.0 * np.pi, (count, rings)))
    seeded[:, places["ccw_re"]] = seeded[:, places["cw_re"]] = there.real
    seeded[:, places["ccw_im"]], seeded[:, places["cw_im"]] = there.imag, -there.imag
    return seeded
