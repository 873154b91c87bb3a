"""Rings of the test structures: two sweeps on one guide each, over the gap and over the length."""

from dataclasses import replace

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.figures import free_spectral_range_um
from prism_photonics.lightpath.ring.place import optical_lengths_um, resonance_um, straights_um
from prism_photonics.spec.chip_spec import ChipSpec

# Design choices.
GAP_STEPS_UM = (0.0, 0.025, 0.05, 0.075, 0.10)  # upwards: narrower, the walls of two ribs meet
LENGTH_STEPS, LENGTH_STEP_UM = (-2, -1, 0, 1, 2), 200e-6
"""Rings of the other sweep, and how far each resonance lies beyond the last: four times what neighbours scatter."""


def gap_sweep(spec: ChipSpec) -> list[RingDesign]:
    """Rings of growing gaps, each a sixth of a free spectral range above the one before it."""
    base, profile = _middle_ring(spec), spec.profile
    first = resonance_um(profile, base.lengths, near_um=spec.comb_design.wl_um[spec.chip.channels // 2])
    _, gpl_um = optical_lengths_um(profile, base.lengths)
    step = free_spectral_range_um(wl_um=first, gpl_um=gpl_um) / (len(GAP_STEPS_UM) + 1)
    straights = straights_um(
        profile,
        radius_um=base.radius_um,
        wl_um=tuple(first + n * step for n in range(len(GAP_STEPS_UM))),
        bias_pm=0.0,
        arm_um=base.arm_um,
        euler_p=base.euler_p,
        cosine=base.cosine != 0.0,
        least_um=base.straight_um - 0.01,  # the base ring's order, whatever the rounding: the next is 0.4 µm away
    )
    return [
        replace(
            base,
            straight_um=float(straight),
            gap_through_um=round(base.gap_through_um + wider, 3),
            gap_drop_um=round(base.gap_drop_um + wider, 3),
        )
        for straight, wider in zip(straights, GAP_STEPS_UM, strict=True)
    ]


def length_sweep(spec: ChipSpec) -> list[RingDesign]:
    """Rings of growing coupling straights, on the drawing's grid of 1 nm; both straights grow."""
    base, profile = _middle_ring(spec), spec.profile
    wl_um = spec.comb_design.wl_um[spec.chip.channels // 2]
    _, gpl_um = optical_lengths_um(profile, base.lengths)
    step_um = LENGTH_STEP_UM / wl_um * gpl_um / (2.0 * profile.optics.n_eff_along_x.value)
    first_um = max(base.straight_um + LENGTH_STEPS[0] * step_um, 0.0)
    return [replace(base, straight_um=round(first_um + n * step_um, 3)) for n in range(len(LENGTH_STEPS))]


def _middle_ring(spec: ChipSpec) -> RingDesign:
    return replace(spec.ring_designs[spec.chip.channels // 2], heater_um=0.0)
