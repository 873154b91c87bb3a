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


class Response(NamedTuple):
    """Powers at both outputs, and their derivatives by the six numbers of `RingShape` and (last) by wavelength in
    nm; of the through port the complex field besides.
    """

    through: Float[ndarray, " wl"]
    drop: Float[ndarray, " wl"]
    d_through: Float[ndarray, "7 wl"]
    d_drop: Float[ndarray, "7 wl"]
    field: Complex[ndarray, " wl"]
    d_field: Complex[ndarray, "7 wl"]


def ring_response(
    wl_nm: Float[ndarray, " wl"], ring: RingShape, *, fsr_nm: float, slope_per_nm: float = 0.0, dropped: bool = True
) -> Response:
    """Powers at the outputs of a ring, relative to what would pass without it.

    Args:
        wl_nm: Wavelengths in nm.
        ring: The ring.
        fsr_nm: Free spectral range at its resonance, in nm.
        slope_per_nm: Change of ln κ² per nm, of both couplers.
        dropped: Whether there is a drop bus; without it t2 = 1 and ``log_ratio`` says nothing.

    Returns:
        Powers and derivatives.
    """
    kappa2 = np.exp(ring.log_kappa2 + slope_per_nm * (wl_nm - ring.wl_nm))
    kappa2_drop = kappa2 * np.exp(ring.log_ratio) if dropped else np.zeros_like(kappa2)
    t1, t2 = np.sqrt(np.maximum(1.0 - kappa2, 1e-12)), np.sqrt(np.maximum(1.0 - kappa2_drop, 1e-12))
    # φ falls with wavelength; n_g is taken as constant within a window.
    turn = 2.0 * np.pi * ring.wl_nm / fsr_nm
    phi = turn * (ring.wl_nm / wl_nm - 1.0)
    phi_wl, phi_place = -turn * ring.wl_nm / wl_nm**2, turn / ring.wl_nm * (2.0 * ring.wl_nm / wl_nm - 1.0)
    per_pm2 = (np.pi / (1e3 * fsr_nm)) ** 2
    square = per_pm2 * complex(ring.split2_pm2, ring.split2_im_pm2)
    if abs(square) < LEAST_SPLIT:
        square = complex(LEAST_SPLIT)
    delta = np.sqrt(square)
    through, drop, both = [], [], t1 * t2
    for sign in (1.0, -1.0):
        half = np.exp(0.5j * (phi + sign * delta) - 0.25 * ring.loss)
        x = half**2
        one = 1.0 / (1.0 - both * x)
        f = (t1 - t2 * x) * one
        through.append(
            (
                f,
                -t2 * kappa2 * one**2 * 1j * x,  # by φ
                -0.5 * kappa2 / t1 * (1.0 - (t2 * x) ** 2) * one**2,  # by ln κ1²
                0.5 * kappa2_drop / t2 * x * kappa2 * one**2,  # by ln κ2²
            )
        )
        g = -np.sqrt(kappa2 * kappa2_drop) * half * one
        turned = x * one
        drop.append(
            (
                g,
                g * 1j * (0.5 + both * turned),
                g * (0.5 - 0.5 * kappa2 / t1 * t2 * turned),
                g * (0.5 - 0.5 * kappa2_drop / t2 * t1 * turned),
            )
        )
    outputs = []
    for up, down in (through, drop):
        field, by_phi, by_1, by_2 = (0.5 * (a + b) for a, b in zip(up, down, strict=True))
        # e^{j(φ ± δ)} and e^{−loss/2} enter alike: ∂/∂loss = (j/2)·∂/∂φ.
        by_square = 0.5 * (up[1] - down[1]) / (2.0 * delta) * per_pm2
        by_all = np.array(
            [
                by_phi * phi_place - slope_per_nm * (by_1 + by_2),
                by_1 + by_2,
                by_2,
                0.5j * by_phi,
                by_square,
                1j * by_square,
                by_phi * phi_wl + slope_per_nm * (by_1 + by_2),
            ]
        )
        outputs.append((np.abs(field) ** 2, 2.0 * np.real(np.conj(field) * by_all), field, by_all))
    return Response(outputs[0][0], outputs[1][0], outputs[0][1], outputs[1][1], *outputs[0][2:])
