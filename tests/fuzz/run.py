"""Many damaged files, each read in a worker of its own kind: one that crashes or hangs is told, and another goes on."""

import collections
import dataclasses
import multiprocessing
import os
import time
import traceback
import zlib
from pathlib import Path

LONGEST_S = 20.0
"""What takes longer hangs."""


@dataclasses.dataclass
class Report:
    """What became of the mutations of one kind.

    Attributes:
        counts: Mutations by outcome: refused, taken, traceback, wrong, hang, crash.
        failures: (seed, outcome, what was seen) of all but the first two.
        slowest_s: The longest time of one.
    """

    kind: str
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    failures: list = dataclasses.field(default_factory=list)
    slowest_s: float = 0.0

    def add(self, seed, outcome, seen, seconds):
        self.counts[outcome] += 1
        self.slowest_s = max(self.slowest_s, seconds)
        if outcome not in ("refused", "taken"):
            self.failures.append((seed, outcome, seen))

    def line(self):
        counts = "  ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return f"{self.kind:<14} {sum(self.counts.values()):>5}   {counts}   slowest {self.slowest_s:.1f} s"


def one(case, seed):
    """The outcome of one mutation, and what was seen."""
    import numpy as np

    from fuzz.kinds import WrongTaken
    from prism_photonics.units import InputError

    try:
        return "taken", str(case(np.random.default_rng(seed)))
    except InputError as error:
        if "\n" in str(error).rstrip("\n"):
            return "traceback", f"not one line: {error!s:.300}"
        return "refused", str(error)
    except WrongTaken as error:
        return "wrong", str(error)
    except Exception:
        return "traceback", traceback.format_exc()


def run(kind, folder, *, count, seed):
    """So many mutations of one kind, in a worker that is replaced when it hangs or dies."""
    report, context = Report(kind), multiprocessing.get_context("spawn")
    first = zlib.crc32(kind.encode()) % 10_000 * 1_000_000 + seed
    waiting = list(range(first, first + count))
    while waiting:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, kind, str(folder), waiting), daemon=True)
        worker.start()
        theirs.close()
        _collect(ours, report, waiting)
        worker.kill()
        worker.join()
    return report


def _collect(ours, report, waiting):
    """Outcomes as they come, until the worker is done, dead or silent for too long."""
    limit_s = 600.0  # imports, good files and what JAX compiles the first time
    while waiting:
        begun_s = time.monotonic()
        try:
            alive = ours.poll(limit_s)
            outcome, seen = ours.recv() if alive else ("hang", f"more than {limit_s:g} s")
        except (EOFError, ConnectionError):
            outcome, seen, alive = "crash", "the process died", False
        if outcome == "ready":
            limit_s = LONGEST_S
            continue
        report.add(waiting.pop(0), outcome, seen, time.monotonic() - begun_s)
        if not alive:
            return


def _work(pipe, kind, folder, seeds):
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("MPLBACKEND", "Agg")
    import numpy as np

    from fuzz.kinds import KINDS

    case = KINDS[kind](Path(folder))
    # What is compiled once is compiled before the clock runs.
    for warm in range(3):
        one(case, np.iinfo(np.int32).max - warm)
    pipe.send(("ready", ""))
    for seed in seeds:
        pipe.send(one(case, seed))
