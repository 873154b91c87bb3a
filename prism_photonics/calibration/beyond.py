"""Fitted numbers of a bus beyond the plain row: backscatter, tuning by V³, reflecting ends, TM."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.circuit.polarized import TwoPolarizations
from prism_photonics.circuit.reflecting import EndReflectors, RowReflections
from prism_photonics.lightpath.arrays import Numbers, module_of
from prism_photonics.lightpath.ring.backscatter import Backscatter
from prism_photonics.lightpath.ring.dispersion import RingDispersion
from prism_photonics.lightpath.waveguide.model import PathParams


class Beyond(eqx.Module):
    """Fitted reflections and the like of buses, in real numbers; leaves lead with buses, or with rows and buses.

    Attributes:
        ccw_re_pm: Real part of the backscatter from clockwise, as `Backscatter.to_ccw_pm`, in pm.
        ccw_im_pm: Its imaginary part.
        cw_re_pm: Real part of the backscatter from counter-clockwise, in pm.
        cw_im_pm: Its imaginary part.
        cubic_pm_V3: Tuning by the cube of the acting voltage, in pm/V³.
        end_re: Real part of the field reflection of each end, in the order of `ENDS`.
        end_im: Its imaginary part.
        ways: From the buses' ends to where they reflect, by design.
        dispersion: Slopes of the rings with wavelength, by design.
        tm: TM in the buses; None where the readings did not ask for it. Rings then lie off where they are seen to
            resonate by what TM's orders repel TE by.
    """

    ccw_re_pm: Float[Numbers, "... rings"]
    ccw_im_pm: Float[Numbers, "... rings"]
    cw_re_pm: Float[Numbers, "... rings"]
    cw_im_pm: Float[Numbers, "... rings"]
    cubic_pm_V3: Float[Numbers, "... rings"]
    end_re: Float[Numbers, "... 4"]
    end_im: Float[Numbers, "... 4"]
    ways: PathParams
    dispersion: RingDispersion
    tm: TwoPolarizations | None = None

    @property
    def backscatter(self) -> Backscatter:
        """That of the rings."""
        return module_of(Backscatter, self.ccw_re_pm + 1j * self.ccw_im_pm, self.cw_re_pm + 1j * self.cw_im_pm)

    @property
    def reflections(self) -> RowReflections:
        """As the row solver takes them."""
        end = self.end_re + 1j * self.end_im
        xp = np if isinstance(end, ndarray) else jnp
        ends = EndReflectors(self.ways, abs(end)[..., None], xp.arctan2(self.end_im, self.end_re)[..., None])
        return RowReflections(self.backscatter, ends)

    @property
    def splitting_pm(self) -> Float[Numbers, "... rings"]:
        """Distance of each ring's two resonances, in pm."""
        return np.abs(np.asarray(self.backscatter.splitting_pm))
