"""Figures of merit of a Vernier pair, in closed form: no circuit simulation, no JAX."""

import cmath
import math
from dataclasses import dataclass

import numpy as np

from prism_photonics.lightpath.ring.place import optical_lengths_um, resonance_um, tuned_share
from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.lightpath.vernier.place import false_resonances_um, least_miss_um, vernier_angles
from prism_photonics.process.electrooptics import tuning_pm_V
from prism_photonics.process.profile import Profile
from prism_photonics.units import PM_PER_UM, attenuation_per_um, dB_from_ratio

SCAN = 4001


@dataclass(frozen=True)
class VernierFigures:
    """One channel's Vernier pair as designed.

    Attributes:
        fsr_nm: Free spectral ranges of ring 1 and ring 2 at the channel.
        vernier_fsr_nm: FSR1·FSR2/|FSR1 − FSR2|: where the combs meet again.
        least_miss_pm: Least distance of two resonances of the rings within the band, the channel's own left out.
        fwhm_pm: Linewidth of the drop peak with both rings aligned, between its outermost half-maximum points.
        drop_centre: Drop transmission of the aligned pair at its centre; a split peak is higher on both sides.
        splitting: κ12²/(g1·g2), dimensionless: about 1 is flattest, the drop peak splits well above.
        suppression_dB: Drop at the centre over the strongest false resonance within the band, both of the aligned pair.
        tuning_pm_V: Electro-optic tuning of ring 1 and ring 2.
        bias_pm: Resonance of ring 1 and ring 2 minus channel at 0 V, as drawn on the 1 nm grid.
    """

    fsr_nm: tuple[float, float]
    vernier_fsr_nm: float
    least_miss_pm: float
    fwhm_pm: float
    drop_centre: float
    splitting: float
    suppression_dB: float
    tuning_pm_V: tuple[float, float]
    bias_pm: tuple[float, float]
    _loss: tuple[float, float]
    _coupling: float

    @property
    def misaligned_pm(self) -> float:
        """Resonance of ring 2 minus ring 1 at 0 V, as drawn."""
        return self.bias_pm[1] - self.bias_pm[0]

    def peak_loss_dB(self, misaligned_pm: float) -> float:
        """What a distance between the two rings' resonances costs at the drop peak, wherever the peak then lies.

        Source: the two-pole form ``Δ ≈ (g1 − jφ1)·(g2 − jφ2) + κ12²`` of `prism_photonics.lightpath.vernier.model`.
        """
        return dB_from_ratio(self._peak(0.0) / self._peak(misaligned_pm))

    def walk_off_pm(self, shift_pm: float) -> float:
        """How far the rings part while one voltage moves their mean by ``shift_pm``."""
        low, high = self.tuning_pm_V
        return 2.0 * shift_pm * (high - low) / (high + low)

    def _peak(self, misaligned_pm: float) -> float:
        """Largest drop over wavelength, up to a constant factor."""
        reach_pm = abs(misaligned_pm) / 2.0 + self.fwhm_pm
        at_pm = np.linspace(-reach_pm, reach_pm, SCAN)
        to_rad = [2.0 * math.pi / (fsr * 1e3) for fsr in self.fsr_nm]
        pole1 = self._loss[0] - 1j * to_rad[0] * (at_pm + misaligned_pm / 2.0)
        pole2 = self._loss[1] - 1j * to_rad[1] * (at_pm - misaligned_pm / 2.0)
        return float((1.0 / np.abs(pole1 * pole2 + self._coupling) ** 2).max())


def vernier_figures(
    design: VernierDesign, profile: Profile, *, loss_dB_cm: float, channel_um: float, band_um: float
) -> VernierFigures:
    """Figures of merit of one channel's pair from geometry, film and V_πL.

    Args:
        design: The pair.
        profile: The film stack.
        loss_dB_cm: Waveguide loss.
        channel_um: The channel's wavelength.
        band_um: How far from the channel false resonances matter, to both sides: the span of the comb.

    Source: `prism_photonics.lightpath.vernier.model`; the linewidth is the two-pole form's, exact to first order in
    linewidth over free spectral range.
    """
    ring1, ring2 = (ring.lengths for ring in design.rings)
    gpl1_um, gpl2_um = (optical_lengths_um(profile, lengths)[1] for lengths in (ring1, ring2))
    fsr1_um, fsr2_um = channel_um**2 / gpl1_um, channel_um**2 / gpl2_um
    a1, a2 = (math.exp(-0.5 * attenuation_per_um(loss_dB_cm) * lengths.total_um) for lengths in (ring1, ring2))
    t1, t12, t2 = (math.cos(angle) for angle in vernier_angles(profile, design))
    home1_um, home2_um = (resonance_um(profile, lengths, near_um=channel_um) for lengths in (ring1, ring2))

    def drop(phi1: float, phi2: float) -> float:
        z1, z2 = a1 * cmath.exp(1j * phi1), a2 * cmath.exp(1j * phi2)
        delta = 1.0 - t1 * t12 * z1 - t12 * t2 * z2 + t1 * t2 * z1 * z2
        return (1.0 - t1**2) * (1.0 - t12**2) * (1.0 - t2**2) * a1 * a2 / abs(delta) ** 2

    # On either ring's false resonance the other is off by the distance between them.
    false = [
        level
        for at1_um, at2_um in false_resonances_um(profile, ring1, ring2, wl=channel_um, band_um=band_um)
        for level in (
            drop(0.0, 2.0 * math.pi * (at1_um - at2_um) / (at2_um**2 / gpl2_um)),
            drop(2.0 * math.pi * (at1_um - at2_um) / (at1_um**2 / gpl1_um), 0.0),
        )
    ]
    # Δ over t1·t12·a1·t12·t2·a2, to first order in the phases: (l1 − jφ1)·(l2 − jφ2) + (κ12/t12)².
    loss1, loss2 = 1.0 / (t1 * t12 * a1) - 1.0, 1.0 / (t12 * t2 * a2) - 1.0
    coupling = 1.0 / t12**2 - 1.0
    slope1, slope2 = (
        tuning_pm_V(
            wl=profile.optics.wl0_um.value,
            n_g=gpl_um / ring.length_um,
            coverage=tuned_share(profile, ring),
            vpil_single_V_cm=2.0 * profile.electrooptics.vpil_push_pull_V_cm.value,
        )
        for ring, gpl_um in zip(design.rings, (gpl1_um, gpl2_um), strict=True)
    )
    return VernierFigures(
        fsr_nm=(fsr1_um * 1e3, fsr2_um * 1e3),
        vernier_fsr_nm=fsr1_um * fsr2_um / abs(fsr1_um - fsr2_um) * 1e3,
        least_miss_pm=least_miss_um(profile, ring1, ring2, wl=channel_um, band_um=band_um) * PM_PER_UM,
        fwhm_pm=_fwhm_um(loss1, loss2, coupling, 2.0 * math.pi / fsr1_um, 2.0 * math.pi / fsr2_um) * PM_PER_UM,
        drop_centre=drop(0.0, 0.0),
        splitting=coupling / (loss1 * loss2),
        suppression_dB=dB_from_ratio(drop(0.0, 0.0) / max(false)) if false else math.inf,
        tuning_pm_V=(slope1, slope2),
        bias_pm=((home1_um - channel_um) * PM_PER_UM, (home2_um - channel_um) * PM_PER_UM),
        _loss=(loss1, loss2),
        _coupling=coupling,
    )


def _fwhm_um(loss1: float, loss2: float, coupling: float, per_um1: float, per_um2: float) -> float:
    """Where |(l1 − jφ1)·(l2 − jφ2) + (κ12/t12)²|² is twice that at the centre: quadratic in the detuning²."""
    centre, product = loss1 * loss2 + coupling, per_um1 * per_um2
    linear = (loss1 * per_um2 + loss2 * per_um1) ** 2 - 2.0 * centre * product
    squared = (-linear + math.sqrt(linear**2 + 4.0 * (product * centre) ** 2)) / (2.0 * product**2)
    return 2.0 * math.sqrt(squared)
