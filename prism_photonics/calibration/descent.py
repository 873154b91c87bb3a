"""Levenberg–Marquardt on many buses in parallel, each with its own damping and its own end.

Source: J. J. Moré, "The Levenberg–Marquardt algorithm", Lecture Notes in Mathematics 630, 105 (1978); geodesic
acceleration: M. K. Transtrum and J. P. Sethna, arXiv 1201.5885.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, prior_weight
from prism_photonics.calibration.fit_workers import descended_elsewhere
from prism_photonics.calibration.portions import in_portions, portions
from prism_photonics.calibration.reading_model import reading_slopes, readings_A
from prism_photonics.calibration.unknowns import columns

# Share of a step at which the second-order correction is looked at, and the largest correction that is believed: h of
# Transtrum and Sethna, and the default (avmax) of the GNU Scientific Library.
PROBE, BELIEVED = 0.1, 0.75
# Damping at first, where a fit goes on from another one's minimum, least and most (design choices).
FIRST, NEAR, LEAST, MOST = 1e-3, 1e-6, 1e-12, 1e8
# What a step does to it that gains at least so much of what the linear model promised: it is lowered, left or raised.
# One that gains nothing raises it by WORSE, the next in a row by WORSE·AGAIN and so on. Limits as of Moré; factors are
# design choices: with fewer rejected steps than of any fixed factor.
GOOD, FAIR, BETTER, POOR, WORSE, AGAIN = 0.75, 0.25, 0.2, 2.0, 4.0, 2.0
# Keeps a matrix regular whose readings tell nothing.
TINY = 1e-30
# A relaxed phase is a number about as large as one, either part of it.
RELAXED_STD = 0.7
# Logarithm of a ring's loss over the designed one from which a step is refused: nothing is left of the light at a
# quarter of it, and slopes there are no numbers.
MOST_LOSS = 50.0


def descend(
    survey: BusSurvey,
    flat: Float[ndarray, "buses unknowns"],
    *,
    steps: int,
    rtol: float,
    relaxed: bool = False,
    damping: float = FIRST,
    free: Int[ndarray, " free"] | None = None,
) -> tuple[Float[ndarray, "buses unknowns"], Float[ndarray, " buses"]]:
    """The nearest local minimum of each bus, and its cost: squared misfits over noise and the priors'.

    Args:
        survey: The buses.
        flat: Unknowns to begin with.
        steps: Most steps, rejected ones included.
        rtol: A bus is done when an accepted step lowers its cost by less than this share.
        relaxed: Whether phases are relaxed, see `bus_slopes`.
        damping: Damping of the first step: `NEAR` where the start is another fit's minimum.
        free: Where the unknowns stand that are fitted, the others being held; all by default.

    Returns:
        (unknowns, costs); a cost is infinite where the misfits are no numbers.
    """

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some ..."], ...]:
        part, start = survey.take(some), flat[some].copy()
        options = {"steps": steps, "rtol": rtol, "relaxed": relaxed, "damping": damping}
        if free is not None:
            return descended(part, start, free=free, **options)
        return descended_elsewhere(part, start, **options) or descended(part, start, **options)

    x, cost = in_portions(survey, one_portion)
    return x, cost


def misfits(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, relaxed: bool = False
) -> Float[ndarray, "buses settings wavelengths"]:
    """Misfits over noise of all readings; ``relaxed`` as of `descend`."""
    return (readings_A(survey, flat, relaxed=relaxed) - survey.current_A) / survey.noise_A


def normal(slopes: Float[ndarray, "buses unknowns readings"], rings: int) -> Float[ndarray, "buses unknowns unknowns"]:
    """Normal matrix of the misfits' slopes and the priors; an undetermined phase is uniform, of variance π²/3."""
    weight = prior_weight(rings, unknowns=slopes.shape[1])
    return slopes @ slopes.swapaxes(1, 2) + np.diag(np.where(weight > 0.0, weight, 3.0 / np.pi**2))


@dataclass
class _Point:
    """Buses at some unknowns: misfits over noise, their slopes by each unknown, and costs.

    A cost is the squared misfits' and the priors'; infinite where a step too far has left the numbers.
    """

    survey: BusSurvey
    misfit: Float[ndarray, "some readings"]
    by: Float[ndarray, "some unknowns readings"]
    cost: Float[ndarray, " some"]

    @classmethod
    def at(
        cls,
        survey: BusSurvey,
        flat: Float[ndarray, "some unknowns"],
        *,
        relaxed: bool,
        free: Int[ndarray, " free"] | None = None,
    ) -> "_Point":
        """Look at the readings there, and at their slopes by the unknowns that are ``free``."""
        with np.errstate(all="ignore"):
            slopes = reading_slopes(survey, flat, relaxed=relaxed)
            misfit, by = (slopes.current_A - survey.current_A) / survey.noise_A, slopes.by_unknown
            by = by if free is None else by[:, free]
            by *= (1.0 / survey.noise_A)[:, None]
        cost = _costs(survey, flat, relaxed=relaxed, misfit=misfit)
        return cls(survey, misfit.reshape(survey.count, -1), by.reshape(*by.shape[:2], -1), cost)

    def moved(self, other: "_Point", where: Bool[ndarray, " some"]) -> "_Point":
        """Some of the buses at the other point."""
        if where.all():
            return other
        for mine, theirs in ((self.misfit, other.misfit), (self.by, other.by), (self.cost, other.cost)):
            mine[where] = theirs[where]
        return self


def descended(
    survey: BusSurvey,
    x: Float[ndarray, "buses unknowns"],
    *,
    steps: int,
    rtol: float,
    relaxed: bool,
    damping: float,
    free: Int[ndarray, " free"] | None = None,
) -> tuple[Float[ndarray, "buses unknowns"], Float[ndarray, " buses"]]:
    """`descend` of one portion, as many buses a step as fit the cache."""
    damped, raised, cost = np.full(survey.count, damping), np.full(survey.count, WORSE), np.empty(survey.count)
    going = np.arange(survey.count)
    now = [(some, _Point.at(survey.take(some), x[some], relaxed=relaxed, free=free)) for some in portions(survey)]
    for some, point in now:
        cost[some] = point.cost
    for step in range(steps):
        after, done = [], np.zeros(survey.count, dtype=bool)
        for some, point in now:
            to, promised = _step(point, x[some], damped[some], relaxed=relaxed, free=free)
            # Most steps are taken, and the next one needs slopes there: they are looked at with the readings. Where
            # so little is promised there is no next step.
            if step == steps - 1 or (promised <= rtol * point.cost).all():
                there, costs = None, _costs(point.survey, to, relaxed=relaxed)
            else:
                there = _Point.at(point.survey, to, relaxed=relaxed, free=free)
                costs = there.cost
            gained = np.full_like(costs, -np.inf)
            np.subtract(point.cost, costs, out=gained, where=np.isfinite(costs))
            better = gained > 0.0
            done[some] = np.where(better, gained <= rtol * point.cost, damped[some] > MOST)
            factor = np.select([gained >= GOOD * promised, gained >= FAIR * promised], [BETTER, 1.0], POOR)
            damped[some] = np.maximum(damped[some] * np.where(better, factor, raised[some]), LEAST)
            raised[some] = np.where(better, WORSE, AGAIN * raised[some])
            x[some[better]], cost[some[better]] = to[better], costs[better]
            if done[some].all():
                continue
            if there is None and step < steps - 1:
                there, better = _Point.at(point.survey, x[some], relaxed=relaxed, free=free), np.ones_like(better)
            after.append((some, point if there is None else point.moved(there, better)))
        if done.any():
            going = going[~done[going]]
            after = _regrouped(survey, after, going, done=done)
        if not going.size:
            break
        now = after
    return x, cost


def _regrouped(
    survey: BusSurvey,
    now: list[tuple[Int[ndarray, "..."], _Point]],
    going: Int[ndarray, " going"],
    *,
    done: Bool[ndarray, " buses"],
) -> list[tuple[Int[ndarray, "..."], _Point]]:
    """The points of the buses that go on, as many together as fit the cache."""
    parts = portions(survey, going)
    ends = np.cumsum([some.size for some in parts])[:-1]

    def regrouped(name: str) -> list[Float[ndarray, "..."]]:
        return np.split(np.concatenate([getattr(point, name)[~done[some]] for some, point in now]), ends) if now else []

    found = zip(parts, regrouped("misfit"), regrouped("by"), regrouped("cost"), strict=True)
    return [(some, _Point(survey.take(some), *leaves)) for some, *leaves in found]


def _prior(flat: Float[ndarray, "buses unknowns"], rings: int, *, relaxed: bool) -> Float[ndarray, " unknowns"]:
    if not relaxed:
        return prior_weight(rings, unknowns=flat.shape[1])
    weight = prior_weight(rings)
    free = np.full(rings - 1, 1.0 / RELAXED_STD)
    return np.concatenate([np.where(weight > 0.0, weight, 1.0 / RELAXED_STD), free])


def _costs(
    survey: BusSurvey,
    flat: Float[ndarray, "buses unknowns"],
    *,
    relaxed: bool,
    misfit: Float[ndarray, "buses settings wavelengths"] | None = None,
) -> Float[ndarray, " buses"]:
    weighted = flat * _prior(flat, survey.rings.t1.shape[1], relaxed=relaxed)
    # A step too far may leave the numbers: it is not taken.
    with np.errstate(all="ignore"):
        misfit = misfits(survey, flat, relaxed=relaxed) if misfit is None else misfit
        cost = (misfit**2).sum((1, 2)) + (weighted**2).sum(1)
        dark = survey.scatter.loss * flat[:, columns(survey.rings.t1.shape[1])["loss"]].max(1) > MOST_LOSS
    return np.where(np.isfinite(cost) & ~dark, cost, np.inf)


def _step(
    point: _Point,
    flat: Float[ndarray, "buses unknowns"],
    damping: Float[ndarray, " buses"],
    *,
    relaxed: bool,
    free: Int[ndarray, " free"] | None,
) -> tuple[Float[ndarray, "buses unknowns"], Float[ndarray, " buses"]]:
    """A damped, geodesically accelerated Gauss–Newton step, and what it would gain on straight misfits."""
    survey, here, by = point.survey, point.misfit, point.by
    prior = _prior(flat, survey.rings.t1.shape[1], relaxed=relaxed)
    mine = slice(None) if free is None else free
    prior = prior[mine]
    matrix = (by @ by.swapaxes(1, 2)).astype(float, copy=False)
    diagonal = np.arange(prior.size)
    matrix[:, diagonal, diagonal] += prior**2
    held = damping[:, None] * matrix[:, diagonal, diagonal] + TINY
    matrix[:, diagonal, diagonal] += held
    pull = _times(by, here) + prior**2 * flat[:, mine]
    move = -_solve(matrix, pull)
    promised = ((held * move - pull) * move).sum(1)
    with np.errstate(all="ignore"):
        ahead = misfits(survey, _moved(flat, PROBE * move, mine), relaxed=relaxed).reshape(survey.count, -1)
        curvature = 2.0 / PROBE * ((ahead - here) / PROBE - _times(by.swapaxes(1, 2), move))
        # Priors are straight: they have no curvature.
        bend = -0.5 * _solve(matrix, _times(by, curvature))
        small = 2.0 * np.linalg.norm(bend, axis=1) <= BELIEVED * np.linalg.norm(move, axis=1)
    return _moved(_moved(flat, move, mine), np.where(small[:, None], bend, 0.0), mine), promised


def _moved(
    flat: Float[ndarray, "buses unknowns"], move: Float[ndarray, "buses free"], free: slice | Int[ndarray, " free"]
) -> Float[ndarray, "buses unknowns"]:
    found = flat.copy()
    found[:, free] += move
    return found


def _times(matrix: Float[ndarray, "buses m n"], vector: Float[ndarray, "buses n"]) -> Float[ndarray, "buses m"]:
    return (matrix @ vector[..., None])[..., 0]


def _solve(matrix: Float[ndarray, "buses n n"], right: Float[ndarray, "buses n"]) -> Float[ndarray, "buses n"]:
    return np.linalg.solve(matrix, right[..., None])[..., 0]
