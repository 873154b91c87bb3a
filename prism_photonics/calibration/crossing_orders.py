"""Several crossings of TE and TM in one bus, found one after the other by trying every place of every ring's order.

All rings of a chip convert by much the same amount, as it is its film that the arms do not undo: so one share of what
films are expected to leave goes for a bus. The line that is explained worst is fitted alone first, with what TM from
elsewhere does to it counted as noise: where its own ring's order lies is then one number, tried from places all around
the crossing. Then every place of every ring's order is tried in the whole bus, with the exact row and all other
unknowns eliminated (`tm_search`), while what counts as noise falls. Nothing is drawn by chance.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.descent import descend, misfits
from prism_photonics.calibration.own_line import OWN
from prism_photonics.calibration.polarized import tm_columns
from prism_photonics.calibration.reflecting import beyond_columns
from prism_photonics.calibration.reflecting_fit import counted
from prism_photonics.calibration.tm_search import tm_searched
from prism_photonics.calibration.unknowns import columns

# Design choices, as are those below. Conversion of all rings to begin with, over its standard deviation, and how far
# each lies off it then.
SHARES, SPREAD = (1.0, 2.2), 0.4
# Places of the ring's order to begin with, either side of the crossing; how many that lead elsewhere go on, APART_RAD
# or more apart.
AHEAD_RAD = np.array([0.0, 0.03, 0.06, 0.1, 0.17, 0.27, 0.4, 0.6])
FEW, APART_RAD = 3, 0.02
# Noise that is added meanwhile, in units of full light: of the line alone, where it stands for all TM from elsewhere,
# and of the bus; most places that are moved with the first of these for each share, and then with each.
ALONE, BLURS, MOVES_FIRST, MOVES = 3e-2, (3e-2, 1e-2, 3e-3, 1e-3), 3, 6
STEPS_ALONE, RTOL_ALONE = 12, 1e-2
# Rounds in which the whole bus's misfit is counted as noise; steps of each.
ROUNDS, STEPS, RTOL = 6, 20, 1e-3


def searched_orders(
    bus: BusSurvey, flat: Float[ndarray, "1 unknowns"], line: int, *, shares: tuple[float, ...]
) -> Float[ndarray, "1 unknowns"]:
    """Unknowns of one bus with TM where that explains all of its lines best.

    Args:
        bus: The bus.
        flat: Its unknowns without TM.
        line: The line to begin with.
        shares: Conversion of all rings to begin with, over its standard deviation.
    """
    begun = []
    for share in shares:
        one = _converting(bus, share)
        found = _alone(one, flat[0], line)
        found, cost = descend(
            one.take(np.zeros(len(found), dtype=int)).blurred(BLURS[0]), found, steps=STEPS_ALONE, rtol=RTOL_ALONE
        )
        found = tm_searched(one, found[[cost.argmin()]], blurs=BLURS[:1], moves=MOVES_FIRST)
        begun.append((float((misfits(one.blurred(BLURS[0]), found) ** 2).sum()), one, found))
    _, one, found = min(begun, key=lambda each: each[0])
    found = tm_searched(one, found, blurs=BLURS, moves=MOVES)
    for _ in range(ROUNDS):
        found, _ = descend(counted(one, found), found, steps=STEPS, rtol=RTOL)
    return _in_units_of(bus, one, found)


def share_of(bus: BusSurvey, flat: Float[ndarray, "1 unknowns"]) -> float:
    """How much the rings of a bus convert, over the standard deviation of that."""
    light = bus.polarized
    assert light is not None
    return float(np.mean(np.abs(_conversion_rad(bus, flat)) / light.conversion_std_rad))


def _alone(bus: BusSurvey, flat: Float[ndarray, " unknowns"], line: int) -> Float[ndarray, "few unknowns"]:
    """Unknowns of a bus of which one line is explained as far as the order of the ring that serves it can, several.

    The other rings' orders are far from any line.
    """
    rings = bus.channel_of_ring.shape[1]
    ring = int(np.flatnonzero(bus.channel_of_ring[0] == line)[0])
    places = columns(rings) | beyond_columns(rings) | tm_columns(rings)
    turn, own = places["tm_turn"].start + ring, [places[name].start + ring for name in OWN]
    start = flat.copy()
    # What no ring does has bent its own numbers, its backscatter too.
    start[own] = start[places["conversion"]] = 0.0
    start[places["tm_turn"]] = np.pi
    tried_rad = np.unique(np.concatenate([AHEAD_RAD, -AHEAD_RAD]) % (2.0 * np.pi))
    starts = np.tile(start, (tried_rad.size, 1))
    starts[:, turn] = tried_rad
    free = np.array([*own, turn, places["gain"].start + line])
    many = bus.at_line(line).blurred(ALONE).take(np.zeros(tried_rad.size, dtype=int))
    found, cost = descend(many, starts, steps=STEPS_ALONE, rtol=RTOL_ALONE, free=free)
    found[:, turn] %= 2.0 * np.pi
    kept: list[int] = []
    for each in np.argsort(cost):
        if all(abs(np.angle(np.exp(1j * (found[each, turn] - found[other, turn])))) > APART_RAD for other in kept):
            kept.append(int(each))
    return found[kept[:FEW]]


def _converting(bus: BusSurvey, share: float) -> BusSurvey:
    """A bus whose rings are expected to convert by that share of the standard deviation.

    Which sign it has shows nowhere: TM's phases along the buses take it up.
    """
    light = bus.polarized
    assert light is not None
    rings = replace(light.second.rings, conversion_rad=share * light.conversion_std_rad)
    second = replace(light.second, rings=rings)
    return replace(bus, polarized=replace(light, conversion_std_rad=SPREAD * light.conversion_std_rad, second=second))


def _in_units_of(bus: BusSurvey, other: BusSurvey, flat: Float[ndarray, "1 unknowns"]) -> Float[ndarray, "1 unknowns"]:
    """Unknowns of a bus that is expected to convert otherwise, as those of this one."""
    light, found = bus.polarized, flat.copy()
    place = tm_columns(bus.channel_of_ring.shape[1])["conversion"]
    assert light is not None
    found[:, place] = (_conversion_rad(other, flat) - light.conversion_rad) / light.conversion_std_rad
    return found


def _conversion_rad(bus: BusSurvey, flat: Float[ndarray, "1 unknowns"]) -> Float[ndarray, "1 rings"]:
    light, place = bus.polarized, tm_columns(bus.channel_of_ring.shape[1])["conversion"]
    assert light is not None
    return light.conversion_rad + light.conversion_std_rad * flat[:, place]
