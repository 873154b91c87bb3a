"""Optical constants of the film's crystals and of its oxide: dispersion, thermo-optics, static permittivity.

Sources. LiNbO3 (congruent): D. E. Zelmon, D. L. Small, D. Jundt, J. Opt. Soc. Am. B 14, 3319 (1997),
10.1364/JOSAB.14.003319, at 294 K. LiTaO3: a two-term fit to the indices that W. L. Bond tabulated, J. Appl. Phys. 36,
1674 (1965), 10.1063/1.1703106, between 0.6 and 3.0 µm; the fit leaves 1.3e-4 rms for n_o and 2.8e-4 for n_e. SiO2: I.
H. Malitson, J. Opt. Soc. Am. 55, 1205 (1965), 10.1364/JOSA.55.001205, at 293 K.

Thermo-optics of LiNbO3: recalled values (no source at hand); the temperature-dependent Sellmeier equation of D. H.
Jundt, Opt. Lett. 22, 1553 (1997), 10.1364/OL.22.001553, gives dn_e/dT = 3.8e-5 at 1.55 µm, 15 % more. LiTaO3: dn_e/dT
is the derivative at 300 K of the temperature-dependent terms of A. Bruner et al., Opt. Lett. 28, 194 (2003),
10.1364/OL.28.000194 (stoichiometric); dn_o/dT has no source at hand and is set equal (design choice). SiO2: Malitson as
above. Thermal expansion is in none of these. Static (clamped) permittivity: LiNbO3 Weis & Gaylord, Appl. Phys. A 37,
191 (1985), 10.1007/BF00614817; LiTaO3 the same order from data sheets (design choice).
"""

from dataclasses import dataclass

from jaxtyping import Float
from numpy import ndarray

from prism_photonics.units import InputError, nearest

Terms = tuple[tuple[float, float], ...]

ORDINARY: Terms = ((2.6734, 0.01764), (1.2290, 0.05914), (12.614, 474.60))
EXTRAORDINARY: Terms = ((2.9804, 0.02047), (0.5981, 0.0666), (8.9543, 416.08))


@dataclass(frozen=True)
class Crystal:
    """A uniaxial crystal of the film.

    Attributes:
        name: Chemical formula.
        ordinary: Sellmeier terms (B, C in µm²) of n_o.
        extraordinary: Sellmeier terms of n_e.
        sellmeier_K: Temperature at which they hold.
        dn_o_dT: Thermo-optic coefficient of n_o near 1.55 µm, 1/K.
        dn_e_dT: Thermo-optic coefficient of n_e near 1.55 µm, 1/K.
        static_ordinary: Relative permittivity of a static field across crystal z.
        static_extraordinary: Relative permittivity of a static field along crystal z.
    """

    name: str
    ordinary: Terms
    extraordinary: Terms
    sellmeier_K: float
    dn_o_dT: float
    dn_e_dT: float
    static_ordinary: float
    static_extraordinary: float


LITHIUM_NIOBATE = Crystal("LiNbO3", ORDINARY, EXTRAORDINARY, 294.0, 0.3e-5, 3.3e-5, 44.0, 27.9)
LITHIUM_TANTALATE = Crystal(
    "LiTaO3",
    ((3.50799, 0.0254611), (17.828, 772.689)),
    ((3.52079, 0.0259275), (2.59407, 122.789)),
    294.0,
    0.2e-5,
    0.2e-5,
    41.0,
    43.0,
)
SILICA: Terms = ((0.6961663, 0.0684043**2), (0.4079426, 0.1162414**2), (0.8974794, 9.896161**2))
SILICA_DN_DT = 1.0e-5
SILICA_STATIC = 3.9  # relative permittivity of a static field; recalled textbook value

CRYSTALS = {crystal.name: crystal for crystal in (LITHIUM_NIOBATE, LITHIUM_TANTALATE)}


def crystal_named(name: str) -> Crystal:
    """The crystal of a film by its formula.

    Raises:
        InputError: The formula is unknown; the message names the nearest one.
    """
    if name not in CRYSTALS:
        raise InputError(f"process: unknown crystal '{name}'; {nearest(name, CRYSTALS)}")
    return CRYSTALS[name]


def sellmeier(wl: float | Float[ndarray, "..."], terms: Terms) -> float | Float[ndarray, "..."]:
    """Index ``n`` with ``n² = 1 + Σ B λ²/(λ² − C)``.

    Args:
        wl: Vacuum wavelength λ in µm, 0.6 to 3 (LiNbO3 0.4 to 5).
        terms: Pairs (B, C) with C in µm²: `ORDINARY`, `EXTRAORDINARY`, a crystal's, or `SILICA`.

    Returns:
        The refractive index, same shape as ``wl``.
    """
    wl2 = wl**2
    return (1.0 + sum(b * wl2 / (wl2 - c) for b, c in terms)) ** 0.5
