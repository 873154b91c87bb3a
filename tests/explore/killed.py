"""Studies and searches that die midway, as by kill -9; run by test_killed in processes of their own."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from prism_photonics.explore import search
from prism_photonics.explore.objectives import objectives_of
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.run import run
from prism_photonics.explore.store import DieStore
from prism_photonics.spec import load_spec
from prism_photonics.units import InputError


def after(calls: int, kill: Callable[[], None]) -> Callable[[int], None]:
    """Told of progress, kills once it was told so often."""
    told = 0

    def seen(_: int) -> None:
        nonlocal told
        told += 1
        if told == calls:
            kill()

    return seen


def myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def one_worker() -> None:
    """A worker process of the pool."""
    multiprocessing.active_children()[0].kill()


def study(spec: Path, file: Path, workers: int) -> None:
    """The study of the session's fixture; with several workers one of them is killed, else all."""
    plan = YieldPlan.make(load_spec(spec), dies=60, wafers=12, seed=3, batch=7)
    with DieStore(file, plan) as store:
        try:
            run(plan, store, workers=workers, seen=after(2, one_worker if workers > 1 else myself))
        except InputError as error:
            print(error)


def main() -> None:
    what, spec, file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if what == "search":
        search.designed_choices = lambda spec: []
        begun = search.Search(load_spec(spec), objectives_of("energy,area"), 1, f"sqlite:///{file}")
        search.run_search(begun, trials=50, seen=after(4, myself))
    else:
        study(spec, file, workers=int(what))


if __name__ == "__main__":
    main()
