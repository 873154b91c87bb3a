"""Processor time of a calibration, in a fresh process and in a warm one, against another commit in the same run.

    python benchmarks/calibration_speed.py COMMIT [ROUNDS]

Both commits take turns, so that other work on the machine burdens both. Each turn is a fresh process that imports the
toolkit, draws a die of the demo, surveys it, fits the survey twice and validates the calibration; nothing is cached on
disk. Writes results/calibration_speed.json: the lowest processor time of each step, and the ratio of the two.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from prism_photonics.files import write_text

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "layouts" / "circles_8x8" / "spec.toml"  # a file that older trees can read
RESULTS = ROOT / "benchmarks" / "results" / "calibration_speed.json"
TURN = """
import json, sys, time
laps, before = {}, 0.0
def lap(name):
    global before
    now = time.process_time()
    laps[name], before = now - before, now
import jax
import prism_photonics as pp
from prism_photonics.calibration.calibration import from_survey
from prism_photonics.calibration.survey import survey_and_faults
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.workflow.session import CalibrationSession
lap("import")
spec = pp.load_spec(sys.argv[1])
chip = VirtualChip(spec, seed=0)
lap("draw a die")
survey, faults = survey_and_faults(chip, spec, key=jax.random.key(1))
lap("survey")
fit = jax.block_until_ready(from_survey(survey, spec, key=jax.random.key(2), faults=faults))
lap("first fit")
fit = jax.block_until_ready(from_survey(survey, spec, key=jax.random.key(2), faults=faults))
lap("warm fit")
session = CalibrationSession(chip, fit, survey, faults=faults, seed=1)
bits = session.validate(seed=2).accuracy_bits
lap("validate")
print(json.dumps({"cpu_s": laps, "accuracy_bits": bits, "chi2_worst_bus": float(fit.chi2.max())}))
"""


@contextmanager
def other_tree(commit: str) -> Iterator[Path]:
    """A source tree of another commit, for as long as it is asked."""
    git = ["git", "-C", str(ROOT)]
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        subprocess.run([*git, "worktree", "add", "--quiet", "--detach", str(other), commit], check=True)
        try:
            yield other
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(other)], check=True)


def machine() -> str:
    """What the figures were measured on."""
    return f"{platform.machine()}, {os.cpu_count()} cores, CPU only"


def hardware() -> str:
    """The machine, and how processes of `turn` use it."""
    return f"{machine()}, one thread a process"


def printed(tree: Path, script: str, *arguments: str) -> Any:
    """What a script prints in its last line, as JSON, in a fresh process of a source tree with one thread."""
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tree,
        env=os.environ | one_thread | {"PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def turn(tree: Path) -> dict[str, Any]:
    """One fresh process in a source tree."""
    return printed(tree, TURN, str(SPEC))


def lowest(turns: list[dict[str, Any]], name: str) -> float:
    """The lowest processor time of a step: what other work adds is not the program's."""
    return min(each["cpu_s"][name] for each in turns)


def main() -> None:
    """Measure, write and print."""
    if len(sys.argv) < 2:
        sys.exit(
            "calibration_speed: got no commit, want one to compare with; python benchmarks/calibration_speed.py COMMIT"
        )
    commit, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with other_tree(commit) as other:
        pairs = [(turn(other), turn(ROOT)) for _ in range(rounds)]
    before, now = ([pair[i] for pair in pairs] for i in (0, 1))
    steps = list(now[0]["cpu_s"])
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": hardware(),
        "command": f"python benchmarks/calibration_speed.py {commit} {rounds}",
        "spec": SPEC.parent.name,
        "cpu_s": {step: {"before": lowest(before, step), "now": lowest(now, step)} for step in steps},
        "ratio": {step: round(lowest(now, step) / lowest(before, step), 3) for step in steps},
        "all_cpu_s": {
            name: min(sum(each["cpu_s"].values()) - each["cpu_s"]["warm fit"] for each in turns)
            for name, turns in (("before", before), ("now", now))
        },
        "accuracy_bits": {"before": median(each["accuracy_bits"] for each in before), "now": now[0]["accuracy_bits"]},
        "chi2_worst_bus": {"before": before[0]["chi2_worst_bus"], "now": now[0]["chi2_worst_bus"]},
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
