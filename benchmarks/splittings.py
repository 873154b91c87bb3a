"""Whether `prism extract` tells rings that split from rings that do not, under a laser that jitters.

    python benchmarks/splittings.py [RINGS] [--json]

Each ring is swept once, by a laser whose wavelength errs from step to step, alike between neighbours. Told: the share
that is told to split. Of rings that do not, that is the rate of false alarms. ``left out`` is the same fit, with the
jitter left out of its model. ``--json`` prints what `results/splittings.json` keeps.
"""

import datetime
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
RINGS = 500
SCENES = {
    "unsplit, 12 pm wide": {"split_pm": 0.0},
    "unsplit, 25 pm wide": {"split_pm": 0.0, "kappa2": 0.0285},
    "5 pm, 12 pm wide": {"split_pm": 5.0},
    "10 pm, 25 pm wide": {"split_pm": 10.0, "kappa2": 0.0285},
}
"""Rings at steps of 1 pm and a jitter of 1 pm rms, as `prism measure` sweeps them."""
JITTER_NM, ALIKE = 1e-3, 0.4


def main() -> None:
    """Run the study and print it."""
    given = [word for word in sys.argv[1:] if word != "--json"]
    rings = int(given[0]) if given else RINGS
    start = time.process_time()
    found = {name: scene(settings, rings) for name, settings in SCENES.items()}
    if "--json" in sys.argv:
        head = {
            "command": "python benchmarks/splittings.py --json",
            "date": datetime.date.today().isoformat(),
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
            "rings": rings,
            "cpu_s": time.process_time() - start,
        }
        print(json.dumps({**head, "scenes": found}, indent=1))
        return
    for name, figures in found.items():
        print(name, {key: value and round(value, 3) for key, value in figures.items()})


def scene(settings: dict[str, float], rings: int) -> dict[str, float | None]:
    """What is told of many rings alike."""
    from laboratory.simulated import one_window

    from prism_photonics.laboratory.fit import fit_window, refit
    from prism_photonics.laboratory.noise import Wander
    from prism_photonics.laboratory.splitting import SquaredSplitting, splitting

    wander, true = Wander(JITTER_NM, ALIKE, 0.05), settings["split_pm"]
    told, left_out, kappa2 = [], [], []
    for seed in range(rings):
        window, starts, meters = one_window(np.random.default_rng(seed), jitter=wander, **settings)
        first = fit_window(window, starts, meters=meters, ripples=0)
        fit = refit(first, wander, meters=meters)
        told.append(splitting(SquaredSplitting.of(fit.p[4:6], fit.covariance[4:6, 4:6])))
        left_out.append(np.sqrt(complex(*first.p[4:6])).real)
        kappa2.append(np.exp(fit.p[1]) / np.exp(starts[0][1]))
    found = np.array([one.pm for one in told])
    there = np.isfinite(found)
    pulls = np.array([(one.pm - true) / one.std_pm for one in told])[there]
    return {
        "told": float(np.mean(there)),
        "rms_off_pm": float(np.sqrt(np.mean((found[there] - true) ** 2))) if there.any() else None,
        "pull_std": float(np.std(pulls)) if there.sum() > 1 else None,
        "limit_pm": float(np.median([one.limit_pm for one in told])),
        "limit_held": float(np.mean([one.limit_pm >= true for one in told])),
        "left_out_pm": float(np.median(left_out)),
        "kappa2_off_percent": float(100.0 * (np.median(kappa2) - 1.0)),
    }


if __name__ == "__main__":
    main()
