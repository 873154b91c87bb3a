"""Rings of one sweep: found, fitted window by window, and each resonance told in the numbers of a designer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.laboratory.comb import Comb, fit_comb
from prism_photonics.laboratory.find import (
    CLOSE_NM,
    LEAST_COMB,
    TOGETHER_NM,
    Tooth,
    combs,
    lone,
    longer_mirrored,
    refuse_narrow,
    refuse_unresolved,
    teeth,
)
from prism_photonics.laboratory.fit import WIDEST_SPLIT_PM, WindowFit, fit_window, refit
from prism_photonics.laboratory.noise import Wander, pooled, spread
from prism_photonics.laboratory.resonance import Resonance, resonance
from prism_photonics.laboratory.ripple import around_rings
from prism_photonics.laboratory.sweep import mirrored
from prism_photonics.laboratory.uncross import uncrossed
from prism_photonics.laboratory.window import Window
from prism_photonics.units import InputError, counted

WIDTHS, LEAST_HALF_NM = 10.0, 0.8
"""Half a window: so many linewidths, and room for the ripple of facets; design choice."""
LARGE_SHIFT = 0.005
"""Change of κ² from the middle of a window to its end from which it is followed within the window."""
SPLIT_STARTS = (0.0, 0.6, 1.0)
"""Shares of its width that the splitting of a line is first taken to be; design choice."""
NARROW = 0.3
"""Share of its width that one of two lines has at least, at first; design choice."""
UNKNOWN_TURNS = 40.0
"""Linewidths in a free spectral range that is not known; design choice: a rate does not depend on it."""
DARK = 0.02
"""Share of a trace's peak which a tenth of its readings must lie below, to tell its meter's noise; design choice."""
MOST_JITTER = 0.25
"""Of a linewidth: a laser that strays by more sweeps over no line of this width; design choice."""
REFITS = 2
"""Fits after the first, each with the wander that the one before has shown; design choice: a third changes nothing."""
STEPS_ACROSS = 16.0
"""Steps across a linewidth that suffice: of finer sweeps every second, third … reading is fitted; design choice."""


@dataclass(frozen=True, eq=False)
class RingFit:
    """One ring of a sweep: its resonances, and the comb that they make if there are three.

    Attributes:
        resonances: Ascending in wavelength.
        fits: The window of each, and which of its rings it is.
        comb: Their comb, or None.
    """

    resonances: tuple[Resonance, ...]
    fits: tuple[tuple[WindowFit, int], ...]
    comb: Comb | None


@dataclass(frozen=True, eq=False)
class SweepFit:
    """All rings of a sweep.

    Attributes:
        rings: The one with most light first.
        windows: All windows.
        wander: Of the laser's wavelength.
        notes: What was left out, and why.
    """

    rings: tuple[RingFit, ...]
    windows: tuple[WindowFit, ...]
    wander: Wander
    notes: tuple[str, ...]


def fit_rings(
    where: str,
    wl_nm: Float[ndarray, " wl"],
    *,
    through: Float[ndarray, " any"],
    drops: Sequence[Float[ndarray, " wl"]] = (),
    dropped: bool = True,
    fsr_nm: float | None = None,
    designed_nm: float | None = None,
    drawn: int = 1,
    balance_dB: float | None = None,
    blur_nm: float = 0.0,
) -> SweepFit:
    """Find and fit the rings of a sweep.

    Args:
        where: The file, for messages.
        wl_nm: Wavelengths, ascending, in nm.
        through: Power behind the rings, linear, any unit; NaN where there is no reading; empty if not measured.
        drops: Powers at drop ports.
        dropped: Whether the rings have drop buses (of the through bus's coupling), measured or not.
        fsr_nm: Free spectral range, where fewer than three resonances tell it.
        designed_nm: Free spectral range as designed, by which the combs of several rings on a bus are told apart.
        drawn: Number of rings on the bus, as designed: where fewer combs are seen, two lie close to each other.
        balance_dB: Gain of the drop port's path over the through port's, where it is known: then the two couplers of a
            ring need not be alike.
        blur_nm: Standard deviation of the laser's wavelength within one reading, which no scatter shows.

    Returns:
        The rings.

    Raises:
        InputError: No ring is seen, or its width is not resolved.
    """
    step_nm = float(np.median(np.diff(wl_nm)))
    apart_nm = (TOGETHER_NM,) if designed_nm is None else CLOSE_NM
    found = teeth(wl_nm, through, drops, together_nm=apart_nm[0])
    chains = combs(found, designed_nm=designed_nm)
    for closer_nm in apart_nm[1:]:
        if len(chains) >= drawn:
            break
        closer = teeth(wl_nm, through, drops, together_nm=closer_nm)
        more = combs(closer, designed_nm=designed_nm)
        if len(more) > len(chains):
            found, chains = closer, more
    turned = longer_mirrored(found, chains, designed_nm=designed_nm)
    chains = uncrossed(chains)
    if not chains:
        chains = [[t] for t in lone(found)]
    if not chains:
        raise InputError(
            f"{where}: no resonance stands out of ripple and noise, want a dip of a ring or a peak at its drop "
            "port; was "
            "the alignment lost? give other ports, or measure again"
        )
    notes: list[str] = []
    if turned:
        notes.append("dips or peaks make a longer comb with their axis turned round: is the axis mirrored?")
    elif len(chains[0]) == 1 and mirrored(np.array([chain[0].wl_nm for chain in chains])):
        notes.append(
            "dips or peaks lie the closer the longer their wavelength, and make no comb: is the axis mirrored?"
        )
    refuse_unresolved(where, [t for chain in chains for t in chain], step_nm)
    rough = [fit_comb([t.wl_nm for t in chain]) if len(chain) >= LEAST_COMB else None for chain in chains]
    if len(chains[0]) < LEAST_COMB and fsr_nm is None:
        apart = " that are no comb" if len(chains) >= LEAST_COMB else ""
        notes.append(
            f"{counted(len(chains), 'resonance')}{apart}, want 3 or more {'of one ring ' if apart else ''}for a free "
            "spectral range: no couplings, losses or group index, only Q and splitting; sweep wider or give --fsr-nm"
        )
    jobs = _groups(chains, rough, fsr_nm)
    most_nm = MOST_JITTER * float(np.median([t.fwhm_nm for group in jobs for _, t, _ in group]))
    if blur_nm > most_nm:
        raise InputError(
            f"{where}: a laser {1e3 * blur_nm:.3g} pm wide (rms) within a reading, want a quarter of the lines' width "
            f"of about {4e3 * most_nm:.3g} pm at most; sweep slower, average less, or give another --blur-pm"
        )
    first = [_fit_group(wl_nm, through, drops, group, dropped=dropped, blur_nm=blur_nm) for group in jobs]
    fits = _with_facets([fit for fit, _ in first])
    wander = _wander(fits, most_nm)
    slopes = _coupling_slope([fit for fit in fits if fit is not None])
    # The first fits took what strays for what they fit; those that know how it strays tell it better.
    for left in reversed(range(REFITS)):
        fits = [
            fit
            and refit(
                fit,
                wander,
                meters=meters,
                slope_per_nm=slopes if _wide(fit, group, slopes) else None,
                last=left == 0,
            )
            for fit, (_, meters), group in zip(fits, first, jobs, strict=True)
        ]
        wander = _wander(fits, most_nm)
    windows: list[WindowFit] = []
    members: list[list[tuple[Resonance, WindowFit, int]]] = [[] for _ in chains]
    poor = 0
    for fit, group in zip(fits, jobs, strict=True):
        if fit is None:
            poor += len(group)
            continue
        windows.append(fit)
        for k, (chain, tooth, told) in enumerate(group):
            one = resonance(fit, k, fsr_known=told is not None, split=_splits(group), balance_dB=balance_dB)
            if not _sound(one, tooth, wl_nm):
                poor += 1
                continue
            members[chain].append((one, fit, k))
    if poor:
        notes.append(f"{counted(poor, 'resonance')} too faint or too disturbed to be fitted")
    rings = []
    for group, expected in zip(members, rough, strict=True):
        if not group:
            continue
        group.sort(key=lambda one: one[0].wl_nm)
        comb = None
        if len(group) >= LEAST_COMB:
            comb = fit_comb([one.wl_nm for one, _, _ in group], [one.wl_nm_std for one, _, _ in group], rough=expected)
        rings.append(RingFit(tuple(one for one, _, _ in group), tuple((fit, k) for _, fit, k in group), comb))
    if not rings:
        raise InputError(
            f"{where}: got {len(found)} dips or peaks, none of which a ring explains, want a resonance over the "
            "noise; measure with more light"
        )
    # A dip of a few readings looks as wide as their steps; its fit does not.
    lines = [one for ring in rings for one in ring.resonances]
    refuse_narrow(
        where, 1e-3 * float(np.median([one.fwhm_pm + np.nan_to_num(one.splitting_pm) for one in lines])), step_nm
    )
    return SweepFit(tuple(rings), tuple(windows), wander, tuple(notes))


def _with_facets(fits: Sequence[WindowFit | None]) -> list[WindowFit | None]:
    """The fits, to be fitted again, with every ripple of the kind that all windows together tell."""
    told = [(fit.model.periods_nm(fit.p).tolist() if fit.gains else [], fit.gains) if fit else ([], ()) for fit in fits]
    return [
        fit and replace(fit, model=replace(fit.model, around=kinds))
        for fit, kinds in zip(fits, around_rings(told), strict=True)
    ]


def _wander(fits: Sequence[WindowFit | None], most_nm: float) -> Wander:
    return pooled([fit.evidence for fit in fits if fit is not None], most_nm=most_nm)


def _wide(fit: WindowFit, group: Sequence[tuple[int, Tooth, float | None]], slope_per_nm: float) -> bool:
    """Whether κ² changes within a window so that it shows."""
    return abs(slope_per_nm) * fit.model.window.half_nm > LARGE_SHIFT and max(t.fwhm_nm for _, t, _ in group) > 0.1


def _splits(group: Sequence[tuple[int, Tooth, float | None]]) -> bool:
    return 1e3 * max(t.fwhm_nm for _, t, _ in group) < WIDEST_SPLIT_PM


def _sound(one: Resonance, tooth: Tooth, wl_nm: ndarray) -> bool:
    """Whether a fit stayed at its tooth, and saw both flanks of it."""
    near = abs(one.wl_nm - tooth.wl_nm) < max(tooth.fwhm_nm, 3.0 * float(np.median(np.diff(wl_nm))))
    whole = wl_nm[0] + tooth.fwhm_nm < tooth.wl_nm < wl_nm[-1] - tooth.fwhm_nm
    return bool(near and whole and one.sure)


def _groups(
    chains: Sequence[Sequence[Tooth]], rough: Sequence[Comb | None], fsr_nm: float | None
) -> list[list[tuple[int, Tooth, float | None]]]:
    """Teeth that lie in each other's windows, to be fitted together; each with its ring and free spectral range."""
    single = len(chains) == 1 or any(comb is None for comb in rough)
    teeth_of = sorted(
        (
            (n, t, comb.fsr_nm(t.wl_nm) if comb else fsr_nm)
            for n, (chain, comb) in enumerate(zip(chains, rough, strict=True))
            for t in chain
        ),
        key=lambda one: one[1].wl_nm,
    )
    groups: list[list[tuple[int, Tooth, float | None]]] = []
    for one in teeth_of:
        last = groups[-1][-1] if groups else None
        close = (
            last is not None
            and one[1].wl_nm - last[1].wl_nm < _half_nm(one[1], one[2])
            and all(one[0] != n for n, _, _ in groups[-1])
        )
        if close and (not single or fsr_nm is None):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _half_nm(tooth: Tooth, fsr_nm: float | None) -> float:
    half = max(WIDTHS * tooth.fwhm_nm, LEAST_HALF_NM)
    return half if fsr_nm is None else min(half, 0.5 * fsr_nm)


def _fit_group(wl_nm, through, drops, group, *, dropped, blur_nm):
    """Fit a window; None where nothing is left of it."""
    half = max(_half_nm(t, fsr) for _, t, fsr in group)
    low, high = group[0][1].wl_nm - half, group[-1][1].wl_nm + half
    at = (wl_nm >= low) & (wl_nm <= high)
    step_nm = float(np.median(np.diff(wl_nm)))
    stride = max(1, int(min(t.fwhm_nm for _, t, _ in group) / (STEPS_ACROSS * step_nm)))
    at = np.flatnonzero(at)[::stride]
    ports = sorted({t.drop for _, t, _ in group if t.drop >= 0})
    y_through = through[at] if len(through) else through
    y_drops = [drops[n][at] for n in ports]
    base = float(np.nanmedian(y_through)) if len(through) and np.isfinite(y_through).any() else 0.0
    if len(at) < 20 or (len(through) and base <= 0.0) or (not len(through) and not ports):
        return None, ()
    y_through = y_through / base if base else y_through
    peaks = [float(np.nanmax(y)) for y in y_drops]
    meters = [_meter(through) / base] if base else []
    meters += [_meter(drops[n]) / peak for n, peak in zip(ports, peaks, strict=True)]
    # Without a free spectral range only rates are known, and any range far wider than the window tells them.
    ranges = tuple(fsr if fsr is not None else max(UNKNOWN_TURNS * t.fwhm_nm, 4.0 * half) for _, t, fsr in group)
    drop_of = tuple(next(k for k, (_, t, _) in enumerate(group) if t.drop == n) for n in ports)
    window = Window(
        wl_nm[at],
        y_through,
        tuple(y / peak for y, peak in zip(y_drops, peaks, strict=True)),
        drop_of,
        ranges,
        dropped=dropped,
        drop_over=tuple(peak / base for peak in peaks) if base else (),
        blur_nm=blur_nm,
    )
    split = _splits(group)
    starts = [
        np.concatenate([_start(t, fsr, share, dropped=dropped) for (_, t, _), fsr in zip(group, ranges, strict=True)])
        for share in (SPLIT_STARTS if split and len(group) == 1 else SPLIT_STARTS[: 1 + split])
    ]
    order = 3 if len(group) == 1 else 4
    fit = fit_window(window, starts, meters=meters, split=split, through_order=order)
    if not np.isfinite(fit.p).all() or not np.isfinite(fit.covariance).all():
        return None, ()
    return fit, meters


def _meter(power: ndarray) -> float:
    """Noise of a meter by the steps between neighbours where a trace has least light; 0 where it is never dark."""
    there = power[np.isfinite(power)]
    dark = float(np.percentile(there, 10)) if len(there) else np.inf
    low = there[:-1] <= dark
    # Dips alone are dark nowhere but on their flanks.
    if low.sum() <= 10 or dark > DARK * float(np.max(there)):
        return 0.0
    return spread(np.diff(there)[low]) / np.sqrt(2.0)


def _start(tooth: Tooth, fsr_nm: float, share: float, *, dropped: bool) -> ndarray:
    """Numbers of a ring as its width and depth tell them, for a splitting that makes up a share of the width."""
    total = 2.0 * np.pi * tooth.fwhm_nm / fsr_nm * max(1.0 - 0.6 * share, NARROW)
    # On resonance √T = (decay by all else)/(all decay) on the side of weak coupling.
    rest = float(np.clip(np.sqrt(1.0 - min(tooth.depth, 0.9999)), 0.02, 0.98)) if tooth.depth > 0.0 else 0.5
    if share > 0.5:
        rest = max(rest, 0.5)
    kappa2 = 0.5 * total * (1.0 - rest)
    loss = total - 2.0 * kappa2 if dropped else total - kappa2
    return np.array(
        [tooth.wl_nm, np.log(min(kappa2, 0.9)), 0.0, max(loss, 0.02 * total), (1e3 * share * tooth.fwhm_nm) ** 2, 0.0]
    )


def _coupling_slope(fits: Sequence[WindowFit]) -> float:
    """Change of ln κ² per nm over a comb, by the median over pairs; 0 where too few tell it."""
    place = np.array([fit.p[0] for fit in fits])
    log_kappa2 = np.array([fit.p[1] for fit in fits])
    good = np.array([fit.covariance[1, 1] < 0.1**2 for fit in fits], bool)
    place, log_kappa2 = place[good], log_kappa2[good]
    if len(place) < 5:
        return 0.0
    apart = place[:, None] - place[None, :]
    pairs = apart > 0.25 * np.ptp(place)
    return float(np.median((log_kappa2[:, None] - log_kappa2[None, :])[pairs] / apart[pairs]))
