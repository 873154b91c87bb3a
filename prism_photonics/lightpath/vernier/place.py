"""Which two rings share one resonance only, at the channel, within a wanted band; and how strongly they couple.

The combs of the two rings, free spectral ranges FSR1 and FSR2, meet again after

    FSR1·FSR2/|FSR1 − FSR2| = λ²/(n_g·|L2 − L1|).

Short of that they pass each other at a distance, and the least distance within the band decides how weak the false
resonances are: where ring 1 resonates and ring 2 is off by the phase ψ, the Δ of the pair's closed form is about
2·g1·|sin(ψ/2)| instead of g1·g2 + κ12², so the farther off, the weaker.
"""

import math
from types import ModuleType
from typing import Any

import numpy as np

from prism_photonics.lightpath.ring.place import GRID_DECIMALS, optical_lengths_um, resonance_um, straights_um
from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.process.coupling import effective_length_um, facing_radius_um
from prism_photonics.process.profile import Profile
from prism_photonics.units import InputError


def vernier_designs(
    profile: Profile,
    *,
    radius_um: float,
    wl_um: tuple[float, ...],
    bias_pm: float,
    gap_through_um: float,
    gap_between_um: float,
    gap_drop_um: float,
    pitch_um: float,
    least_um: float,
    lobe_half_angle_deg: float,
    electrode_gap_um: float,
    electrode_width_um: float,
) -> tuple[VernierDesign, ...]:
    """The pair of every channel of a bus: both rings resonate ``bias_pm`` above it and together nowhere else.

    Ring 1 has the given radius, ring 2 the larger one (`second_radius_um`) that keeps the false resonances of every
    channel's pair furthest apart as far as the comb reaches on both sides.

    Args:
        profile: The film stack.
        radius_um: Bend radius of ring 1, the smaller.
        wl_um: Channel wavelengths, ascending, at least two.
        bias_pm: Resonance minus channel at 0 V.
        gap_through_um: Gap of through bus and ring 1.
        gap_between_um: Gap between the rings.
        gap_drop_um: Gap of ring 2 and drop bus.
        pitch_um: Length of a cell along x.
        least_um: Least coupling straight of both rings.
        lobe_half_angle_deg: Half the angular width of each electrode lobe.
        electrode_gap_um: Distance of the electrodes.
        electrode_width_um: Radial width of the outer electrode.

    Raises:
        InputError: The comb has one channel, or no second radius up to twice the first covers the comb.
    """
    if len(wl_um) < 2:
        raise InputError(f"vernier_designs: wl_um has {len(wl_um)} channel; want at least two, or use a single ring")
    band_um = wl_um[-1] - wl_um[0]
    second_um = second_radius_um(profile, radius_um=radius_um, wl=wl_um[0], band_um=band_um, least_um=least_um)
    radii_um = (radius_um, second_um)
    straights = [
        straights_um(profile, radius_um=radius, wl_um=wl_um, bias_pm=bias_pm, least_um=least_um) for radius in radii_um
    ]
    return tuple(
        VernierDesign(
            *radii_um,
            straight1,
            straight2,
            gap_through_um,
            gap_between_um,
            gap_drop_um,
            profile.film.rib_width_um.value,
            pitch_um,
            lobe_half_angle_deg,
            electrode_gap_um,
            electrode_width_um,
        )
        for straight1, straight2 in zip(*straights, strict=True)
    )


def second_radius_um(profile: Profile, *, radius_um: float, wl: float, band_um: float, least_um: float) -> float:
    """Radius of ring 2 whose comb passes ring 1's at the largest distance anywhere within ± ``band_um`` of the channel.

    Tries every whole number of wavelengths by which ring 2 can be longer, up to twice the radius.

    Raises:
        InputError: The band is too wide: every choice has a second coincidence in it.
    """
    n_x, n_y = profile.optics.n_eff_along_x.value, profile.optics.n_eff_along_y.value
    step_um = wl / (math.pi * (n_x + n_y))

    def least_miss(radius2_um: float) -> float:
        rings = []
        for radius in (radius_um, radius2_um):
            straight = straights_um(profile, radius_um=radius, wl_um=(wl,), bias_pm=0.0, least_um=least_um)[0]
            rings.append(Lengths(x_um=2.0 * straight, bend_um=2.0 * math.pi * radius))
        return least_miss_um(profile, rings[0], rings[1], wl=wl, band_um=band_um)

    radii = [round(radius_um + k * step_um, GRID_DECIMALS) for k in range(1, int(radius_um / step_um) + 1)]
    best = max(radii, key=least_miss, default=radius_um)
    # A fiftieth of the range, design choice: some five linewidths of the rings that this film carries.
    range_um = wl**2 / optical_lengths_um(profile, Lengths(bend_um=2.0 * math.pi * radius_um))[1]
    if best == radius_um or least_miss(best) < 0.02 * range_um:
        raise InputError(
            f"second_radius_um: no ring up to twice radius_um = {radius_um:g} keeps clear of it over "
            f"{band_um * 1e3:.3g} nm; lower the radius or use fewer channels"
        )
    return best


def least_miss_um(profile: Profile, ring1: Lengths, ring2: Lengths, *, wl: float, band_um: float) -> float:
    """Least distance in µm between resonances of both rings within ± ``band_um``, that at ``wl`` itself left out."""
    misses = [abs(near - far) for far, near in false_resonances_um(profile, ring1, ring2, wl=wl, band_um=band_um)]
    return min(misses, default=math.inf)


def false_resonances_um(
    profile: Profile, ring1: Lengths, ring2: Lengths, *, wl: float, band_um: float
) -> list[tuple[float, float]]:
    """Every other resonance of ring 1 within ± ``band_um`` of that near ``wl``, with ring 2's nearest one; in µm."""
    home_um = resonance_um(profile, ring1, near_um=wl)
    opl_um, gpl_um = optical_lengths_um(profile, ring1)
    dispersion = (gpl_um - opl_um) / profile.optics.wl0_um.value
    home_order = round(gpl_um / home_um - dispersion)
    pairs = []
    for direction in (-1, 1):
        order = home_order + direction
        found_um = gpl_um / (order + dispersion)
        while abs(found_um - home_um) <= band_um:
            pairs.append((found_um, resonance_um(profile, ring2, near_um=found_um)))
            order += direction
            found_um = gpl_um / (order + dispersion)
    return pairs


def vernier_angles(profile: Profile, design: VernierDesign, xp: ModuleType = np) -> tuple[Any, Any, Any]:
    """Angles ``C(g)·L_eff`` of the three couplers, through, between and drop: κ is their sine, t their cosine.

    Between the rings both curve away. Where their straights differ, s1 < s2 say, the sum of the two parabolas is one
    parabola of the facing radius about (s1·R2 + s2·R1)/(R1 + R2)/2, which stands for half the straight.
    ``xp`` is the array library of the design's numbers, ``jax.numpy`` under JAX.
    """
    law, (r1, r2) = profile.gap_law, (design.radius1_um, design.radius2_um)
    shared_um = (design.straight1_um * r2 + design.straight2_um * r1) / (r1 + r2)
    couplers = (
        (design.gap_through_um, r1, design.straight1_um),
        (design.gap_between_um, facing_radius_um(r1, r2), shared_um),
        (design.gap_drop_um, r2, design.straight2_um),
    )
    through, between, drop = (
        law.at(gap, xp) * effective_length_um(radius_um=radius, straight_um=straight, decay_um=law.decay_um, xp=xp)
        for gap, radius, straight in couplers
    )
    return through, between, drop
