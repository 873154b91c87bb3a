"""The permittivity of every element, and how it moves with wavelength and temperature."""

import numpy as np
from jaxtyping import Float

from prism_photonics.process.materials import SILICA, SILICA_DN_DT, Crystal, sellmeier
from prism_photonics.process.solver.mesh import FILM, CrossSection

STEP_UM = 1e-4  # for the dispersion's central difference: exact to 1e-9 of dn/dλ


def film_axes(principal: tuple[float, float], angle_deg: float) -> Float[np.ndarray, "3 3"]:
    """A tensor with (ordinary, extraordinary) values in the guide's frame: across, up, along.

    X-cut: up is crystal x. ``angle_deg`` is the angle between the direction of travel and crystal y, which is the
    angle between the in-plane field and crystal z.
    """
    o, e = principal
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    if angle_deg in (0.0, 90.0):
        c, s = round(float(c)), round(float(s))
    across, along, cross = e * c**2 + o * s**2, e * s**2 + o * c**2, (e - o) * c * s
    return np.array([[across, 0.0, cross], [0.0, o, 0.0], [cross, 0.0, along]])


def permittivity(
    section: CrossSection, crystal: Crystal, wl: float, *, angle_deg: float, temperature_K: float
) -> Float[np.ndarray, "3 3 elements"]:
    """ε of every element at a wavelength in µm and a temperature in K (indices linear in temperature)."""
    warm = temperature_K - crystal.sellmeier_K
    n_o = sellmeier(wl, crystal.ordinary) + warm * crystal.dn_o_dT
    n_e = sellmeier(wl, crystal.extraordinary) + warm * crystal.dn_e_dT
    n_oxide = sellmeier(wl, SILICA) + warm * SILICA_DN_DT
    film = film_axes((float(n_o**2), float(n_e**2)), angle_deg)
    return spread(section, film, n_oxide**2 * np.eye(3))


def spread(
    section: CrossSection, film: Float[np.ndarray, "3 3"], oxide: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "3 3 elements"]:
    """One tensor for the film's elements, another for all others."""
    return np.where(section.material == FILM, film[:, :, None], oxide[:, :, None])


def by_wavelength(
    section: CrossSection, crystal: Crystal, wl: float, *, angle_deg: float, temperature_K: float
) -> Float[np.ndarray, "3 3 elements"]:
    """dε/dλ in 1/µm."""
    at = {"angle_deg": angle_deg, "temperature_K": temperature_K}
    high, low = (permittivity(section, crystal, wl + step, **at) for step in (STEP_UM, -STEP_UM))
    return (high - low) / (2.0 * STEP_UM)


def by_temperature(
    section: CrossSection, crystal: Crystal, wl: float, *, angle_deg: float, temperature_K: float
) -> Float[np.ndarray, "3 3 elements"]:
    """dε/dT in 1/K."""
    high, low = (
        permittivity(section, crystal, wl, angle_deg=angle_deg, temperature_K=temperature_K + step)
        for step in (1.0, -1.0)
    )
    return (high - low) / 2.0
