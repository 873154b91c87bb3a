"""What a ring does to a laser line, in plain NumPy with exact derivatives: the fit's inner loop.

The fields are those of `prism_photonics.lightpath.ring.model`, with x = a·e^{jφ}:

    th(φ) = (t1 − t2·x)/(1 − t1·t2·x)        dr(φ) = −κ1·κ2·√x/(1 − t1·t2·x)

Light that scatters backwards couples the two directions in a ring; its two standing waves then resonate at φ ± δ and
share the light equally, so that both outputs are means over the pair:

    th = ½·[th(φ + δ) + th(φ − δ)]           dr = ½·[dr(φ + δ) + dr(φ − δ)]

They depend on δ² alone, the product of the two directions' scattering amplitudes, which is complex in general. This is
exact for one point scatterer, whatever its phase. Source: Little, Laine & Chu, Optics Letters 22, 4 (1997),
10.1364/OL.22.000004; Li et al., Laser & Photonics Reviews 10, 420 (2016), 10.1002/lpor.201500207, for what it does to
rings between two buses.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.lightpath.phasor import phasor

LEAST_SPLIT = 1e-9  # of δ², in rad²: below, the two standing waves are one and the derivative is taken at this


class RingShape(NamedTuple):
    """One ring in the fit's own numbers, which all may run over the whole line.

    Attributes:
        wl_nm: Resonance in nm.
        log_kappa2: ln κ² of the through coupler.
        log_ratio: ln of the drop coupler's κ² over the through coupler's.
        loss: Natural logarithm of the power that survives a turn, with its sign changed: a² = e^{−loss}.
        split2_pm2: Real part of the squared splitting, in pm². Negative: the standing waves differ in width.
        split2_im_pm2: Its imaginary part: they differ in both.
    """

    wl_nm: float
    log_kappa2: float
    log_ratio: float
    loss: float
    split2_pm2: float
    split2_im_pm2: float


class Output(NamedTuple):
    """The complex field at one output, and what its derivatives are made of: by φ, by ln κ² of each coupler, and by δ²
    in pm².
    """

    field: Complex[ndarray, " wl"]
    by_phi: Complex[ndarray, " wl"]
    by_1: Complex[ndarray, " wl"]
    by_2: Complex[ndarray, " wl"]
    by_square: Complex[ndarray, " wl"]


class Response(NamedTuple):
    """Powers at both outputs, and their derivatives by the six numbers of `RingShape` and (last) by wavelength in
    nm; of the through port the complex field besides. What was not asked for is empty.
    """

    through: Float[ndarray, " wl"]
    drop: Float[ndarray, " any"]
    d_through: Float[ndarray, "7 wl"]
    d_drop: Float[ndarray, "7 any"]
    field: Complex[ndarray, " wl"]
    d_field: Complex[ndarray, "7 any"]


def ring_response(
    wl_nm: Float[ndarray, " wl"],
    ring: RingShape,
    *,
    fsr_nm: float,
    slope_per_nm: float = 0.0,
    dropped: bool = True,
    drop: bool = True,
    d_field: bool = False,
) -> Response:
    """Powers at the outputs of a ring, relative to what would pass without it.

    Args:
        wl_nm: Wavelengths in nm.
        ring: The ring.
        fsr_nm: Free spectral range at its resonance, in nm.
        slope_per_nm: Change of ln κ² per nm, of both couplers.
        dropped: Whether there is a drop bus; without it t2 = 1 and ``log_ratio`` says nothing.
        drop: Whether the drop port is asked for.
        d_field: Whether derivatives of the through port's field are.

    Returns:
        Powers and derivatives.
    """
    # A number each where couplers do not change with wavelength.
    away_nm = wl_nm - ring.wl_nm if slope_per_nm else 0.0
    kappa2 = np.exp(ring.log_kappa2 + slope_per_nm * away_nm)
    kappa2_drop = kappa2 * np.exp(ring.log_ratio) if dropped else 0.0 * kappa2
    t1, t2 = np.sqrt(np.maximum(1.0 - kappa2, 1e-12)), np.sqrt(np.maximum(1.0 - kappa2_drop, 1e-12))
    # φ falls with wavelength; n_g is taken as constant within a window.
    turn = 2.0 * np.pi * ring.wl_nm / fsr_nm
    ratio = ring.wl_nm / wl_nm
    half_phi = phasor(0.5 * turn * (ratio - 1.0))
    phi_wl, phi_place = -turn / ring.wl_nm * ratio**2, turn / ring.wl_nm * (2.0 * ratio - 1.0)
    per_pm2 = (np.pi / (1e3 * fsr_nm)) ** 2
    square = per_pm2 * complex(ring.split2_pm2, ring.split2_im_pm2)
    if abs(square) < LEAST_SPLIT:
        square = complex(LEAST_SPLIT)
    delta, both = np.sqrt(square), t1 * t2
    pair = []
    for sign in (1.0, -1.0):
        half = half_phi * np.exp(0.5j * sign * delta - 0.25 * ring.loss)
        x = half * half
        pair.append((half, x, 1.0 / (1.0 - both * x)))
    ring_numbers = {"t1": t1, "t2": t2, "kappa2": kappa2, "kappa2_drop": kappa2_drop}
    ring_numbers["per_square"] = per_pm2 / (2.0 * delta)
    outputs = [_through(pair, **ring_numbers)]
    outputs += [_drop(pair, **ring_numbers)] if drop else []
    told = []
    for one in outputs:
        turned = 2.0 * np.conj(one.field)
        by_phi, by_1, by_2, by_square = (turned * each for each in one[1:])
        by_couplers = by_1.real + by_2.real
        # e^{j(φ ± δ)} and e^{−loss/2} enter alike: ∂/∂loss = (j/2)·∂/∂φ.
        by_all = np.array(
            [
                by_phi.real * phi_place - slope_per_nm * by_couplers,
                by_couplers,
                by_2.real,
                -0.5 * by_phi.imag,
                by_square.real,
                -by_square.imag,
                by_phi.real * phi_wl + slope_per_nm * by_couplers,
            ]
        )
        told.append((np.square(np.real(one.field)) + np.square(np.imag(one.field)), by_all))
    field, by_phi, by_1, by_2, by_square = outputs[0]
    by_field = np.zeros((7, 0), complex)
    if d_field:
        couplers = by_1 + by_2
        by_field = np.array(
            [
                by_phi * phi_place - slope_per_nm * couplers,
                couplers,
                by_2,
                0.5j * by_phi,
                by_square,
                1j * by_square,
                by_phi * phi_wl + slope_per_nm * couplers,
            ]
        )
    none = (np.zeros(0), np.zeros((7, 0)))
    (through, d_through), (dropping, d_drop) = told[0], told[1] if drop else none
    return Response(through, dropping, d_through, d_drop, field, by_field)


def _through(pair, *, t1, t2, kappa2, kappa2_drop, per_square) -> Output:
    """Mean of th over both standing waves: ``pair`` has e^{jφ/2}, e^{jφ} and 1/(1 − t1·t2·x) of each."""
    fields, by_phi, by_1 = [], [], []
    for _, x, one in pair:
        steep, passed = x * one * one, t2 * x
        fields.append((t1 - passed) * one)
        by_phi.append(steep)
        by_1.append(one * one - t2 * passed * steep)
    up, down = (-1j * t2 * kappa2 * steep for steep in by_phi)
    mean = 0.5 * (up + down)
    return Output(
        0.5 * (fields[0] + fields[1]),
        mean,
        (-0.25 * kappa2 / t1) * (by_1[0] + by_1[1]),
        (0.5j * kappa2_drop / t2**2) * mean,
        (0.5 * per_square) * (up - down),
    )


def _drop(pair, *, t1, t2, kappa2, kappa2_drop, per_square) -> Output:
    """Mean of dr over both standing waves."""
    (g, turned), (g_other, turned_other) = ((half * one, half * x * one * one) for half, x, one in pair)
    scale = -np.sqrt(kappa2 * kappa2_drop)
    field, mean = 0.5 * scale * (g + g_other), 0.5 * scale * (turned + turned_other)
    apart = 0.5 * (g - g_other) + t1 * t2 * (turned - turned_other)
    return Output(
        field,
        0.5j * field + 1j * t1 * t2 * mean,
        0.5 * field - (0.5 * kappa2 * t2 / t1) * mean,
        0.5 * field - (0.5 * kappa2_drop * t1 / t2) * mean,
        (0.5j * per_square * scale) * apart,
    )
