"""Fit of each ring by itself to its own channel: the starting point of the fit of whole buses.

What neighbours do to a ring's channel counts as noise. A resonance is found only by who starts near it, so a grid of
offsets comes first, in the closed form of one ring's powers with x = cos φ and the round-trip amplitude a:

    T_through − T_drop = (t1² − 2·t1·t2·a·x + t2²·a² − κ1²·κ2²·a) / (1 − 2·t1·t2·a·x + (t1·t2·a)²)
"""

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, Light
from prism_photonics.calibration.descent import descend
from prism_photonics.calibration.portions import in_portions
from prism_photonics.calibration.unknowns import columns

# What neighbours add to a ring's channel, in units of full light, and where its resonance is looked for, in standard
# deviations. Design choices.
NEIGHBOURS = 0.1
OFFSET_REACH, STRETCHES, OFFSET_GRID = 4.0, 16, 15
# The lowest points of so many stretches go on. Design choices, as is what follows.
STARTS = 3
STEPS, RTOL = 15, 1e-3
# Each is looked at with the ring at every point of the grid.
READINGS_ON_GRID = 512


def single_rings(survey: BusSurvey) -> Float[ndarray, "buses unknowns"]:
    """Unknowns of buses whose rings were fitted one by one; bus phases, crosstalk and drop ratio are 0.

    Readings that do not count are left out; a ring of which none counts stays as designed.
    """
    buses, rings = survey.channel_of_ring.shape
    alone = rings_alone(survey.in_single_precision())
    offsets = np.linspace(-OFFSET_REACH, OFFSET_REACH, STRETCHES * OFFSET_GRID)
    (lowest,) = in_portions(
        alone, lambda some: (_lowest_stretches(alone.take(some), offsets),), readings=READINGS_ON_GRID
    )
    starts = np.zeros((lowest.size, columns(1)["drop_ratio"].stop))
    starts[:, columns(1)["offset"].start] = offsets[lowest.ravel()]
    found, cost = descend(alone.take(np.repeat(np.arange(alone.count), STARTS)), starts, steps=STEPS, rtol=RTOL)
    cost = cost.reshape(-1, STARTS)
    best = np.take_along_axis(found.reshape(*cost.shape, -1), cost.argmin(1)[:, None, None], axis=1)[:, 0]
    flat = np.zeros((buses, columns(rings)["drop_ratio"].stop))
    for name in ("kappa1", "kappa2", "loss", "offset", "slope", "curvature"):
        flat[:, columns(rings)[name]] = best[:, columns(1)[name].start].reshape(buses, rings)
    gain = np.zeros((buses, rings))
    np.put_along_axis(gain, survey.channel_of_ring, best[:, columns(1)["gain"].start].reshape(buses, rings), axis=1)
    flat[:, columns(rings)["gain"]] = gain
    return flat


def rings_alone(survey: BusSurvey) -> BusSurvey:
    """Every ring as a bus of its own, lit by the channel that it serves."""
    own, places = survey.channel_of_ring, np.arange(survey.channel_of_ring.shape[1])
    bus = np.arange(survey.count)[:, None]

    def ring_by_ring(leaf: Shaped[ndarray, "buses rings ..."]) -> Shaped[ndarray, "singles 1 ..."]:
        return leaf.reshape(-1, 1, *leaf.shape[2:])

    def by_setting(
        leaf: Float[ndarray, "buses rings nodes settings"],
    ) -> Float[ndarray, "singles settings nodes"]:
        return np.moveaxis(leaf, 3, 2).reshape(own.size, leaf.shape[3], -1)

    # A ring is read at all wavelengths of its channel.
    bus, seen = bus[..., None], own[..., None] * survey.nodes + np.arange(survey.nodes)
    gain_A = survey.gain_A[bus, seen]
    noise_A = np.moveaxis(survey.noise_A[bus, :, seen], 3, 2)
    noise_A = np.where(np.isfinite(noise_A), NEIGHBOURS * gain_A[:, :, None], np.inf)
    half_turn, one = survey.light.half_turn[bus, places[:, None], seen], np.ones((own.size, survey.nodes))
    light = Light(
        half_turn=ring_by_ring(half_turn),
        load=np.zeros((own.size, 0, survey.nodes), dtype=complex),
        through=one,
        drop=one,
        rad_pm=ring_by_ring(survey.light.rad_pm),
    )
    return BusSurvey(
        channel_of_ring=np.zeros((own.size, 1), dtype=int),
        rings=jax.tree.map(ring_by_ring, survey.rings),
        # Without neighbours a bus does nothing but pass light: they are not looked at.
        paths=jax.tree.map(lambda leaf: np.repeat(leaf, own.shape[1], axis=0), survey.paths),
        gain_A=gain_A.reshape(own.size, -1),
        scatter=survey.scatter,
        volts=by_setting(survey.volts[bus, :, seen, places[:, None]])[..., None],
        drift_pm=by_setting(survey.drift_pm[bus, :, seen, places[:, None]])[..., None],
        current_A=by_setting(survey.current_A[bus, :, seen]),
        noise_A=noise_A.reshape(own.size, -1, survey.nodes),
        light=light,
    )


def _lowest_stretches(alone: BusSurvey, offsets: Float[ndarray, " points"]) -> Int[ndarray, "singles starts"]:
    """The lowest point of each of the lowest stretches of a ring's offsets."""
    costs = _grid_costs(alone, offsets).reshape(-1, STRETCHES, OFFSET_GRID)
    of_stretch = costs.argmin(2) + OFFSET_GRID * np.arange(STRETCHES)
    return np.take_along_axis(of_stretch, np.argsort(costs.min(2), axis=1)[:, :STARTS], axis=1)


def _grid_costs(alone: BusSurvey, offsets: Float[ndarray, " points"]) -> Float[ndarray, "singles points"]:
    """Squared misfits over noise of each ring as designed, at each offset in units of the scatter."""
    ring, light = alone.rings, alone.light
    # A reading is one setting at one wavelength.
    shift_pm = ring.slope_pm_V[..., None] * alone.volts[..., 0] + alone.drift_pm[..., 0]
    phase0 = 2.0 * np.angle(light.half_turn) + light.rad_pm[..., None] * shift_pm
    phase0 = phase0.reshape(alone.count, -1)
    x = np.cos(phase0[:, None, :] + (alone.scatter.offset_pm * offsets)[:, None] * light.rad_pm[:, :, None])
    t1, t2, a = (part[:, :, None] for part in (ring.t1, ring.t2, ring.a))
    turn = t1 * t2 * a
    dropped = (1.0 - t1**2) * (1.0 - t2**2) * a
    balanced = (t1**2 + (t2 * a) ** 2 - dropped - 2.0 * turn * x) / (1.0 + turn**2 - 2.0 * turn * x)
    wanted, weight = alone.current_A / alone.gain_A[:, None, :], alone.gain_A[:, None, :] / alone.noise_A
    wanted, weight = (part.reshape(alone.count, 1, -1) for part in (wanted, weight))
    return (((balanced - wanted) * weight) ** 2).sum(2)
