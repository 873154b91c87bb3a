"""What a command costs in a fresh process, with nothing cached and with what the last one left, against another commit.

    python benchmarks/cold_start.py COMMIT [ROUNDS]

Both commits take turns, so that other work on the machine burdens both. Each turn runs every command twice in processes
of its own: the first finds an empty cache, the second what the first left there (a commit without a cache finds
nothing). Every tree's bytecode is written beforehand, as an installer leaves it. Writes results/cold_start.json: the
lowest processor time of each command and its wall time in that turn.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from calibration_speed import ROOT, hardware, other_tree

from prism_photonics.files import write_text

RESULTS = ROOT / "benchmarks" / "results" / "cold_start.json"
PRISM = "from prism_photonics.cli.app import app; app()"
COMMANDS = {
    "import circuit and calibration": (
        "import prism_photonics.circuit.row, prism_photonics.calibration.calibration, prism_photonics.chip.virtual",
    ),
    "prism simulate": (PRISM, "simulate", "demo_8x8"),
    "prism calibrate": (PRISM, "calibrate", "demo_8x8", "-o", "{out}/calibrate"),
    "prism run": (PRISM, "run", "demo_8x8", "-o", "{out}/run"),
}


def timed(tree: Path, command: tuple[str, ...], folder: Path, bytecode: Path) -> dict[str, float]:
    """Processor and wall time of one fresh process in a source tree."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(tree),
        "PYTHONPYCACHEPREFIX": str(bytecode / tree.name),
        "PRISM_CACHE_DIR": str(folder / "cache"),
    }
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    arguments = [part.replace("{out}", str(folder)) for part in command]
    subprocess.run([sys.executable, "-c", *arguments], cwd=tree, env=environment, capture_output=True, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used.ru_utime - before.ru_utime + used.ru_stime - before.ru_stime
    return {"cpu_s": cpu_s, "wall_s": time.perf_counter() - began}


def turn(tree: Path, bytecode: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Every command in two fresh processes of a source tree."""
    found = {}
    for name, command in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = {kind: timed(tree, command, Path(folder), bytecode) for kind in ("fresh", "second")}
        print(f"{tree.name}: {name}: {found[name]}", file=sys.stderr)
    return found


def main() -> None:
    """Measure, write and print."""
    if len(sys.argv) < 2:
        sys.exit("cold_start: got no commit, want one to compare with; python benchmarks/cold_start.py COMMIT")
    commit, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with other_tree(commit) as other, tempfile.TemporaryDirectory() as written, tempfile.TemporaryDirectory() as unused:
        bytecode = Path(written)
        for tree in (other, ROOT):
            # Its main job loads what the others load.
            timed(tree, COMMANDS["prism run"], Path(unused), bytecode)
        pairs = [(turn(other, bytecode), turn(ROOT, bytecode)) for _ in range(rounds)]

    def best(side: int, name: str, kind: str) -> dict[str, float]:
        return min((pair[side][name][kind] for pair in pairs), key=lambda one: one["cpu_s"])

    commands: dict[str, Any] = {}
    for name in COMMANDS:
        for kind in ("fresh", "second"):
            before, now = best(0, name, kind), best(1, name, kind)
            ratio = {key.removesuffix("_s"): round(now[key] / before[key], 3) for key in before}
            commands[f"{name}, {kind}"] = {"before": before, "now": now, "ratio": ratio}
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": hardware(),
        "command": f"python benchmarks/cold_start.py {commit} {rounds}",
        "commands": commands,
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
