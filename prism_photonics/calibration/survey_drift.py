"""Drift of a chip while it is surveyed: its temperatures at every reading, estimated together with the rows.

A common temperature and its gradients along x and y shift all rings of all rows at once, and every reading of every row
sees them: the rows' own unknowns cannot follow. The fit alternates between the rows at a given drift, and the drift by
variable projection: the rows' unknowns are eliminated from the linearised least squares, which gives the Gauss–Newton
step of all unknowns at once. The prior is the spec's drift, an Ornstein–Uhlenbeck process. What the film relaxes
meanwhile follows from the voltages that it was given, up to one factor that is estimated too.

A tunable laser misses its wavelength by as much in all rows at each reading, which shifts all rings alike: one more
temperature so to say, that forgets at once. It is estimated, and eliminated, with the others.

Source of the elimination: G. H. Golub and V. Pereyra, SIAM Journal on Numerical Analysis 10, 413 (1973).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, prior_weight
from prism_photonics.calibration.descent import normal
from prism_photonics.calibration.portions import each_portion, in_portions
from prism_photonics.calibration.reading_model import reading_slopes
from prism_photonics.drift.process import FilmCharge
from prism_photonics.drift.state import FILM_SCATTER
from prism_photonics.files.datasets import Dataset
from prism_photonics.spec import ChipSpec

# Between knots the temperature runs straight. Design choice.
MOST_KNOTS = 300
# As of `portions`; a matrix of all readings by all goes with each bus. Design choice.
READINGS_OF_DRIFT = 2048


@dataclass(frozen=True)
class SurveyDrift:
    """Path of the shared part of a chip's `DriftState` through a survey.

    Attributes:
        time_s: When each reading was taken, bus by bus and channel by channel.
        temperatures: At each reading, as of `DriftState`; of a survey with a tunable laser also the shift in pm by
            which the laser missed.
        film: The film's factor, as of `DriftState`.
    """

    time_s: Float[ndarray, "settings wavelengths"]
    temperatures: Float[ndarray, "settings wavelengths patterns"]
    film: float

    @classmethod
    def none(cls, time_s: Float[ndarray, "settings wavelengths"], *, patterns: int = 3) -> "SurveyDrift":
        """No drift, on a film as its profile says."""
        return cls(time_s, np.zeros((*time_s.shape, patterns)), 0.0)


def film_after(survey: Dataset, spec: ChipSpec) -> FilmCharge:
    """The film's charge at a survey's end."""
    film, start_s = FilmCharge(spec.profile, survey.volts_V.shape[1:]), 0.0
    for volts, end_s in zip(survey.volts_V.values, survey.time_s.values.max(1), strict=True):
        film.advance(max(end_s - start_s, 0.0), volts)
        start_s = max(end_s, start_s)
    return film


def lost_volts(
    volts: Float[ndarray, "settings rows rings"], time_s: Float[ndarray, "settings wavelengths"], spec: ChipSpec
) -> Float[ndarray, "rows buses settings readings channels"]:
    """Voltage in V that each ring of a bus has lost to the film during each reading of the bus."""
    rows, buses, channels = spec.chip.rows, spec.chip.buses, spec.chip.channels
    # The first voltages act from time 0 on: a laser is read only some time later.
    film, now_s, readings = FilmCharge(spec.profile, volts.shape[1:]), 0.0, time_s.shape[1] // buses
    lost = np.empty((rows, buses, *time_s.shape[:1], readings, channels))
    for m in range(time_s.shape[0]):
        for c in np.argsort(time_s[m]):
            film.advance(max(time_s[m, c] - now_s, 0.0), volts[m])
            now_s = max(time_s[m, c], now_s)
            b, own = divmod(int(c), readings)
            lost[:, b, m, own] = film.lost_V.reshape(rows, buses, channels)[:, b]
    return lost


@dataclass(frozen=True)
class DriftTerms:
    """Inputs of the drift of every bus's rings, reading by reading; buses are counted row by row.

    Attributes:
        patterns_pm: Shift of each ring by one unit of each shared temperature, in pm.
        volts: Voltages of the survey, in V.
        lost_V: Part of them that the film has lost by its profile, in V.
        laser_pm: Standard deviation of the shift by which the laser missed at each reading, in pm; none of a comb.
    """

    patterns_pm: Float[ndarray, "all patterns channels"]
    volts: Float[ndarray, "all settings channels"]
    lost_V: Float[ndarray, "all settings wavelengths channels"]
    laser_pm: Float[ndarray, "settings wavelengths"] | None = None

    def applied(self, survey: BusSurvey, drift: SurveyDrift) -> BusSurvey:
        """The survey with the drift's shifts, and the voltages that act, in its readings."""
        settings, lines, patterns = drift.temperatures.shape
        readings, channels = self.lost_V.shape[2:]
        shared = drift.temperatures.reshape(settings, lines // readings, readings, patterns)
        patterns_pm = self.patterns_pm.reshape(-1, lines // readings, patterns, channels)
        drift_pm = np.einsum("mbcp,nbpr->nbmcr", shared, patterns_pm).reshape(self.lost_V.shape)
        acting = self.volts[:, :, None, :] - (1.0 + drift.film) * self.lost_V
        return survey.moved(acting, drift_pm)


def update_drift(
    survey: BusSurvey,
    flat: Float[ndarray, "all unknowns"],
    *,
    terms: DriftTerms,
    drift: SurveyDrift,
    spec: ChipSpec,
) -> SurveyDrift:
    """One Gauss–Newton step of the drift by variable projection: the rows' unknowns are eliminated.

    Args:
        survey: The survey with ``drift`` applied.
        flat: The rows' unknowns.
        terms: Inputs of the drift.
        drift: The last estimate.
        spec: The chip.
    """
    equations = _Equations.of(survey, flat, terms=terms, drift=drift, spec=spec)
    step = _cho_solve(np.linalg.cholesky(equations.normal), equations.right)
    after = np.split(equations.before + step[:-1], np.cumsum([spread.shape[1] for spread in equations.spreads])[:-1])
    found = np.stack([spread @ level for spread, level in zip(equations.spreads, after, strict=True)], axis=1)
    return SurveyDrift(drift.time_s, found.reshape(drift.temperatures.shape), drift.film + float(step[-1]))


def drift_std(
    survey: BusSurvey,
    flat: Float[ndarray, "all unknowns"],
    *,
    terms: DriftTerms,
    drift: SurveyDrift,
    spec: ChipSpec,
) -> Float[ndarray, "all unknowns"]:
    """Standard errors of the rows' unknowns that come from the uncertainty of the drift; arguments as above."""
    import scipy.sparse

    equations = _Equations.of(survey, flat, terms=terms, drift=drift, spec=spec)
    buses, lines, patterns = spec.chip.buses, drift.time_s.size // spec.chip.buses, len(equations.spreads)
    # Covariance of what the drift is at a bus's readings: temperatures one pattern after the other, then the film.
    covariance = np.linalg.inv(equations.normal)
    of_bus = []
    for readings in _readings_of_bus(drift.time_s.shape, spec):
        parts = [spread[readings] for spread in equations.spreads]
        at = scipy.sparse.block_diag([*parts, np.ones((1, 1))], format="csr")
        of_bus.append(at @ (at @ covariance).T)

    def by_drift(
        shared: Float[ndarray, "some lines patterns"],
        film: Float[ndarray, "some lines"],
        covariance: Float[ndarray, "levels levels"],
    ) -> Float[ndarray, "some lines lines"]:
        """Covariance of a bus's misfits by drift, of some rows: a matrix as much smaller as there are patterns."""
        shared, found = shared.transpose(2, 0, 1), film[:, :, None] * covariance[-1, -1] * film[:, None]
        levels = [slice(p * lines, (p + 1) * lines) for p in range(patterns)]
        for p, here in enumerate(levels):
            # The other half of it is its transpose.
            half = (shared[p] * covariance[here, -1])[:, :, None] * film[:, None]
            for q, there in enumerate(levels[: p + 1]):
                half += (0.5 if q == p else 1.0) * shared[p][:, :, None] * covariance[here, there] * shared[q][:, None]
            found += half
            found += half.swapaxes(1, 2)
        return found

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "some unknowns"]]:
        by = _ByDrift.of(survey, flat, terms, some=some)
        moved, variance = np.linalg.solve(by.normal, by.rows), np.empty((some.size, flat.shape[1]))
        for bus in np.unique(some % buses):
            mine = some % buses == bus
            spread = by_drift(by.shared[mine], by.film[mine], of_bus[bus])
            variance[mine] = ((moved[mine] @ spread) * moved[mine]).sum(2)
        # What rounds below nothing is nothing.
        return (np.sqrt(np.maximum(variance, 0.0)),)

    return in_portions(survey, one_portion, readings=READINGS_OF_DRIFT)[0]


@dataclass(frozen=True)
class _Equations:
    """Normal equations of a step of the drift: temperatures at knots, one pattern after the other, then the film.

    Attributes:
        normal: Normal matrix with the prior.
        right: Right-hand side.
        before: The last estimate at the knots, one pattern after the other.
        spreads: Of each pattern the weights of its knots in each reading, in the order of (setting, wavelength), a
            SciPy sparse array.
    """

    normal: Float[ndarray, "unknowns unknowns"]
    right: Float[ndarray, " unknowns"]
    before: Float[ndarray, " knots"]
    spreads: list[Any]

    @classmethod
    def of(
        cls,
        survey: BusSurvey,
        flat: Float[ndarray, "all unknowns"],
        *,
        terms: DriftTerms,
        drift: SurveyDrift,
        spec: ChipSpec,
    ) -> "_Equations":
        """Sum over all rows of every bus."""
        within, with_film, film, pull, film_pull = _normal(survey, flat, terms, buses=spec.chip.buses)
        knots = _knots_of(drift, terms, spec)
        spreads = [pattern.spread for pattern in knots]
        ends = np.cumsum([0] + [spread.shape[1] for spread in spreads])
        normal, right = np.zeros((ends[-1] + 1, ends[-1] + 1)), np.zeros(ends[-1] + 1)
        parts = [slice(first, after) for first, after in pairwise(ends)]
        for b, readings in enumerate(_readings_of_bus(drift.time_s.shape, spec)):
            at = [spread[readings] for spread in spreads]
            for p, here in enumerate(parts):
                right[here] += at[p].T @ pull[b, p]
                normal[here, -1] += at[p].T @ with_film[b, p]
                for q, there in enumerate(parts):
                    normal[here, there] += at[p].T @ (at[q].T @ within[b, p, :, q].T).T
        normal[-1, :-1] = normal[:-1, -1]
        normal[-1, -1] = film.sum() + 1.0 / FILM_SCATTER**2
        right[-1] = film_pull.sum() - drift.film / FILM_SCATTER**2
        before = np.concatenate([pattern.before for pattern in knots])
        for here, pattern in zip(parts, knots, strict=True):
            normal[here, here] += pattern.precision
            right[here] -= pattern.precision @ before[here]
        return cls(normal, right, before, spreads)


def _readings_of_bus(shape: tuple[int, int], spec: ChipSpec) -> Int[ndarray, "buses readings"]:
    """The readings of each bus, setting by setting and channel by channel, among all."""
    by_bus = np.arange(shape[0] * shape[1]).reshape(shape[0], spec.chip.buses, -1)
    return by_bus.swapaxes(0, 1).reshape(spec.chip.buses, -1)


@dataclass(frozen=True)
class _ByDrift:
    """Misfits of some buses over noise, and their slopes.

    Attributes:
        misfit: The misfits.
        rows: Slopes by the buses' own unknowns.
        shared: Slopes by the shared temperatures.
        film: Slopes by the film's factor.
        normal: Normal matrix of the buses' unknowns.
        pull: Its right-hand side: the gradient of half the cost.
    """

    misfit: Float[ndarray, "some readings"]
    rows: Float[ndarray, "some unknowns readings"]
    shared: Float[ndarray, "some readings patterns"]
    film: Float[ndarray, "some readings"]
    normal: Float[ndarray, "some unknowns unknowns"]
    pull: Float[ndarray, "some unknowns"]

    @classmethod
    def of(
        cls,
        survey: BusSurvey,
        flat: Float[ndarray, "all unknowns"],
        terms: DriftTerms,
        *,
        some: Int[ndarray, " some"],
    ) -> "_ByDrift":
        """Of some of all buses."""
        buses, x, rings = survey.take(some), flat[some], survey.rings.t1.shape[1]
        slopes, weight = reading_slopes(buses, x), 1.0 / buses.noise_A

        def over_noise(slope: Float[ndarray, "some by settings channels"]) -> Float[ndarray, "some by readings"]:
            return (slope * weight[:, None]).reshape(*slope.shape[:2], -1)

        misfit = over_noise((slopes.current_A - buses.current_A)[:, None])[:, 0]
        rows = over_noise(slopes.by_unknown)
        shared = over_noise(slopes.by_shift).swapaxes(1, 2) @ terms.patterns_pm[some].swapaxes(1, 2)
        lost_V = np.moveaxis(terms.lost_V[some], -1, 1)
        film = -over_noise((slopes.by_volt * lost_V).sum(1, keepdims=True))[:, 0]
        pull = (rows @ misfit[..., None])[..., 0] + prior_weight(rings, unknowns=x.shape[1]) ** 2 * x
        return cls(misfit, rows, shared, film, normal(rows, rings), pull)


def _normal(
    survey: BusSurvey, flat: Float[ndarray, "all unknowns"], terms: DriftTerms, *, buses: int
) -> tuple[Float[ndarray, "..."], ...]:
    """Normal equations of the drift at all readings of each bus, summed over rows, the rows' unknowns eliminated."""

    def one_portion(some: Int[ndarray, " some"]) -> tuple[Float[ndarray, "..."], ...]:
        by, readings = _ByDrift.of(survey, flat, terms, some=some), survey.current_A[0].size
        known = np.concatenate([by.rows, by.pull[..., None]], axis=2)
        moved = np.linalg.solve(by.normal, known)
        through = by.rows.swapaxes(1, 2) @ moved
        kept, left = np.eye(readings) - through[..., :-1], by.misfit - through[..., -1]
        seen = (kept @ by.film[..., None])[..., 0]
        patterns = terms.patterns_pm.shape[1]
        within, with_film = (
            np.zeros((buses, patterns, readings, patterns, readings)),
            np.zeros((buses, patterns, readings)),
        )
        film, pull, film_pull = np.zeros(buses), np.zeros((buses, patterns, readings)), np.zeros(buses)
        for b in np.unique(some % buses):
            mine = some % buses == b
            shared, here = by.shared[mine], kept[mine]
            for p in range(patterns):
                weighted = shared[:, :, p, None] * here
                for q in range(p, patterns):
                    within[b, p, :, q] = np.einsum("nrs,ns->rs", weighted, shared[..., q])
                    # The matrix is symmetric.
                    within[b, q, :, p] = within[b, p, :, q].T
            with_film[b] = np.einsum("nrp,nr->pr", shared, seen[mine])
            pull[b] = -np.einsum("nrp,nr->pr", shared, left[mine])
            film[b], film_pull[b] = (by.film[mine] * seen[mine]).sum(), -(by.film[mine] * left[mine]).sum()
        return within, with_film, film, pull, film_pull

    portions = each_portion(survey, one_portion, readings=READINGS_OF_DRIFT)
    whole = next(portions)
    for part in portions:
        for total, more in zip(whole, part, strict=True):
            total += more
    return whole


def _cho_solve(factor: Float[ndarray, "n n"], right: Float[ndarray, "n *some"]) -> Float[ndarray, "n *some"]:
    """The solution of equations whose matrix has the lower Cholesky factor."""
    # Here: importing SciPy takes as long as calibrating a small chip, and few drift while they are surveyed.
    import scipy.linalg

    return scipy.linalg.cho_solve((factor, True), right)


class _Knots(NamedTuple):
    """A pattern's temperature: weights of its knots in each reading, the last estimate there, and the prior."""

    spread: Any
    before: Float[ndarray, " knots"]
    precision: Float[ndarray, "knots knots"]


def _knots_of(drift: SurveyDrift, terms: DriftTerms, spec: ChipSpec) -> list[_Knots]:
    """Each pattern's knots: temperatures remember, a laser's misses do not."""
    import scipy.sparse

    knots_s, spread = _knots(drift.time_s)
    precision = _ou_precision(knots_s, spec.drift.thermal_time_s)
    order = np.argsort(drift.time_s.ravel(), kind="stable")
    times_s, shared = drift.time_s.ravel()[order], drift.temperatures.reshape(drift.time_s.size, -1)
    found = [_Knots(spread, np.interp(knots_s, times_s, part[order]), precision) for part in shared.T[:3]]
    if terms.laser_pm is not None:
        each = scipy.sparse.eye_array(drift.time_s.size, format="csr")
        found.append(_Knots(each, shared[:, 3], np.diag(terms.laser_pm.ravel() ** -2.0)))
    return found


def _knots(time_s: Float[ndarray, "settings wavelengths"]) -> tuple[Float[ndarray, " knots"], Any]:
    """Times at which the temperature is estimated, and the weights of the straight lines between them, sparse."""
    import scipy.sparse

    times = time_s.ravel()
    knots = np.unique(np.quantile(times, np.linspace(0.0, 1.0, min(MOST_KNOTS, times.size)), method="nearest"))
    right = np.clip(np.searchsorted(knots, times), 1, max(knots.size - 1, 1))
    share = (times - knots[right - 1]) / (knots[right] - knots[right - 1])
    number = np.arange(times.size)
    weights = scipy.sparse.coo_array(
        (np.concatenate([1.0 - share, share]), (np.tile(number, 2), np.concatenate([right - 1, right]))),
        shape=(times.size, knots.size),
    )
    return knots, weights.tocsr()


def _ou_precision(times_s: Float[ndarray, " knots"], forget_s: float) -> Float[ndarray, "knots knots"]:
    """Inverse covariance ``e^{−|t−t'|/τ}`` of a unit Ornstein–Uhlenbeck process at increasing times: tridiagonal."""
    kept = np.exp(-np.diff(times_s) / forget_s)
    fresh = -np.expm1(-2.0 * np.diff(times_s) / forget_s)
    precision = np.diag(np.concatenate([1.0 / fresh, [0.0]]) * np.concatenate([kept**2, [0.0]]))
    precision += np.diag(np.concatenate([[1.0], 1.0 / fresh]))
    off = -kept / fresh
    return precision + np.diag(off, 1) + np.diag(off, -1)
