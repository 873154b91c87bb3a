"""Figures of merit of the spec's ring, in closed form: no simulation, no JAX."""

import math
from dataclasses import dataclass

from prism_photonics.lightpath.ring.place import coupling_angles, optical_lengths_um, resonance_um, tuned_share
from prism_photonics.process.electrooptics import tuning_pm_V
from prism_photonics.spec import ChipSpec
from prism_photonics.units import PM_PER_UM, attenuation_per_um


@dataclass(frozen=True)
class RingFigures:
    """One channel's ring as designed.

    Attributes:
        fwhm_pm: Linewidth.
        fsr_nm: Free spectral range.
        q_loaded: Loaded quality factor λ/FWHM.
        through_min: Through transmission on resonance.
        drop_max: Drop transmission on resonance.
        tuning_pm_V: Electro-optic tuning.
        bias_pm: Resonance minus channel at 0 V, as drawn on the 1 nm grid.
    """

    fwhm_pm: float
    fsr_nm: float
    q_loaded: float
    through_min: float
    drop_max: float
    tuning_pm_V: float
    bias_pm: float

    def weight(self, detuning_pm: float) -> float:
        """Weight ``1 − (1 − T_min + D_max)/(1 + u²)`` with ``u = 2·δλ/FWHM``: the single-ring Lorentzian."""
        u = 2.0 * detuning_pm / self.fwhm_pm
        return 1.0 - (1.0 - self.through_min + self.drop_max) / (1.0 + u * u)

    def detuning_pm(self, weight: float) -> float:
        """Detuning that gives a weight, the inverse of `weight`; infinite where no detuning does."""
        if weight >= 1.0:
            return math.inf
        u2 = (1.0 - self.through_min + self.drop_max) / (1.0 - weight) - 1.0
        return 0.5 * self.fwhm_pm * math.sqrt(u2) if u2 >= 0.0 else 0.0


def ring_figures(spec: ChipSpec, channel: int = 0, *, loss_factor: float = 1.0) -> RingFigures:
    """Figures of merit of one channel's ring from geometry, film and V_πL; ``loss_factor`` scales its loss.

    Source: linewidth and extremes from the add-drop ring's closed form (10.1002/lpor.201100017, §2).
    """
    design, optics = spec.ring_designs[channel], spec.profile.optics
    wl = optics.wl0_um.value
    _, gpl_um = optical_lengths_um(spec.profile, design.lengths)
    a = math.exp(-0.5 * attenuation_per_um(loss_factor * spec.waveguide.loss_dB_cm) * design.length_um)
    t1, t2 = (math.cos(angle) for angle in coupling_angles(spec.profile, design))
    line = spec.comb_design.wl_um[channel]
    resonance = resonance_um(spec.profile, design.lengths, near_um=line + spec.ring.bias_pm / PM_PER_UM)
    x = t1 * t2 * a
    fwhm_pm = wl**2 * (1.0 - x) / (math.pi * gpl_um * math.sqrt(x)) * PM_PER_UM
    return RingFigures(
        fwhm_pm=fwhm_pm,
        fsr_nm=wl**2 / gpl_um * 1e3,
        q_loaded=wl * PM_PER_UM / fwhm_pm,
        through_min=((t1 - t2 * a) / (1.0 - x)) ** 2,
        drop_max=(1.0 - t1**2) * (1.0 - t2**2) * a / (1.0 - x) ** 2,
        tuning_pm_V=tuning_pm_V(
            wl=wl,
            n_g=gpl_um / design.length_um,
            coverage=tuned_share(spec.profile, design),
            vpil_single_V_cm=2.0 * spec.profile.electrooptics.vpil_push_pull_V_cm.value,
        ),
        bias_pm=(resonance - line) * PM_PER_UM,
    )
