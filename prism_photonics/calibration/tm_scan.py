"""Every place of every ring's TM order in a bus, tried with the exact row and all other unknowns eliminated.

A resonance of TM is as narrow as one of TE, some hundredths of a radian of half a turn, and shows on any line that it
meets: places further apart than that would miss it. What lies west of a ring is one scattering matrix, what lies east
of it another, so all places of a ring cost that ring and no row. The other unknowns follow by their present slopes
(variable projection); TM's phases along the buses, which are anything, as complex numbers of any size, so that they may
turn far.

Source of the elimination: G. H. Golub and V. Pereyra, SIAM Journal on Numerical Analysis 10, 413 (1973).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey, prior_weight
from prism_photonics.calibration.polarized import repulsion, tm_columns
from prism_photonics.calibration.polarized_slopes import (
    PolarizedBuses,
    amplitude_slopes,
    ring_split,
    solved_buses,
)
from prism_photonics.calibration.reading_model import reading_slopes
from prism_photonics.circuit.polarized import passed_on, scattering
from prism_photonics.lightpath.arrays import power
from prism_photonics.lightpath.ring.mixing import HalfTurn

# How far unknowns without a prior, and amplitudes of TM's phasors, are held to where they are: standard deviations that
# are wide, in rad and in units of the phasors. Design choices.
PHASE_RAD, AMPLITUDE = 3.0, 0.7


class Scan(NamedTuple):
    """Places of every ring's order, tried one at a time.

    Attributes:
        ahead_rad: The places.
        left: Cost that each of them leaves.
        flat: Unknowns with the order there, and TM's phases turned to where they then leave least.
    """

    ahead_rad: Float[ndarray, " places"]
    left: Float[ndarray, "rings places"]
    flat: Float[ndarray, "rings places unknowns"]


def scanned(bus: BusSurvey, flat: Float[ndarray, " unknowns"], ahead_rad: Float[ndarray, " places"]) -> Scan:
    """Every place of every order in one bus.

    Args:
        bus: The bus.
        flat: Its unknowns.
        ahead_rad: Phases by which TM's half turn is ahead of TE's.
    """
    rings, count = bus.channel_of_ring.shape[1], flat.size
    solved, noise_A = solved_buses(bus, flat[None]), bus.noise_A
    slopes = [reading_slopes(bus, flat[None]).by_unknown[0], amplitude_slopes(solved)[0]]
    by = np.concatenate([part / noise_A for part in slopes]).reshape(-1, noise_A.size)
    prior, free = prior_weight(rings, unknowns=count), np.zeros(len(by) - count)
    held = np.concatenate([np.where(prior > 0.0, prior, 1.0 / PHASE_RAD), free + 1.0 / AMPLITUDE])
    here = ((placed_A(bus, solved, flat, ahead_rad) - bus.current_A[0]) / noise_A[0]).reshape(-1, noise_A.size)
    of_prior = np.concatenate([prior**2 * flat, free])
    root = np.linalg.cholesky(by @ by.T + np.diag(held**2))
    halfway = np.linalg.solve(root, (here @ by.T + of_prior).T)
    left = (here**2).sum(1) + ((prior * flat) ** 2).sum() - (halfway**2).sum(0)
    move = -np.linalg.solve(root.T, halfway).T.reshape(rings, ahead_rad.size, -1)
    places, found = tm_columns(rings), np.tile(flat, (rings, ahead_rad.size, 1))
    for ring in range(rings):
        found[ring, :, places["tm_turn"].start + ring] = ahead_rad
    for name, first in (("tm_through", count), ("tm_drop", count + rings - 1)):
        grown = np.clip(move[..., first : first + rings - 1], -1.0, 1.0)
        found[..., places[name]] += np.angle(1.0 + grown + 1j * move[..., places[name]])
    return Scan(ahead_rad, left.reshape(rings, -1), found)


def placed_A(
    bus: BusSurvey, solved: PolarizedBuses, flat: Float[ndarray, " unknowns"], ahead_rad: Float[ndarray, " places"]
) -> Float[ndarray, "rings places settings wavelengths"]:
    """Currents of one bus with one ring's order at each place, in A; ``solved`` is the bus at its unknowns."""
    one, transposed = np.eye(4), lambda matrix: np.swapaxes(matrix, -1, -2)
    turn = flat[tm_columns(bus.channel_of_ring.shape[1])["tm_turn"]]
    seen = np.array([1.0, solved.tm.second.detected])
    nothing = 0.0 * solved.halves.te[0]
    # West of the first ring: what its light meets there, the light itself, and the ways to the drop exit.
    west = one * (transposed(solved.near) + nothing[..., None, None])
    lit = one[:, :1] * (solved.entered + nothing)[..., None, None]
    by_drop = one[2:] * (solved.let_out + nothing)[..., None, None]
    direct = nothing[..., None, None] + np.zeros((2, 1))
    found = []
    for j, chi in enumerate(solved.conversion_rad[0]):
        along, gamma, out = solved.along[j], solved.gammas[j], solved.outs[j]
        west, lit = west * along[..., :, None] * along[..., None, :], lit * along[..., None]
        by_drop = by_drop * along[..., None, :]
        through, drop = ((te[j], tm[j]) for te, tm in solved.couplings)
        rest, split = HalfTurn(*(part[j] for part in solved.halves)), ring_split(solved.split, j)
        ports = scattering(_placed(rest, float(turn[j]), ahead_rad, float(chi)), through, drop, split)
        leaving = _leaving((west, lit, by_drop, direct), (gamma, out), ports)
        through_W, drop_W = (power(field) @ seen for field in leaving)
        found.append((solved.gain_A * (through_W - solved.drop_ratio * drop_W))[:, 0])
        near, far, across = scattering(rest, through, drop, split)
        entering = np.linalg.solve(one - west @ near, np.concatenate([lit, west @ transposed(across)], axis=-1))
        light, echoed = entering[..., :1], entering[..., 1:]
        west, lit = far + across @ echoed, across @ light
        direct, by_drop = direct + by_drop @ near @ light, by_drop @ (transposed(across) + near @ echoed)
    return np.stack(found)


def _placed(half: HalfTurn, turn: float, ahead_rad: Float[ndarray, " places"], chi: float) -> HalfTurn:
    """Half turns of a ring whose order is moved, and which is seen to resonate where it was."""
    repelled = repulsion(np.append(ahead_rad, turn), np.full(ahead_rad.size + 1, chi))[0]
    ahead, moved = (part[:, None, None, None] for part in (ahead_rad - turn, repelled[:-1] - repelled[-1]))
    return HalfTurn(
        te=half.te * np.exp(-1j * moved),
        tm=half.tm * np.exp(1j * (ahead - moved)),
        between=half.between * np.exp(1j * (0.5 * ahead - moved)),
    )


def _leaving(west: Any, east: Any, ports: Any) -> tuple[Any, Any]:
    """Fields at both exits of a row with a ring between what lies west and what lies east of it."""
    (back_west, lit, by_drop, direct), (gamma, out), (near, far, across) = west, east, ports
    ahead, _ = passed_on(gamma, far, across)
    back = near + np.swapaxes(across, -1, -2) @ gamma @ ahead
    light = np.linalg.solve(np.eye(4) - back_west @ back, lit + 0.0 * back[..., :1])
    return (out @ ahead @ light)[..., 0], (direct + by_drop @ back @ light)[..., 0]
