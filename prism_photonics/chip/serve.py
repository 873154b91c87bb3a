"""A served chip on loopback TCP, for pyvisa or any other program that speaks lines of text."""

import asyncio
import contextlib
import functools
import os
import re
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from prism_photonics.chip.session import Client
from prism_photonics.units import InputError

HOST = "127.0.0.1"


@runtime_checkable
class Box(Protocol):
    """What answers lines: a served chip, or an instrument of a rehearsal."""

    def replies(self, line: str, client: Client) -> Iterator[str | None]:
        """Do what one line says, a command at a time, and give what each answers."""
        ...

    def delay_s(self) -> float:
        """Time in s until a reply may be sent."""
        ...

    def leave(self, client: Client) -> None:
        """End a connection."""


LONGEST_LINE_BYTES = LONGEST_REPLY_BYTES = 1 << 20
# Design choices: how long one client's line may keep the others waiting, and how long a reply may wait to be taken.
LONGEST_TURN_S = 0.02
LONGEST_SEND_S = 10.0


def resource_name(port: int) -> str:
    """The VISA resource of a served chip."""
    return f"TCPIP::{HOST}::{port}::SOCKET"


def require_free(port: int) -> None:
    """Refuse a port that is taken, before any work is done for it.

    Raises:
        InputError: The port cannot be listened at.
    """
    try:
        socket.create_server((HOST, port)).close()
    except (OSError, OverflowError) as error:
        raise _taken(port, error) from None


def serve(boxes: Sequence[Box], port: int, *, ready: Callable[[list[int]], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        boxes: What to serve, each on a port of its own.
        port: TCP port on the loopback interface of the first, the others follow; 0 takes free ones.
        ready: Told the ports as soon as clients can connect.

    Raises:
        InputError: A port is taken.
    """

    async def until_told() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await _run(boxes, port, ready, stop)

    asyncio.run(until_told())


@contextlib.contextmanager
def serving(chip: Box, *, port: int = 0) -> Iterator[str]:
    """Serve from a thread of this program, for tests and notebooks.

    Args:
        chip: The chip to serve.
        port: TCP port; 0 takes a free one.

    Yields:
        The VISA resource.

    Raises:
        InputError: The port is taken.
    """
    with serving_all([chip], port=port) as resources:
        yield resources[0]


@contextlib.contextmanager
def serving_all(boxes: Sequence[Box], *, port: int = 0) -> Iterator[list[str]]:
    """The same of several boxes, each on a port of its own, one after the other; one thread serves them all.

    Args:
        boxes: What to serve.
        port: TCP port of the first; 0 takes free ones.

    Yields:
        The VISA resources.

    Raises:
        InputError: A port is taken.
    """
    started = threading.Event()
    ports: list[int] = []
    failures: list[InputError] = []
    stops: list[Callable[[], object]] = []

    def ready(taken: list[int]) -> None:
        ports.extend(taken)
        started.set()

    async def until_told() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        await _run(boxes, port, ready, stop)

    def work() -> None:
        try:
            asyncio.run(until_told())
        except InputError as error:
            failures.append(error)
            started.set()

    thread = threading.Thread(target=work, name="served chip", daemon=True)
    thread.start()
    started.wait()
    if failures:
        raise failures[0]
    try:
        yield [resource_name(taken) for taken in ports]
    finally:
        stops[0]()
        thread.join()


async def _run(boxes: Sequence[Box], port: int, ready: Callable[[list[int]], None], stop: asyncio.Event) -> None:
    talks: set[asyncio.Task[None]] = set()

    async def begin(box: Box, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await _talk(box, reader, writer)
        finally:
            talks.discard(task)

    async with contextlib.AsyncExitStack() as servers:
        ports = []
        for i, box in enumerate(boxes):
            try:
                server = await asyncio.start_server(functools.partial(begin, box), HOST, port + i if port else 0)
            except (OSError, OverflowError) as error:
                raise _taken(port + i, error) from None
            await servers.enter_async_context(server)
            ports.append(server.sockets[0].getsockname()[1])
        ready(ports)
        await stop.wait()
        for task in tuple(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _talk(chip: Box, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one client until it leaves, or until it takes no answers any more."""
    client = Client()
    try:
        with contextlib.suppress(ConnectionError, TimeoutError, asyncio.CancelledError):
            async for line in _lines(reader, client):
                await _answer(chip, line, client, writer)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), LONGEST_SEND_S)
    finally:
        chip.leave(client)
        # What a client does not read would otherwise hold the connection, and the end of the program, for ever.
        writer.transport.abort()


async def _lines(reader: asyncio.StreamReader, client: Client) -> AsyncIterator[str]:
    """Whole lines; one that its sender did not end is never obeyed, nor the tail of one that is too long."""
    rest, overrun = b"", False
    while data := await reader.read(1 << 16):
        # A bench file may end its commands with either.
        *lines, rest = re.split(rb"[\r\n]", rest + data)
        if overrun and lines:
            # The tail of a line that was too long is no command.
            del lines[0]
            overrun = False
        for line in lines:
            yield line.decode("ascii", "replace").rstrip("\r")
        if len(rest) > LONGEST_LINE_BYTES:
            if not overrun:
                client.complain('-363,"Input buffer overrun"')
            rest, overrun = b"", True


async def _answer(chip: Box, line: str, client: Client, writer: asyncio.StreamWriter) -> None:
    """Do what one line says, in turns with what other clients ask, and send the reply when it is due."""
    replies: list[str] = []
    size, turn_ends_s = 0, time.monotonic() + LONGEST_TURN_S
    for reply in chip.replies(line, client):
        if reply is not None:
            replies.append(reply)
            size += len(reply) + 1
        if size > LONGEST_REPLY_BYTES:
            client.complain('-430,"Query DEADLOCKED; the reply is too long"')
            return
        if time.monotonic() > turn_ends_s:
            await asyncio.sleep(0)
            turn_ends_s = time.monotonic() + LONGEST_TURN_S
    if replies:
        await asyncio.sleep(chip.delay_s())
        # A block of numbers has any byte; all else is ASCII.
        writer.write(";".join(replies).encode("latin-1") + b"\n")
        await asyncio.wait_for(writer.drain(), LONGEST_SEND_S)


def _taken(port: int, error: Exception) -> InputError:
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if number else str(error)
    return InputError(f"--port {port}: cannot be served ({reason}); choose another, or 0 for a free one")
