"""Crossings of TE and TM, fitted in the rings whose lines no fit of one polarisation explains.

Such a ring lets out TM, which runs along both buses past the other rings. Few of these have an order of TM of their own
within some linewidths of that line, and a voltage turns TM by a third of what it turns TE: so all but few are to that
TM what they are at rest, whatever is written to them. What the ring sees of it is then a few complex numbers, and many
settings of the surroundings make the same. So each line that is set apart is fitted alone, with the numbers of its own
ring, from many places of its order of TM, sizes of its conversion, and surroundings by chance; the other rings' numbers
are those that the other lines tell. The best go on with all lines of the bus and all unknowns, with other rings'
conversion too. Where a line still stands out, several rings of the bus cross, or others send TM back to it, and every
order of the bus is searched (`crossing_orders`). Akaike's criterion takes the bus with TM, or leaves it.
"""

from dataclasses import replace
from itertools import product

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.crossing_orders import SHARES, searched_orders, share_of
from prism_photonics.calibration.descent import descend, misfits
from prism_photonics.calibration.fit import BusFit, mended
from prism_photonics.calibration.polarized import PolarizedLight, tm_columns
from prism_photonics.calibration.reflecting import beyond_columns
from prism_photonics.calibration.reflecting_fit import counted, padded, reflecting_survey
from prism_photonics.calibration.spoiled_lines import (
    FALLS_TO,
    OUTLYING,
    STANDS_OUT,
    counted_beside,
    fit_told,
    in_sizes_of_chip,
    weighed,
)
from prism_photonics.calibration.unknowns import columns
from prism_photonics.circuit.designed_tm import designed_tm
from prism_photonics.circuit.params import designed_bank
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM

# Design choices, as are those below. Where more of a chip's lines are set apart, or where what is left of a bus's other
# lines is more, it is not single crossings that are wrong.
MOST_OF_CHIP, REST = 0.25, 1000.0
# Places of the ring's order to begin with, either side of the crossing; sizes of its conversion, over their standard
# deviation; surroundings of each, and where other rings' orders lie in those: not on the line.
AHEAD_RAD, SIZES, SURROUNDINGS, CLEAR_RAD = (0.04, 0.1, 0.2, 0.4), (0.3, 1.0, 2.0), 4, 0.6
# Noise that is added meanwhile, in units of full light: what no fit knows. First steps of all and last ones of this
# share; how many of those go on with the whole bus.
BLUR, FIRST_STEPS, LAST_STEPS, GO_ON, FEW = 3e-3, 8, 40, 0.17, 4
FIRST_RTOL, RTOL, DAMPING = 1e-2, 1e-3, 1e-2
# How often the surroundings are drawn anew where such a line still stands out.
TRIES = 2
# Buses of a chip that no search explains, after which orders are no longer searched: it is then not TM that is wrong.
MOST_MISSED = 3
# Rounds in which the whole bus's misfit is counted as noise; steps of each.
BLURS, ROUNDS, STEPS = (1e-2, 3e-3), 4, 15
OWN = ("kappa1", "kappa2", "loss", "offset", "slope", "curvature", "cubic")


def with_crossings(
    readings: BusSurvey,
    fit: BusFit,
    apart: Bool[ndarray, "buses lines"],
    *,
    spec: ChipSpec,
    node_pm: Float[ndarray, " nodes"],
    rng: np.random.Generator,
) -> tuple[BusFit, BusSurvey, Bool[ndarray, "buses lines"]]:
    """The fit with TM in buses whose lines ask for it.

    Args:
        readings: The readings, with the drift that was found.
        fit: Their fit, by the plain row or by one that reflects.
        apart: Lines that it does not explain.
        spec: The chip.
        node_pm: As of `survey_fit.bus_surveys`.
        rng: Draws surroundings.

    Returns:
        The fit, the readings as they are then explained, and the lines that are still not; all as given where no bus
        asks for TM, or the film guides none.
    """
    if not apart.any() or designed_tm(spec) is None:
        return fit, readings, apart
    full, bent = readings, fit
    if readings.reflecting is None:
        full = reflecting_survey(readings, spec, node_pm=node_pm)
        bent = _by_the_other_engine(full, fit, apart)
    found, explained, left = crossings_fitted(
        polarized_survey(full, spec, node_pm=node_pm), bent, apart, rng.spawn(1)[0]
    )
    if explained.polarized is None:
        return fit, readings, apart
    if readings.reflecting is None:
        # Other buses stay the plain rows that they were fitted as, and are read as: dispersion is no part of those.
        plain = np.flatnonzero(~explained.polarized.conversion_std_rad.any(1))
        found = mended(found, plain, _without_tm(padded(fit, full), explained), plain)
    return found, explained, left


def _by_the_other_engine(survey: BusSurvey, plain: BusFit, apart: Bool[ndarray, "buses lines"]) -> BusFit:
    """A fit of plain rows by the engine of rows that reflect, which knows dispersion: it moves every line a little.

    Nothing reflects; what is left of the lines is then what neither engine explains, and what TM is held to.
    """
    fit = padded(plain, survey)
    own = np.arange(plain.flat.shape[1])
    sure = counted_beside(weighed(survey, fit.flat, apart), fit.flat, apart)
    flat, _ = descend(sure, fit.flat, steps=STEPS, rtol=RTOL, free=own)
    sure = weighed(survey, flat, apart)
    flat, _ = descend(counted_beside(sure, flat, apart), flat, steps=STEPS, rtol=RTOL, free=own)
    found = fit_told(survey, weighed(survey, flat, apart), flat, apart=apart, sizes=np.ones(flat.shape[1]))
    std = np.where(np.arange(flat.shape[1]) < own.size, found.std, 0.0)
    return replace(found, std=std)


def polarized_survey(survey: BusSurvey, spec: ChipSpec, *, node_pm: Float[ndarray, " nodes"]) -> BusSurvey:
    """Readings of buses that reflect, to be explained with TM in them; the film guides TM."""
    assert survey.reflecting is not None
    lines_um = np.asarray(designed_bank(spec, xp=np).wl_um)
    wl_um = (lines_um[:, None] + node_pm / PM_PER_UM).ravel()
    own_um = lines_um[survey.channel_of_ring]
    light = PolarizedLight.of(spec, wl_um, survey.rings, survey.reflecting, own_um=own_um)
    return replace(survey, polarized=light)


def crossings_fitted(
    survey: BusSurvey, fit: BusFit, apart: Bool[ndarray, "buses lines"], rng: np.random.Generator
) -> tuple[BusFit, BusSurvey, Bool[ndarray, "buses lines"]]:
    """The fit with TM in the buses whose readings ask for it.

    Args:
        survey: Result of `polarized_survey`.
        fit: The fit without TM.
        apart: Lines that it does not explain.
        rng: Draws surroundings.

    Returns:
        The fit, the readings as they are then explained, and the lines that are still not; as they were given where no
        bus asks for TM.
    """
    bare, light, rings = replace(survey, polarized=None), survey.polarized, apart.shape[1]
    assert light is not None
    if apart.mean() > MOST_OF_CHIP:
        return fit, bare, apart
    own, sizes = in_sizes_of_chip(bare, fit.flat, telling=~apart.any(1))
    own, sizes = replace(own, polarized=survey.polarized), _with_none(sizes[None], rings, none=1.0)[0]
    chi2, found = _chi2_of_lines(bare, fit.flat), {}
    # Of a chip of few buses those with such lines are among the best quarter, too.
    alike = fit.chi2[~apart.any(1)]
    well = OUTLYING * max(STANDS_OUT, OUTLYING * float(np.quantile(alike, 0.25)) if alike.size else 0.0)
    shares, missed = SHARES, 0
    for bus in np.flatnonzero(apart.any(1)):
        if np.mean(chi2[bus, ~apart[bus]]) > REST:
            continue
        one, start = own.take(np.array([bus])), _with_none(fit.flat[[bus]], rings) / sizes
        start[:, tm_columns(rings)["conversion"]] = -light.conversion_rad[bus] / light.conversion_std_rad[bus]
        lines = np.flatnonzero(apart[bus])
        tried = []
        for _ in range(TRIES):
            flat, converting = start, np.zeros(rings, dtype=bool)
            for line in lines[np.argsort(-chi2[bus, lines])]:
                converting |= one.channel_of_ring[0] == line
                flat = _best(one, _alone(one, flat[0], int(line), rng, converting=converting))
            tried.append((float(_chi2_of_lines(one, flat)[0, lines].max()), flat))
            if tried[-1][0] < well:
                break
        if tried[-1][0] >= well and missed < MOST_MISSED:
            flat = searched_orders(one, start, int(lines[chi2[bus, lines].argmax()]), shares=shares)
            tried.append((float(_chi2_of_lines(one, flat)[0, lines].max()), flat))
            shares = (share_of(one, flat),) if tried[-1][0] < well else shares
        # One line is not explained at the cost of the others.
        flat = min((flat for _, flat in tried), key=lambda flat: float(_chi2_of_lines(one, flat).mean()))
        told, left = _explained(survey.take(np.array([bus])), one, flat, apart[bus], sizes=sizes)
        more, readings = told.flat.shape[1] - fit.flat.shape[1], np.isfinite(one.noise_A).sum()
        asked = readings * np.log(fit.chi2[bus] / told.chi2[0]) > 2.0 * more
        # What no TM explains bends its many unknowns too, at the cost of the other lines.
        others = [float(np.mean(part[~apart[bus]])) for part in (chi2[bus], _chi2_of_lines(one, flat)[0])]
        if asked and (left < apart[bus]).any() and others[1] < max(STANDS_OUT, OUTLYING * others[0]):
            found[bus] = told, left
        else:
            missed += 1
    if not found:
        return fit, bare, apart
    with_tm = np.isin(np.arange(survey.count), list(found))
    survey, apart = _only_in(survey, with_tm[:, None]), apart.copy()
    fit = _without_tm(fit, survey)
    for bus, (told, left) in found.items():
        fit, apart[bus] = mended(fit, np.array([bus]), told, np.array([0])), left
    return fit, survey, apart


def _alone(
    bus: BusSurvey,
    flat: Float[ndarray, " unknowns"],
    line: int,
    rng: np.random.Generator,
    *,
    converting: Bool[ndarray, " rings"],
) -> Float[ndarray, "few unknowns"]:
    """Unknowns of a bus of which one line is explained by TM in the ring that serves it, several of them.

    Rings that are not ``converting`` let TM pass.
    """
    light, rings = bus.polarized, bus.channel_of_ring.shape[1]
    assert light is not None
    ring = int(np.flatnonzero(bus.channel_of_ring[0] == line)[0])
    places = columns(rings) | beyond_columns(rings) | tm_columns(rings)
    of_ring = {name: places[name].start + ring for name in (*OWN, "tm_turn", "conversion")}
    drawn_rad, std_rad = light.conversion_rad[0, ring], light.conversion_std_rad[0, ring]
    starts = []
    for ahead_rad, size, known in product((*AHEAD_RAD, *(-part for part in AHEAD_RAD)), SIZES, range(SURROUNDINGS)):
        start = flat.copy()
        for name in OWN:
            start[of_ring[name]] = 0.0
        # Where other rings of the bus have told some of the surroundings already, half of the starts begin with those.
        if known % 2 or not flat[places["tm_turn"]].any():
            start[places["tm_turn"]] = rng.uniform(CLEAR_RAD, 2.0 * np.pi - CLEAR_RAD, rings)
            for name in ("tm_through", "tm_drop"):
                start[places[name]] = rng.uniform(0.0, 2.0 * np.pi, rings - 1)
        start[of_ring["tm_turn"]] = ahead_rad % (2.0 * np.pi)
        start[of_ring["conversion"]] = np.copysign(size, drawn_rad) - drawn_rad / std_rad
        starts.append(start)
    surroundings = [np.r_[places[name]] for name in ("tm_turn", "tm_through", "tm_drop")]
    own = [of_ring[name] for name in (*OWN, "conversion")]
    free = np.concatenate([*surroundings, own, [places["gain"].start + line]])
    one, found = _only_in(bus, converting[None]).at_line(line).blurred(BLUR), np.array(starts)
    many = one.take(np.zeros(len(found), dtype=int))
    found, cost = descend(many, found, steps=FIRST_STEPS, rtol=FIRST_RTOL, damping=DAMPING, free=free)
    kept = np.argsort(cost)[: max(FEW, int(GO_ON * cost.size))]
    found, cost = descend(many.take(kept), found[kept], steps=LAST_STEPS, rtol=RTOL, free=free)
    found = found[np.argsort(cost)[:FEW]]
    # Where nothing converts an order is the same after one turn; else it is where TE is seen between two crossings.
    turns = found[:, places["tm_turn"]]
    found[:, places["tm_turn"]] = np.where(converting, turns, turns % (2.0 * np.pi))
    return found


def _best(bus: BusSurvey, flat: Float[ndarray, "few unknowns"]) -> Float[ndarray, "1 unknowns"]:
    """Of several unknowns of one bus those that explain all of its lines best, once all of them are fitted.

    What counts as noise falls, and half of them go on each time.
    """
    many = bus.take(np.zeros(len(flat), dtype=int))
    for blur in BLURS:
        flat, cost = descend(many.blurred(blur), flat, steps=STEPS, rtol=RTOL)
        flat = flat[np.argsort(cost)[: max(1, len(flat) // 2)]]
        many = bus.take(np.zeros(len(flat), dtype=int))
    for _ in range(ROUNDS):
        flat, _ = descend(counted(many, flat), flat, steps=STEPS, rtol=RTOL)
    return flat


def _explained(
    readings: BusSurvey,
    own: BusSurvey,
    flat: Float[ndarray, "1 unknowns"],
    apart: Bool[ndarray, " lines"],
    *,
    sizes: Float[ndarray, " unknowns"],
) -> tuple[BusFit, Bool[ndarray, " lines"]]:
    """The fit of one bus with TM, and which of its lines it does not explain either."""
    # As lines are set apart: where most of what the bus leaves is theirs.
    chi2 = _chi2_of_lines(own, flat)[0]
    rest = float(np.mean(chi2[~apart]))
    with_each = (rest * (~apart).sum() + chi2) / ((~apart).sum() + 1)
    left = apart & (with_each > STANDS_OUT) & (rest < FALLS_TO * with_each)
    sure = weighed(own, flat, left[None])
    fit = fit_told(own, sure, flat, apart=left[None], sizes=sizes)
    return replace(fit, model=readings.model(fit.flat)), left


def _chi2_of_lines(survey: BusSurvey, flat: Float[ndarray, "buses unknowns"]) -> Float[ndarray, "buses lines"]:
    """Mean squared misfit over noise of every line."""
    seen = np.isfinite(survey.noise_A)
    off = np.where(seen, misfits(survey, flat) ** 2, 0.0)
    sums, counts = (part.reshape(*part.shape[:2], -1, survey.nodes).sum((1, 3)) for part in (off, seen.astype(float)))
    return sums / np.maximum(counts, 1.0)


def _with_none(
    flat: Float[ndarray, "buses some"], rings: int, *, none: float = 0.0
) -> Float[ndarray, "buses unknowns"]:
    """Unknowns without TM among those with it."""
    return np.pad(flat, ((0, 0), (0, tm_columns(rings)["tm_drop"].stop - flat.shape[1])), constant_values=none)


def _only_in(survey: BusSurvey, converting: Bool[ndarray, "buses #rings"]) -> BusSurvey:
    """The readings, to be explained with TM of some rings: the others convert nothing."""
    light = survey.polarized
    assert light is not None
    rings = replace(light.second.rings, conversion_rad=np.where(converting, light.conversion_rad, 0.0))
    std_rad = np.where(converting, light.conversion_std_rad, 0.0)
    second = replace(light.second, rings=rings)
    return replace(survey, polarized=replace(light, conversion_std_rad=std_rad, second=second))


def _without_tm(fit: BusFit, survey: BusSurvey) -> BusFit:
    """A fit without TM among those with it; of ``survey`` no ring converts in these buses."""
    rings = survey.channel_of_ring.shape[1]
    flat, std = (_with_none(part, rings) for part in (fit.flat, fit.std))
    beyond = survey.model(flat).beyond
    assert beyond is not None
    assert fit.model.beyond is not None
    model = replace(fit.model, beyond=replace(fit.model.beyond, tm=beyond.tm))
    return replace(fit, flat=flat, std=std, model=model)
