"""Cost of a yield study: time and memory against the number of dies, and beside it the road of one die after another.

    python benchmarks/yields.py [--dies 10000] [--bank-dies 1000] [--chip demo_8x8] [--at-once 1]

Every study runs in a process of its own, alone in it (`--workers 1`), so that its processor time and its largest
resident memory are the study's. Processor times are told, because the machine may be shared: two idle cores take half
of it. The road that dies went before: fabricate, calibrate by photocurrents, program, ask, one die after another. Of
the small chip both roads take turns in one process, a die and a batch, after a first of each has paid for compiler and
caches, and the medians are compared; of the bank the road before is that of `results/bank_calibrated.json`, calibration
alone. Writes results/yields.json, of ``--chip`` alone what is that chip's, and then the pages that show it.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sections.tables import resumed

from prism_photonics.calibration.calibration import calibrate
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.reading import line_currents
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.explore.die import Answer, asked_of, judged, read
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.run import compute, payload, run
from prism_photonics.explore.store import DieStore
from prism_photonics.explore.summary import summarize
from prism_photonics.explore.verify import chosen_dies
from prism_photonics.files import write_text
from prism_photonics.programming.solve import program
from prism_photonics.seeds import calibration_keys, die_key
from prism_photonics.spec import load_spec
from prism_photonics.threefry import split

RESULTS = Path(__file__).parent / "results"
SMALL, BANK = "demo_8x8", "bank_32x256"
SHARES = (1.0, 0.3, 0.1)
TURNS = 7
"""Times that a die by the road before and a batch of the study take turns, after a first."""


def study(name: str, dies: int) -> dict[str, Any]:
    """One study in this process."""
    plan = YieldPlan.make(load_spec(name), dies=dies)
    with tempfile.TemporaryDirectory() as folder:
        path, begun = Path(folder) / "dies.bin", time.process_time()
        with DieStore(path, plan) as store:
            run(plan, store, workers=1)
            computed_s, begun = time.process_time() - begun, time.process_time()
            found = summarize(store)
        kept = path.stat().st_size
    return {
        "dies": dies,
        "batch": plan.batch,
        "cpu_s": round(computed_s, 2),
        "summary_cpu_s": round(time.process_time() - begun, 2),
        "largest_memory_MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0, 1),
        "file_bytes": kept,
        "plan_bytes": len(payload(plan)),
        "yield": found.share,
    }


def one_die_alone(plan: YieldPlan, number: int) -> Answer:
    """The road before: a die that is fabricated, calibrated by its photocurrents, programmed and asked by itself."""
    spec, seed = plan.spec, plan.die_seed(number)
    key, shift = die_key(seed), plan.shift(plan.place(number))
    chip, die = VirtualChip.fabricate(spec, key, shift=shift), draw_die(spec, split(key)[0], shift=shift)
    asked = asked_of(plan, seed, usual=True)
    believed = calibrate(chip, spec, key=calibration_keys(seed)[0])
    volts = program(believed, asked.targets).volts[0]
    lines = line_currents(die, volts, asked.drift_pm)
    return judged(plan, asked, read(plan, die.inl_phase_rad, asked, lines=lines, calibration=believed))


def beside(name: str, turns: int) -> dict[str, Any]:
    """Both roads by turns in this process; of the study every die, and of every eighth its twin."""
    plan = YieldPlan.make(load_spec(name), dies=10_000)
    alone_s, study_s = [], []
    for turn, die in enumerate(chosen_dies(plan, turns + 1)):
        begun = time.process_time()
        one_die_alone(plan, die)
        between = time.process_time()
        compute(plan, turn)
        alone_s.append(round(between - begun, 3))
        study_s.append(round((time.process_time() - between) / plan.batch, 5))
    before, now = statistics.median(alone_s[1:]), statistics.median(study_s[1:])
    return {"alone_s_a_die": alone_s, "study_s_a_die": study_s, "before_s_a_die": before, "ratio": before / now}


def in_a_process(*words: str) -> dict[str, Any]:
    """What this script prints when it is asked for one case."""
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, *words], env=os.environ | one_thread, capture_output=True, text=True, check=True
    )
    print(*words, done.stdout.strip(), file=sys.stderr)
    return json.loads(done.stdout)


def main() -> None:
    """Measure, and write what was found."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--dies", type=int, default=10_000)
    asked.add_argument("--bank-dies", type=int, default=1000)
    asked.add_argument("--chip", choices=(SMALL, BANK), help="this one alone; what is kept of the other stays")
    asked.add_argument("--at-once", type=int, default=1, help="cases that run beside each other")
    asked.add_argument("--case", nargs=2, metavar=("CHIP", "DIES"))
    asked.add_argument("--beside", metavar="CHIP")
    given = asked.parse_args()
    if given.case:
        print(json.dumps(study(given.case[0], int(given.case[1]))))
        return
    if given.beside:
        print(json.dumps(beside(given.beside, TURNS)))
        return
    dies = {SMALL: given.dies, BANK: given.bank_dies}
    chips = [given.chip] if given.chip else [SMALL, BANK]
    sizes = [(name, round(share * dies[name])) for name in reversed(chips) for share in SHARES]
    with ThreadPoolExecutor(given.at_once) as pool:
        turns = pool.submit(in_a_process, "--beside", SMALL) if SMALL in chips else None
        done = [pool.submit(in_a_process, "--case", name, str(count)) for name, count in sizes]
    path = RESULTS / "yields.json"
    kept = {"chips": {}} | resumed("yields")
    for name in chips:
        studies = [one.result() for one, (of, _) in zip(done, sizes, strict=True) if of == name][::-1]
        a_die = studies[-1]["cpu_s"] / studies[-1]["dies"]
        kept["chips"][name] = {
            "studies": studies,
            "cpu_s_a_die": a_die,
            "bytes_a_die": studies[-1]["file_bytes"] / studies[-1]["dies"],
            **(turns.result() if turns is not None and name == SMALL else calibrated(a_die)),
        }
    only = f" --chip {given.chip}" if given.chip else ""
    kept |= {
        "command": f"python benchmarks/yields.py --dies {given.dies} --bank-dies {given.bank_dies}{only} "
        f"--at-once {given.at_once}",
        "date": datetime.date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, shared with other work: processor times of one",
    }
    write_text(path, json.dumps(kept, indent=1) + "\n")
    subprocess.run([sys.executable, str(Path(__file__).parent / "page.py")], check=True)


def calibrated(a_die_s: float) -> dict[str, float]:
    """What calibrations of the bank alone took, and how many times a die's part of a study that is."""
    kept = json.loads((RESULTS / "bank_calibrated.json").read_text(encoding="utf-8"))
    before = min(die["calibrated"]["calibration_s"] for die in kept["dies"].values())
    return {"before_s_a_die": before, "ratio": before / a_die_s}


if __name__ == "__main__":
    main()
