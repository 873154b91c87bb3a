"""Figures of merit of an add-drop ring, each in one closed form for Python, NumPy and JAX numbers alike.

Here t1 and t2 are the self-couplings at through and drop bus, a the round-trip amplitude, and x = t1·t2·a.

Source: Bogaerts et al., Laser & Photonics Reviews 6, 47 (2012), 10.1002/lpor.201100017, §2.
"""

from types import ModuleType
from typing import Any

import numpy as np

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.place import optical_lengths_um, tuned_share
from prism_photonics.process.electrooptics import tuning_pm_V
from prism_photonics.process.profile import Profile


def free_spectral_range_um(*, wl_um: Any, gpl_um: Any) -> Any:
    """Free spectral range ``λ²/(n_g·L)`` in µm; ``gpl_um`` is ``n_g·L``."""
    return wl_um**2 / gpl_um


def linewidth_um(t1: Any, t2: Any, a: Any, *, wl_um: Any, gpl_um: Any, xp: ModuleType = np) -> Any:
    """Full width at half maximum of the drop peak, ``λ²·(1 − x)/(π·n_g·L·√x)``, in µm."""
    x = t1 * t2 * a
    return wl_um**2 * (1.0 - x) / (xp.pi * gpl_um * xp.sqrt(x))


def extreme_transmissions(t1: Any, t2: Any, a: Any) -> tuple[Any, Any]:
    """On resonance: through ``T_min = ((t1 − t2·a)/(1 − x))²``, drop ``D_max = κ1²·κ2²·a/(1 − x)²``."""
    denominator = (1.0 - t1 * t2 * a) ** 2
    t_min = (t1 - t2 * a) ** 2 / denominator
    d_max = (1.0 - t1**2) * (1.0 - t2**2) * a / denominator
    return t_min, d_max


def tuning_slope_pm_V(profile: Profile, design: RingDesign) -> Any:
    """Electro-optic tuning of a drawn ring in pm/V, from V_πL, the crystal's tensor and the electrodes' share."""
    optics = profile.optics
    _, gpl_um = optical_lengths_um(profile, design.lengths)
    # By the group length last: under JAX it is the one traced number.
    return tuning_pm_V(
        wl=optics.wl0_um.value,
        n_g=1.0,
        coverage=tuned_share(profile, design),
        vpil_single_V_cm=2.0 * profile.electrooptics.vpil_push_pull_V_cm.value,
    ) / (gpl_um / design.length_um)
