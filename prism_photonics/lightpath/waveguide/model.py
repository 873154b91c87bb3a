"""Propagation along a waveguide: phase with first-order dispersion, and loss."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float, Shaped

from prism_photonics.deprecation import UNTIL, moved_names
from prism_photonics.lightpath.arrays import Numbers, library


class PathParams(eqx.Module):
    """Optics of one or many waveguide paths.

    Attributes:
        opl_um: Optical path length Σ n_eff·L at ``wl0_um``, in µm.
        gpl_um: Group path length Σ n_g·L at ``wl0_um``, in µm.
        amplitude: Field transmission in (0, 1].
        phase_rad: Extra phase (fabrication), in rad.
        wl0_um: Reference wavelength in µm.
    """

    opl_um: Float[Numbers, "..."]
    gpl_um: Float[Numbers, "..."]
    amplitude: Float[Numbers, "..."]
    phase_rad: Float[Numbers, "..."]
    wl0_um: Float[Numbers, "..."]


def path_phase(wl: Any, opl_um: Any, gpl_um: Any, wl0_um: Any) -> Any:
    """Phase ``βL = (2π/λ)·[n_eff·L − (n_g − n_eff)·L·(λ − λ0)/λ0]`` in rad: first-order dispersion about λ0.

    Python's, NumPy's and JAX's numbers alike.
    """
    return 2.0 * math.pi / wl * (opl_um - (gpl_um - opl_um) * (wl - wl0_um) / wl0_um)


def unit_phasor(phase_rad: Shaped[Numbers, "..."]) -> Complex[Numbers, "..."]:
    """``exp(jφ)`` of a real phase; cosine and sine apart are several times faster than JAX's complex exponential."""
    if library(phase_rad) is np:
        return np.exp(1j * phase_rad)
    return jax.lax.complex(jnp.cos(phase_rad), jnp.sin(phase_rad))


def phase_rad(wl: Float[Numbers, "..."] | float, path: PathParams) -> Float[Numbers, "..."]:
    """Phase ``βL + φ`` of a path at wavelength ``wl`` (µm), in rad."""
    return path_phase(wl, path.opl_um, path.gpl_um, path.wl0_um) + path.phase_rad


def transmission(wl: Float[Numbers, "..."] | float, path: PathParams) -> Complex[Numbers, "..."]:
    """Complex field transmission ``A·exp(j(βL + φ))`` of a path at wavelength ``wl`` (µm)."""
    return path.amplitude * unit_phasor(phase_rad(wl, path))


__getattr__ = moved_names(__name__, {"path": "lightpath.waveguide.saxmodel:path"}, until=UNTIL)
