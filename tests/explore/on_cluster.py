"""A study on real dask workers on loopback, one killed midway, then the scheduler; run by test_cluster in a process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from prism_photonics.explore.cluster import run_on_cluster
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.run import run
from prism_photonics.explore.store import DieStore
from prism_photonics.spec import load_spec
from prism_photonics.units import InputError


def started(*words: str) -> "subprocess.Popen[bytes]":
    # Dask looks a hundred times a second at what every thread does, for a picture that nobody asks for here.
    quick = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
    command = [sys.executable, "-m", *words]
    return subprocess.Popen(command, env=os.environ | quick, stderr=subprocess.DEVNULL)


def killing(process: "subprocess.Popen[bytes]", after: int, successor: Callable[[], None] = lambda: None):
    """Told of progress, starts a successor and kills a process once so many dies are done."""
    done = 0

    def seen(dies: int) -> None:
        nonlocal done
        done += dies
        if done >= after and process.poll() is None:
            successor()
            process.kill()

    return seen


def main(folder: Path) -> None:
    base = load_spec("demo_8x8")
    data = base.model_dump()
    data["chip"] |= {"rows": 4, "channels": 2}
    plan = YieldPlan.make(type(base).model_validate(data), dies=80, wafers=10, seed=3, batch=5)
    place = folder / "scheduler.json"
    scheduler = started(
        "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file",
        str(place),
    )  # fmt: skip
    workers = []
    try:
        while not place.exists():
            time.sleep(0.1)
        address = json.loads(place.read_text())["address"]

        def another() -> None:
            words = (address, "--no-nanny", "--no-dashboard", "--nthreads", "1", "--host", "127.0.0.1")
            workers.append(started("distributed.cli.dask_worker", *words))

        another()
        # The others come when the study has begun: nothing of it may be with the first alone.
        with DieStore(folder / "cluster.bin", plan) as store:
            run_on_cluster(plan, store, scheduler=address, seen=killing(workers[0], 10, successor=another))
        another()
        said = ""
        with DieStore(folder / "left.bin", plan) as store:
            try:
                run_on_cluster(plan, store, scheduler=address, seen=killing(scheduler, 10))
            except InputError as error:
                said = str(error)
            left = len(list(store.missing()))
        # The same study goes on without a cluster.
        for name in ("left.bin", "here.bin"):
            with DieStore(folder / name, plan) as store:
                run(plan, store, workers=1)
    finally:
        for process in (*workers, scheduler):
            process.kill()
    print(json.dumps({"said": said, "left": left, "batches": plan.batches, "worker_killed": workers[0].wait() != 0}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
