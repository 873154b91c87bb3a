"""Work that is shared with processes comes back in its order, and a process that is killed is told of in one line."""

import multiprocessing
import os
import signal

import pytest

from prism_photonics.cores import ONE_THREAD
from prism_photonics.units import InputError
from prism_photonics.workflow.side_by_side import LEAST, in_order


def test_results_come_in_the_order_of_the_jobs_and_leave_no_process_behind():
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    others = set(multiprocessing.active_children())
    found = in_order(abs, [-3, -2, -1, 0], workers=2)
    # As who counts the jobs asks: the list of them is not read to its end.
    assert [next(found) for _ in range(4)] == [3, 2, 1, 0]
    assert set(multiprocessing.active_children()) <= others
    assert {name: os.environ.get(name) for name in ONE_THREAD} == before


def test_a_process_that_is_killed_is_told_of_in_one_line():
    with pytest.raises(InputError, match=r"was killed .*--workers 1: what was finished is kept") as told:
        list(in_order(signal.raise_signal, [signal.SIGKILL] * LEAST, workers=2))
    assert "\n" not in str(told.value)


def test_few_jobs_and_one_worker_are_done_here():
    assert list(in_order(_here, range(LEAST - 1), workers=8)) == [os.getpid()] * (LEAST - 1)
    assert list(in_order(_here, range(LEAST), workers=1)) == [os.getpid()] * LEAST
    assert list(in_order(_here, [], workers=2)) == []


def _here(_):
    return os.getpid()
