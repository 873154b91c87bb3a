"""Where a spectrum has resonances: dips behind the rings, peaks at their drop ports, and the combs that these belong
to.

Ripple of facets is as deep as the dips of a weakly coupled ring, and a bus of several rings shows several combs at
once. So a dip counts only as one of a comb, or with a peak at a drop port, or when it is far deeper than all ripple.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import median_filter
from scipy.signal import find_peaks

from prism_photonics.units import InputError

LEAST_DIP_dB, LEAST_PEAK_dB = 0.4, 5.0
"""What a dip and a peak stand out by at least; design choice: facets ripple by less than both."""
LONE_DEPTH = 0.29
"""Depth (1.5 dB) of a dip that counts by itself: facets ripple by 0.7 dB peak to peak at most. Source: the measured
spectra of SiEPIC/openEBL-2024-10."""
SHALLOWEST = 0.12
"""Depth (0.55 dB) of the dips of a comb behind a ring, where no drop port speaks for it."""
BASELINE_NM = 2.0
"""Over which the light behind a ring has a median of its own; design choice."""
TOGETHER_NM = 0.12
"""Peaks that lie closer are the two lines of one split resonance."""
LEAST_COMB = 3
"""Teeth whose two spacings show that they are alike."""
OFF_STEP, OFF_WIDTH = 0.015, 0.25
"""How far a tooth may lie from where the comb expects it, in free spectral ranges or in its own widths."""
CLOSE_NM = (0.06, 0.03, 0.015)
"""The same on a bus of several rings that were drawn, whose resonances may come to lie as close as `TOGETHER_NM`; the
smaller where fewer combs are seen than rings were drawn."""
ALIKE = 0.002
"""Share by which free spectral ranges of rings that were drawn on one bus differ at most, dispersion over a sweep
included: their lengths differ by a part in a thousand."""
OFF_DRAWN = 0.004
"""`OFF_STEP` of such rings: what their common free spectral range is known by, and lines that lie on each other are
pulled by."""
OFF_DESIGN = 0.08
"""Share by which a ring's free spectral range may be off its design; a film's group index is known to some per cent."""
WIDE, FITTED_WIDE = 1.6, 2.0
"""A resonance that spans this many steps or fewer, as it looks and as it was fitted, has no width that can be told."""
MIRRORED = 1.5
"""Times as many teeth as on the axis as it is that the longest comb has on a mirrored one; design choice: public
spectra turned round have 1.8 times and more, as they are 1.0 times and less."""
RANGE_dB = 22.0
"""How far below the brightest light a dip still counts; design choice: grating couplers pass no more than that."""


@dataclass(frozen=True)
class Tooth:
    """One resonance as it is found.

    Attributes:
        wl_nm: Its wavelength in nm.
        fwhm_nm: Width at half its height, over both lines if it is split, in nm.
        depth: Share of the light that is missing behind the ring, 0 where that was not measured.
        height: Power at the drop port, in its units; 0 without.
        drop: Which drop port shows it, or −1.
        strength: How clearly it is one, up to 1; known once all are found.
    """

    wl_nm: float
    fwhm_nm: float
    depth: float
    height: float
    drop: int
    strength: float = 0.0


def teeth(
    wl_nm: Float[ndarray, " wl"],
    through: Float[ndarray, " any"],
    drops: Sequence[Float[ndarray, " wl"]],
    *,
    together_nm: float = TOGETHER_NM,
) -> list[Tooth]:
    """All that looks like a resonance, ascending; NaN where there is no reading.

    Args:
        wl_nm: Wavelengths in nm.
        through: Power behind the rings; empty if not measured.
        drops: Powers at the drop ports.
        together_nm: Peaks that lie closer are the two lines of one split resonance.
    """
    step_nm = float(np.median(np.diff(wl_nm)))
    found: list[Tooth] = []
    for port, drop in enumerate(drops):
        found += _peaks(wl_nm, drop, port, together_nm)
    if len(through):
        by_drop = [t.wl_nm for t in found]
        dips = _dips(wl_nm, through, step_nm, together_nm)
        seen = []
        for tooth in found:
            near = [d for d in dips if abs(d.wl_nm - tooth.wl_nm) < max(together_nm, 0.5 * tooth.fwhm_nm)]
            depth = max((d.depth for d in near), default=0.0)
            seen.append(Tooth(tooth.wl_nm, tooth.fwhm_nm, depth, tooth.height, tooth.drop))
        alone = [d for d in dips if all(abs(d.wl_nm - wl) > max(together_nm, 0.5 * d.fwhm_nm) for wl in by_drop)]
        found = seen + alone
    return sorted(found, key=lambda t: t.wl_nm)


def combs(found: Sequence[Tooth], *, designed_nm: float | None = None) -> list[list[Tooth]]:
    """The combs among the teeth, one a ring, from the one with most light; empty where no three teeth make one.

    Args:
        found: The teeth.
        designed_nm: Free spectral range as designed, where the drawing tells it: of rings on one bus that lie closer
            to each other, teeth alone would tell another.
    """
    dropped = [t for t in found if t.drop >= 0]
    found = _counting(found)
    if dropped:
        top = max(t.height for t in dropped)
        found = [replace(t, strength=_strength(t, top)) for t in found]
    else:
        found = [replace(t, strength=t.depth) for t in found]
    step = _common_step(found, designed_nm)
    if step is None:
        return []
    left, rings = list(found), []
    for seed in sorted(found, key=lambda t: t.strength, reverse=True):
        if seed not in left:
            continue
        chain = _chain(seed, left, step, off_step=OFF_STEP if designed_nm is None else OFF_DRAWN)
        teeth_expected = 1 + round((1.0 / chain[0].wl_nm - 1.0 / chain[-1].wl_nm) / step)
        if len(chain) >= LEAST_COMB and len(chain) >= 0.6 * teeth_expected:
            rings.append(chain)
            left = [t for t in left if t not in chain]
    # A comb of ripple is weak and short beside a ring's.
    most = max((len(c) for c in rings), default=0)
    clear = max((float(np.median([t.strength for t in c])) for c in rings), default=0.0)
    kept = [c for c in rings if len(c) >= 0.5 * most and np.median([t.strength for t in c]) >= 0.4 * clear]
    if dropped:
        return kept
    # Behind the rings alone: facets make combs too, shallower than any of two rings.
    depths = [float(np.median([t.depth for t in c])) for c in kept]
    return [
        c for n, (c, depth) in enumerate(zip(kept, depths, strict=True)) if depth > (LONE_DEPTH if n else SHALLOWEST)
    ]


def longer_mirrored(
    found: Sequence[Tooth], chains: Sequence[Sequence[Tooth]], *, designed_nm: float | None = None
) -> bool:
    """Whether the teeth make a far longer comb when their axis is turned round.

    Resonances of a ring lie evenly in 1/λ. On a mirrored axis they do not, and a few neighbours alone seem to: three
    rings of three resonances each, where one ring has thirty-seven.

    Args:
        found: The teeth, ascending.
        chains: Their combs as they stand; empty without.
        designed_nm: As for `combs`.
    """
    if len(found) < LEAST_COMB:
        return False
    ends_nm = found[0].wl_nm + found[-1].wl_nm
    turned = combs([replace(t, wl_nm=ends_nm - t.wl_nm) for t in reversed(found)], designed_nm=designed_nm)
    longest, most = (max((len(c) for c in each), default=0) for each in (chains, turned))
    # Among many teeth three or four lie evenly by chance; not all that count, on one axis alone.
    return most > MIRRORED * max(longest, LEAST_COMB) or (not chains and most == len(_counting(found)))


def lone(found: Sequence[Tooth]) -> list[Tooth]:
    """Teeth that count without a comb."""
    return [t for t in found if t.depth > LONE_DEPTH or (t.drop >= 0 and t.depth > 0.0)]


def refuse_unresolved(where: str, found: Sequence[Tooth], step_nm: float) -> None:
    """Refuse a sweep whose step is too coarse for its resonances.

    Raises:
        InputError: The median resonance spans two steps or fewer.
    """
    refuse_narrow(where, float(np.median([t.fwhm_nm for t in found])), step_nm, steps=WIDE)


def refuse_narrow(where: str, width: float, step_nm: float, *, steps: float = FITTED_WIDE) -> None:
    """Refuse lines of a width, in nm, that is no more than so many steps.

    Raises:
        InputError: They are not resolved.
    """
    if width <= steps * step_nm + 1e-9:
        raise InputError(
            f"{where}: Q is not resolved: linewidth ≤ 2 steps (got about {1e3 * width:.3g} pm at steps of "
            f"{1e3 * step_nm:.3g} "
            "pm); sweep again with a finer step"
        )


def _counting(found: Sequence[Tooth]) -> list[Tooth]:
    """The teeth that may be a ring's: where drop ports were measured, a dip without a peak is a ring whose drop port
    was not, and ripple is no such dip.
    """
    dropped = any(t.drop >= 0 for t in found)
    return [t for t in found if not dropped or t.drop >= 0 or t.depth > LONE_DEPTH]


def _strength(tooth: Tooth, top: float) -> float:
    """How clearly a tooth is a resonance: its depth, or its height at a drop port over the last 30 dB."""
    if tooth.drop < 0:
        return tooth.depth
    return max(tooth.depth, 0.05 + 0.95 * float(np.clip(1.0 + np.log10(tooth.height / top) / 3.0, 0.0, 1.0)))


def _peaks(wl_nm: ndarray, drop: ndarray, port: int, together_nm: float) -> list[Tooth]:
    there = np.isfinite(drop)
    filled = np.interp(wl_nm, wl_nm[there], drop[there]) if there.any() else np.zeros_like(drop)
    wide = np.concatenate([filled[:1], filled, filled[-1:]])
    smooth = (wide[:-2] + filled + wide[2:]) / 3.0
    floor = max(float(np.percentile(smooth, 10)), 1e-30)
    noise = 1.4826 * float(np.median(np.abs(np.diff(filled)))) + 1e-30
    level_dB = 10.0 * np.log10(np.maximum(smooth, floor))
    top = float(np.max(level_dB))
    at, _ = find_peaks(
        level_dB, prominence=LEAST_PEAK_dB, height=max(top - 2.0 * RANGE_dB, 10.0 * np.log10(floor + 12.0 * noise))
    )
    return _joined(wl_nm, filled, at, port=port, together_nm=together_nm)


def _dips(wl_nm: ndarray, through: ndarray, step_nm: float, together_nm: float) -> list[Tooth]:
    there = np.isfinite(through) & (through > 0.0)
    if not there.any():
        return []
    level_dB = np.interp(wl_nm, wl_nm[there], 10.0 * np.log10(through[there]))
    width = 2 * int(0.5 * BASELINE_NM / step_nm) + 1
    base_dB = median_filter(level_dB, min(width, len(wl_nm) // 2 * 2 - 1), mode="nearest")
    depth_dB = base_dB - level_dB
    noise = 1.4826 * float(np.median(np.abs(np.diff(depth_dB))))
    at, _ = find_peaks(depth_dB, prominence=max(LEAST_DIP_dB, 8.0 * noise))
    bright = base_dB > np.max(base_dB) - RANGE_dB
    share = np.clip(1.0 - 10.0 ** (-0.1 * depth_dB), 0.0, None)
    found = _joined(wl_nm, share, at[bright[at]], port=-1, together_nm=together_nm)
    return [Tooth(t.wl_nm, t.fwhm_nm, t.height, 0.0, -1) for t in found]


def _joined(wl_nm: ndarray, height: ndarray, at: ndarray, *, port: int, together_nm: float) -> list[Tooth]:
    """Peaks as teeth, the two lines of a split resonance as one."""
    groups: list[list[int]] = []
    for n in at:
        if groups and wl_nm[n] - wl_nm[groups[-1][-1]] < together_nm:
            groups[-1].append(int(n))
        else:
            groups.append([int(n)])
    found = []
    for group in groups:
        top = float(max(height[n] for n in group))
        ends = []
        for n, way in ((group[0], -1), (group[-1], 1)):
            n = _edge(wl_nm, height, n, way=way, half=0.5 * top, together_nm=together_nm)
            inner = n - way
            drop = height[inner] - height[n]
            ends.append(
                wl_nm[n]
                + (wl_nm[inner] - wl_nm[n]) * (np.clip((0.5 * top - height[n]) / drop, 0.0, 1.0) if drop > 0 else 0.0)
            )
        found.append(
            Tooth(0.5 * float(ends[0] + ends[1]), float(ends[1] - ends[0]), top if port < 0 else 0.0, top, port)
        )
    return found


def _edge(wl_nm: ndarray, height: ndarray, n: int, *, way: int, half: float, together_nm: float) -> int:
    """First reading below half height beyond a peak and beyond a second line close to it."""
    while True:
        while 0 < n < len(wl_nm) - 1 and height[n] > half:
            n += way
        end = int(np.searchsorted(wl_nm, wl_nm[n] + 0.5 * way * together_nm, side="left" if way > 0 else "right"))
        first = n + 1 if way > 0 else end
        beyond = first + np.flatnonzero(height[first : end if way > 0 else n] > half)
        if not len(beyond):
            return n
        n = int(beyond[-1] if way > 0 else beyond[0])
        if n in (0, len(wl_nm) - 1):
            return n


def _common_step(found: Sequence[Tooth], designed_nm: float | None) -> float | None:
    """Spacing of the teeth in 1/λ, 1/nm: the smallest at which nearly as many have a neighbour as at any, or that near
    the designed one at which most differences lie.
    """
    if len(found) < LEAST_COMB:
        return None
    k = np.array([1.0 / t.wl_nm for t in found])
    weight = np.array([t.strength for t in found])
    strong = np.argsort(-weight)[:60]
    differences = np.abs(k[strong][:, None] - k[strong][None, :])
    if designed_nm is not None:
        designed = designed_nm / float(np.median(1.0 / k)) ** 2
        near = differences[np.abs(differences - designed) <= OFF_DESIGN * designed]
        return _densest(near, ALIKE * designed) if near.size else None
    # Below this two teeth are one resonance.
    least = 3.0 * float(np.median([t.fwhm_nm for t in found])) * float(np.median(k)) ** 2
    low, high = max(least, TOGETHER_NM * np.median(k) ** 2), 0.5 * (k.max() - k.min()) + 1e-12
    tried = np.unique(differences[(differences > low) & (differences <= high * 1.02)])
    if not len(tried):
        return None
    scores, width = [], OFF_WIDTH * np.array([t.fwhm_nm for t in found]) * k**2
    for step in tried:
        tolerance = np.maximum(OFF_STEP * step, width)
        up = np.min(np.abs(k[:, None] + step - k[None, :]), axis=1) < tolerance
        down = np.min(np.abs(k[:, None] - step - k[None, :]), axis=1) < tolerance
        inside_up, inside_down = k + step < k.max(), k - step > k.min()
        hits = np.sum(weight * (up & inside_up)) + np.sum(weight * (down & inside_down))
        scores.append(hits / (np.sum(weight * inside_up) + np.sum(weight * inside_down) + 1e-30))
    good = np.flatnonzero(np.array(scores) > max(0.75 * max(scores), 0.5))
    return float(tried[good[0]]) if len(good) else None


def _densest(values: ndarray, width: float) -> float:
    """The middle of the stretch of a width that holds most values.

    Differences of one ring's teeth are alike for all rings of a bus, those from one ring to another are everywhere.
    """
    values = np.sort(values)
    beyond = np.searchsorted(values, values + width, side="right")
    first = int(np.argmax(beyond - np.arange(len(values))))
    return float(np.median(values[first : beyond[first]]))


def _chain(seed: Tooth, among: Sequence[Tooth], step: float, *, off_step: float) -> list[Tooth]:
    chain = [seed]
    for way in (1, -1):
        last, pace, missing = seed, step, 0
        while missing < 3:
            expected = 1.0 / (1.0 / last.wl_nm - way * pace * (1 + missing))
            slack = (1 + missing) * max(off_step * pace * expected**2, OFF_WIDTH * last.fwhm_nm)
            near = [t for t in among if abs(t.wl_nm - expected) < slack]
            if not near:
                missing += 1
                continue
            best = min(near, key=lambda t: abs(t.wl_nm - expected))
            pace = way * (1.0 / last.wl_nm - 1.0 / best.wl_nm) / (1 + missing)
            last, missing = best, 0
            chain.append(best)
    return sorted(chain, key=lambda t: t.wl_nm)
