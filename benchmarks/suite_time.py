"""Processor time of the test suite, test by test, beside that of an older commit.

    SUITE_TIME=FOLDER PYTHONPATH=.:benchmarks pytest -p suite_time ...     # in either tree: keeps each test's time
    python benchmarks/suite_time.py OLDER_COMMIT OLDER_FOLDER NOW_FOLDER [NOTE]

Of every test its set-up, call and end are counted, with all child processes that ended in it; what a fixture takes
falls on the test that asks for it first. A suite grows: the fair figure is that of the tests which both trees have by
one name. A run that was stopped counts as far as it came, and says so. Today's commit is that of the folder where it
is run. Writes results/suite_time.json.
"""

import json
import os
import platform
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

RESULTS = Path(__file__).parent / "results" / "suite_time.json"
FOLDERS = 8  # that are told apart, the dearest


def cpu_s() -> float:
    """Processor time of this process and of those that it started and that ended, in s."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _write(**what: Any) -> None:
    """One line of this process's file: a run that is killed keeps what it had."""
    folder = Path(os.environ["SUITE_TIME"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")


def pytest_collection_finish(session: pytest.Session) -> None:
    """How many tests there are, and what it took to find them."""
    if session.items:
        _write(collected=len(session.items), cpu_s=cpu_s())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None):
    """What one test takes."""
    before = cpu_s()
    try:
        return (yield)
    finally:
        _write(test=item.nodeid, cpu_s=round(cpu_s() - before, 3))


def read(folder: Path) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Seconds of each test that ended, and what each process found to run."""
    lines = [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return {line["test"]: line["cpu_s"] for line in lines if "test" in line}, [x for x in lines if "collected" in x]


def summary(tests: dict[str, float], collections: list[dict[str, Any]]) -> dict[str, Any]:
    """What a run took."""
    collected = max(each["collected"] for each in collections)
    return {
        "collected": collected,
        "ran": len(tests),
        "cpu_s": round(sum(tests.values()), 1),
        "ms_per_test": round(1e3 * sum(tests.values()) / len(tests), 1),
        "collection_cpu_s": [each["cpu_s"] for each in collections],
    }


def _whole(older: dict[str, Any], now: dict[str, Any]) -> float | None:
    """Of all that the older suite takes, what today's takes; None where either run was stopped."""
    ended = all(run["ran"] >= run["collected"] for run in (older, now))
    return round(now["cpu_s"] / older["cpu_s"], 3) if ended else None


def main() -> None:
    """Compare, write and print."""
    commit, *folders = sys.argv[1:4]
    (older, older_found), (now, now_found) = (read(Path(folder)) for folder in folders)
    both = sorted(older.keys() & now.keys())
    spent: dict[str, Counter[str]] = {"older": Counter(), "now": Counter()}
    for name in both:
        spent["older"][Path(name.partition("::")[0]).parent.as_posix()] += older[name]
        spent["now"][Path(name.partition("::")[0]).parent.as_posix()] += now[name]
    sums = {name: round(sum(of.values()), 1) for name, of in spent.items()}
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    found = {
        "command": f"python benchmarks/suite_time.py {commit} ... ...",
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, no GPU",
        "load_average": os.getloadavg()[1],
        "note": " ".join(sys.argv[4:]),
        "older": {"commit": commit} | summary(older, older_found),
        "now": {"commit": git.stdout.strip()} | summary(now, now_found),
        "in both": {"tests": len(both), **sums, "ratio": round(sums["now"] / sums["older"], 3)},
        "only now": {"tests": len(now.keys() - older.keys()), "cpu_s": round(sum(now.values()) - sums["now"], 1)},
        "whole": _whole(summary(older, older_found), summary(now, now_found)),
        "folders": {
            folder: {name: round(of[folder], 1) for name, of in spent.items()}
            for folder, _ in spent["older"].most_common(FOLDERS)
        },
    }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
