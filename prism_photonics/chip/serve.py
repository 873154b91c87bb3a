"""A served chip on loopback TCP, for pyvisa or any other program that speaks lines of text."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.session import Client
from prism_photonics.units import InputError

HOST = "127.0.0.1"
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


def serve(chip: ServedChip, port: int, *, ready: Callable[[int], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        chip: The chip to serve.
        port: TCP port on the loopback interface; 0 takes a free one.
        ready: Told the port as soon as clients can connect.

    Raises:
        InputError: The port is taken.
    """

    async def until_told() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await _run(chip, port, ready, stop)

    asyncio.run(until_told())


@contextlib.contextmanager
def serving(chip: ServedChip, *, port: int = 0) -> Iterator[str]:
    """Serve from a thread of this program, for tests and notebooks.

    Args:
        chip: The chip to serve.
        port: TCP port; 0 takes a free one.

    Yields:
        The VISA resource.

    Raises:
        InputError: The port is taken.
    """
    started = threading.Event()
    ports: list[int] = []
    failures: list[InputError] = []
    stops: list[Callable[[], object]] = []

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    async def until_told() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        await _run(chip, port, ready, stop)

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
        yield resource_name(ports[0])
    finally:
        stops[0]()
        thread.join()


async def _run(chip: ServedChip, port: int, ready: Callable[[int], None], stop: asyncio.Event) -> None:
    talks: set[asyncio.Task[None]] = set()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await _talk(chip, reader, writer)
        finally:
            talks.discard(task)

    try:
        server = await asyncio.start_server(begin, HOST, port)
    except (OSError, OverflowError) as error:
        raise _taken(port, error) from None
    async with server:
        ready(server.sockets[0].getsockname()[1])
        await stop.wait()
        server.close()
        for task in tuple(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _talk(chip: ServedChip, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        *lines, rest = (rest + data).split(b"\n")
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


async def _answer(chip: ServedChip, line: str, client: Client, writer: asyncio.StreamWriter) -> None:
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
