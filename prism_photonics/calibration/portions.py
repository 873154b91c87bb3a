"""Buses in portions: what fits a core's cache is worked on at once, and every core takes its share.

Buses are independent circuits, so a portion is fitted from beginning to end by itself. NumPy lets go of the
interpreter while it computes, so that threads share the work, though little of it: steps that fit a cache are shorter
than it takes a thread to get the interpreter back. A portion holds the same buses on any number of cores, so that
numbers do not depend on the machine's.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from jaxtyping import Int, Shaped
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.cores import cores

# Readings of one step of the fit, as many as fit a core's cache, and of one portion: the last buses of a portion go on
# alone, which is slow, so a portion is a few times larger. Design choices.
READINGS_AT_ONCE, READINGS_IN_PORTION = 8192, 16384


_left: ContextVar[threading.Event | None] = ContextVar("left", default=None)


class AbandonedError(Exception):
    """Nobody waits for this work any more."""


@contextmanager
def abandonable(left: threading.Event) -> Iterator[None]:
    """Work of this thread that ends with `AbandonedError`, at the next portion, once ``left`` is set."""
    before = _left.set(left)
    try:
        yield
    finally:
        _left.reset(before)


def portions(
    survey: BusSurvey, buses: Int[ndarray, " some"] | None = None, *, readings: int = READINGS_AT_ONCE
) -> list[Int[ndarray, "..."]]:
    """The buses, or some of them, so many readings at once."""
    few = max(1, readings // max(survey.current_A[0].size, 1))
    buses = np.arange(survey.count) if buses is None else buses
    return [buses[first : first + few] for first in range(0, buses.size, few)]


Work = Callable[[Int[ndarray, " some"]], tuple[Shaped[ndarray, "..."], ...]]
"""Takes numbers of buses; changes nothing that another portion looks at."""


def in_portions(
    survey: BusSurvey, work: Work, *, readings: int = READINGS_IN_PORTION
) -> tuple[Shaped[ndarray, "buses ..."], ...]:
    """What ``work`` gives of all buses, in arrays that lead with them; arguments as of `each_portion`."""
    found = each_portion(survey, work, readings=readings)
    return tuple(np.concatenate(leaf) for leaf in zip(*found, strict=True))


def each_portion(
    survey: BusSurvey, work: Work, *, readings: int = READINGS_IN_PORTION
) -> Iterator[tuple[Shaped[ndarray, "..."], ...]]:
    """What ``work`` gives of each portion, in order; all cores are at work meanwhile.

    Args:
        survey: The buses.
        work: The work.
        readings: Readings of a portion.
    """
    left = _left.get()

    def unless_left(some: Int[ndarray, " some"]) -> tuple[Shaped[ndarray, "..."], ...]:
        if left is not None and left.is_set():
            raise AbandonedError("nobody waits for this fit")
        return work(some)

    parts = portions(survey, readings=readings)
    at_once = min(cores(), len(parts))
    if at_once <= 1:
        yield from map(unless_left, parts)
        return
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="fit")
    try:
        waiting = deque(pool.submit(unless_left, some) for some in parts[: 2 * at_once])
        for some in parts[2 * at_once :]:
            # No more are begun than are waited for: what is done lies in memory until it is asked for.
            yield waiting.popleft().result()
            waiting.append(pool.submit(unless_left, some))
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Ctrl-C waits for the portions in work, not for those behind them.
        pool.shutdown(cancel_futures=True)
