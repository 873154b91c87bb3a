"""What a command costs in a fresh process, with nothing cached and with what the last one left, against another commit.

    python benchmarks/cold_start.py COMMIT [ROUNDS [COMMAND …]]

Both commits take turns, so that other work on the machine burdens both. Each turn runs every command twice in processes
of its own: the first finds an empty cache, the second what the first left there (a commit without a cache finds
nothing). Every tree's bytecode is written beforehand, as an installer leaves it. Writes results/cold_start.json: the
lowest processor time of each command and its wall time in that turn. Commands that are not named keep the figures that
the file has of them.
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
from sections.tables import resumed

from prism_photonics.files import write_text
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.channels import ring_fF

RESULTS = ROOT / "benchmarks" / "results" / "cold_start.json"
CIRCLES, DEMO = (ROOT / "layouts" / name / "spec.toml" for name in ("circles_8x8", "demo_8x8"))
# What the commands load, and what xarray loads when it writes.
WARM = (
    "import sax, xarray, prism_photonics.workflow.job, prism_photonics.report.page, prism_photonics.layout.write; "
    "xarray.Dataset({'a': ('x', [1.0])}).to_netcdf(engine='scipy')"
)
PRISM = "from prism_photonics.cli.app import app; app()"
KINDS = ("fresh", "second")
COMMANDS = {
    "import circuit and calibration": (
        "import prism_photonics.circuit.row, prism_photonics.calibration.calibration, prism_photonics.chip.virtual",
    ),
    "prism simulate": (PRISM, "simulate", "{spec}"),
    "prism calibrate": (PRISM, "calibrate", "{spec}", "-o", "{out}/calibrate"),
    "prism run": (PRISM, "run", "{spec}", "-o", "{out}/run"),
}


def readable_spec(folder: Path) -> Path:
    """Circles, as older trees can read them: what a ring is charged for follows from its metal by now."""
    text, path = CIRCLES.read_text(encoding="utf-8"), folder / "spec.toml"
    told = f"[system]\nring_fF = {ring_fF(ChipSpec.from_toml(CIRCLES))}"
    write_text(path, text.replace("[system]", told))
    return path


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


def turn(tree: Path, name: str, bytecode: Path, spec: Path) -> dict[str, dict[str, float]]:
    """A command in two fresh processes of a source tree."""
    command = tuple(part.replace("{spec}", str(spec)) for part in COMMANDS[name])
    with tempfile.TemporaryDirectory() as folder:
        found = {kind: timed(tree, command, Path(folder), bytecode) for kind in KINDS}
    print(f"{tree.name}: {name} of {spec.parent.name}: {found}", file=sys.stderr, flush=True)
    return found


def compared(pairs: list[tuple[Any, Any]], kind: str) -> dict[str, Any]:
    """The lowest figures before and now, and their ratio."""
    before, now = (min((pair[side][kind] for pair in pairs), key=lambda one: one["cpu_s"]) for side in (0, 1))
    ratio = {key.removesuffix("_s"): round(now[key] / before[key], 3) for key in before}
    return {"before": before, "now": now, "ratio": ratio, "date": time.strftime("%Y-%m-%d"), "bytecode": True}


def keep(lines: dict[str, Any], commit: str, rounds: int) -> None:
    """Write some commands' figures beside those of the others."""
    kept = resumed("cold_start").get("commands", {})
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": hardware(),
        "command": f"python benchmarks/cold_start.py {commit} {rounds}",
        "commands": kept | lines,
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")


def main() -> None:
    """Measure, write and print."""
    if len(sys.argv) < 2:
        sys.exit("cold_start: got no commit, want one to compare with; python benchmarks/cold_start.py COMMIT")
    commit, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2
    names = sys.argv[3:] or list(COMMANDS)
    if unknown := [name for name in names if name not in COMMANDS]:
        sys.exit(f"cold_start: got command {unknown[0]!r}, want one of {', '.join(map(repr, COMMANDS))}")
    with other_tree(commit) as other, tempfile.TemporaryDirectory() as written:
        bytecode, circles = Path(written), readable_spec(Path(written) / "circles_8x8")
        for tree in (other, ROOT):
            timed(tree, (WARM,), bytecode, bytecode)
        for name in names:
            pairs, demos = [], []
            for _ in range(rounds):
                pairs.append(tuple(turn(tree, name, bytecode, circles) for tree in (other, ROOT)))
                if "{spec}" in COMMANDS[name]:
                    demos.append(turn(ROOT, name, bytecode, DEMO))
            lines = {f"{name}, {kind}": compared(pairs, kind) for kind in KINDS}
            for kind in KINDS if demos else ():
                lines[f"{name}, {kind}"]["demo_8x8"] = min((one[kind] for one in demos), key=lambda one: one["cpu_s"])
            print(json.dumps(lines, indent=2), flush=True)
            keep(lines, commit, rounds)


if __name__ == "__main__":
    main()
