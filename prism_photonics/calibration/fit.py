"""Least squares through the exact row: from currents to rings, bus phases and gains, with error bars."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, prior_weight, unravel
from prism_photonics.calibration.bus_slopes import Slopes
from prism_photonics.calibration.descent import FIRST, NEAR, descend, normal
from prism_photonics.calibration.portions import READINGS_AT_ONCE, in_portions
from prism_photonics.calibration.reading_model import reading_slopes, readings_A
from prism_photonics.calibration.single_rings import single_rings
from prism_photonics.calibration.starting_points import MOST_BY_CHANCE, pieced_start, random_starts, relaxed_start
from prism_photonics.calibration.unknowns import RowModel, Unknowns

# Design choices, as are those below.
STEPS, RTOL = 60, 1e-6
# Of a fit that is only begun with: another one follows, of readings that are known better.
ROUGH_RTOL = 1e-3
# Most times that a bus is fitted from new starts.
TRIES = 3
# A bus whose χ² is so many times that of the chip's best may be in a wrong minimum too; and not one that noise moves as
# far, in standard deviations of a χ²: of a thousand buses with a hundred readings each several are beyond 1.5.
OUTLYING, BY_NOISE = 1.5, 5.0


@dataclass(frozen=True)
class BusFit:
    """The fit of many buses, its error bars, and how well it explains the survey.

    Attributes:
        flat: Unknowns at the optimum.
        std: Their standard errors; infinite where nobody asked for them.
        model: The buses that the unknowns describe, leaves lead with buses.
        residual_rms: Misfit in units of full light.
        chi2: Mean squared misfit over noise, per degree of freedom.
    """

    flat: Float[ndarray, "buses unknowns"]
    std: Float[ndarray, "buses unknowns"]
    model: RowModel
    residual_rms: Float[ndarray, " buses"]
    chi2: Float[ndarray, " buses"]

    @property
    def unknowns(self) -> Unknowns:
        """The unknowns, named."""
        return unravel(self.flat, self.model.rings.t1.shape[-1])

    @property
    def unknowns_std(self) -> Unknowns:
        """Their standard errors, named."""
        return unravel(self.std, self.model.rings.t1.shape[-1])


def fit_buses(
    survey: BusSurvey,
    rng: np.random.Generator,
    *,
    wrong_chi2: float,
    start: Float[ndarray, "buses unknowns"] | None = None,
    tries: int = TRIES,
    rtol: float = RTOL,
    errors: bool = True,
    instead: Callable[[BusFit], BusFit | None] = lambda fit: None,
) -> BusFit:
    """Fit every bus from a start, and from random starts too where χ² is too high.

    Args:
        survey: The buses with their readings.
        rng: Draws the random starts.
        wrong_chi2: A bus with a larger χ² is taken for a wrong local minimum, and tried again, as is one whose χ²
            stands out among the chip's.
        start: Unknowns to begin with; by default where relaxed phases lead.
        tries: Most times that such a bus is tried again.
        rtol: A bus is done when a step lowers its cost by less than this share.
        errors: Whether standard errors are asked for.
        instead: Given a fit, another one that explains more, or None. Where no bus is explained it is asked before
            buses are tried again, else after.

    Returns:
        The fit.
    """
    single, damping = None, NEAR
    if start is None:
        single, damping = single_rings(survey), FIRST
        start = relaxed_start(survey, single)
    flat, _ = descend(survey, start, steps=STEPS, rtol=rtol, damping=damping)
    fit = at_optimum(survey, flat, errors=errors)

    def again(fit: BusFit) -> BusFit:
        return try_again(survey, fit, rng, wrong_chi2=wrong_chi2, tries=tries, single=single, rtol=rtol)

    # Buses of a chip are alike: one that is explained says that the others are in wrong minima, and lack nothing.
    explained = bool(fit.chi2.min() < OUTLYING)
    if explained:
        fit = again(fit)
    other = instead(fit)
    if other is not None:
        return other
    return fit if explained else again(fit)


def refit_buses(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, rtol: float = RTOL, errors: bool = True
) -> BusFit:
    """Fit of an updated survey, started at another fit's optimum; ``rtol`` and ``errors`` as of `fit_buses`."""
    return at_optimum(survey, descend(survey, flat, steps=STEPS, rtol=rtol, damping=NEAR)[0], errors=errors)


def try_again(
    survey: BusSurvey,
    fit: BusFit,
    rng: np.random.Generator,
    *,
    wrong_chi2: float,
    tries: int = TRIES,
    single: Float[ndarray, "buses unknowns"] | None = None,
    rtol: float = RTOL,
    outlying: float = OUTLYING,
) -> BusFit:
    """The fit, with buses of high or outlying χ² fitted again from new starts; the lower χ² is kept.

    Args:
        survey: The buses with their readings.
        fit: Their fit.
        rng: Draws the random starts.
        wrong_chi2: The limit.
        tries: Most times that a bus is tried again.
        single: Result of `single_rings` of all buses; computed if not given.
        rtol: As of `fit_buses`.
        outlying: A χ² stands out that is so many times the least one, and more than noise makes of it.
    """
    spread = np.sqrt(2.0 / np.maximum(_freedom(survey), 1))
    stands_out = np.maximum(outlying, 1.0 + BY_NOISE * spread)
    for _ in range(tries):
        wrong = np.flatnonzero(fit.chi2 > np.minimum(wrong_chi2, stands_out * max(1.0, float(fit.chi2.min()))))
        if not wrong.size:
            break
        some = survey.take(wrong)
        alone = single_rings(some) if single is None else single[wrong]
        starts = other_starts(some, alone, fit.flat[wrong], rng)
        count = starts.shape[1]
        many = some.take(np.repeat(np.arange(wrong.size), count))
        flat, cost = descend(many, starts.reshape(wrong.size * count, -1), steps=STEPS, rtol=rtol)
        lowest = np.arange(wrong.size) * count + cost.reshape(-1, count).argmin(1)
        other = at_optimum(some, flat[lowest])
        won = np.flatnonzero(other.chi2 < fit.chi2[wrong])
        fit = mended(fit, wrong[won], other, won)
    return fit


def other_starts(
    survey: BusSurvey,
    single: Float[ndarray, "buses unknowns"],
    lowest: Float[ndarray, "buses unknowns"],
    rng: np.random.Generator,
) -> Float[ndarray, "buses starts unknowns"]:
    """Starts with other bus phases, by chance or pieced together; arguments as of `pieced_start`."""
    if survey.rings.t1.shape[1] <= MOST_BY_CHANCE:
        return random_starts(survey, single, rng)
    return pieced_start(survey, single, lowest, rng)


def at_optimum(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, errors: bool = True) -> BusFit:
    """The model, standard errors and χ² at the optimum; without ``errors`` in a third of the time."""

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some ..."], ...]:
        buses, x = survey.take(some), flat[some]
        return told_at(buses, x, reading_slopes(buses, x) if errors else None)

    std, residual_rms, chi2 = in_portions(survey, one_portion, readings=READINGS_AT_ONCE)
    return BusFit(flat, std, survey.model(flat), residual_rms, chi2)


def told_at(
    buses: BusSurvey, x: Float[ndarray, "buses unknowns"], slopes: Slopes | None
) -> tuple[Float[ndarray, "buses unknowns"], Float[ndarray, " buses"], Float[ndarray, " buses"]]:
    """Standard errors, misfits in units of full light, and χ² where these are the slopes.

    Without slopes standard errors are infinite.
    """
    rings, counted = buses.rings.t1.shape[1], np.isfinite(buses.noise_A)
    readings = counted.sum((1, 2))
    found_A = readings_A(buses, x) if slopes is None else slopes.current_A
    error_A = counted * (found_A - buses.current_A)
    chi2 = chi2_at(buses, x, found_A)
    full_A = np.repeat(buses.model(x).gain_A, buses.nodes, axis=1)
    misfit = ((error_A / full_A[:, None, :]) ** 2).sum((1, 2)) / np.maximum(readings, 1)
    if slopes is None:
        return np.full_like(x, np.inf), np.sqrt(misfit), chi2
    by = (slopes.by_unknown / buses.noise_A[:, None]).reshape(*x.shape, -1)
    variance = np.diagonal(np.linalg.inv(normal(by, rings)), axis1=1, axis2=2)
    # Unmodelled physics shows as χ² above one; the error bars grow with it.
    return np.sqrt(variance * np.maximum(chi2, 1.0)[:, None]), np.sqrt(misfit), chi2


def chi2_at(
    buses: BusSurvey,
    x: Float[ndarray, "buses unknowns"],
    current_A: Float[ndarray, "buses settings wavelengths"],
) -> Float[ndarray, " buses"]:
    """Mean squared misfit over noise, per degree of freedom, of unknowns that predict these currents."""
    error_A = np.isfinite(buses.noise_A) * (current_A - buses.current_A)
    # The prior counts as data: its terms cancel its unknowns, which leaves the readings less the phases.
    prior = prior_weight(buses.rings.t1.shape[1], unknowns=x.shape[1]) * x
    return (((error_A / buses.noise_A) ** 2).sum((1, 2)) + (prior**2).sum(1)) / np.maximum(_freedom(buses), 1)


def _freedom(survey: BusSurvey) -> Int[ndarray, " buses"]:
    """Degrees of freedom of each bus: readings less phases."""
    return np.isfinite(survey.noise_A).sum((1, 2)) - (survey.rings.t1.shape[1] - 1)


def mended(fit: BusFit, to: Int[ndarray, " won"], other: BusFit, of: Int[ndarray, " won"]) -> BusFit:
    """The fit with some buses replaced by another fit's."""

    def merged(old: Float[ndarray, "..."], new: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
        whole = old.copy()
        whole[to] = new[of]
        return whole

    names = ("flat", "std", "residual_rms", "chi2")
    parts = {name: merged(getattr(fit, name), getattr(other, name)) for name in names}
    return BusFit(model=jax.tree.map(merged, fit.model, other.model), **parts)
