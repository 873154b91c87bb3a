"""A ring over tens of nanometres: its group index and its couplers change with the wavelength.

`RingParams` holds a group index that is one number. With n_g(λ) = n_g + s·(λ − λ0) the phase of a length L follows
exactly from d(n_eff/λ)/dλ = −n_g/λ²: it lacks

    δφ = −2π·s·L·[ln(λ/λ0) − 1 + λ0/λ],

and a coupler's power goes as κ²(λ) = κ²·e^{c·(λ − λ0)}. In `path_phase` an optical length counts 2π/λ0 at every
wavelength, so that both are written as ring parameters of their own for each wavelength: whatever takes `RingParams`
takes them.

Source: the definition of the group index; the exponential from the decay of a mode outside its rib, whose length grows
with the wavelength (`process.coupling`).
"""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Float

from prism_photonics.lightpath.arrays import Numbers, library
from prism_photonics.lightpath.ring.model import RingParams


class RingDispersion(eqx.Module):
    """Slopes with wavelength of one or many rings, about their reference wavelength.

    Attributes:
        gpl_slope: Slope of the group circumference n_g·L in µm per µm.
        ln_kappa2_through_per_um: Slope of ln κ² at the through bus in 1/µm.
        ln_kappa2_drop_per_um: The same at the drop bus.
    """

    gpl_slope: Float[Numbers, "..."]
    ln_kappa2_through_per_um: Float[Numbers, "..."]
    ln_kappa2_drop_per_um: Float[Numbers, "..."]


def dispersed(wl: Float[Numbers, "..."], ring: RingParams, dispersion: RingDispersion) -> RingParams:
    """A ring's parameters at each wavelength in µm, in the broadcast shape of both."""
    xp = library(wl, *jax.tree.leaves((ring, dispersion)))
    away_um, ratio = wl - ring.wl0_um, wl / ring.wl0_um

    def coupled(t: Any, slope: Any) -> Any:
        return xp.sqrt(1.0 - (1.0 - t**2) * xp.exp(slope * away_um))

    bent = xp.log(ratio) - 1.0 + 1.0 / ratio
    at_each = vars(ring) | {
        "t1": coupled(ring.t1, dispersion.ln_kappa2_through_per_um),
        "t2": coupled(ring.t2, dispersion.ln_kappa2_drop_per_um),
        "opl_um": ring.opl_um - dispersion.gpl_slope * ring.wl0_um * bent,
    }
    return RingParams(**{name: xp.asarray(leaf + 0.0 * away_um) for name, leaf in at_each.items()})
