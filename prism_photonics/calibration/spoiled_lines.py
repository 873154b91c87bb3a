"""Lines that no fit of their bus explains: found by leaving each out, and kept from spoiling the others.

Where a resonance of TM meets a ring's own line it splits it in a way that no ring of these fits has. The fit then bends
all unknowns of the bus to that line, and every ring of the bus is known less well. Without it the others are explained
as usual. So of a bus that stands out each line is left out in turn, and the one without which by far the least is left
is set apart, where Akaike's criterion allows it: as many unknowns as readings that are left out. A line that is set
apart still tells what it can of its ring: its readings count as noisy as they are missed, which is learned in a few
rounds. So the ring's error bars are its own, and the others' are theirs.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.descent import descend
from prism_photonics.calibration.fit import BusFit, at_optimum, mended, refit_buses
from prism_photonics.calibration.own_line import fitted_to_own_lines, own_columns
from prism_photonics.calibration.reading_model import readings_A
from prism_photonics.calibration.reflecting_fit import counted, honest, in_sizes, padded, sizes_of
from prism_photonics.calibration.unknowns import columns

# Design choices, as are those below. A bus stands out whose χ² is so large, and so many times that of the quarter of
# the chip's buses that are explained best. Lines of one bus are set apart one after the other, this share at most; each
# leaves so small a share of what was left, and of what is left without the next best.
STANDS_OUT, OUTLYING, MOST = 10.0, 3.0, 0.5
FALLS_TO, OF_THE_NEXT = 0.4, 0.6
# Rounds in which misfit is learned; steps of each.
ROUNDS, STEPS, RTOL = 4, 12, 1e-3


def contained(survey: BusSurvey, fit: BusFit) -> tuple[BusFit, BusSurvey, Bool[ndarray, "buses lines"]]:
    """The fit of buses of which single lines spoil the rest, with those set apart.

    Args:
        survey: The readings, with the drift that was found.
        fit: Their fit.

    Returns:
        The fit, whose χ² is over the readings' own noise, of all lines; the readings, those of lines that are set apart
        as noisy as they are missed; and which lines those are.
    """
    apart = np.zeros(survey.channel_of_ring.shape, dtype=bool)
    wrong = np.flatnonzero(fit.chi2 > max(STANDS_OUT, OUTLYING * float(np.quantile(fit.chi2, 0.25))))
    if apart.shape[1] == 1 or not wrong.size:
        return fit, survey, apart
    # Buses that bend to a spoiled line tell of no chip's rings.
    own, sizes = in_sizes_of_chip(survey, fit.flat, telling=~np.isin(np.arange(survey.count), wrong))
    for bus in wrong:
        one, flat = own.take(np.array([bus])), fit.flat[[bus]] / sizes
        lines, found = _set_apart(one, flat, float(fit.chi2[bus]))
        if lines.any():
            apart[bus] = lines
            own_of = own_columns(one, lines, unknowns=flat.shape[1])
            found[:, own_of] = flat[:, own_of]
            sure, found = _as_noisy(one, found, lines)
            told = fit_told(one, sure, found, apart=lines[None], sizes=sizes)
            fit = mended(fit, np.array([bus]), told, np.array([0]))
    return fit, weighed(survey, fit.flat, apart), apart


def counted_beside(
    sure: BusSurvey, flat: Float[ndarray, "buses unknowns"], apart: Bool[ndarray, "buses lines"]
) -> BusSurvey:
    """`reflecting_fit.counted` by the lines that are not set apart: those that are have noise enough."""
    if not apart.any():
        return counted(sure, flat)
    at = np.repeat(apart, sure.nodes, axis=1)[:, None, :]
    others = counted(sure.with_noise(np.where(at, np.inf, sure.noise_A)), flat)
    return sure.with_noise(np.where(at, sure.noise_A, others.noise_A))


def refitted(readings: BusSurvey, sure: BusSurvey, fit: BusFit, apart: Bool[ndarray, "buses lines"]) -> BusFit:
    """The fit of the same readings with another drift applied.

    Args:
        readings: The readings.
        sure: The same, those of lines that are set apart as noisy as they are missed.
        fit: Their fit before.
        apart: Which lines are set apart.
    """
    stop = columns(readings.channel_of_ring.shape[1])["drop_ratio"].stop
    bare = ~fit.flat[:, stop:].any(1)
    plain, full = np.flatnonzero(bare), np.flatnonzero(~bare)
    if full.size:
        own, sizes = in_sizes_of_chip(sure.take(full), fit.flat[full], telling=~apart[full].any(1))
        whole, flat = _in_units(readings.take(full), sizes), fit.flat[full] / sizes
        flat, _ = descend(counted_beside(own, flat, apart[full]), flat, steps=STEPS, rtol=RTOL)
        told = fit_told(whole, own, flat, apart=apart[full], sizes=sizes)
        fit = mended(fit, full, told, np.arange(full.size))
    if plain.size:
        few, whole = (replace(part.take(plain), reflecting=None) for part in (sure, readings))
        found = refit_buses(few, fit.flat[plain, :stop])
        found = replace(found, chi2=at_optimum(whole, found.flat).chi2)
        if readings.reflecting is not None:
            found = padded(found, readings.take(plain))
        fit = mended(fit, plain, found, np.arange(plain.size))
    return fit


def _set_apart(
    bus: BusSurvey, flat: Float[ndarray, "1 unknowns"], chi2: float
) -> tuple[Bool[ndarray, " lines"], Float[ndarray, "1 unknowns"]]:
    """Lines of a bus without which the others are explained, and unknowns that explain those."""
    lines = np.zeros(bus.channel_of_ring.shape[1], dtype=bool)
    for _ in range(int(MOST * lines.size)):
        left = np.flatnonzero(~lines)
        tried = np.repeat(lines[None], left.size, axis=0)
        tried[np.arange(left.size), left] = True
        unread = np.repeat(tried, bus.nodes, axis=1)[:, None, :]
        many, found = bus.take(np.zeros(left.size, dtype=int)), np.repeat(flat, left.size, axis=0)
        many = many.with_noise(np.where(unread, np.inf, many.noise_A))
        for _ in range(ROUNDS):
            found, _ = descend(counted(many, found), found, steps=STEPS, rtol=RTOL)
        without = at_optimum(many, found).chi2
        best, (least, next_best) = int(without.argmin()), np.sort(without)[:2]
        kept = int(np.isfinite(many.noise_A[best]).sum())
        added = int(np.isfinite(bus.noise_A).sum()) - int(np.isfinite(many.noise_A[best]).sum())
        asked = kept * np.log(chi2 / least) > 2.0 * (added + np.log(left.size))
        if not (asked and least < FALLS_TO * chi2 and least < OF_THE_NEXT * next_best):
            break
        lines, flat, chi2 = tried[best], found[[best]], float(least)
        if chi2 < STANDS_OUT:
            break
    return lines, flat


def _as_noisy(
    bus: BusSurvey, flat: Float[ndarray, "1 unknowns"], lines: Bool[ndarray, " lines"]
) -> tuple[BusSurvey, Float[ndarray, "1 unknowns"]]:
    """The bus with some lines as noisy as they are missed, and unknowns that explain it so."""
    flat = fitted_to_own_lines(bus, flat, lines)
    for _ in range(ROUNDS):
        # Were it held at what the ring alone could come to, the other lines of the bus would pay for it.
        sure = bus.with_noise(_missed_A(bus, flat, lines[None]))
        flat, _ = descend(counted_beside(sure, flat, lines[None]), flat, steps=STEPS, rtol=RTOL)
    return bus.with_noise(_missed_A(bus, flat, lines[None])), flat


def weighed(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], apart: Bool[ndarray, "buses lines"]
) -> BusSurvey:
    """The readings, those of lines that are set apart as noisy as these unknowns miss them."""
    some = np.flatnonzero(apart.any(1))
    if not some.size:
        return survey
    noise_A = survey.noise_A.copy()
    noise_A[some] = _missed_A(survey.take(some), flat[some], apart[some])
    return survey.with_noise(noise_A)


def _missed_A(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], apart: Bool[ndarray, "buses lines"]
) -> Float[ndarray, "buses settings wavelengths"]:
    """Noise of the readings, of lines that are set apart no less than they are missed by."""
    seen = np.isfinite(survey.noise_A)
    off_A2 = np.where(seen, (readings_A(survey, flat) - survey.current_A) ** 2, 0.0)
    sums, counts = (
        part.reshape(*part.shape[:2], -1, survey.nodes).sum((1, 3)) for part in (off_A2, seen.astype(float))
    )
    rms_A = np.repeat(apart * np.sqrt(sums / np.maximum(counts, 1.0)), survey.nodes, axis=1)
    return np.hypot(survey.noise_A, rms_A[:, None, :])


def fit_told(
    readings: BusSurvey,
    sure: BusSurvey,
    flat: Float[ndarray, "buses unknowns"],
    *,
    apart: Bool[ndarray, "buses lines"],
    sizes: Float[ndarray, " unknowns"],
) -> BusFit:
    """The fit at an optimum of readings some of which are less sure; unknowns are in their sizes."""
    found = at_optimum(honest(counted_beside(sure, flat, apart), flat), flat)
    whole = at_optimum(readings, flat)
    return BusFit(flat * sizes, found.std * sizes, found.model, whole.residual_rms, whole.chi2)


def in_sizes_of_chip(
    survey: BusSurvey, flat: Float[ndarray, "buses unknowns"], *, telling: Bool[ndarray, " buses"]
) -> tuple[BusSurvey, Float[ndarray, " unknowns"]]:
    """The readings in units of the unknowns as large as some buses tell them to be on this chip, and those units."""
    rings, sizes = survey.channel_of_ring.shape[1], np.ones(flat.shape[1])
    some = np.flatnonzero(telling & flat[:, columns(rings)["drop_ratio"].stop :].any(1))
    if some.size:
        sizes = sizes_of(at_optimum(counted(survey.take(some), flat[some]), flat[some]), rings)
    return _in_units(survey, sizes), sizes


def _in_units(survey: BusSurvey, sizes: Float[ndarray, " unknowns"]) -> BusSurvey:
    return survey if survey.reflecting is None else in_sizes(survey, sizes)
