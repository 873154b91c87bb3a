"""Drawing without the collector of reference cycles, which would look at every object of every library each time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Within it no full collection runs: with gdsfactory imported, each takes as long as a tenth of a large drawing.

    A drawing allocates many objects and leaves few cycles. Those are collected among the young objects at its end, or
    the count of them would bring about a full collection there. What was switched off before stays off.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.collect(0)
            gc.enable()
