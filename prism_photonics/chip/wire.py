"""Bytes to an instrument and lines back, each within one deadline for the whole of it, however it is split."""

import contextlib
import select
import socket
import time
from typing import Any, Literal, Protocol, final

LARGEST_REPLY_BYTES = 1 << 20
# A million samples of eight bytes.
LARGEST_BLOCK_BYTES = 1 << 24
Termination = Literal["auto", "\n", "\r", "\r\n"]
_CHUNK_BYTES = 1 << 16


class EndlessError(Exception):
    """A line longer than `LARGEST_REPLY_BYTES`, or a block longer than `LARGEST_BLOCK_BYTES`."""


class NoBlockError(Exception):
    """An answer that does not begin as a block does; the message is its beginning."""


class Wire(Protocol):
    """One open connection."""

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of it.

        Args:
            data: Bytes to send.
            deadline: By `time.monotonic`.

        Raises:
            TimeoutError: The other end does not take it in time.
            OSError: The connection is gone.
        """

    def receive(self, deadline: float) -> bytes:
        """The next line, without its end; the errors of `send`, and `EndlessError`."""
        ...

    def receive_block(self, deadline: float) -> bytes:
        """The data of the next definite-length block, whatever bytes it holds; as `receive`, and `NoBlockError`.

        Source: IEEE 488.2-1992, 8.7.9 (definite length arbitrary block response data).
        """
        ...

    def unasked(self) -> bytes:
        """Bytes that arrived and were not read, as far as the line can say."""
        ...

    def closed(self) -> bool:
        """Whether the other end has hung up, as far as the line can say."""
        ...


@final
class SocketWire:
    """A TCP socket. VISA's own reading gives every piece of an answer a new timeout; here it has one for all."""

    def __init__(self, line: socket.socket, termination: Termination) -> None:
        self._line = line
        self._ends = (b"\r", b"\n") if termination == "auto" else (termination.encode(),)
        self._buffer = bytearray()
        self._after_return = self._after_block = False
        # A command and the question after it are two writes: with Nagle's algorithm each pair would take 40 ms.
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setblocking(False)

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of it; see `Wire.send`."""
        view = memoryview(data)
        while view:
            if not select.select([], [self._line], [], max(0.0, deadline - time.monotonic()))[1]:
                raise TimeoutError
            with contextlib.suppress(BlockingIOError):
                view = view[self._line.send(view) :]

    def receive(self, deadline: float) -> bytes:
        """The next line; see `Wire.receive`."""
        searched = 0
        while True:
            self._drop_line_feed()
            found = [at for end in self._ends if (at := self._buffer.find(end, searched)) >= 0]
            if found:
                return self._cut(min(found))
            if len(self._buffer) > LARGEST_REPLY_BYTES:
                raise EndlessError
            # The end may be two bytes, of which one has come.
            searched = max(0, len(self._buffer) - 1)
            self._more(deadline)

    def receive_block(self, deadline: float) -> bytes:
        """The data of the next block; see `Wire.receive_block`."""
        while True:
            self._drop_line_feed()
            if (cut := block_ends(self._buffer)) is not None and len(self._buffer) >= cut[1]:
                block = bytes(self._buffer[cut[0] : cut[1]])
                del self._buffer[: cut[1]]
                # Its line end may come later, or not at all.
                self._after_block = True
                return block
            self._more(deadline)

    def _more(self, deadline: float) -> None:
        """Wait for bytes."""
        if not select.select([self._line], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        with contextlib.suppress(BlockingIOError):
            data = self._line.recv(_CHUNK_BYTES)
            if not data:
                raise ConnectionResetError
            self._buffer += data

    def unasked(self) -> bytes:
        """Bytes that arrived; see `Wire.unasked`."""
        with contextlib.suppress(OSError):
            self._buffer += self._line.recv(64)
        self._drop_line_feed()
        return bytes(self._buffer[:64])

    def closed(self) -> bool:
        """Whether the other end has hung up."""
        try:
            return self._line.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _cut(self, at: int) -> bytes:
        line = bytes(self._buffer[:at])
        length = len(self._ends[0])
        self._after_return = len(self._ends) == 2 and self._buffer[at] == ord("\r")
        del self._buffer[: at + length]
        return line

    def _drop_line_feed(self) -> None:
        """The second half of a CR LF whose first half ended the line, and the line end behind a block."""
        while self._after_block and self._buffer:
            if self._buffer[0] not in b"\r\n":
                self._after_block = False
            else:
                self._after_block = self._buffer[0] != ord("\n")
                del self._buffer[0]
        if self._after_return and self._buffer:
            self._after_return = False
            if self._buffer[0] == ord("\n"):
                del self._buffer[0]


@final
class VisaWire:
    """Any other message-based resource, read through VISA."""

    def __init__(self, session: Any, termination: Termination) -> None:
        self._session = session
        session.write_termination = ""
        session.read_termination = "\n" if termination == "auto" else termination

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of it; see `Wire.send`."""
        self._session.timeout = max(1.0, 1e3 * (deadline - time.monotonic()))
        self._session.write_raw(data)

    def receive(self, deadline: float) -> bytes:
        """The next message; see `Wire.receive`."""
        reply = bytearray()
        while len(reply) <= LARGEST_REPLY_BYTES:
            left_s = deadline - time.monotonic()
            if left_s <= 0.0:
                raise TimeoutError
            self._session.timeout = max(1.0, 1e3 * left_s)
            piece, status = self._session.visalib.read(self._session.session, _CHUNK_BYTES)
            reply += piece
            # More may follow only where VISA stopped because its buffer was full.
            if status != _max_count():
                return bytes(reply)
        raise EndlessError

    def receive_block(self, deadline: float) -> bytes:
        """The data of the next block; see `Wire.receive_block`."""
        # A byte of the data may be the one that ends a line.
        ends = self._session.read_termination
        self._session.read_termination = None
        try:
            reply, more = bytearray(), True
            while True:
                # More may follow, if only the line end, where VISA stopped because its buffer was full.
                if (cut := block_ends(reply)) is not None and len(reply) >= cut[1] and not more:
                    return bytes(reply[cut[0] : cut[1]])
                left_s = deadline - time.monotonic()
                if left_s <= 0.0:
                    raise TimeoutError
                self._session.timeout = max(1.0, 1e3 * left_s)
                piece, status = self._session.visalib.read(self._session.session, _CHUNK_BYTES)
                reply, more = reply + piece, status == _max_count()
        finally:
            self._session.read_termination = ends

    def unasked(self) -> bytes:
        """Nothing: a bus instrument speaks only when it is addressed."""
        return b""

    def closed(self) -> bool:
        """Whether the other end has hung up: a bus cannot tell."""
        return False


def _max_count() -> Any:
    from pyvisa.constants import StatusCode

    return StatusCode.success_max_count_read


def block_ends(data: bytes | bytearray) -> tuple[int, int] | None:
    """Where the data of a block begin and end, or None where its header is not complete yet.

    Raises:
        NoBlockError: It is no block.
        EndlessError: It is longer than any that is taken.
    """
    if not data:
        return None
    if data[0] != ord("#") or (len(data) > 1 and not 1 <= data[1] - ord("0") <= 9):
        raise NoBlockError(repr(bytes(data[:40])))
    first = 2 + (data[1] - ord("0")) if len(data) > 1 else 2
    if len(data) < first or len(data) < 2:
        return None
    digits = bytes(data[2:first])
    if not digits.isdigit():
        raise NoBlockError(repr(bytes(data[:40])))
    if int(digits) > LARGEST_BLOCK_BYTES:
        raise EndlessError
    return first, first + int(digits)
