"""What ``prism extract`` finds in the measured spectra and laboratory files of ``../shared/data``, and what it costs.

    python benchmarks/extract.py [--json]

All files of both folders, a process for each core where four or more are extracted at once, reading and their start
included, this one's imports not. ``--json`` prints what `results/extract.json` keeps.
"""

import datetime
import json
import os
import platform
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parents[2] / "shared" / "data"
TURNS_UM = {"si_gap": 2 * np.pi * 10.0, "sin_r60": 2 * np.pi * 60.0, "sin_r50": 2 * np.pi * 50.0}


def main() -> None:
    """Extract everything, and print the figures."""
    from prism_photonics.cores import cores
    from prism_photonics.laboratory.extract import gap_of
    from prism_photonics.workflow.extract import Request, run

    start, cpu = time.perf_counter(), time.process_time()
    measured = sorted((DATA / "measured").glob("*.npz"))
    found: dict[str, Any] = {}
    held, done = [0.0], threading.Event()
    watch = threading.Thread(target=watched, args=(held, done), daemon=True)
    watch.start()
    with tempfile.TemporaryDirectory() as folder:

        def of(name: str, files: list[Path], **known: Any) -> dict[str, Any]:
            return run(
                Request(files=tuple(files), **known), Path(folder) / name, say=lambda line: None, workers=cores()
            ).numbers

        gaps = [path for path in measured if path.name.startswith("si_gap") and (gap_of(path) or 0) >= 140]
        series = of("gaps", gaps, length_um=TURNS_UM["si_gap"])
        found["gap_law"] = series["gap_law"]
        found["gap_n_g_range"] = float(np.ptp([comb["n_g"] for comb in series["combs"]]))
        found["residuals_percent"] = residuals(series)
        of(
            "wide_gaps",
            [path for path in measured if path.name.startswith("si_gap") and (gap_of(path) or 0) < 140],
            length_um=TURNS_UM["si_gap"],
        )
        for name in ("si_rr_mrr3", "si_r75", "si_ringmux4ch_C", "sin_r60_g550", "sin_r50_g575"):
            turn_um = next((turn for start_of, turn in TURNS_UM.items() if name.startswith(start_of)), None)
            numbers = of(name, [DATA / "measured" / f"{name}.npz"], length_um=turn_um)
            q = [row["q_loaded"] for row in numbers["rings"]]
            found[name] = {
                "rings": len({row["ring"] for row in numbers["rings"]}),
                "q_loaded_median": float(np.median(q)),
                "comb": numbers["comb"],
                "residuals_percent": residuals(numbers),
            }
            if name == "si_ringmux4ch_C":
                near = [row["residual_through"] for row in numbers["rings"] if 1548 < row["wl_nm"] < 1553]
                found[name]["residual_1548_1553_percent"] = 100 * float(np.median(near))
        lab = of("lab", [DATA / "lab_files"], fsr_nm=9.18)
        found["lab_files"] = {
            "tuning": lab["tuning"],
            "near_1546_9_nm": [row for row in lab["rings"] if abs(row["wl_nm"] - 1546.9) < 0.05],
        }
    done.set()
    watch.join()
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    found["wall_s"] = time.perf_counter() - start
    found["cpu_s"] = time.process_time() - cpu + others.ru_utime + others.ru_stime
    found["peak_GB"] = max(held) * 1e-9
    if "--json" in sys.argv:
        head = {
            "command": "python benchmarks/extract.py --json",
            "date": datetime.date.today().isoformat(),
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        }
        print(json.dumps({**head, **found}, indent=1))
        return
    for key, value in found.items():
        print(f"{key}: {value}")


def watched(held: list[float], done: threading.Event) -> None:
    """Append, four times a second, what this process and its children hold resident together, in bytes.

    What they share counts for each. Of a child that ended Linux tells the largest of it and of who began it.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    while not done.wait(0.25):
        own = os.getpid()
        children = [pid for task in Path("/proc/self/task").iterdir() for pid in _read(task / "children").split()]
        held.append(page * sum(_pages(pid) for pid in [str(own), *children]))


def _pages(pid: str) -> int:
    """Resident pages of a process; 0 of one that has ended."""
    told = _read(Path(f"/proc/{pid}/statm")).split()
    return int(told[1]) if told else 0


def _read(path: Path) -> str:
    """A file of the kernel; empty of a process that has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def residuals(numbers: dict[str, Any]) -> dict[str, list[float]]:
    """Median over resonances of what the fit leaves, through and drop, of each file."""
    files: dict[str, list[float]] = {}
    for file in sorted({row["file"] for row in numbers["rings"]}):
        left = [(row["residual_through"], row["residual_drop"]) for row in numbers["rings"] if row["file"] == file]
        values = np.array(left, float)
        files[file] = [
            float(100 * np.median(column[np.isfinite(column)])) if np.isfinite(column).any() else float("nan")
            for column in values.T
        ]
    return files


if __name__ == "__main__":
    main()
