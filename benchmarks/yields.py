"""Cost of a yield study: time and memory against the number of dies, and beside it the road of one die after another.

    python benchmarks/yields.py [--dies 10000] [--bank-dies 1000] [--at-once 1] [--json]

Every study runs in a process of its own, alone in it (`--workers 1`), so that its processor time and its largest
resident memory are the study's. Processor times are told, because the machine may be shared: two idle cores take half
of it. The road that dies went before: fabricate, calibrate by photocurrents, program, ask, one die after another, after
a first one has paid for the compiler; of the bank it is that of `results/bank_calibrated.json`, calibration alone.
``--json`` prints what `results/yields.json` keeps.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.run import payload, run
from prism_photonics.explore.store import DieStore
from prism_photonics.explore.summary import summarize
from prism_photonics.explore.verify import chosen_dies, verify_die
from prism_photonics.spec import load_spec

SMALL, BANK = "demo_8x8", "bank_32x256"
SHARES = (1.0, 0.3, 0.1)
ONE_BY_ONE = 3
"""Dies that go the road of one after another, after a first."""


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


def one_by_one(name: str, count: int) -> dict[str, Any]:
    """Dies that are calibrated in full, one after another, in this process; a stand-in beside each costs little."""
    plan = YieldPlan.make(load_spec(name), dies=10_000)
    seconds = []
    for die in chosen_dies(plan, count + 1):
        begun = time.process_time()
        verify_die(plan, die)
        seconds.append(round(time.process_time() - begun, 2))
    return {"dies": count, "first_cpu_s": seconds[0], "cpu_s_a_die": sum(seconds[1:]) / count}


def in_a_process(*words: str) -> dict[str, Any]:
    """What this script prints when it is asked for one case."""
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, *words], env=os.environ | one_thread, capture_output=True, text=True, check=True
    )
    print(*words, done.stdout.strip(), file=sys.stderr)
    return json.loads(done.stdout)


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--dies", type=int, default=10_000)
    asked.add_argument("--bank-dies", type=int, default=1000)
    asked.add_argument("--at-once", type=int, default=1, help="cases that run beside each other")
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--case", nargs=2, metavar=("CHIP", "DIES"))
    asked.add_argument("--one-by-one", metavar="CHIP")
    given = asked.parse_args()
    if given.case:
        print(json.dumps(study(given.case[0], int(given.case[1]))))
        return
    if given.one_by_one:
        print(json.dumps(one_by_one(given.one_by_one, ONE_BY_ONE)))
        return
    calibrated = json.loads((Path(__file__).parent / "results" / "bank_calibrated.json").read_text(encoding="utf-8"))
    sizes = [
        (name, round(share * dies)) for name, dies in ((BANK, given.bank_dies), (SMALL, given.dies)) for share in SHARES
    ]
    with ThreadPoolExecutor(given.at_once) as pool:
        small = pool.submit(in_a_process, "--one-by-one", SMALL)
        done = [pool.submit(in_a_process, "--case", name, str(dies)) for name, dies in sizes]
    before = {
        SMALL: small.result()["cpu_s_a_die"],
        BANK: min(die["calibrated"]["calibration_s"] for die in calibrated["dies"].values()),
    }
    chips = {}
    for name in (SMALL, BANK):
        studies = [one.result() for one, (of, _) in zip(done, sizes, strict=True) if of == name][::-1]
        a_die = studies[-1]["cpu_s"] / studies[-1]["dies"]
        chips[name] = {
            "studies": studies,
            "cpu_s_a_die": a_die,
            "bytes_a_die": studies[-1]["file_bytes"] / studies[-1]["dies"],
            "before_s_a_die": before[name],
            "ratio": before[name] / a_die,
        }
    found = {
        "command": f"python benchmarks/yields.py --dies {given.dies} --bank-dies {given.bank_dies} "
        f"--at-once {given.at_once} --json",
        "date": datetime.date.today().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, shared with other work: processor times of one",
        "chips": chips,
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
