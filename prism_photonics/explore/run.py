"""A study's batches on one machine's cores or on a cluster's: the same numbers, whoever computes which.

A batch is a plain function of the plan and the batch's number, and every worker computes with one thread of linear
algebra, so that sums are taken in one order. Batches are handed out a few at a time: memory does not grow with a study.
"""

import functools
import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

from prism_photonics.cores import cores, one_thread
from prism_photonics.explore.die import simulate
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.store import Batch, DieStore, twins_of
from prism_photonics.explore.wafer import Fab
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

AHEAD = 3
"""Batches that are handed out for each worker at a time."""

Seen = Callable[[int], None]
"""Told the number of dies that have just been finished."""


def run(plan: YieldPlan, store: DieStore, *, workers: int | None = None, seen: Seen = lambda dies: None) -> None:
    """Compute what a store still lacks on this machine, and keep every batch as it comes.

    Args:
        plan: The study.
        store: Its file.
        workers: Processes; one for each core by default. 1 computes here.
        seen: Told of progress.

    Raises:
        InputError: A batch fails, or a process was killed.
    """
    workers = min(workers or cores(), plan.batches)
    if workers == 1:
        for number in store.missing():
            store.write(number, compute(plan, number))
            seen(len(plan.dies_of(number)))
        return
    text = payload(plan)
    with one_thread(), ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        missing = store.missing()
        running: dict[Future[Batch], int] = {}
        try:
            while True:
                for number in islice(missing, AHEAD * workers - len(running)):
                    running[pool.submit(compute_payload, text, number)] = number
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    number = running.pop(future)
                    store.write(number, future.result())
                    seen(len(plan.dies_of(number)))
        except BrokenProcessPool:
            raise InputError(
                "yield: a process that computed dies was killed (out of memory?); start again with fewer --workers: "
                "what was finished is kept"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def compute(plan: YieldPlan, number: int) -> Batch:
    """One batch: its dies, and the twins of some."""
    twins = twins_of(plan, number)
    dies = simulate(plan, list(plan.dies_of(number)))
    return Batch(dies, simulate(plan, twins, twin=True) if twins else dies[:0])


def payload(plan: YieldPlan) -> str:
    """A plan as plain text, for another process."""
    return json.dumps(
        {
            "spec": plan.spec.model_dump(mode="json"),
            "fab": plan.fab.model_dump(mode="json"),
            "numbers": plan.numbers,
            "study": plan.hash,
        }
    )


def compute_payload(text: str, number: int) -> Batch:
    """`compute` in another process.

    Raises:
        InputError: The plan means something else there: another version of the toolkit, or of a measured film.
    """
    return compute(_plan(text), number)


@functools.lru_cache(maxsize=4)
def _plan(text: str) -> YieldPlan:
    content: dict[str, Any] = json.loads(text)
    plan = YieldPlan(ChipSpec.model_validate(content["spec"]), Fab.model_validate(content["fab"]), **content["numbers"])
    if plan.hash != content["study"]:
        raise InputError(
            "yield: a worker reads another study from the same plan; install the same version of prism_photonics there "
            "as here, and let it see the same measured film"
        )
    return plan
