"""Where TM's orders lie in the rings of a bus: one ring after the other, and then one unknown at a time in the bus.

An order of TM that crosses TE's within a linewidth or many shows first on the ring's own line. So each ring is fitted
alone, its neighbours' part counted as noise, from several places of the order; one that starts beside it does not get
there. In the bus the ring's other mode, and the TM that it lets out, show on its neighbours' lines, as narrow as a
resonance is: of the misfit that remains every place of every order is tried, closely (`tm_scan`). The few that leave
the least are fitted, and the best of those goes on, until none is better; meanwhile what counts as noise falls.
"""

from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.descent import descend
from prism_photonics.calibration.polarized import PolarizedLight, tm_columns
from prism_photonics.calibration.reflecting import ReflectingLight, beyond_columns
from prism_photonics.calibration.single_rings import rings_alone, single_rings
from prism_photonics.calibration.tm_scan import scanned
from prism_photonics.calibration.unknowns import columns
from prism_photonics.circuit.polarized import TwoPolarizations
from prism_photonics.lightpath.waveguide.model import PathParams

# Design choices, as are those below. What neighbours add to a ring's line, in units of full light; χ² beyond which it
# is they that are seen, and the ring starts as designed; steps of each ring's fit.
NEIGHBOURS, SPOILED, STEPS_ALONE = 0.02, 2.0, 8
# Phases by which TM's half turn is ahead of TE's that are tried: close together where the orders cross, and a little
# beyond either crossing.
BEHIND_HALF_RAD = np.r_[-0.3, -0.1, 0.03, 0.1, 0.2, 0.35, 0.6, 1.2, 2.2, np.pi]
AHEAD_RAD = np.r_[BEHIND_HALF_RAD, 2.0 * np.pi - BEHIND_HALF_RAD[-2::-1]]
# In the bus places are as close as a resonance of TM is wide, some hundredths of a radian.
PLACES_RAD = np.arange(-0.3, 2.0 * np.pi + 0.3, 0.05)
# Noise that is added round by round, in units of full light; most rounds of each; how many places are fitted, no more
# than so many of one ring's, by so many steps.
BLURS = (3e-2, 2e-2, 1e-2, 5e-3, 2e-3, 1e-3)
ROUNDS_AT_EACH, FEW, OF_ONE_RING, STEPS, RTOL = 3, 6, 2, 8, 1e-2


def tm_started(survey: BusSurvey, flat: Float[ndarray, "buses some"]) -> Float[ndarray, "buses unknowns"]:
    """Unknowns to begin with: each ring as its own line tells it alone, the rest as given.

    Args:
        survey: Buses that carry TM.
        flat: Their unknowns without TM.
    """
    count, rings = survey.channel_of_ring.shape
    lonely, one = _alone(survey), _places(1)
    plain = single_rings(replace(survey, reflecting=None, polarized=None))
    start = np.zeros((lonely.count, AHEAD_RAD.size, one["tm_drop"].stop))
    whole = _places(rings)
    for name in ("kappa1", "kappa2", "loss", "offset", "slope", "curvature"):
        start[:, :, one[name].start] = plain[:, whole[name]].reshape(-1, 1)
    gain = np.take_along_axis(plain[:, whole["gain"]], survey.channel_of_ring, axis=1)
    start[:, :, one["gain"].start] = gain.reshape(-1, 1)
    start[:, :, one["tm_turn"].start] = AHEAD_RAD
    many = lonely.take(np.repeat(np.arange(lonely.count), AHEAD_RAD.size))
    found, cost = descend(many, start.reshape(-1, start.shape[2]), steps=STEPS_ALONE, rtol=RTOL)
    cost = cost.reshape(start.shape[:2])
    best = found.reshape(start.shape)[np.arange(lonely.count), cost.argmin(1)]
    # Where nothing is read all places are alike, and the ring starts as designed too.
    spoiled = ~(cost.min(1) < SPOILED * np.isfinite(lonely.noise_A).sum((1, 2)))
    best[spoiled] = 0.0
    best[spoiled, one["tm_turn"].start] = np.pi
    begun = np.zeros((count, whole["tm_drop"].stop))
    begun[:, : flat.shape[1]] = flat
    for name in ("kappa1", "kappa2", "loss", "offset", "slope", "curvature", "tm_turn", "conversion"):
        begun[:, whole[name]] = best[:, one[name].start].reshape(count, rings)
    gain = begun[:, whole["gain"]].copy()
    np.put_along_axis(gain, survey.channel_of_ring, best[:, one["gain"].start].reshape(count, rings), axis=1)
    begun[:, whole["gain"]] = gain
    return begun


def tm_searched(
    survey: BusSurvey,
    flat: Float[ndarray, "buses unknowns"],
    *,
    blurs: tuple[float, ...] = BLURS,
    moves: int = ROUNDS_AT_EACH,
) -> Float[ndarray, "buses unknowns"]:
    """Unknowns with TM's orders, and the phases between rings, where the misfit is least.

    Args:
        survey: Buses that carry TM.
        flat: Unknowns to begin with.
        blurs: Noise that is added, in units of full light, from round to round.
        moves: How many orders are moved at each, at most.
    """
    for blur in blurs:
        blurred = survey.blurred(blur)
        flat, cost = descend(blurred, flat, steps=STEPS, rtol=RTOL)
        going = np.arange(survey.count)
        for _ in range(moves):
            better = []
            for bus in going:
                found, least = _best_place(blurred.take(np.array([bus])), flat[bus])
                if least < (1.0 - RTOL) * cost[bus]:
                    flat[bus], cost[bus] = found, least
                    better.append(bus)
            going = np.array(better, dtype=int)
    return flat


def _best_place(bus: BusSurvey, flat: Float[ndarray, " unknowns"]) -> tuple[Float[ndarray, " unknowns"], float]:
    """One bus with another place of one order, the best of those that are fitted, and its cost."""
    scan = scanned(bus, flat, PLACES_RAD)
    # Of places side by side the best.
    edge = np.full((scan.left.shape[0], 1), np.inf)
    around = np.hstack([edge, scan.left, edge])
    left = np.where((scan.left <= around[:, :-2]) & (scan.left <= around[:, 2:]), scan.left, np.inf)
    of_each = np.sort(np.argpartition(left, OF_ONE_RING, axis=1)[:, :OF_ONE_RING], axis=1)
    few_left, few = np.take_along_axis(left, of_each, 1).ravel(), scan.flat[np.arange(len(left))[:, None], of_each]
    tried = few.reshape(-1, flat.size)[np.argsort(few_left)[:FEW]]
    found, cost = descend(bus.take(np.zeros(len(tried), dtype=int)), tried, steps=STEPS, rtol=RTOL)
    return found[cost.argmin()], float(cost.min())


def _alone(survey: BusSurvey) -> BusSurvey:
    """Every ring as a bus of its own that carries TM, lit by the line that it serves."""
    light, tm = survey.reflecting, survey.polarized
    assert light is not None
    assert tm is not None
    lonely = rings_alone(survey)
    count, rings = survey.channel_of_ring.shape
    bus, place = np.arange(count)[:, None, None], np.arange(rings)[None, :, None]
    seen = survey.channel_of_ring[..., None] * survey.nodes + np.arange(survey.nodes)

    def own(leaf: ndarray) -> ndarray:
        return leaf[bus, place, seen].reshape(count * rings, 1, -1)

    def each(leaf: ndarray) -> ndarray:
        return np.asarray(leaf).reshape(count * rings, 1)

    def shared(leaf: ndarray) -> ndarray:
        return np.repeat(leaf, rings, axis=0)

    straight = np.ones((count * rings, 2, survey.nodes), dtype=complex)
    reflecting = ReflectingLight(
        half_turn=own(light.half_turn),
        kappa2_through=own(light.kappa2_through),
        kappa2_drop=own(light.kappa2_drop),
        p=straight,
        q=straight,
        ends=np.ones((count * rings, light.ends.shape[1], survey.nodes), dtype=complex),
        ways=jax.tree.map(shared, light.ways),
        dispersion=jax.tree.map(each, light.dispersion),
        scatter_pm=shared(light.scatter_pm),
        cubic_pm_V3=shared(light.cubic_pm_V3),
        reflection=shared(light.reflection),
    )
    none = np.zeros((count * rings, 2, 2))
    second = TwoPolarizations(
        rings=jax.tree.map(each, tm.second.rings),
        buses=PathParams(none, none, none + 1.0, none, none + 1.0),
        detected=tm.second.detected,
    )
    polarized = PolarizedLight(
        half_turn=own(tm.half_turn),
        between=own(tm.between),
        p=straight,
        q=straight,
        step_rad=each(tm.step_rad),
        conversion_std_rad=each(tm.conversion_std_rad),
        second=second,
    )
    noise_A = np.where(np.isfinite(lonely.noise_A), NEIGHBOURS * lonely.gain_A[:, None, :], np.inf)
    return replace(lonely.with_noise(noise_A), reflecting=reflecting, polarized=polarized)


def _places(rings: int) -> dict[str, slice]:
    return columns(rings) | beyond_columns(rings) | tm_columns(rings)
