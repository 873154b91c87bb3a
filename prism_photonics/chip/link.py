"""Connection to one instrument: commands out, answers back, and one clear error when either fails."""

import contextlib
import socket
import time
from typing import Any, final

from prism_photonics.chip.wire import EndlessError, NoBlockError, SocketWire, Termination, VisaWire, Wire
from prism_photonics.extras import asked_by
from prism_photonics.units import InputError

# A socket that pyvisa-py reports as open may still be refused: only the first exchange tells.
OPEN_TIMEOUT_MS = 5000


class BenchError(InputError):
    """An instrument did not do what it was asked: the message names it, the command, and what came back."""


@final
class Link:
    """A message-based VISA resource that takes and gives lines.

    Attributes:
        resource: The VISA resource name.
        clean: Whether nothing is half sent and no reply is owed: otherwise the next reply may belong to an older
            question, and nothing is sent until `recover` has come first.
    """

    def __init__(
        self,
        resource: str,
        *,
        timeout_s: float,
        library: str = "@py",
        read_termination: Termination = "auto",
        write_termination: str = "\n",
        encoding: str = "latin-1",
    ) -> None:
        """Open it.

        Args:
            resource: The VISA resource name.
            timeout_s: Time for a whole answer, from the question's first byte to the answer's last, in s.
            library: VISA library, as pyvisa names it.
            read_termination: End of an answer; ``auto``: CR, LF or both.
            write_termination: End of a command.
            encoding: Of letters beyond ASCII in names and error texts.

        Raises:
            BenchError: It cannot be opened, or another program has locked it.
        """
        self.resource = resource
        self.clean = True
        self._timeout_s = timeout_s
        self._ends: tuple[Termination, str] = (read_termination, write_termination)
        self._encoding = encoding
        self._heard = False
        self._manager = _manager(library)
        self._session: Any = None
        self._wire: Wire
        self._open()

    def write(self, command: str) -> None:
        """Send one command.

        Raises:
            BenchError: The connection is gone, or the instrument takes nothing.
        """
        self._send(command, self._timeout_s, time.monotonic() + self._timeout_s)
        self.clean = True

    def query(self, command: str, *, extra_s: float = 0.0, text: bool = False) -> str:
        """Send one question and wait for its answer, however it is split on the way.

        Args:
            command: The question.
            extra_s: Time that the instrument needs beyond its timeout, such as an integration time.
            text: Whether letters beyond ASCII may be in the answer.

        Raises:
            BenchError: No whole line within the time, or the connection is gone.
        """
        reply = self._asked(command, extra_s, block=False)
        self._heard = True
        if not text and not reply.isascii():
            raise BenchError(
                f"{self.resource}: no readable answer to {_short(command)} (bytes beyond ASCII: {_short(repr(reply))})"
            )
        self.clean = True
        self._refuse_unasked(command)
        decoded = reply.decode(self._encoding, "replace").strip()
        # One line, whatever it held: it may stand in a message.
        return "".join(sign if sign.isprintable() or sign == "\t" else "\ufffd" for sign in decoded)

    def query_block(self, command: str, *, extra_s: float = 0.0) -> bytes:
        """Send one question and wait for its answer, a definite-length block of IEEE 488.2.

        Args:
            command: The question.
            extra_s: Time that the instrument needs beyond its timeout.

        Raises:
            BenchError: No block, not all of it within the time, or the connection is gone.
        """
        reply = self._asked(command, extra_s, block=True)
        self._heard = self.clean = True
        return reply

    def _asked(self, command: str, extra_s: float, *, block: bool) -> bytes:
        """The answer to a question; the line is not clean yet."""
        limit_s = self._timeout_s + extra_s
        deadline = time.monotonic() + limit_s
        self._refuse_unasked(command)
        self._send(command, limit_s, deadline)
        try:
            return (self._wire.receive_block if block else self._wire.receive)(deadline)
        except NoBlockError as error:
            raise BenchError(
                f"{self.resource}: the answer to {_short(command)} is {error}, want a block that begins with #; "
                "check the command, or give log_format = 'ascii'"
            ) from None
        except EndlessError:
            raise BenchError(
                f"{self.resource}: the answer to {_short(command)} never ends; check read_termination"
            ) from None
        except TimeoutError:
            raise self._late(command, limit_s) from None
        except (OSError, _visa().Error) as error:
            if isinstance(error, ConnectionError) or self._wire.closed():
                raise self._lost(command) from None
            if getattr(error, "error_code", None) == _visa().constants.StatusCode.error_timeout:
                raise self._late(command, limit_s) from None
            raise BenchError(f"{self.resource}: no readable answer to {_short(command)} ({_reason(error)})") from None

    def recover(self) -> None:
        """Discard partial commands and pending answers by opening the connection anew.

        Raises:
            BenchError: The instrument cannot be reached.
        """
        self.close()
        self._open()
        if isinstance(self._wire, VisaWire):
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
        line = self._socket()
        self._wire = SocketWire(line, self._ends[0]) if line else VisaWire(self._session, self._ends[0])
        if line is None:
            self._lock()

    def _lock(self) -> None:
        """Have the instrument alone, where its interface has locks; sockets have none."""
        try:
            self._session.lock_excl(timeout=OPEN_TIMEOUT_MS)
        except Exception as error:  # a backend without locks says so in many ways
            codes = _visa().constants.StatusCode
            if getattr(error, "error_code", None) in (codes.error_resource_locked, codes.error_resource_busy):
                self.close()
                raise BenchError(
                    f"{self.resource} is in use by another program ({_reason(error)}); wait for it to end"
                ) from None

    def _socket(self) -> socket.socket | None:
        sessions = getattr(self._session.visalib, "sessions", {})
        with contextlib.suppress(Exception):  # a closed session has no handle to look up
            line = getattr(sessions[self._session.session], "interface", None)
            return line if isinstance(line, socket.socket) else None
        return None

    def _send(self, command: str, limit_s: float, deadline: float) -> None:
        if not self.clean:
            raise BenchError(
                f"{self.resource}: is not told {_short(command)}: the answer to an older question may still come and "
                "be taken for this one's; close the bench and open it anew"
            )
        self.clean = False
        try:
            self._wire.send((command + self._ends[1]).encode("ascii"), deadline)
        except TimeoutError:
            raise BenchError(
                f"{self.resource}: does not take {_short(command)} within {limit_s:.3g} s; check the instrument"
            ) from None
        except (OSError, ValueError, _visa().Error) as error:
            raise self._lost(command, _reason(error)) from None

    def _refuse_unasked(self, command: str) -> None:
        """Refuse more lines than were asked for: from here on every answer would belong to an earlier query."""
        if waiting := self._wire.unasked():
            self.clean = False
            raise BenchError(
                f"{self.resource}: sent {_short(repr(waiting))} without being asked, at {_short(command)}; check that "
                "each question in the bench file has one line for an answer"
            )

    def _lost(self, command: str, reason: str = "closed by the instrument") -> BenchError:
        if not self._heard:
            served = ", and that 'prism bench serve' has said its address" if "::127." in self.resource else ""
            return BenchError(f"{self.resource}: cannot be reached ({reason}); check address, power and cable{served}")
        return BenchError(f"{self.resource}: connection lost at {_short(command)} ({reason}); check power and cable")

    def _late(self, command: str, limit_s: float) -> BenchError:
        return BenchError(
            f"{self.resource}: no answer to {_short(command)} within {limit_s:.3g} s; check the instrument, the "
            "command, or raise timeout_s"
        )


def _visa() -> Any:
    with asked_by("a bench"):
        import pyvisa
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
