"""The drawn photodiode in the plane of its guide: what absorbs, what passes, what goes back into the guide.

    python benchmarks/photodiode.py [--json]

On every film, and on `tfln600` with another adhesive, lower mesa, absorber and grid; beside the published diode's
0.6 A/W (Photonics Research 10, 1338 (2022)), whose layers and sizes are not at hand. The grid's steps tell how far the
figures are converged: reflections are small differences of large waves, and good to some dB.
"""

import json
import math
import os
import platform
import sys
from dataclasses import asdict

from prism_photonics.lightpath.detector.absorption import UPPER_MESA, WL_UM, diode_absorption
from prism_photonics.lightpath.detector.diode import ABSORBER_UM, UPPER_HALF_UM
from prism_photonics.process.profile import load_profile
from prism_photonics.units import ELEMENTARY_CHARGE_C, PLANCK_J_S, SPEED_OF_LIGHT_UM_S

FILMS = ("tfln600", "lnoi400", "ltoi300")
VARIED = (
    {"adhesive_um": 0.10},
    {"lower_um": 0.15},
    {"lower_um": 0.35},
    {"absorber_um": 10.0},
    {"absorber_um": 40.0},
    {"step_um": 0.0125},
    {"step_um": 0.01},
)
VACUUM_FF_UM, INP_STATIC, LOAD_OHM = 8.8541878128e-3, 12.5, 50.0  # InP's static permittivity as textbooks have it
A_W = ELEMENTARY_CHARGE_C * WL_UM / (PLANCK_J_S * SPEED_OF_LIGHT_UM_S)


def main() -> None:
    """Solve and print."""
    area_um2 = (ABSORBER_UM[1] - ABSORBER_UM[0]) * 2.0 * UPPER_HALF_UM
    capacitance_fF = VACUUM_FF_UM * INP_STATIC * area_um2 / UPPER_MESA[0][0]
    cases = [(film, {}) for film in FILMS] + [(FILMS[0], dict(varied)) for varied in VARIED]
    result = {
        "published_A_W": 0.6,
        "published_GHz": 80.0,
        "area_um2": area_um2,
        "capacitance_fF": round(capacitance_fF, 1),
        "rc_GHz": round(1e6 / (2.0 * math.pi * LOAD_OHM * capacitance_fF), 1),
        "cases": [told(film, varied) for film, varied in cases],
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
    }
    print(json.dumps(result, indent=2) if "--json" in sys.argv else result)


def told(film: str, varied: dict[str, float]) -> dict[str, object]:
    """One case: shares to four places, the responsivity of what is absorbed."""
    found = diode_absorption(load_profile(film), **varied)
    shares = {name: round(value, 4) for name, value in asdict(found).items()}
    return {"film": film, **varied, **shares, "responsivity_A_W": round(found.absorbed * A_W, 3)}


if __name__ == "__main__":
    main()
