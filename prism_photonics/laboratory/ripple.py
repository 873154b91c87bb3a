"""Ripple: the sinusoids that stand out of what a fit leaves, apart from all that its other numbers could explain, and
which of them come from facets around the rings.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.lightpath.phasor import phasor

SHORTEST_STEPS = 8.0
"""Steps in the shortest period that is looked for; design choice: what is faster is noise of neighbours."""
FINE = 0.2
"""Step between frequencies that are tried, in ones of the window's width; design choice."""
LEAST_GAIN = 0.15
"""Share of what is left that a sinusoid must explain to be worth its three numbers; design choice."""
FALSE_ALARM = 1e-3
"""Chance that noise alone is taken for a ripple in one search; design choice: a false one costs a resonance half of
what its couplings are known to."""
FAR_OUT = 4.0
"""Robust standard deviations to which readings are drawn in before ripple is looked for; design choice."""
ALIKE = 1.1
"""Ratio of neighbouring periods up to which windows of a sweep show one ripple; design choice: a window tells a period
to some per cent."""
SAME = 1e-3
"""Share of a sinusoid that must be none of the other numbers' doing; design choice."""


AT_ONCE = 2**15
"""Readings times frequencies that are worked on at once, as many as a core's cache holds; design choice."""


def strongest_period_nm(
    away_nm: Float[ndarray, " wl"],
    port: int,
    *,
    jacobian: Float[ndarray, "ports wl numbers"],
    left: Float[ndarray, "ports wl"],
    light: Float[ndarray, " wl"],
    shortest_nm: float,
) -> float | None:
    """Period in nm of the sinusoid that explains most of what a fit leaves of a port; None where noise could look so.

    What the fit's own numbers could explain is taken out of both, the residual and each sinusoid, so that a bend of a
    line is not taken for ripple.

    Args:
        away_nm: Wavelengths from the middle of the window.
        port: Which.
        jacobian: Derivatives by the fit's numbers.
        left: What the fit leaves; it, ``jacobian`` and ``light`` are over the readings' errors.
        light: What the port receives.
        shortest_nm: The shortest period that is looked for.

    Source: the score test of nested least squares; its false alarms as those of a periodogram normalised by its
    variance, Baluev, MNRAS 385, 1279 (2008), 10.1111/j.1365-2966.2008.12689.x.
    """
    span_nm = float(np.ptp(away_nm))
    if span_nm <= shortest_nm:
        return None
    frequencies = np.arange(1.0 / span_nm, 1.0 / shortest_nm, FINE / span_nm)
    ports, readings = left.shape
    flat = jacobian.reshape(ports * readings, -1)
    size = np.sqrt(np.sum(flat**2, axis=0))
    basis, _ = np.linalg.qr(flat[:, size > 0.0] / size[size > 0.0])
    reach = np.array([[FAR_OUT * 1.4826 * np.median(np.abs(row[row != 0.0])) if row.any() else 0.0] for row in left])
    drawn = np.clip(left, -reach, reach).ravel()
    own = (drawn - basis @ (basis.T @ drawn)).reshape(ports, readings)[port]
    basis = basis.reshape(ports, readings, -1)[port]
    few = max(1, AT_ONCE // readings)
    parts = [
        _sums(away_nm, frequencies[first : first + few], light=light, own=own, basis=basis)
        for first in range(0, frequencies.size, few)
    ]
    of_c, of_s, cc, ss, cs, by_c, by_s = np.concatenate(parts, axis=1)
    determinant = cc * ss - cs**2
    clear = determinant > SAME * of_c * of_s
    if not clear.any() or not own.any():
        return None
    determinant = np.where(clear, determinant, np.inf)
    gain = (by_c**2 * ss - 2.0 * by_c * by_s * cs + by_s**2 * cc) / determinant
    best = int(np.argmax(gain))
    share = float(gain[best] / np.sum(own**2))
    # Neighbours that are alike count for half.
    spare = 0.5 * np.count_nonzero(light) - jacobian.shape[2]
    independent = max(span_nm * float(np.ptp(frequencies)), 1.0)
    by_chance = 1.0 - (FALSE_ALARM / independent) ** (2.0 / max(spare, 1.0))
    return float(1.0 / frequencies[best]) if share > max(LEAST_GAIN, by_chance) else None


def _sums(
    away_nm: Float[ndarray, " wl"],
    frequencies: Float[ndarray, " some"],
    *,
    light: Float[ndarray, " wl"],
    own: Float[ndarray, " wl"],
    basis: Float[ndarray, "wl numbers"],
) -> Float[ndarray, "7 some"]:
    """Of the light's cosines and sines: c², s²; c², s² and c·s without what the basis explains; and both with own."""
    wave = light[:, None] * phasor(2.0 * np.pi * away_nm[:, None] * frequencies)
    c, s = np.ascontiguousarray(np.real(wave)), np.ascontiguousarray(np.imag(wave))
    # c² + s² is the light's alone.
    of_c, of_cs, whole = np.einsum("wf,wf->f", c, c), np.einsum("wf,wf->f", c, s), np.sum(light**2)
    of_s, in_c, in_s = whole - of_c, basis.T @ c, basis.T @ s
    explained = (np.einsum("nf,nf->f", p, q) for p, q in ((in_c, in_c), (in_s, in_s), (in_c, in_s)))
    cc, ss, cs = (sum_of - part for sum_of, part in zip((of_c, of_s, of_cs), explained, strict=True))
    return np.stack([of_c, of_s, cc, ss, cs, own @ c, own @ s])


def around_rings(windows: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[tuple[bool, ...]]:
    """Which sinusoids of a sweep's windows are of facets around the rings.

    It shows in the dips alone, where one window's jitter hides it: a ripple is of one kind all over a sweep.

    Args:
        windows: Of each window the periods of its sinusoids in nm, and what its fit gains by each being around.

    Returns:
        Of each window, for each sinusoid.
    """
    found = sorted(
        (period_nm, gain, window, n)
        for window, (periods_nm, gains) in enumerate(windows)
        for n, (period_nm, gain) in enumerate(zip(periods_nm, gains, strict=True))
    )
    kinds = [[False] * len(gains) for _, gains in windows]
    start = 0
    for end in range(1, len(found) + 1):
        if end < len(found) and found[end][0] <= ALIKE * found[end - 1][0]:
            continue
        of_facets = sum(gain for _, gain, _, _ in found[start:end]) > 0.0
        for _, _, window, n in found[start:end]:
            kinds[window][n] = of_facets
        start = end
    return [tuple(kind) for kind in kinds]
