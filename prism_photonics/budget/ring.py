"""The rings of a spec as designed: linewidth, range, extremes, tuning and rest, in closed form, without JAX."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.figures import (
    extreme_transmissions,
    free_spectral_range_um,
    linewidth_um,
    tuning_slope_pm_V,
)
from prism_photonics.lightpath.ring.place import coupling_angles, optical_lengths_um, resonance_um
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import PM_PER_UM, InputError, attenuation_per_um

LEAST_COUPLING, MOST_COUPLING = 1e-9, 0.99
"""Power share κ² of a coupler below which no light crosses it, and above which nothing goes round; design choices."""


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

    def slopes_per_pm(self, detuning_pm: Float[np.ndarray, "*weights"]) -> Float[np.ndarray, "*weights"]:
        """Slope dw/dλ of `weight` at detunings, per pm: ``4·u·A/FWHM/(1 + u²)²`` with ``A = 1 − T_min + D_max``."""
        u = 2.0 * detuning_pm / self.fwhm_pm
        return 4.0 * u * (1.0 - self.through_min + self.drop_max) / self.fwhm_pm / (1.0 + u * u) ** 2

    @property
    def steepest_slope_per_pm(self) -> float:
        """The largest of `slopes_per_pm`, at ``u = 1/√3``: ``3√3/4·A/FWHM = 1.299·A/FWHM``."""
        return 0.75 * math.sqrt(3.0) * (1.0 - self.through_min + self.drop_max) / self.fwhm_pm

    def detunings_pm(self, weights: Float[np.ndarray, "*weights"]) -> Float[np.ndarray, "*weights"]:
        """Detunings that give weights, the inverse of `weight`; infinite or 0 beyond what a ring reaches."""
        below_one = np.maximum(1.0 - weights, 0.0)
        depth_over = np.full_like(below_one, np.inf)
        np.divide(1.0 - self.through_min + self.drop_max, below_one, out=depth_over, where=below_one > 0.0)
        return 0.5 * self.fwhm_pm * np.sqrt(np.maximum(depth_over - 1.0, 0.0))


@cached_by_spec
def ring_figures(spec: ChipSpec, channel: int = 0) -> RingFigures:
    """Figures of merit of one channel's ring from geometry, film and V_πL.

    Raises:
        InputError: No light crosses the ring's couplers, or all of it does.
    """
    return _figures(spec, spec.ring_designs[channel], np.asarray(spec.comb_design.wl_um[channel : channel + 1]))[0]


@cached_by_spec
def row_figures(spec: ChipSpec) -> tuple[RingFigures, ...]:
    """Figures of merit of every channel's ring.

    Raises:
        InputError: No light crosses a ring's couplers, or all of it does.
    """
    return _figures(spec, _all_rings(spec), np.asarray(spec.comb_design.wl_um))


def lossy_drop_max(spec: ChipSpec, loss_factor: float) -> tuple[float, ...]:
    """Drop transmission on resonance of every channel's ring if its loss is so many times the design's."""
    design = _all_rings(spec)
    return tuple(extreme_transmissions(*_amplitudes(spec, design, loss_factor=loss_factor))[1].tolist())


def _all_rings(spec: ChipSpec) -> RingDesign:
    """All rings of a row as one design: they differ in their straights, which here are an array over channels."""
    straights = np.array([design.straight_um for design in spec.ring_designs])
    return replace(spec.ring_designs[0], straight_um=straights)  # pyright: ignore[reportArgumentType]


def _amplitudes(spec: ChipSpec, design: RingDesign, *, loss_factor: float = 1.0) -> tuple[Any, Any, Any]:
    """Self-couplings t1 and t2, and the round-trip amplitude a."""
    a = np.exp(-0.5 * attenuation_per_um(loss_factor * spec.waveguide.loss_dB_cm) * design.length_um)
    angles = coupling_angles(spec.profile, design)
    least, most = (math.asin(math.sqrt(share)) for share in (LEAST_COUPLING, MOST_COUPLING))
    for key, angle in zip(("gap_through_um", "gap_drop_um"), angles, strict=True):
        where = f"ring.{key} = {getattr(spec.ring, key):g} with ring.straight_um = {spec.ring.straight_um:g}"
        if not np.min(angle) >= least:
            raise InputError(
                f"{where}: no light crosses to the bus (κ² = {np.sin(np.min(angle)) ** 2:.1g}, want {LEAST_COUPLING:g} "
                "or more); narrow the gap"
            )
        if np.max(angle) > most:
            raise InputError(
                f"{where}: all light crosses to the bus and none goes round (C·L = {np.max(angle):.3g} rad, want "
                f"{most:.3g} or less); shorten ring.straight_um or widen the gap"
            )
    return np.cos(angles[0]), np.cos(angles[1]), a


def _figures(spec: ChipSpec, design: RingDesign, lines_um: np.ndarray) -> tuple[RingFigures, ...]:
    t1, t2, a = _amplitudes(spec, design)
    wl_um = spec.profile.optics.wl0_um.value
    _, gpl_um = optical_lengths_um(spec.profile, design.lengths)
    rests_um = resonance_um(spec.profile, design.lengths, near_um=lines_um + spec.ring.bias_pm / PM_PER_UM)
    fwhm_pm = linewidth_um(t1, t2, a, wl_um=wl_um, gpl_um=gpl_um) * PM_PER_UM
    through_min, drop_max = extreme_transmissions(t1, t2, a)
    columns = (
        fwhm_pm,
        free_spectral_range_um(wl_um=wl_um, gpl_um=gpl_um) * 1e3,
        wl_um * PM_PER_UM / fwhm_pm,
        through_min,
        drop_max,
        tuning_slope_pm_V(spec.profile, design),
        (rests_um - lines_um) * PM_PER_UM,
    )
    return tuple(RingFigures(*row) for row in zip(*(_listed(c, len(lines_um)) for c in columns), strict=True))


def _listed(column: Any, count: int) -> list[float]:
    """One plain number per channel: what does not depend on the straights is one number for all."""
    return np.broadcast_to(column, (count,)).tolist()
