"""How strongly a Vernier pair's two rings couple to their buses and to each other."""

from types import ModuleType
from typing import Any

import numpy as np

from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.process.coupling import effective_length_um, facing_radius_um
from prism_photonics.process.profile import Profile


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
