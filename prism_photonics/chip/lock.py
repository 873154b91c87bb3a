"""Lock files: each is held by one program at a time, on this machine."""

import contextlib
import hashlib
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from prism_photonics.chip.resource import canonical
from prism_photonics.units import InputError

# A holder that ends takes its file away between our opening and our locking it; so often in a row it does not.
_TRIES = 100


def claim(path: Path, *, who: str, shared: bool = False) -> int:
    """Open a file and lock it, in one step as far as other programs can see.

    Args:
        path: The file; made if it is not there. It is the file of that name when it is locked, also where a holder
            before took its own away or moved it.
        who: Name of the locked thing, for the message.
        shared: Let others share it; nobody who wants it alone gets it then.

    Returns:
        The open file's number. The lock ends with it, also when its program is killed.

    Raises:
        InputError: Another program holds it, or it cannot be made.
    """
    for _ in range(_TRIES):
        try:
            file = _opened(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be opened ({error.strerror}); make the folder writable") from None
        try:
            _lock(file, path, who=who, shared=shared)
            if is_at(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
    raise InputError(f"{path}: {who} is in use by another program; wait for it to end")


def is_at(file: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path, follow_symlinks=False))
    except OSError:
        return False


@contextmanager
def sole_owner(path: Path, *, who: str) -> Iterator[None]:
    """Hold a lock file for a while; it goes at the end.

    Raises:
        InputError: Another program holds it.
    """
    file = claim(path, who=who)
    try:
        _sign(file)
        yield
    finally:
        _let_go(file, path)


@final
class InstrumentLocks:
    """The instruments that a program holds on this machine: one lock file each, among the temporary files.

    It tells programs on one machine apart, for instruments that have no lock of their own.
    """

    def __init__(self) -> None:
        self._held: list[tuple[int, Path]] = []

    def take(self, resources: list[str]) -> None:
        """Claim instruments, all or none.

        Raises:
            InputError: Another program holds one.
        """
        try:
            claims: dict[str, tuple[str, bool]] = {}
            for resource in resources:
                for name, shared in _claims(resource).items():
                    claims[name] = (resource, shared and claims.get(name, (resource, True))[1])
            # In one order in every program, so that of two with the same instruments one gets them all.
            for name, (resource, shared) in sorted(claims.items()):
                path = _lock_path(name)
                file = claim(path, who=resource, shared=shared)
                self._held.append((file, path))
                if not shared:
                    _sign(file)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go of all of them."""
        while self._held:
            _let_go(*self._held.pop())


def _claims(resource: str) -> dict[str, bool]:
    """The names to be locked for a resource, each with whether others may share it.

    A host's own service is the whole box; of its sockets each may be another one's, behind a gateway.
    """
    name = canonical(resource)
    parts = name.split("::")
    if len(parts) < 3 or not re.fullmatch(r"(TCPIP|VICP)\d+", parts[0]):
        return {name: False}
    # By its number: another program may know the host by another name. One that has none is not reached either.
    with contextlib.suppress(OSError, UnicodeError):
        parts[1] = socket.gethostbyname(parts[1])
        name = "::".join(parts)
    host = "::".join(parts[:2])
    return {host: True, name: False} if parts[-1] == "SOCKET" else {host: False}


def _lock_path(name: str) -> Path:
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", name)[:60]
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"prism_photonics-{readable}-{digest}.lock"


def _opened(path: Path) -> int:
    flags = getattr(os, "O_NOFOLLOW", 0) | os.O_APPEND
    try:
        # Without O_CREAT first: a system may forbid it for another user's file in the temporary folder.
        file = os.open(path, os.O_RDWR | flags)
    except FileNotFoundError:
        file = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(0, "not a file")
    return file


def _lock(file: int, path: Path, *, who: str, shared: bool) -> None:
    """Lock an open file; systems without file locks go without."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        holder = _holder(path)
        raise InputError(
            f"{who} is in use by another program{f' (process {holder})' if holder else ''}; wait for it to end"
        ) from None
    except OSError as error:
        # Some file systems on a network have none.
        raise InputError(
            f"{path}: cannot be locked ({error.strerror}), and without a lock a second program could use {who} too; "
            "choose a folder on a local disk"
        ) from None


def _sign(file: int) -> None:
    """Write who holds it, for the message that another program gives; the lock does not depend on it."""
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        # Another user's program has to be able to lock it too.
        os.fchmod(file, 0o666)


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        with path.open("rb") as stream:
            text = stream.read(16).decode("ascii").strip()
        if text.isdigit():
            return text
    return ""


def _let_go(file: int, path: Path) -> None:
    with contextlib.suppress(OSError):
        # Another's stays: ours is taken away only while we hold it, and never if others share it.
        if is_at(file, path) and _alone(file):
            path.unlink()
    with contextlib.suppress(OSError):
        os.close(file)


def _alone(file: int) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True
