"""What the structures of a die tell together: couplings over gaps, losses, indices, couplers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from prism_photonics.laboratory.comb import AXIS
from prism_photonics.laboratory.die import Part
from prism_photonics.laboratory.extract import Record, law_over_gaps
from prism_photonics.laboratory.manifest import Structure
from prism_photonics.laboratory.resonance import DB, Resonance
from prism_photonics.laboratory.series import (
    LEAST_GAPS,
    GapLaw,
    Scatter,
    cutback_dB_cm,
    length_index,
    loss_dB_turn,
    over_resonances,
    scatter_of,
    spread_beyond,
)
from prism_photonics.laboratory.splitting import mean_of, splitting
from prism_photonics.units import UM_PER_CM

FACETS_dB = 0.15
"""Scatter of a line's two couplers together, design choice: facets of one die, the fibres brought to them by hand."""
COUPLERS = 0.05
"""Relative scatter of κ² between couplers that were drawn alike, where too few gaps tell it; design choice."""
FAR_OVER = 3.0
"""Times the median error of a ring's resonances from which on one tells nothing; design choice."""
ALIKE = 10.0
"""Error of ln κ² by which weights are alike; design choice."""
LOCAL_UM = 5e-5
"""Scatter of neighbouring rings' resonances by fabrication, 50 pm, design choice: as the shipped specs have it."""
GRADIENT = 1.3e-7
"""What a film moves resonances by over a distance on the die, 0.13 pm/µm, design choice: as the shipped specs have it,
570 pm by thickness and width over a correlation length of 4.5 mm."""


@dataclass(frozen=True)
class Mean:
    """A mean over rings with its standard error, and what the rings scatter beyond their own errors."""

    value: float
    std: float
    spread: float
    count: int


@dataclass(frozen=True)
class RingMean:
    """One ring over all its resonances; of one that is not told to split, the splitting is NaN beside its limit."""

    name: str
    file: str
    gap_nm: float
    length_um: float
    wl_nm: float
    kappa2: float
    kappa2_std: float
    loss_dB_turn: float
    loss_dB_turn_std: float
    n_g: float
    n_g_std: float
    splitting_pm: float
    splitting_pm_std: float
    splitting_limit_pm: float
    q_loaded: float
    q_loaded_std: float
    extinction_dB: float


@dataclass(frozen=True)
class DieSeries:
    """What a die tells; None where its structures do not.

    Attributes:
        gap_law: κ² over the gaps of the test rings.
        couplers: Relative scatter of κ² between couplers that were drawn alike.
        rings: One a ring, those of rows too.
        loss_dB_turn: Loss of a turn over the test rings.
        loss_rings_dB_cm: The same per length.
        loss_cutback_dB_cm: By guides of several lengths.
        loss_dB_cm: By both.
        n_g: Group index, over the test rings.
        n_eff: Effective index along the straights, by the length sweep.
        coupler_dB: Loss of one coupler, by the loopback.
        cutback: Length in µm and transmission in dB of each guide.
        length_sweep: Length in µm and resonance of one order in nm of each ring.
    """

    gap_law: GapLaw | None
    couplers: float
    rings: tuple[RingMean, ...]
    loss_dB_turn: Mean | None
    loss_rings_dB_cm: Mean | None
    loss_cutback_dB_cm: tuple[float, float] | None
    loss_dB_cm: tuple[float, float] | None
    n_g: Mean | None
    n_eff: tuple[float, float] | None
    coupler_dB: tuple[float, float] | None
    cutback: tuple[tuple[float, float], ...]
    length_sweep: tuple[tuple[float, float], ...]


def die_series(parts: Sequence[Part], structures: Mapping[str, Structure]) -> DieSeries:
    """Put the structures of a die together.

    Args:
        parts: Those that were measured.
        structures: All that were drawn, by name.
    """
    kinds = {part.structure: structures[part.structure].kind for part in parts}
    tests = [
        record for part in parts if kinds[part.structure] in ("gap_sweep", "length_sweep") for record in part.records
    ]
    law = law_over_gaps(tests)
    couplers = max(law.couplers, 0.5 * COUPLERS) if law is not None else COUPLERS
    records = [record for part in parts for record in part.records]
    scatter = scatter_of([_telling(record) for record in records])
    rings = tuple(ring_mean(record, couplers, scatter) for record in records)
    alone = [ring for ring in rings if ring.name in {record.name for record in tests}] or list(rings)
    loss = mean_over([ring.loss_dB_turn for ring in alone], [ring.loss_dB_turn_std for ring in alone])
    # A film is worth its loss a length: rings of a sweep are equally long to some parts in a thousand.
    length_um = float(np.mean([ring.length_um for ring in alone])) if alone else math.nan
    per = UM_PER_CM / length_um
    loss_rings = loss and Mean(loss.value * per, loss.std * per, loss.spread * per, loss.count)
    guides = [
        (structures[part.structure].length_um, part.guide.transmission_dB)
        for part in parts
        if part.guide is not None and kinds[part.structure] in ("reference", "cutback")
    ]
    cutback = None
    if len({length for length, _ in guides}) >= 2:
        cutback = cutback_dB_cm([x for x, _ in guides], [y for _, y in guides], scatter_dB=FACETS_dB)
    swept = _same_order(parts, kinds, structures)
    turns_um = [record.rings[0].comb.turn_um for record in tests if record.rings[0].comb is not None]
    n_eff = None
    if len(swept) >= LEAST_GAPS and turns_um:
        n_eff = length_index(
            [x for x, _ in swept],
            [y for _, y in swept],
            turn_um=float(np.median(turns_um)),
            scatter_um=LOCAL_UM,
            gradient_um=GRADIENT * _spacing_um(structures),
        )
    return DieSeries(
        gap_law=law,
        couplers=couplers,
        rings=rings,
        loss_dB_turn=loss,
        loss_rings_dB_cm=loss_rings,
        loss_cutback_dB_cm=cutback,
        loss_dB_cm=_together([(loss_rings.value, loss_rings.std)] if loss_rings else [], cutback),
        n_g=mean_index([(ring.n_g, ring.n_g_std) for ring in alone], sweeps=len({ring.file for ring in alone})),
        n_eff=n_eff,
        coupler_dB=_coupler_dB(parts, kinds),
        cutback=tuple(sorted(guides)),
        length_sweep=tuple(sorted(swept)),
    )


def ring_mean(record: Record, couplers: float, scatter: Scatter) -> RingMean:
    """One ring over its resonances that have light.

    The drop coupler is drawn as the through coupler and is as wide to some per cent: loss and drop coupling cannot be
    told apart, and that scatter is in the error of the loss.

    Args:
        record: The ring.
        couplers: Relative scatter of κ² between couplers that were drawn alike.
        scatter: Of resonances of one ring, beyond their error bars.
    """
    ring, nothing, kept = record.rings[0], (math.nan, math.nan), _telling(record)
    middle_nm = float(np.median([one.wl_nm for one in ring.resonances]))
    near = min(ring.resonances, key=lambda one: abs(one.wl_nm - middle_nm))
    kappa2, loss, length_um = nothing, nothing, record.device.length_um or math.nan
    if kept:
        # Resonances count alike but for those whose errors are far over the others': a resonance's error comes from the
        # same fit as its value, and where noise makes a smaller κ² of it, it is smaller, too.
        middle = float(np.median([one.kappa2_through_std / one.kappa2_through for one in kept]))
        alike = [one for one in kept if one.kappa2_through_std <= FAR_OVER * middle * one.kappa2_through]
        log = [math.log(one.kappa2_through) - scatter.slope_per_nm * (one.wl_nm - near.wl_nm) for one in alike]
        relative = [one.kappa2_through_std / one.kappa2_through for one in alike]
        mean, std = over_resonances(log, relative, beyond=scatter.kappa2, even=ALIKE)
        kappa2 = math.exp(mean), math.exp(mean) * std
        value, std = loss_dB_turn(kept, scatter)
        loss = value, math.hypot(std, DB * kappa2[0] * math.sqrt(2.0) * couplers)
    split = splitting(mean_of([one.squared_splitting for one in kept]))
    quality = _weighted([one.q_loaded for one in ring.resonances], [one.q_loaded_std for one in ring.resonances])
    comb = ring.comb
    index = nothing
    if comb is not None:
        index = float(comb.turn_at_um(near.wl_nm)) / length_um, comb.turn_error_at_um(near.wl_nm) / length_um
    return RingMean(
        record.name,
        record.file,
        record.device.gap_nm if record.device.gap_nm is not None else math.nan,
        length_um,
        near.wl_nm,
        *kappa2,
        *loss,
        *index,
        split.pm,
        split.std_pm,
        split.limit_pm,
        *quality,
        float(np.median([one.extinction_dB for one in ring.resonances])),
    )


def with_couplers(record: Record, couplers: float) -> Record:
    """The record with the couplers' scatter in the errors of what they cannot be told from."""
    ring = record.rings[0]
    told = tuple(
        replace(
            one,
            kappa2_drop_std=math.hypot(one.kappa2_drop_std, math.sqrt(2.0) * couplers * one.kappa2_drop),
            loss_dB_turn_std=math.hypot(one.loss_dB_turn_std, DB * math.sqrt(2.0) * couplers * one.kappa2_through),
        )
        for one in ring.resonances
    )
    return replace(record, rings=(replace(ring, resonances=told),))


def mean_over(values: Sequence[float], std: Sequence[float]) -> Mean | None:
    """Mean of values that scatter by more than their errors: the spread that makes what is left of them one."""
    known = [(v, s) for v, s in zip(values, std, strict=True) if math.isfinite(v) and math.isfinite(s) and s > 0.0]
    if not known:
        return None
    y, s = (np.array(column) for column in zip(*known, strict=True))
    if len(y) == 1:
        return Mean(float(y[0]), float(s[0]), 0.0, 1)

    def squares(spread: float) -> float:
        w = 1.0 / (s**2 + spread**2)
        return float(np.sum(w * (y - np.sum(w * y) / np.sum(w)) ** 2))

    most = math.hypot(float(np.std(y, ddof=1)), float(np.max(s)))
    spread = spread_beyond(squares, spare=len(y) - 1, most=most)
    w = 1.0 / (s**2 + spread**2)
    return Mean(float(np.sum(w * y) / np.sum(w)), float(1.0 / np.sqrt(np.sum(w))), spread, len(y))


def mean_index(pairs: Sequence[tuple[float, float]], *, sweeps: int) -> Mean | None:
    """Mean of group indices over rings of so many sweeps, each with its standard error.

    The error of a sweep's axis is in each of them, and no smaller in the mean of the sweep's rings.
    """
    values = [value for value, _ in pairs]
    alone = [math.sqrt(max(std**2 - (AXIS * value) ** 2, 0.0)) for value, std in pairs]
    mean = mean_over(values, alone)
    return mean and replace(mean, std=math.hypot(mean.std, AXIS * mean.value / math.sqrt(sweeps)))


def _weighted(values: Sequence[float], std: Sequence[float]) -> tuple[float, float]:
    """Weighted mean and its error, grown by what the values scatter beyond theirs."""
    y, s = np.asarray(values, float), np.asarray(std, float)
    good = np.isfinite(y) & np.isfinite(s) & (s > 0.0)
    if not good.any():
        return math.nan, math.nan
    w = 1.0 / s[good] ** 2
    mean = float(np.sum(w * y[good]) / np.sum(w))
    grown = float(np.sum(w * (y[good] - mean) ** 2)) / max(int(good.sum()) - 1, 1)
    return mean, float(np.sqrt(max(grown, 1.0) / np.sum(w)))


def _telling(record: Record) -> list[Resonance]:
    """A ring's resonances that have light and tell its coupling."""
    ring = record.rings[0]
    return [ring.resonances[n] for n in ring.bright if math.isfinite(ring.resonances[n].kappa2_through)]


def _together(known: list[tuple[float, float]], more: tuple[float, float] | None) -> tuple[float, float] | None:
    known = [*known, *([more] if more is not None else [])]
    return _weighted([v for v, _ in known], [s for _, s in known]) if known else None


def _same_order(
    parts: Sequence[Part], kinds: Mapping[str, str], structures: Mapping[str, Structure]
) -> list[tuple[float, float]]:
    """Circumferences of the length sweep and resonances of one order; neighbours lie far closer than another order."""
    found: list[tuple[float, float]] = []
    for part in parts:
        if kinds[part.structure] != "length_sweep" or not part.records:
            continue
        middle = [one.wl_nm for one in part.records[len(part.records) // 2].rings[0].resonances]
        at_nm = middle[len(middle) // 2]
        for record in part.records:
            near = min((one.wl_nm for one in record.rings[0].resonances), key=lambda wl: abs(wl - at_nm))
            range_nm = record.rings[0].comb.fsr_nm(at_nm) if record.rings[0].comb is not None else math.inf
            if record.device.length_um is not None and abs(near - at_nm) < 0.5 * range_nm:
                found.append((record.device.length_um, near))
    return found


def _spacing_um(structures: Mapping[str, Structure]) -> float:
    """Distance from one ring of the length sweep to the next."""
    places = [ring.at_um for one in structures.values() if one.kind == "length_sweep" for ring in one.rings]
    steps = np.diff(np.array(places, float), axis=0)
    return float(np.mean(np.hypot(*steps.T)))


def _coupler_dB(parts: Sequence[Part], kinds: Mapping[str, str]) -> tuple[float, float] | None:
    """Loss of one coupler, and how well one pair stands for all of the die."""
    for part in parts:
        if kinds[part.structure] == "loopback" and part.guide is not None and part.guide.relative:
            return -0.5 * part.guide.transmission_dB, 0.5 * math.hypot(FACETS_dB, part.guide.ripple_dB / 3.0)
    return None
