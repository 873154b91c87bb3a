"""Signals while rings are driven: a polite request to end becomes an exit that parks; parking is not interrupted."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that ``with`` blocks are left in order."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handled(("SIGTERM", "SIGHUP"), leave):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold signals back until the block is done: a second Ctrl-C must not stop what the first one began."""
    held: list[int] = []
    with _handled(("SIGINT", "SIGTERM", "SIGHUP"), lambda number, frame: held.append(number)):
        yield
    if held:
        signal.raise_signal(held[0])


@contextmanager
def _handled(names: tuple[str, ...], handler: Handler) -> Iterator[None]:
    """Handle signals for a while; those that the platform lacks, and threads that may not listen, are left alone."""
    old: dict[int, Any] = {}
    try:
        for name in names:
            try:
                number = getattr(signal, name)
                old[number] = signal.signal(number, handler)
            except (AttributeError, ValueError):
                continue
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)
