"""Signals while rings are driven: a polite request to end becomes an exit that parks; parking is not interrupted."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


_held = 0
_before: dict[int, Any] = {}


def hold_signals() -> None:
    """From now on SIGTERM and SIGHUP are SystemExit, so that ``with`` blocks are left in order and exit handlers run.

    Whoever holds them lets go of them, in any order; with the last one things are as before.
    """
    global _held
    _held += 1
    if not _before:
        _install(("SIGTERM", "SIGHUP"), _leave, _before)


def release_signals() -> None:
    """Let go of signals that were held."""
    global _held
    _held -= 1
    if not _held:
        _restore(_before)


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
    """Handle signals for a while."""
    old: dict[int, Any] = {}
    try:
        _install(names, handler, old)
        yield
    finally:
        _restore(old)


def _install(names: tuple[str, ...], handler: Handler, old: dict[int, Any]) -> None:
    """Handle signals; those that the platform lacks, and threads that may not listen, are left alone."""
    for name in names:
        with suppress(AttributeError, ValueError):
            number = getattr(signal, name)
            old[number] = signal.signal(number, handler)


def _restore(old: dict[int, Any]) -> None:
    """Give the signals back to the handlers that were installed before."""
    while old:
        # ValueError: another thread may not; what is left behind exits in order.
        with suppress(ValueError):
            signal.signal(*old.popitem())


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
