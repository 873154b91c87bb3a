"""Starting points of a bus's fit, whose sum of squares has many local minima in the bus phases.

Relaxed phases (see `bus_slopes`) have nearly none: the fit begins at c = 0, where rings do not interfere, with an error
added to every reading's noise, which is what the relaxation leaves out. The angles of the c that it finds are the
phases, and the error is taken away in steps (continuation).

Where that ends in a wrong minimum, chance is next. Up to eight rings, a start with random phases is near the global
minimum often enough: the lowest of several go on. Beyond, readings are ten thousand times finer than the interference
of two rings, and a wrong phase spoils mostly the channels on its two sides: of several blurred fits from random phases,
each right for some rings, every ring and gap is taken from the fit with the smallest misfit in the channels around it.
So the number of starts need not grow exponentially with the number of phases.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.descent import FIRST, descend, misfits
from prism_photonics.calibration.unknowns import columns

# Errors that are added, in units of full light, first with relaxed phases and then with true ones. A ring's field at x
# linewidths is 1/√(1 + 4x²) of that on resonance, 0.1 at five: about so much is left out at first. Design choices.
RELAXED_BLURS, LOWERED_BLURS = (0.1, 0.03), (0.01, 0.003)
CROWDED_BLURS = (0.3, 0.1, 0.05, 0.03, 0.02, 0.01)
# A start needs to be no nearer to the bottom of its minimum (design choices).
STEPS, RTOL = 20, 1e-2
# Far from any minimum the first steps go only where they are damped (design choice).
FAR_DAMPING = 1.0
# Chance does it up to so many rings: design choices.
MOST_BY_CHANCE, DRAWS, SCOUTING_STEPS, FINALISTS = 8, 8, 15, 3
SCOUTING_BLURS, JOINED_BLURS = (0.1, 0.03), (0.03, 0.01)
# Random starts that are pieced together, and how far a ring's resonance is off where the ring was fitted alone, in the
# spec's scatter (design choices).
STARTS, UNSURE = 6, 0.2
# A neighbouring channel's say in which start explains a ring (design choice).
NEIGHBOUR = 0.5


def relaxed_start(survey: BusSurvey, single: Float[ndarray, "buses unknowns"]) -> Float[ndarray, "buses unknowns"]:
    """Unknowns found from rings that do not interfere at first.

    Args:
        survey: The buses.
        single: Result of `single_rings`.
    """
    survey, rings = survey.in_single_precision(), survey.rings.t1.shape[1]
    flat = np.concatenate([single, np.zeros((survey.count, rings - 1))], axis=1)
    phases, imaginary = columns(rings)["phase_rad"], slice(single.shape[1], None)
    flat[:, phases] = 0.0
    damping = FAR_DAMPING
    for blur in RELAXED_BLURS if rings <= MOST_BY_CHANCE else CROWDED_BLURS:
        flat, _ = descend(survey.blurred(blur), flat, steps=STEPS, rtol=RTOL, relaxed=True, damping=damping)
        damping = FIRST
    found = flat[:, : single.shape[1]].copy()
    found[:, phases] = np.arctan2(flat[:, imaginary], flat[:, phases])
    return through_blurs(survey, found, LOWERED_BLURS)


def random_starts(
    survey: BusSurvey, single: Float[ndarray, "buses unknowns"], rng: np.random.Generator
) -> Float[ndarray, "buses starts unknowns"]:
    """The lowest of several fits from random phases.

    Args:
        survey: The buses.
        single: Result of `single_rings`.
        rng: Draws the phases.
    """
    flat = np.repeat(single, DRAWS, axis=0)
    phases = columns(survey.rings.t1.shape[1])["phase_rad"]
    flat[:, phases] = rng.uniform(0.0, 2.0 * np.pi, flat[:, phases].shape)
    many = survey.take(np.repeat(np.arange(survey.count), DRAWS))
    flat, cost = descend(many, flat, steps=SCOUTING_STEPS, rtol=RTOL)
    lowest = np.argsort(cost.reshape(-1, DRAWS), axis=1)[:, :FINALISTS, None]
    return np.take_along_axis(flat.reshape(survey.count, DRAWS, -1), lowest, axis=1)


def pieced_start(
    survey: BusSurvey,
    single: Float[ndarray, "buses unknowns"],
    lowest: Float[ndarray, "buses unknowns"],
    rng: np.random.Generator,
) -> Float[ndarray, "buses 1 unknowns"]:
    """Starting point joined from several blurred fits, each right for some rings; or the best of the fits.

    Args:
        survey: The buses.
        single: Result of `single_rings`.
        lowest: The best unknowns so far: one of the fits that are pieced together.
        rng: Draws phases and offsets.
    """
    survey, rings, count = survey.in_single_precision(), survey.rings.t1.shape[1], survey.count
    places = columns(rings)
    flat = np.repeat(single[:, None], STARTS, axis=1)
    flat[..., places["phase_rad"]] = rng.uniform(0.0, 2.0 * np.pi, (count, STARTS, rings - 1))
    flat[..., places["offset"]] += UNSURE * rng.normal(size=(count, STARTS, rings))
    flat[:, 0] = lowest
    many = survey.take(np.repeat(np.arange(count), STARTS))
    scouts = through_blurs(many, flat.reshape(count * STARTS, -1), SCOUTING_BLURS)
    missed = (misfits(many.blurred(SCOUTING_BLURS[-1]), scouts) ** 2).mean(1)
    missed = missed.reshape(count, STARTS, rings, survey.nodes).mean(3)
    scouts = scouts.reshape(flat.shape)
    pieced = np.stack([piece_together(fits, by_channel) for fits, by_channel in zip(scouts, missed, strict=True)])
    best = scouts[np.arange(count), missed.sum(2).argmin(1)]
    # Should the pieces not fit together, the best single fit stands in.
    both = np.stack([pieced, best], axis=1).reshape(2 * count, -1)
    twice = survey.take(np.repeat(np.arange(count), 2))
    settled = through_blurs(twice, both, JOINED_BLURS)
    left = (misfits(twice.blurred(JOINED_BLURS[-1]), settled) ** 2).sum((1, 2)).reshape(count, 2)
    return settled.reshape(count, 2, -1)[np.arange(count), left.argmin(1)][:, None]


def through_blurs(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], blurs: tuple[float, ...]
) -> Float[ndarray, "buses unknowns"]:
    """Minimise with each blur in turn."""
    for blur in blurs:
        flat, _ = descend(survey.blurred(blur), flat, steps=STEPS, rtol=RTOL)
    return flat


def piece_together(
    fits: Float[ndarray, "starts unknowns"], missed: Float[ndarray, "starts channels"]
) -> Float[ndarray, " unknowns"]:
    """One fit of a bus joined from many: each ring and each gap from the fit of least χ² in the channels around it.

    Args:
        fits: The fits.
        missed: Mean square misfit of each channel in each fit.
    """
    padded = np.pad(missed, ((0, 0), (1, 1)))
    around = missed + NEIGHBOUR * (padded[:, :-2] + padded[:, 2:])
    of_ring, of_gap = around.argmin(0), (around[:, :-1] + around[:, 1:]).argmin(0)
    pieced = fits[missed.sum(1).argmin()].copy()
    for name, place in columns(missed.shape[1]).items():
        if name != "drop_ratio":
            owner = of_gap if name in ("phase_rad", "crosstalk") else of_ring
            pieced[place] = np.take_along_axis(fits[:, place], owner[None], axis=0)[0]
    return pieced
