"""Which coupling straight puts a ring's resonance where the channel needs it."""

import math

from prism_photonics.process.profile import Profile
from prism_photonics.units import PM_PER_UM

# The drawing's 1 nm grid, in µm.
GRID_DECIMALS = 3


def straights_um(
    profile: Profile, *, radius_um: float, wl_um: tuple[float, ...], bias_pm: float, snap: bool = True
) -> tuple[float, ...]:
    """Coupling-straight length of each channel's ring, so that it resonates ``bias_pm`` above its channel at 0 V.

    Solves ``n_eff(λ)·L = m·λ`` with first-order dispersion for one order m common to the row, the highest with
    non-negative straights. Both straights of a ring are equal; 1 nm more on both moves the resonance by about 21 pm.

    Args:
        profile: The film stack.
        radius_um: Bend radius.
        wl_um: Channel wavelengths, ascending.
        bias_pm: Resonance minus channel at 0 V.
        snap: Round to the 1 nm grid of the drawing.

    Returns:
        Straight lengths in µm.
    """
    optics = profile.optics
    wl0 = optics.wl0_um.value
    n_x, ng_x = optics.n_eff_along_x.value, optics.n_g_along_x.value
    n_bend = 0.5 * (n_x + optics.n_eff_along_y.value)
    ng_bend = 0.5 * (ng_x + optics.n_g_along_y.value)

    def dispersed(n_eff: float, n_g: float, wl: float) -> float:
        return n_eff - (n_g - n_eff) * (wl - wl0) / wl0

    targets = [wl + bias_pm / PM_PER_UM for wl in wl_um]
    turn_um = 2.0 * math.pi * radius_um
    order = math.ceil(dispersed(n_bend, ng_bend, targets[0]) * turn_um / targets[0])
    exact = [
        (order * wl - dispersed(n_bend, ng_bend, wl) * turn_um) / (2.0 * dispersed(n_x, ng_x, wl)) for wl in targets
    ]
    return tuple(round(s, GRID_DECIMALS) if snap else s for s in exact)


def resonance_um(profile: Profile, *, radius_um: float, straight_um: float, near_um: float) -> float:
    """Where a ring as drawn resonates: the order nearest to ``near_um``, in µm.

    The inverse of `straights_um`: ``λ = n_g·L / (m + (n_g − n_eff)·L/λ0)`` solves ``n_eff(λ)·L = m·λ``.
    """
    optics = profile.optics
    turn_um, ends_um = 2.0 * math.pi * radius_um, 2.0 * straight_um
    opl_um = 0.5 * (optics.n_eff_along_x.value + optics.n_eff_along_y.value) * turn_um
    gpl_um = 0.5 * (optics.n_g_along_x.value + optics.n_g_along_y.value) * turn_um
    opl_um += optics.n_eff_along_x.value * ends_um
    gpl_um += optics.n_g_along_x.value * ends_um
    dispersion = (gpl_um - opl_um) / optics.wl0_um.value
    order = round(gpl_um / near_um - dispersion)
    return gpl_um / (order + dispersion)
