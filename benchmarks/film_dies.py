"""Accuracy of full virtual dies whose film relaxes otherwise than its profile says.

    python benchmarks/film_dies.py [DIES] [--json]

The dies of `full_die.py` on the standard bench (8×8, 1 pm, TM on), each with shares and times of its own
(`FullTruth(film_log=…)`): the standard deviation of every one's logarithm. The same dies with their profile's film are
in ``results/full_die.json``. Each die is written to ``results/film_dies.json`` as it is done; one that is there is not
measured again.
"""

import json
import os
import platform
import sys
import time
from typing import Any

import numpy as np
from full_die import RESULTS as DIES
from full_die import bank_spec, one_die

from prism_photonics.chip.truth import FullTruth
from prism_photonics.files import write_text

RESULTS = DIES.with_name("film_dies.json")
LOGS = (0.3, 1.0)
"""What a fit expects of its one factor (`drift.state.FILM_SCATTER`); a factor of e in every share and time."""


def main() -> None:
    """Measure, write and print."""
    count = next((int(word) for word in sys.argv[1:] if word.isdigit()), 3)
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    logs: dict[str, list[dict[str, Any]]] = found.get("by_log", {})
    for seed in range(count):
        for log in LOGS:
            dies = logs.setdefault(f"{log:g}", [])
            if any(die["seed"] == seed for die in dies):
                continue
            dies.append(one_die(bank_spec("8x8"), seed, FullTruth(te_tm=1.0, film_log=log)))
            found = {
                "date": time.strftime("%Y-%m-%d"),
                "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
                "command": "python benchmarks/film_dies.py",
                "told": {
                    log: [float(np.median(bits)), min(bits)]
                    for log, each in logs.items()
                    if (bits := [die["accuracy_bits"] for die in each])
                },
                "by_log": logs,
            }
            write_text(RESULTS, json.dumps(found, indent=2) + "\n")
            print(log, dies[-1], file=sys.stderr, flush=True)
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
