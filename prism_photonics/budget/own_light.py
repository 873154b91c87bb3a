"""Light that moves the ring in which it circulates: heat towards the red, photorefraction towards the blue.

A part of the light that a ring holds is absorbed and warms it. Over a buried oxide of thickness h a guide of width w
and length L is a line of heat beside its image in the cold substrate, ΔT = P·ln(4h/w)/(2π·k·L), after h²/D of time.
Light also frees charges, whose field lowers the index (photorefraction): within seconds, and for hours after.

With both together a line that is u = 2·(resonance − line)/FWHM off finds its ring moved by

    y = G/(1 + (u + y)²),      y = 2·shift/FWHM,    G = 2·(full shift on resonance)/FWHM.

While G is small y is G/(1 + u²). From |G| = 8/(3·√3) on there are detunings with two stable shifts: bistability.

Sources: H. S. Carslaw and J. C. Jaeger, Conduction of Heat in Solids (1959), §10.10, for the line and its image; T.
Carmon, L. Yang and K. J. Vahala, Opt. Express 12, 4742 (2004), 10.1364/OPEX.12.004742, for a ring that its light heats;
8/(3√3) is where dG/dy of the equation above first has a double root. That photorefraction in rings of lithium niobate
lasts for over 10 h: arXiv 2409.12354, which gives no size; that lithium tantalate has less of it: arXiv 2405.05169.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prism_photonics.budget.error_budget import error_of_one_cause
from prism_photonics.budget.ring import ring_figures
from prism_photonics.budget.slopes import slopes
from prism_photonics.spec import ChipSpec
from prism_photonics.units import attenuation_per_um

OXIDE_UM, OXIDE_W_m_K, OXIDE_m2_s = 4.7, 1.38, 0.87e-6
"""Buried oxide: thickness (design choice, that of common wafers), conductivity and diffusivity of fused silica."""
ABSORBED = 1.0
"""Share of the propagation loss that ends as heat: no more than all of it; how much is scattered, no film tells."""
PHOTOREFRACTION = {"LiNbO3": -2.0, "LiTaO3": -0.2}
"""Shift by photorefraction over that by heat; design choices: lithium niobate ends on the blue side, lithium tantalate,
which has less of it, on the red one."""
PHOTOREFRACTION_S = 10.0
"""Within which it builds up; design choice. It goes within the hours of ``relaxation.memory_h``."""
BISTABLE = 8.0 / (3.0 * math.sqrt(3.0))


@dataclass(frozen=True)
class OwnLight:
    """How the light of one line moves its ring, per watt that circulates on resonance.

    Attributes:
        heat_pm_W: Shift by heat.
        photorefraction_pm_W: Shift by photorefraction, once it has built up.
        heat_s: Time within which heat acts.
        fwhm_pm: Linewidth of the ring.
    """

    heat_pm_W: float
    photorefraction_pm_W: float
    heat_s: float
    fwhm_pm: float

    @property
    def most_pm_W(self) -> float:
        """The larger of what it is once the ring is warm, and what it is in the end."""
        return max(abs(self.heat_pm_W), abs(self.heat_pm_W + self.photorefraction_pm_W))

    def after_pm_W(self, seconds: float) -> float:
        """Shift so many seconds after the light came on, as long as it is small."""
        heat = self.heat_pm_W * -math.expm1(-seconds / self.heat_s)
        return heat + self.photorefraction_pm_W * -math.expm1(-seconds / PHOTOREFRACTION_S)

    def bistable_W(self, pm_W: float) -> float:
        """Circulating power on resonance from which a ring that moves by so much has two stable shifts."""
        return BISTABLE * 0.5 * self.fwhm_pm / abs(pm_W) if pm_W else math.inf

    def steady_pm(self, power_W: float, detuning_pm: float, pm_W: float) -> Float[np.ndarray, " shifts"]:
        """All shifts in pm at which the ring may rest, ascending: one, or three of which the middle one is unstable.

        Args:
            power_W: Power that would circulate on resonance.
            detuning_pm: Resonance without light, minus line.
            pm_W: Shift per watt: `heat_pm_W`, or with photorefraction.
        """
        half = 0.5 * self.fwhm_pm
        u, g = detuning_pm / half, power_W * pm_W / half
        # y·(1 + (u + y)²) = G.
        roots = np.roots([1.0, 2.0 * u, 1.0 + u * u, -g])
        return half * np.sort(roots[abs(roots.imag) < 1e-9 * (1.0 + abs(roots.real))].real)


def own_light(spec: ChipSpec) -> OwnLight:
    """The rings of a spec as designed, those of channel 0."""
    design, optics, width_um = spec.ring_designs[0], spec.profile.optics, spec.width_um
    resistance_K_W = math.log(4.0 * OXIDE_UM / width_um) / (2.0 * math.pi * OXIDE_W_m_K * design.length_um * 1e-6)
    absorbed = ABSORBED * attenuation_per_um(spec.waveguide.loss_dB_cm) * design.length_um
    heat_pm_W = optics.thermal_pm_K.value * resistance_K_W * absorbed
    return OwnLight(
        heat_pm_W=heat_pm_W,
        photorefraction_pm_W=PHOTOREFRACTION[spec.profile.crystal] * heat_pm_W,
        heat_s=(OXIDE_UM * 1e-6) ** 2 / OXIDE_m2_s,
        fwhm_pm=ring_figures(spec).fwhm_pm,
    )


def power_that_costs_bits_W(spec: ChipSpec) -> float:
    """Circulating power of one line whose shift, on a ring's steepest slope, errs by what one cause may.

    A ring is calibrated with its line alone at full light; a query's light is less, and its shift with it.
    """
    moved = own_light(spec).most_pm_W
    return error_of_one_cause(spec) / (slopes(spec).steepest * moved) if moved > 0.0 else math.inf
