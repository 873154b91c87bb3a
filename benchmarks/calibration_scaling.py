"""How a calibration's fit grows with rings a bus, buses and rows: processor time, memory and waiting, now and before.

    python benchmarks/calibration_scaling.py [COMMIT [CASE …]]
    python benchmarks/calibration_scaling.py - [CASE …]       # now alone
    python benchmarks/calibration_scaling.py wait [CASE …]    # the waits alone, beside what the file has of the case
    python benchmarks/calibration_scaling.py slow [CASE …]    # the wait after a slow survey alone, beside it

Each case is a process of its own: a die is drawn and surveyed, and the survey is fitted, twice where that takes no
minutes; the second time nothing is compiled any more. With a COMMIT the same is done in its source tree, case by case
in turn; what each line was measured against stands in it. Processor time is that of the process and of the workers
that it had; memory is the most that the process held, the virtual die included, and the most that a worker held for
each of them. Cases that are not named keep the figures that the file has of them.

The wait is what a bench waits for the fit after its survey's last reading: the same survey, at the pace of a
laboratory's usual instruments, is calibrated by `calibrate_chip`. The largest chip's is measured on one core too, and
on all with a worker on each core but one; and, as ``slow``, after a survey of 249 s for 256 rows, which is what
instruments were taken to need when it was asked that the computer end within 10 s of the bench.

Writes results/calibration_scaling.json.
"""

import json
import os
import platform
import sys
import time
from contextlib import nullcontext
from typing import Any

from calibration_speed import ROOT, other_tree, printed

from prism_photonics.files import write_text

RESULTS = ROOT / "benchmarks" / "results" / "calibration_scaling.json"
DEMO, BENCH = "layouts/circles_8x8/spec.toml", "calibration/standard_8x8/spec.toml"
# All rows of the 32-channel bank on slow instruments: with the light and the converter that its splitters ask for.
WHOLE = {"comb": {"line_power_dBm": 10.0}, "detector": {"adc_full_scale_uA": 20.0}}
CROWDED = {"comb": {"spacing_nm": 0.17}}
# (spec, rows, buses, rings a bus, other changes): a chip that stands still, then one that drifts.
CASES: dict[str, tuple[str, int, int, int, dict[str, Any]]] = {
    "2 rings": (DEMO, 8, 1, 2, {}),
    "4 rings": (DEMO, 8, 1, 4, {}),
    "8 rings": (DEMO, 8, 1, 8, {}),
    "16 rings": (DEMO, 8, 1, 16, CROWDED),
    "32 rings": (DEMO, 8, 1, 32, CROWDED),
    "2 buses": (BENCH, 8, 2, 8, {}),
    "4 buses": (BENCH, 8, 4, 8, {}),
    "32 rows": (BENCH, 32, 4, 8, {}),
    "256 rows": (BENCH, 256, 4, 8, WHOLE),
}
SLOW_S_PER_ROW = 249.0 / 256.0
# A second fit of these would only take time.
ONCE = ("256 rows",)
SEED = 0
TURN = """
import json, resource, sys, time
import jax
from prism_photonics.calibration.calibration import from_survey
from prism_photonics.calibration.survey import survey_and_faults
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.spec import ChipSpec

spec, again = ChipSpec.model_validate_json(sys.argv[1]), json.loads(sys.argv[2])
chip = VirtualChip(spec, seed=SEED)
survey, faults = survey_and_faults(chip, spec, key=jax.random.key(1))
peak_MB = lambda whose=resource.RUSAGE_SELF: resource.getrusage(whose).ru_maxrss / 1024
def used_s():
    both = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)
try:
    from prism_photonics.calibration.fit_workers import wanted
    workers = wanted(survey.current_A.size * spec.chip.channels)
except ImportError:  # of a commit before there were any
    workers = 0
found = {"settings": survey.sizes["setting"], "MB_before": peak_MB()}
for name in ("first", "warm")[: 1 + again]:
    cpu_s, wall_s = used_s(), time.perf_counter()
    fit = jax.block_until_ready(from_survey(survey, spec, key=jax.random.key(2), faults=faults))
    found[f"{name}_cpu_s"], found[f"{name}_wall_s"] = used_s() - cpu_s, time.perf_counter() - wall_s
held_MB = peak_MB() + (workers and workers * peak_MB(resource.RUSAGE_CHILDREN))
found |= {"workers": workers, "MB": held_MB, "chi2_mean": float(fit.chi2.mean()), "chi2_worst": float(fit.chi2.max())}
print(json.dumps(found))
""".replace("SEED", str(SEED))
WAIT = """
import json, os, sys, time
from prism_photonics.calibration.survey import survey_plan
from prism_photonics.characterize.cost import plan_wall_time_s
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.spec import ChipSpec
from prism_photonics.workflow.session import calibrate_chip

if len(sys.argv) > 2 and sys.argv[2]:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[2])])
spec = ChipSpec.model_validate_json(sys.argv[1])
plan, chip = survey_plan(spec), VirtualChip(spec, seed=SEED)
survey_s = float(sys.argv[3]) if len(sys.argv) > 3 else plan_wall_time_s(None, spec, plan)
measure, began_s, readings = chip.measure, time.perf_counter(), [0]

def paced(light, *, averages=1):
    # No earlier than a laboratory's instruments would have it; a virtual die that is slower than they is not hurried.
    current_A = measure(light, averages=averages)
    readings[0] += 1
    time.sleep(max(0.0, began_s + survey_s * readings[0] / plan.triggers - time.perf_counter()))
    return current_A

chip.measure = paced
session = calibrate_chip(chip, seed=1)
cores = len(os.sched_getaffinity(0))
found = {"survey_s": survey_s, "wait_s": session.fit_wait_s, "readings": readings[0], "load": os.getloadavg()[0]}
print(json.dumps(found | {"cores": cores, "date": time.strftime("%Y-%m-%d")}))
""".replace("SEED", str(SEED))


def spec_json(name: str) -> str:
    """The spec of a case: circles, which older trees can read, on the standard bench's instruments where it drifts."""
    from full_die import BENCH_KEYS

    from prism_photonics.spec import ChipSpec
    from prism_photonics.spec.channels import ring_fF

    path, rows, buses, channels, changes = CASES[name]
    data = ChipSpec.from_toml(ROOT / DEMO).model_dump()
    bench = ChipSpec.from_toml(ROOT / path).model_dump()
    for table, keys in BENCH_KEYS.items():
        data[table] |= {key: bench[table][key] for key in keys}
    spec = ChipSpec.model_validate(data)
    # Told although it follows from the drawn metal by now: a tree of before wants it.
    data["system"] |= {"ring_fF": ring_fF(spec)}
    for table, values in ({"chip": {"rows": rows, "buses": buses, "channels": channels}} | changes).items():
        data[table] = data[table] | values
    return ChipSpec.model_validate(data).model_dump_json()


def kept() -> dict[str, Any]:
    """What the file has of each case."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["lines"] if RESULTS.exists() else {}


def keep(name: str, line: dict[str, Any]) -> None:
    """Write a case's figures beside those of the others."""
    lines = kept() | {name: line}
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, CPU only",
        "command": " ".join(["python", "benchmarks/calibration_scaling.py", *sys.argv[1:2]]),
        "lines": {case: lines[case] for case in CASES if case in lines},
    }
    write_text(RESULTS, json.dumps(found, indent=2) + "\n")


def main() -> None:
    """Measure, write and print."""
    what, names = (sys.argv[1] if len(sys.argv) > 1 else "-"), sys.argv[2:] or list(CASES)
    commit = None if what in ("-", "wait", "slow") else what
    if unknown := [name for name in names if name not in CASES]:
        sys.exit(f"calibration_scaling: got case {unknown[0]!r}, want one of {', '.join(map(repr, CASES))}")
    with other_tree(commit) if commit else nullcontext(ROOT) as other:
        for name in names:
            spec, again = spec_json(name), json.dumps(name not in ONCE)
            _, rows, buses, channels, _ = CASES[name]
            if what in ("wait", "slow"):
                if name not in kept():
                    sys.exit(
                        f"calibration_scaling: {name} has no fit to wait for, want one; run it without {what!r} first"
                    )
                line = kept()[name]
            else:
                line = {"rows": rows, "buses": buses, "rings": channels, "date": time.strftime("%Y-%m-%d")}
                before = {"before": printed(other, TURN, spec, again) | {"commit": commit}} if commit else {}
                line |= {"now": printed(ROOT, TURN, spec, again)} | before
            if what == "slow" or name in ONCE:
                line |= {"bench_slow": printed(ROOT, WAIT, spec, "", str(SLOW_S_PER_ROW * rows))}
            if what != "slow":
                line |= {"bench": printed(ROOT, WAIT, spec)}
            if what != "slow" and name in ONCE:
                line |= {"bench_one_core": printed(ROOT, WAIT, spec, "1")}
                os.environ["PRISM_FIT_WORKERS"] = str(max((os.cpu_count() or 1) - 1, 1))
                line |= {"bench_workers": printed(ROOT, WAIT, spec)}
                del os.environ["PRISM_FIT_WORKERS"]
            print(name, json.dumps(line), flush=True)
            keep(name, line)


if __name__ == "__main__":
    main()
