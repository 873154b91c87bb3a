"""Files that are worked on side by side, each by a process of its own, and told in their order."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from prism_photonics.cores import one_thread
from prism_photonics.units import InputError

LEAST = 4
"""Files from which on processes gain more than their start costs, some two seconds; design choice."""


def in_order[Job, Done](work: Callable[[Job], Done], jobs: Sequence[Job], *, workers: int) -> Iterator[Done]:
    """What a function makes of each job, in their order, whichever is done first.

    Args:
        work: A module's own function.
        jobs: What it is called with.
        workers: Processes; few jobs, or 1, are done here.

    Raises:
        InputError: A process was killed.
    """
    workers = min(workers, len(jobs))
    if workers < 2 or len(jobs) < LEAST:
        yield from map(work, jobs)
        return
    with (
        one_thread(),
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_undisturbed) as pool,
    ):
        try:
            *before, last = [pool.submit(work, job) for job in jobs]
            for waited in before:
                yield waited.result()
            done = last.result()
        except BrokenProcessPool:
            raise InputError(
                "a process that worked on a file was killed (out of memory?); start again with --workers 1: what was "
                "finished is kept"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    # Whoever counts the jobs asks for no more than the last: by then no process is left.
    yield done


def _undisturbed() -> None:
    """Ctrl-C is for who waits; a file that was begun is finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
