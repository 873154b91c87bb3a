"""One line to one instrument, by pyvisa: text out, text back, and a clear word when either fails."""

import contextlib
import select
import socket
import time
from typing import Any, final

from prism_photonics.units import InputError

LARGEST_REPLY_BYTES = 1 << 20
# A socket that pyvisa-py reports as open may still be refused: only the first exchange tells.
OPEN_TIMEOUT_MS = 5000


class BenchError(InputError):
    """An instrument did not do what it was asked: the message names it, the command, and what came back."""


@final
class Link:
    """A message-based VISA resource. Lines end with a newline, both ways.

    Attributes:
        resource: The VISA resource name.
        clean: Whether nothing is half sent and no reply is owed: otherwise the next reply may belong to an older
            question, and `recover` must come first.
    """

    def __init__(self, resource: str, *, timeout_s: float, library: str = "@py") -> None:
        self.resource = resource
        self.clean = True
        self._timeout_s = timeout_s
        self._heard = False
        self._manager = _manager(library)
        self._session: Any = None
        self._open()

    def write(self, command: str) -> None:
        """Send one command.

        Raises:
            BenchError: The connection is gone.
        """
        self.clean = False
        try:
            self._session.write(command)
        except (OSError, _visa().Error) as error:
            raise self._lost(command, _reason(error)) from None
        self.clean = True

    def query(self, command: str, *, extra_s: float = 0.0) -> str:
        """Send one question and wait for its answer, however it is split on the way.

        Args:
            command: The question.
            extra_s: Time that the instrument needs beyond its timeout, such as an integration time.

        Raises:
            BenchError: No whole line within the time, or the connection is gone.
        """
        limit_s = self._timeout_s + extra_s
        self._refuse_unasked(command)
        self.write(command)
        self.clean = False
        deadline = time.monotonic() + limit_s
        self._wait_for_reply(command, limit_s)
        try:
            self._session.timeout = max(1.0, 1e3 * (deadline - time.monotonic()))
            reply = self._session.read_bytes(LARGEST_REPLY_BYTES, break_on_termchar=True).decode("ascii")
        except (OSError, UnicodeDecodeError, _visa().Error) as error:
            if self._closed():
                raise self._lost(command) from None
            if getattr(error, "error_code", None) == _visa().constants.StatusCode.error_timeout:
                raise self._late(command, limit_s) from None
            raise BenchError(f"{self.resource}: no readable answer to {_short(command)} ({_reason(error)})") from None
        self._heard = True
        if len(reply) == LARGEST_REPLY_BYTES and not reply.endswith("\n"):
            raise BenchError(f"{self.resource}: the answer to {_short(command)} never ends; check the read termination")
        self.clean = True
        self._refuse_unasked(command)
        return reply.strip()

    def recover(self) -> None:
        """Drop whatever is half sent or owed by opening the line anew.

        Raises:
            BenchError: The instrument cannot be reached.
        """
        self.close()
        self._open()
        if not self._socket():
            # A bus keeps an instrument's half-read line across sessions; a device clear empties it.
            with contextlib.suppress(OSError, _visa().Error):
                self._session.clear()
        self.clean = True

    def close(self) -> None:
        """Close the line; a dead one is no error."""
        with contextlib.suppress(OSError, _visa().Error, Exception):
            self._session.close()

    def _open(self) -> None:
        try:
            self._session = self._manager.open_resource(self.resource, open_timeout=OPEN_TIMEOUT_MS)
        except Exception as error:  # pyvisa and its backends raise bare exceptions of many types here
            raise BenchError(f"{self.resource}: cannot be opened ({_reason(error)}); check address and cable") from None
        if not hasattr(self._session, "write_termination"):
            raise BenchError(
                f"{self.resource}: takes no text commands; give the resource of a message-based instrument"
            )
        self._session.write_termination = self._session.read_termination = "\n"
        self._session.timeout = 1e3 * self._timeout_s
        if line := self._socket():
            # A command and the question after it are two writes: with Nagle's algorithm each pair would take 40 ms.
            # (pyvisa-py 0.8 refuses the VISA attribute that stands for this.)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _backend(self) -> Any:
        """pyvisa-py's own session, or nothing it could be taken for."""
        sessions = getattr(self._session.visalib, "sessions", {})
        with contextlib.suppress(Exception):  # a closed session has no handle to look up
            return sessions[self._session.session]
        return object()

    def _socket(self) -> socket.socket | None:
        line = getattr(self._backend(), "interface", None)
        return line if isinstance(line, socket.socket) else None

    def _refuse_unasked(self, command: str) -> None:
        """More lines than were asked for: from here on every answer would belong to an older question."""
        line = self._socket()
        if line is None:
            return
        waiting = bytes(getattr(self._backend(), "_pending_buffer", b""))
        if not waiting and select.select([line], [], [], 0.0)[0] and not self._closed():
            waiting = line.recv(64, socket.MSG_PEEK)
        if waiting:
            self.clean = False
            raise BenchError(
                f"{self.resource}: sent {_short(repr(waiting))} without being asked, at {_short(command)}; check that "
                "each question in the bench file has one line for an answer"
            )

    def _wait_for_reply(self, command: str, limit_s: float) -> None:
        """Wait for the first byte; pyvisa-py would spin until the timeout on a connection that was closed."""
        line = self._socket()
        if line is None:
            return
        if not select.select([line], [], [], limit_s)[0]:
            raise self._late(command, limit_s)
        if self._closed():
            raise self._lost(command)

    def _closed(self) -> bool:
        line = self._socket()
        if line is None:
            return False
        try:
            return line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _lost(self, command: str, reason: str = "closed by the instrument") -> BenchError:
        if not self._heard:
            return BenchError(f"{self.resource}: cannot be reached ({reason}); check address, power and cable")
        return BenchError(f"{self.resource}: connection lost at {_short(command)} ({reason}); check power and cable")

    def _late(self, command: str, limit_s: float) -> BenchError:
        return BenchError(
            f"{self.resource}: no answer to {_short(command)} within {limit_s:.3g} s; check the instrument, the "
            "command, or raise timeout_s"
        )


def _visa() -> Any:
    try:
        import pyvisa
    except ImportError:
        raise InputError("a bench needs pyvisa; install prism_photonics[bench]") from None
    return pyvisa


def _manager(library: str) -> Any:
    try:
        return _visa().ResourceManager(library)
    except (OSError, ValueError, _visa().Error) as error:
        raise InputError(
            f"visa_library = '{library}': cannot be loaded ({_reason(error)}); install it, or use '@py'"
        ) from None


def _short(command: str) -> str:
    return repr(command if len(command) <= 60 else f"{command[:40]}…{command[-12:]}")


def _reason(error: BaseException) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
