"""Whether a faster calibration is the same one: bits and pulls of several dies, now and at another commit.

    python benchmarks/calibration_kept.py COMMIT [DIES]

Each commit calibrates the same dies of the demo from the same readings' seeds in a process of its own. A pull is a
parameter less the die's truth, over its standard error. Writes results/calibration_kept.json.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from calibration_speed import ROOT, hardware, other_tree, printed

from prism_photonics.files import write_text

RESULTS = ROOT / "benchmarks" / "results" / "calibration_kept.json"
SPEC, DIES = ROOT / "layouts" / "circles_8x8" / "spec.toml", 4  # a file that older trees can read
SCRIPT = """
import json, sys
import jax
import numpy as np
import prism_photonics as pp
from prism_photonics.calibration.calibration import from_survey
from prism_photonics.calibration.survey import survey_and_faults
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.workflow.session import CalibrationSession

spec, found = pp.load_spec(sys.argv[1]), []
for seed in range(int(sys.argv[2])):
    key = jax.random.key(seed)
    chip, truth = VirtualChip.fabricate(spec, key), draw_die(spec, jax.random.split(key)[0])
    survey, faults = survey_and_faults(chip, spec, key=jax.random.key(1000 + seed))
    fit = from_survey(survey, spec, key=jax.random.key(2000 + seed), faults=faults)
    bits = CalibrationSession(chip, fit, survey, faults=faults, seed=seed).validate(seed=seed).accuracy_bits
    true, rings, std, unit = truth.bank.rings, fit.rows.rings, fit.std, fit.scatter
    off = {
        "resonance": (rings.offset_pm - true.offset_pm, std.offset * unit.offset_pm),
        "slope": (rings.slope_pm_V - true.slope_pm_V, std.slope * unit.slope * abs(true.slope_pm_V)),
        "curvature": (rings.curvature_pm_V2 - true.curvature_pm_V2, std.curvature * unit.curvature_pm_V2),
        "crosstalk": (fit.rows.crosstalk - truth.crosstalk, std.crosstalk * unit.crosstalk),
    }
    pulls = {name: np.ravel(np.asarray(error / sigma)).tolist() for name, (error, sigma) in off.items()}
    found.append({"seed": seed, "bits": bits, "pulls": pulls})
print(json.dumps(found))
"""


def dies_of(tree: Path, dies: int) -> list[dict[str, Any]]:
    """Bits and pulls of all dies in a source tree."""
    return printed(tree, SCRIPT, str(SPEC), str(dies))


def main() -> None:
    """Measure, write and print."""
    if len(sys.argv) < 2:
        sys.exit(
            "calibration_kept: got no commit, want one to compare with; python benchmarks/calibration_kept.py COMMIT"
        )
    commit, dies = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else DIES
    now = dies_of(ROOT, dies)
    with other_tree(commit) as other:
        before = dies_of(other, dies)
    parameters = {}
    for name in now[0]["pulls"]:
        pulls = np.array([[die["pulls"][name] for die in found] for found in (before, now)])
        rms = np.sqrt((pulls**2).mean((1, 2)))
        parameters[name] = {
            "rms_before": float(rms[0]),
            "rms_now": float(rms[1]),
            "largest_change": float(np.abs(pulls[1] - pulls[0]).max()),
        }
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": hardware(),
        "command": f"python benchmarks/calibration_kept.py {commit} {dies}",
        "spec": SPEC.parent.name,
        "commit": commit,
        "dies": [
            {"seed": then["seed"], "bits_before": then["bits"], "bits_now": here["bits"]}
            for then, here in zip(before, now, strict=True)
        ],
        "pulls": parameters,
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
